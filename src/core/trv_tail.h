
/*
 * The tail of the log: how far it has been read, the reply being applied, and
 * the total digest at each of the last positions, so that a heartbeat can be
 * compared at exactly the position it names.
 */

#ifndef TRV_TAIL_H
#define TRV_TAIL_H

#include "trv_stream.h"
#include "trv_writer.h"


#define TRV_TAIL_MARKS  1024             /* entries between two heartbeats that
                                            can still be compared */

/* entries of one reply: the most, if those of the one before had few ids */
#define TRV_TAIL_COUNT_MIN  32           /* at most 1.4 megabytes */
#define TRV_TAIL_COUNT_MAX  256          /* at most 11.3 */


typedef struct {
    trv_position_t      position;        /* read up to here */
    bool                running;         /* position is known */

    struct redisReply  *reply;           /* being applied; NULL: none */
    trv_stream_t        stream;
    trv_entry_t         entry;
    bool                in_entry;

    size_t              count;           /* entries that may be in the next */
    size_t              entries;         /* in this one so far */
    size_t              ids;

    struct {
        trv_position_t  position;
        trv_digest_t    total;
    }                   marks[TRV_TAIL_MARKS];
    size_t              n_marks;         /* ever made since the last reset */
} trv_tail_t;


/* what an applied entry asks for */
typedef struct {
    bool  gap;                           /* something before it was missed */
    bool  ack;                           /* somebody waits: report at once */
    bool  merge;                         /* digests changed: compare soon */
    bool  skipped;                       /* it did not parse */
} trv_tail_events_t;


/* reads on from here; whatever was being applied is dropped */
void trv_tail_reset(trv_tail_t *t, const trv_position_t *position);

/* drops the reply that is being applied; position stays at a whole entry */
void trv_tail_drop(trv_tail_t *t);

/*
 * A reply of XREAD, owned by the tail from now on.
 * TRV_OK: apply it; TRV_DECLINED: nothing new; TRV_CORRUPT: not such a reply.
 */
trv_rc_e trv_tail_reply(trv_tail_t *t, struct redisReply *reply,
    const trv_str_t *key);

/*
 * Puts at most n ids.  events is set by what was done.
 * TRV_OK: an entry is done, position is at it; TRV_AGAIN: call again;
 * TRV_DECLINED: the reply is done; TRV_FULL: no room; TRV_CORRUPT: the rest of
 * the reply is worthless.
 */
trv_rc_e trv_tail_apply(trv_tail_t *t, trv_replica_t *replica, size_t n,
    trv_tail_events_t *events);

/* remembers the total at the position now reached */
void trv_tail_mark(trv_tail_t *t, const trv_digest_t *total);
void trv_tail_marks_reset(trv_tail_t *t);

/* the total at a position; TRV_DECLINED: not remembered */
trv_rc_e trv_tail_total(const trv_tail_t *t, const trv_position_t *position,
    trv_digest_t *total);


#endif /* TRV_TAIL_H */
