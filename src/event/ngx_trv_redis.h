
/*
 * One connection to Redis on nginx's event loop.
 *
 *     resolve -> connect -> AUTH, SELECT, INFO server -> ready -> commands,
 *     pipelined
 *
 * A link that is lost connects again by itself, from 50 ms to 2 s later with
 * jitter, until it is destroyed.  hiredis is used for the protocol only.
 */

#ifndef NGX_TRV_REDIS_H
#define NGX_TRV_REDIS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "trv_command.h"


struct redisReply;

typedef struct ngx_trv_redis_s  ngx_trv_redis_t;


#define NGX_TRV_REDIS_KEYS  6            /* of every script, see prelude.lua */


/* where and how; made once at configuration, shared by all links of a set */
typedef struct {
    ngx_str_t         prefix;            /* keys are "{prefix}:name" */
    ngx_str_t         keys[NGX_TRV_REDIS_KEYS];
    ngx_str_t         url;               /* as configured, for messages */
    ngx_str_t         host;              /* name or address */
    in_port_t         port;
    ngx_int_t         db;
    ngx_str_t         user;              /* empty: none */
    ngx_str_t         password;          /* from password_file */
    ngx_addr_t       *addr;              /* NULL: a name, for the resolver */
    ngx_resolver_t   *resolver;
    ngx_msec_t        timeout;           /* connect and reply */
} ngx_trv_redis_conf_t;


/*
 * The reply belongs to the link and lives during the call only.
 * reply == NULL: none came; sent says whether any byte of the command has left
 * (then it may or may not have been executed).
 */
typedef void (*ngx_trv_redis_reply_pt)(void *data, struct redisReply *reply,
    ngx_uint_t sent);
typedef void (*ngx_trv_redis_state_pt)(void *data);


/*
 * The arguments of the "redis" directive: value[0] is the URL, then
 * password_file=.  Reads the password file.  Returns NGX_CONF_OK or
 * NGX_CONF_ERROR after logging what is wrong with which value.
 */
char *ngx_trv_redis_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n);

/*
 * When all directives of the set are known: completeness (a name needs a
 * resolver), the keys.
 */
char *ngx_trv_redis_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf);


/*
 * Nothing is connected yet.  `name` ("tail", "heartbeat", "requests") is for
 * log lines.  ready: commands may be sent; lost: the link was ready and is
 * not any more (its commands have been answered with NULL before).  Either may
 * be NULL, and either may destroy the link.  NULL: no memory.
 */
ngx_trv_redis_t *ngx_trv_redis_create(ngx_trv_redis_conf_t *rcf,
    const char *name, ngx_log_t *log, ngx_trv_redis_state_pt ready,
    ngx_trv_redis_state_pt lost, void *data);

/* begins to connect if it is not connected or connecting */
void ngx_trv_redis_connect(ngx_trv_redis_t *redis);

/* from inside a reply callback: the reply becomes the caller's, who frees it
   with hiredis' freeReplyObject() */
void ngx_trv_redis_keep(ngx_trv_redis_t *redis);

/*
 * Sends a command.  Where the link is not ready it connects at once (unless it
 * has just failed and backs off) and the command waits for that.  `reply` is
 * called exactly once, never from inside this function, unless it was
 * cancelled; no answer within timeout_ms (0: the set's) loses the link.
 * NGX_OK, or NGX_ERROR: no memory (reply is not called).
 */
ngx_int_t ngx_trv_redis_command(ngx_trv_redis_t *redis,
    const trv_command_t *command, ngx_msec_t timeout_ms,
    ngx_trv_redis_reply_pt reply, void *data);

/* no reply will be given for commands with this data; they still run */
void ngx_trv_redis_cancel(ngx_trv_redis_t *redis, void *data);

/* this server will not do: closes and connects again; `why` is logged */
void ngx_trv_redis_drop(ngx_trv_redis_t *redis, const char *why);

/* cancels all (replies are not called), closes, frees */
void ngx_trv_redis_destroy(ngx_trv_redis_t *redis);

ngx_uint_t ngx_trv_redis_ready(const ngx_trv_redis_t *redis);

/* of the server that the link is connected to, as INFO server says; "" else */
const ngx_str_t *ngx_trv_redis_run_id(const ngx_trv_redis_t *redis);

/*
 * For a worker that exits: writes the command without waiting for an answer,
 * as far as the socket takes it.  Only on a ready link.
 */
void ngx_trv_redis_send_last(ngx_trv_redis_t *redis,
    const trv_command_t *command);


#endif /* NGX_TRV_REDIS_H */
