
#include <ngx_core.h>
#include <signal.h>
#include <openssl/rand.h>

#include "ngx_trv_stats.h"


static ngx_int_t ngx_trv_stats_zone_init(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_trv_stats_shared_init(ngx_trv_stats_t *st,
    ngx_shm_zone_t *zone);
static uint64_t ngx_trv_stats_of_history(const uint64_t sums[NGX_TRV_STAT_N],
    ngx_uint_t what);
static void *ngx_trv_stats_alloc(ngx_slab_pool_t *pool, size_t size);
static ngx_uint_t ngx_trv_stats_alive(uint64_t pid);


ngx_int_t
ngx_trv_stats_conf(ngx_conf_t *cf, ngx_trv_stats_t *st, ngx_str_t *name,
    void *tag)
{
    size_t           size;
    ngx_str_t        zone_name;
    ngx_shm_zone_t  *zone;

    /* a ":" cannot be in the name of a zone that somebody else configures */

    zone_name.len = sizeof("token_revoke:") - 1 + name->len;
    zone_name.data = ngx_pnalloc(cf->pool, zone_name.len + 1);
    if (zone_name.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(zone_name.data, "token_revoke:%V%Z", name);

    /* nginx makes a slab pool of every zone: it takes two pages per hundred */

    size = ngx_align(sizeof(ngx_trv_stats_shared_t), ngx_pagesize)
           + ngx_align(trv_tries_size(NGX_MAX_PROCESSES), ngx_pagesize);
    size += size / 50 + 16 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &zone_name, size, tag);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_trv_stats_zone_init;
    zone->data = st;

    return NGX_OK;
}


/*
 * nginx keeps a zone over a reload only if size and tag are the same.  The tag
 * is an address in the module: another version of it, with other counters, is
 * at another one while both are loaded.
 */

static ngx_int_t
ngx_trv_stats_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_trv_stats_t  *st, *old;

    old = data;
    st = zone->data;

    if (old) {
        st->shared = old->shared;

    } else if (ngx_trv_stats_shared_init(st, zone) != NGX_OK) {
        return NGX_ERROR;
    }

    /* where no worker process is started: the slot is the first one */

    st->own = &st->shared->blocks[0];

    return NGX_OK;
}


static ngx_int_t
ngx_trv_stats_shared_init(ngx_trv_stats_t *st, ngx_shm_zone_t *zone)
{
    uint64_t          epoch;
    trv_tries_t      *tries;
    ngx_slab_pool_t  *pool;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    st->shared = ngx_trv_stats_alloc(pool, sizeof(ngx_trv_stats_shared_t));
    tries = ngx_trv_stats_alloc(pool, trv_tries_size(NGX_MAX_PROCESSES));

    if (st->shared == NULL || tries == NULL
        || RAND_bytes((u_char *) &epoch, sizeof(epoch)) != 1)
    {
        return NGX_ERROR;
    }

    trv_tries_init(tries, NGX_MAX_PROCESSES, epoch);
    st->shared->tries = tries;

    trv_history_init(&st->shared->history, epoch,
                     (uint64_t) ngx_time() * 1000, ngx_current_msec);

    return NGX_OK;
}


/*
 * Several pages are aligned to a page.  They come zeroed, and most of them are
 * never touched: there is room for more workers than one ever has.
 */

static void *
ngx_trv_stats_alloc(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_slab_alloc_locked(pool, size);

#if (NGX_DEBUG_MALLOC)
    if (p) {
        ngx_memzero(p, size);
    }
#endif

    return p;
}


void
ngx_trv_stats_init_process(ngx_trv_stats_t *st)
{
    uint64_t  used, want;

    st->own = &st->shared->blocks[ngx_process_slot];

    atomic_store(&st->own->linked, 0);
    atomic_store(&st->own->pid, (uint64_t) ngx_pid);

    trv_tries_open(st->shared->tries, ngx_process_slot);

    want = (uint64_t) ngx_process_slot + 1;
    used = atomic_load(&st->shared->used);

    while (used < want
           && !atomic_compare_exchange_weak(&st->shared->used, &used, want))
    {
        /* used has been loaded anew */
    }
}


void
ngx_trv_stats_exit_process(ngx_trv_stats_t *st)
{
    atomic_store(&st->own->linked, 0);
    atomic_store(&st->own->pid, 0);
}


void
ngx_trv_stats_try(ngx_trv_stats_t *st, const trv_id_t *id)
{
    if (trv_tries_add(st->shared->tries, st->own - st->shared->blocks, id,
                      ngx_current_msec)
        != TRV_OK)
    {
        ngx_trv_stats_add(st, NGX_TRV_STAT_TRIES_DROPPED, 1);
    }
}


/* whoever moves `sampled` on has that much to add; sums only grow */

void
ngx_trv_stats_sample(ngx_trv_stats_t *st)
{
    uint64_t         now, before, minute, sums[NGX_TRV_STAT_N];
    ngx_uint_t       i;
    trv_history_t   *history;
    ngx_trv_word_t  *sampled;

    history = &st->shared->history;
    minute = trv_history_minute(history, ngx_current_msec);

    ngx_trv_stats_sum(st, sums);

    for (i = 0; i < TRV_HISTORY_N; i++) {
        sampled = &st->shared->sampled[i];

        now = ngx_trv_stats_of_history(sums, i);
        before = atomic_load(sampled);

        while (before < now) {
            if (atomic_compare_exchange_weak(sampled, &before, now)) {
                trv_history_add(history, minute, i, now - before);
                break;
            }
        }
    }
}


