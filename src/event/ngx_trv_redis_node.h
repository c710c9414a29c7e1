
/*
 * A command in the queues of a link.
 */

#ifndef NGX_TRV_REDIS_NODE_H
#define NGX_TRV_REDIS_NODE_H

#include "ngx_trv_redis.h"


/* what a command of the greeting is for */
typedef enum {
    NGX_TRV_GREETING_NONE = 0,           /* it is a command of a user */
    NGX_TRV_GREETING_AUTH,
    NGX_TRV_GREETING_SELECT,
    NGX_TRV_GREETING_SERVER,             /* what and who is it? */
    NGX_TRV_GREETING_ROLE,               /* is it the master? */
    NGX_TRV_GREETING_SLOT                /* is our slot of the cluster here? */
} ngx_trv_greeting_e;


typedef struct {
    ngx_queue_t              queue;
    ngx_str_t                bytes;
    size_t                   sent;
    trv_script_e             script;
    ngx_msec_t               deadline;
    ngx_trv_redis_reply_pt   reply;      /* NULL: cancelled */
    void                    *data;
    ngx_trv_greeting_e       greeting;
    ngx_uint_t               moves;
    unsigned                 begun:1;    /* TLS may have taken bytes of it */
    unsigned                 expanded:1; /* the full text of the script */
} ngx_trv_redis_node_t;


/* NULL: no memory */
ngx_trv_redis_node_t *ngx_trv_redis_node_create(ngx_trv_redis_conf_t *rcf,
    const trv_command_t *command, ngx_msec_t timeout_ms, ngx_log_t *log);
void ngx_trv_redis_node_destroy(ngx_trv_redis_node_t *node);

/* the first one of a user in the queue, or NULL */
ngx_trv_redis_node_t *ngx_trv_redis_node_first(ngx_queue_t *nodes);

/* takes out those of a greeting */
void ngx_trv_redis_node_forget(ngx_queue_t *nodes);

/* those with this data will not be replied to */
void ngx_trv_redis_node_cancel(ngx_queue_t *nodes, void *data);


#endif /* NGX_TRV_REDIS_NODE_H */
