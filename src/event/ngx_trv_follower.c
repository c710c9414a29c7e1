
#include <ngx_core.h>
#include <openssl/rand.h>

#include "ngx_trv_follower.h"
#include "ngx_trv_source.h"
#include "trv_flush.h"


#define NGX_TRV_FOLLOWER_BEAT_MS   1000
#define NGX_TRV_FOLLOWER_QUANTUM   4     /* ids: up to 0.5 ms on fresh pages */
#define NGX_TRV_FOLLOWER_SLICE_NS  250000    /* of a turn of the event loop */
#define NGX_TRV_FOLLOWER_FULL_MS   20    /* between looks for room */
#define NGX_TRV_FOLLOWER_LAST_BATCHES  20


typedef struct {
    ngx_trv_follower_t    *follower;
    trv_link_e             which;
    ngx_trv_redis_t       *redis;
} ngx_trv_follower_link_t;


struct ngx_trv_follower_s {
    ngx_trv_set_t            *set;
    ngx_log_t                *log;
    trv_follow_t             *follow;    /* NULL: stopped */
    ngx_trv_follower_link_t   links[TRV_LINK_N];
    ngx_trv_source_t          source;    /* of the tail */
    ngx_event_t               timer;     /* cancelable */
    ngx_event_t               work;      /* posted */
    ngx_msec_t                beat;      /* the last one */
    trv_follow_counts_t       counted;   /* in the stats already */
    unsigned                  waiting:1; /* for room in the table */
    unsigned                  full:1;    /* said that it is */
};


static ngx_int_t ngx_trv_follower_init(ngx_trv_follower_t *fl);
static void ngx_trv_follower_flush_last(ngx_trv_follower_t *fl);
static void ngx_trv_follower_wake(void *data);
static void ngx_trv_follower_ready(void *data);
static void ngx_trv_follower_lost(void *data);
static void ngx_trv_follower_reply(void *data, struct redisReply *reply,
    ngx_uint_t sent);
static void ngx_trv_follower_timer_handler(ngx_event_t *ev);
static void ngx_trv_follower_work_handler(ngx_event_t *ev);
static uint16_t ngx_trv_follower_first_day(ngx_trv_follower_t *fl);
static void ngx_trv_follower_room(ngx_trv_follower_t *fl, trv_rc_e rc);
static void ngx_trv_follower_pump(ngx_trv_follower_t *fl);
static void ngx_trv_follower_send(ngx_trv_follower_t *fl,
    ngx_trv_follower_link_t *link, uint64_t now);
static void ngx_trv_follower_notes(ngx_trv_follower_t *fl);
static uint64_t ngx_trv_follower_clock_ms(void);
static uint64_t ngx_trv_follower_clock_ns(void);


ngx_trv_follower_t *
ngx_trv_follower_create(ngx_trv_set_t *set)
{
    ngx_trv_follower_t  *fl;

    fl = ngx_calloc(sizeof(ngx_trv_follower_t), set->log);
    if (fl == NULL) {
        return NULL;
    }

    fl->set = set;
    fl->log = set->log;

    if (ngx_trv_follower_init(fl) != NGX_OK) {
        ngx_trv_follower_destroy(fl);
        return NULL;
    }

    return fl;
}


static ngx_int_t
ngx_trv_follower_init(ngx_trv_follower_t *fl)
{
    u_char                    bytes[TRV_SET_ID_LEN / 2];
    char                      set_id[TRV_SET_ID_LEN + 1];
    ngx_uint_t                i;
    ngx_trv_set_t            *set;
    trv_follow_conf_t         conf;
    ngx_trv_follower_link_t  *link;

    set = fl->set;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return NGX_ERROR;
    }

    *ngx_hex_dump((u_char *) set_id, bytes, sizeof(bytes)) = '\0';

    ngx_memzero(&conf, sizeof(trv_follow_conf_t));

    /* strings of the configuration end with a zero */

    conf.replica = set->replica;
    conf.prefix = (char *) set->redis.prefix.data;
    conf.node = (char *) set->node.data;
    conf.version = NGX_TRV_VERSION;
    conf.fresh_set_id = set_id;
    conf.log_length = set->log_length;
    conf.token_records = set->token_records;
    conf.tries = set->stats.shared->tries;
    conf.history = &set->stats.shared->history;
    conf.random = (uint32_t) ngx_random();

    fl->follow = trv_follow_create(&conf, ngx_trv_follower_clock_ms());
    if (fl->follow == NULL) {
        return NGX_ERROR;
    }

    ngx_trv_stats_gauges_reset(&set->stats);

    set->rebuild.wake = ngx_trv_follower_wake;
    set->rebuild.data = fl;

    fl->timer.data = fl;
    fl->timer.handler = ngx_trv_follower_timer_handler;
    fl->timer.log = fl->log;
    fl->timer.cancelable = 1;

    fl->work.data = fl;
    fl->work.handler = ngx_trv_follower_work_handler;
    fl->work.log = fl->log;

    for (i = 0; i < TRV_LINK_N; i++) {
        fl->links[i].follower = fl;
        fl->links[i].which = i;
    }

    link = &fl->links[TRV_LINK_HEARTBEAT];

    link->redis = ngx_trv_redis_create(&set->redis, "heartbeat", fl->log,
                                       ngx_trv_follower_ready,
                                       ngx_trv_follower_lost, link);
    if (link->redis == NULL) {
        return NGX_ERROR;
    }

    ngx_trv_redis_sequence(link->redis);
    ngx_trv_redis_connect(link->redis);

    link = &fl->links[TRV_LINK_TAIL];

    if (ngx_trv_source_init(&fl->source, &set->redis, &link->redis, fl->log,
                            ngx_trv_follower_ready, ngx_trv_follower_lost,
                            link)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_add_timer(&fl->timer, 1);
    ngx_post_event(&fl->work, &ngx_posted_events);

    return NGX_OK;
}


