
/*
 * When the follower merges, and what it does with the outcome.  A merge that
 * does not end in a heartbeat that agrees is repeated, later each time, and so
 * is one that Redis does not let end.
 */

#include <stdio.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_judge.h"


#define TRV_FOLLOW_BACKOFF_MS   1000     /* between merges that do not help */
#define TRV_FOLLOW_BACKOFF_MAX  60000
#define TRV_FOLLOW_RETRY_MS     500      /* after a merge that failed, ... */
#define TRV_FOLLOW_RETRY_MAX    2666     /* half more of it at random makes 4
                                            s: all are equal 5 s after Redis is
                                            well */
#define TRV_FOLLOW_DAILY_RETRY  3600000  /* after a daily one that failed */


static void trv_follow_merge_begun(trv_follow_t *f);
static const trv_position_t *trv_follow_merge_position(trv_follow_t *f,
    const trv_position_t *last);
static void trv_follow_merge_say(trv_follow_t *f);


bool
trv_follow_merge_start(trv_follow_t *f, uint64_t now_ms)
{
    trv_replica_state_t  state;

    if (f->cause == TRV_CAUSE_NONE && now_ms >= f->daily_ms && f->known) {
        f->cause = TRV_CAUSE_DAILY;
        f->daily_ms = now_ms + TRV_FOLLOW_DAY_MS;
    }

    if (f->cause == TRV_CAUSE_NONE || now_ms < f->merge_ms) {
        return false;
    }

    /* what another edge is giving to Redis right now we have, or we will */

    trv_replica_state(f->replica, &state);

    if (f->hb.merging && state.filled && f->tail.running
        && (f->cause == TRV_CAUSE_DIGEST || f->cause == TRV_CAUSE_COUNT))
    {
        f->cause = TRV_CAUSE_NONE;
        trv_judge_doubt(f, &f->tail.position);
        f->next_beat_ms = now_ms + TRV_FOLLOW_BEAT_MS;
        return false;
    }

    f->scrub = f->cause == TRV_CAUSE_DAILY || f->failed > 0;

    if (trv_merge_start(f->merge, f->scrub) != TRV_OK) {
        f->merge_ms = now_ms + TRV_FOLLOW_BACKOFF_MS;
        return false;
    }

    f->merging = true;
    f->merge_asked = false;
    f->hb_pending = false;
    trv_tail_marks_reset(&f->tail);      /* all is counted anew */
    f->counts.merges[f->cause]++;

    return true;
}


void
trv_follow_merge_reply(trv_follow_t *f, redisReply *reply, uint64_t now_ms)
{
    bool      asked;
    trv_rc_e  rc;

    /* what came without an entry, or in one that was missed, is not here */

    trv_merge_position_set(f->merge,
                           f->tail.running && !f->doubted
                           ? &f->tail.position : NULL);

    asked = trv_merge_heartbeat(f->merge) == NULL;
    rc = trv_merge_reply(f->merge, reply);

    if (rc == TRV_CORRUPT) {
        trv_follow_merge_failed(f, now_ms);
        return;
    }

    if (asked) {
        f->hb = *trv_merge_heartbeat(f->merge);
        trv_measure_policy(f);
    }

    if (rc == TRV_AGAIN) {

        /* a heartbeat has to find out why */

        f->merging = false;
        f->merge_ms = now_ms + TRV_FOLLOW_BACKOFF_MS;
        f->next_beat_ms = 0;
        return;
    }

    if (asked) {
        trv_follow_merge_begun(f);
    }

    if (trv_merge_state(f->merge) == TRV_MERGE_IDLE) {
        trv_follow_merge_done(f, now_ms);
    }
}


/* the digests are there, and with them the last id of the log */

static void
trv_follow_merge_begun(trv_follow_t *f)
{
    if (f->tail.running
        && (f->cause == TRV_CAUSE_GAP || f->cause == TRV_CAUSE_DIGEST
            || f->cause == TRV_CAUSE_COUNT || f->cause == TRV_CAUSE_DAILY))
    {
        return;                          /* the tail itself is in sequence */
    }

    trv_tail_reset(&f->tail, &f->hb.last);
    f->renew = f->reading;               /* it waits at another position */
}


