
/*
 * witness FILE CPU
 *
 * Says when a CPU did not go on: on a virtual machine it stands still for
 * milliseconds, whenever its host has something else to do, and the clocks of
 * those who run on it go on.  A process of the highest priority is woken on it
 * every 0.2 ms; each time it comes late, that is a span in FILE (hold.h).
 *
 * What the kernel does for a process in one go makes it late, too: hold.c has
 * to leave that out.
 */

#define _GNU_SOURCE

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "clock.h"
#include "hold.h"


#define BENCH_PERIOD_NS  200000
#define BENCH_LATE_NS    50000


int
main(int argc, char **argv)
{
    uint64_t            due, now, n;
    cpu_set_t           cpu;
    bench_hold_t       *hold;
    struct timespec     ts;
    struct sched_param  param;

    hold = (argc == 3) ? bench_hold_map(argv[1]) : NULL;
    if (hold == NULL) {
        fprintf(stderr, "usage: witness FILE CPU\n");
        return 1;
    }

    CPU_ZERO(&cpu);
    CPU_SET(atoi(argv[2]), &cpu);

    param.sched_priority = sched_get_priority_max(SCHED_FIFO);

    if (sched_setaffinity(0, sizeof(cpu), &cpu) == -1
        || sched_setscheduler(0, SCHED_FIFO, &param) == -1)
    {
        perror("witness");
        return 1;
    }

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);     /* not longer than its bench */

    for ( ;; ) {
        due = bench_ns(CLOCK_MONOTONIC) + BENCH_PERIOD_NS;

        ts.tv_sec = due / 1000000000;
        ts.tv_nsec = due % 1000000000;
        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);

        now = bench_ns(CLOCK_MONOTONIC);

        if (now - due < BENCH_LATE_NS) {
            continue;
        }

        n = atomic_load_explicit(&hold->spans, memory_order_relaxed);
        hold->span[n % BENCH_SPANS].from = due;
        hold->span[n % BENCH_SPANS].to = now;
        atomic_store_explicit(&hold->spans, n + 1, memory_order_release);
    }
}
