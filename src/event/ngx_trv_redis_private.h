
/*
 * The inside of a link, shared by ngx_trv_redis.c (what its owner does),
 * ngx_trv_redis_connect.c (from nothing to a connection), _greet.c (from there
 * to ready), _io.c (commands out, replies in) and _loss.c (its end).
 */

#ifndef NGX_TRV_REDIS_PRIVATE_H
#define NGX_TRV_REDIS_PRIVATE_H

#include <ngx_event_connect.h>
#include <hiredis/hiredis.h>

#include "ngx_trv_redis_node.h"
#include "trv_reader.h"


#define NGX_TRV_REDIS_RUN_ID_LEN  40
#define NGX_TRV_REDIS_BACKOFF_MS  50     /* at first, then twice that, ... */
#define NGX_TRV_REDIS_ADDRS       8      /* of one name, that are tried */
#define NGX_TRV_REDIS_REASON_LEN  256
#define NGX_TRV_REDIS_MOVES       5      /* in a row, until we are there */


typedef enum {
    NGX_TRV_REDIS_IDLE = 0,              /* nobody has asked for it yet */
    NGX_TRV_REDIS_BACKOFF,               /* the timer will begin anew */
    NGX_TRV_REDIS_NEXT,                  /* ... will try the next address */
    NGX_TRV_REDIS_SEEKING,               /* the sentinels are asked */
    NGX_TRV_REDIS_RESOLVING,
    NGX_TRV_REDIS_CONNECTING,
    NGX_TRV_REDIS_SHAKING_HANDS,         /* TLS */
    NGX_TRV_REDIS_GREETING,              /* AUTH, SELECT, INFO are under way */
    NGX_TRV_REDIS_READY
} ngx_trv_redis_state_e;


struct ngx_trv_redis_s {
    ngx_trv_redis_conf_t    *conf;
    const char              *name;
    ngx_log_t               *log;
    ngx_trv_redis_state_pt   ready;
    ngx_trv_redis_state_pt   lost;
    void                    *data;

    ngx_trv_redis_state_e    state;
    ngx_queue_t              fellows;    /* links that use the sentinels */
    ngx_trv_place_t          place;      /* where it is, or tries to be */
    ngx_resolver_ctx_t      *resolve;
    ngx_sockaddr_t           addrs[NGX_TRV_REDIS_ADDRS];
    socklen_t                socklens[NGX_TRV_REDIS_ADDRS];
    ngx_uint_t               naddrs;
    ngx_uint_t               addr;       /* the one in use */
    ngx_peer_connection_t    peer;
    ngx_str_t                peer_name;
    u_char                   peer_text[NGX_SOCKADDR_STRLEN];
    trv_reader_t            *reader;
    redisReply              *current;    /* the callback may keep it */

    ngx_queue_t              unsent;     /* of nodes: greeting ones first */
    ngx_queue_t              sent;       /* waiting for their replies */

    ngx_event_t              timer;      /* cancelable: step, deadline */
    ngx_msec_t               step;       /* not ready: when it is over */
    ngx_event_t              posted;     /* what must not happen in a call */
    ngx_msec_t               backoff;
    ngx_msec_t               since;      /* ready */
    ngx_str_t                run_id;
    u_char                   run_id_text[NGX_TRV_REDIS_RUN_ID_LEN + 1];
    char                     repl_id[NGX_TRV_REDIS_RUN_ID_LEN + 1];

    ngx_log_t                quiet;      /* nginx's words go into reason */
    ngx_str_t                reason;
    u_char                   reason_text[NGX_TRV_REDIS_REASON_LEN];

    const char              *why;        /* it shall be dropped */
    ngx_uint_t               busy;       /* in callbacks, which may destroy */
    unsigned                 drop:1;
    unsigned                 renew:1;
    unsigned                 moving:1;   /* when all replies are there */
    unsigned                 destroyed:1;
    unsigned                 failing:1;
    unsigned                 sequence:1;
    ngx_uint_t               moves;      /* in a row, without getting ready */
};


/* ngx_trv_redis_connect.c */

/* begins to connect: from idle or back-off; with the next address */
void ngx_trv_redis_start(ngx_trv_redis_t *redis);
void ngx_trv_redis_next(ngx_trv_redis_t *redis);

/* the answer to ngx_trv_sentinel_seek(); NULL: none, see redis->reason */
void ngx_trv_redis_found(ngx_trv_redis_t *redis, const ngx_trv_place_t *place);

/* the socket became writable: connected, or not */
void ngx_trv_redis_connected(ngx_trv_redis_t *redis);


/* ngx_trv_redis_greet.c */

void ngx_trv_redis_greet(ngx_trv_redis_t *redis);

/* a reply to a command of the greeting; the last one makes the link ready */
void ngx_trv_redis_greeted(ngx_trv_redis_t *redis, ngx_trv_greeting_e greeting,
    redisReply *reply);


/* ngx_trv_redis.c */

/* until the next step or, on a ready link, the deadline of a command */
void ngx_trv_redis_timer_arm(ngx_trv_redis_t *redis);

/* between these two a callback may destroy the link: it is freed at the end */
ngx_int_t ngx_trv_redis_enter(ngx_trv_redis_t *redis);
void ngx_trv_redis_leave(ngx_trv_redis_t *redis);


/* ngx_trv_redis_loss.c */

void ngx_trv_redis_quiet_init(ngx_trv_redis_t *redis);

/*
 * Closes; where the name has another address that is tried, else all commands
 * are answered with nothing and it connects again later.  `why` is said unless
 * it is NULL, with what nginx or TLS have said.
 */
void ngx_trv_redis_lose(ngx_trv_redis_t *redis, ngx_err_t err, const char
    *why);

/* says that it is well again, if the contrary was said */
void ngx_trv_redis_regain(ngx_trv_redis_t *redis);

/* connects anew, and goes on with the commands that have not been sent */
void ngx_trv_redis_move(ngx_trv_redis_t *redis);

/* the one end of every state: nothing of the connection is left */
void ngx_trv_redis_close(ngx_trv_redis_t *redis);


/* ngx_trv_redis_io.c */

/* sends what can be sent */
void ngx_trv_redis_write(ngx_trv_redis_t *redis);
void ngx_trv_redis_write_handler(ngx_event_t *wev);
void ngx_trv_redis_read_handler(ngx_event_t *rev);


#endif /* NGX_TRV_REDIS_PRIVATE_H */
