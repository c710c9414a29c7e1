
/*
 * What heartbeats say about a follower: whether it agrees with Redis, and up to
 * where that is proven.
 */

#ifndef TRV_JUDGE_H
#define TRV_JUDGE_H

#include "trv_follow_private.h"


/* a reply of heartbeat.lua */
void trv_judge_heartbeat(trv_follow_t *f, const struct redisReply *reply,
    uint64_t now_ms);

/* whether it does; false is reported at once */
void trv_judge_agrees(trv_follow_t *f, bool agrees);

/* our total with that of the last heartbeat, once the tail is where it was */
void trv_judge_compare(trv_follow_t *f);

/* remembers our total at the position just reached */
void trv_judge_mark(trv_follow_t *f);

/*
 * From this position on, the set may hold what neither our table nor the log
 * up to there has: the promise stands still until a heartbeat that leaves from
 * now on agrees there.
 */
void trv_judge_doubt(trv_follow_t *f, const trv_position_t *position);


#endif /* TRV_JUDGE_H */
