
#include "ngx_http_trv_admin.h"


#define NGX_HTTP_TRV_PREFER_WAIT_MAX  30 /* seconds */


static ngx_int_t ngx_http_trv_prefer_parse(ngx_str_t *value);


ngx_int_t
ngx_http_trv_prefer_wait(ngx_http_request_t *r)
{
    ngx_int_t         sec;
    ngx_table_elt_t  *h;

    h = NULL;

    while ((h = ngx_http_trv_admin_header(r, "prefer", h)) != NULL) {

        sec = ngx_http_trv_prefer_parse(&h->value);

        if (sec > 0) {
            return ngx_min(sec, NGX_HTTP_TRV_PREFER_WAIT_MAX);
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


static ngx_int_t
ngx_http_trv_prefer_parse(ngx_str_t *value)
{
    u_char  *p, *last, *end;

    p = value->data;
    last = p + value->len;

    while (p < last) {

        if (*p == ' ' || *p == '\t' || *p == ',') {
            p++;
            continue;
        }

        end = p;

        while (end < last && *end != ',' && *end != ' ' && *end != '\t'
               && *end != ';')
        {
            end++;
        }

        if (end - p > 5 && ngx_strncasecmp(p, (u_char *) "wait=", 5) == 0) {
            return ngx_atoi(p + 5, end - p - 5);
        }

        end = ngx_strlchr(end, last, ',');
        p = end ? end : last;
    }

    return 0;
}
