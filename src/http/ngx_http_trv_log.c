
#include "ngx_http_trv_list.h"
#include "ngx_http_trv_routes.h"


/* of an entry, as the script "log" says */
#define NGX_HTTP_TRV_LOG_FIELDS  9


/* an answer that is delayed: by then the arguments are gone */
typedef struct {
    int64_t       since;
} ngx_http_trv_log_t;


static void ngx_http_trv_log_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static json_t *ngx_http_trv_log_json(redisReply **field);


void
ngx_http_trv_acts(ngx_http_trv_admin_t *ad)
{
    u_char                since[NGX_INT64_LEN];
    trv_words_t          *words;
    ngx_http_trv_log_t   *log;
    ngx_http_trv_list_t   list;

    if (ngx_http_trv_list_args(ad, NGX_HTTP_TRV_LIST_SINCE, &list) != NGX_OK) {
        return;
    }

    log = ngx_palloc(ad->request->pool, sizeof(ngx_http_trv_log_t));
    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_LOG);

    if (log == NULL || words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    log->since = list.since;
    ad->data = log;

    (void) trv_words_add_number(words, list.limit);
    (void) trv_words_add(words, (char *) list.cursor.data, list.cursor.len);
    (void) trv_words_add(words, (char *) since,
                         list.since
                         ? ngx_sprintf(since, "%L", list.since * 1000) - since
                         : 0);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_log_reply);
}


static void
ngx_http_trv_log_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    size_t               i;
    json_t              *root, *items;
    redisReply          *prev;
    ngx_http_trv_log_t  *log;

    if (ngx_http_trv_list_check(ad, reply, NGX_HTTP_TRV_LOG_FIELDS) != NGX_OK)
    {
        return;
    }

    log = ad->data;
    items = json_array();

    for (i = 1; i < reply->elements; i += NGX_HTTP_TRV_LOG_FIELDS) {
        (void) json_array_append_new(items,
                                     ngx_http_trv_log_json(&reply->element[i]));
    }

    root = ngx_http_trv_list_json(items, reply->element[0]->str,
                                  reply->element[0]->len);

    /* the oldest one there is names one before it: that was trimmed away */

    if (reply->element[0]->len == 0 && log->since == 0
        && reply->elements > 1)
    {
        prev = reply->element[reply->elements - 1];
        (void) json_object_set_new(root, "trimmed",
                           json_boolean(ngx_strcmp(prev->str, "0-0") != 0));
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK, root);
}


/* field: position, act, by, why, partner, store, number of ids, the first of
   them, prev */

static json_t *
ngx_http_trv_log_json(redisReply **field)
{
    trv_position_t  position;

    if (trv_position_parse(field[0]->str, field[0]->len, &position) != TRV_OK) {
        position.ms = 0;
    }

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "position", ngx_http_trv_list_text(field[0]),
                     "at", ngx_http_trv_admin_time(position.ms / 1000),
                     "act", ngx_http_trv_list_text(field[1]),
                     "by", ngx_http_trv_list_text(field[2]),
                     "reason", ngx_http_trv_list_text(field[3]),
                     "partner", ngx_http_trv_list_text(field[4]),
                     "store", ngx_http_trv_list_text(field[5]),
                     "count", ngx_http_trv_list_number(field[6]),
                     "ids", ngx_http_trv_list_words(field[7], ' '));
}
