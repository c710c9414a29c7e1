
#include <openssl/rand.h>

#include "ngx_trv_follower.h"


#define NGX_TRV_FOLLOWER_BEAT_MS   1000
#define NGX_TRV_FOLLOWER_QUANTUM   256   /* ids: some 50 us */
#define NGX_TRV_FOLLOWER_SLICE_NS  1000000       /* a turn of the event loop */
#define NGX_TRV_FOLLOWER_FULL_MS   20    /* between looks for room */


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
    ngx_event_t               timer;     /* cancelable */
    ngx_event_t               work;      /* posted */
    ngx_msec_t                beat;      /* the last one */
    unsigned                  waiting:1; /* for room in the table */
    unsigned                  full:1;    /* said that it is */
};


static ngx_int_t ngx_trv_follower_take(ngx_trv_set_t *set);
static ngx_int_t ngx_trv_follower_init(ngx_trv_follower_t *fl);
static void ngx_trv_follower_wake(void *data);
static void ngx_trv_follower_ready(void *data);
static void ngx_trv_follower_lost(void *data);
static void ngx_trv_follower_reply(void *data, struct redisReply *reply,
    ngx_uint_t sent);
static void ngx_trv_follower_timer_handler(ngx_event_t *ev);
static void ngx_trv_follower_work_handler(ngx_event_t *ev);
static void ngx_trv_follower_room(ngx_trv_follower_t *fl, trv_rc_e rc);
static void ngx_trv_follower_pump(ngx_trv_follower_t *fl);
static void ngx_trv_follower_send(ngx_trv_follower_t *fl,
    ngx_trv_follower_link_t *link);
static void ngx_trv_follower_notes(ngx_trv_follower_t *fl);
static uint64_t ngx_trv_follower_clock_ns(void);


static const char *const  ngx_trv_follower_link_names[TRV_LINK_N] = {
    "tail", "heartbeat"
};


