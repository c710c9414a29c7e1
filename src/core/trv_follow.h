
/*
 * The follower's brain: keeps a replica equal to the set in Redis.
 *
 * It does no I/O and reads no clock.  The event loop owns two links to one
 * Redis server and asks for each "what to send next", hands in replies, says
 * when a link is up or lost, and lets it work in small slices.
 *
 *     tail       XREAD BLOCK: entries of the log, in order.  Each names the
 *                one before it; a gap means a merge.  It may be at a replica
 *                of that server.
 *     heartbeat  each second: is this still the Redis that we follow, and is
 *                its set equal to ours at the same position of the log?
 *
 * Whatever does not fit is answered by a merge (trv_merge.h).
 */

#ifndef TRV_FOLLOW_H
#define TRV_FOLLOW_H

#include "trv_history.h"
#include "trv_merge.h"
#include "trv_tries.h"


#define TRV_FOLLOW_BEAT_MS   1000
#define TRV_FOLLOW_BLOCK_MS  5000        /* of XREAD */
#define TRV_FOLLOW_NOTE_LEN  240


typedef enum {
    TRV_LINK_TAIL = 0,
    TRV_LINK_HEARTBEAT,
    TRV_LINK_N
} trv_link_e;


/* something an operator should read, on a change of state */
typedef struct {
    enum {
        TRV_NOTE_NOTICE = 0,
        TRV_NOTE_WARN,
        TRV_NOTE_ERROR
    }        level;
    char     text[TRV_FOLLOW_NOTE_LEN];
} trv_note_t;


/* copied, but for replica, tries and history */
typedef struct {
    trv_replica_t  *replica;             /* locked and taken */
    const char     *prefix;              /* of the keys */
    const char     *node;
    const char     *version;
    const char     *fresh_set_id;        /* 32 random hex digits */
    uint64_t        log_length;
    uint64_t        token_records;       /* kept, seconds after expiry */
    trv_tries_t    *tries;               /* to be flushed; NULL: none */
    trv_history_t  *history;             /* to be told; NULL: none */
    uint32_t        random;              /* spreads the daily merges of edges */
} trv_follow_conf_t;

typedef struct trv_follow_s  trv_follow_t;


/* NULL: no memory */
trv_follow_t *trv_follow_create(const trv_follow_conf_t *conf,
    uint64_t now_ms);
void trv_follow_destroy(trv_follow_t *f);

/*
 * The link is ready, at the server with this run id.  The tail may be at a
 * replica, if that is said by the replication id of what it has; "": it is not.
 */
void trv_follow_up(trv_follow_t *f, trv_link_e link, const char *run_id,
    const char *repl_id);
void trv_follow_lost(trv_follow_t *f, trv_link_e link);

/*
 * TRV_OK: *command is to be sent on this link now, *timeout_ms is how long to
 * wait for the reply (0: as long as for others).  TRV_AGAIN: nothing now.
 * TRV_ERROR: the link will not do, drop it; a note says why.  TRV_DECLINED: it
 * waits for what is of no use any more, connect it anew at once.
 */
trv_rc_e trv_follow_next(trv_follow_t *f, trv_link_e link, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms);

/* the reply to the last command of a link; it belongs to f from now on */
void trv_follow_reply(trv_follow_t *f, trv_link_e link,
    struct redisReply *reply, uint64_t now_ms);

/*
 * Applies, at most n slots or ids.  TRV_AGAIN: there is more.  TRV_FULL: the
 * table has no room, call again when it has been rebuilt.  TRV_OK: no work.
 */
trv_rc_e trv_follow_work(trv_follow_t *f, size_t n, uint64_t now_ms);

/* when trv_follow_next() may have something without a reply, in ms from now */
uint64_t trv_follow_wait_ms(const trv_follow_t *f, uint64_t now_ms);

/* for the rebuild: entries to expect (0: not known), first day kept */
uint64_t trv_follow_want(const trv_follow_t *f);
uint16_t trv_follow_first_day(const trv_follow_t *f);

/* the oldest note not read yet: TRV_OK or TRV_DECLINED */
trv_rc_e trv_follow_note(trv_follow_t *f, trv_note_t *note);

const trv_follow_counts_t *trv_follow_counts(const trv_follow_t *f);
void trv_follow_state(trv_follow_t *f, trv_follow_state_t *state);

/* the field of this edge in {P}:edges: node:instance */
const char *trv_follow_edge(const trv_follow_t *f);


#endif /* TRV_FOLLOW_H */
