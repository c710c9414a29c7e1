
/*
 * What a heartbeat says about us.
 *
 * A heartbeat is good if it comes from a master with our set id and our
 * replication id, if the log did not end before where we were when it was
 * asked for, and if, at exactly the last id that it names, our total digest is
 * equal to the one in Redis and the number of revocations there fits it.  Only
 * a good heartbeat is a contact.
 *
 * The tail and the heartbeat are two links, so the tail may be ahead of or
 * behind the id that the heartbeat names: behind, the comparison waits; ahead,
 * the marks of the tail know the total of that moment.
 *
 * The log alone does not prove that we have everything up to a position: a
 * `merge` entry says that the set has grown by ids which no entry names, what
 * was before an entry that does not fit was missed, and a tail that has just
 * been connected may read another history than the one our replication id
 * names.  Each puts the position in doubt until a heartbeat agrees.
 */

#include <string.h>

#include "trv_judge.h"


#define TRV_JUDGE_UNBORN_MS  3000        /* those that know come first */


static trv_cause_e trv_judge_cause(trv_follow_t *f,
    const trv_heartbeat_t *was, bool was_pending);
static bool trv_judge_unborn(trv_follow_t *f, uint64_t now_ms);
static void trv_judge_settle(trv_follow_t *f);


void
trv_judge_heartbeat(trv_follow_t *f, const struct redisReply *reply,
    uint64_t now_ms)
{
    bool             was_pending;
    trv_cause_e      cause;
    trv_heartbeat_t  was;

    was = f->hb;
    was_pending = f->hb_pending;
    f->hb_pending = false;

    if (trv_heartbeat_parse(reply, &f->hb) != TRV_OK) {
        f->hb = was;
        trv_follow_say(f, TRV_NOTE_ERROR, "the reply to a heartbeat is not "
                       "one");
        trv_judge_agrees(f, false);
        return;
    }

    f->hb_ms = f->hb_sent_ms;
    f->doubt_answered = f->doubt_asked;

    /* the totals of before are of other days */

    if (f->hb.first_day != was.first_day) {
        trv_tail_marks_reset(&f->tail);
        trv_judge_mark(f);
    }

    trv_measure_clock(f, now_ms);
    trv_measure_policy(f);

    if (!f->hb.master) {
        trv_follow_say(f, TRV_NOTE_WARN, "this Redis is not a master");
        f->drop[TRV_LINK_TAIL] = f->up[TRV_LINK_TAIL];
        f->drop[TRV_LINK_HEARTBEAT] = true;
        trv_judge_agrees(f, false);
        return;
    }

    f->report = true;
    f->prune = f->prune || f->hb.first_day < f->hb.yesterday;

    if (f->hb.set_id[0] == '\0') {
        trv_judge_agrees(f, false);
        trv_follow_merge_stop(f);

        if (!trv_judge_unborn(f, now_ms)) {
            return;
        }
    }

    f->unborn_ms = 0;

    cause = trv_judge_cause(f, &was, was_pending);

    if (cause != TRV_CAUSE_NONE) {
        trv_judge_agrees(f, false);
        trv_follow_merge_stop(f);
        trv_follow_due(f, cause);
        return;
    }

    f->hb_pending = f->cause == TRV_CAUSE_NONE || f->cause == TRV_CAUSE_DAILY;

    if (!was_pending) {
        f->hb_pending_ms = f->hb_sent_ms;
    }

    trv_judge_compare(f);
}


static trv_cause_e
trv_judge_cause(trv_follow_t *f, const trv_heartbeat_t *was, bool was_pending)
{
    trv_replica_state_t  state;

    trv_replica_state(f->replica, &state);

    if (f->hb.set_id[0] == '\0') {
        return TRV_CAUSE_UNBORN;
    }

    if (state.set_id[0] == '\0' || !state.filled || !f->known) {
        return TRV_CAUSE_FIRST;
    }

    if (strcmp(state.set_id, f->hb.set_id) != 0) {
        trv_follow_say(f, TRV_NOTE_WARN, "Redis has set id %s, ours is %s",
                       f->hb.set_id, state.set_id);
        return TRV_CAUSE_SET;
    }

    if (strcmp(state.repl_id, f->hb.repl_id) != 0) {
        return TRV_CAUSE_REPLICATION;
    }

    if (!f->tail.running) {
        trv_tail_reset(&f->tail, &state.position);
        f->hb_position = state.position;
        trv_judge_mark(f);
    }

    if (trv_position_cmp(&f->hb.last, &f->hb_position) < 0) {
        return TRV_CAUSE_BEHIND;
    }

    /*
     * A whole heartbeat without any entry, though the log went on; in doubt
     * there are two at once
     */

    if (was_pending && f->hb_sent_ms - f->hb_pending_ms >= TRV_FOLLOW_BEAT_MS
        && f->up[TRV_LINK_TAIL] && f->tail.reply == NULL
        && trv_position_cmp(&f->tail.position, &was->last) < 0
        && trv_position_cmp(&f->tail.position, &f->hb_position) == 0)
    {
        return TRV_CAUSE_STUCK;
    }

    return TRV_CAUSE_NONE;
}


