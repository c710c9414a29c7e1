
/*
 * A slow operation on files, done by a child process so that the event loop
 * goes on.  Not by a thread: in a process that ever had a second one, glibc's
 * allocator and system calls lock, which costs each call of the worker 0.2 to
 * 0.3 us from then on.
 */

#ifndef NGX_TRV_JOB_H
#define NGX_TRV_JOB_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct {
    /*
     * In the child, which has the memory of the worker as it was at the start
     * and no descriptor but fd: 0 or errno.  Nothing of nginx may be called.
     */
    ngx_err_t           (*work)(void *data);
    void                (*done)(void *data, ngx_err_t err);      /* here */
    void                 *data;

    int                   fd;            /* what work needs, or -1 */
    ngx_uint_t            linger;        /* seconds: the child stays so long
                                            behind its work, and with it what
                                            was mapped at the start */
    ngx_uint_t            running;       /* until done is called */

    ngx_event_t           event;         /* a cancelable timer */
    ngx_msec_t            wait;          /* for the next look */
    int                   result;        /* a pipe, -1: err is known */
    ngx_err_t             err;
} ngx_trv_job_t;


/* in a worker; the job may be started again and again, one run at a time */
void ngx_trv_job_init(ngx_trv_job_t *job, ngx_log_t *log,
    ngx_err_t (*work)(void *data), void (*done)(void *data, ngx_err_t err),
    void *data);

/*
 * fd and linger may have been set.  Where no child can be had, the work is done
 * at once; done is called by the event loop in any case.  A child that ends
 * without an answer: ECHILD.
 */
void ngx_trv_job_start(ngx_trv_job_t *job);


#endif /* NGX_TRV_JOB_H */
