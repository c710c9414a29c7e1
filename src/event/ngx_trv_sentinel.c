
#include "ngx_trv_redis_private.h"
#include "ngx_trv_sentinel.h"


#define NGX_TRV_SENTINEL_LOOK_MS   1000  /* between looks while in use */
#define NGX_TRV_SENTINEL_USE_MS    10000 /* a link is in use for so long */
#define NGX_TRV_SENTINEL_GRACE_MS  200   /* for the others after the first */
#define NGX_TRV_SENTINEL_DOUBT_MS  10000


static void ngx_trv_sentinel_ask(ngx_trv_sentinel_t *s);
static ngx_int_t ngx_trv_sentinel_ask_one(ngx_trv_sentinel_t *s,
    ngx_trv_sentinel_server_t *server);
static void ngx_trv_sentinel_epoch_reply(void *data, redisReply *reply,
    ngx_uint_t sent);
static void ngx_trv_sentinel_master_reply(void *data, redisReply *reply,
    ngx_uint_t sent);
static void ngx_trv_sentinel_answered(ngx_trv_sentinel_server_t *server);
static void ngx_trv_sentinel_timer_handler(ngx_event_t *ev);
static void ngx_trv_sentinel_decide(ngx_trv_sentinel_t *s);
static ngx_trv_sentinel_server_t *ngx_trv_sentinel_newest(
    ngx_trv_sentinel_t *s);
static ngx_uint_t ngx_trv_sentinel_doubtful(ngx_trv_sentinel_t *s,
    const ngx_trv_place_t *place);
static void ngx_trv_sentinel_follow(ngx_trv_sentinel_t *s,
    ngx_trv_sentinel_server_t *server);
static void ngx_trv_sentinel_tell(ngx_trv_sentinel_t *s,
    const ngx_trv_place_t *place);


void
ngx_trv_sentinel_join(ngx_trv_sentinel_t *s, ngx_queue_t *link, ngx_log_t *log)
{
    if (s->timer.handler == NULL) {
        s->log = log;
        s->timer.data = s;
        s->timer.handler = ngx_trv_sentinel_timer_handler;
        s->timer.log = log;
        s->timer.cancelable = 1;

        ngx_queue_init(&s->links);
    }

    ngx_queue_insert_tail(&s->links, link);
}


void
ngx_trv_sentinel_leave(ngx_trv_sentinel_t *s, ngx_queue_t *link)
{
    ngx_uint_t  i;

    ngx_queue_remove(link);

    if (!ngx_queue_empty(&s->links)) {
        return;
    }

    /* that was the last one */

    for (i = 0; i < s->n; i++) {
        if (s->servers[i].link) {
            ngx_trv_redis_destroy(s->servers[i].link);
            s->servers[i].link = NULL;
        }
    }

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    s->asking = 0;
    s->known = 0;
}


void
ngx_trv_sentinel_seek(ngx_trv_sentinel_t *s, ngx_trv_redis_t *redis)
{
    if (s->known
        && ngx_current_msec - s->decided_ms < 2 * NGX_TRV_SENTINEL_LOOK_MS)
    {
        ngx_trv_redis_found(redis, &s->master);
        return;
    }

    s->used_ms = ngx_current_msec;

    if (!s->asking) {
        ngx_trv_sentinel_ask(s);
    }
}


void
ngx_trv_sentinel_watch(ngx_trv_sentinel_t *s)
{
    s->used_ms = ngx_current_msec;

    if (!s->asking && !s->timer.timer_set) {
        ngx_add_timer(&s->timer, 1);     /* never from inside a command */
    }
}


void
ngx_trv_sentinel_doubt(ngx_trv_sentinel_t *s, const ngx_trv_place_t *place)
{
    s->known = 0;

    if (place) {
        s->doubtful = *place;
        s->doubtful_ms = ngx_current_msec;
    }
}


static void
ngx_trv_sentinel_ask(ngx_trv_sentinel_t *s)
{
    ngx_uint_t                  i;
    ngx_trv_sentinel_server_t  *server;

    s->asking = 1;
    s->pending = 0;

    for (i = 0; i < s->n; i++) {
        server = &s->servers[i];
        server->master.len = 0;
        server->epoch = 0;

        if (ngx_trv_sentinel_ask_one(s, server) == NGX_OK) {
            s->pending++;
        }
    }

    /* each of them answers in time, or its link does */

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->pending == 0) {
        ngx_add_timer(&s->timer, NGX_TRV_SENTINEL_GRACE_MS);
    }
}


