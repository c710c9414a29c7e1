
/*
 * The follower's state, shared by trv_follow.c (what to send, replies, merges)
 * and trv_judge.c (what a heartbeat says about us).
 */

#ifndef TRV_FOLLOW_PRIVATE_H
#define TRV_FOLLOW_PRIVATE_H

#include "trv_follow.h"
#include "trv_tail.h"


#define TRV_FOLLOW_NOTES  16


/* what the reply in flight on the heartbeat link answers */
typedef enum {
    TRV_ASKED_NOTHING = 0,
    TRV_ASKED_HEARTBEAT,
    TRV_ASKED_REPORT,
    TRV_ASKED_ADOPT,
    TRV_ASKED_MERGE,
    TRV_ASKED_PRUNE
} trv_asked_e;


struct trv_follow_s {
    trv_replica_t        *replica;
    char                  key[160];              /* of the log */
    char                  node[128];
    char                  version[32];
    char                  edge[160];
    char                  fresh_set_id[TRV_SET_ID_LEN + 1];

    bool                  up[TRV_LINK_N];
    bool                  drop[TRV_LINK_N];      /* will not do */
    char                  run_id[TRV_LINK_N][TRV_RUN_ID_LEN + 1];

    trv_tail_t            tail;
    bool                  reading;               /* XREAD is in flight */
    bool                  known;                 /* the position is a promise */

    trv_asked_e           asked;
    trv_heartbeat_t       hb;                    /* the last good one */
    bool                  hb_pending;            /* not compared yet */
    trv_position_t        hb_position;           /* of the tail when it left */
    uint64_t              hb_sent_ms;
    uint64_t              next_beat_ms;
    uint64_t              contact_ms;            /* of this follower */
    bool                  agrees;

    bool                  adopt;
    bool                  prune;
    bool                  report;                /* is due */
    uint64_t              report_ms;             /* the last one */
    uint64_t              unborn_ms;             /* found so; 0: it is not */

    trv_merge_t          *merge;
    trv_cause_e           cause;                 /* of the merge that is due */
    uint64_t              merge_ms;              /* not before */
    uint64_t              backoff_ms;
    uint64_t              failed;                /* merges in a row */
    uint64_t              daily_ms;
    uint64_t              junk;
    bool                  merging;
    bool                  scrub;                 /* the merge under way is one */

    char                  error[64];             /* reported last */
    trv_note_t            notes[TRV_FOLLOW_NOTES];
    size_t                n_notes;
    trv_follow_counts_t   counts;
    trv_words_t           words;
};


/* trv_judge.c: a reply of heartbeat.lua */
void trv_judge_heartbeat(trv_follow_t *f, const struct redisReply *reply,
    uint64_t now_ms);

/*
 * Compares our total with that of the last heartbeat, at exactly the position
 * that it named; waits where the tail is not there yet.
 */
void trv_judge_compare(trv_follow_t *f);

/* remembers our total at the position just reached */
void trv_judge_mark(trv_follow_t *f);

/* a merge is due; the first cause stays */
void trv_follow_due(trv_follow_t *f, trv_cause_e cause);

void trv_follow_say(trv_follow_t *f, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));


#endif /* TRV_FOLLOW_PRIVATE_H */
