
/*
 * The sentinels of a set: which Redis is the master now?
 *
 * All of them are asked at once, by a worker whose links are in use each
 * second.  Sentinels can be dead, cut off or stale, so the answer with the
 * newest configuration (the highest config-epoch: each fail-over makes it
 * greater) counts, and one that has led us to a server that is down or no
 * master counts least for a while.  The links themselves ask a server for its
 * role, and the follower does so in each heartbeat.
 */

#ifndef NGX_TRV_SENTINEL_H
#define NGX_TRV_SENTINEL_H

#include "ngx_trv_redis.h"


#define NGX_TRV_SENTINEL_TIMEOUT_MS  1000        /* of one that is asked */


typedef struct {
    ngx_trv_redis_conf_t   conf;
    ngx_trv_sentinel_t    *sentinel;
    unsigned               secure:1;     /* TLS */
    unsigned               inherits:1;   /* TLS if "redis" has it */

    /* of this worker */
    ngx_trv_redis_t       *link;
    ngx_uint_t             pending;      /* replies that are still to come */
    ngx_trv_place_t        master;       /* nowhere: it has not named one */
    uint64_t               epoch;
} ngx_trv_sentinel_server_t;


struct ngx_trv_sentinel_s {
    ngx_str_t                    name;   /* of the master */
    ngx_trv_sentinel_server_t   *servers;
    ngx_uint_t                   n;
    ngx_trv_tls_conf_t           tls_conf;

    /* of this worker */
    ngx_log_t                   *log;
    ngx_queue_t                  links;  /* that want to be at the master */
    ngx_trv_place_t              master; /* that was decided on */
    uint64_t                     epoch;
    ngx_msec_t                   decided_ms;     /* last time */
    ngx_trv_place_t              doubtful;
    ngx_msec_t                   doubtful_ms;    /* since */
    ngx_msec_t                   used_ms;        /* a link, last time */
    ngx_event_t                  timer;  /* cancelable */
    ngx_uint_t                   pending;        /* servers */
    ngx_uint_t                   named;          /* ... that named a master */
    unsigned                     known:1;
    unsigned                     asking:1;
    unsigned                     unknown:1;      /* said that nobody knows */
};


/* a link of the set that is made, one that is destroyed */
void ngx_trv_sentinel_join(ngx_trv_sentinel_t *s, ngx_queue_t *link,
    ngx_log_t *log);
void ngx_trv_sentinel_leave(ngx_trv_sentinel_t *s, ngx_queue_t *link);

/* a link in state SEEKING will be told by ngx_trv_redis_found() */
void ngx_trv_sentinel_seek(ngx_trv_sentinel_t *s, ngx_trv_redis_t *redis);

/* a link is being used: it is to be known soon if it is at the wrong server */
void ngx_trv_sentinel_watch(ngx_trv_sentinel_t *s);

/* a link has lost the master, or (place) found none there */
void ngx_trv_sentinel_doubt(ngx_trv_sentinel_t *s,
    const ngx_trv_place_t *place);


#endif /* NGX_TRV_SENTINEL_H */
