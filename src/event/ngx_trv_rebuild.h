
/*
 * Runs a rebuild of the table (trv_writer.h) on the event loop: the file is
 * made and written to the disk by a child, the entries are copied in slices.
 */

#ifndef NGX_TRV_REBUILD_H
#define NGX_TRV_REBUILD_H

#include "ngx_trv_job.h"
#include "ngx_trv_stats.h"
#include "trv_writer.h"


typedef enum {
    NGX_TRV_REBUILD_IDLE = 0,
    NGX_TRV_REBUILD_CREATE,              /* by a child */
    NGX_TRV_REBUILD_COPY,
    NGX_TRV_REBUILD_SYNC                 /* by a child */
} ngx_trv_rebuild_state_e;


typedef struct {
    trv_replica_t            *replica;
    ngx_trv_rebuild_state_e   state;
    ngx_trv_job_t             create;
    ngx_trv_job_t             sync;
    ngx_log_t                *log;
    ngx_str_t                *name;      /* of the set, for messages */
    ngx_trv_stats_t          *stats;
    void                    (*wake)(void *data);         /* work can go on */
    void                     *data;

    int                       dir;       /* while the file is made */
    char                      file[TRV_TABLE_NAME_LEN];
    uint64_t                  capacity;
    uint64_t                  generation;

    uint16_t                  first_day;
    ngx_msec_t                retry;     /* not before */
    unsigned                  stopped:1; /* the lock was given up meanwhile */
    unsigned                  failing:1; /* said already */
} ngx_trv_rebuild_t;


/* once per worker */
void ngx_trv_rebuild_init(ngx_trv_rebuild_t *rb, ngx_cycle_t *cycle);

/* starts one if needed; want, first_day: see trv_writer_rebuild_needed() */
void ngx_trv_rebuild_check(ngx_trv_rebuild_t *rb, uint64_t want,
    uint16_t first_day);

/* copies at most n slots: NGX_AGAIN: more to copy now, NGX_OK: nothing to do */
ngx_int_t ngx_trv_rebuild_work(ngx_trv_rebuild_t *rb, size_t n);

/* the lock is about to be given up: drops what is under way */
void ngx_trv_rebuild_stop(ngx_trv_rebuild_t *rb);

/* a step of unmapping a table that was in force; to be called 20 times a second
   until its head is NULL */
void ngx_trv_rebuild_unmap(trv_table_t *t);


#endif /* NGX_TRV_REBUILD_H */
