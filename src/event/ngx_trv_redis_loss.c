
#include "ngx_trv_redis_private.h"
#include "ngx_trv_sentinel.h"


#define NGX_TRV_REDIS_BACKOFF_MAX  1333  /* ms; half more of it at random
                                            makes 2 s */
#define NGX_TRV_REDIS_SETTLED_MS   1000  /* ready so long: no back-off left */


static void ngx_trv_redis_quiet_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static void ngx_trv_redis_say(ngx_trv_redis_t *redis, ngx_err_t err,
    const char *why, ngx_uint_t next);
static const ngx_str_t *ngx_trv_redis_where(ngx_trv_redis_t *redis);
static void ngx_trv_redis_fail(ngx_trv_redis_t *redis);


/*
 * nginx logs each failure of a connection where it occurs.  Of a link that
 * tries for hours one line is wanted, so its words are kept for that line.
 */

void
ngx_trv_redis_quiet_init(ngx_trv_redis_t *redis)
{
    redis->quiet = *redis->log;
    redis->quiet.log_level = NGX_LOG_INFO;
    redis->quiet.next = NULL;
    redis->quiet.writer = ngx_trv_redis_quiet_writer;
    redis->quiet.wdata = redis;

    redis->reason.data = redis->reason_text;
}


static void
ngx_trv_redis_quiet_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char           *p, *end;
    ngx_trv_redis_t  *redis = log->wdata;

    /* time [level] pid#tid: the words */

    end = buf + len;
    p = ngx_strlchr(buf, end, ']');
    p = p ? ngx_strlchr(p, end, ':') : NULL;
    p = p ? p + 1 : buf;

    while (p < end && *p == ' ') {
        p++;
    }

    while (p < end && end[-1] == LF) {
        end--;
    }

    if (level <= NGX_LOG_ALERT) {
        ngx_log_error(level, redis->log, 0, "%*s", (size_t) (end - p), p);
        return;
    }

    redis->reason.len = ngx_min((size_t) (end - p), NGX_TRV_REDIS_REASON_LEN);
    ngx_memcpy(redis->reason_text, p, redis->reason.len);
}


void
ngx_trv_redis_lose(ngx_trv_redis_t *redis, ngx_err_t err, const char *why)
{
    ngx_uint_t             ready, next, settled;
    ngx_msec_t             wait;
    ngx_trv_redis_conf_t  *rcf;

    rcf = redis->conf;
    ready = (redis->state == NGX_TRV_REDIS_READY);
    next = (redis->state > NGX_TRV_REDIS_RESOLVING && !ready
            && redis->addr + 1 < redis->naddrs);
    settled = (ready && ngx_current_msec - redis->since
                        >= NGX_TRV_REDIS_SETTLED_MS);

    if (!next && !redis->failing) {
        if (rcf->said.failing++ == 0 && settled) {
            ngx_trv_said_forget(&rcf->said);
        }

        redis->failing = 1;
    }

    if (why) {
        ngx_trv_redis_say(redis, err, why, next);
    }

    if (!next && redis->state > NGX_TRV_REDIS_SEEKING) {

        /* who named this place may know of a better one by now */

        if (rcf->sentinel) {
            ngx_trv_sentinel_doubt(rcf->sentinel,
                                   ready ? NULL : &redis->place);
        }

        if (!ready) {
            rcf->owner.len = 0;
        }
    }

    ngx_trv_redis_close(redis);

    if (next) {
        redis->addr++;
        redis->state = NGX_TRV_REDIS_NEXT;
        redis->step = ngx_current_msec;
        ngx_trv_redis_timer_arm(redis);
        return;
    }

    if (settled) {
        redis->backoff = NGX_TRV_REDIS_BACKOFF_MS;
    }

    /* jitter: all edges have lost the same server */

    wait = redis->backoff + ngx_random() % (redis->backoff / 2);
    redis->backoff = ngx_min(2 * redis->backoff, NGX_TRV_REDIS_BACKOFF_MAX);

    redis->state = NGX_TRV_REDIS_BACKOFF;
    redis->step = ngx_current_msec + wait;
    ngx_trv_redis_timer_arm(redis);

    ngx_queue_add(&redis->sent, &redis->unsent);
    ngx_queue_init(&redis->unsent);
    ngx_trv_redis_fail(redis);

    if (ready && redis->lost && !redis->destroyed) {
        redis->lost(redis->data);
    }
}