/*
 * Redis has no set id: it is new, or was emptied.  An edge with data gives it
 * its own id back and fills it; an edge without, or one that was away, waits
 * for those that know more, before it does so and before it merges at all.
 * True: a merge fills it.
 */

static bool
trv_judge_unborn(trv_follow_t *f, uint64_t now_ms)
{
    trv_replica_state_t  state;

    trv_replica_state(f->replica, &state);

    if (f->unborn_ms == 0) {
        f->unborn_ms = now_ms;
    }

    if ((state.set_id[0] == '\0' || !trv_replica_ready(f->replica))
        && now_ms - f->unborn_ms < TRV_JUDGE_UNBORN_MS)
    {
        f->merge_ms = f->unborn_ms + TRV_JUDGE_UNBORN_MS;
        return false;
    }

    f->adopt = true;

    if (state.set_id[0] == '\0') {
        return false;
    }

    trv_follow_say(f, TRV_NOTE_WARN, "Redis is empty, filling it again");
    strcpy(f->fresh_set_id, state.set_id);
    f->merge_ms = 0;
    trv_follow_due(f, TRV_CAUSE_UNBORN);

    return true;
}


void
trv_judge_compare(trv_follow_t *f)
{
    bool          fits;
    int           where;
    trv_digest_t  total;

    if (!f->hb_pending) {
        return;
    }

    where = trv_position_cmp(&f->tail.position, &f->hb.last);

    if (where < 0) {
        return;
    }

    f->hb_pending = false;

    if (where == 0) {
        trv_writer_total(f->replica, f->hb.first_day, &total);

    } else if (trv_tail_total(&f->tail, &f->hb.last, &total) != TRV_OK) {
        return;                          /* the next heartbeat will do */
    }

    fits = f->hb.kept == f->hb.total.count + f->junk;

    if (fits && trv_digest_equal(&total, &f->hb.total)) {
        f->contact_ms = f->hb_ms;
        f->failed = 0;
        f->backoff_ms = 0;
        trv_writer_contact_set(f->replica, f->hb_ms);
        trv_judge_agrees(f, true);
        trv_judge_settle(f);
        return;
    }

    trv_judge_agrees(f, false);

    if (!f->merging) {                   /* what that changes it puts right */
        trv_follow_due(f, fits ? TRV_CAUSE_DIGEST : TRV_CAUSE_COUNT);
    }
}


void
trv_judge_mark(trv_follow_t *f)
{
    trv_digest_t  total;

    if (!trv_writer_scanned(f->replica)) {
        trv_tail_marks_reset(&f->tail);          /* half a total */
        return;
    }

    trv_writer_total(f->replica, f->hb.first_day, &total);
    trv_tail_mark(&f->tail, &total);
}


void
trv_judge_agrees(trv_follow_t *f, bool agrees)
{
    if (f->agrees && !agrees) {
        f->report = true;
    }

    f->agrees = agrees;
    trv_writer_agrees_set(f->replica, agrees);
}


void
trv_judge_doubt(trv_follow_t *f, const trv_position_t *position)
{
    f->doubted = true;
    f->doubt_asked = false;
    f->doubt_answered = false;
    f->doubt_merged = false;
    f->doubt = *position;

    f->next_beat_ms = 0;
}


static void
trv_judge_settle(trv_follow_t *f)
{
    if (!f->doubted || !f->doubt_answered
        || trv_position_cmp(&f->hb.last, &f->doubt) < 0)
    {
        return;
    }

    f->doubted = false;
    trv_writer_position_set(f->replica, &f->tail.position);
}