void
ngx_trv_follower_stop(ngx_trv_follower_t *fl)
{
    if (fl->follow == NULL) {
        return;
    }

    ngx_trv_rebuild_stop(&fl->set->rebuild);

    if (fl->timer.timer_set) {
        ngx_del_timer(&fl->timer);
    }

    if (fl->work.posted) {
        ngx_delete_posted_event(&fl->work);
    }

    if (fl->links[TRV_LINK_HEARTBEAT].redis) {
        ngx_trv_redis_cancel(fl->links[TRV_LINK_HEARTBEAT].redis,
                             &fl->links[TRV_LINK_HEARTBEAT]);
    }

    if (fl->source.link) {
        ngx_trv_source_destroy(&fl->source);
    }

    ngx_trv_stats_gauges_reset(&fl->set->stats);

    trv_follow_destroy(fl->follow);
    fl->follow = NULL;
}


void
ngx_trv_follower_destroy(ngx_trv_follower_t *fl)
{
    ngx_trv_follower_stop(fl);

    if (fl->links[TRV_LINK_HEARTBEAT].redis) {
        ngx_trv_redis_destroy(fl->links[TRV_LINK_HEARTBEAT].redis);
    }

    ngx_free(fl);
}


void
ngx_trv_follower_sign_off(ngx_trv_follower_t *fl)
{
    ngx_str_t       *prefix;
    u_char           key[256];
    size_t           len[3];
    const char      *argv[3];
    trv_command_t    command;

    prefix = &fl->set->redis.prefix;

    if (fl->links[TRV_LINK_HEARTBEAT].redis == NULL
        || !ngx_trv_redis_ready(fl->links[TRV_LINK_HEARTBEAT].redis)
        || fl->set->edge.len == 0)
    {
        return;
    }

    argv[0] = "HDEL";
    len[0] = 4;
    argv[1] = (char *) key;
    len[1] = ngx_snprintf(key, sizeof(key), "{%V}:edges", prefix) - key;
    argv[2] = (char *) fl->set->edge.data;
    len[2] = fl->set->edge.len;

    ngx_memzero(&command, sizeof(trv_command_t));

    command.argc = 3;
    command.argv = argv;
    command.argvlen = len;

    if (ngx_trv_redis_send_last(fl->links[TRV_LINK_HEARTBEAT].redis, &command)
        == NGX_OK)
    {
        ngx_trv_follower_flush_last(fl);
        ngx_trv_redis_end_last(fl->links[TRV_LINK_HEARTBEAT].redis);
    }
}


/*
 * Nobody will count any more, and the memory goes with the last of us.  Unless
 * there are others after all: nobody hears an answer to the last batch, so it
 * is not settled, and they send it again.
 */

