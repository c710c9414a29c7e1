
/*
 * The inside of a link, shared by ngx_trv_redis.c (its life and its commands),
 * ngx_trv_redis_connect.c (from nothing to ready) and ngx_trv_redis_io.c
 * (commands out, replies in).
 */

#ifndef NGX_TRV_REDIS_PRIVATE_H
#define NGX_TRV_REDIS_PRIVATE_H

#include <hiredis/hiredis.h>

#include "ngx_trv_redis.h"
#include <ngx_event_connect.h>
#include "ngx_trv_reply.h"


#define NGX_TRV_REDIS_RUN_ID_LEN   40


typedef enum {
    NGX_TRV_REDIS_IDLE = 0,              /* nobody has asked for it yet */
    NGX_TRV_REDIS_BACKOFF,               /* the timer will connect */
    NGX_TRV_REDIS_RESOLVING,
    NGX_TRV_REDIS_CONNECTING,
    NGX_TRV_REDIS_GREETING,              /* AUTH, SELECT, INFO are under way */
    NGX_TRV_REDIS_READY
} ngx_trv_redis_state_e;


typedef struct {
    ngx_queue_t              queue;
    ngx_str_t                bytes;
    size_t                   sent;
    trv_script_e             script;
    ngx_msec_t               deadline;
    ngx_trv_redis_reply_pt   reply;      /* NULL: cancelled */
    void                    *data;
    unsigned                 greeting:1;
    unsigned                 expanded:1; /* the full text of the script */
} ngx_trv_redis_node_t;


struct ngx_trv_redis_s {
    ngx_trv_redis_conf_t    *conf;
    const char              *name;
    ngx_log_t               *log;
    ngx_log_t                quiet;      /* the state is logged here, not each
                                            failure by nginx */
    ngx_trv_redis_state_pt   ready;
    ngx_trv_redis_state_pt   lost;
    void                    *data;

    ngx_trv_redis_state_e    state;
    ngx_peer_connection_t    peer;
    ngx_sockaddr_t           sockaddr;   /* of a name that was resolved */
    ngx_resolver_ctx_t      *resolve;
    redisReader             *reader;
    ngx_trv_reply_bounds_t   bounds;
    redisReply              *current;    /* the callback may keep it */

    ngx_queue_t              unsent;     /* of nodes: greeting ones first */
    ngx_queue_t              sent;       /* waiting for their replies */

    ngx_event_t              timer;      /* cancelable: back-off, deadline */
    ngx_event_t              posted;     /* what must not happen in a call */
    ngx_msec_t               backoff;
    ngx_msec_t               since;      /* ready */
    ngx_uint_t               greetings;  /* replies that are still to come */
    ngx_str_t                run_id;
    u_char                   run_id_text[NGX_TRV_REDIS_RUN_ID_LEN + 1];

    const char              *drop;       /* why, NULL: no */
    ngx_uint_t               busy;       /* in callbacks, which may destroy */
    unsigned                 destroyed:1;
    unsigned                 failing:1;  /* said already */
};


/* ngx_trv_redis_connect.c */

/* begins to connect: from idle or back-off */
void ngx_trv_redis_start(ngx_trv_redis_t *redis);

/* the socket became writable: connected, or not */
void ngx_trv_redis_connected(ngx_trv_redis_t *redis);

/* a reply to AUTH, SELECT or INFO; the last one makes the link ready */
void ngx_trv_redis_greeted(ngx_trv_redis_t *redis, redisReply *reply);


/* ngx_trv_redis.c */

/* NULL: no memory */
ngx_trv_redis_node_t *ngx_trv_redis_node_create(ngx_trv_redis_t *redis, const
    trv_command_t *command, ngx_msec_t timeout_ms);
void ngx_trv_redis_node_destroy(ngx_trv_redis_node_t *node);

/* the timer of a ready link is the deadline of its oldest command */
void ngx_trv_redis_timer_arm(ngx_trv_redis_t *redis);

/* closes, answers all commands with nothing, and will connect again */
void ngx_trv_redis_lose(ngx_trv_redis_t *redis, ngx_err_t err, const char
    *why);

/* between these two a callback may destroy the link: it is freed at the end */
ngx_int_t ngx_trv_redis_enter(ngx_trv_redis_t *redis);
void ngx_trv_redis_leave(ngx_trv_redis_t *redis);


/* ngx_trv_redis_io.c */

/* sends what can be sent */
void ngx_trv_redis_write(ngx_trv_redis_t *redis);
void ngx_trv_redis_write_handler(ngx_event_t *wev);
void ngx_trv_redis_read_handler(ngx_event_t *rev);


#endif /* NGX_TRV_REDIS_PRIVATE_H */
