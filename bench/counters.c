
/*
 * Counting by many workers at once: what is run for each call
 * (ngx_trv_stats_add) in the memory that it counts in (one block a worker).
 * Beside it the same code in words that are neighbours, so that it shows what
 * workers that share a line of the cache would do to each other here.
 *
 *     counters WORKERS ...
 *
 * A worker is a thread, to a cache that is the same; they take turns on the
 * CPUs that there are.
 */

#define _GNU_SOURCE

#include <ngx_config.h>
#include <ngx_core.h>

#include <pthread.h>
#include <sched.h>

#include "clock.h"
#include "ngx_trv_stats.h"


#define BENCH_COUNTS   10000000          /* of a worker in a round */
#define BENCH_ROUNDS   7
#define BENCH_WORKERS  64


_Static_assert(sizeof(ngx_trv_stats_block_t) % NGX_TRV_STATS_LINE == 0,
               "a block ends where a line does");

typedef struct {
    ngx_trv_stats_t  stats;
    unsigned         cpu;
    double           ns;                 /* CPU time of a count */
} bench_worker_t;


static pthread_barrier_t       bench_barrier;
static ngx_trv_stats_shared_t  bench_shared;
static ngx_trv_word_t          bench_words[BENCH_WORKERS]
                                   __attribute__((aligned(NGX_TRV_STATS_LINE)));


static void
bench_fail(const char *what)
{
    perror(what);
    exit(1);
}


static void *
bench_run(void *data)
{
    bench_worker_t  *w = data;

    unsigned   i;
    uint64_t   begin;
    cpu_set_t  set;

    CPU_ZERO(&set);
    CPU_SET(w->cpu, &set);

    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
        bench_fail("pthread_setaffinity_np");
    }

    pthread_barrier_wait(&bench_barrier);

    begin = bench_ns(CLOCK_THREAD_CPUTIME_ID);

    for (i = 0; i < BENCH_COUNTS; i++) {
        ngx_trv_stats_add(&w->stats, NGX_TRV_STAT_CALLS, 1);
    }

    w->ns = (double) (bench_ns(CLOCK_THREAD_CPUTIME_ID) - begin)
            / BENCH_COUNTS;

    return NULL;
}


/* nanoseconds of CPU that a count takes, in the mean of all workers */

static double
bench_round(unsigned workers, int packed)
{
    double          ns;
    unsigned        i;
    pthread_t       threads[BENCH_WORKERS];
    bench_worker_t  w[BENCH_WORKERS];

    pthread_barrier_init(&bench_barrier, NULL, workers);

    for (i = 0; i < workers; i++) {
        w[i].cpu = i % (unsigned) sysconf(_SC_NPROCESSORS_ONLN);
        w[i].stats.shared = &bench_shared;
        w[i].stats.own = packed
                         ? (ngx_trv_stats_block_t *) &bench_words[i]
                         : &bench_shared.blocks[i];

        atomic_store(&w[i].stats.own->counters[NGX_TRV_STAT_CALLS], 0);
    }

    for (i = 0; i < workers; i++) {
        if (pthread_create(&threads[i], NULL, bench_run, &w[i]) != 0) {
            bench_fail("pthread_create");
        }
    }

    for (ns = 0, i = 0; i < workers; i++) {
        pthread_join(threads[i], NULL);
        ns += w[i].ns / workers;

        if (atomic_load(&w[i].stats.own->counters[NGX_TRV_STAT_CALLS])
            != BENCH_COUNTS)
        {
            fputs("a count was lost\n", stderr);
            exit(1);
        }
    }

    pthread_barrier_destroy(&bench_barrier);

    return ns;
}


static int
bench_compare(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
bench_cell(double ns[BENCH_ROUNDS])
{
    qsort(ns, BENCH_ROUNDS, sizeof(double), bench_compare);

    printf(" %.2f (%.2f - %.2f) |", ns[BENCH_ROUNDS / 2], ns[0],
           ns[BENCH_ROUNDS - 1]);
}


int
main(int argc, char **argv)
{
    int       i;
    double    blocks[BENCH_ROUNDS], words[BENCH_ROUNDS];
    unsigned  round, workers;

    puts("| workers | a block each, ns a count | neighbouring words |\n"
         "| --- | --: | --: |");

    for (i = 1; i < argc; i++) {
        workers = (unsigned) atoi(argv[i]);

        if (workers < 1 || workers > BENCH_WORKERS) {
            return 2;
        }

        for (round = 0; round < BENCH_ROUNDS; round++) {
            blocks[round] = bench_round(workers, 0);
            words[round] = bench_round(workers, 1);
        }

        printf("| %u |", workers);
        bench_cell(blocks);
        bench_cell(words);
        putchar('\n');
    }

    return 0;
}
