
#include "ngx_http_trv_answer.h"
#include "ngx_http_trv_compat.h"


ngx_table_elt_t *
ngx_http_trv_header_add(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
    h->lowcase_key = NULL;
    ngx_http_trv_header_alone(h);

    return h;
}


ngx_int_t
ngx_http_trv_no_store(ngx_http_request_t *r)
{
    static ngx_str_t  value = ngx_string("no-store");

    return ngx_http_trv_header_add(r, "Cache-Control", &value) ? NGX_OK
                                                               : NGX_ERROR;
}


ngx_int_t
ngx_http_trv_retry_after(ngx_http_request_t *r)
{
    static ngx_str_t  value = ngx_string(NGX_HTTP_TRV_RETRY_SEC);

    return ngx_http_trv_header_add(r, "Retry-After", &value) ? NGX_OK
                                                             : NGX_ERROR;
}


ngx_int_t
ngx_http_trv_answer(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);

    /* a precondition (RFC 9110, 13) is for what was asked, which is done */

    r->disable_not_modified = 1;

    r->headers_out.status = status;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}
