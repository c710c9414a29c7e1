
#include "ngx_trv_rebuild.h"


#define NGX_TRV_REBUILD_RETRY  1000      /* ms after a disk that was full */


static void ngx_trv_rebuild_create_work(void *data);
static void ngx_trv_rebuild_create_done(void *data);
static ngx_int_t ngx_trv_rebuild_sync(ngx_trv_rebuild_t *rb);
static void ngx_trv_rebuild_sync_work(void *data);
static void ngx_trv_rebuild_sync_done(void *data);
static void ngx_trv_rebuild_failed(ngx_trv_rebuild_t *rb);


ngx_int_t
ngx_trv_rebuild_init(ngx_trv_rebuild_t *rb, ngx_cycle_t *cycle)
{
    if (ngx_trv_job_init(&rb->create, cycle, ngx_trv_rebuild_create_work,
                         ngx_trv_rebuild_create_done, rb)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_trv_job_init(&rb->sync, cycle, ngx_trv_rebuild_sync_work,
                            ngx_trv_rebuild_sync_done, rb);
}


void
ngx_trv_rebuild_check(ngx_trv_rebuild_t *rb, uint64_t want,
    uint16_t first_day)
{
    /* a thread may still be at it for the writer that we were before */

    if (rb->state != NGX_TRV_REBUILD_IDLE || rb->create.running
        || rb->sync.running
        || (rb->retry && (ngx_msec_int_t) (ngx_current_msec - rb->retry) < 0))
    {
        return;
    }

    rb->retry = 0;

    if (trv_writer_rebuild_needed(rb->replica, want, first_day, &rb->capacity,
                                  &rb->generation, rb->file)
        != TRV_OK)
    {
        return;
    }

    rb->first_day = first_day;
    rb->stopped = 0;

    rb->dir = trv_replica_dir_open(rb->replica);
    if (rb->dir == -1) {
        rb->err = ngx_errno;
        ngx_trv_rebuild_failed(rb);
        return;
    }

    rb->state = NGX_TRV_REBUILD_CREATE;
    ngx_trv_job_start(&rb->create);
}


static void
ngx_trv_rebuild_create_work(void *data)
{
    ngx_trv_rebuild_t  *rb = data;

    rb->rc = trv_table_create(&rb->table, rb->dir, rb->file, rb->generation,
                              rb->capacity);
    rb->err = rb->rc == TRV_OK ? 0 : ngx_errno;
}


static void
ngx_trv_rebuild_create_done(void *data)
{
    ngx_trv_rebuild_t  *rb = data;

    (void) close(rb->dir);

    if (rb->stopped) {

        /* the file is removed by the next writer: it may be one of another
           process already */

        if (rb->rc == TRV_OK) {
            trv_table_close(&rb->table);
        }

        return;
    }

    if (rb->rc != TRV_OK) {
        rb->state = NGX_TRV_REBUILD_IDLE;
        ngx_trv_rebuild_failed(rb);
        return;
    }

    rb->failing = 0;
    rb->state = NGX_TRV_REBUILD_COPY;

    trv_writer_rebuild_start(rb->replica, &rb->table, rb->first_day);
    trv_writer_full_set(rb->replica, false);

    rb->wake(rb->data);
}


ngx_int_t
ngx_trv_rebuild_work(ngx_trv_rebuild_t *rb, size_t n)
{
    if (rb->state != NGX_TRV_REBUILD_COPY) {
        return NGX_OK;
    }

    switch (trv_writer_rebuild_copy(rb->replica, n)) {

    case TRV_AGAIN:
        return NGX_AGAIN;

    case TRV_OK:
        return ngx_trv_rebuild_sync(rb);

    default:                             /* outgrown meanwhile */
        trv_writer_rebuild_abort(rb->replica);
        rb->state = NGX_TRV_REBUILD_IDLE;
        return NGX_AGAIN;
    }
}


/* the thread has a descriptor of its own: the table may be closed meanwhile */

static ngx_int_t
ngx_trv_rebuild_sync(ngx_trv_rebuild_t *rb)
{
    rb->fd = dup(trv_writer_rebuild_table(rb->replica)->fd);

    if (rb->fd == -1) {
        rb->err = ngx_errno;
        rb->state = NGX_TRV_REBUILD_IDLE;
        trv_writer_rebuild_abort(rb->replica);
        ngx_trv_rebuild_failed(rb);
        return NGX_OK;
    }

    rb->state = NGX_TRV_REBUILD_SYNC;
    ngx_trv_job_start(&rb->sync);

    return NGX_OK;
}


static void
ngx_trv_rebuild_sync_work(void *data)
{
    ngx_trv_rebuild_t  *rb = data;

    rb->rc = fsync(rb->fd) == 0 ? TRV_OK : TRV_ERROR;
    rb->err = rb->rc == TRV_OK ? 0 : ngx_errno;

    (void) close(rb->fd);
}


static void
ngx_trv_rebuild_sync_done(void *data)
{
    ngx_trv_rebuild_t    *rb = data;

    trv_replica_state_t   state;

    if (rb->stopped) {
        return;
    }

    rb->state = NGX_TRV_REBUILD_IDLE;

    if (rb->rc != TRV_OK
        || trv_writer_rebuild_switch(rb->replica) != TRV_OK)
    {
        rb->err = rb->err ? rb->err : ngx_errno;
        trv_writer_rebuild_abort(rb->replica);
        ngx_trv_rebuild_failed(rb);
        return;
    }

    ngx_trv_stats_add(rb->stats, NGX_TRV_STAT_REBUILDS, 1);
    trv_replica_state(rb->replica, &state);

    ngx_log_error(NGX_LOG_INFO, rb->log, 0,
                  "token revocation set \"%V\": table %uL is in force, "
                  "%uL entries in %uL bytes", rb->name, state.generation,
                  state.entries, state.bytes);

    rb->wake(rb->data);
}


/* the old table stays in force; tried again as long as it is needed */

static void
ngx_trv_rebuild_failed(ngx_trv_rebuild_t *rb)
{
    rb->retry = ngx_current_msec + NGX_TRV_REBUILD_RETRY;

    if (rb->failing) {
        return;
    }

    rb->failing = 1;
    ngx_log_error(NGX_LOG_CRIT, rb->log, rb->err,
                  "token revocation set \"%V\": cannot make table \"%s\" of "
                  "%uL slots, the old one stays in force", rb->name, rb->file,
                  rb->capacity);
}


void
ngx_trv_rebuild_stop(ngx_trv_rebuild_t *rb)
{
    if (rb->state == NGX_TRV_REBUILD_COPY
        || rb->state == NGX_TRV_REBUILD_SYNC)
    {
        trv_writer_rebuild_abort(rb->replica);
    }

    rb->stopped = 1;
    rb->state = NGX_TRV_REBUILD_IDLE;
}
