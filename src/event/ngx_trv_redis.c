
#include <hiredis/hiredis.h>

#include "ngx_trv_redis.h"
#include <ngx_event_connect.h>
#include "ngx_trv_reply.h"
#include "ngx_trv_script.h"


#define NGX_TRV_REDIS_READ_SIZE    16384
#define NGX_TRV_REDIS_BACKOFF_MS   50    /* at first, then twice that, ... */
#define NGX_TRV_REDIS_BACKOFF_MAX  1333  /* ... until here; half more of it at
                                            random makes 2 s */
#define NGX_TRV_REDIS_SETTLED_MS   1000  /* ready for so long: no more back-off */
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


static void ngx_trv_redis_start(ngx_trv_redis_t *redis);
static void ngx_trv_redis_resolve(ngx_trv_redis_t *redis);
static void ngx_trv_redis_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_trv_redis_peer_connect(ngx_trv_redis_t *redis);
static void ngx_trv_redis_connected(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_greet(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_greeting_add(ngx_trv_redis_t *redis, int argc,
    const ngx_str_t *words);
static void ngx_trv_redis_greeted(ngx_trv_redis_t *redis, redisReply *reply);
static ngx_trv_redis_node_t *ngx_trv_redis_node_create(ngx_trv_redis_t *redis,
    const trv_command_t *command, ngx_msec_t timeout_ms);
static void ngx_trv_redis_node_destroy(ngx_trv_redis_node_t *node);
static void ngx_trv_redis_node_cancel(ngx_queue_t *nodes, void *data,
    ngx_uint_t remove);
static void ngx_trv_redis_write(ngx_trv_redis_t *redis);
static void ngx_trv_redis_write_handler(ngx_event_t *wev);
static void ngx_trv_redis_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_trv_redis_read(ngx_trv_redis_t *redis);
static void ngx_trv_redis_replies(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_reply(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_again(ngx_trv_redis_t *redis,
    ngx_trv_redis_node_t *node, redisReply *reply);
static void ngx_trv_redis_timer_arm(ngx_trv_redis_t *redis);
static void ngx_trv_redis_timer_handler(ngx_event_t *ev);
static void ngx_trv_redis_posted_handler(ngx_event_t *ev);
static void ngx_trv_redis_lose(ngx_trv_redis_t *redis, ngx_err_t err,
    const char *why);
static void ngx_trv_redis_fail(ngx_trv_redis_t *redis);
static void ngx_trv_redis_close(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_enter(ngx_trv_redis_t *redis);
static void ngx_trv_redis_leave(ngx_trv_redis_t *redis);


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


static void
ngx_trv_redis_start(ngx_trv_redis_t *redis)
{
    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_add_timer(&redis->timer, redis->conf->timeout);

    ngx_memzero(&redis->peer, sizeof(ngx_peer_connection_t));

    redis->peer.name = &redis->conf->url;
    redis->peer.get = ngx_event_get_peer;
    redis->peer.log = &redis->quiet;
    redis->peer.log_error = NGX_ERROR_INFO;

    if (redis->conf->addr == NULL) {
        ngx_trv_redis_resolve(redis);
        return;
    }

    redis->peer.sockaddr = redis->conf->addr->sockaddr;
    redis->peer.socklen = redis->conf->addr->socklen;

    ngx_trv_redis_peer_connect(redis);
}


static void
ngx_trv_redis_resolve(ngx_trv_redis_t *redis)
{
    ngx_resolver_ctx_t  *ctx;

    redis->state = NGX_TRV_REDIS_RESOLVING;

    ctx = ngx_resolve_start(redis->conf->resolver, NULL);
    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_trv_redis_lose(redis, 0, "cannot resolve the host");
        return;
    }

    ctx->name = redis->conf->host;
    ctx->handler = ngx_trv_redis_resolve_handler;
    ctx->data = redis;
    ctx->timeout = redis->conf->timeout;
    ctx->cancelable = 1;

    redis->resolve = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        redis->resolve = NULL;           /* freed by ngx_resolve_name() */
        ngx_trv_redis_lose(redis, 0, "cannot resolve the host");
    }
}


static void
ngx_trv_redis_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_trv_redis_t  *redis = ctx->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    if (ctx->state) {
        ngx_trv_redis_lose(redis, 0, ngx_resolver_strerror(ctx->state));
        ngx_trv_redis_leave(redis);
        return;
    }

    redis->peer.sockaddr = &redis->sockaddr.sockaddr;
    redis->peer.socklen = ctx->addrs[0].socklen;

    ngx_memcpy(&redis->sockaddr, ctx->addrs[0].sockaddr, redis->peer.socklen);
    ngx_inet_set_port(redis->peer.sockaddr, redis->conf->port);

    redis->resolve = NULL;
    ngx_resolve_name_done(ctx);

    ngx_trv_redis_peer_connect(redis);

    ngx_trv_redis_leave(redis);
}


static void
ngx_trv_redis_peer_connect(ngx_trv_redis_t *redis)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    redis->state = NGX_TRV_REDIS_CONNECTING;

    rc = ngx_event_connect_peer(&redis->peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        ngx_trv_redis_lose(redis, ngx_socket_errno, "connect() failed");
        return;
    }

    c = redis->peer.connection;

    c->data = redis;
    c->log = &redis->quiet;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_trv_redis_read_handler;
    c->write->handler = ngx_trv_redis_write_handler;

    if (rc == NGX_OK) {
        ngx_trv_redis_connected(redis);
    }
}


static void
ngx_trv_redis_connected(ngx_trv_redis_t *redis)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(redis->peer.connection->fd, SOL_SOCKET, SO_ERROR, &err,
                   &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_trv_redis_lose(redis, err, "connect() failed");
        return;
    }

    redis->reader = ngx_trv_reply_reader_create(&redis->bounds);

    if (redis->reader == NULL || ngx_trv_redis_greet(redis) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, "no memory");
        return;
    }

    redis->state = NGX_TRV_REDIS_GREETING;

    ngx_trv_redis_write(redis);
}


