
/*
 * LD_PRELOAD for nginx: how long a worker stays away from epoll_wait(), that
 * is, how long its event loop is held.  BENCH_HOLD names the file that says so
 * (hold.h).
 *
 * Spans in which the CPU did not go on (witness.c) are no time of the worker.
 * The kernel makes the witness late by itself, too, if it works for long in one
 * go.  So what a worker asks it for that may be long is never left out: new
 * processes, memory, what changes or frees files.  The rest are a few
 * microseconds each, of every call of any nginx.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "clock.h"
#include "hold.h"


#define BENCH_LONG_NS  2000000
#define BENCH_LOOK_NS  500000            /* turns worth a look at the spans */
#define BENCH_OWN_NS   20000             /* calls worth a note */
#define BENCH_OWN      64
#define BENCH_BLOCK    (64 * 1024)       /* bytes */


static bench_hold_t  *bench_hold;
static uint64_t       bench_wall, bench_cpu;     /* when the turn began */
static bench_span_t   bench_own[BENCH_OWN];      /* calls of this turn */
static unsigned       bench_owns;
static int          (*bench_wait)(int, struct epoll_event *, int, int);


/* a function of libc, and the call of the one behind it, with a look at time */

#define bench_wrap(type, name, params, args)                                  \
                                                                              \
type                                                                          \
name params                                                                   \
{                                                                             \
    type          rc;                                                         \
    uint64_t      from;                                                       \
    static type (*behind) params;                                             \
                                                                              \
    if (behind == NULL) {                                                     \
        behind = dlsym(RTLD_NEXT, #name);                                     \
    }                                                                         \
                                                                              \
    from = bench_ns(CLOCK_MONOTONIC);                                         \
    rc = behind args;                                                         \
    bench_own_add(from);                                                      \
                                                                              \
    return rc;                                                                \
}


__attribute__((constructor)) static void
bench_hold_init(void)
{
    bench_wait = dlsym(RTLD_NEXT, "epoll_wait");

    if (getenv("BENCH_HOLD")) {
        bench_hold = bench_hold_map(getenv("BENCH_HOLD"));
    }
}


/* for the probe in the handler: of this turn so far */

uint64_t
bench_turn_cpu(void)
{
    return bench_ns(CLOCK_THREAD_CPUTIME_ID) - bench_cpu;
}


static void
bench_own_add(uint64_t from)
{
    uint64_t  now;

    now = bench_ns(CLOCK_MONOTONIC);

    if (now - from >= BENCH_OWN_NS && bench_owns < BENCH_OWN) {
        bench_own[bench_owns].from = from;
        bench_own[bench_owns++].to = now;
    }
}


bench_wrap(pid_t, fork, (void), ())
bench_wrap(void *, mmap64, (void *p, size_t len, int prot, int flags, int fd,
                            off64_t at), (p, len, prot, flags, fd, at))
bench_wrap(void *, mmap, (void *p, size_t len, int prot, int flags, int fd,
                          off_t at), (p, len, prot, flags, fd, at))
bench_wrap(int, munmap, (void *p, size_t len), (p, len))
bench_wrap(int, madvise, (void *p, size_t len, int advice), (p, len, advice))
bench_wrap(int, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len))
bench_wrap(int, fsync, (int fd), (fd))
bench_wrap(int, close, (int fd), (fd))
bench_wrap(ssize_t, write, (int fd, const void *p, size_t len), (fd, p, len))
bench_wrap(int, unlinkat, (int fd, const char *name, int flags),
           (fd, name, flags))
bench_wrap(int, renameat, (int fd, const char *name, int to_fd,
                           const char *to), (fd, name, to_fd, to))

/*
 * Blocks that are mapped and unmapped, inside libc.  dlsym() itself may need
 * these functions.
 */

void *__libc_malloc(size_t len);
void *__libc_realloc(void *p, size_t len);
void __libc_free(void *p);


void *
malloc(size_t len)
{
    void      *p;
    uint64_t   from;

    if (len < BENCH_BLOCK) {
        return __libc_malloc(len);
    }

    from = bench_ns(CLOCK_MONOTONIC);
    p = __libc_malloc(len);
    bench_own_add(from);

    return p;
}


void *
realloc(void *old, size_t len)
{
    void      *p;
    uint64_t   from;

    if (len < BENCH_BLOCK) {
        return __libc_realloc(old, len);
    }

    from = bench_ns(CLOCK_MONOTONIC);
    p = __libc_realloc(old, len);
    bench_own_add(from);

    return p;
}


void
free(void *p)
{
    uint64_t  from;

    if (malloc_usable_size(p) < BENCH_BLOCK) {
        __libc_free(p);
        return;
    }

    from = bench_ns(CLOCK_MONOTONIC);
    __libc_free(p);
    bench_own_add(from);
}


/* nanoseconds that two spans have in common */

static uint64_t
bench_common(bench_span_t a, bench_span_t b)
{
    uint64_t  from, to;

    from = (a.from > b.from) ? a.from : b.from;
    to = (a.to < b.to) ? a.to : b.to;

    return (to > from) ? to - from : 0;
}


/* of a turn: ns in which the CPU did not go on, without calls that were long */

static uint64_t
bench_stood(bench_span_t turn)
{
    uint64_t      n, common, stood;
    unsigned      i, k;
    bench_span_t  span;

    if (bench_owns == BENCH_OWN) {
        return 0;                        /* there may have been more */
    }

    stood = 0;
    n = atomic_load_explicit(&bench_hold->spans, memory_order_acquire);

    for (k = 1; k <= BENCH_SPANS / 2 && k <= n; k++) {
        span = bench_hold->span[(n - k) % BENCH_SPANS];

        if (span.to <= turn.from) {
            break;
        }

        common = bench_common(span, turn);

        for (i = 0; i < bench_owns && common; i++) {
            if (bench_common(span, bench_own[i])) {
                common = 0;
            }
        }

        stood += common;
    }

    return stood;
}


static void
bench_longest(uint64_t *word, uint64_t ns)
{
    if (ns > *word) {
        *word = ns;
    }
}


static void
bench_turn(void)
{
    uint64_t      wall, cpu, held;
    bench_span_t  turn;

    turn.from = bench_wall;
    turn.to = bench_ns(CLOCK_MONOTONIC);

    wall = turn.to - turn.from;
    cpu = bench_turn_cpu();

    held = (cpu > BENCH_LOOK_NS) ? wall - bench_stood(turn) : cpu;

    if (held > cpu) {
        held = cpu;                      /* others were on the CPU, too */
    }

    bench_hold->turns++;
    bench_longest(&bench_hold->wall, wall);
    bench_longest(&bench_hold->cpu, cpu);
    bench_longest(&bench_hold->held, held);
    bench_hold->cpu_long += (cpu > BENCH_LONG_NS);
    bench_hold->held_long += (held > BENCH_LONG_NS);
}


int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    int  rc;

    /* nginx tries epoll out as it starts: no turn of its event loop */

    if (n == 1) {
        return bench_wait(fd, events, n, timeout);
    }

    if (bench_hold && bench_wall) {
        bench_turn();
    }

    rc = bench_wait(fd, events, n, timeout);

    bench_owns = 0;
    bench_wall = bench_ns(CLOCK_MONOTONIC);
    bench_cpu = bench_ns(CLOCK_THREAD_CPUTIME_ID);

    return rc;
}
