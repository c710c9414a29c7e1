
#include "ngx_trv_redis_node.h"
#include "ngx_trv_script.h"


ngx_trv_redis_node_t *
ngx_trv_redis_node_create(ngx_trv_redis_conf_t *rcf,
    const trv_command_t *command, ngx_msec_t timeout_ms, ngx_log_t *log)
{
    ngx_trv_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_trv_redis_node_t), log);
    if (node == NULL) {
        return NULL;
    }

    if (ngx_trv_script_format(rcf, command, &node->bytes, log)
        != NGX_OK)
    {
        ngx_free(node);
        return NULL;
    }

    node->script = command->script;
    node->deadline = ngx_current_msec
                     + (timeout_ms ? timeout_ms : rcf->timeout);

    return node;
}


void
ngx_trv_redis_node_destroy(ngx_trv_redis_node_t *node)
{
    ngx_free(node->bytes.data);
    ngx_free(node);
}


ngx_trv_redis_node_t *
ngx_trv_redis_node_first(ngx_queue_t *nodes)
{
    ngx_queue_t           *q;
    ngx_trv_redis_node_t  *node;

    for (q = ngx_queue_head(nodes);
         q != ngx_queue_sentinel(nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (!node->greeting) {
            return node;
        }
    }

    return NULL;
}


void
ngx_trv_redis_node_forget(ngx_queue_t *nodes)
{
    ngx_queue_t           *q, *next;
    ngx_trv_redis_node_t  *node;

    for (q = ngx_queue_head(nodes); q != ngx_queue_sentinel(nodes); q = next) {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (node->greeting) {
            ngx_queue_remove(q);
            ngx_trv_redis_node_destroy(node);
        }
    }
}


void
ngx_trv_redis_node_cancel(ngx_queue_t *nodes, void *data)
{
    ngx_queue_t           *q, *next;
    ngx_trv_redis_node_t  *node;

    for (q = ngx_queue_head(nodes); q != ngx_queue_sentinel(nodes); q = next) {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (node->greeting || node->data != data) {
            continue;
        }

        node->reply = NULL;

        if (!node->begun) {
            ngx_queue_remove(q);
            ngx_trv_redis_node_destroy(node);
        }
    }
}
