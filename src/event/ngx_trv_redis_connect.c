
#include "ngx_trv_redis_private.h"


static void ngx_trv_redis_resolve(ngx_trv_redis_t *redis);
static void ngx_trv_redis_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_trv_redis_peer_connect(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_greet(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_greeting_add(ngx_trv_redis_t *redis, int argc,
    const ngx_str_t *words);


void
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


void
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


void
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
