
#include "ngx_http_trv_list.h"
#include "ngx_http_trv_revoke.h"


/* values of the script for each id, and for each other token that is active */
#define NGX_HTTP_TRV_REVOKE_ITEM  5
#define NGX_HTTP_TRV_REVOKE_ALSO  4


static json_t *ngx_http_trv_revoke_item(const trv_id_t *id,
    redisReply **field);


ngx_int_t
ngx_http_trv_revoke_items(ngx_http_trv_revoke_t *rv, redisReply *items)
{
    size_t        i;
    json_t       *item;
    redisReply  **field;

    if (items->type != REDIS_REPLY_ARRAY
        || items->elements != rv->batch * NGX_HTTP_TRV_REVOKE_ITEM)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < rv->batch; i++) {
        field = &items->element[i * NGX_HTTP_TRV_REVOKE_ITEM];

        if (field[0]->type != REDIS_REPLY_INTEGER
            || field[1]->type != REDIS_REPLY_INTEGER
            || field[2]->type != REDIS_REPLY_STRING
            || field[3]->type != REDIS_REPLY_STRING
            || field[4]->type != REDIS_REPLY_INTEGER)
        {
            return NGX_ERROR;
        }

        rv->count++;
        rv->already += (field[0]->integer != 0);

        if (rv->listed == NGX_HTTP_TRV_REVOKE_LISTED) {
            continue;
        }

        item = ngx_http_trv_revoke_item(&rv->ids[rv->done + i], field);

        if (json_array_append_new(rv->revoked, item) != 0) {
            return NGX_ERROR;
        }

        /* of a scope the looks into the table see the first ones */

        if (rv->request.ids == NULL) {
            rv->proof->ids[rv->listed] = rv->ids[rv->done + i];
            rv->proof->n++;
        }

        rv->listed++;
    }

    return NGX_OK;
}


/* field: already, expiry, partner, store, over by its record */

static json_t *
ngx_http_trv_revoke_item(const trv_id_t *id, redisReply **field)
{
    char     hex[TRV_ID_HEX_LEN];
    json_t  *item;

    trv_id_format(id, hex);

    item = json_pack("{s:s%, s:o, s:b}",
                     "id", hex, (size_t) TRV_ID_HEX_LEN,
                     "expires_at", ngx_http_trv_admin_time(field[1]->integer),
                     "already", (int) field[0]->integer);

    if (item && field[2]->len) {
        (void) json_object_set_new(item, "partner",
                                   json_stringn(field[2]->str, field[2]->len));
        (void) json_object_set_new(item, "store",
                                   json_stringn(field[3]->str, field[3]->len));
    }

    if (item && field[4]->integer) {
        (void) json_object_set_new(item, "expired", json_true());
    }

    return item;
}


/* field: id, partner, store, expiry */

ngx_int_t
ngx_http_trv_revoke_also(ngx_http_trv_revoke_t *rv, redisReply *also)
{
    size_t        i;
    json_t       *item;
    redisReply  **field;

    if (also->type != REDIS_REPLY_ARRAY
        || also->elements % NGX_HTTP_TRV_REVOKE_ALSO != 0)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < also->elements; i++) {
        if (also->element[i]->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < also->elements; i += NGX_HTTP_TRV_REVOKE_ALSO) {
        field = &also->element[i];

        item = json_pack("{s:s%, s:s%, s:s%, s:o}",
                         "id", field[0]->str, (size_t) field[0]->len,
                         "partner", field[1]->str, (size_t) field[1]->len,
                         "store", field[2]->str, (size_t) field[2]->len,
                         "expires_at", ngx_http_trv_list_time(field[3], 1));

        if (json_array_append_new(rv->also_active, item) != 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
