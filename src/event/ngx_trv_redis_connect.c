
#include "ngx_trv_redis_private.h"
#include "ngx_trv_sentinel.h"


#define NGX_TRV_REDIS_POOL_SIZE    1024  /* of a connection, for TLS */
#define NGX_TRV_REDIS_RESOLVER_MS  500   /* it says itself that it was late */


static void ngx_trv_redis_resolve(ngx_trv_redis_t *redis);
static void ngx_trv_redis_resolve_handler(ngx_resolver_ctx_t *ctx);
static void ngx_trv_redis_resolved(ngx_trv_redis_t *redis,
    ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_trv_redis_connection_init(ngx_trv_redis_t *redis);
static void ngx_trv_redis_tls_start(ngx_trv_redis_t *redis);
static void ngx_trv_redis_tls_handler(ngx_connection_t *c);
static void ngx_trv_redis_tls_done(ngx_trv_redis_t *redis, ngx_int_t rc);


void
ngx_trv_redis_start(ngx_trv_redis_t *redis)
{
    ngx_trv_redis_conf_t  *rcf;

    rcf = redis->conf;

    redis->reason.len = 0;
    redis->peer_name.len = 0;
    redis->naddrs = 0;

    if (rcf->sentinel && rcf->owner.len == 0) {
        redis->state = NGX_TRV_REDIS_SEEKING;
        redis->step = ngx_current_msec + 2 * NGX_TRV_SENTINEL_TIMEOUT_MS;
        ngx_trv_redis_timer_arm(redis);
        ngx_trv_sentinel_seek(rcf->sentinel, redis);
        return;
    }

    ngx_trv_redis_found(redis, rcf->owner.len ? &rcf->owner : &rcf->place);
}


void
ngx_trv_redis_found(ngx_trv_redis_t *redis, const ngx_trv_place_t *place)
{
    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    if (place == NULL) {
        ngx_trv_redis_lose(redis, 0, "no sentinel names the master");

    } else {
        redis->place = *place;

        if (place->socklen) {
            redis->naddrs = 1;
            redis->addr = 0;
            redis->addrs[0] = place->sockaddr;
            redis->socklens[0] = place->socklen;
            ngx_trv_redis_next(redis);

        } else {
            ngx_trv_redis_resolve(redis);
        }
    }

    ngx_trv_redis_leave(redis);
}


static void
ngx_trv_redis_resolve(ngx_trv_redis_t *redis)
{
    ngx_resolver_ctx_t  *ctx;

    redis->state = NGX_TRV_REDIS_RESOLVING;
    redis->step = ngx_current_msec + redis->conf->timeout
                  + NGX_TRV_REDIS_RESOLVER_MS;
    ngx_trv_redis_timer_arm(redis);

    if (redis->conf->resolver == NULL) {
        ngx_trv_redis_lose(redis, 0, "it was named by a host name and there is "
                           "no \"resolver\"");
        return;
    }

    ctx = ngx_resolve_start(redis->conf->resolver, NULL);
    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_trv_redis_lose(redis, 0, "cannot resolve the host");
        return;
    }

    ctx->name.data = redis->place.host;
    ctx->name.len = redis->place.len;
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
        redis->reason.len = ngx_snprintf(redis->reason_text,
                                         NGX_TRV_REDIS_REASON_LEN,
                                         "the name \"%s\" has no address: %s",
                                         redis->place.host,
                                         ngx_resolver_strerror(ctx->state))
                            - redis->reason_text;
        ngx_trv_redis_lose(redis, 0, "cannot resolve the host");

    } else {
        ngx_trv_redis_resolved(redis, ctx);
    }

    ngx_trv_redis_leave(redis);
}


static void
ngx_trv_redis_resolved(ngx_trv_redis_t *redis, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t  i;

    redis->naddrs = ngx_min(ctx->naddrs, NGX_TRV_REDIS_ADDRS);
    redis->addr = 0;

    for (i = 0; i < redis->naddrs; i++) {
        redis->socklens[i] = ctx->addrs[i].socklen;
        ngx_memcpy(&redis->addrs[i], ctx->addrs[i].sockaddr,
                   ctx->addrs[i].socklen);
        ngx_inet_set_port(&redis->addrs[i].sockaddr, redis->place.port);
    }

    redis->resolve = NULL;
    ngx_resolve_name_done(ctx);

    ngx_trv_redis_next(redis);
}


