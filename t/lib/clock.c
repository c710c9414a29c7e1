
/*
 * Clocks that are ahead, for LD_PRELOAD: CLOCK_FILE holds two numbers of eight
 * bytes, the seconds that the wall clock and the monotonic clock are ahead,
 * and may change while the process runs.  libfaketime cannot be used with
 * Redis: jemalloc asks for the time before it is ready.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static volatile int64_t  *clock_ahead;


__attribute__((constructor))
static void
clock_open(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("CLOCK_FILE");
    fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    (void) close(fd);

    if (p != MAP_FAILED) {
        clock_ahead = p;
    }
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int  rc;

    rc = syscall(SYS_clock_gettime, id, ts);

    if (rc != 0 || clock_ahead == NULL) {
        return rc;
    }

    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        ts->tv_sec += clock_ahead[0];

    } else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE) {
        ts->tv_sec += clock_ahead[1];
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
