
/*
 * One connection to Redis on nginx's event loop.
 *
 *     ask the sentinels -> resolve -> connect -> TLS -> AUTH, SELECT, INFO
 *     -> ready -> commands, pipelined
 *
 * A link that is lost connects again by itself, from 50 ms to 2 s later with
 * jitter, until it is destroyed; all addresses of a name are tried in turn
 * before that.  hiredis is used for the protocol only.
 *
 * In a Redis Cluster a link goes where MOVED sends it, and a command that was
 * answered so is sent again there.
 */

#ifndef NGX_TRV_REDIS_H
#define NGX_TRV_REDIS_H

#include "ngx_trv_redis_conf.h"
#include "trv_command.h"


struct redisReply;

typedef struct ngx_trv_redis_s  ngx_trv_redis_t;


/*
 * The reply belongs to the link and lives during the call only.
 * reply == NULL: none came; sent says whether all of the command has left (then
 * it may or may not have been executed).
 */
typedef void (*ngx_trv_redis_reply_pt)(void *data, struct redisReply *reply,
    ngx_uint_t sent);
typedef void (*ngx_trv_redis_state_pt)(void *data);


/*
 * Nothing is connected yet.  `name` ("tail", "heartbeat", "requests") is for
 * log lines.  ready: commands may be sent; lost: the link was ready and is
 * not any more (its commands have been answered with NULL before).  Either may
 * be NULL, and either may destroy the link.  NULL: no memory.
 */
ngx_trv_redis_t *ngx_trv_redis_create(ngx_trv_redis_conf_t *rcf,
    const char *name, ngx_log_t *log, ngx_trv_redis_state_pt ready,
    ngx_trv_redis_state_pt lost, void *data);

/* its commands build on one another: MOVED loses the link */
void ngx_trv_redis_sequence(ngx_trv_redis_t *redis);

/* begins to connect if it is not connected or connecting */
void ngx_trv_redis_connect(ngx_trv_redis_t *redis);

/* from inside a reply callback: the reply becomes the caller's, who frees it
   with hiredis' freeReplyObject() */
void ngx_trv_redis_keep(ngx_trv_redis_t *redis);

/*
 * Sends a command.  Where the link is not ready it connects at once (50 ms
 * later if it has just failed) and the command waits for that.  `reply` is
 * called exactly once, never from inside this function, unless it was
 * cancelled; no answer within timeout_ms (0: the set's) loses the link.
 * NGX_OK, or NGX_ERROR: no memory (reply is not called).
 */
ngx_int_t ngx_trv_redis_command(ngx_trv_redis_t *redis,
    const trv_command_t *command, ngx_msec_t timeout_ms,
    ngx_trv_redis_reply_pt reply, void *data);

/* no reply will be given for commands with this data; they still run */
void ngx_trv_redis_cancel(ngx_trv_redis_t *redis, void *data);

/*
 * This server will not do: closes and connects again; `why` is logged, unless
 * it is NULL
 */
void ngx_trv_redis_drop(ngx_trv_redis_t *redis, const char *why);

/* what was asked is of no use any more: the same, at once and in silence */
void ngx_trv_redis_renew(ngx_trv_redis_t *redis);

/* cancels all (replies are not called), closes, frees */
void ngx_trv_redis_destroy(ngx_trv_redis_t *redis);

ngx_uint_t ngx_trv_redis_ready(const ngx_trv_redis_t *redis);

/* of the server that the link is connected to, as INFO server says; "" else */
const ngx_str_t *ngx_trv_redis_run_id(const ngx_trv_redis_t *redis);

/* the same of a replica: the replication id of what it has; "" of others */
const char *ngx_trv_redis_repl_id(const ngx_trv_redis_t *redis);

/*
 * For a worker that exits: writes the command without waiting for an answer.
 * NGX_OK; NGX_ERROR: the link is not ready, or the socket has not taken all of
 * it, and will take no more.
 */
ngx_int_t ngx_trv_redis_send_last(ngx_trv_redis_t *redis,
    const trv_command_t *command);

/* waits until Redis has read these, or for 100 ms */
void ngx_trv_redis_end_last(ngx_trv_redis_t *redis);


#endif /* NGX_TRV_REDIS_H */
