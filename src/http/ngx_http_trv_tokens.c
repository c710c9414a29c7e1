
#include "ngx_http_trv_list.h"
#include "ngx_http_trv_routes.h"


/* calls of the script for one page: some 5 ms of Redis each */
#define NGX_HTTP_TRV_TOKENS_CALLS  16


/* a page is asked for until it is full: a script looks at so many only */

typedef struct {
    ngx_http_trv_list_t   list;
    trv_words_t          *words;
    json_t               *items;         /* NULL: not ours any more */
    ngx_uint_t            calls;
} ngx_http_trv_tokens_t;


static void ngx_http_trv_tokens_ask(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_tokens_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_tokens_answer(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_tokens_cleanup(void *data);
static void ngx_http_trv_token_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static json_t *ngx_http_trv_token_json(redisReply **field);


void
ngx_http_trv_tokens(ngx_http_trv_admin_t *ad)
{
    trv_owner_t             owner;
    ngx_pool_cleanup_t     *cln;
    ngx_http_trv_tokens_t  *tk;

    cln = ngx_pool_cleanup_add(ad->request->pool,
                               sizeof(ngx_http_trv_tokens_t));
    if (cln == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    tk = cln->data;
    ngx_memzero(tk, sizeof(ngx_http_trv_tokens_t));

    cln->handler = ngx_http_trv_tokens_cleanup;
    ad->data = tk;

    if (ngx_http_trv_list_args(ad,
                               NGX_HTTP_TRV_LIST_PARTNER
                               |NGX_HTTP_TRV_LIST_STORE
                               |NGX_HTTP_TRV_LIST_STATE
                               |NGX_HTTP_TRV_LIST_PREFIX, &tk->list)
        != NGX_OK)
    {
        return;
    }

    tk->words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_TOKENS);
    tk->items = json_array();

    if (tk->words == NULL || tk->items == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    owner = trv_policy_owner(&ad->principal, TRV_OP_LIST_TOKENS);

    if (ngx_http_trv_list_own(&tk->list, &owner) != NGX_OK) {
        tk->list.cursor.len = 0;         /* nothing follows either */
        ngx_http_trv_tokens_answer(ad);
        return;
    }

    ngx_http_trv_tokens_ask(ad);
}


static void
ngx_http_trv_tokens_ask(ngx_http_trv_admin_t *ad)
{
    trv_words_t            *words;
    ngx_http_trv_list_t    *list;
    ngx_http_trv_tokens_t  *tk;

    tk = ad->data;
    list = &tk->list;
    words = tk->words;

    tk->calls++;

    trv_words_begin(words, TRV_SCRIPT_TOKENS);

    (void) trv_words_add_number(words, list->limit
                                       - json_array_size(tk->items));
    (void) trv_words_add(words, (char *) list->cursor.data, list->cursor.len);
    (void) trv_words_add(words, (char *) list->partner.data,
                         list->partner.len);
    (void) trv_words_add(words, (char *) list->store.data, list->store.len);
    (void) trv_words_add(words, (char *) list->state.data, list->state.len);
    (void) trv_words_add(words, (char *) list->prefix.data, list->prefix.len);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_tokens_reply);
}


static void
ngx_http_trv_tokens_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    size_t                  i;
    ngx_str_t              *cursor;
    redisReply             *next;
    ngx_http_trv_tokens_t  *tk;

    if (ngx_http_trv_list_check(ad, reply, NGX_HTTP_TRV_TOKEN_FIELDS)
        != NGX_OK)
    {
        return;
    }

    tk = ad->data;

    for (i = 1; i < reply->elements; i += NGX_HTTP_TRV_TOKEN_FIELDS) {
        (void) json_array_append_new(tk->items,
                              ngx_http_trv_token_json(&reply->element[i]));
    }

    next = reply->element[0];
    cursor = &tk->list.cursor;

    cursor->len = next->len;
    cursor->data = ngx_pnalloc(ad->request->pool, next->len);

    if (cursor->data == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_memcpy(cursor->data, next->str, next->len);

    if (cursor->len && tk->calls < NGX_HTTP_TRV_TOKENS_CALLS
        && json_array_size(tk->items) < tk->list.limit)
    {
        ngx_http_trv_tokens_ask(ad);
        return;
    }

    ngx_http_trv_tokens_answer(ad);
}


static void
ngx_http_trv_tokens_answer(ngx_http_trv_admin_t *ad)
{
    json_t                 *items;
    ngx_http_trv_tokens_t  *tk;

    tk = ad->data;

    items = tk->items;
    tk->items = NULL;

    ngx_http_trv_list_answer(ad, items, (char *) tk->list.cursor.data,
                             tk->list.cursor.len);
}


static void
ngx_http_trv_tokens_cleanup(void *data)
{
    ngx_http_trv_tokens_t  *tk = data;

    json_decref(tk->items);
}


void
ngx_http_trv_token(ngx_http_trv_admin_t *ad)
{
    trv_owner_t   owner;
    trv_words_t  *words;

    if (ngx_http_trv_list_id(ad) != NGX_OK) {
        return;
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_TOKEN);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    owner = trv_policy_owner(&ad->principal, TRV_OP_LIST_TOKENS);

    (void) trv_words_add(words, (char *) ad->rest.data, ad->rest.len);
    (void) trv_words_add(words, owner.partner.data, owner.partner.len);
    (void) trv_words_add(words, owner.store.data, owner.store.len);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_token_reply);
}


static void
ngx_http_trv_token_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    if (!ngx_http_trv_list_strings(reply)
        || (reply->elements && reply->elements != NGX_HTTP_TRV_TOKEN_FIELDS))
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    if (reply->elements == 0) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "not-found",
                                   "This token is not on record.");
        return;
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
                            ngx_http_trv_token_json(reply->element));
}


static json_t *
ngx_http_trv_token_json(redisReply **field)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
                     " s:o, s:o, s:o}",
                     "id", ngx_http_trv_list_text(field[0]),
                     "partner", ngx_http_trv_list_text(field[1]),
                     "store", ngx_http_trv_list_text(field[2]),
                     "issued_at", ngx_http_trv_list_time(field[3], 1),
                     "expires_at", ngx_http_trv_list_time(field[4], 1),
                     "apis", ngx_http_trv_list_words(field[5], ','),
                     "renews", ngx_http_trv_list_text(field[6]),
                     "renewed_by", ngx_http_trv_list_text(field[7]),
                     "state", ngx_http_trv_list_text(field[8]),
                     "revoked_at", ngx_http_trv_list_time(field[9], 1000),
                     "revoked_by", ngx_http_trv_list_text(field[10]),
                     "reason", ngx_http_trv_list_text(field[11]),
                     "tries", ngx_http_trv_list_number(field[12]),
                     "last_try", ngx_http_trv_list_time(field[13], 1000));
}
