
/*
 * The counters of a set (ngx_trv_counters.h) in memory that all workers share
 * and that outlives a reload: one block a worker.
 *
 * nginx gives every child of a master a slot of its own (ngx_process_slot) and
 * hands it on only when the child is gone.  The block with the number of the
 * slot so has one writer at a time, whatever overlaps at a reload and whoever
 * is killed, and goes on from what the owner before has counted: blocks are
 * only added up, so nothing that was counted is lost.  Whoever answers reads
 * the blocks of all; nobody ever locks, or waits.
 */

#ifndef NGX_TRV_STATS_H
#define NGX_TRV_STATS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include <stdatomic.h>

#include "ngx_trv_counters.h"


/* a pair of cache lines: processors fetch them in pairs */
#define NGX_TRV_STATS_LINE  128


/* what the follower of this nginx knows; all 0 while there is none */
typedef enum {
    NGX_TRV_GAUGE_TAIL = 0,              /* link is ready; as trv_link_e */
    NGX_TRV_GAUGE_HEARTBEAT,
    NGX_TRV_GAUGE_FOLLOWED,              /* there is a follower */
    NGX_TRV_GAUGE_BEHIND_MS,             /* as in trv_follow_state_t */
    NGX_TRV_GAUGE_EVICTING,
    NGX_TRV_GAUGE_N
} ngx_trv_gauge_e;


typedef _Atomic(uint64_t)  ngx_trv_word_t;

typedef struct {
    ngx_trv_word_t           counters[NGX_TRV_STAT_N];
    ngx_trv_word_t           pid;        /* of the owner, 0: it has left */
    ngx_trv_word_t           linked;     /* its link for requests is ready */
} __attribute__((aligned(NGX_TRV_STATS_LINE)))  ngx_trv_stats_block_t;

typedef struct {
    ngx_trv_word_t           used;       /* blocks, from the first on */
    ngx_trv_word_t           gauges[NGX_TRV_GAUGE_N];
    trv_tries_t             *tries;      /* as many tables as blocks */
    trv_history_t            history;
    ngx_trv_word_t           sampled[TRV_HISTORY_N];     /* is in it */
    ngx_trv_stats_block_t    blocks[NGX_MAX_PROCESSES];
} ngx_trv_stats_shared_t;


typedef struct {
    ngx_trv_stats_shared_t  *shared;
    ngx_trv_stats_block_t   *own;        /* of this worker */
} ngx_trv_stats_t;


/*
 * Has the memory made at start, or taken over from before the reload if it is
 * of the same module.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_trv_stats_conf(ngx_conf_t *cf, ngx_trv_stats_t *st,
    ngx_str_t *name, void *tag);

void ngx_trv_stats_init_process(ngx_trv_stats_t *st);
void ngx_trv_stats_exit_process(ngx_trv_stats_t *st);


/* one writer: no other store can come in between */

static ngx_inline void
ngx_trv_stats_add(ngx_trv_stats_t *st, ngx_uint_t stat, uint64_t n)
{
    ngx_trv_word_t  *word;

    word = &st->own->counters[stat];

    atomic_store_explicit(word,
               atomic_load_explicit(word, memory_order_relaxed) + n,
               memory_order_relaxed);
}


static ngx_inline void
ngx_trv_stats_gauge_set(ngx_trv_stats_t *st, ngx_uint_t gauge, uint64_t value)
{
    atomic_store_explicit(&st->shared->gauges[gauge], value,
                          memory_order_relaxed);
}


static ngx_inline uint64_t
ngx_trv_stats_gauge(const ngx_trv_stats_t *st, ngx_uint_t gauge)
{
    return atomic_load_explicit(&st->shared->gauges[gauge],
                                memory_order_relaxed);
}


/* a call with this revoked token was seen by this worker */
void ngx_trv_stats_try(ngx_trv_stats_t *st, const trv_id_t *id);

/* what all workers have counted since the last time goes into the minute that
   it is: to be called once a second, by any of them */
void ngx_trv_stats_sample(ngx_trv_stats_t *st);

/* no follower any more */
void ngx_trv_stats_gauges_reset(ngx_trv_stats_t *st);

/* over all workers, those that are gone too */
void ngx_trv_stats_sum(const ngx_trv_stats_t *st,
    uint64_t sums[NGX_TRV_STAT_N]);

/* this worker's link for requests became ready, or was lost */
void ngx_trv_stats_linked_set(ngx_trv_stats_t *st, ngx_uint_t linked);

/* workers that have one now */
ngx_uint_t ngx_trv_stats_linked(const ngx_trv_stats_t *st);

/* the state of the follower, and what it has counted since `seen`, which is
   brought up to date */
void ngx_trv_stats_follow(ngx_trv_stats_t *st, trv_follow_t *f,
    trv_follow_counts_t *seen);


#endif /* NGX_TRV_STATS_H */
