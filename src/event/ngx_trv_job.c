
#include "ngx_trv_job.h"


static void ngx_trv_job_done_handler(ngx_event_t *ev);


#if (NGX_THREADS)

static ngx_str_t  ngx_trv_job_pool = ngx_string("default");


static void
ngx_trv_job_thread_handler(void *data, ngx_log_t *log)
{
    ngx_trv_job_t  **job = data;

    (*job)->work((*job)->data);
}

#endif


ngx_int_t
ngx_trv_job_conf(ngx_conf_t *cf)
{
#if (NGX_THREADS)
    if (ngx_thread_pool_add(cf, &ngx_trv_job_pool) == NULL) {
        return NGX_ERROR;
    }
#endif

    return NGX_OK;
}


ngx_int_t
ngx_trv_job_init(ngx_trv_job_t *job, ngx_cycle_t *cycle,
    void (*work)(void *data), void (*done)(void *data), void *data)
{
    ngx_memzero(job, sizeof(ngx_trv_job_t));

    job->work = work;
    job->done = done;
    job->data = data;

    job->event.data = job;
    job->event.handler = ngx_trv_job_done_handler;
    job->event.log = cycle->log;

#if (NGX_THREADS)
    job->thread_pool = ngx_thread_pool_get(cycle, &ngx_trv_job_pool);

    job->task = ngx_thread_task_alloc(cycle->pool, sizeof(ngx_trv_job_t *));
    if (job->task == NULL) {
        return NGX_ERROR;
    }

    *(ngx_trv_job_t **) job->task->ctx = job;

    job->task->handler = ngx_trv_job_thread_handler;
    job->task->event.data = job;
    job->task->event.handler = ngx_trv_job_done_handler;
    job->task->event.log = cycle->log;
#endif

    return NGX_OK;
}


void
ngx_trv_job_start(ngx_trv_job_t *job)
{
    job->running = 1;

#if (NGX_THREADS)
    if (job->thread_pool
        && ngx_thread_task_post(job->thread_pool, job->task) == NGX_OK)
    {
        return;
    }
#endif

    /* a full queue, or a worker without threads */

    job->work(job->data);

    ngx_post_event(&job->event, &ngx_posted_events);
}


static void
ngx_trv_job_done_handler(ngx_event_t *ev)
{
    ngx_trv_job_t  *job = ev->data;

    job->running = 0;
    job->done(job->data);
}
