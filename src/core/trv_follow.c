
/*
 * On the heartbeat link one command is in flight at a time; what it is, is
 * f->asked.  What comes next is decided anew after each reply, in the order of
 * trv_follow_heartbeat_next(): a report that is due, but not behind another one
 * if there is anything else; an unborn Redis, a merge, the next heartbeat, and
 * where none is due tries and minutes to tell of, and forgetting.  A daily
 * merge, which nothing is amiss for, takes turns with the heartbeats that are
 * due: contact does not end by it, however long it takes.
 *
 * The position in the control file is the promise "all up to here is in the
 * table".  It moves with the tail while nothing is amiss; from the moment that
 * a merge is due until that merge is over it stands still, so a follower that
 * dies in between is succeeded by one that merges too; and so it does while it
 * is in doubt (trv_judge.c).
 *
 * Contact is the time at which a good heartbeat was sent, never the time at
 * which its reply was read: what it says was true at the earlier moment.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <hiredis/hiredis.h>

#include "trv_judge.h"


#define TRV_FOLLOW_PRUNE        "250"    /* revocations, and token records, a
                                            call: some 4 ms */
#define TRV_FOLLOW_PRUNE_MS     60000    /* between looks for old records */
#define TRV_FOLLOW_POLICY_BEATS 10       /* heartbeats to one with the policy */


static trv_rc_e trv_follow_heartbeat_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms);
static trv_rc_e trv_follow_duty_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms);
static bool trv_follow_merges_alone(const trv_follow_t *f);
static bool trv_follow_spare_next(trv_follow_t *f, uint64_t now_ms);
static void trv_follow_report_command(trv_follow_t *f, uint64_t now_ms);
static void trv_follow_adopt_command(trv_follow_t *f);


const char *
trv_cause_name(trv_cause_e cause)
{
    static const char *const  names[TRV_CAUSE_N] = {
        "none", "first", "gap", "behind", "replication_id", "set_id",
        "unborn", "digest", "count", "stuck", "daily"
    };

    return names[cause];
}


trv_follow_t *
trv_follow_create(const trv_follow_conf_t *conf, uint64_t now_ms)
{
    uint64_t              daily_ms;
    trv_follow_t         *f;
    trv_replica_state_t   state;

    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }

    trv_replica_state(conf->replica, &state);

    f->replica = conf->replica;

    snprintf(f->key, sizeof(f->key), "{%s}:log", conf->prefix);
    snprintf(f->node, sizeof(f->node), "%s", conf->node);
    snprintf(f->version, sizeof(f->version), "%s", conf->version);
    snprintf(f->edge, sizeof(f->edge), "%s:%s", conf->node, state.instance);
    snprintf(f->fresh_set_id, sizeof(f->fresh_set_id), "%s",
             conf->fresh_set_id);

    f->merge = trv_merge_create(conf->replica, f->edge, conf->log_length);
    if (f->merge == NULL) {
        free(f);
        return NULL;
    }

    f->flush.tries = conf->tries;
    f->telling.history = conf->history;
    f->token_records = conf->token_records;
    f->known = state.position_known;
    f->random = conf->random;
    f->heard_ms = now_ms;

    /* a worker may not live for a day */

    daily_ms = trv_writer_daily_ms(f->replica);

    if (daily_ms == 0 || daily_ms > now_ms) {
        daily_ms = now_ms;
        trv_writer_daily_set(f->replica, daily_ms);
    }

    f->daily_ms = daily_ms + TRV_FOLLOW_DAY_MS
                  - conf->random % (TRV_FOLLOW_DAY_MS / 2);

    return f;
}


void
trv_follow_destroy(trv_follow_t *f)
{
    trv_tail_drop(&f->tail);
    trv_merge_destroy(f->merge);
    free(f);
}


void
trv_follow_up(trv_follow_t *f, trv_link_e link, const char *run_id,
    const char *repl_id)
{
    f->up[link] = true;
    f->drop[link] = false;
    snprintf(f->run_id[link], sizeof(f->run_id[link]), "%s", run_id);

    if (link == TRV_LINK_TAIL) {
        f->reading = false;
        f->renew = false;
        f->hb_pending = false;           /* it has not had its time yet */
        snprintf(f->tail_repl_id, sizeof(f->tail_repl_id), "%s", repl_id);
        trv_judge_doubt(f, &f->tail.position);

    } else {
        f->asked = TRV_ASKED_NOTHING;
        f->next_beat_ms = 0;
        f->beats = 0;
        f->unborn_ms = 0;
        f->telling.told = 0;
        f->clock_known = false;
    }
}


