
#include "ngx_http_trv_list.h"
#include "ngx_http_trv_routes.h"


/* id, expiry, at, by, why, partner, store, tries, last try */
#define NGX_HTTP_TRV_REVOCATION_FIELDS  9


static void ngx_http_trv_revocations_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revocation_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static json_t *ngx_http_trv_revocation_json(const char *id, size_t id_len,
    redisReply **field);


void
ngx_http_trv_revocations(ngx_http_trv_admin_t *ad)
{
    u_char                since[NGX_INT64_LEN];
    trv_owner_t           owner;
    trv_words_t          *words;
    ngx_http_trv_list_t   list;

    if (ngx_http_trv_list_args(ad, NGX_HTTP_TRV_LIST_SINCE
                                   |NGX_HTTP_TRV_LIST_PARTNER
                                   |NGX_HTTP_TRV_LIST_STORE, &list)
        != NGX_OK)
    {
        return;
    }

    owner = trv_policy_owner(&ad->principal, TRV_OP_LIST_REVOCATIONS);

    if (ngx_http_trv_list_own(&list, &owner) != NGX_OK) {
        ngx_http_trv_list_answer(ad, json_array(), NULL, 0);
        return;
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_LIST);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    (void) trv_words_add_number(words, list.limit);
    (void) trv_words_add(words, (char *) list.cursor.data, list.cursor.len);
    (void) trv_words_add(words, (char *) list.partner.data, list.partner.len);
    (void) trv_words_add(words, (char *) list.store.data, list.store.len);
    (void) trv_words_add(words, (char *) since,
                         list.since
                         ? ngx_sprintf(since, "%L", list.since * 1000) - since
                         : 0);
    (void) trv_words_add_text(words, owner.partner.len ? "partner"
                                     : owner.store.len ? "store" : "");

    ngx_http_trv_admin_ask(ad, &words->command,
                           ngx_http_trv_revocations_reply);
}


static void
ngx_http_trv_revocations_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    size_t        i;
    json_t       *items;
    redisReply  **field;

    if (ngx_http_trv_list_check(ad, reply, NGX_HTTP_TRV_REVOCATION_FIELDS)
        != NGX_OK)
    {
        return;
    }

    items = json_array();

    for (i = 1; i < reply->elements; i += NGX_HTTP_TRV_REVOCATION_FIELDS) {
        field = &reply->element[i];
        (void) json_array_append_new(items,
                   ngx_http_trv_revocation_json(field[0]->str, field[0]->len,
                                                &field[1]));
    }

    ngx_http_trv_list_answer(ad, items, reply->element[0]->str,
                             reply->element[0]->len);
}


void
ngx_http_trv_revocation(ngx_http_trv_admin_t *ad)
{
    trv_owner_t   owner;
    trv_words_t  *words;

    if (ngx_http_trv_list_id(ad) != NGX_OK) {
        return;
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_GET);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    owner = trv_policy_owner(&ad->principal, TRV_OP_LIST_REVOCATIONS);

    (void) trv_words_add(words, (char *) ad->rest.data, ad->rest.len);
    (void) trv_words_add(words, owner.partner.data, owner.partner.len);
    (void) trv_words_add(words, owner.store.data, owner.store.len);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_revocation_reply);
}


static void
ngx_http_trv_revocation_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    if (!ngx_http_trv_list_strings(reply)
        || (reply->elements != 0
            && reply->elements != NGX_HTTP_TRV_REVOCATION_FIELDS - 1))
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    if (reply->elements == 0) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "not-found",
                                   "This token is not revoked.");
        return;
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
            ngx_http_trv_revocation_json((char *) ad->rest.data, ad->rest.len,
                                         reply->element));
}


/* field: all but the id */

static json_t *
ngx_http_trv_revocation_json(const char *id, size_t id_len, redisReply **field)
{
    return json_pack("{s:s%, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "id", id, id_len,
                     "partner", ngx_http_trv_list_text(field[4]),
                     "store", ngx_http_trv_list_text(field[5]),
                     "expires_at", ngx_http_trv_list_time(field[0], 1),
                     "revoked_at", ngx_http_trv_list_time(field[1], 1000),
                     "by", ngx_http_trv_list_text(field[2]),
                     "reason", ngx_http_trv_list_text(field[3]),
                     "tries", ngx_http_trv_list_number(field[6]),
                     "last_try", ngx_http_trv_list_time(field[7], 1000));
}
