
#include "ngx_trv_source.h"


#define NGX_TRV_SOURCE_LINK        "tail"
#define NGX_TRV_SOURCE_TRY_MS      5000  /* then another replica */
#define NGX_TRV_SOURCE_HOLD_MS     1000  /* at first, then twice that, ... */
#define NGX_TRV_SOURCE_HOLD_MAX    300000
#define NGX_TRV_SOURCE_SETTLED_MS  60000 /* used so long: held as at first */


static ngx_trv_redis_t *ngx_trv_source_connect(ngx_trv_source_t *src,
    ngx_trv_redis_conf_t *conf, ngx_trv_redis_state_pt ready,
    ngx_trv_redis_state_pt lost, void *data);
static void ngx_trv_source_try(ngx_trv_source_t *src);
static void ngx_trv_source_leave(ngx_trv_source_t *src);
static void ngx_trv_source_hold(ngx_trv_source_t *src);
static void ngx_trv_source_ready(void *data);
static void ngx_trv_source_lost(void *data);


ngx_int_t
ngx_trv_source_init(ngx_trv_source_t *src, ngx_trv_redis_conf_t *conf,
    ngx_trv_redis_t **link, ngx_log_t *log, ngx_trv_redis_state_pt ready,
    ngx_trv_redis_state_pt lost, void *data)
{
    src->link = link;
    src->conf = conf;
    src->log = log;
    src->ready = ready;
    src->lost = lost;
    src->data = data;
    src->hold = NGX_TRV_SOURCE_HOLD_MS;

    *link = ngx_trv_source_connect(src, conf, ready, lost, data);
    if (*link == NULL) {
        return NGX_ERROR;
    }

    if (conf->nreplicas) {
        src->replica = ngx_random() % conf->nreplicas;
        ngx_trv_source_try(src);
    }

    return NGX_OK;
}


void
ngx_trv_source_destroy(ngx_trv_source_t *src)
{
    if (src->candidate) {
        ngx_trv_redis_destroy(src->candidate);
        src->candidate = NULL;
    }

    if (*src->link) {
        ngx_trv_redis_destroy(*src->link);
        *src->link = NULL;
    }
}


void
ngx_trv_source_drop(ngx_trv_source_t *src)
{
    if (!src->apart) {
        ngx_trv_redis_drop(*src->link, NULL);
        return;
    }

    ngx_trv_source_hold(src);
    ngx_trv_source_leave(src);
}


void
ngx_trv_source_renew(ngx_trv_source_t *src)
{
    if (!src->apart) {
        ngx_trv_redis_renew(*src->link);
        return;
    }

    ngx_trv_source_leave(src);

    if (!src->apart) {
        ngx_trv_source_try(src);
    }
}


void
ngx_trv_source_beat(ngx_trv_source_t *src)
{
    if (src->apart || src->conf->nreplicas == 0) {
        return;
    }

    if (src->candidate) {

        if (ngx_current_msec - src->since >= NGX_TRV_SOURCE_TRY_MS) {
            ngx_trv_redis_destroy(src->candidate);
            src->replica = (src->replica + 1) % src->conf->nreplicas;
            ngx_trv_source_try(src);
        }

    } else if (ngx_current_msec - src->left >= src->wait) {
        ngx_trv_source_try(src);
    }
}


static ngx_trv_redis_t *
ngx_trv_source_connect(ngx_trv_source_t *src, ngx_trv_redis_conf_t *conf,
    ngx_trv_redis_state_pt ready, ngx_trv_redis_state_pt lost, void *data)
{
    ngx_trv_redis_t  *redis;

    redis = ngx_trv_redis_create(conf, NGX_TRV_SOURCE_LINK, src->log, ready,
                                 lost, data);

    if (redis) {
        ngx_trv_redis_sequence(redis);
        ngx_trv_redis_connect(redis);
    }

    return redis;
}


static void
ngx_trv_source_try(ngx_trv_source_t *src)
{
    src->since = ngx_current_msec;
    src->candidate = ngx_trv_source_connect(src,
                                            &src->conf->replicas[src->replica],
                                            ngx_trv_source_ready,
                                            ngx_trv_source_lost, src);
}


/* from a replica to Redis itself; without memory for that it stays */

static void
ngx_trv_source_leave(ngx_trv_source_t *src)
{
    ngx_trv_redis_t  *redis;

    redis = ngx_trv_source_connect(src, src->conf, src->ready, src->lost,
                                   src->data);
    if (redis == NULL) {
        ngx_trv_redis_drop(*src->link, "no memory");
        return;
    }

    if (ngx_trv_redis_ready(*src->link)) {
        src->lost(src->data);
    }

    ngx_trv_redis_destroy(*src->link);

    *src->link = redis;
    src->apart = 0;
}


static void
ngx_trv_source_hold(ngx_trv_source_t *src)
{
    src->hold = (ngx_current_msec - src->since >= NGX_TRV_SOURCE_SETTLED_MS)
                ? NGX_TRV_SOURCE_HOLD_MS
                : ngx_min(2 * src->hold, NGX_TRV_SOURCE_HOLD_MAX);

    /* jitter: all edges have lost the same replica */

    src->wait = src->hold + ngx_random() % src->hold;
    src->left = ngx_current_msec;
    src->replica = (src->replica + 1) % src->conf->nreplicas;

    if (src->said) {
        src->said = 0;
        ngx_log_error(NGX_LOG_NOTICE, src->log, 0,
                      "redis \"%V\" (%s): reading the log here again",
                      &src->conf->url, NGX_TRV_SOURCE_LINK);
    }
}


static void
ngx_trv_source_ready(void *data)
{
    ngx_trv_source_t *src = data;

    if (src->candidate) {

        if (ngx_trv_redis_ready(*src->link)) {
            src->lost(src->data);
        }

        ngx_trv_redis_destroy(*src->link);

        *src->link = src->candidate;
        src->candidate = NULL;
        src->since = ngx_current_msec;
        src->apart = 1;

        if (!src->said) {
            src->said = 1;
            ngx_log_error(NGX_LOG_NOTICE, src->log, 0,
                          "redis \"%V\" (%s): reading the log from this "
                          "replica", &src->conf->replicas[src->replica].url,
                          NGX_TRV_SOURCE_LINK);
        }
    }

    src->ready(src->data);
}


static void
ngx_trv_source_lost(void *data)
{
    ngx_trv_source_t *src = data;

    src->lost(src->data);

    ngx_trv_source_hold(src);
    ngx_trv_source_leave(src);
}
