
#include "ngx_trv_follower.h"
#include "ngx_trv_set.h"


#define NGX_TRV_SET_TICK_MS      50      /* between tries for the lock */
#define NGX_TRV_SET_REFRESH_MS   1000    /* looks whether files were replaced */
#define NGX_TRV_SET_STUCK_MS     5000    /* a writer without a sign of life */
#define NGX_TRV_SET_AHEAD_MS     1000    /* workers' clocks differ a little */
#define NGX_TRV_SET_FAREWELL_MS  1000    /* for the other workers to leave */


static ngx_int_t ngx_trv_set_shutdown_init(ngx_trv_set_t *set);
static void ngx_trv_set_shutdown_handler(ngx_event_t *ev);
static void ngx_trv_set_tick_handler(ngx_event_t *ev);
static void ngx_trv_set_farewell(ngx_trv_set_t *set);
static void ngx_trv_set_starting(ngx_trv_set_t *set);
static void ngx_trv_set_elect(ngx_trv_set_t *set);
static ngx_int_t ngx_trv_set_take(ngx_trv_set_t *set);
static void ngx_trv_set_refresh(ngx_trv_set_t *set);
static void ngx_trv_set_watch(ngx_trv_set_t *set,
    const trv_replica_state_t *state);


ngx_int_t
ngx_trv_set_init_process(ngx_trv_set_t *set, ngx_cycle_t *cycle)
{
    set->log = cycle->log;

    ngx_trv_stats_init_process(&set->stats);

    set->replica = trv_replica_open((char *) set->path->name.data);

    if (set->replica == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "token revocation set \"%V\" cannot be opened",
                      &set->name);
        return NGX_ERROR;
    }

    trv_replica_prefix_set(set->replica, (char *) set->redis.prefix.data);

    set->rebuild.replica = set->replica;
    set->rebuild.log = cycle->log;
    set->rebuild.name = &set->name;
    set->rebuild.stats = &set->stats;

    ngx_trv_rebuild_init(&set->rebuild, cycle);

    if (ngx_trv_set_shutdown_init(set) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_trv_watch_init(&set->watch, set->replica, cycle->log);

    set->started = ngx_current_msec;
    ngx_trv_set_refresh(set);

    set->starting = 1;
    ngx_trv_set_starting(set);

    set->tick.data = set;
    set->tick.handler = ngx_trv_set_tick_handler;
    set->tick.log = cycle->log;
    set->tick.cancelable = 1;
    set->ticked = ngx_current_msec;

    ngx_add_timer(&set->tick, 1);

    return NGX_OK;
}


/*
 * nginx tells idle connections that the worker shuts down.  This one has a
 * descriptor so that it counts, and never an event.
 */

static ngx_int_t
ngx_trv_set_shutdown_init(ngx_trv_set_t *set)
{
    int                fd;
    ngx_connection_t  *c;

    fd = open("/dev/null", O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, set->log, ngx_errno,
                      "open(\"/dev/null\") failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, set->log);
    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = set;
    c->log = set->log;
    c->idle = 1;
    c->read->handler = ngx_trv_set_shutdown_handler;
    c->read->log = set->log;
    c->write->log = set->log;

    set->shutdown = c;

    return NGX_OK;
}


static void
ngx_trv_set_shutdown_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;
    ngx_trv_set_t     *set;

    c = ev->data;
    set = c->data;

    if (set->tick.timer_set) {
        ngx_del_timer(&set->tick);
    }

    if (set->follower) {
        ngx_trv_follower_stop(set->follower);
        trv_replica_unlock(set->replica);
    }

    (void) trv_replica_leave(set->replica);

    (void) close(c->fd);
    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    set->shutdown = NULL;
}


/*
 * The edge leaves when its last worker does, but only the writer can sign it
 * off.  All workers were told at the same time: wait for those that are late.
 * None of them takes the lock; in a reload, others soon do.
 */

static void
ngx_trv_set_farewell(ngx_trv_set_t *set)
{
    ngx_uint_t  i, alone;

    for (i = 0; i < NGX_TRV_SET_FAREWELL_MS; i += 5) {

        alone = (trv_replica_leave(set->replica) == TRV_OK);

        if (trv_replica_lock(set->replica) == TRV_AGAIN) {
            return;
        }

        if (alone) {
            ngx_trv_follower_sign_off(set->follower);
            return;
        }

        trv_replica_unlock(set->replica);
        ngx_msleep(5);
    }
}


void
ngx_trv_set_exit_process(ngx_trv_set_t *set, ngx_cycle_t *cycle)
{
    if (set->replica == NULL) {
        return;
    }

    ngx_trv_stats_sample(&set->stats);

    if (set->shutdown) {
        ngx_trv_set_shutdown_handler(set->shutdown->read);
    }

    if (set->follower) {
        ngx_trv_set_farewell(set);

        ngx_trv_follower_destroy(set->follower);
        set->follower = NULL;
    }

    if (set->link) {
        ngx_trv_redis_destroy(set->link);
        set->link = NULL;
    }

    ngx_trv_stats_exit_process(&set->stats);

    trv_replica_close(set->replica);
    set->replica = NULL;
}