ngx_trv_follower_t *
ngx_trv_follower_create(ngx_trv_set_t *set)
{
    ngx_trv_follower_t  *fl;

    if (ngx_trv_follower_take(set) != NGX_OK) {
        return NULL;
    }

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
ngx_trv_follower_take(ngx_trv_set_t *set)
{
    int        fd;
    char       boot_id[64];
    ssize_t    n;
    ngx_err_t  err;

    /* one that cannot be read is the same at every start, and no more */

    ngx_memzero(boot_id, sizeof(boot_id));

    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY|O_CLOEXEC);
    if (fd != -1) {
        n = read(fd, boot_id, sizeof(boot_id) - 1);
        boot_id[n > 0 ? strcspn(boot_id, "\n") : 0] = '\0';
        (void) close(fd);
    }

    switch (trv_writer_take(set->replica, boot_id)) {

    case TRV_OK:
        set->failing = 0;
        return NGX_OK;

    case TRV_CORRUPT:
        set->failing = 0;
        ngx_log_error(NGX_LOG_ALERT, set->log, 0,
                      "token revocation set \"%V\": a file in \"%V\" failed "
                      "its checks and was set aside, filling it from Redis",
                      &set->name, &set->path->name);
        return NGX_OK;

    default:
        err = ngx_errno;

        if (!set->failing) {
            set->failing = 1;
            ngx_log_error(NGX_LOG_ERR, set->log, err,
                          "token revocation set \"%V\": cannot write \"%V\"",
                          &set->name, &set->path->name);
        }

        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_trv_follower_init(ngx_trv_follower_t *fl)
{
    u_char               bytes[TRV_SET_ID_LEN / 2];
    char                 set_id[TRV_SET_ID_LEN + 1];
    ngx_uint_t           i;
    ngx_trv_set_t       *set;
    trv_follow_conf_t    conf;

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
    conf.random = (uint32_t) ngx_random();

    fl->follow = trv_follow_create(&conf, ngx_current_msec);
    if (fl->follow == NULL) {
        return NGX_ERROR;
    }

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
        fl->links[i].redis = ngx_trv_redis_create(&set->redis,
                                 ngx_trv_follower_link_names[i], fl->log,
                                 ngx_trv_follower_ready, ngx_trv_follower_lost,
                                 &fl->links[i]);
        if (fl->links[i].redis == NULL) {
            return NGX_ERROR;
        }

        ngx_trv_redis_connect(fl->links[i].redis);
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

    ngx_trv_redis_cancel(fl->links[TRV_LINK_HEARTBEAT].redis,
                         &fl->links[TRV_LINK_HEARTBEAT]);

    if (fl->links[TRV_LINK_TAIL].redis) {
        ngx_trv_redis_destroy(fl->links[TRV_LINK_TAIL].redis);
        fl->links[TRV_LINK_TAIL].redis = NULL;
    }

    trv_follow_destroy(fl->follow);
    fl->follow = NULL;
}


void
ngx_trv_follower_destroy(ngx_trv_follower_t *fl)
{
    ngx_uint_t  i;

    ngx_trv_follower_stop(fl);

    for (i = 0; i < TRV_LINK_N; i++) {
        if (fl->links[i].redis) {
            ngx_trv_redis_destroy(fl->links[i].redis);
        }
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

    ngx_trv_redis_send_last(fl->links[TRV_LINK_HEARTBEAT].redis, &command);
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
        trv_follow_up(fl->follow, link->which,
                      (char *) ngx_trv_redis_run_id(link->redis)->data);
        ngx_trv_follower_pump(fl);
    }
}


static void
ngx_trv_follower_lost(void *data)
{
    ngx_trv_follower_link_t *link = data;

    if (link->follower->follow) {
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
    trv_follow_reply(fl->follow, link->which, reply, ngx_current_msec);

    /* what was revoked is to be refused in this turn of the loop already */

    ngx_trv_follower_work_handler(&fl->work);
}


static void
ngx_trv_follower_timer_handler(ngx_event_t *ev)
{
    ngx_trv_follower_t  *fl = ev->data;

    if (ngx_current_msec - fl->beat >= NGX_TRV_FOLLOWER_BEAT_MS) {
        fl->beat = ngx_current_msec;
        trv_writer_beat_set(fl->set->replica, ngx_current_msec);

        if (trv_replica_lock_check(fl->set->replica) != TRV_OK) {
            ngx_log_error(NGX_LOG_ALERT, fl->log, 0,
                          "token revocation set \"%V\": the directory \"%V\" "
                          "was replaced, no longer the writer",
                          &fl->set->name, &fl->set->path->name);
            ngx_trv_set_step_down(fl->set);
            return;
        }
    }

    ngx_trv_follower_work_handler(&fl->work);
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
                             ngx_current_msec);
        copy = ngx_trv_rebuild_work(&set->rebuild, NGX_TRV_FOLLOWER_QUANTUM);

        ngx_trv_rebuild_check(&set->rebuild, trv_follow_want(fl->follow),
                              trv_follow_first_day(fl->follow));

    } while ((rc == TRV_AGAIN || copy == NGX_AGAIN)
             && ngx_trv_follower_clock_ns() < end);

    ngx_trv_follower_room(fl, rc);

    if (rc == TRV_AGAIN || copy == NGX_AGAIN) {
        ngx_post_event(&fl->work, &ngx_posted_next_events);
    }

    ngx_trv_follower_pump(fl);
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
    ngx_uint_t  i;
    ngx_msec_t  wait;

    for (i = 0; i < TRV_LINK_N; i++) {
        ngx_trv_follower_send(fl, &fl->links[i]);
    }

    ngx_trv_follower_notes(fl);

    wait = trv_follow_wait_ms(fl->follow, ngx_current_msec);
    wait = ngx_min(wait, NGX_TRV_FOLLOWER_BEAT_MS);

    if (wait == 0) {
        wait = NGX_TRV_FOLLOWER_BEAT_MS; /* a reply comes first */
    }

    if (fl->waiting) {
        wait = NGX_TRV_FOLLOWER_FULL_MS;
    }

    ngx_add_timer(&fl->timer, wait);
}


static void
ngx_trv_follower_send(ngx_trv_follower_t *fl, ngx_trv_follower_link_t *link)
{
    trv_rc_e              rc;
    uint32_t              timeout;
    const trv_command_t  *command;

    rc = trv_follow_next(fl->follow, link->which, ngx_current_msec, &command,
                         &timeout);

    if (rc == TRV_AGAIN) {
        return;
    }

    if (rc == TRV_ERROR) {
        ngx_trv_redis_drop(link->redis, "the follower wants another");
        return;
    }

    if (ngx_trv_redis_command(link->redis, command, timeout,
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


static uint64_t
ngx_trv_follower_clock_ns(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
