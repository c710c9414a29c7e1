
#include "ngx_http_trv_admin.h"


#define NGX_HTTP_TRV_PREFER_WAIT_MAX  30 /* seconds */


static ngx_int_t ngx_http_trv_prefer_parse(ngx_str_t *value);
static ngx_int_t ngx_http_trv_prefer_seconds(ngx_str_t *word);
static u_char *ngx_http_trv_prefer_blanks(u_char *p, u_char *last,
    const char *also);
static u_char *ngx_http_trv_prefer_word(u_char *p, u_char *last,
    ngx_str_t *word);


ngx_int_t
ngx_http_trv_prefer_wait(ngx_http_request_t *r)
{
    ngx_int_t         sec;
    ngx_table_elt_t  *h;

    h = NULL;

    while ((h = ngx_http_trv_admin_header(r, "prefer", h)) != NULL) {

        sec = ngx_http_trv_prefer_parse(&h->value);

        /* of several the first counts (RFC 7240, 2) */

        if (sec != NGX_DECLINED) {
            return ngx_max(sec, 0);
        }
    }

    return 0;
}


ngx_int_t
ngx_http_trv_prefer_applied(ngx_http_request_t *r, ngx_int_t sec)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, sizeof("wait=") - 1 + NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "wait=%i", sec) - value.data;

    return ngx_http_trv_header_add(r, "Preference-Applied", &value)
           ? NGX_OK : NGX_ERROR;
}


/*
 * Seconds; NGX_ERROR: not a number; NGX_DECLINED: no such preference.
 *
 * Prefer = 1#( token [ BWS "=" BWS ( token / quoted-string ) ]
 *             *( OWS ";" parameter ) )
 */

static ngx_int_t
ngx_http_trv_prefer_parse(ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t   name, word;

    p = value->data;
    last = p + value->len;

    while (p < last) {
        p = ngx_http_trv_prefer_blanks(p, last, ",");
        p = ngx_http_trv_prefer_word(p, last, &name);
        p = ngx_http_trv_prefer_blanks(p, last, "");

        ngx_str_null(&word);

        if (p < last && *p == '=') {
            p = ngx_http_trv_prefer_blanks(p + 1, last, "");
            p = ngx_http_trv_prefer_word(p, last, &word);
        }

        if (name.len == 4
            && ngx_strncasecmp(name.data, (u_char *) "wait", 4) == 0)
        {
            return ngx_http_trv_prefer_seconds(&word);
        }

        /* its parameters */

        while (p < last && *p != ',') {
            p = (*p == '"') ? ngx_http_trv_prefer_word(p, last, &word) : p + 1;
        }
    }

    return NGX_DECLINED;
}


/* at most 30; NGX_ERROR: not a number */

static ngx_int_t
ngx_http_trv_prefer_seconds(ngx_str_t *word)
{
    size_t     i;
    ngx_int_t  sec;

    if (word->len == 0) {
        return NGX_ERROR;
    }

    sec = 0;

    for (i = 0; i < word->len; i++) {

        if (word->data[i] < '0' || word->data[i] > '9') {
            return NGX_ERROR;
        }

        sec = ngx_min(sec * 10 + word->data[i] - '0',
                      NGX_HTTP_TRV_PREFER_WAIT_MAX);
    }

    return sec;
}


static u_char *
ngx_http_trv_prefer_blanks(u_char *p, u_char *last, const char *also)
{
    while (p < last && (*p == ' ' || *p == '\t'
                        || (*p != '\0' && ngx_strchr(also, *p))))
    {
        p++;
    }

    return p;
}


static u_char *
ngx_http_trv_prefer_word(u_char *p, u_char *last, ngx_str_t *word)
{
    word->data = p;

    if (p < last && *p == '"') {
        word->data = ++p;

        while (p < last && *p != '"') {
            p += (*p == '\\' && p + 1 < last) ? 2 : 1;
        }

        word->len = p - word->data;

        return ngx_min(p + 1, last);
    }

    while (p < last && *p != '\0' && !ngx_strchr(" \t,;=\"", *p)) {
        p++;
    }

    word->len = p - word->data;

    return p;
}
