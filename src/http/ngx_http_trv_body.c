
#include "ngx_http_trv_admin.h"


#define NGX_HTTP_TRV_BODY_MIN_LEN  4096  /* first size of the buffer */


typedef struct {
    size_t                  max;
    size_t                  size;        /* of the buffer */
    ngx_http_trv_admin_pt   done;
} ngx_http_trv_body_t;


static void ngx_http_trv_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_trv_body_take(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_body_reserve(ngx_http_trv_admin_t *ad,
    size_t size);
static void ngx_http_trv_body_too_large(ngx_http_trv_admin_t *ad);


/*
 * The body is taken as it comes and never goes to a file: the limit is ours,
 * also for one that does not say its length, and so is the answer.
 */

ngx_int_t
ngx_http_trv_body_read(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done)
{
    ngx_int_t             rc;
    ngx_http_request_t   *r;
    ngx_http_trv_body_t  *body;

    r = ad->request;

    body = ngx_pcalloc(r->pool, sizeof(ngx_http_trv_body_t));
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->max = max;
    body->done = done;

    ad->data = body;

    if (r->headers_in.content_length_n > (off_t) max) {
        ngx_http_trv_body_too_large(ad);
        return NGX_OK;
    }

    r->request_body_no_buffering = 1;

    /* nginx counts a reader of the body: that is us, counted already */

    r->main->count--;

    rc = ngx_http_read_client_request_body(r, ngx_http_trv_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        r->main->count++;
        return rc;
    }

    return NGX_OK;
}


static void
ngx_http_trv_body_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_trv_ctx_t    *ctx;
    ngx_http_trv_body_t   *body;
    ngx_http_trv_admin_t  *ad;

    ctx = ngx_http_get_module_ctx(r, ngx_http_token_revoke_module);
    ad = ctx->admin;
    body = ad->data;

    r->read_event_handler = ngx_http_trv_body_handler;

    for ( ;; ) {

        if (ngx_http_trv_body_take(ad) != NGX_OK) {
            return;
        }

        if (!r->reading_body) {
            break;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_http_finalize_request(r, rc);
            return;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return;
        }
    }

    r->read_event_handler = ngx_http_block_reading;

    body->done(ad);
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_body_take(ngx_http_trv_admin_t *ad)
{
    size_t                len;
    ngx_chain_t          *cl;
    ngx_http_request_t   *r;
    ngx_http_trv_body_t  *body;

    r = ad->request;
    body = ad->data;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len = cl->buf->last - cl->buf->pos;

        if (ad->body.len + len > body->max) {
            ngx_http_trv_body_too_large(ad);
            return NGX_DONE;
        }

        if (ngx_http_trv_body_reserve(ad, ad->body.len + len) != NGX_OK) {
            ngx_http_trv_admin_error(ad);
            return NGX_DONE;
        }

        ngx_memcpy(ad->body.data + ad->body.len, cl->buf->pos, len);
        ad->body.len += len;

        cl->buf->pos = cl->buf->last;
    }

    r->request_body->bufs = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_trv_body_reserve(ngx_http_trv_admin_t *ad, size_t size)
{
    u_char               *data;
    size_t                room;
    ngx_http_trv_body_t  *body;

    body = ad->data;

    if (size <= body->size) {
        return NGX_OK;
    }

    room = ngx_max(2 * body->size, NGX_HTTP_TRV_BODY_MIN_LEN);
    room = ngx_max(room, size);

    data = ngx_pnalloc(ad->request->pool, room);
    if (data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(data, ad->body.data, ad->body.len);

    if (ad->body.data) {
        (void) ngx_pfree(ad->request->pool, ad->body.data);
    }

    ad->body.data = data;
    body->size = room;

    return NGX_OK;
}


static void
ngx_http_trv_body_too_large(ngx_http_trv_admin_t *ad)
{
    char                  detail[64];
    ngx_http_trv_body_t  *body;

    body = ad->data;

    (void) snprintf(detail, sizeof(detail),
                    "The body must have at most %zu bytes.",
                    body->max);

    ngx_http_trv_admin_problem(ad, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                               "too-large", detail);
}