void
trv_follow_lost(trv_follow_t *f, trv_link_e link)
{
    f->up[link] = false;

    if (link == TRV_LINK_TAIL) {
        f->reading = false;
        trv_follow_tail_lost(f);
        return;
    }

    f->asked = TRV_ASKED_NOTHING;
    f->hb_pending = false;
    f->adopt = false;

    trv_follow_merge_stop(f);
}


trv_rc_e
trv_follow_next(trv_follow_t *f, trv_link_e link, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms)
{
    f->now_ms = now_ms;
    *timeout_ms = 0;

    if (!f->up[link]) {
        return TRV_AGAIN;
    }

    if (f->drop[link]) {
        f->drop[link] = false;
        return TRV_ERROR;
    }

    if (link == TRV_LINK_TAIL) {

        if (f->renew) {
            f->renew = false;
            return TRV_DECLINED;
        }

        return trv_follow_tail_next(f, command, timeout_ms);
    }

    return trv_follow_heartbeat_next(f, now_ms, command, timeout_ms);
}


static trv_rc_e
trv_follow_heartbeat_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms)
{
    bool  report;

    if (f->asked != TRV_ASKED_NOTHING) {
        return TRV_AGAIN;
    }

    *command = &f->words.command;

    report = f->report || (trv_follow_merges_alone(f)
                           && now_ms - f->report_ms >= TRV_FOLLOW_BEAT_MS);

    /* Redis far away: when one has arrived the next may always be due */

    if (!report || f->just_reported) {
        f->just_reported = false;

        if (trv_follow_duty_next(f, now_ms, command, timeout_ms) == TRV_OK) {
            return TRV_OK;
        }
    }

    if (!report) {
        return TRV_AGAIN;
    }

    trv_follow_report_command(f, now_ms);
    f->just_reported = true;
    f->asked = TRV_ASKED_REPORT;

    return TRV_OK;
}


/* all but a report */

static trv_rc_e
trv_follow_duty_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms)
{
    bool  beat;

    if (f->adopt) {
        trv_follow_adopt_command(f);
        f->asked = TRV_ASKED_ADOPT;
        return TRV_OK;
    }

    if (f->merging || trv_follow_merge_start(f, now_ms)) {
        beat = !trv_follow_merges_alone(f) && now_ms >= f->next_beat_ms;

        if (!(beat && f->merge_asked)
            && trv_merge_next(f->merge, command) == TRV_OK)
        {
            f->doubt_merged |= trv_merge_heartbeat(f->merge) == NULL;
            f->merge_asked = true;
            f->asked = TRV_ASKED_MERGE;
            return TRV_OK;
        }

        if (!beat) {
            return TRV_AGAIN;
        }

        f->merge_asked = false;
    }

    if (!trv_writer_scanned(f->replica)) {
        return TRV_AGAIN;
    }

    if (now_ms < f->next_beat_ms) {
        return trv_follow_spare_next(f, now_ms) ? TRV_OK : TRV_AGAIN;
    }

    f->asked = TRV_ASKED_HEARTBEAT;
    f->hb_sent_ms = now_ms;
    f->hb_position = f->tail.position;
    f->doubt_asked = true;
    f->next_beat_ms = now_ms + TRV_FOLLOW_BEAT_MS;
    *timeout_ms = TRV_FOLLOW_BEAT_MS;
    trv_words_begin(&f->words, TRV_SCRIPT_HEARTBEAT);
    trv_words_add_text(&f->words,
                       f->beats++ % TRV_FOLLOW_POLICY_BEATS == 0 ? "1" : "");

    return TRV_OK;
}


/* a merge without heartbeats beside it */

static bool
trv_follow_merges_alone(const trv_follow_t *f)
{
    return f->merging && !(f->cause == TRV_CAUSE_DAILY
                           && trv_writer_scanned(f->replica));
}


/* what has time until no heartbeat is due, while Redis has what we have */

