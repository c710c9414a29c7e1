
/*
 * Request bodies, whole or as they come.  Either way the one who gets them
 * answers in the end; what cannot be read is answered here.
 */

#ifndef NGX_HTTP_TRV_BODY_H
#define NGX_HTTP_TRV_BODY_H

#include "ngx_http_trv_admin.h"


/* done() gets at most max bytes in ad->body */
void ngx_http_trv_body_read(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done);


/*
 * Takes from ad->body what it can use, moving it on.  `state`: NGX_AGAIN: more
 * will come; NGX_OK: that was all; NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
 * NGX_HTTP_BAD_REQUEST: no more is read.  Returns NGX_OK, in the first case
 * only: wants more; NGX_DONE: it has answered or is busy, and then calls
 * ngx_http_trv_body_resume() when it goes on.
 */
typedef ngx_int_t (*ngx_http_trv_body_pt)(ngx_http_trv_admin_t *ad,
    ngx_int_t state);

/* nothing is read while take() is busy: memory stays bounded */
void ngx_http_trv_body_stream(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_body_pt take);
void ngx_http_trv_body_resume(ngx_http_trv_admin_t *ad);


#endif /* NGX_HTTP_TRV_BODY_H */
