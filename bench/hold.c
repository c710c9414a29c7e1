
/*
 * LD_PRELOAD for nginx: how long a worker stays away from epoll_wait(), that
 * is, how long its event loop is held.  BENCH_HOLD names the file that says
 * so: 64-bit words, the turns so far, the longest by the clock, the longest by
 * CPU time of the worker, nanoseconds, and how many took more than 2 ms of
 * CPU.  Writing zeros begins anew.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"


#define BENCH_LONG_NS  2000000


static volatile uint64_t  *bench_words;
static uint64_t            bench_wall, bench_cpu;
static int               (*bench_wait)(int, struct epoll_event *, int, int);


__attribute__((constructor)) static void
bench_hold_init(void)
{
    int  fd;

    bench_wait = dlsym(RTLD_NEXT, "epoll_wait");

    fd = getenv("BENCH_HOLD") ? open(getenv("BENCH_HOLD"), O_RDWR) : -1;

    if (fd != -1) {
        bench_words = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
}


uint64_t
bench_turn_cpu(void)
{
    return bench_ns(CLOCK_THREAD_CPUTIME_ID) - bench_cpu;
}


static void
bench_longest(volatile uint64_t *word, uint64_t ns)
{
    if (ns > *word) {
        *word = ns;
    }
}


int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    int       rc;
    uint64_t  cpu;

    /* nginx tries epoll out as it starts: no turn of its event loop */

    if (n == 1) {
        return bench_wait(fd, events, n, timeout);
    }

    if (bench_words && bench_wall) {
        cpu = bench_turn_cpu();

        bench_words[0]++;
        bench_longest(&bench_words[1], bench_ns(CLOCK_MONOTONIC) - bench_wall);
        bench_longest(&bench_words[2], cpu);
        bench_words[3] += (cpu > BENCH_LONG_NS);
    }

    rc = bench_wait(fd, events, n, timeout);

    bench_wall = bench_ns(CLOCK_MONOTONIC);
    bench_cpu = bench_ns(CLOCK_THREAD_CPUTIME_ID);

    return rc;
}
