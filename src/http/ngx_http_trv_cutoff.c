
#include "ngx_http_trv.h"


typedef struct {
    ngx_trv_watch_t           watch;
    ngx_http_request_t       *request;
    ngx_http_trv_ctx_t       *ctx;
    ngx_http_trv_loc_conf_t  *lcf;       /* that let it in: a redirect may have
                                            gone on to one without a set */
} ngx_http_trv_cutoff_t;


static void ngx_http_trv_cutoff_handler(ngx_trv_watch_t *watch);
static void ngx_http_trv_cutoff_cleanup(void *data);


ngx_int_t
ngx_http_trv_cutoff_add(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_ctx_t *ctx)
{
    const trv_id_t         *id;
    ngx_pool_cleanup_t     *cln;
    ngx_http_trv_cutoff_t  *co;

    id = ngx_http_trv_id(ctx);

    if (id == NULL) {
        return NGX_ERROR;
    }

    co = ctx->cutoff;

    if (co && co->lcf->set == lcf->set) {
        ngx_trv_watch_remove(&co->watch);        /* let in again */

    } else {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_trv_cutoff_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_trv_cutoff_cleanup;

        co = cln->data;
        ngx_memzero(co, sizeof(ngx_http_trv_cutoff_t));

        co->request = r;
        co->ctx = ctx;
        co->watch.handler = ngx_http_trv_cutoff_handler;
        co->watch.data = co;

        ctx->cutoff = co;
    }

    co->lcf = lcf;
    co->watch.id = *id;

    ngx_trv_watch_add(&lcf->set->watch, &co->watch);

    return NGX_OK;
}


/*
 * Whatever the request is doing, its connection is closed, or its stream reset
 * (HTTP/2).  An upstream that is closed on the way gives up its reference to
 * the request as if the answer were complete: one more keeps it from being
 * freed, or its connection from being kept alive, in the middle of that.
 */

static void
ngx_http_trv_cutoff_handler(ngx_trv_watch_t *watch)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_trv_cutoff_t  *co = watch->data;

    r = co->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    co->ctx->verdict = NGX_HTTP_TRV_REVOKED;
    co->ctx->id = watch->id;
    ngx_trv_stats_add(&co->lcf->set->stats, NGX_TRV_STAT_CUTOFFS, 1);

    ngx_http_trv_log(r, co->lcf, co->ctx, ", cut off");

    r->main->count++;

    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_trv_cutoff_cleanup(void *data)
{
    ngx_http_trv_cutoff_t  *co = data;

    ngx_trv_watch_remove(&co->watch);
}
