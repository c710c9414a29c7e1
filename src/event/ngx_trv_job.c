
#include "ngx_trv_job.h"

#include <sys/syscall.h>

#if (NGX_LINUX)
#include <sys/prctl.h>
#endif


#define NGX_TRV_JOB_WAIT_MAX  20         /* ms between looks for the result */
#define NGX_TRV_JOB_NICE      5


static ngx_int_t ngx_trv_job_fork(ngx_trv_job_t *job);
static void ngx_trv_job_child(ngx_trv_job_t *job, int result);
static void ngx_trv_job_close(unsigned first, unsigned last);
static void ngx_trv_job_make_way(void);
static void ngx_trv_job_handler(ngx_event_t *ev);


void
ngx_trv_job_init(ngx_trv_job_t *job, ngx_log_t *log,
    ngx_err_t (*work)(void *data), void (*done)(void *data, ngx_err_t err),
    void *data)
{
    ngx_memzero(job, sizeof(ngx_trv_job_t));

    job->work = work;
    job->done = done;
    job->data = data;
    job->fd = -1;

    job->event.data = job;
    job->event.handler = ngx_trv_job_handler;
    job->event.log = log;
    job->event.cancelable = 1;
}


void
ngx_trv_job_start(ngx_trv_job_t *job)
{
    job->running = 1;

    if (ngx_trv_job_fork(job) == NGX_OK) {
        job->wait = 1;
        ngx_add_timer(&job->event, job->wait);
        return;
    }

    job->result = -1;
    job->err = job->work(job->data);

    ngx_post_event(&job->event, &ngx_posted_events);
}


static ngx_int_t
ngx_trv_job_fork(ngx_trv_job_t *job)
{
    int    result[2];
    pid_t  parent;

    if (pipe2(result, O_CLOEXEC|O_NONBLOCK) == -1) {
        return NGX_ERROR;
    }

    parent = ngx_pid;

    switch (fork()) {

    case -1:
        (void) close(result[0]);
        (void) close(result[1]);
        return NGX_ERROR;

    case 0:
#if (NGX_LINUX)
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif

        if (getppid() == parent) {
            ngx_trv_job_child(job, result[1]);
        }

        _exit(0);

    default:
        (void) close(result[1]);
        job->result = result[0];
        return NGX_OK;
    }
}


static void
ngx_trv_job_child(ngx_trv_job_t *job, int result)
{
    int        low, high;
    ngx_err_t  err;

    /* a connection that the worker closes is to be closed for its client */

    low = ngx_min(job->fd, result);
    high = ngx_max(job->fd, result);

    if (low > STDERR_FILENO) {
        ngx_trv_job_close(STDERR_FILENO + 1, low - 1);
    }

    ngx_trv_job_close(ngx_max(low, STDERR_FILENO) + 1, high - 1);
    ngx_trv_job_close(high + 1, (unsigned) -1);

    (void) signal(SIGINT, SIG_DFL);
    (void) signal(SIGTERM, SIG_DFL);
    (void) signal(SIGQUIT, SIG_DFL);

    ngx_trv_job_make_way();

    ngx_setproctitle("token revocation job");

    err = job->work(job->data);

    if (write(result, &err, sizeof(ngx_err_t)) == sizeof(ngx_err_t)) {
        (void) close(result);
        (void) sleep(job->linger);
    }
}


/* descriptors from the first to the last one */

static void
ngx_trv_job_close(unsigned first, unsigned last)
{
    long  n;

    if (first > last) {
        return;
    }

#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0) {
        return;
    }
#endif

    n = sysconf(_SC_OPEN_MAX);

    for ( /* void */ ; first <= last && (long) first < n; first++) {
        (void) close((int) first);
    }
}


/*
 * worker_cpu_affinity is of workers: like nginx' cache manager it goes where
 * the master may.  On the CPU of the worker that comes first, but this has to
 * get on while that is busy: about a quarter.
 */

static void
ngx_trv_job_make_way(void)
{
#if (NGX_HAVE_SCHED_SETAFFINITY)
    cpu_set_t  cpus;

    if (sched_getaffinity(ngx_parent, sizeof(cpu_set_t), &cpus) == 0) {
        (void) sched_setaffinity(0, sizeof(cpu_set_t), &cpus);
    }
#endif

    (void) setpriority(PRIO_PROCESS, 0, NGX_TRV_JOB_NICE);
}


static void
ngx_trv_job_handler(ngx_event_t *ev)
{
    ssize_t         n;
    ngx_trv_job_t  *job = ev->data;

    if (job->result != -1) {
        n = read(job->result, &job->err, sizeof(ngx_err_t));

        if (n == -1 && (ngx_errno == NGX_EAGAIN || ngx_errno == NGX_EINTR)) {
            job->wait = ngx_min(job->wait * 2, NGX_TRV_JOB_WAIT_MAX);
            ngx_add_timer(ev, job->wait);
            return;
        }

        if (n != sizeof(ngx_err_t)) {
            job->err = ECHILD;
        }

        (void) close(job->result);
    }

    job->running = 0;
    job->done(job->data, job->err);
}