static uint64_t
ngx_trv_stats_of_history(const uint64_t sums[NGX_TRV_STAT_N], ngx_uint_t what)
{
    uint64_t    sum;
    ngx_uint_t  stat;

    static const ngx_uint_t  actions[TRV_HISTORY_DELAYS] = {
        NGX_TRV_ACTION_PASSED, NGX_TRV_ACTION_REFUSED, NGX_TRV_ACTION_DRY_RUN
    };

    if (what >= TRV_HISTORY_DELAYS) {
        return sums[NGX_TRV_STAT_DELAYS + what - TRV_HISTORY_DELAYS];
    }

    sum = 0;

    for (stat = NGX_TRV_STAT_CALLS + actions[what];
         stat <= NGX_TRV_STAT_CALLS_LAST;
         stat += NGX_TRV_STATS_ACTIONS)  /* that of each verdict */
    {
        sum += sums[stat];
    }

    return sum;
}


void
ngx_trv_stats_gauges_reset(ngx_trv_stats_t *st)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_TRV_GAUGE_N; i++) {
        ngx_trv_stats_gauge_set(st, i, 0);
    }
}


void
ngx_trv_stats_sum(const ngx_trv_stats_t *st, uint64_t sums[NGX_TRV_STAT_N])
{
    uint64_t                      i, used;
    ngx_uint_t                    n;
    const ngx_trv_stats_block_t  *block;

    ngx_memzero(sums, NGX_TRV_STAT_N * sizeof(uint64_t));

    used = atomic_load(&st->shared->used);

    for (i = 0; i < used; i++) {
        block = &st->shared->blocks[i];

        for (n = 0; n < NGX_TRV_STAT_N; n++) {
            sums[n] += atomic_load_explicit(&block->counters[n],
                                            memory_order_relaxed);
        }
    }
}


void
ngx_trv_stats_linked_set(ngx_trv_stats_t *st, ngx_uint_t linked)
{
    atomic_store(&st->own->linked, linked);
}


ngx_uint_t
ngx_trv_stats_linked(const ngx_trv_stats_t *st)
{
    uint64_t                      i, used;
    ngx_uint_t                    n;
    const ngx_trv_stats_block_t  *block;

    n = 0;
    used = atomic_load(&st->shared->used);

    for (i = 0; i < used; i++) {
        block = &st->shared->blocks[i];

        n += atomic_load(&block->linked)
             && ngx_trv_stats_alive(atomic_load(&block->pid));
    }

    return n;
}


/* a worker that was killed has not said that it leaves */

static ngx_uint_t
ngx_trv_stats_alive(uint64_t pid)
{
    return pid != 0
           && (kill((ngx_pid_t) pid, 0) == 0 || ngx_errno == NGX_EPERM);
}


void
ngx_trv_stats_follow(ngx_trv_stats_t *st, trv_follow_t *f,
    trv_follow_counts_t *seen)
{
    uint64_t                    now, before;
    ngx_uint_t                  i, n;
    trv_follow_state_t          state;
    const trv_follow_counts_t  *counts;

    static const struct {
        size_t      offset;
        ngx_uint_t  stat;
        ngx_uint_t  n;
    } map[] = {
        { offsetof(trv_follow_counts_t, merges),
          NGX_TRV_STAT_MERGES, TRV_CAUSE_N },
        { offsetof(trv_follow_counts_t, entries),
          NGX_TRV_STAT_ENTRIES, 1 },
        { offsetof(trv_follow_counts_t, skipped),
          NGX_TRV_STAT_SKIPPED, 1 },
        { offsetof(trv_follow_counts_t, reports_failed),
          NGX_TRV_STAT_REPORTS_FAILED, 1 },
        { offsetof(trv_follow_counts_t, tries),
          NGX_TRV_STAT_TRIES, 1 },
        { offsetof(trv_follow_counts_t, delays),
          NGX_TRV_STAT_DELAYS, TRV_DELAY_N },
        { offsetof(trv_follow_counts_t, delays_ms),
          NGX_TRV_STAT_DELAYS_MS, 1 }
    };

    counts = trv_follow_counts(f);

    for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {

        for (n = 0; n < map[i].n; n++) {
            now = ((uint64_t *) ((u_char *) counts + map[i].offset))[n];
            before = ((uint64_t *) ((u_char *) seen + map[i].offset))[n];

            if (now != before) {
                ngx_trv_stats_add(st, map[i].stat + n, now - before);
            }
        }
    }

    *seen = *counts;

    trv_follow_state(f, &state);

    ngx_trv_stats_gauge_set(st, NGX_TRV_GAUGE_FOLLOWED, 1);
    ngx_trv_stats_gauge_set(st, NGX_TRV_GAUGE_BEHIND_MS, state.behind_ms);
    ngx_trv_stats_gauge_set(st, NGX_TRV_GAUGE_EVICTING, state.evicting);
}
