
/*
 * What happened in each minute of the last hour, in memory that all workers
 * share, until Redis is told.
 *
 * One word for each minute and thing that is counted:
 *
 *     the minute, Unix time / 60  |  how often
 *
 * Whoever adds finds the word of another minute, an hour ago or more, and puts
 * its own in its place at once: nobody clears anything, or waits.
 *
 * Minutes are those of the clock of Redis, so that edges whose clocks differ
 * mean the same ones.  Only until it is known they are those of ours.
 *
 * Redis is told the whole of a minute each time, so what gets lost or comes
 * twice does no harm.
 */

#ifndef TRV_HISTORY_H
#define TRV_HISTORY_H

#include <stdatomic.h>

#include "trv_command.h"
#include "trv_measure.h"


#define TRV_HISTORY_MINUTES    60
#define TRV_HISTORY_MINUTE_MS  60000


/* in the order in which Redis is told */
typedef enum {
    TRV_HISTORY_PASSED = 0,              /* calls */
    TRV_HISTORY_REFUSED,
    TRV_HISTORY_DRY_RUN,
    TRV_HISTORY_DELAYS,                  /* of revocations: TRV_DELAY_N */
    TRV_HISTORY_N = TRV_HISTORY_DELAYS + TRV_DELAY_N
} trv_history_e;


typedef struct {
    uint64_t           epoch;            /* random: of this memory */
    _Atomic int64_t    ahead_ms;         /* its clock, of the monotonic one */
    _Atomic uint64_t   words[TRV_HISTORY_MINUTES][TRV_HISTORY_N];
} trv_history_t;

/* of the process that tells; all zero but for `history` at the beginning */
typedef struct {
    trv_history_t     *history;          /* NULL: nothing to tell */
    uint64_t           last_ms;          /* monotonic */
    uint64_t           minute;           /* told up to it, on the way */
    uint64_t           told;             /* up to it, and heard; 0: nothing */
} trv_telling_t;


/* in memory that is all zero; wall_ms: Unix time, at the monotonic now_ms */
void trv_history_init(trv_history_t *h, uint64_t epoch, uint64_t wall_ms,
    uint64_t now_ms);

/* the clock of Redis is ahead of the monotonic one by so much */
void trv_history_clock_set(trv_history_t *h, int64_t ahead_ms);

/* the minute that it is */
uint64_t trv_history_minute(const trv_history_t *h, uint64_t now_ms);

void trv_history_add(trv_history_t *h, uint64_t minute, size_t what,
    uint64_t n);

/* 0 too for a minute that is forgotten */
uint64_t trv_history_get(const trv_history_t *h, uint64_t minute, size_t what);

/*
 * The command that tells Redis of the minutes from the one told last up to this
 * one, every two seconds.  false: not now, or nothing happened in them.
 */
bool trv_history_tell(trv_telling_t *t, uint64_t now_ms, trv_words_t *words);


#endif /* TRV_HISTORY_H */