static void
ngx_trv_follower_flush_last(ngx_trv_follower_t *fl)
{
    uint64_t        now;
    ngx_uint_t      i;
    trv_flush_t     flush;
    trv_words_t    *words;
    trv_telling_t   telling;

    words = ngx_alloc(sizeof(trv_words_t), fl->log);
    if (words == NULL) {
        return;
    }

    now = ngx_trv_follower_clock_ms();

    ngx_memzero(&telling, sizeof(trv_telling_t));
    telling.history = &fl->set->stats.shared->history;

    if (trv_history_tell(&telling, now, words)
        && ngx_trv_redis_send_last(fl->links[TRV_LINK_HEARTBEAT].redis,
                                   &words->command)
           != NGX_OK)
    {
        ngx_free(words);
        return;
    }

    ngx_memzero(&flush, sizeof(trv_flush_t));
    flush.tries = fl->set->stats.shared->tries;

    for (i = 0; i < NGX_TRV_FOLLOWER_LAST_BATCHES; i++) {

        if (!trv_flush_next(&flush, now, words)) {
            break;
        }

        if (ngx_trv_redis_send_last(fl->links[TRV_LINK_HEARTBEAT].redis,
                                    &words->command)
            != NGX_OK)
        {
            break;
        }

        (void) trv_flush_settle(&flush);
    }

    ngx_free(words);
}


static void
ngx_trv_follower_wake(void *data)
{
    ngx_trv_follower_t  *fl = data;

    if (fl->follow) {
        ngx_post_event(&fl->work, &ngx_posted_events);
    }
}


static void
ngx_trv_follower_ready(void *data)
{
    ngx_trv_follower_link_t *link = data;

    ngx_trv_follower_t  *fl;

    fl = link->follower;

    if (fl->follow) {
        ngx_trv_stats_add(&fl->set->stats,
                          NGX_TRV_STAT_CONNECTS + link->which, 1);
        ngx_trv_stats_gauge_set(&fl->set->stats,
                                NGX_TRV_GAUGE_TAIL + link->which, 1);
        trv_follow_up(fl->follow, link->which,
                      (char *) ngx_trv_redis_run_id(link->redis)->data,
                      ngx_trv_redis_repl_id(link->redis));
        ngx_trv_follower_pump(fl);
    }
}


static void
ngx_trv_follower_lost(void *data)
{
    ngx_trv_follower_link_t *link = data;

    ngx_trv_stats_t  *stats;

    if (link->follower->follow) {
        stats = &link->follower->set->stats;
        ngx_trv_stats_add(stats, NGX_TRV_STAT_LOSSES + link->which, 1);
        ngx_trv_stats_gauge_set(stats, NGX_TRV_GAUGE_TAIL + link->which, 0);
        trv_follow_lost(link->follower->follow, link->which);
    }
}


static void
ngx_trv_follower_reply(void *data, struct redisReply *reply, ngx_uint_t sent)
{
    ngx_trv_follower_link_t *link = data;

    ngx_trv_follower_t  *fl;

    fl = link->follower;

    if (reply == NULL || fl->follow == NULL) {
        return;                          /* the link will be said to be lost */
    }

    ngx_trv_redis_keep(link->redis);
    trv_follow_reply(fl->follow, link->which, reply,
                     ngx_trv_follower_clock_ms());

    /* at once: what was revoked is to be refused, and somebody waits for it */

    if (fl->work.posted) {
        ngx_delete_posted_event(&fl->work);
    }

    ngx_trv_follower_work_handler(&fl->work);
}


static void
ngx_trv_follower_timer_handler(ngx_event_t *ev)
{
    ngx_trv_follower_t  *fl = ev->data;

    if (ngx_current_msec - fl->beat >= NGX_TRV_FOLLOWER_BEAT_MS) {
        fl->beat = ngx_current_msec;
        trv_writer_beat_set(fl->set->replica, ngx_current_msec);
        ngx_trv_source_beat(&fl->source);

        if (trv_replica_lock_check(fl->set->replica) != TRV_OK) {
            ngx_log_error(NGX_LOG_ALERT, fl->log, 0,
                          "token revocation set \"%V\": the directory \"%V\" "
                          "was replaced, no longer the writer",
                          &fl->set->name, &fl->set->path->name);
            ngx_trv_set_step_down(fl->set);
            return;
        }
    }

    ngx_post_event(&fl->work, &ngx_posted_events);
}


static void
ngx_trv_follower_work_handler(ngx_event_t *ev)
{
    uint64_t             end;
    trv_rc_e             rc;
    ngx_int_t            copy;
    ngx_trv_set_t       *set;
    ngx_trv_follower_t  *fl = ev->data;

    set = fl->set;
    end = ngx_trv_follower_clock_ns() + NGX_TRV_FOLLOWER_SLICE_NS;

    do {
        rc = trv_follow_work(fl->follow, NGX_TRV_FOLLOWER_QUANTUM,
                             ngx_trv_follower_clock_ms());
        copy = ngx_trv_rebuild_work(&set->rebuild, NGX_TRV_FOLLOWER_QUANTUM);

        ngx_trv_rebuild_check(&set->rebuild, trv_follow_want(fl->follow),
                              ngx_trv_follower_first_day(fl));

    } while ((rc == TRV_AGAIN || copy == NGX_AGAIN)
             && ngx_trv_follower_clock_ns() < end);

    ngx_trv_follower_room(fl, rc);

    if (rc == TRV_AGAIN || copy == NGX_AGAIN) {
        ngx_post_event(&fl->work, &ngx_posted_next_events);
    }

    ngx_trv_follower_pump(fl);
}


