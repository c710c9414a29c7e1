
#include "ngx_trv_rebuild.h"


#define NGX_TRV_REBUILD_RETRY  1000      /* ms after a disk that was full */
#define NGX_TRV_REBUILD_UNMAP  (8 * 1024 * 1024)     /* bytes, up to 1 ms */


static ngx_err_t ngx_trv_rebuild_create_work(void *data);
static void ngx_trv_rebuild_create_done(void *data, ngx_err_t err);
static void ngx_trv_rebuild_sync(ngx_trv_rebuild_t *rb);
static ngx_err_t ngx_trv_rebuild_sync_work(void *data);
static void ngx_trv_rebuild_sync_done(void *data, ngx_err_t err);
static void ngx_trv_rebuild_failed(ngx_trv_rebuild_t *rb, ngx_err_t err);


void
ngx_trv_rebuild_init(ngx_trv_rebuild_t *rb, ngx_cycle_t *cycle)
{
    ngx_trv_job_init(&rb->create, cycle->log, ngx_trv_rebuild_create_work,
                     ngx_trv_rebuild_create_done, rb);

    ngx_trv_job_init(&rb->sync, cycle->log, ngx_trv_rebuild_sync_work,
                     ngx_trv_rebuild_sync_done, rb);
}


void
ngx_trv_rebuild_check(ngx_trv_rebuild_t *rb, uint64_t want,
    uint16_t first_day)
{
    /* a child may still be at it for the writer that we were before */

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
        ngx_trv_rebuild_failed(rb, ngx_errno);
        return;
    }

    rb->state = NGX_TRV_REBUILD_CREATE;
    rb->create.fd = rb->dir;
    ngx_trv_job_start(&rb->create);
}


/* slow, that is: the worker maps it again */

static ngx_err_t
ngx_trv_rebuild_create_work(void *data)
{
    trv_table_t         table;
    ngx_trv_rebuild_t  *rb = data;

    if (trv_table_create(&table, rb->dir, rb->file, rb->generation,
                         rb->capacity)
        != TRV_OK)
    {
        return ngx_errno;
    }

    trv_table_close(&table);

    return 0;
}


static void
ngx_trv_rebuild_create_done(void *data, ngx_err_t err)
{
    trv_table_t         table;
    ngx_trv_rebuild_t  *rb = data;

    if (rb->stopped) {

        /* the file is removed by the next writer: it may be one of another
           process already */

        (void) close(rb->dir);
        return;
    }

    ngx_set_errno(EIO);              /* for a file that is not the one */

    if (err == 0
        && trv_table_open(&table, rb->dir, rb->file, rb->generation, true)
           != TRV_OK)
    {
        err = ngx_errno;
    }

    /* a child that was killed leaves its file; EEXIST: that of somebody else */

    if (err && err != NGX_EEXIST) {
        (void) unlinkat(rb->dir, rb->file, 0);
    }

    (void) close(rb->dir);

    if (err) {
        rb->state = NGX_TRV_REBUILD_IDLE;
        ngx_trv_rebuild_failed(rb, err);
        return;
    }

    rb->failing = 0;
    rb->state = NGX_TRV_REBUILD_COPY;

    trv_writer_rebuild_start(rb->replica, &table, rb->first_day);
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
        ngx_trv_rebuild_sync(rb);
        return NGX_OK;

    default:                             /* outgrown meanwhile */
        trv_writer_rebuild_abort(rb->replica);
        rb->state = NGX_TRV_REBUILD_IDLE;
        return NGX_AGAIN;
    }
}


/*
 * The child has the table mapped that is to be replaced.  It is the last one
 * that has when it leaves behind all workers, and then the kernel's work of
 * dropping the pages falls to it.
 */

static void
ngx_trv_rebuild_sync(ngx_trv_rebuild_t *rb)
{
    trv_replica_state_t  state;

    trv_replica_state(rb->replica, &state);

    rb->sync.fd = trv_writer_rebuild_table(rb->replica)->fd;
    rb->sync.linger = 5 + state.bytes / NGX_TRV_REBUILD_UNMAP / 10;

    rb->state = NGX_TRV_REBUILD_SYNC;
    ngx_trv_job_start(&rb->sync);
}


static ngx_err_t
ngx_trv_rebuild_sync_work(void *data)
{
    ngx_trv_rebuild_t  *rb = data;

    return trv_table_sync(trv_writer_rebuild_table(rb->replica)) == TRV_OK
           ? 0 : ngx_errno;
}


static void
ngx_trv_rebuild_sync_done(void *data, ngx_err_t err)
{
    ngx_trv_rebuild_t    *rb = data;

    trv_replica_state_t   state;

    if (rb->stopped) {
        return;
    }

    rb->state = NGX_TRV_REBUILD_IDLE;

    if (err == 0 && trv_writer_rebuild_switch(rb->replica) != TRV_OK) {
        err = ngx_errno;
    }

    if (err) {
        trv_writer_rebuild_abort(rb->replica);
        ngx_trv_rebuild_failed(rb, err);
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
ngx_trv_rebuild_failed(ngx_trv_rebuild_t *rb, ngx_err_t err)
{
    rb->retry = ngx_current_msec + NGX_TRV_REBUILD_RETRY;

    if (rb->failing) {
        return;
    }

    rb->failing = 1;
    ngx_log_error(NGX_LOG_CRIT, rb->log, err,
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


void
ngx_trv_rebuild_unmap(trv_table_t *t)
{
    (void) trv_table_unmap(t, NGX_TRV_REBUILD_UNMAP);
}
