
#include "ngx_trv_redis_private.h"
#include "ngx_trv_script.h"


#define NGX_TRV_REDIS_READ_SIZE  16384   /* a turn of the event loop */


static ngx_int_t ngx_trv_redis_read(ngx_trv_redis_t *redis);
static void ngx_trv_redis_replies(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_reply(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_again(ngx_trv_redis_t *redis,
    ngx_trv_redis_node_t *node, redisReply *reply);
static ngx_int_t ngx_trv_redis_expand(ngx_trv_redis_t *redis,
    ngx_trv_redis_node_t *node);
static ngx_int_t ngx_trv_redis_moved(ngx_trv_redis_t *redis,
    ngx_trv_redis_node_t *node, const char *error);
static void ngx_trv_redis_unfit(ngx_trv_redis_t *redis, const char *error);


void
ngx_trv_redis_write(ngx_trv_redis_t *redis)
{
    ssize_t                n;
    ngx_queue_t           *q;
    ngx_connection_t      *c;
    ngx_trv_redis_node_t  *node;

    c = redis->peer.connection;

    while (!ngx_queue_empty(&redis->unsent) && !redis->moving) {
        q = ngx_queue_head(&redis->unsent);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (!node->greeting && redis->state != NGX_TRV_REDIS_READY) {
            break;
        }

        node->begun = 1;                 /* TLS wants the same bytes again */

        n = c->send(c, node->bytes.data + node->sent,
                    node->bytes.len - node->sent);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR) {
            ngx_trv_redis_lose(redis, 0, "send() failed");
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

        /* others have their turn too, however much there is */

        if (ngx_trv_redis_read(redis) == NGX_OK) {
            ngx_post_event(rev, &ngx_posted_next_events);
        }
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
        ngx_trv_redis_lose(redis, 0, "recv() failed");
        return NGX_DONE;
    }

    if (n == 0) {
        ngx_trv_redis_lose(redis, 0, "closed by the server");
        return NGX_DONE;
    }

    if (trv_reader_feed(redis->reader, buf, n) != TRV_OK) {
        ngx_trv_redis_lose(redis, 0, trv_reader_error(redis->reader));
        return NGX_DONE;
    }

    ngx_trv_redis_replies(redis);

    return redis->peer.connection == c ? NGX_OK : NGX_DONE;
}


static void
ngx_trv_redis_replies(ngx_trv_redis_t *redis)
{
    while (ngx_trv_redis_reply(redis) == NGX_OK) { /* void */ }

    if (redis->destroyed) {
        return;
    }

    if (redis->moving && ngx_queue_empty(&redis->sent)) {
        ngx_trv_redis_move(redis);
    }

    ngx_trv_redis_timer_arm(redis);
}


/* NGX_OK: one was given to its owner; NGX_DONE: there is none */

static ngx_int_t
ngx_trv_redis_reply(ngx_trv_redis_t *redis)
{
    trv_rc_e               rc;
    redisReply            *reply;
    ngx_queue_t           *q;
    ngx_trv_redis_node_t  *node;

    if (redis->reader == NULL) {
        return NGX_DONE;                 /* lost by a callback */
    }

    rc = trv_reader_next(redis->reader, &reply);

    if (rc == TRV_CORRUPT) {
        ngx_trv_redis_lose(redis, 0, trv_reader_error(redis->reader));
        return NGX_DONE;
    }

    if (rc == TRV_AGAIN) {
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
        ngx_trv_redis_greeted(redis, node->greeting, reply);

    } else {

        if (redis->current->type == REDIS_REPLY_ERROR) {
            ngx_trv_redis_unfit(redis, redis->current->str);
        }

        if (node->reply) {
            node->reply(node->data, reply, 1);
        }
    }

    if (redis->current) {
        freeReplyObject(redis->current);
        redis->current = NULL;
    }

    ngx_trv_redis_node_destroy(node);

    return redis->destroyed ? NGX_DONE : NGX_OK;
}


/* NGX_OK: the command has not been done, and somebody else has it now */

static ngx_int_t
ngx_trv_redis_again(ngx_trv_redis_t *redis, ngx_trv_redis_node_t *node,
    redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR || node->greeting) {
        return NGX_DECLINED;
    }

    if (ngx_strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        return ngx_trv_redis_expand(redis, node);
    }

    return ngx_trv_redis_moved(redis, node, reply->str);
}


/* Redis did not know the script: it is asked again with its text */

static ngx_int_t
ngx_trv_redis_expand(ngx_trv_redis_t *redis, ngx_trv_redis_node_t *node)
{
    if (node->script == TRV_SCRIPT_NONE
        || node->reply == NULL
        || node->expanded
        || ngx_trv_script_expand(node->script, &node->bytes, redis->log)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    node->expanded = 1;
    node->begun = 0;
    node->sent = 0;

    ngx_queue_insert_tail(&redis->unsent, &node->queue);
    ngx_post_event(&redis->posted, &ngx_posted_events);

    return NGX_OK;
}


/* our slot of the cluster is at another node */

static ngx_int_t
ngx_trv_redis_moved(ngx_trv_redis_t *redis, ngx_trv_redis_node_t *node,
    const char *error)
{
    ngx_trv_place_t  owner;

    if (node->reply == NULL
        || ngx_trv_place_set_moved(&owner, &redis->place, error) != NGX_OK
        || node->moves++ == NGX_TRV_REDIS_MOVES)
    {
        return NGX_DECLINED;
    }

    if (!ngx_trv_place_equal(&redis->conf->owner, &owner)) {
        redis->conf->owner = owner;
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "redis \"%V\" (%s): our slot of the cluster is at %s:%d",
                      &redis->conf->url, redis->name, owner.host,
                      (int) owner.port);
    }

    if (redis->sequence) {

        ngx_queue_insert_head(&redis->sent, &node->queue);
        ngx_trv_redis_drop(redis, NULL);
        return NGX_OK;
    }

    node->begun = 0;
    node->sent = 0;
    redis->moving = 1;                   /* once the others are answered */

    ngx_queue_insert_tail(&redis->unsent, &node->queue);

    return NGX_OK;
}


/* a server that says so of itself will not get better while we wait */

static void
ngx_trv_redis_unfit(ngx_trv_redis_t *redis, const char *error)
{
    if (ngx_strstr(error, "READONLY ") != NULL) {
        ngx_trv_redis_drop(redis, "it is a replica (READONLY)");

    } else if (ngx_strncmp(error, "NOAUTH ", 7) == 0) {
        ngx_trv_redis_drop(redis, "it does not know us any more (NOAUTH)");
    }
}
