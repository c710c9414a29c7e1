
/*
 * Evidence: how often revoked tokens are still tried, until Redis has been told
 * (trv_flush.h).
 *
 * One table a worker, in memory that all workers share.  A try is counted by
 * the worker that saw it, with one atomic addition; one reader takes what has
 * come together from time to time.  Nobody waits for anybody:
 *
 *     word     tries that are pending | of these, those under way to Redis
 *
 *     worker   sets the id of an entry only while its word is 0, then adds 1
 *     reader   reads the id only while the word is not 0; says what is under
 *              way, and takes it off both halves at once when it has arrived
 *
 * So an entry that says anything has one id, whoever is killed wherever, and
 * a try is in the word until it is in Redis.
 */

#ifndef TRV_TRIES_H
#define TRV_TRIES_H

#include <stdatomic.h>

#include "trv_id.h"


#define TRV_TRIES_SLOTS  512             /* tokens that one worker can tell
                                            apart until it is flushed */
#define TRV_TRIES_MAX    0x7fffffff      /* of one token, ditto */


typedef struct {
    _Atomic uint64_t   hi;               /* of the id, 0: never used */
    _Atomic uint64_t   lo;
    _Atomic uint64_t   word;
    _Atomic uint64_t   last_ms;          /* monotonic */
} trv_try_t;

typedef struct {
    _Atomic uint64_t   dirty;            /* not 0: may have something new */
    trv_try_t          slots[TRV_TRIES_SLOTS];
} __attribute__((aligned(128)))  trv_tries_table_t;

typedef struct {
    uint64_t           epoch;            /* random: of this memory */
    uint64_t           n;                /* tables */
    _Atomic uint64_t   used;             /* of these, from the first on */

    /* of the reader; a batch is under way while they differ */
    _Atomic uint64_t   batch;            /* number of the last one */
    _Atomic uint64_t   settled;          /* the last one that arrived */

    trv_tries_table_t  tables[];
} trv_tries_t;


static inline uint32_t
trv_try_pending(uint64_t word)
{
    return (uint32_t) word;
}


static inline uint32_t
trv_try_under_way(uint64_t word)
{
    return (uint32_t) (word >> 32);
}


/* bytes for n tables */
size_t trv_tries_size(size_t n);

/* in memory of that size that is all zero */
void trv_tries_init(trv_tries_t *t, size_t n, uint64_t epoch);

/* a worker begins to count in this table, which nobody else does any more */
void trv_tries_open(trv_tries_t *t, size_t table);

/*
 * TRV_OK; TRV_FULL: too many others are pending near it, it was not counted.
 * The table must have been opened by this process.
 */
trv_rc_e trv_tries_add(trv_tries_t *t, size_t table, const trv_id_t *id,
    uint64_t now_ms);

/* tries that are not in Redis yet, of all tables */
uint64_t trv_tries_pending(const trv_tries_t *t);


#endif /* TRV_TRIES_H */
