
#include "ngx_http_trv_proof.h"
#include "ngx_http_trv_routes.h"


#define NGX_HTTP_TRV_EDGES_LIVE_MS  5000


/* the reply of the script "edges": four values, then edge and report pairs */
#define NGX_HTTP_TRV_EDGES_HEAD  4


typedef struct {
    int64_t          now_ms;             /* of Redis */
    trv_position_t   last;               /* of the log */
    const char      *repl_id;
    ngx_uint_t       settled;
} ngx_http_trv_edges_head_t;


static void ngx_http_trv_edges_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_int_t ngx_http_trv_edges_head(redisReply *reply,
    ngx_http_trv_edges_head_t *head);
static json_t *ngx_http_trv_edges_item(redisReply *edge, redisReply *report,
    const ngx_http_trv_edges_head_t *head);
static ngx_uint_t ngx_http_trv_edges_live(json_t *report,
    const ngx_http_trv_edges_head_t *head);
static ngx_int_t ngx_http_trv_edges_position(json_t *report,
    trv_position_t *position);
static ngx_uint_t ngx_http_trv_edges_reached(json_t *report,
    const trv_position_t *position, const char *repl_id);


void
ngx_http_trv_edges(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_EDGES);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_edges_reply);
}


static void
ngx_http_trv_edges_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    size_t                      i;
    json_t                     *items;
    ngx_http_trv_edges_head_t   head;

    if (ngx_http_trv_edges_head(reply, &head) != NGX_OK) {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    items = json_array();

    for (i = NGX_HTTP_TRV_EDGES_HEAD; i + 1 < reply->elements; i += 2) {
        (void) json_array_append_new(items,
                           ngx_http_trv_edges_item(reply->element[i],
                                                   reply->element[i + 1],
                                                   &head));
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK, json_pack("{s:o}", "items",
                                                       items));
}


static ngx_int_t
ngx_http_trv_edges_head(redisReply *reply, ngx_http_trv_edges_head_t *head)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements < NGX_HTTP_TRV_EDGES_HEAD)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }
    }

    head->now_ms = ngx_atoof((u_char *) reply->element[0]->str,
                             reply->element[0]->len);
    head->repl_id = reply->element[2]->str;
    head->settled = reply->element[3]->str[0] == '1';

    return head->now_ms != NGX_ERROR
           && trv_position_parse(reply->element[1]->str,
                                 reply->element[1]->len, &head->last)
              == TRV_OK
           ? NGX_OK : NGX_ERROR;
}


static json_t *
ngx_http_trv_edges_item(redisReply *edge, redisReply *text,
    const ngx_http_trv_edges_head_t *head)
{
    json_t          *report, *age;
    int64_t          time;
    ngx_uint_t       live, at_end;
    trv_position_t   position;

    report = json_loadb(text->str, text->len, 0, NULL);

    if (!json_is_object(report)) {
        json_decref(report);
        return json_pack("{s:s%, s:b, s:b}", "edge", edge->str, edge->len,
                         "live", 0, "lost", 1);
    }

    live = ngx_http_trv_edges_live(report, head);

    at_end = ngx_http_trv_edges_position(report, &position) == NGX_OK
             && trv_position_cmp(&position, &head->last) >= 0;

    /* the contact that was reported has grown older since */

    time = json_integer_value(json_object_get(report, "time"));
    age = json_object_get(report, "contact_age_ms");

    if (json_is_integer(age)) {
        (void) json_object_set_new(report, "last_contact",
                   ngx_http_trv_admin_time((time - json_integer_value(age))
                                           / 1000));
        (void) json_integer_set(age, json_integer_value(age)
                                     + ngx_max(head->now_ms - time, 0));
    } else {
        (void) json_object_set_new(report, "last_contact", json_null());
    }

    (void) json_object_set_new(report, "edge",
                               json_stringn(edge->str, edge->len));
    (void) json_object_set_new(report, "heard_from",
           ngx_http_trv_admin_time(time / 1000));
    (void) json_object_set_new(report, "at_end", json_boolean(at_end));
    (void) json_object_set_new(report, "live", json_boolean(live));
    (void) json_object_set_new(report, "lost", json_boolean(!live));
    (void) json_object_del(report, "time");

    return report;
}


ngx_int_t
ngx_http_trv_edges_count(ngx_trv_set_t *set, redisReply *reply,
    const trv_position_t *position, const char *repl_id, ngx_uint_t here,
    ngx_http_trv_edges_count_t *count)
{
    size_t                      i;
    json_t                     *report;
    redisReply                 *edge;
    ngx_uint_t                  own, seen;
    ngx_http_trv_edges_head_t   head;

    ngx_memzero(count, sizeof(ngx_http_trv_edges_count_t));

    if (ngx_http_trv_edges_head(reply, &head) != NGX_OK) {
        return NGX_ERROR;
    }

    count->settled = head.settled;
    count->moved = ngx_strcmp(head.repl_id, repl_id) != 0;

    seen = 0;

    for (i = NGX_HTTP_TRV_EDGES_HEAD; i + 1 < reply->elements; i += 2) {

        edge = reply->element[i];

        own = (edge->len == set->edge.len
               && ngx_memcmp(edge->str, set->edge.data, edge->len) == 0);
        seen |= own;

        report = json_loadb(reply->element[i + 1]->str,
                            reply->element[i + 1]->len, 0, NULL);

        if (own || ngx_http_trv_edges_live(report, &head)) {
            count->live++;
            count->confirmed += own ? here
                                    : ngx_http_trv_edges_reached(report,
                                                           position, repl_id);
        } else {
            count->lost++;
        }

        json_decref(report);
    }

    /* an edge whose reports Redis does not take is alive all the same */

    if (!seen) {
        count->live++;
        count->confirmed += here;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_trv_edges_live(json_t *report, const ngx_http_trv_edges_head_t *head)
{
    return json_integer_value(json_object_get(report, "time"))
           > head->now_ms - NGX_HTTP_TRV_EDGES_LIVE_MS;
}


static ngx_int_t
ngx_http_trv_edges_position(json_t *report, trv_position_t *position)
{
    json_t  *text;

    text = json_object_get(report, "position");

    return json_is_string(text)
           && trv_position_parse(json_string_value(text),
                                 json_string_length(text), position)
              == TRV_OK
           ? NGX_OK : NGX_ERROR;
}


/* positions of different histories cannot be compared */

static ngx_uint_t
ngx_http_trv_edges_reached(json_t *report, const trv_position_t *position,
    const char *repl_id)
{
    const char      *id;
    trv_position_t   reported;

    id = json_string_value(json_object_get(report, "replication_id"));

    return id != NULL
           && ngx_strcmp(id, repl_id) == 0
           && ngx_http_trv_edges_position(report, &reported) == NGX_OK
           && trv_position_cmp(&reported, position) >= 0;
}
