
/*
 * A merge under way, shared by trv_merge.c (reading) and trv_merge_give.c
 * (putting the digests of Redis right, giving it what it lacks).
 */

#ifndef TRV_MERGE_PRIVATE_H
#define TRV_MERGE_PRIVATE_H

#include "trv_merge.h"


#define TRV_DAYS              65536
#define TRV_MERGE_MEMBER_LEN  1024       /* also what is no id is a mark */


typedef struct {
    trv_digest_t  claimed;               /* by Redis */
    trv_digest_t  counted;               /* by us, from its members */
    uint64_t      members;
    bool          read;                  /* its members are to be read */
    bool          give;                  /* Redis lacks some of it */
} trv_merge_day_t;


#define TRV_MERGE_DAYS_SIZE  (TRV_DAYS * sizeof(trv_merge_day_t))


struct trv_merge_s {
    trv_replica_t       *replica;
    char                 edge[128];
    uint64_t             log_length;

    trv_merge_state_e    state;
    bool                 scrub;
    bool                 known;          /* heartbeat and days are set */
    trv_heartbeat_t      heartbeat;
    trv_merge_day_t     *days;           /* TRV_DAYS of them while it runs */
    uint32_t             days_end;       /* neither of us has any behind it */

    /* the range being read, and how far we are */
    uint32_t             from, to;       /* days; from > to: none yet */
    char                 last_id[TRV_MERGE_MEMBER_LEN];
    char                 last_expiry[32];
    size_t               last_id_len, last_expiry_len;
    struct redisReply   *page;
    size_t               next;           /* element of the page */

    uint32_t             repair;         /* next day to look at */
    uint32_t             repair_from;    /* the first of the last call */
    unsigned             repair_tries;   /* calls for the same days */
    const trv_position_t *position;      /* how far the log is in our table */
    uint64_t             cursor;         /* of the walk over our table */
    bool                 last;           /* the batch is the last one */

    trv_merge_result_t   result;
    trv_words_t          words;
};


/* the next call of repair.lua; false: there is nothing (more) to put right */
bool trv_merge_repair_next(trv_merge_t *m);
trv_rc_e trv_merge_repaired(trv_merge_t *m, const struct redisReply *reply);

/* finds the days of which Redis lacks something, and begins to give or ends */
void trv_merge_give_start(trv_merge_t *m);

/* the next call of merge.lua */
void trv_merge_batch_begin(trv_merge_t *m);

/* looks at n slots for what belongs in it; TRV_AGAIN: it is full, or n was */
trv_rc_e trv_merge_collect(trv_merge_t *m, size_t n);


#endif /* TRV_MERGE_PRIVATE_H */
