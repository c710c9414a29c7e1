
#include "ngx_http_trv_list.h"
#include "trv_number.h"
#include "trv_time.h"


#define NGX_HTTP_TRV_CURSOR_MAX_LEN  128


/* NULL, or what is wrong */
typedef const char *(*ngx_http_trv_list_pt)(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);

typedef struct {
    ngx_str_t              name;
    ngx_uint_t             takes;        /* 0: every list does */
    ngx_http_trv_list_pt   parse;
} ngx_http_trv_list_arg_t;


static const ngx_http_trv_list_arg_t *ngx_http_trv_list_arg(ngx_uint_t takes,
    ngx_str_t *name);
static void ngx_http_trv_list_unknown(ngx_http_trv_admin_t *ad,
    ngx_uint_t takes);
static const char *ngx_http_trv_list_limit(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_cursor(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_since(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_partner(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_store(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_state(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static const char *ngx_http_trv_list_prefix(ngx_http_trv_admin_t *ad,
    ngx_http_trv_list_t *list, ngx_str_t *value);
static ngx_int_t ngx_http_trv_list_within(ngx_str_t *asked,
    const trv_str_t *own);


static const ngx_http_trv_list_arg_t  ngx_http_trv_list_known[] = {
    { ngx_string("limit"), 0, ngx_http_trv_list_limit },
    { ngx_string("cursor"), 0, ngx_http_trv_list_cursor },
    { ngx_string("since"), NGX_HTTP_TRV_LIST_SINCE, ngx_http_trv_list_since },
    { ngx_string("partner"), NGX_HTTP_TRV_LIST_PARTNER,
      ngx_http_trv_list_partner },
    { ngx_string("store"), NGX_HTTP_TRV_LIST_STORE, ngx_http_trv_list_store },
    { ngx_string("state"), NGX_HTTP_TRV_LIST_STATE, ngx_http_trv_list_state },
    { ngx_string("q"), NGX_HTTP_TRV_LIST_PREFIX, ngx_http_trv_list_prefix },
    { ngx_null_string, 0, NULL }
};


static const char  ngx_http_trv_list_wrong_cursor[] =
    "\"cursor\" is not one that was given out.";


ngx_int_t
ngx_http_trv_list_args(ngx_http_trv_admin_t *ad, ngx_uint_t takes,
    ngx_http_trv_list_t *list)
{
    u_char                         *p;
    ngx_int_t                       rc;
    ngx_str_t                       name, value;
    ngx_uint_t                      given, all;
    const char                     *wrong;
    const ngx_http_trv_list_arg_t  *arg;

    ngx_memzero(list, sizeof(ngx_http_trv_list_t));

    list->limit = NGX_HTTP_TRV_LIST_LIMIT;
    ngx_str_set(&list->state, "all");

    p = NULL;
    all = 0;

    for ( ;; ) {
        rc = ngx_http_trv_admin_arg(ad, &p, &name, &value);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_http_trv_admin_error(ad);
            return NGX_DONE;
        }

        arg = ngx_http_trv_list_arg(takes, &name);

        if (arg == NULL) {
            ngx_http_trv_list_unknown(ad, takes);
            return NGX_DONE;
        }

        given = (ngx_uint_t) 1 << (arg - ngx_http_trv_list_known);

        wrong = rc == NGX_DECLINED
                ? "An argument has a \"%\" that begins no escape."
                : all & given ? "An argument is given more than once."
                              : arg->parse(ad, list, &value);
        all |= given;

        if (wrong) {
            ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST,
                                       "bad-request", wrong);
            return NGX_DONE;
        }
    }
}


static const ngx_http_trv_list_arg_t *
ngx_http_trv_list_arg(ngx_uint_t takes, ngx_str_t *name)
{
    const ngx_http_trv_list_arg_t  *arg;

    for (arg = ngx_http_trv_list_known; arg->parse; arg++) {
        if ((arg->takes & ~takes) == 0
            && arg->name.len == name->len
            && ngx_memcmp(arg->name.data, name->data, name->len) == 0)
        {
            return arg;
        }
    }

    return NULL;
}


static void
ngx_http_trv_list_unknown(ngx_http_trv_admin_t *ad, ngx_uint_t takes)
{
    u_char                         *p, text[128];
    const ngx_http_trv_list_arg_t  *arg;

    p = ngx_sprintf(text, "The arguments of this resource are");

    for (arg = ngx_http_trv_list_known; arg->parse; arg++) {
        if ((arg->takes & ~takes) == 0) {
            p = ngx_sprintf(p, " \"%V\",", &arg->name);
        }
    }

    ngx_memcpy(p - 1, ".", sizeof("."));

    ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                               (char *) text);
}


static const char *
ngx_http_trv_list_limit(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    if (trv_number_parse((char *) value->data, value->len, &list->limit)
        != TRV_OK
        || list->limit == 0 || list->limit > NGX_HTTP_TRV_LIST_MAX)
    {
        return "\"limit\" must be a number from 1 to 1000.";
    }

    return NULL;
}


static const char *
ngx_http_trv_list_cursor(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    if (value->len > NGX_HTTP_TRV_CURSOR_MAX_LEN) {
        return ngx_http_trv_list_wrong_cursor;
    }

    list->cursor.data = ngx_pnalloc(ad->request->pool,
                                    ngx_base64_decoded_length(value->len));

    if (list->cursor.data == NULL
        || ngx_decode_base64url(&list->cursor, value) != NGX_OK)
    {
        return ngx_http_trv_list_wrong_cursor;
    }

    return NULL;
}


static const char *
ngx_http_trv_list_since(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    uint64_t  sec;

    if (trv_number_parse((char *) value->data, value->len, &sec) == TRV_OK
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


static const char *
ngx_http_trv_list_partner(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    list->partner = *value;

    return trv_name_check((char *) value->data, value->len) ? NULL
           : "\"partner\" must be 1 to 64 of A-Z a-z 0-9 . _ -.";
}


static const char *
ngx_http_trv_list_store(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    list->store = *value;

    return trv_name_check((char *) value->data, value->len) ? NULL
           : "\"store\" must be 1 to 64 of A-Z a-z 0-9 . _ -.";
}


static const char *
ngx_http_trv_list_state(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    ngx_uint_t  i;

    static const char *const  states[] = {
        "active", "renewed", "expiring", "expired", "revoked", "all"
    };

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (ngx_strlen(states[i]) == value->len
            && ngx_memcmp(states[i], value->data, value->len) == 0)
        {
            list->state = *value;
            return NULL;
        }
    }

    return "\"state\" must be \"active\", \"renewed\", \"expiring\", "
           "\"expired\", \"revoked\" or \"all\".";
}


/* a search field that is empty asks for everything */

static const char *
ngx_http_trv_list_prefix(ngx_http_trv_admin_t *ad, ngx_http_trv_list_t *list,
    ngx_str_t *value)
{
    list->prefix = *value;

    return value->len == 0 || trv_name_check((char *) value->data, value->len)
           ? NULL : "\"q\" must be at most 64 of A-Z a-z 0-9 . _ -.";
}


ngx_int_t
ngx_http_trv_list_own(ngx_http_trv_list_t *list, const trv_owner_t *owner)
{
    return ngx_http_trv_list_within(&list->partner, &owner->partner) == NGX_OK
           && ngx_http_trv_list_within(&list->store, &owner->store) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_trv_list_within(ngx_str_t *asked, const trv_str_t *own)
{
    if (own->len == 0) {
        return NGX_OK;
    }

    if (asked->len && (asked->len != own->len
                       || ngx_memcmp(asked->data, own->data, own->len) != 0))
    {
        return NGX_DECLINED;
    }

    asked->data = (u_char *) own->data;
    asked->len = own->len;

    return NGX_OK;
}


ngx_int_t
ngx_http_trv_list_check(ngx_http_trv_admin_t *ad, redisReply *reply, size_t n)
{
    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_strcmp(reply->str, "INVALID cursor") == 0)
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                                   ngx_http_trv_list_wrong_cursor);
        return NGX_DONE;
    }

    if (!ngx_http_trv_list_strings(reply)
        || reply->elements % n != 1
        || reply->element[0]->len > NGX_HTTP_TRV_CURSOR_MAX_LEN)
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return NGX_DONE;
    }

    return NGX_OK;
}


void
ngx_http_trv_list_answer(ngx_http_trv_admin_t *ad, json_t *items,
    const char *cursor, size_t len)
{
    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
                            ngx_http_trv_list_json(items, cursor, len));
}


