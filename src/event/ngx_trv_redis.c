
#include <ngx_core.h>
#include <poll.h>

#include "ngx_trv_redis_private.h"
#include "ngx_trv_script.h"
#include "ngx_trv_sentinel.h"


#define NGX_TRV_REDIS_FAREWELL_MS  100


static ngx_trv_redis_node_t *ngx_trv_redis_oldest(ngx_trv_redis_t *redis);
static void ngx_trv_redis_timer_handler(ngx_event_t *ev);
static void ngx_trv_redis_expire(ngx_trv_redis_t *redis);
static void ngx_trv_redis_posted_handler(ngx_event_t *ev);


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

    ngx_trv_redis_quiet_init(redis);

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

    if (rcf->sentinel) {
        ngx_trv_sentinel_join(rcf->sentinel, &redis->fellows, log);
    }

    return redis;
}


void
ngx_trv_redis_sequence(ngx_trv_redis_t *redis)
{
    redis->sequence = 1;
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

    node = ngx_trv_redis_node_create(redis->conf, command, timeout_ms,
                                     redis->log);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->reply = reply;
    node->data = data;

    ngx_queue_insert_tail(&redis->unsent, &node->queue);

    ngx_trv_redis_timer_arm(redis);

    if (redis->conf->sentinel) {
        ngx_trv_sentinel_watch(redis->conf->sentinel);
    }

    /* what comes of it is never told from inside this function */

    ngx_post_event(&redis->posted, &ngx_posted_events);

    return NGX_OK;
}


void
ngx_trv_redis_cancel(ngx_trv_redis_t *redis, void *data)
{
    ngx_trv_redis_node_cancel(&redis->unsent, data);
    ngx_trv_redis_node_cancel(&redis->sent, data);
}


void
ngx_trv_redis_drop(ngx_trv_redis_t *redis, const char *why)
{
    redis->drop = 1;
    redis->why = why;
    ngx_post_event(&redis->posted, &ngx_posted_events);
}


