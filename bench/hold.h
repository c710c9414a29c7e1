
/*
 * What hold.c, in a worker, and witness.c, beside it on the same CPU, say in a
 * file that both have mapped.
 */

#ifndef BENCH_HOLD_H
#define BENCH_HOLD_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>


#define BENCH_SPANS  65536               /* the last ones; some seconds */


/* nanoseconds of CLOCK_MONOTONIC */
typedef struct {
    uint64_t            from;
    uint64_t            to;
} bench_span_t;

typedef struct {

    /* of the worker: writing zeros begins anew */

    uint64_t            turns;
    uint64_t            wall;            /* the longest, ns by the clock */
    uint64_t            cpu;             /* ns of CPU */
    uint64_t            held;            /* without the spans below */
    uint64_t            cpu_long;        /* turns with more than 2 ms of it */
    uint64_t            held_long;

    /* in which not even the highest priority got the CPU */

    _Atomic(uint64_t)   spans;           /* ever */
    bench_span_t        span[BENCH_SPANS];
} bench_hold_t;


/* NULL: there is no such file */
static inline bench_hold_t *
bench_hold_map(const char *name)
{
    int    fd;
    void  *p;

    fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd == -1) {
        return NULL;
    }

    p = mmap(NULL, sizeof(bench_hold_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd,
             0);
    close(fd);

    return (p == MAP_FAILED) ? NULL : p;
}


#endif /* BENCH_HOLD_H */
