
#include "ngx_trv_follower.h"
#include "ngx_trv_set.h"
#include "trv_id.h"


#define NGX_TRV_SET_TICK_MS      50      /* between tries for the lock */
#define NGX_TRV_SET_REFRESH_MS   1000    /* looks whether files were replaced */
#define NGX_TRV_SET_STUCK_MS     5000    /* a writer without a sign of life */
#define NGX_TRV_SET_FAREWELL_MS  100     /* for the other workers to leave */


static ngx_int_t ngx_trv_set_shutdown_init(ngx_trv_set_t *set);
static void ngx_trv_set_shutdown_handler(ngx_event_t *ev);
static void ngx_trv_set_tick_handler(ngx_event_t *ev);
static void ngx_trv_set_elect(ngx_trv_set_t *set);
static void ngx_trv_set_refresh(ngx_trv_set_t *set);
static void ngx_trv_set_watch(ngx_trv_set_t *set,
    const trv_replica_state_t *state);
static void ngx_trv_set_close_work(void *data);
static void ngx_trv_set_close_done(void *data);


ngx_int_t
ngx_trv_set_init_process(ngx_trv_set_t *set, ngx_cycle_t *cycle)
{
    set->log = cycle->log;

    set->hash = trv_id_hash_create();
    set->replica = trv_replica_open((char *) set->path->name.data);

    if (set->hash == NULL || set->replica == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "token revocation set \"%V\" cannot be opened",
                      &set->name);
        return NGX_ERROR;
    }

    set->rebuild.replica = set->replica;
    set->rebuild.log = cycle->log;
    set->rebuild.name = &set->name;

    if (ngx_trv_rebuild_init(&set->rebuild, cycle) != NGX_OK
        || ngx_trv_job_init(&set->closing, cycle, ngx_trv_set_close_work,
                            ngx_trv_set_close_done, set)
           != NGX_OK
        || ngx_trv_set_shutdown_init(set) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_trv_set_refresh(set);

    set->tick.data = set;
    set->tick.handler = ngx_trv_set_tick_handler;
    set->tick.log = cycle->log;
    set->tick.cancelable = 1;

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


void
ngx_trv_set_exit_process(ngx_trv_set_t *set, ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    if (set->replica == NULL) {
        return;
    }

    if (set->shutdown) {
        ngx_trv_set_shutdown_handler(set->shutdown->read);
    }

    if (set->follower) {

        /* all workers were told at the same time: wait until they have left */

        for (i = 0; i < NGX_TRV_SET_FAREWELL_MS; i += 5) {
            if (trv_replica_leave(set->replica) == TRV_OK) {
                ngx_trv_follower_sign_off(set->follower);
                break;
            }

            ngx_msleep(5);
        }

        ngx_trv_follower_destroy(set->follower);
        set->follower = NULL;
    }

    if (set->link) {
        ngx_trv_redis_destroy(set->link);
        set->link = NULL;
    }

    trv_replica_close(set->replica);
    set->replica = NULL;

    trv_id_hash_destroy(set->hash);
}


static void
ngx_trv_set_tick_handler(ngx_event_t *ev)
{
    ngx_trv_set_t  *set = ev->data;

    if (set->follower == NULL) {
        ngx_trv_set_elect(set);
    }

    if (set->edge.len == 0
        || ngx_current_msec - set->refreshed >= NGX_TRV_SET_REFRESH_MS)
    {
        ngx_trv_set_refresh(set);
    }

    if (!set->closing.running
        && trv_replica_retired(set->replica, &set->closed) == TRV_OK)
    {
        ngx_trv_job_start(&set->closing);
    }

    ngx_add_timer(&set->tick, NGX_TRV_SET_TICK_MS);
}


static void
ngx_trv_set_elect(ngx_trv_set_t *set)
{
    ngx_err_t  err;

    switch (trv_replica_lock(set->replica)) {

    case TRV_OK:
        set->follower = ngx_trv_follower_create(set);

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


/* a writer may be stopped and still hold the lock: the others can only say so */

static void
ngx_trv_set_watch(ngx_trv_set_t *set, const trv_replica_state_t *state)
{
    ngx_uint_t  stuck;

    stuck = state->beat_ms
            && (ngx_msec_int_t) (ngx_current_msec - state->beat_ms)
               > NGX_TRV_SET_STUCK_MS;

    if (stuck == set->stuck) {
        return;
    }

    set->stuck = stuck;

    ngx_log_error((stuck ? NGX_LOG_WARN : NGX_LOG_NOTICE), set->log, 0,
                  "token revocation set \"%V\": the writer %s", &set->name,
                  stuck ? "has made no progress for 5 seconds"
                        : "goes on");
}


static void
ngx_trv_set_close_work(void *data)
{
    ngx_trv_set_t  *set = data;

    trv_table_close(&set->closed);
}


static void
ngx_trv_set_close_done(void *data)
{
    /* the next one is taken up by the next tick */
}