json_t *
ngx_http_trv_list_json(json_t *items, const char *cursor, size_t len)
{
    u_char     text[ngx_base64_encoded_length(NGX_HTTP_TRV_CURSOR_MAX_LEN)];
    json_t    *root;
    ngx_str_t  next, plain;

    root = json_pack("{s:o}", "items", items);

    if (len) {
        plain.data = (u_char *) cursor;
        plain.len = len;
        next.data = text;

        ngx_encode_base64url(&next, &plain);

        (void) json_object_set_new(root, "next",
                                json_stringn((char *) next.data, next.len));
    }

    return root;
}


ngx_int_t
ngx_http_trv_list_id(ngx_http_trv_admin_t *ad)
{
    trv_id_t  id;

    if (trv_id_parse((char *) ad->rest.data, ad->rest.len, &id) != TRV_OK) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
            "A token id has 32 lower-case hexadecimal digits and does not "
            "begin with 16 zeros.");
        return NGX_DONE;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_trv_list_strings(redisReply *reply)
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


json_t *
ngx_http_trv_list_text(redisReply *field)
{
    json_t  *text;

    /* by hand one can put anything into Redis, also what is not UTF-8 */

    text = field->len ? json_stringn(field->str, field->len) : NULL;

    return text ? text : json_null();
}


json_t *
ngx_http_trv_list_time(redisReply *field, int64_t unit)
{
    int64_t  n;

    n = ngx_atoof((u_char *) field->str, field->len);

    return n == NGX_ERROR ? json_null() : ngx_http_trv_admin_time(n / unit);
}


json_t *
ngx_http_trv_list_words(redisReply *field, u_char separator)
{
    u_char  *p, *end, *last;
    json_t  *words;

    words = json_array();

    p = (u_char *) field->str;
    last = p + field->len;

    while (p < last) {
        end = ngx_strlchr(p, last, separator);
        end = end ? end : last;

        (void) json_array_append_new(words,
                                     json_stringn((char *) p, end - p));
        p = end + 1;
    }

    return words;
}


json_t *
ngx_http_trv_list_number(redisReply *field)
{
    int64_t  n;

    n = ngx_atoof((u_char *) field->str, field->len);

    return n == NGX_ERROR ? json_null() : json_integer(n);
}