static ngx_int_t
ngx_trv_redis_greet(ngx_trv_redis_t *redis)
{
    u_char                 db[NGX_INT_T_LEN];
    ngx_str_t              words[3];
    ngx_trv_redis_conf_t  *rcf;

    rcf = redis->conf;
    redis->greetings = 0;

    /* each goes before the ones that were added already: last things first */

    ngx_str_set(&words[0], "INFO");
    ngx_str_set(&words[1], "server");

    if (ngx_trv_redis_greeting_add(redis, 2, words) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rcf->db) {
        ngx_str_set(&words[0], "SELECT");
        words[1].data = db;
        words[1].len = ngx_sprintf(db, "%i", rcf->db) - db;

        if (ngx_trv_redis_greeting_add(redis, 2, words) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rcf->password.len == 0) {
        return NGX_OK;
    }

    ngx_str_set(&words[0], "AUTH");
    words[1] = rcf->user.len ? rcf->user : rcf->password;
    words[2] = rcf->password;

    return ngx_trv_redis_greeting_add(redis, rcf->user.len ? 3 : 2, words);
}


static ngx_int_t
ngx_trv_redis_greeting_add(ngx_trv_redis_t *redis, int argc,
    const ngx_str_t *words)
{
    int                    i;
    size_t                 argvlen[3];
    const char            *argv[3];
    trv_command_t          command;
    ngx_trv_redis_node_t  *node;

    for (i = 0; i < argc; i++) {
        argv[i] = (char *) words[i].data;
        argvlen[i] = words[i].len;
    }

    ngx_memzero(&command, sizeof(trv_command_t));

    command.argc = argc;
    command.argv = argv;
    command.argvlen = argvlen;

    node = ngx_trv_redis_node_create(redis, &command, 0);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->greeting = 1;
    redis->greetings++;

    ngx_queue_insert_head(&redis->unsent, &node->queue);

    return NGX_OK;
}


static void
ngx_trv_redis_greeted(ngx_trv_redis_t *redis, redisReply *reply)
{
    char    text[128];
    size_t  len;

    const char  *p;

    if (reply->type == REDIS_REPLY_ERROR) {
        *ngx_cpystrn((u_char *) text, (u_char *) reply->str, sizeof(text)) = 0;
        ngx_trv_redis_lose(redis, 0, text);
        return;
    }

    if (--redis->greetings) {
        return;
    }

    p = (reply->type == REDIS_REPLY_STRING) ? strstr(reply->str, "run_id:")
                                            : NULL;
    len = p ? strspn(p + 7, "0123456789abcdef") : 0;

    if (len != NGX_TRV_REDIS_RUN_ID_LEN) {
        ngx_trv_redis_lose(redis, 0, "INFO server names no run_id");
        return;
    }

    ngx_memcpy(redis->run_id_text, p + 7, len);
    redis->run_id.len = len;

    redis->state = NGX_TRV_REDIS_READY;
    redis->since = ngx_current_msec;

    if (redis->failing) {
        redis->failing = 0;
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "redis \"%V\" (%s): connected again", &redis->conf->url,
                      redis->name);
    }

    if (redis->ready) {
        redis->ready(redis->data);
    }

    if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_write(redis);
    }
}


static ngx_trv_redis_node_t *
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


static void
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


static void
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


static void
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


static void
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


/* the timer of a ready link is the deadline of its oldest command */

static void
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


/* closes, answers all commands with nothing, and will connect again */

static void
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


/* from enter to leave a callback may destroy the link: it is freed at the end */

static ngx_int_t
ngx_trv_redis_enter(ngx_trv_redis_t *redis)
{
    if (redis->destroyed) {
        return NGX_DECLINED;
    }

    redis->busy++;

    return NGX_OK;
}


static void
ngx_trv_redis_leave(ngx_trv_redis_t *redis)
{
    if (--redis->busy == 0 && redis->destroyed) {
        ngx_free(redis);
    }
}