void
ngx_trv_redis_renew(ngx_trv_redis_t *redis)
{
    redis->renew = 1;
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

    if (redis->failing) {
        redis->conf->said.failing--;
    }

    redis->destroyed = 1;

    if (redis->conf->sentinel) {
        ngx_trv_sentinel_leave(redis->conf->sentinel, &redis->fellows);
    }

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


const char *
ngx_trv_redis_repl_id(const ngx_trv_redis_t *redis)
{
    return redis->repl_id;
}


void
ngx_trv_redis_keep(ngx_trv_redis_t *redis)
{
    redis->current = NULL;
}


ngx_int_t
ngx_trv_redis_send_last(ngx_trv_redis_t *redis, const trv_command_t *command)
{
    ssize_t            n;
    ngx_str_t          bytes;
    ngx_connection_t  *c;

    if (redis->state != NGX_TRV_REDIS_READY
        || !ngx_queue_empty(&redis->unsent)
        || ngx_trv_script_format(redis->conf, command, &bytes, redis->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    /* there is no time to learn that Redis does not know the script */

    if (command->script == TRV_SCRIPT_NONE
        || ngx_trv_script_expand(command->script, &bytes, redis->log)
           == NGX_OK)
    {
        c = redis->peer.connection;
        n = c->send(c, bytes.data, bytes.len);
    }

    ngx_free(bytes.data);

    return n == (ssize_t) bytes.len ? NGX_OK : NGX_ERROR;
}


/*
 * A socket that is closed while an answer is in it unread resets the
 * connection, and Redis does not read what has come behind that command: so
 * answers are read, until Redis sees the end and closes, too.
 */

void
ngx_trv_redis_end_last(ngx_trv_redis_t *redis)
{
    char           trash[4096];
    ssize_t        n;
    ngx_uint_t     i;
    struct pollfd  pfd;

    if (redis->state != NGX_TRV_REDIS_READY) {
        return;
    }

    pfd.fd = redis->peer.connection->fd;
    pfd.events = POLLIN;

    (void) shutdown(pfd.fd, SHUT_WR);

    for (i = 0; i < NGX_TRV_REDIS_FAREWELL_MS; i++) {

        if (poll(&pfd, 1, 1) != 1) {
            continue;
        }

        do {
            n = recv(pfd.fd, trash, sizeof(trash), 0);
        } while (n > 0);

        if (n == 0 || ngx_errno != NGX_EAGAIN) {
            return;
        }
    }
}


void
ngx_trv_redis_timer_arm(ngx_trv_redis_t *redis)
{
    ngx_msec_t             at;
    ngx_msec_int_t         left;
    ngx_trv_redis_node_t  *node;

    node = ngx_trv_redis_oldest(redis);

    if (redis->state != NGX_TRV_REDIS_READY
        && redis->state != NGX_TRV_REDIS_IDLE)
    {
        at = redis->step;

        if (node && (ngx_msec_int_t) (node->deadline - at) < 0) {
            at = node->deadline;
        }

    } else if (node) {
        at = node->deadline;

    } else {

        if (redis->timer.timer_set) {
            ngx_del_timer(&redis->timer);
        }

        return;
    }

    /* nginx takes a timer that is a little too late for good enough */

    if (redis->timer.timer_set
        && (ngx_msec_int_t) (at - redis->timer.timer.key) < 0)
    {
        ngx_del_timer(&redis->timer);
    }

    left = (ngx_msec_int_t) (at - ngx_current_msec);

    ngx_add_timer(&redis->timer, (ngx_msec_t) ngx_max(left, 1));
}


/* the command that has waited longest for its reply or to be sent, or NULL */

static ngx_trv_redis_node_t *
ngx_trv_redis_oldest(ngx_trv_redis_t *redis)
{
    ngx_trv_redis_node_t  *node;

    node = ngx_trv_redis_node_first(&redis->sent);

    return node ? node : ngx_trv_redis_node_first(&redis->unsent);
}


static void
ngx_trv_redis_timer_handler(ngx_event_t *ev)
{
    ngx_trv_redis_t       *redis = ev->data;
    ngx_trv_redis_node_t  *node;

    static const char *const  late[] = {
        "", "", "", "no answer of the sentinels in time",
        "no answer of the resolver in time", "no connection in time",
        "no TLS handshake in time", "no answer to the greeting in time", ""
    };

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    if (redis->state == NGX_TRV_REDIS_READY) {
        node = ngx_trv_redis_oldest(redis);

        if (node
            && (ngx_msec_int_t) (node->deadline - ngx_current_msec) <= 0)
        {
            ngx_trv_redis_lose(redis, NGX_ETIMEDOUT, "no answer in time");
        }

    } else {
        ngx_trv_redis_expire(redis);

        if (redis->destroyed
            || (ngx_msec_int_t) (redis->step - ngx_current_msec) > 0)
        {
            /* void */

        } else if (redis->state == NGX_TRV_REDIS_BACKOFF) {
            ngx_trv_redis_start(redis);

        } else if (redis->state == NGX_TRV_REDIS_NEXT) {
            ngx_trv_redis_next(redis);

        } else if (redis->state != NGX_TRV_REDIS_IDLE) {
            ngx_trv_redis_lose(redis, NGX_ETIMEDOUT, late[redis->state]);
        }
    }

    if (!redis->destroyed) {
        ngx_trv_redis_timer_arm(redis);
    }

    ngx_trv_redis_leave(redis);
}


/* commands that have waited too long for a link that is not ready yet */

static void
ngx_trv_redis_expire(ngx_trv_redis_t *redis)
{
    ngx_trv_redis_node_t  *node;

    while (!redis->destroyed) {
        node = ngx_trv_redis_oldest(redis);

        if (node == NULL
            || (ngx_msec_int_t) (node->deadline - ngx_current_msec) > 0)
        {
            return;
        }

        ngx_queue_remove(&node->queue);

        if (node->reply) {
            node->reply(node->data, NULL, 0);
        }

        ngx_trv_redis_node_destroy(node);
    }
}


static void
ngx_trv_redis_posted_handler(ngx_event_t *ev)
{
    ngx_uint_t        drop, renew;
    ngx_trv_redis_t  *redis = ev->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    drop = redis->drop;
    redis->drop = 0;

    renew = redis->renew;
    redis->renew = 0;

    if (drop && redis->peer.connection) {
        ngx_trv_redis_lose(redis, 0, redis->why);

    } else if (renew && redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_move(redis);

    } else if (redis->state == NGX_TRV_REDIS_IDLE) {
        ngx_trv_redis_start(redis);

    } else if (redis->state == NGX_TRV_REDIS_BACKOFF) {

        /* somebody waits: try again soon, but never in a tight loop */

        if ((ngx_msec_int_t) (redis->step - ngx_current_msec)
            > NGX_TRV_REDIS_BACKOFF_MS)
        {
            redis->step = ngx_current_msec + NGX_TRV_REDIS_BACKOFF_MS;
            ngx_trv_redis_timer_arm(redis);
        }

    } else if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_write(redis);
    }

    ngx_trv_redis_leave(redis);
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
