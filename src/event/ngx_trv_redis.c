
#include "ngx_trv_redis_private.h"
#include "ngx_trv_script.h"


#define NGX_TRV_REDIS_BACKOFF_MS   50    /* at first, then twice that, ... */
#define NGX_TRV_REDIS_BACKOFF_MAX  1333  /* ... until here; half more of it at
                                            random makes 2 s */
#define NGX_TRV_REDIS_SETTLED_MS   1000  /* ready for so long: no more back-off */


static void ngx_trv_redis_node_cancel(ngx_queue_t *nodes, void *data,
    ngx_uint_t remove);
static void ngx_trv_redis_timer_handler(ngx_event_t *ev);
static void ngx_trv_redis_posted_handler(ngx_event_t *ev);
static void ngx_trv_redis_fail(ngx_trv_redis_t *redis);
static void ngx_trv_redis_close(ngx_trv_redis_t *redis);


ngx_trv_redis_t *
ngx_trv_redis_create(ngx_trv_redis_conf_t *rcf, const char *name,
    ngx_log_t *log, ngx_trv_redis_state_pt ready, ngx_trv_redis_state_pt lost,
    void *data)
{
    ngx_trv_redis_t  *redis;

    redis = ngx_calloc(sizeof(ngx_trv_redis_t), log);
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = rcf;
    redis->name = name;
    redis->log = log;
    redis->ready = ready;
    redis->lost = lost;
    redis->data = data;

    redis->quiet = *log;
    redis->quiet.log_level = NGX_LOG_ALERT;

    redis->run_id.data = redis->run_id_text;
    redis->backoff = NGX_TRV_REDIS_BACKOFF_MS;

    ngx_queue_init(&redis->unsent);
    ngx_queue_init(&redis->sent);

    redis->timer.data = redis;
    redis->timer.handler = ngx_trv_redis_timer_handler;
    redis->timer.log = log;
    redis->timer.cancelable = 1;

    redis->posted.data = redis;
    redis->posted.handler = ngx_trv_redis_posted_handler;
    redis->posted.log = log;

    return redis;
}


void
ngx_trv_redis_connect(ngx_trv_redis_t *redis)
{
    if (redis->state == NGX_TRV_REDIS_IDLE) {
        ngx_post_event(&redis->posted, &ngx_posted_events);
    }
}


ngx_int_t
ngx_trv_redis_command(ngx_trv_redis_t *redis, const trv_command_t *command,
    ngx_msec_t timeout_ms, ngx_trv_redis_reply_pt reply, void *data)
{
    ngx_trv_redis_node_t  *node;

    node = ngx_trv_redis_node_create(redis, command, timeout_ms);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->reply = reply;
    node->data = data;

    ngx_queue_insert_tail(&redis->unsent, &node->queue);

    if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_timer_arm(redis);
    }

    /* what comes of it is never told from inside this function */

    ngx_post_event(&redis->posted, &ngx_posted_events);

    return NGX_OK;
}


void
ngx_trv_redis_cancel(ngx_trv_redis_t *redis, void *data)
{
    ngx_trv_redis_node_cancel(&redis->unsent, data, 1);
    ngx_trv_redis_node_cancel(&redis->sent, data, 0);
}


void
ngx_trv_redis_drop(ngx_trv_redis_t *redis, const char *why)
{
    redis->drop = why;
    ngx_post_event(&redis->posted, &ngx_posted_events);
}


void
ngx_trv_redis_destroy(ngx_trv_redis_t *redis)
{
    ngx_queue_t  *q;

    ngx_trv_redis_close(redis);

    ngx_queue_add(&redis->unsent, &redis->sent);

    while (!ngx_queue_empty(&redis->unsent)) {
        q = ngx_queue_head(&redis->unsent);
        ngx_queue_remove(q);
        ngx_trv_redis_node_destroy(ngx_queue_data(q, ngx_trv_redis_node_t,
                                                  queue));
    }

    ngx_queue_init(&redis->sent);

    if (redis->posted.posted) {
        ngx_delete_posted_event(&redis->posted);
    }

    redis->destroyed = 1;

    if (!redis->busy) {
        ngx_free(redis);
    }
}


ngx_uint_t
ngx_trv_redis_ready(const ngx_trv_redis_t *redis)
{
    return redis->state == NGX_TRV_REDIS_READY;
}


const ngx_str_t *
ngx_trv_redis_run_id(const ngx_trv_redis_t *redis)
{
    return &redis->run_id;
}


void
ngx_trv_redis_keep(ngx_trv_redis_t *redis)
{
    redis->current = NULL;
}


void
ngx_trv_redis_send_last(ngx_trv_redis_t *redis, const trv_command_t *command)
{
    ngx_str_t          bytes;
    ngx_connection_t  *c;

    if (redis->state != NGX_TRV_REDIS_READY
        || !ngx_queue_empty(&redis->unsent)
        || ngx_trv_script_format(redis->conf, command, &bytes, redis->log)
           != NGX_OK)
    {
        return;
    }

    c = redis->peer.connection;

    (void) c->send(c, bytes.data, bytes.len);

    ngx_free(bytes.data);
}


ngx_trv_redis_node_t *
ngx_trv_redis_node_create(ngx_trv_redis_t *redis, const trv_command_t *command,
    ngx_msec_t timeout_ms)
{
    ngx_trv_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_trv_redis_node_t), redis->log);
    if (node == NULL) {
        return NULL;
    }

    if (ngx_trv_script_format(redis->conf, command, &node->bytes, redis->log)
        != NGX_OK)
    {
        ngx_free(node);
        return NULL;
    }

    node->script = command->script;
    node->deadline = ngx_current_msec
                     + (timeout_ms ? timeout_ms : redis->conf->timeout);

    return node;
}


