
#include "ngx_http_trv_revoke.h"


/*
 * A scope is revoked as the list of ids that it is, page by page: its script
 * finds them, the one that revokes them in batches looks at each record again.
 */

#define NGX_HTTP_TRV_SCOPE_PAGE  1000    /* tokens looked at in one script */
#define NGX_HTTP_TRV_SCOPE_HEAD  3       /* values before the ids */


static void ngx_http_trv_revoke_scope_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_int_t ngx_http_trv_revoke_page(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static ngx_int_t ngx_http_trv_revoke_word(ngx_http_trv_admin_t *ad,
    ngx_str_t *word, redisReply *reply);


void
ngx_http_trv_revoke_scope(ngx_http_trv_admin_t *ad)
{
    size_t                  size;
    trv_words_t            *words;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (rv->ids == NULL) {
        size = NGX_HTTP_TRV_SCOPE_PAGE * sizeof(trv_id_t);

        rv->ids = ngx_palloc(ad->request->pool, size);
        rv->proof->ids = ngx_palloc(ad->request->pool,
                                    NGX_HTTP_TRV_REVOKE_LISTED
                                    * sizeof(trv_id_t));
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_SCOPE);

    if (words == NULL || rv->ids == NULL || rv->proof->ids == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    (void) trv_words_add_text(words, rv->request.partner);
    (void) trv_words_add_text(words, rv->request.store);
    (void) trv_words_add(words, rv->owner.partner.data, rv->owner.partner.len);
    (void) trv_words_add(words, rv->owner.store.data, rv->owner.store.len);
    (void) trv_words_add(words, (char *) rv->serial.data, rv->serial.len);
    (void) trv_words_add(words, (char *) rv->cursor.data, rv->cursor.len);
    (void) trv_words_add_number(words, NGX_HTTP_TRV_SCOPE_PAGE);

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_revoke_scope_reply);
}


static void
ngx_http_trv_revoke_scope_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    ngx_uint_t              first;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    first = (rv->serial.len == 0);

    /* a script that only reads has changed nothing, sent or not */

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        ngx_http_trv_revoke_failed(ad, reply, 0);
        return;
    }

    if (ngx_http_trv_revoke_page(ad, reply) != NGX_OK) {
        ngx_http_trv_revoke_failed(ad, NULL, 0);
        return;
    }

    if (first && rv->proof->repeated == 0) {
        rv->hits = reply->element[2]->integer;

        if (rv->hits && rv->request.expect >= 0
            && rv->hits != (uint64_t) rv->request.expect)
        {
            ngx_http_trv_revoke_unexpected(ad, rv->hits);
            return;
        }
    }

    ngx_http_trv_revoke_next(ad);
}


static ngx_int_t
ngx_http_trv_revoke_page(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    size_t                  i;
    redisReply            **element;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    element = reply->element;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements < NGX_HTTP_TRV_SCOPE_HEAD
        || reply->elements > NGX_HTTP_TRV_SCOPE_HEAD + NGX_HTTP_TRV_SCOPE_PAGE
        || element[2]->type != REDIS_REPLY_INTEGER
        || ngx_http_trv_revoke_word(ad, &rv->serial, element[0]) != NGX_OK
        || ngx_http_trv_revoke_word(ad, &rv->cursor, element[1]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rv->done = 0;
    rv->n = 0;

    for (i = NGX_HTTP_TRV_SCOPE_HEAD; i < reply->elements; i++) {

        /* what is no id was put there by hand: no token can have it */

        if (element[i]->type == REDIS_REPLY_STRING
            && trv_id_parse(element[i]->str, element[i]->len, &rv->ids[rv->n])
               == TRV_OK)
        {
            rv->n++;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_trv_revoke_word(ngx_http_trv_admin_t *ad, ngx_str_t *word,
    redisReply *reply)
{
    ngx_str_t  text;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    word->len = text.len;
    word->data = ngx_pstrdup(ad->request->pool, &text);

    return word->data ? NGX_OK : NGX_ERROR;
}


void
ngx_http_trv_revoke_restart(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (rv->proof->repeated++ == NGX_HTTP_TRV_PROOF_REPEATS) {
        ngx_http_trv_revoke_failed(ad, NULL, 1);
        return;
    }

    (void) json_array_clear(rv->revoked);

    rv->serial.len = 0;
    rv->cursor.len = 0;
    rv->count = 0;
    rv->already = 0;
    rv->listed = 0;
    rv->proof->n = 0;
    rv->proof->repl_id[0] = '\0';

    ngx_http_trv_revoke_scope(ad);
}