static bool
trv_follow_spare_next(trv_follow_t *f, uint64_t now_ms)
{
    if (!f->agrees) {
        return false;
    }

    if (f->flush.tries && f->flush_ms < f->hb_sent_ms) {
        f->flush_ms = now_ms;

        if (trv_flush_next(&f->flush, now_ms, &f->words)) {
            f->asked = TRV_ASKED_TRIES;
            return true;
        }
    }

    if (trv_history_tell(&f->telling, now_ms, &f->words)) {
        f->asked = TRV_ASKED_MINUTES;
        return true;
    }

    if (!f->prune && now_ms < f->prune_ms) {
        return false;
    }

    f->prune = false;
    f->prune_ms = now_ms + TRV_FOLLOW_PRUNE_MS;
    f->asked = TRV_ASKED_PRUNE;
    trv_words_begin(&f->words, TRV_SCRIPT_PRUNE);
    trv_words_add_text(&f->words, TRV_FOLLOW_PRUNE);
    trv_words_add_number(&f->words, f->token_records);
    trv_words_add_number(&f->words, (int64_t) time(NULL));

    return true;
}


static void
trv_follow_report_command(trv_follow_t *f, uint64_t now_ms)
{
    char                 text[512], position[TRV_POSITION_LEN + 1], age[24];
    trv_replica_state_t  s;

    trv_replica_state(f->replica, &s);
    trv_position_format(&s.position, position);

    if (f->contact_ms) {
        snprintf(age, sizeof(age), "%llu",
                 (unsigned long long) (now_ms - f->contact_ms));
    } else {
        strcpy(age, "null");
    }

    snprintf(text, sizeof(text),
             "\"node\":\"%s\",\"position\":\"%s\",\"replication_id\":\"%s\","
             "\"entries\":%llu,\"bytes\":%llu,\"agrees\":%s,"
             "\"contact_age_ms\":%s,\"version\":\"%s\"}",
             f->node, position, s.repl_id, (unsigned long long) s.entries,
             (unsigned long long) s.bytes, f->agrees ? "true" : "false",
             age, f->version);

    trv_words_begin(&f->words, TRV_SCRIPT_REPORT);
    trv_words_add_text(&f->words, f->edge);
    trv_words_add_text(&f->words, text);
    trv_words_add_text(&f->words, f->reported ? "" : "1");

    f->report = false;
    f->report_ms = now_ms;
}


/* with the turn to give: others must not be ready with what is there so far */

static void
trv_follow_adopt_command(trv_follow_t *f)
{
    bool          gives;
    trv_digest_t  total;

    trv_writer_total(f->replica, f->hb.first_day, &total);
    gives = trv_replica_ready(f->replica) && total.count > 0;

    trv_words_begin(&f->words, TRV_SCRIPT_ADOPT);
    trv_words_add_text(&f->words, f->fresh_set_id);
    trv_words_add_text(&f->words, gives ? f->edge : "");
    trv_words_add_number(&f->words, TRV_MERGE_TURN_MS);

    f->adopt = false;
}


void
trv_follow_reply(trv_follow_t *f, trv_link_e link, struct redisReply *reply,
    uint64_t now_ms)
{
    trv_asked_e  asked;

    f->now_ms = now_ms;

    if (link == TRV_LINK_TAIL) {
        trv_follow_tail_reply(f, reply);
        return;
    }

    asked = f->asked;
    f->asked = TRV_ASKED_NOTHING;

    if (reply->type == REDIS_REPLY_ERROR) {
        trv_follow_error(f, reply);

        f->counts.reports_failed += asked == TRV_ASKED_REPORT
                                    || asked == TRV_ASKED_TRIES;

        if (asked == TRV_ASKED_HEARTBEAT) {
            trv_judge_agrees(f, false);
        }

        if (asked == TRV_ASKED_ADOPT) {
            f->merge_ms = now_ms + TRV_FOLLOW_BEAT_MS;
            f->next_beat_ms = f->merge_ms;
        }

        if (asked != TRV_ASKED_MERGE) {
            freeReplyObject(reply);
            return;
        }
    }

    if (asked == TRV_ASKED_MERGE) {
        trv_follow_merge_reply(f, reply, now_ms);
        return;
    }

    if (asked == TRV_ASKED_HEARTBEAT) {
        trv_judge_heartbeat(f, reply, now_ms);

    } else if (asked == TRV_ASKED_REPORT) {
        f->reported = true;

    } else if (asked == TRV_ASKED_ADOPT) {
        f->next_beat_ms = 0;

    } else if (asked == TRV_ASKED_PRUNE) {
        f->prune = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;

    } else if (asked == TRV_ASKED_TRIES
               && reply->type == REDIS_REPLY_INTEGER)
    {
        f->counts.tries += trv_flush_settle(&f->flush);

    } else if (asked == TRV_ASKED_MINUTES
               && reply->type == REDIS_REPLY_INTEGER)
    {
        f->telling.told = f->telling.minute;
    }

    if (f->hb.master) {
        f->heard_ms = now_ms;
    }

    freeReplyObject(reply);
}