/* a clock of Redis that runs ahead must not make us forget */

static uint16_t
ngx_trv_follower_first_day(ngx_trv_follower_t *fl)
{
    uint16_t  theirs;
    time_t    ours;

    theirs = trv_follow_first_day(fl->follow);
    ours = ngx_time() / TRV_DAY_SEC - 1;

    return (uint16_t) ngx_min(theirs, ngx_max(ours, 0));
}


/* full: not one more fits, and no larger table can be made */

static void
ngx_trv_follower_room(ngx_trv_follower_t *fl, trv_rc_e rc)
{
    ngx_trv_set_t  *set;

    set = fl->set;

    fl->waiting = (rc == TRV_FULL);

    if (fl->waiting && set->rebuild.failing && !fl->full) {
        fl->full = 1;
        trv_writer_full_set(set->replica, true);
        ngx_log_error(NGX_LOG_ALERT, fl->log, 0,
                      "token revocation set \"%V\" is full: calls are answered "
                      "as if it were stale", &set->name);
    }

    if (fl->full && !set->rebuild.failing) {
        fl->full = 0;
        ngx_log_error(NGX_LOG_NOTICE, fl->log, 0,
                      "token revocation set \"%V\" has room again",
                      &set->name);
    }
}


static void
ngx_trv_follower_pump(ngx_trv_follower_t *fl)
{
    uint64_t    now;
    ngx_uint_t  i;
    ngx_msec_t  wait;

    now = ngx_trv_follower_clock_ms();

    for (i = 0; i < TRV_LINK_N; i++) {
        ngx_trv_follower_send(fl, &fl->links[i], now);
    }

    ngx_trv_follower_notes(fl);
    ngx_trv_stats_follow(&fl->set->stats, fl->follow, &fl->counted);

    wait = trv_follow_wait_ms(fl->follow, now);
    wait = ngx_min(wait, NGX_TRV_FOLLOWER_BEAT_MS);

    if (wait == 0) {
        wait = NGX_TRV_FOLLOWER_BEAT_MS; /* a reply comes first */
    }

    if (fl->waiting) {
        wait = NGX_TRV_FOLLOWER_FULL_MS;
    }

    /* never put off: in a long merge there is a reply each few milliseconds */

    if (!fl->timer.timer_set
        || (ngx_msec_int_t) (fl->timer.timer.key - ngx_current_msec - wait) > 0)
    {
        ngx_add_timer(&fl->timer, wait);
    }
}


static void
ngx_trv_follower_send(ngx_trv_follower_t *fl, ngx_trv_follower_link_t *link,
    uint64_t now)
{
    trv_rc_e              rc;
    uint32_t              timeout;
    const trv_command_t  *command;

    rc = trv_follow_next(fl->follow, link->which, now, &command, &timeout);

    if (rc == TRV_ERROR && link->which == TRV_LINK_TAIL) {
        ngx_trv_source_drop(&fl->source);        /* a note says why */

    } else if (rc == TRV_ERROR) {
        ngx_trv_redis_drop(link->redis, NULL);

    } else if (rc == TRV_DECLINED) {
        ngx_trv_source_renew(&fl->source);       /* only the tail may wait */

    } else if (rc == TRV_OK
               && ngx_trv_redis_command(link->redis, command, timeout,
                                        ngx_trv_follower_reply, link)
                  != NGX_OK)
    {
        ngx_trv_redis_drop(link->redis, "no memory");
    }
}


static void
ngx_trv_follower_notes(ngx_trv_follower_t *fl)
{
    trv_note_t  note;

    static const ngx_uint_t  levels[] = {
        NGX_LOG_NOTICE, NGX_LOG_WARN, NGX_LOG_ERR
    };

    while (trv_follow_note(fl->follow, &note) == TRV_OK) {
        ngx_log_error(levels[note.level], fl->log, 0,
                      "token revocation set \"%V\": %s", &fl->set->name,
                      note.text);
    }
}


/* the clock of ngx_current_msec, which is some milliseconds behind it */

static uint64_t
ngx_trv_follower_clock_ms(void)
{
#if (NGX_HAVE_CLOCK_MONOTONIC)
    return ngx_trv_follower_clock_ns() / 1000000;
#else
    return ngx_current_msec;
#endif
}


static uint64_t
ngx_trv_follower_clock_ns(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
