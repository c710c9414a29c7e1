
#include "ngx_http_trv_admin.h"
#include "trv_escape.h"


ngx_int_t
ngx_http_trv_admin_by(ngx_http_trv_admin_t *ad, ngx_str_t *by)
{
    const char  *role;

    role = trv_role_name(ad->principal.role);

    by->data = ngx_pnalloc(ad->request->pool, ngx_strlen(role) + 1
                                              + ad->principal.name.len);
    if (by->data == NULL) {
        return NGX_ERROR;
    }

    by->len = ngx_sprintf(by->data, "%s %*s", role, ad->principal.name.len,
                          ad->principal.name.data)
              - by->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_trv_admin_arg(ngx_http_trv_admin_t *ad, u_char **p, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *end, *last, *equal, *raw;

    if (ad->request->args.len == 0) {
        return NGX_DONE;
    }

    last = ad->request->args.data + ad->request->args.len;

    if (*p == NULL) {
        *p = ad->request->args.data;
    }

    if (*p >= last) {
        return NGX_DONE;
    }

    end = ngx_strlchr(*p, last, '&');
    end = end ? end : last;

    equal = ngx_strlchr(*p, end, '=');
    equal = equal ? equal : end;

    name->data = *p;
    name->len = equal - *p;

    raw = ngx_min(equal + 1, end);

    value->data = ngx_pnalloc(ad->request->pool, end - raw + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    *p = end + 1;

    return trv_escape_decode((char *) raw, end - raw, (char *) value->data,
                             &value->len)
           == TRV_OK ? NGX_OK : NGX_DECLINED;
}


ngx_table_elt_t *
ngx_http_trv_admin_header(ngx_http_request_t *r, const char *name,
    ngx_table_elt_t *after)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (after) {
                after = (after == &h[i]) ? NULL : after;
                continue;
            }

            if (h[i].key.len == len
                && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_trv_admin_is_type(ngx_http_request_t *r, const char *type)
{
    size_t      len;
    ngx_str_t  *value;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    value = &r->headers_in.content_type->value;
    len = ngx_strlen(type);

    return value->len >= len
           && ngx_strncasecmp(value->data, (u_char *) type, len) == 0
           && (value->len == len || value->data[len] == ';'
               || value->data[len] == ' ');
}


/*
 * A page of another site can make a browser that is signed in send a POST
 * (request forgery), but cannot forge these fields.
 */

ngx_uint_t
ngx_http_trv_admin_cross_site(ngx_http_request_t *r)
{
    u_char           *p, *last;
    ngx_str_t         host;
    ngx_table_elt_t  *site, *origin;

    site = ngx_http_trv_admin_header(r, "sec-fetch-site", NULL);

    if (site && ngx_strcmp(site->value.data, "same-origin") != 0
        && ngx_strcmp(site->value.data, "none") != 0)
    {
        return 1;
    }

    origin = ngx_http_trv_admin_header(r, "origin", NULL);
    if (origin == NULL) {
        return 0;
    }

    if (r->headers_in.host == NULL) {
        return 1;
    }

    host = r->headers_in.host->value;
    last = origin->value.data + origin->value.len;

    p = ngx_strlcasestrn(origin->value.data, last, (u_char *) "://", 3 - 1);

    return p == NULL
           || (size_t) (last - p - 3) != host.len
           || ngx_strncasecmp(p + 3, host.data, host.len) != 0;
}