void
trv_follow_merge_stop(trv_follow_t *f)
{
    if (f->merging) {
        trv_merge_stop(f->merge);
        f->merging = false;
    }
}


void
trv_follow_merge_done(trv_follow_t *f, uint64_t now_ms)
{
    const trv_heartbeat_t  *hb;

    /* f->hb may be a later one, and of that the merge knows nothing */

    hb = trv_merge_heartbeat(f->merge);

    trv_follow_merge_say(f);

    if (f->scrub) {
        f->junk = trv_merge_result(f->merge)->junk;
    }

    if (f->cause == TRV_CAUSE_DAILY) {
        trv_writer_daily_set(f->replica, now_ms);
    }

    trv_writer_set_id_set(f->replica, hb->set_id);
    trv_writer_repl_id_set(f->replica, hb->repl_id);
    trv_writer_position_set(f->replica,
                            trv_follow_merge_position(f, &hb->last));

    f->merging = false;
    f->hb_pending = false;
    f->retry_ms = 0;
    f->known = true;
    f->cause = TRV_CAUSE_NONE;
    f->telling.told = 0;                         /* whatever Redis has lost */
    f->failed++;                         /* until a heartbeat agrees */

    if (f->failed > 1) {
        f->backoff_ms = f->backoff_ms ? f->backoff_ms * 2
                                      : TRV_FOLLOW_BACKOFF_MS;
        if (f->backoff_ms > TRV_FOLLOW_BACKOFF_MAX) {
            f->backoff_ms = TRV_FOLLOW_BACKOFF_MAX;
        }
    }

    f->merge_ms = now_ms + f->backoff_ms;
    f->next_beat_ms = 0;
    trv_tail_marks_reset(&f->tail);
    trv_judge_mark(f);
}


/* up to where all is here: a merge of another edge may have ended meanwhile */

static const trv_position_t *
trv_follow_merge_position(trv_follow_t *f, const trv_position_t *last)
{
    if (f->doubted
        && (!f->doubt_merged || trv_position_cmp(&f->doubt, last) > 0))
    {
        return last;
    }

    f->doubted = false;

    return &f->tail.position;
}


void
trv_follow_merge_failed(trv_follow_t *f, uint64_t now_ms)
{
    f->merging = false;
    f->failed++;

    /* no evidence that anything differs: heartbeats say whether it does */

    if (f->cause == TRV_CAUSE_DAILY) {
        f->cause = TRV_CAUSE_NONE;
        f->daily_ms = now_ms + TRV_FOLLOW_DAILY_RETRY;
    }

    f->retry_ms = f->retry_ms ? f->retry_ms * 2 : TRV_FOLLOW_RETRY_MS;

    if (f->retry_ms > TRV_FOLLOW_RETRY_MAX) {
        f->retry_ms = TRV_FOLLOW_RETRY_MAX;
    }

    /* jitter: it may fail for all edges, and for one reason */

    f->random = f->random * 1664525 + 1013904223;
    f->merge_ms = now_ms + f->retry_ms + (f->random >> 8) % (f->retry_ms / 2);
    f->next_beat_ms = now_ms + TRV_FOLLOW_BEAT_MS;
}


static void
trv_follow_merge_say(trv_follow_t *f)
{
    const trv_merge_result_t  *result;

    result = trv_merge_result(f->merge);

    trv_follow_say(f, TRV_NOTE_NOTICE, "merged with Redis (%s%s): %llu read, "
                   "%llu new here, %llu new there, %llu days put right",
                   trv_cause_name(f->cause), f->scrub ? ", all days" : "",
                   (unsigned long long) result->pulled,
                   (unsigned long long) result->added,
                   (unsigned long long) result->pushed,
                   (unsigned long long) result->repaired);

    if (result->junk) {
        trv_follow_say(f, TRV_NOTE_ERROR, "%llu members of the key \"revoked\" "
                       "are no revocations", (unsigned long long) result->junk);
    }
}
