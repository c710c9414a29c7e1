
#include "ngx_http_trv_admin.h"
#include "trv_number.h"
#include "trv_time.h"


#define NGX_HTTP_TRV_LIST_LIMIT      100
#define NGX_HTTP_TRV_LIST_MAX        1000
#define NGX_HTTP_TRV_CURSOR_MAX_LEN  128
#define NGX_HTTP_TRV_LIST_FIELDS     5   /* id, expiry, at, by, why */


typedef struct {
    uint64_t    limit;
    ngx_str_t   cursor;                  /* decoded */
    int64_t     since;                   /* seconds; 0: from the beginning */
} ngx_http_trv_list_t;


static ngx_int_t ngx_http_trv_list_args(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list);
static const char *ngx_http_trv_list_arg(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *name, ngx_str_t *value);
static const char *ngx_http_trv_list_cursor(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static void ngx_http_trv_list_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static void ngx_http_trv_revocation_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_uint_t ngx_http_trv_revocation_strings(redisReply *reply);
static json_t *ngx_http_trv_revocation_json(const char *id, size_t id_len,
    redisReply **field);
static json_t *ngx_http_trv_revocation_text(redisReply *field);
static int64_t ngx_http_trv_revocation_sec(redisReply *field, int64_t unit);
static ngx_str_t *ngx_http_trv_revocation_by(ngx_http_trv_admin_t *ad);


void
ngx_http_trv_revocations(ngx_http_trv_admin_t *ad)
{
    u_char                since[NGX_INT64_LEN];
    ngx_str_t            *by;
    trv_words_t          *words;
    ngx_http_trv_list_t   list;

    if (ngx_http_trv_list_args(ad, &list) != NGX_OK) {
        return;
    }

    by = ngx_http_trv_revocation_by(ad);
    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_LIST);

    if (words == NULL || by == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    (void) trv_words_add_number(words, list.limit);
    (void) trv_words_add(words, (char *) list.cursor.data, list.cursor.len);
    (void) trv_words_add(words, (char *) by->data, by->len);
    (void) trv_words_add(words, (char *) since,
                         list.since
                         ? ngx_sprintf(since, "%L", list.since * 1000) - since
                         : 0);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_list_reply);
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_list_args(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_str_t    name, value;
    const char  *wrong;

    ngx_memzero(list, sizeof(ngx_http_trv_list_t));

    list->limit = NGX_HTTP_TRV_LIST_LIMIT;

    p = NULL;

    for ( ;; ) {
        rc = ngx_http_trv_admin_arg(ad, &p, &name, &value);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_http_trv_admin_error(ad);
            return NGX_DONE;
        }

        wrong = ngx_http_trv_list_arg(ad, list, &name, &value);

        if (wrong) {
            ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST,
                                       "bad-request", wrong);
            return NGX_DONE;
        }
    }
}


/* NULL, or what is wrong */

static const char *
ngx_http_trv_list_arg(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *name, ngx_str_t *value)
{
    uint64_t  sec;

    if (name->len == 5 && ngx_strncmp(name->data, "limit", 5) == 0) {

        if (trv_number_parse((char *) value->data, value->len, &list->limit)
            != TRV_OK
            || list->limit == 0 || list->limit > NGX_HTTP_TRV_LIST_MAX)
        {
            return "\"limit\" must be a number from 1 to 1000.";
        }

        return NULL;
    }

    if (name->len == 5 && ngx_strncmp(name->data, "since", 5) == 0) {

        if (trv_number_parse((char *) value->data, value->len, &sec)
            == TRV_OK
            && sec < UINT32_MAX)
        {
            list->since = sec;
            return NULL;
        }

        if (trv_time_parse((char *) value->data, value->len, &list->since)
            == TRV_OK
            && list->since >= 0)
        {
            return NULL;
        }

        return "\"since\" must be Unix seconds, or a time such as "
               "\"2027-03-01T00:00:00Z\".";
    }

    if (name->len == 6 && ngx_strncmp(name->data, "cursor", 6) == 0) {
        return ngx_http_trv_list_cursor(ad, list, value);
    }

    return "The arguments of this resource are \"limit\", \"cursor\" and "
           "\"since\".";
}


static const char *
ngx_http_trv_list_cursor(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    static const char  wrong[] = "\"cursor\" is not one that was given out.";

    if (value->len > NGX_HTTP_TRV_CURSOR_MAX_LEN) {
        return wrong;
    }

    list->cursor.data = ngx_pnalloc(ad->request->pool,
                                    ngx_base64_decoded_length(value->len));

    if (list->cursor.data == NULL
        || ngx_decode_base64url(&list->cursor, value) != NGX_OK)
    {
        return wrong;
    }

    return NULL;
}


