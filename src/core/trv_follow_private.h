
/* the follower's state, of trv_follow*.c, trv_measure.c and trv_judge.c */

#ifndef TRV_FOLLOW_PRIVATE_H
#define TRV_FOLLOW_PRIVATE_H

#include "trv_flush.h"
#include "trv_follow.h"
#include "trv_tail.h"


#define TRV_FOLLOW_NOTES   16
#define TRV_FOLLOW_SAID    16
#define TRV_FOLLOW_DAY_MS  86400000


/* what the reply in flight on the heartbeat link answers */
typedef enum {
    TRV_ASKED_NOTHING = 0,
    TRV_ASKED_HEARTBEAT,
    TRV_ASKED_REPORT,
    TRV_ASKED_ADOPT,
    TRV_ASKED_MERGE,
    TRV_ASKED_PRUNE,
    TRV_ASKED_TRIES,
    TRV_ASKED_MINUTES
} trv_asked_e;


/* a note that is not worth repeating yet */
typedef struct {
    uint64_t  checksum;                          /* of its text */
    uint64_t  until_ms;
} trv_said_t;


struct trv_follow_s {
    trv_replica_t        *replica;
    char                  key[160];              /* of the log */
    char                  node[128];
    char                  version[32];
    char                  edge[160];
    char                  fresh_set_id[TRV_SET_ID_LEN + 1];

    bool                  up[TRV_LINK_N];
    bool                  drop[TRV_LINK_N];      /* will not do */
    bool                  renew;                 /* the tail */
    char                  run_id[TRV_LINK_N][TRV_RUN_ID_LEN + 1];
    char                  tail_repl_id[TRV_RUN_ID_LEN + 1];  /* a replica's */

    trv_tail_t            tail;
    bool                  reading;               /* XREAD is in flight */
    unsigned              in_vain;               /* lost, nothing was read */
    trv_position_t        in_vain_at;
    bool                  known;                 /* the position is a promise */
    uint64_t              heard_ms;              /* from the master, or begun */
    bool                  doubted;               /* whether more can be one */
    bool                  doubt_asked;           /* a heartbeat left since, */
    bool                  doubt_answered;        /* and hb is its answer, */
    bool                  doubt_merged;          /* a merge asked since */
    trv_position_t        doubt;                 /* settled from here on */

    trv_asked_e           asked;
    trv_heartbeat_t       hb;                    /* the last good one, */
    uint64_t              hb_ms;                 /* which was sent then */
    bool                  hb_pending;            /* not compared yet, */
    uint64_t              hb_pending_ms;         /* since one sent then */
    trv_position_t        hb_position;           /* of the tail when it left */
    uint64_t              hb_sent_ms;
    uint64_t              next_beat_ms;
    uint64_t              contact_ms;            /* of this follower */
    bool                  agrees;

    bool                  adopt;
    bool                  prune;                 /* there is more to forget */
    uint64_t              prune_ms;              /* looks for it, next */
    uint64_t              token_records;
    bool                  report;                /* is due */
    bool                  reported;              /* once */
    bool                  just_reported;         /* and nothing else since */
    uint64_t              report_ms;             /* the last one */
    uint64_t              unborn_ms;             /* found so; 0: it is not */

    trv_merge_t          *merge;
    trv_cause_e           cause;                 /* of the merge that is due */
    uint64_t              merge_ms;              /* not before */
    uint64_t              backoff_ms;            /* they were of no use */
    uint64_t              retry_ms;              /* they failed */
    uint32_t              random;
    uint64_t              failed;                /* merges in a row */
    uint64_t              daily_ms;
    uint64_t              junk;
    uint64_t              beats;                 /* since the link is up */
    bool                  clock_known;           /* that of Redis: */
    int64_t               clock_ms;              /* it is ahead of ours by */
    uint64_t              clock_error_ms;        /* twice: a round trip */
    uint64_t              behind_ms;
    bool                  evicting;
    trv_flush_t           flush;
    uint64_t              flush_ms;              /* the last one */
    trv_telling_t         telling;
    bool                  merging;
    bool                  merge_asked;           /* since the last heartbeat */
    bool                  scrub;                 /* the merge under way */

    uint64_t              now_ms;                /* of the last call */
    trv_said_t            said[TRV_FOLLOW_SAID];
    trv_note_t            notes[TRV_FOLLOW_NOTES];
    size_t                n_notes;
    trv_follow_counts_t   counts;
    trv_words_t           words;
};


/* trv_measure.c: a heartbeat has come in, an entry of the log was applied */
void trv_measure_clock(trv_follow_t *f, uint64_t now_ms);
void trv_measure_policy(trv_follow_t *f);
void trv_measure_delay(trv_follow_t *f, uint64_t entered_ms);

/* trv_follow_tail.c: the tail link, as the functions of these names in
   trv_follow.h say; whether it is at another server than the heartbeat is */
trv_rc_e trv_follow_tail_next(trv_follow_t *f, const trv_command_t **command,
    uint32_t *timeout_ms);
void trv_follow_tail_reply(trv_follow_t *f, struct redisReply *reply);
trv_rc_e trv_follow_tail_work(trv_follow_t *f, size_t n);
bool trv_follow_apart(const trv_follow_t *f);
void trv_follow_tail_lost(trv_follow_t *f);

/* trv_follow_merge.c: begins a merge if one is due; false: not now */
bool trv_follow_merge_start(trv_follow_t *f, uint64_t now_ms);
void trv_follow_merge_reply(trv_follow_t *f, struct redisReply *reply,
    uint64_t now_ms);
void trv_follow_merge_done(trv_follow_t *f, uint64_t now_ms);
void trv_follow_merge_stop(trv_follow_t *f);     /* the cause stands */
void trv_follow_merge_failed(trv_follow_t *f, uint64_t now_ms);

/* a merge is due; the first cause that is evidence stays */
void trv_follow_due(trv_follow_t *f, trv_cause_e cause);

/*
 * trv_follow_note.c: a note, and that of an error reply.  The same warning or
 * error is said once a minute, and no more than TRV_FOLLOW_SAID of them,
 * whatever Redis does.
 */
void trv_follow_say(trv_follow_t *f, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void trv_follow_error(trv_follow_t *f, const struct redisReply *reply);


#endif /* TRV_FOLLOW_PRIVATE_H */
