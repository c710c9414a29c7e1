
#include "ngx_trv_redis_private.h"
#include "ngx_trv_script.h"


#define NGX_TRV_REDIS_READ_SIZE  16384


static ngx_int_t ngx_trv_redis_read(ngx_trv_redis_t *redis);
static void ngx_trv_redis_replies(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_reply(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_again(ngx_trv_redis_t *redis,
    ngx_trv_redis_node_t *node, redisReply *reply);


void
ngx_trv_redis_write(ngx_trv_redis_t *redis)
{
    ssize_t                n;
    ngx_queue_t           *q;
    ngx_connection_t      *c;
    ngx_trv_redis_node_t  *node;

    c = redis->peer.connection;

    while (!ngx_queue_empty(&redis->unsent)) {
        q = ngx_queue_head(&redis->unsent);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (!node->greeting && redis->state != NGX_TRV_REDIS_READY) {
            break;
        }

        n = c->send(c, node->bytes.data + node->sent,
                    node->bytes.len - node->sent);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR) {
            ngx_trv_redis_lose(redis, ngx_socket_errno, "send() failed");
            return;
        }

        node->sent += n;

        if (node->sent == node->bytes.len) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&redis->sent, q);
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, "no event");
    }
}


void
ngx_trv_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t  *c;
    ngx_trv_redis_t   *redis;

    c = wev->data;
    redis = c->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    if (redis->state == NGX_TRV_REDIS_CONNECTING) {
        ngx_trv_redis_connected(redis);

    } else {
        ngx_trv_redis_write(redis);
    }

    ngx_trv_redis_leave(redis);
}


void
ngx_trv_redis_read_handler(ngx_event_t *rev)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;
    ngx_trv_redis_t   *redis;

    c = rev->data;
    redis = c->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    if (c->close) {
        ngx_trv_redis_lose(redis, 0, "the worker is told to end");

    } else if (redis->state == NGX_TRV_REDIS_CONNECTING) {
        ngx_trv_redis_connected(redis);  /* nothing can have come yet */

    } else {

        do {
            rc = ngx_trv_redis_read(redis);
        } while (rc == NGX_OK);
    }

    ngx_trv_redis_leave(redis);
}


/* NGX_OK: there may be more; NGX_DONE: not now, or not from this connection */

static ngx_int_t
ngx_trv_redis_read(ngx_trv_redis_t *redis)
{
    u_char             buf[NGX_TRV_REDIS_READ_SIZE];
    ssize_t            n;
    ngx_connection_t  *c;

    c = redis->peer.connection;

    n = c->recv(c, buf, sizeof(buf));

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            ngx_trv_redis_lose(redis, 0, "no event");
        }

        return NGX_DONE;
    }

    if (n == NGX_ERROR) {
        ngx_trv_redis_lose(redis, ngx_socket_errno, "recv() failed");
        return NGX_DONE;
    }

    if (n == 0) {
        ngx_trv_redis_lose(redis, 0, "closed by the server");
        return NGX_DONE;
    }

    if (ngx_trv_reply_feed(redis->reader, &redis->bounds, buf, n) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, redis->reader->errstr);
        return NGX_DONE;
    }

    ngx_trv_redis_replies(redis);

    return redis->peer.connection == c ? NGX_OK : NGX_DONE;
}


static void
ngx_trv_redis_replies(ngx_trv_redis_t *redis)
{
    while (ngx_trv_redis_reply(redis) == NGX_OK) { /* void */ }

    if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_timer_arm(redis);
    }
}


/* NGX_OK: one was given to its owner; NGX_DONE: there is none */

static ngx_int_t
ngx_trv_redis_reply(ngx_trv_redis_t *redis)
{
    void                  *reply;
    ngx_queue_t           *q;
    ngx_trv_redis_node_t  *node;

    if (redis->reader == NULL) {
        return NGX_DONE;                 /* lost by a callback */
    }

    if (ngx_trv_reply_next(redis->reader, &redis->bounds, &reply) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, redis->reader->errstr);
        return NGX_DONE;
    }

    if (reply == NULL) {
        return NGX_DONE;
    }

    if (ngx_queue_empty(&redis->sent)) {
        freeReplyObject(reply);
        ngx_trv_redis_lose(redis, 0, "a reply that nobody asked for");
        return NGX_DONE;
    }

    q = ngx_queue_head(&redis->sent);
    ngx_queue_remove(q);
    node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

    if (ngx_trv_redis_again(redis, node, reply) == NGX_OK) {
        freeReplyObject(reply);
        return NGX_OK;
    }

    redis->current = reply;

    if (node->greeting) {
        ngx_trv_redis_greeted(redis, reply);

    } else if (node->reply) {
        node->reply(node->data, reply, 1);
    }

    if (redis->current) {
        freeReplyObject(redis->current);
        redis->current = NULL;
    }

    ngx_trv_redis_node_destroy(node);

    return redis->destroyed ? NGX_DONE : NGX_OK;
}


/* NGX_OK: Redis did not know the script and is asked again with its text */

static ngx_int_t
ngx_trv_redis_again(ngx_trv_redis_t *redis, ngx_trv_redis_node_t *node,
    redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR
        || ngx_strncmp(reply->str, "NOSCRIPT", 8) != 0
        || node->script == TRV_SCRIPT_NONE
        || node->reply == NULL
        || node->expanded
        || ngx_trv_script_expand(node->script, &node->bytes, redis->log)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    node->expanded = 1;
    node->sent = 0;

    ngx_queue_insert_tail(&redis->unsent, &node->queue);
    ngx_post_event(&redis->posted, &ngx_posted_events);

    return NGX_OK;
}