void
ngx_trv_redis_node_destroy(ngx_trv_redis_node_t *node)
{
    ngx_free(node->bytes.data);
    ngx_free(node);
}


static void
ngx_trv_redis_node_cancel(ngx_queue_t *nodes, void *data, ngx_uint_t remove)
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

        if (remove && node->sent == 0) {
            ngx_queue_remove(q);
            ngx_trv_redis_node_destroy(node);
        }
    }
}


void
ngx_trv_redis_timer_arm(ngx_trv_redis_t *redis)
{
    ngx_queue_t           *q;
    ngx_msec_int_t         left;
    ngx_trv_redis_node_t  *node;

    if (!ngx_queue_empty(&redis->sent)) {
        q = ngx_queue_head(&redis->sent);

    } else if (!ngx_queue_empty(&redis->unsent)) {
        q = ngx_queue_head(&redis->unsent);

    } else {

        if (redis->timer.timer_set) {
            ngx_del_timer(&redis->timer);
        }

        return;
    }

    node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);
    left = (ngx_msec_int_t) (node->deadline - ngx_current_msec);

    ngx_add_timer(&redis->timer, (ngx_msec_t) ngx_max(left, 1));
}


static void
ngx_trv_redis_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_trv_redis_t       *redis = ev->data;
    ngx_trv_redis_node_t  *node;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    switch (redis->state) {

    case NGX_TRV_REDIS_BACKOFF:
        ngx_trv_redis_start(redis);
        break;

    case NGX_TRV_REDIS_READY:
        q = ngx_queue_empty(&redis->sent) ? &redis->unsent : &redis->sent;

        if (ngx_queue_empty(q)) {
            break;
        }

        node = ngx_queue_data(ngx_queue_head(q), ngx_trv_redis_node_t, queue);

        if ((ngx_msec_int_t) (node->deadline - ngx_current_msec) > 0) {
            ngx_trv_redis_timer_arm(redis);
            break;
        }

        /* fall through */

    default:
        ngx_trv_redis_lose(redis, NGX_ETIMEDOUT, "no answer in time");
    }

    ngx_trv_redis_leave(redis);
}


static void
ngx_trv_redis_posted_handler(ngx_event_t *ev)
{
    const char       *drop;
    ngx_trv_redis_t  *redis = ev->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    drop = redis->drop;
    redis->drop = NULL;

    if (drop && redis->peer.connection) {
        ngx_trv_redis_lose(redis, 0, drop);

    } else if (redis->state == NGX_TRV_REDIS_IDLE) {
        ngx_trv_redis_start(redis);

    } else if (redis->state == NGX_TRV_REDIS_BACKOFF) {
        ngx_trv_redis_fail(redis);

    } else if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_write(redis);
    }

    ngx_trv_redis_leave(redis);
}


void
ngx_trv_redis_lose(ngx_trv_redis_t *redis, ngx_err_t err, const char *why)
{
    ngx_uint_t  ready;
    ngx_msec_t  wait;

    ready = (redis->state == NGX_TRV_REDIS_READY);

    if (!redis->failing) {
        redis->failing = 1;
        ngx_log_error(NGX_LOG_ERR, redis->log, err, "redis \"%V\" (%s): %s",
                      &redis->conf->url, redis->name, why);
    }

    if (ready
        && ngx_current_msec - redis->since >= NGX_TRV_REDIS_SETTLED_MS)
    {
        redis->backoff = NGX_TRV_REDIS_BACKOFF_MS;
    }

    ngx_trv_redis_close(redis);

    /* jitter: all edges have lost the same server */

    wait = redis->backoff + ngx_random() % (redis->backoff / 2);
    redis->backoff = ngx_min(2 * redis->backoff, NGX_TRV_REDIS_BACKOFF_MAX);

    redis->state = NGX_TRV_REDIS_BACKOFF;
    ngx_add_timer(&redis->timer, wait);

    ngx_trv_redis_fail(redis);

    if (ready && redis->lost && !redis->destroyed) {
        redis->lost(redis->data);
    }
}


static void
ngx_trv_redis_fail(ngx_trv_redis_t *redis)
{
    ngx_queue_t            failed, *q;
    ngx_trv_redis_node_t  *node;

    ngx_queue_init(&failed);
    ngx_queue_add(&failed, &redis->sent);
    ngx_queue_init(&redis->sent);
    ngx_queue_add(&failed, &redis->unsent);
    ngx_queue_init(&redis->unsent);

    while (!ngx_queue_empty(&failed)) {
        q = ngx_queue_head(&failed);
        ngx_queue_remove(q);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (node->reply && !node->greeting && !redis->destroyed) {
            node->reply(node->data, NULL, node->sent > 0);
        }

        ngx_trv_redis_node_destroy(node);
    }
}


static void
ngx_trv_redis_close(ngx_trv_redis_t *redis)
{
    if (redis->resolve) {
        ngx_resolve_name_done(redis->resolve);
        redis->resolve = NULL;
    }

    if (redis->peer.connection) {
        ngx_close_connection(redis->peer.connection);
        redis->peer.connection = NULL;
    }

    if (redis->reader) {
        redisReaderFree(redis->reader);
        redis->reader = NULL;
    }

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    redis->run_id_text[0] = '\0';
    redis->run_id.len = 0;
    redis->greetings = 0;
    redis->state = NGX_TRV_REDIS_IDLE;
}


ngx_int_t
ngx_trv_redis_enter(ngx_trv_redis_t *redis)
{
    if (redis->destroyed) {
        return NGX_DECLINED;
    }

    redis->busy++;

    return NGX_OK;
}


void
ngx_trv_redis_leave(ngx_trv_redis_t *redis)
{
    if (--redis->busy == 0 && redis->destroyed) {
        ngx_free(redis);
    }
}
