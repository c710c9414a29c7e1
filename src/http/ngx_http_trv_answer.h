
/*
 * Small answers of our own: refusals and the HTTP API.
 */

#ifndef NGX_HTTP_TRV_ANSWER_H
#define NGX_HTTP_TRV_ANSWER_H

#include "ngx_http_trv.h"


/* adds a response header field; the value is not copied */
ngx_table_elt_t *ngx_http_trv_header_add(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/* the usual two of an answer that must not be stored or is to be tried later */
ngx_int_t ngx_http_trv_no_store(ngx_http_request_t *r);
ngx_int_t ngx_http_trv_retry_after(ngx_http_request_t *r);

/*
 * Sends status, type and body; the body is not copied.  The caller finalizes
 * with what it returns.
 */
ngx_int_t ngx_http_trv_answer(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body);


#endif /* NGX_HTTP_TRV_ANSWER_H */