static ngx_int_t
ngx_trv_sentinel_ask_one(ngx_trv_sentinel_t *s,
    ngx_trv_sentinel_server_t *server)
{
    size_t         len[3];
    ngx_uint_t     i;
    const char    *argv[3];
    trv_command_t  command;

    static const ngx_str_t  questions[] = {
        ngx_string("MASTER"), ngx_string("get-master-addr-by-name")
    };

    static const ngx_trv_redis_reply_pt  replies[] = {
        ngx_trv_sentinel_epoch_reply, ngx_trv_sentinel_master_reply
    };

    if (server->link == NULL) {
        server->link = ngx_trv_redis_create(&server->conf, "sentinel", s->log,
                                            NULL, NULL, NULL);
        if (server->link == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_trv_redis_cancel(server->link, server);

    ngx_memzero(&command, sizeof(trv_command_t));

    argv[0] = "SENTINEL";
    len[0] = sizeof("SENTINEL") - 1;
    argv[2] = (char *) s->name.data;
    len[2] = s->name.len;

    command.argc = 3;
    command.argv = argv;
    command.argvlen = len;

    /* the epoch first: what it goes with is then at least as new */

    for (i = 0; i < 2; i++) {
        argv[1] = (char *) questions[i].data;
        len[1] = questions[i].len;

        if (ngx_trv_redis_command(server->link, &command,
                                  NGX_TRV_SENTINEL_TIMEOUT_MS, replies[i],
                                  server)
            != NGX_OK)
        {
            ngx_trv_redis_cancel(server->link, server);
            return NGX_ERROR;
        }
    }

    server->pending = 2;

    return NGX_OK;
}


/* SENTINEL MASTER: field, value, field, value ... */

static void
ngx_trv_sentinel_epoch_reply(void *data, redisReply *reply, ngx_uint_t sent)
{
    size_t       i;
    ngx_int_t    epoch;
    redisReply **word;

    ngx_trv_sentinel_server_t  *server = data;

    if (reply && reply->type == REDIS_REPLY_ARRAY) {
        word = reply->element;

        for (i = 0; i + 1 < reply->elements; i += 2) {
            if (word[i]->type != REDIS_REPLY_STRING
                || word[i + 1]->type != REDIS_REPLY_STRING
                || ngx_strcmp(word[i]->str, "config-epoch") != 0)
            {
                continue;
            }

            epoch = ngx_atoi((u_char *) word[i + 1]->str, word[i + 1]->len);
            server->epoch = epoch == NGX_ERROR ? 0 : (uint64_t) epoch;
        }
    }

    ngx_trv_sentinel_answered(server);
}


/* SENTINEL get-master-addr-by-name: host, port; nil: not known */

static void
ngx_trv_sentinel_master_reply(void *data, redisReply *reply, ngx_uint_t sent)
{
    redisReply                **word;
    ngx_trv_sentinel_server_t  *server = data;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        word = reply->element;

        if (ngx_trv_place_set(&server->master, (u_char *) word[0]->str,
                              word[0]->len,
                              ngx_atoi((u_char *) word[1]->str, word[1]->len))
            != NGX_OK)
        {
            server->master.len = 0;
        }
    }

    ngx_trv_sentinel_answered(server);
}


static void
ngx_trv_sentinel_answered(ngx_trv_sentinel_server_t *server)
{
    ngx_trv_sentinel_t  *s;

    s = server->sentinel;

    if (!s->asking || --server->pending) {
        return;
    }

    if (--s->pending == 0) {
        ngx_trv_sentinel_decide(s);

    } else if (server->master.len && !s->timer.timer_set) {
        ngx_add_timer(&s->timer, NGX_TRV_SENTINEL_GRACE_MS);
    }
}


static void
ngx_trv_sentinel_timer_handler(ngx_event_t *ev)
{
    ngx_trv_sentinel_t  *s = ev->data;

    if (s->asking) {
        ngx_trv_sentinel_decide(s);

    } else if (ngx_current_msec - s->used_ms < NGX_TRV_SENTINEL_USE_MS) {
        ngx_trv_sentinel_ask(s);
    }
}


static void
ngx_trv_sentinel_decide(ngx_trv_sentinel_t *s)
{
    ngx_uint_t                  i;
    ngx_trv_sentinel_server_t  *server;

    s->asking = 0;
    s->named = 0;

    for (i = 0; i < s->n; i++) {
        s->named += (s->servers[i].master.len != 0);
    }

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    ngx_add_timer(&s->timer, NGX_TRV_SENTINEL_LOOK_MS);

    server = ngx_trv_sentinel_newest(s);

    if (server) {
        ngx_trv_sentinel_follow(s, server);
        return;
    }

    if (!s->unknown) {
        s->unknown = 1;
        ngx_log_error(NGX_LOG_ERR, s->log, 0,
                      "no sentinel names a master \"%V\"", &s->name);
    }

    ngx_trv_sentinel_tell(s, NULL);
}


/* NULL: nobody names a master */

static ngx_trv_sentinel_server_t *
ngx_trv_sentinel_newest(ngx_trv_sentinel_t *s)
{
    ngx_uint_t                  i, doubtful;
    ngx_trv_sentinel_server_t  *server, *newest;

    newest = NULL;

    for (doubtful = 0; newest == NULL && doubtful < 2; doubtful++) {

        for (i = 0; i < s->n; i++) {
            server = &s->servers[i];

            if (server->master.len == 0
                || ngx_trv_sentinel_doubtful(s, &server->master) != doubtful)
            {
                continue;
            }

            if (newest == NULL || server->epoch > newest->epoch) {
                newest = server;
            }
        }
    }

    return newest;
}


static ngx_uint_t
ngx_trv_sentinel_doubtful(ngx_trv_sentinel_t *s, const ngx_trv_place_t *place)
{
    return s->doubtful.len
           && ngx_trv_place_equal(&s->doubtful, place)
           && ngx_current_msec - s->doubtful_ms < NGX_TRV_SENTINEL_DOUBT_MS;
}


static void
ngx_trv_sentinel_follow(ngx_trv_sentinel_t *s,
    ngx_trv_sentinel_server_t *server)
{
    ngx_queue_t      *q;
    ngx_trv_redis_t  *redis;

    /*
     * A minority that is behind does not lead us away from what works; what a
     * majority says is so, even after their epochs were reset.
     */

    if (s->known && server->epoch < s->epoch && s->named <= s->n / 2) {
        s->decided_ms = ngx_current_msec;
        ngx_trv_sentinel_tell(s, &s->master);
        return;
    }

    if (s->unknown || !ngx_trv_place_equal(&s->master, &server->master)) {
        ngx_log_error(NGX_LOG_NOTICE, s->log, 0,
                      "the sentinel at \"%V\" names %s:%d as the master \"%V\"",
                      &server->conf.url, server->master.host,
                      (int) server->master.port, &s->name);
    }

    s->unknown = 0;
    s->known = 1;
    s->master = server->master;
    s->epoch = server->epoch;
    s->decided_ms = ngx_current_msec;

    for (q = ngx_queue_head(&s->links);
         q != ngx_queue_sentinel(&s->links);
         q = ngx_queue_next(q))
    {
        redis = ngx_queue_data(q, ngx_trv_redis_t, fellows);

        if (redis->state > NGX_TRV_REDIS_SEEKING
            && !ngx_trv_place_equal(&redis->place, &s->master))
        {
            ngx_trv_redis_drop(redis, "the sentinels name another master");
        }
    }

    ngx_trv_sentinel_tell(s, &s->master);
}


/* those that seek; one that is told may connect, fail, be destroyed at once */

static void
ngx_trv_sentinel_tell(ngx_trv_sentinel_t *s, const ngx_trv_place_t *place)
{
    ngx_queue_t      *q;
    ngx_trv_redis_t  *redis;

    q = ngx_queue_head(&s->links);

    while (q != ngx_queue_sentinel(&s->links)) {
        redis = ngx_queue_data(q, ngx_trv_redis_t, fellows);

        if (redis->state == NGX_TRV_REDIS_SEEKING) {
            ngx_trv_redis_found(redis, place);
            q = ngx_queue_head(&s->links);
            continue;
        }

        q = ngx_queue_next(q);
    }
}
