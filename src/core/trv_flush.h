
/*
 * Tries on their way to Redis, in batches, by one process at a time.
 *
 * A batch has a number, and Redis remembers the last one that it took, so a
 * batch of which no answer came is sent again, the same, and counted once.
 * What is under way is written down in the tables, so that a process that
 * takes over sends it again under the same number.
 */

#ifndef TRV_FLUSH_H
#define TRV_FLUSH_H

#include "trv_command.h"
#include "trv_tries.h"


#define TRV_FLUSH_MAX  200               /* entries of a batch: about 1 ms of
                                            Redis */


/* of the process that flushes; all zero but for `tries` at the beginning */
typedef struct {
    trv_tries_t  *tries;
    size_t        n;                     /* entries of the batch under way */
    trv_try_t    *slots[TRV_FLUSH_MAX];
    size_t        table;                 /* the next one looks on from here */
    size_t        slot;
} trv_flush_t;


/*
 * The batch that is to be sent now: the one under way, else a new one.  false:
 * nothing is pending.
 */
bool trv_flush_next(trv_flush_t *f, uint64_t now_ms, trv_words_t *words);

/* the batch has arrived: returns its tries */
uint64_t trv_flush_settle(trv_flush_t *f);


#endif /* TRV_FLUSH_H */