static void
ngx_trv_redis_say(ngx_trv_redis_t *redis, ngx_err_t err, const char *why,
    ngx_uint_t next)
{
    size_t                 len;
    u_char                 text[NGX_TRV_REDIS_REASON_LEN], *p, *last;
    ngx_uint_t             level;
    const ngx_str_t       *where;
    ngx_trv_redis_conf_t  *rcf;

    rcf = redis->conf;
    last = text + sizeof(text);

    if (redis->reason.len) {
        p = ngx_slprintf(text, last, "%V", &redis->reason);
        err = 0;                         /* is part of it */

    } else {
        p = ngx_slprintf(text, last, "%s", why);
    }

    redis->reason.len = 0;
    len = p - text;

    if (!ngx_trv_said_news(&rcf->said, text, len, err)) {
        return;
    }

    rcf->said.lost = rcf->said.lost || !next;
    level = next || rcf->is_sentinel ? NGX_LOG_WARN : NGX_LOG_ERR;

    where = ngx_trv_redis_where(redis);

    ngx_log_error(level, redis->log, err, "redis \"%V\"%s%V (%s): %*s%s",
                  &rcf->url, where->len ? " at " : "", where, redis->name,
                  len, text, next ? ", trying the next address" : "");
}


/* empty where the URL says it, or nothing does */

static const ngx_str_t *
ngx_trv_redis_where(ngx_trv_redis_t *redis)
{
    static const ngx_str_t  nothing = ngx_null_string;

    return redis->conf->place.socklen
           && ngx_trv_place_equal(&redis->conf->place, &redis->place)
           ? &nothing : &redis->peer_name;
}


void
ngx_trv_redis_regain(ngx_trv_redis_t *redis)
{
    ngx_trv_said_t   *said;
    const ngx_str_t  *where;

    said = &redis->conf->said;

    if (!redis->failing) {
        return;
    }

    redis->failing = 0;

    if (--said->failing || !said->lost) {
        return;
    }

    said->lost = 0;
    where = ngx_trv_redis_where(redis);

    ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                  "redis \"%V\"%s%V (%s): connected again",
                  &redis->conf->url, where->len ? " at " : "", where,
                  redis->name);
}


/*
 * What has been sent is answered with nothing, one by one: who is answered may
 * cancel what others wait for, and asks for nothing but what is to be sent.
 */

static void
ngx_trv_redis_fail(ngx_trv_redis_t *redis)
{
    ngx_queue_t           *q;
    ngx_trv_redis_node_t  *node;

    while (!ngx_queue_empty(&redis->sent)) {
        q = ngx_queue_head(&redis->sent);
        ngx_queue_remove(q);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (node->reply && !redis->destroyed) {
            node->reply(node->data, NULL,
                        node->sent == node->bytes.len);
        }

        ngx_trv_redis_node_destroy(node);
    }
}


void
ngx_trv_redis_move(ngx_trv_redis_t *redis)
{
    ngx_uint_t  ready;

    ready = (redis->state == NGX_TRV_REDIS_READY);

    ngx_trv_redis_close(redis);
    ngx_trv_redis_fail(redis);

    if (ready && redis->lost && !redis->destroyed) {
        redis->lost(redis->data);
    }

    if (!redis->destroyed) {
        ngx_trv_redis_start(redis);
    }
}


void
ngx_trv_redis_close(ngx_trv_redis_t *redis)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    if (redis->resolve) {
        ngx_resolve_name_done(redis->resolve);
        redis->resolve = NULL;
    }

    c = redis->peer.connection;

    if (c) {
        redis->peer.connection = NULL;
        pool = c->pool;

        ngx_trv_tls_close(c);
        ngx_close_connection(c);

        if (pool) {
            ngx_destroy_pool(pool);
        }
    }

    if (redis->reader) {
        trv_reader_destroy(redis->reader);
        redis->reader = NULL;
    }

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    /* a greeting goes with its connection */

    ngx_trv_redis_node_forget(&redis->sent);
    ngx_trv_redis_node_forget(&redis->unsent);

    redis->run_id_text[0] = '\0';
    redis->run_id.len = 0;
    redis->repl_id[0] = '\0';
    redis->moving = 0;
    redis->state = NGX_TRV_REDIS_IDLE;   /* the sentinels find no seeker */
}
