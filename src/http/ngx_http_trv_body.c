
#include "ngx_http_trv_body.h"


#define NGX_HTTP_TRV_BODY_MIN_LEN  4096  /* first size of the buffer */


/* what has come and is not used yet is ad->body, in the buffer at start */

typedef struct {
    size_t                       max;
    size_t                       received;
    u_char                      *start;
    size_t                       size;
    ngx_http_trv_admin_pt        done;   /* of a body that is read whole */
    ngx_http_trv_body_pt         take;   /* of one that streams */
} ngx_http_trv_body_t;


static void ngx_http_trv_body_start(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done, ngx_http_trv_body_pt take);
static void ngx_http_trv_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_trv_body_receive(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_body_copy(ngx_buf_t *b, u_char *dst,
    size_t len);
static ngx_int_t ngx_http_trv_body_reserve(ngx_http_trv_admin_t *ad,
    size_t len);
static ngx_int_t ngx_http_trv_body_give(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_body_failed(ngx_http_trv_admin_t *ad, ngx_int_t rc);


/*
 * The body is taken as it comes and never goes to a file: the limit is ours,
 * also for one that does not say its length, and so is the answer.
 */

void
ngx_http_trv_body_read(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done)
{
    ngx_http_trv_body_start(ad, max, done, NULL);
}


void
ngx_http_trv_body_stream(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_body_pt take)
{
    ngx_http_trv_body_start(ad, max, NULL, take);
}


static void
ngx_http_trv_body_start(ngx_http_trv_admin_t *ad, size_t max,
    ngx_http_trv_admin_pt done, ngx_http_trv_body_pt take)
{
    ngx_int_t             rc;
    ngx_http_request_t   *r;
    ngx_http_trv_body_t  *body;

    r = ad->request;

    body = ngx_pcalloc(r->pool, sizeof(ngx_http_trv_body_t));
    if (body == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    body->max = max;
    body->done = done;
    body->take = take;

    ad->reader = body;

    if (r->headers_in.content_length_n > (off_t) body->max) {
        ngx_http_trv_body_failed(ad, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
        return;
    }

    r->request_body_no_buffering = 1;

    /* nginx counts a reader of the body: that is us, counted already */

    r->main->count--;

    rc = ngx_http_read_client_request_body(r, ngx_http_trv_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        r->main->count++;
        ngx_http_trv_body_failed(ad, rc);
    }
}


void
ngx_http_trv_body_resume(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_body_handler(ad->request);
}


static void
ngx_http_trv_body_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_trv_admin_t  *ad;

    ad = ngx_http_trv_admin_get(r);

    r->read_event_handler = ngx_http_trv_body_handler;

    for ( ;; ) {

        if (ngx_http_trv_body_receive(ad) != NGX_OK
            || ngx_http_trv_body_give(ad) != NGX_OK)
        {
            return;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_http_trv_body_failed(ad, rc);
            return;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return;
        }
    }
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_body_receive(ngx_http_trv_admin_t *ad)
{
    size_t                len;
    ngx_chain_t          *cl;
    ngx_http_request_t   *r;
    ngx_http_trv_body_t  *body;

    r = ad->request;
    body = ad->reader;

    /* who read it before us (mirror) gives it to others too, so it stays */

    if (r->request_body == NULL || (r->preserve_body && body->received)) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len = ngx_buf_size(cl->buf);

        if (len == 0) {
            continue;
        }

        body->received += len;

        if (body->received > body->max) {
            ngx_http_trv_body_failed(ad, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
            return NGX_DONE;
        }

        if (ngx_http_trv_body_reserve(ad, len) != NGX_OK
            || ngx_http_trv_body_copy(cl->buf, ad->body.data + ad->body.len,
                                      len)
               != NGX_OK)
        {
            ngx_http_trv_admin_error(ad);
            return NGX_DONE;
        }

        ad->body.len += len;

        if (!r->preserve_body) {
            cl->buf->pos = cl->buf->last;        /* nginx may use it again */
        }
    }

    if (!r->preserve_body) {
        r->request_body->bufs = NULL;
    }

    return NGX_OK;
}


/* another module (mirror) may have read the body before, into a file */

static ngx_int_t
ngx_http_trv_body_copy(ngx_buf_t *b, u_char *dst, size_t len)
{
    if (ngx_buf_in_memory(b)) {
        ngx_memcpy(dst, b->pos, len);
        return NGX_OK;
    }

    return ngx_read_file(b->file, dst, len, b->file_pos) == (ssize_t) len
           ? NGX_OK : NGX_ERROR;
}


/* room for len more bytes; what was used already makes way first */

static ngx_int_t
ngx_http_trv_body_reserve(ngx_http_trv_admin_t *ad, size_t len)
{
    u_char               *data;
    size_t                size;
    ngx_http_trv_body_t  *body;

    body = ad->reader;

    if (ad->body.len + len <= body->size) {

        if (ad->body.data != body->start) {
            ngx_memmove(body->start, ad->body.data, ad->body.len);
            ad->body.data = body->start;
        }

        return NGX_OK;
    }

    size = ngx_max(2 * body->size, NGX_HTTP_TRV_BODY_MIN_LEN);
    size = ngx_max(size, ad->body.len + len);

    data = ngx_pnalloc(ad->request->pool, size);
    if (data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(data, ad->body.data, ad->body.len);

    if (body->start) {
        (void) ngx_pfree(ad->request->pool, body->start);
    }

    ad->body.data = data;
    body->start = data;
    body->size = size;

    return NGX_OK;
}


/* NGX_OK: there is more to be read; NGX_DONE: not now, or no more */

static ngx_int_t
ngx_http_trv_body_give(ngx_http_trv_admin_t *ad)
{
    ngx_event_t          *rev;
    ngx_http_request_t   *r;
    ngx_http_trv_body_t  *body;

    r = ad->request;
    body = ad->reader;

    if (body->take == NULL && r->reading_body) {
        return NGX_OK;
    }

    /*
     * Nothing is read while it is being used, so that a client cannot send
     * faster than Redis takes; and that is not the client's delay.
     */

    r->read_event_handler = ngx_http_block_reading;

    rev = r->connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    if (body->take == NULL) {
        body->done(ad);
        return NGX_DONE;
    }

    if (body->take(ad, r->reading_body ? NGX_AGAIN : NGX_OK) != NGX_OK) {
        return NGX_DONE;                 /* the request may be gone */
    }

    r->read_event_handler = ngx_http_trv_body_handler;

    return NGX_OK;
}


/* the rest will not come, or is not wanted: rc is the status */

static void
ngx_http_trv_body_failed(ngx_http_trv_admin_t *ad, ngx_int_t rc)
{
    char                  detail[96];
    ngx_http_trv_body_t  *body;

    body = ad->reader;

    ad->request->read_event_handler = ngx_http_block_reading;

    if (rc != NGX_HTTP_REQUEST_ENTITY_TOO_LARGE && rc != NGX_HTTP_BAD_REQUEST)
    {
        ngx_http_finalize_request(ad->request, rc);

    } else if (body->take && body->received) {
        (void) body->take(ad, rc);

    } else if (rc == NGX_HTTP_BAD_REQUEST) {
        ngx_http_trv_admin_problem(ad, rc, "bad-request",
                                   "The body is not one of HTTP.");
    } else {
        (void) snprintf(detail, sizeof(detail),
                        "The body must have at most %zu bytes, and no more "
                        "than client_max_body_size.", body->max);

        ngx_http_trv_admin_problem(ad, rc, "too-large", detail);
    }
}
