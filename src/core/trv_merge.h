
/*
 * A merge: the union of a replica and of what Redis has, both ways.
 *
 *     scan our table -> ask for the day digests of Redis -> for the days that
 *     differ: read their ids, page by page, and put them -> put the digests
 *     of Redis right where they do not fit its ids -> give Redis what it lacks
 *
 * It is bootstrap, repair, fail-over with lost writes, FLUSHALL and scrub.
 * All of it may be repeated and interrupted at any point: what only grows can
 * be merged in any order.  No I/O: "what to send next", "here is a reply".
 */

#ifndef TRV_MERGE_H
#define TRV_MERGE_H

#include "trv_command.h"
#include "trv_heartbeat.h"
#include "trv_writer.h"


#define TRV_MERGE_PAGE     1000          /* ids: about 1 ms of Redis, of us */
#define TRV_MERGE_TURN_MS  10000         /* a dead edge's turn ends */


typedef enum {
    TRV_MERGE_IDLE = 0,
    TRV_MERGE_SCAN,                      /* computing our own digests */
    TRV_MERGE_ASK,                       /* digests.lua is to be sent */
    TRV_MERGE_PULL,                      /* page.lua is to be sent */
    TRV_MERGE_APPLY,                     /* a page is being put */
    TRV_MERGE_REPAIR,                    /* repair.lua is to be sent */
    TRV_MERGE_COLLECT,                   /* looking for what Redis lacks */
    TRV_MERGE_PUSH                       /* merge.lua is to be sent */
} trv_merge_state_e;


struct redisReply;

typedef struct trv_merge_s  trv_merge_t;


/* edge: copied; NULL: no memory */
trv_merge_t *trv_merge_create(trv_replica_t *replica, const char *edge,
    uint64_t log_length);
void trv_merge_destroy(trv_merge_t *m);

/* scrub: read all days, also those that seem to agree; TRV_ERROR: no memory */
trv_rc_e trv_merge_start(trv_merge_t *m, bool scrub);
void trv_merge_stop(trv_merge_t *m);

trv_merge_state_e trv_merge_state(const trv_merge_t *m);

/* TRV_OK: *command is to be sent; TRV_AGAIN: a reply or work comes first */
trv_rc_e trv_merge_next(trv_merge_t *m, const trv_command_t **command);

/*
 * How far the log has been read without a gap and is in the table, kept by the
 * caller who owns it; NULL: not known.  What Redis got up to there we have.
 */
void trv_merge_position_set(trv_merge_t *m, const trv_position_t *position);

/*
 * The reply to the last command; it belongs to the merge from now on.
 *
 * TRV_OK        go on
 * TRV_AGAIN     too early, the merge is over: Redis is no master or unborn, or
 *               our replica is not ready and another edge is giving just now
 * TRV_DECLINED  the merge is over, we have all that Redis has; it is another
 *               edge's turn to give
 * TRV_CORRUPT   not such a reply, the merge is over and has failed
 */
trv_rc_e trv_merge_reply(trv_merge_t *m, struct redisReply *reply);

/*
 * Work on at most n slots or ids.  TRV_AGAIN: there is more.  TRV_FULL: the
 * table has no room, call again when it has been rebuilt.  TRV_OK: nothing to
 * do now; the merge is over when the state is TRV_MERGE_IDLE.
 */
trv_rc_e trv_merge_work(trv_merge_t *m, size_t n);

/* the state of Redis at the begin of the last merge: NULL: not known yet */
const trv_heartbeat_t *trv_merge_heartbeat(const trv_merge_t *m);

/* what the table should have room for, 0: not known */
uint64_t trv_merge_want(const trv_merge_t *m);

/* of the last merge */
typedef struct {
    uint64_t  pulled;                    /* ids read from Redis */
    uint64_t  added;                     /* of these new to us */
    uint64_t  pushed;                    /* new to Redis */
    uint64_t  repaired;                  /* days */
    uint64_t  junk;                      /* members that are no revocations */
} trv_merge_result_t;

const trv_merge_result_t *trv_merge_result(const trv_merge_t *m);


#endif /* TRV_MERGE_H */