/* to the address in turn */

void
ngx_trv_redis_next(ngx_trv_redis_t *redis)
{
    ngx_int_t         rc;
    struct sockaddr  *sa;

    redis->state = NGX_TRV_REDIS_CONNECTING;
    redis->step = ngx_current_msec + redis->conf->timeout;
    ngx_trv_redis_timer_arm(redis);

    sa = &redis->addrs[redis->addr].sockaddr;

    redis->peer_name.data = redis->peer_text;
    redis->peer_name.len = ngx_sock_ntop(sa, redis->socklens[redis->addr],
                                         redis->peer_text, NGX_SOCKADDR_STRLEN,
                                         1);

    ngx_memzero(&redis->peer, sizeof(ngx_peer_connection_t));

    redis->peer.sockaddr = sa;
    redis->peer.socklen = redis->socklens[redis->addr];
    redis->peer.name = &redis->peer_name;
    redis->peer.get = ngx_event_get_peer;
    redis->peer.log = &redis->quiet;
    redis->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&redis->peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        ngx_trv_redis_lose(redis, 0, "connect() failed");
        return;
    }

    if (ngx_trv_redis_connection_init(redis) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, "no memory");
        return;
    }

    if (rc == NGX_OK) {
        ngx_trv_redis_connected(redis);
    }
}


static ngx_int_t
ngx_trv_redis_connection_init(ngx_trv_redis_t *redis)
{
    ngx_connection_t  *c;

    c = redis->peer.connection;

    c->data = redis;
    c->log = &redis->quiet;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_trv_redis_read_handler;
    c->write->handler = ngx_trv_redis_write_handler;

    if (redis->conf->tls == NULL) {
        return NGX_OK;
    }

    c->pool = ngx_create_pool(NGX_TRV_REDIS_POOL_SIZE, c->log);

    return c->pool ? NGX_OK : NGX_ERROR;
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

    if (redis->conf->tls) {
        ngx_trv_redis_tls_start(redis);

    } else {
        ngx_trv_redis_greet(redis);
    }
}


static void
ngx_trv_redis_tls_start(ngx_trv_redis_t *redis)
{
    ngx_int_t  rc;

    redis->state = NGX_TRV_REDIS_SHAKING_HANDS;

    rc = ngx_trv_tls_start(redis->conf->tls, redis->peer.connection,
                           redis->place.host, ngx_trv_redis_tls_handler);

    if (rc != NGX_AGAIN) {
        ngx_trv_redis_tls_done(redis, rc);
    }
}


static void
ngx_trv_redis_tls_handler(ngx_connection_t *c)
{
    ngx_trv_redis_t  *redis = c->data;

    if (ngx_trv_redis_enter(redis) != NGX_OK) {
        return;
    }

    ngx_trv_redis_tls_done(redis, ngx_trv_tls_done(c));

    ngx_trv_redis_leave(redis);
}


static void
ngx_trv_redis_tls_done(ngx_trv_redis_t *redis, ngx_int_t rc)
{
    const char        *refusal;
    ngx_connection_t  *c;

    c = redis->peer.connection;

    if (rc == NGX_OK) {
        c->read->handler = ngx_trv_redis_read_handler;
        c->write->handler = ngx_trv_redis_write_handler;

        ngx_trv_redis_greet(redis);
        return;
    }

    refusal = ngx_trv_tls_refusal(c);

    if (refusal) {
        redis->reason.len = ngx_snprintf(redis->reason_text,
                                NGX_TRV_REDIS_REASON_LEN,
                                "its certificate is not accepted: %s", refusal)
                            - redis->reason_text;
    }

    ngx_trv_redis_lose(redis, 0, "the TLS handshake failed");
}
