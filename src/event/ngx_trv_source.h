
/*
 * Where a follower reads the log: from Redis itself, or from one of its
 * replicas where the directive "read_from" names some.
 *
 * The link to Redis is made first, and whenever a replica will not do.  A
 * replica is tried beside it and takes its place when it is ready, so nothing
 * waits for one that is away.
 */

#ifndef NGX_TRV_SOURCE_H
#define NGX_TRV_SOURCE_H

#include "ngx_trv_redis.h"


typedef struct {
    ngx_trv_redis_t         **link;      /* the one in use, the owner's */
    ngx_trv_redis_conf_t     *conf;
    ngx_log_t                *log;
    ngx_trv_redis_state_pt    ready;
    ngx_trv_redis_state_pt    lost;
    void                     *data;

    ngx_trv_redis_t          *candidate; /* a link to a replica, or NULL */
    ngx_uint_t                replica;   /* index of that, or of the one used */
    ngx_msec_t                since;     /* tried, or used */
    ngx_msec_t                left;      /* the last one, which would not do */
    ngx_msec_t                wait;      /* from then on, until the next */
    ngx_msec_t                hold;      /* that without its random part */
    unsigned                  apart:1;   /* a replica is in use */
    unsigned                  said:1;    /* that one is */
} ngx_trv_source_t;


/*
 * Makes *link and connects.  ready, lost: as of a link; *link may be another
 * one each time.  NGX_OK or NGX_ERROR: no memory.
 */
ngx_int_t ngx_trv_source_init(ngx_trv_source_t *src,
    ngx_trv_redis_conf_t *conf, ngx_trv_redis_t **link, ngx_log_t *log,
    ngx_trv_redis_state_pt ready, ngx_trv_redis_state_pt lost, void *data);

/* destroys *link and whatever is tried */
void ngx_trv_source_destroy(ngx_trv_source_t *src);

/* this server will not do: Redis itself, and a replica again after a while */
void ngx_trv_source_drop(ngx_trv_source_t *src);

/* what was asked is of no use any more: connects anew at once */
void ngx_trv_source_renew(ngx_trv_source_t *src);

/* once a second */
void ngx_trv_source_beat(ngx_trv_source_t *src);


#endif /* NGX_TRV_SOURCE_H */
