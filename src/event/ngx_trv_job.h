
/*
 * A slow operation on files, done in a thread of nginx's pool "default" so
 * that the event loop goes on.  Where nginx has no threads it is done at once.
 */

#ifndef NGX_TRV_JOB_H
#define NGX_TRV_JOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif


typedef struct {
    void                (*work)(void *data);     /* in a thread: no nginx */
    void                (*done)(void *data);     /* on the event loop */
    void                 *data;
    ngx_uint_t            running;       /* until done has been called */

#if (NGX_THREADS)
    ngx_thread_pool_t    *thread_pool;
    ngx_thread_task_t    *task;
#endif
    ngx_event_t           event;         /* done, where there is no thread */
} ngx_trv_job_t;


/* has the pool made at configuration; NGX_OK or NGX_ERROR */
ngx_int_t ngx_trv_job_conf(ngx_conf_t *cf);

/* in a worker; the job may be started again and again, one run at a time */
ngx_int_t ngx_trv_job_init(ngx_trv_job_t *job, ngx_cycle_t *cycle,
    void (*work)(void *data), void (*done)(void *data), void *data);

void ngx_trv_job_start(ngx_trv_job_t *job);


#endif /* NGX_TRV_JOB_H */