static void
ngx_trv_set_tick_handler(ngx_event_t *ev)
{
    ngx_msec_t      passed;
    ngx_trv_set_t  *set = ev->data;

    passed = ngx_current_msec - set->ticked;
    set->ticked = ngx_current_msec;

    /* who was held up hears first what it was told meanwhile: to end, maybe */

    if (passed > 2 * NGX_TRV_SET_TICK_MS) {
        ngx_add_timer(&set->tick, 1);
        return;
    }

    if (set->follower == NULL && !ngx_quit && !ngx_terminate) {
        ngx_trv_set_elect(set);
    }

    if (set->edge.len == 0
        || ngx_current_msec - set->refreshed >= NGX_TRV_SET_REFRESH_MS)
    {
        ngx_trv_set_refresh(set);
    }

    if (set->starting) {
        ngx_trv_set_starting(set);
    }

    if (set->retired.head != NULL
        || trv_replica_retired(set->replica, &set->retired) == TRV_OK)
    {
        ngx_trv_rebuild_unmap(&set->retired);
    }

    ngx_add_timer(&set->tick, NGX_TRV_SET_TICK_MS);
}


/*
 * It is the writer who finds out that an edge was away (trv_writer.h), and a
 * worker may have a call before there is one.
 */

static void
ngx_trv_set_starting(ngx_trv_set_t *set)
{
    trv_replica_state_t  state;

    trv_replica_state(set->replica, &state);

    set->starting = state.filled && !state.away
                    && ngx_current_msec - set->started < TRV_WRITER_AWAY_MS
                    && (ngx_msec_int_t) (ngx_current_msec - state.beat_ms)
                       > TRV_WRITER_AWAY_MS;
}


ngx_uint_t
ngx_trv_set_ready(const ngx_trv_set_t *set)
{
    return !set->starting && trv_replica_ready(set->replica);
}


static void
ngx_trv_set_elect(ngx_trv_set_t *set)
{
    ngx_err_t  err;

    switch (trv_replica_lock(set->replica)) {

    case TRV_OK:
        if (ngx_trv_set_take(set) == NGX_OK) {
            set->follower = ngx_trv_follower_create(set);
        }

        if (set->follower == NULL) {
            trv_replica_unlock(set->replica);
            return;
        }

        ngx_log_error(NGX_LOG_NOTICE, set->log, 0,
                      "token revocation set \"%V\": this worker is the writer",
                      &set->name);

        ngx_trv_set_refresh(set);
        return;

    case TRV_AGAIN:
        return;

    default:
        err = ngx_errno;

        if (!set->failing) {
            set->failing = 1;
            ngx_log_error(NGX_LOG_ERR, set->log, err,
                          "token revocation set \"%V\": cannot lock \"%V\"",
                          &set->name, &set->path->name);
        }
    }
}


static ngx_int_t
ngx_trv_set_take(ngx_trv_set_t *set)
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

    switch (trv_writer_take(set->replica, boot_id, ngx_current_msec)) {

    case TRV_OK:
        break;

    case TRV_CORRUPT:
        ngx_log_error(NGX_LOG_ALERT, set->log, 0,
                      "token revocation set \"%V\": a file in \"%V\" failed "
                      "its checks and was set aside, filling it from Redis",
                      &set->name, &set->path->name);
        break;

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

    set->failing = 0;

    if (trv_writer_foreign(set->replica)) {
        ngx_log_error(NGX_LOG_WARN, set->log, 0,
                      "token revocation set \"%V\": the directory \"%V\" was "
                      "filled under another prefix than \"%V\": merging it "
                      "with Redis, not ready before",
                      &set->name, &set->path->name, &set->redis.prefix);
    }

    return NGX_OK;
}


void
ngx_trv_set_step_down(ngx_trv_set_t *set)
{
    ngx_trv_follower_destroy(set->follower);
    set->follower = NULL;

    trv_replica_unlock(set->replica);
}


static void
ngx_trv_set_refresh(ngx_trv_set_t *set)
{
    u_char               *p;
    trv_replica_state_t   state;

    set->refreshed = ngx_current_msec;

    ngx_trv_stats_sample(&set->stats);

    if (trv_replica_refresh(set->replica) != TRV_OK) {
        return;
    }

    trv_replica_state(set->replica, &state);

    if (state.instance[0] == '\0') {
        return;
    }

    p = ngx_snprintf(set->edge_text, NGX_TRV_EDGE_LEN, "%V:%s", &set->node,
                     state.instance);

    set->edge.data = set->edge_text;
    set->edge.len = p - set->edge_text;

    if (set->follower == NULL) {
        ngx_trv_set_watch(set, &state);
    }
}


/*
 * A stopped writer still holds the lock, and so does one of another nginx that
 * has another prefix: the others can only say so.
 */

static void
ngx_trv_set_watch(ngx_trv_set_t *set, const trv_replica_state_t *state)
{
    ngx_uint_t  writer;

    enum {
        well = 0,
        stuck,
        foreign
    };

    writer = well;

    if (state->beat_ms && !ngx_trv_set_written(state)) {
        writer = stuck;

    } else if (state->foreign && !ngx_exiting
               && ngx_current_msec - set->started > NGX_TRV_SET_STUCK_MS)
    {
        writer = foreign;
    }

    if (writer == set->writer) {
        return;
    }

    set->writer = writer;

    ngx_log_error((writer == well ? NGX_LOG_NOTICE : NGX_LOG_WARN), set->log, 0,
                  "token revocation set \"%V\": %s", &set->name,
                  writer == stuck
                  ? "the writer has made no progress for 5 seconds"
                  : writer == foreign
                  ? "the writer is of another nginx, with another prefix: "
                    "not ready"
                  : "the writer goes on");
}


ngx_uint_t
ngx_trv_set_written(const trv_replica_state_t *state)
{
    ngx_msec_int_t  age;

    age = (ngx_msec_int_t) (ngx_current_msec - state->beat_ms);

    return state->beat_ms && age >= -NGX_TRV_SET_AHEAD_MS
           && age <= NGX_TRV_SET_STUCK_MS;
}