trv_rc_e
trv_follow_work(trv_follow_t *f, size_t n, uint64_t now_ms)
{
    trv_rc_e  rc, tail;

    f->now_ms = now_ms;

    /* away, and nothing to be heard: then what is known has to do */

    if (f->up[TRV_LINK_HEARTBEAT]
        && (f->merging || !trv_writer_scanned(f->replica)))
    {
        f->heard_ms = now_ms;            /* it waits for us */
    }

    if (now_ms - f->heard_ms >= TRV_WRITER_AWAY_MS
        && trv_writer_back_set(f->replica))
    {
        trv_follow_say(f, TRV_NOTE_WARN, "Redis cannot be heard, judging by "
                       "what was known when this edge was away");
    }

    if (!f->merging && !trv_writer_scanned(f->replica)) {
        trv_writer_scan(f->replica, n);
        return TRV_AGAIN;
    }

    /* what is new comes first: somebody may wait for it */

    tail = f->tail.reply ? trv_follow_tail_work(f, n) : TRV_OK;

    /*
     * A larger table can only be made when it is known what is in this one, so
     * no room for an entry must not hold up the scan that a merge begins with
     */

    if (!f->merging
        || tail == TRV_AGAIN
        || (tail != TRV_OK && trv_writer_scanned(f->replica)))
    {
        return tail;
    }

    rc = trv_merge_work(f->merge, n);

    if (rc == TRV_CORRUPT) {
        trv_follow_merge_failed(f, now_ms);
        trv_follow_say(f, TRV_NOTE_ERROR, "the key \"revoked\" holds a member "
                       "that cannot be read");

    } else if (trv_merge_state(f->merge) == TRV_MERGE_IDLE) {
        trv_follow_merge_done(f, now_ms);
    }

    return rc == TRV_FULL || rc == TRV_AGAIN ? rc : tail;
}


void
trv_follow_due(trv_follow_t *f, trv_cause_e cause)
{
    if (f->cause == TRV_CAUSE_NONE || f->cause == TRV_CAUSE_DAILY) {
        f->cause = cause;
    }

    f->hb_pending = false;

    /* of two servers, the one that is not the master may be the reason */

    if (f->up[TRV_LINK_TAIL] && f->tail.running && trv_follow_apart(f)) {
        f->drop[TRV_LINK_TAIL] = true;
    }
}


uint64_t
trv_follow_wait_ms(const trv_follow_t *f, uint64_t now_ms)
{
    uint64_t  at;

    at = f->next_beat_ms;

    if (trv_follow_merges_alone(f) && f->report_ms + TRV_FOLLOW_BEAT_MS < at) {
        at = f->report_ms + TRV_FOLLOW_BEAT_MS;
    }

    if (!f->merging && f->cause != TRV_CAUSE_NONE && f->merge_ms < at) {
        at = f->merge_ms;
    }

    return at > now_ms ? at - now_ms : 0;
}


uint64_t
trv_follow_want(const trv_follow_t *f)
{
    return f->merging ? trv_merge_want(f->merge) : 0;
}


uint16_t
trv_follow_first_day(const trv_follow_t *f)
{
    return f->hb.first_day;
}


const trv_follow_counts_t *
trv_follow_counts(const trv_follow_t *f)
{
    return &f->counts;
}


const char *
trv_follow_edge(const trv_follow_t *f)
{
    return f->edge;
}