static void
ngx_http_trv_list_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    u_char       text[ngx_base64_encoded_length(NGX_HTTP_TRV_CURSOR_MAX_LEN)];
    size_t       i;
    json_t      *items, *root;
    ngx_str_t    next, cursor;
    redisReply **field;

    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_strncmp(reply->str, "INVALID", 7) == 0)
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                               "\"cursor\" is not one that was given out.");
        return;
    }

    if (!ngx_http_trv_revocation_strings(reply)
        || reply->elements % NGX_HTTP_TRV_LIST_FIELDS != 1
        || reply->element[0]->len > NGX_HTTP_TRV_CURSOR_MAX_LEN)
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    items = json_array();

    for (i = 1; i < reply->elements; i += NGX_HTTP_TRV_LIST_FIELDS) {
        field = &reply->element[i];
        (void) json_array_append_new(items,
                   ngx_http_trv_revocation_json(field[0]->str, field[0]->len,
                                                &field[1]));
    }

    root = json_pack("{s:o}", "items", items);

    if (reply->element[0]->len) {
        cursor.data = (u_char *) reply->element[0]->str;
        cursor.len = reply->element[0]->len;
        next.data = text;

        ngx_encode_base64url(&next, &cursor);

        (void) json_object_set_new(root, "next",
                                json_stringn((char *) next.data, next.len));
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK, root);
}


void
ngx_http_trv_revocation(ngx_http_trv_admin_t *ad)
{
    trv_id_t      id;
    trv_words_t  *words;

    if (trv_id_parse((char *) ad->rest.data, ad->rest.len, &id) != TRV_OK) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
            "A token id has 32 lower-case hexadecimal digits and does not "
            "begin with 16 zeros.");
        return;
    }

    if (ad->request->args.len) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                                   "This resource takes no arguments.");
        return;
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_GET);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    (void) trv_words_add(words, (char *) ad->rest.data, ad->rest.len);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_revocation_reply);
}


static void
ngx_http_trv_revocation_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    ngx_str_t   *by;
    ngx_uint_t   hidden;

    if (!ngx_http_trv_revocation_strings(reply)
        || (reply->elements != 0
            && reply->elements != NGX_HTTP_TRV_LIST_FIELDS - 1))
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    by = ngx_http_trv_revocation_by(ad);
    if (by == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    hidden = by->len && reply->elements
             && (reply->element[2]->len != (ngx_uint_t) by->len
                 || ngx_memcmp(reply->element[2]->str, by->data, by->len) != 0);

    if (reply->elements == 0 || hidden) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "not-found",
                                   "This token is not revoked.");
        return;
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
            ngx_http_trv_revocation_json((char *) ad->rest.data, ad->rest.len,
                                         reply->element));
}


/* an array of nothing but strings */

static ngx_uint_t
ngx_http_trv_revocation_strings(redisReply *reply)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return 0;
    }

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            return 0;
        }
    }

    return 1;
}


/* field: expiry, at, by, why */

static json_t *
ngx_http_trv_revocation_json(const char *id, size_t id_len, redisReply **field)
{
    return json_pack("{s:s%, s:o, s:o, s:o, s:o}",
                     "id", id, id_len,
                     "expires_at",
                     ngx_http_trv_admin_time(
                                  ngx_http_trv_revocation_sec(field[0], 1)),
                     "revoked_at",
                     ngx_http_trv_admin_time(
                                  ngx_http_trv_revocation_sec(field[1], 1000)),
                     "by", ngx_http_trv_revocation_text(field[2]),
                     "reason", ngx_http_trv_revocation_text(field[3]));
}


static json_t *
ngx_http_trv_revocation_text(redisReply *field)
{
    json_t  *text;

    /* by hand one can put anything into Redis, also what is not UTF-8 */

    text = field->len ? json_stringn(field->str, field->len) : NULL;

    return text ? text : json_null();
}


/* for what is no number: no moment that can be written */

static int64_t
ngx_http_trv_revocation_sec(redisReply *field, int64_t unit)
{
    int64_t  n;

    n = ngx_atoof((u_char *) field->str, field->len);

    return n == NGX_ERROR ? INT64_MIN : n / unit;
}


/* whose revocations one may see: "" for all, NULL: no memory */

static ngx_str_t *
ngx_http_trv_revocation_by(ngx_http_trv_admin_t *ad)
{
    ngx_str_t  *by;

    static ngx_str_t  all = ngx_string("");

    if (trv_policy_scope(ad->principal.role, TRV_OP_LIST_REVOCATIONS)
        == TRV_SCOPE_ALL)
    {
        return &all;
    }

    by = ngx_palloc(ad->request->pool, sizeof(ngx_str_t));

    if (by && ngx_http_trv_admin_by(ad, by) != NGX_OK) {
        return NULL;
    }

    return by;
}
