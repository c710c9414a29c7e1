
/*
 * On the heartbeat link one command is in flight at a time; what it is, is
 * f->asked.  What comes next is decided anew after each reply, in the order of
 * trv_follow_heartbeat_next(): a report that is due, an unborn Redis, a merge,
 * forgetting, the next heartbeat.
 *
 * The position in the control file is the promise "all up to here is in the
 * table".  It moves with the tail while nothing is amiss; from the moment that
 * a merge is due until that merge is over it stands still, so a follower that
 * dies in between is succeeded by one that merges too.
 *
 * Contact is the time at which a good heartbeat was sent, never the time at
 * which its reply was read: what it says was true at the earlier moment.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_follow_private.h"


#define TRV_FOLLOW_COUNT        "32"     /* entries of one XREAD: at most 1.4
                                            megabytes */
#define TRV_FOLLOW_DAY_MS       86400000
#define TRV_FOLLOW_BACKOFF_MS   1000     /* between merges that do not help */
#define TRV_FOLLOW_BACKOFF_MAX  60000
#define TRV_FOLLOW_PRUNE        "500"    /* revocations a call: some 2 ms */


static trv_rc_e trv_follow_tail_next(trv_follow_t *f,
    const trv_command_t **command, uint32_t *timeout_ms);
static trv_rc_e trv_follow_heartbeat_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms);
static void trv_follow_report_command(trv_follow_t *f, uint64_t now_ms);
static bool trv_follow_merge_start(trv_follow_t *f, uint64_t now_ms);
static void trv_follow_tail_reply(trv_follow_t *f, redisReply *reply);
static void trv_follow_merge_reply(trv_follow_t *f, redisReply *reply,
    uint64_t now_ms);
static void trv_follow_merge_begun(trv_follow_t *f);
static void trv_follow_merge_done(trv_follow_t *f, uint64_t now_ms);
static void trv_follow_merge_say(trv_follow_t *f);
static trv_rc_e trv_follow_tail_work(trv_follow_t *f, size_t n);
static void trv_follow_error(trv_follow_t *f, const redisReply *reply);


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

    f->known = state.position_known;
    f->daily_ms = now_ms + TRV_FOLLOW_DAY_MS
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
trv_follow_up(trv_follow_t *f, trv_link_e link, const char *run_id)
{
    f->up[link] = true;
    f->drop[link] = false;
    snprintf(f->run_id[link], sizeof(f->run_id[link]), "%s", run_id);

    if (link == TRV_LINK_TAIL) {
        f->reading = false;

    } else {
        f->asked = TRV_ASKED_NOTHING;
        f->next_beat_ms = 0;
    }
}


void
trv_follow_lost(trv_follow_t *f, trv_link_e link)
{
    f->up[link] = false;

    if (link == TRV_LINK_TAIL) {
        f->reading = false;
        return;
    }

    f->asked = TRV_ASKED_NOTHING;
    f->hb_pending = false;
    f->adopt = false;

    if (f->merging) {

        /* the cause stands, so the next heartbeat begins anew */

        trv_merge_stop(f->merge);
        f->merging = false;
    }
}


trv_rc_e
trv_follow_next(trv_follow_t *f, trv_link_e link, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms)
{
    *timeout_ms = 0;

    if (!f->up[link]) {
        return TRV_AGAIN;
    }

    if (f->drop[link]) {
        f->drop[link] = false;
        return TRV_ERROR;
    }

    if (link == TRV_LINK_TAIL) {
        return trv_follow_tail_next(f, command, timeout_ms);
    }

    return trv_follow_heartbeat_next(f, now_ms, command, timeout_ms);
}


static trv_rc_e
trv_follow_tail_next(trv_follow_t *f, const trv_command_t **command,
    uint32_t *timeout_ms)
{
    char  position[TRV_POSITION_LEN + 1], block[16];

    if (f->reading || !f->tail.running || f->tail.reply
        || !f->up[TRV_LINK_HEARTBEAT])
    {
        return TRV_AGAIN;
    }

    if (strcmp(f->run_id[TRV_LINK_TAIL], f->run_id[TRV_LINK_HEARTBEAT]) != 0) {
        trv_follow_say(f, TRV_NOTE_WARN, "two links of one follower are at "
                       "two Redis servers");
        return TRV_ERROR;
    }

    trv_position_format(&f->tail.position, position);
    snprintf(block, sizeof(block), "%d", TRV_FOLLOW_BLOCK_MS);

    trv_words_begin(&f->words, TRV_SCRIPT_NONE);
    trv_words_add_text(&f->words, "XREAD");
    trv_words_add_text(&f->words, "COUNT");
    trv_words_add_text(&f->words, TRV_FOLLOW_COUNT);
    trv_words_add_text(&f->words, "BLOCK");
    trv_words_add_text(&f->words, block);
    trv_words_add_text(&f->words, "STREAMS");
    trv_words_add_text(&f->words, f->key);
    trv_words_add_text(&f->words, position);

    f->reading = true;
    *timeout_ms = TRV_FOLLOW_BLOCK_MS + TRV_FOLLOW_BEAT_MS;
    *command = &f->words.command;

    return TRV_OK;
}


static trv_rc_e
trv_follow_heartbeat_next(trv_follow_t *f, uint64_t now_ms,
    const trv_command_t **command, uint32_t *timeout_ms)
{
    if (f->asked != TRV_ASKED_NOTHING) {
        return TRV_AGAIN;
    }

    *command = &f->words.command;

    if (f->report || (f->merging
                      && now_ms - f->report_ms >= TRV_FOLLOW_BEAT_MS))
    {
        trv_follow_report_command(f, now_ms);
        f->asked = TRV_ASKED_REPORT;
        return TRV_OK;
    }

    if (f->adopt) {
        f->adopt = false;
        f->asked = TRV_ASKED_ADOPT;
        trv_words_begin(&f->words, TRV_SCRIPT_ADOPT);
        trv_words_add_text(&f->words, f->fresh_set_id);
        return TRV_OK;
    }

    if (f->merging || trv_follow_merge_start(f, now_ms)) {
        if (trv_merge_next(f->merge, command) != TRV_OK) {
            return TRV_AGAIN;
        }

        f->asked = TRV_ASKED_MERGE;
        return TRV_OK;
    }

    if (!trv_writer_scanned(f->replica)) {
        return TRV_AGAIN;
    }

    if (f->prune && f->agrees) {
        f->prune = false;
        f->asked = TRV_ASKED_PRUNE;
        trv_words_begin(&f->words, TRV_SCRIPT_PRUNE);
        trv_words_add_text(&f->words, TRV_FOLLOW_PRUNE);
        return TRV_OK;
    }

    if (now_ms < f->next_beat_ms) {
        return TRV_AGAIN;
    }

    f->asked = TRV_ASKED_HEARTBEAT;
    f->hb_sent_ms = now_ms;
    f->hb_position = f->tail.position;
    f->next_beat_ms = now_ms + TRV_FOLLOW_BEAT_MS;
    *timeout_ms = TRV_FOLLOW_BEAT_MS;
    trv_words_begin(&f->words, TRV_SCRIPT_HEARTBEAT);

    return TRV_OK;
}


static bool
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
        return false;
    }

    f->scrub = f->cause == TRV_CAUSE_DAILY || f->failed > 0;

    if (trv_merge_start(f->merge, f->scrub) != TRV_OK) {
        f->merge_ms = now_ms + TRV_FOLLOW_BACKOFF_MS;
        return false;
    }

    f->merging = true;
    f->hb_pending = false;
    f->counts.merges[f->cause]++;

    return true;
}


static void
trv_follow_report_command(trv_follow_t *f, uint64_t now_ms)
{
    char                 text[512], position[TRV_POSITION_LEN + 1], contact[32];
    trv_replica_state_t  s;

    trv_replica_state(f->replica, &s);
    trv_position_format(&s.position, position);

    if (f->contact_ms) {
        snprintf(contact, sizeof(contact), "%.3f",
                 (double) (now_ms - f->contact_ms) / 1000);
    } else {
        strcpy(contact, "null");
    }

    snprintf(text, sizeof(text),
             "\"node\":\"%s\",\"position\":\"%s\",\"replication_id\":\"%s\","
             "\"entries\":%llu,\"bytes\":%llu,\"agrees\":%s,"
             "\"contact\":%s,\"version\":\"%s\"}",
             f->node, position, s.repl_id, (unsigned long long) s.entries,
             (unsigned long long) s.bytes, f->agrees ? "true" : "false",
             contact, f->version);

    trv_words_begin(&f->words, TRV_SCRIPT_REPORT);
    trv_words_add_text(&f->words, f->edge);
    trv_words_add_text(&f->words, text);

    f->report = false;
    f->report_ms = now_ms;
}


void
trv_follow_reply(trv_follow_t *f, trv_link_e link, struct redisReply *reply,
    uint64_t now_ms)
{
    trv_asked_e  asked;

    if (link == TRV_LINK_TAIL) {
        trv_follow_tail_reply(f, reply);
        return;
    }

    asked = f->asked;
    f->asked = TRV_ASKED_NOTHING;

    if (reply->type == REDIS_REPLY_ERROR) {
        trv_follow_error(f, reply);

        f->counts.reports_failed += (asked == TRV_ASKED_REPORT);

        if (asked == TRV_ASKED_HEARTBEAT) {
            f->agrees = false;
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
        f->error[0] = '\0';
        trv_judge_heartbeat(f, reply, now_ms);

    } else if (asked == TRV_ASKED_ADOPT) {
        f->next_beat_ms = 0;

    } else if (asked == TRV_ASKED_PRUNE) {
        f->prune = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    }

    freeReplyObject(reply);
}


static void
trv_follow_tail_reply(trv_follow_t *f, redisReply *reply)
{
    trv_str_t  key;

    f->reading = false;

    if (reply->type == REDIS_REPLY_ERROR) {
        trv_follow_error(f, reply);
        freeReplyObject(reply);
        f->drop[TRV_LINK_TAIL] = true;
        return;
    }

    key.data = f->key;
    key.len = strlen(f->key);

    if (trv_tail_reply(&f->tail, reply, &key) == TRV_CORRUPT) {
        trv_follow_say(f, TRV_NOTE_ERROR,
                       "the reply to XREAD is not one, reading again");
        f->drop[TRV_LINK_TAIL] = true;
    }
}


static void
trv_follow_merge_reply(trv_follow_t *f, redisReply *reply, uint64_t now_ms)
{
    bool      asked;
    trv_rc_e  rc;

    asked = trv_merge_heartbeat(f->merge) == NULL;
    rc = trv_merge_reply(f->merge, reply);

    if (rc == TRV_CORRUPT) {
        f->merging = false;
        f->failed++;
        f->merge_ms = now_ms + TRV_FOLLOW_BACKOFF_MS;
        f->next_beat_ms = now_ms + TRV_FOLLOW_BEAT_MS;
        return;
    }

    if (asked) {
        trv_follow_merge_begun(f);
    }

    if (!f->merging) {
        return;
    }

    if (trv_merge_state(f->merge) == TRV_MERGE_IDLE) {
        trv_follow_merge_done(f, now_ms);
    }
}


/* the digests are there, and with them the last id of the log */

static void
trv_follow_merge_begun(trv_follow_t *f)
{
    const trv_heartbeat_t  *hb;

    hb = trv_merge_heartbeat(f->merge);

    if (hb) {
        f->hb = *hb;
    }

    if (!f->hb.master || f->hb.set_id[0] == '\0') {
        trv_merge_stop(f->merge);
        f->merging = false;
        f->next_beat_ms = 0;
        return;
    }

    if (f->tail.running
        && (f->cause == TRV_CAUSE_GAP || f->cause == TRV_CAUSE_DIGEST
            || f->cause == TRV_CAUSE_COUNT || f->cause == TRV_CAUSE_DAILY))
    {
        return;                          /* the tail itself is in sequence */
    }

    trv_tail_reset(&f->tail, &f->hb.last);
    f->drop[TRV_LINK_TAIL] = f->reading; /* it waits at another position */
}


static void
trv_follow_merge_done(trv_follow_t *f, uint64_t now_ms)
{
    trv_follow_merge_say(f);

    if (f->scrub) {
        f->junk = trv_merge_result(f->merge)->junk;
    }

    trv_writer_set_id_set(f->replica, f->hb.set_id);
    trv_writer_repl_id_set(f->replica, f->hb.repl_id);
    trv_writer_position_set(f->replica, &f->tail.position);

    f->merging = false;
    f->known = true;
    f->cause = TRV_CAUSE_NONE;
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

    if (result->evicting) {
        trv_follow_say(f, TRV_NOTE_ERROR, "Redis evicts keys: its "
                       "maxmemory-policy must not be allkeys-*");
    }
}


trv_rc_e
trv_follow_work(trv_follow_t *f, size_t n, uint64_t now_ms)
{
    trv_rc_e  rc;

    if (!f->merging && !trv_writer_scanned(f->replica)) {
        trv_writer_scan(f->replica, n);
        trv_tail_marks_reset(&f->tail);
        return TRV_AGAIN;
    }

    /* what is new comes first: somebody may wait for it */

    if (f->tail.reply) {
        rc = trv_follow_tail_work(f, n);
        if (rc != TRV_OK) {
            return rc;
        }
    }

    if (!f->merging) {
        return TRV_OK;
    }

    rc = trv_merge_work(f->merge, n);

    if (rc == TRV_CORRUPT) {
        f->merging = false;
        f->failed++;
        f->merge_ms = now_ms + TRV_FOLLOW_BACKOFF_MS;
        trv_follow_say(f, TRV_NOTE_ERROR, "the key \"revoked\" holds a member "
                       "that cannot be read");

    } else if (trv_merge_state(f->merge) == TRV_MERGE_IDLE) {
        trv_follow_merge_done(f, now_ms);
    }

    return rc == TRV_FULL ? TRV_FULL : rc == TRV_AGAIN ? TRV_AGAIN : TRV_OK;
}


static trv_rc_e
trv_follow_tail_work(trv_follow_t *f, size_t n)
{
    trv_rc_e           rc;
    trv_tail_events_t  events;

    rc = trv_tail_apply(&f->tail, f->replica, n, &events);

    if (events.skipped) {
        trv_follow_say(f, TRV_NOTE_ERROR, "an entry of the log that does not "
                       "parse was skipped: %llu-%llu",
                       (unsigned long long) f->tail.entry.id.ms,
                       (unsigned long long) f->tail.entry.id.seq);
    }

    if (rc == TRV_CORRUPT) {
        trv_follow_say(f, TRV_NOTE_ERROR,
                       "the reply to XREAD is not one, reading again");
        f->drop[TRV_LINK_TAIL] = true;
    }

    if (rc != TRV_OK) {
        return rc == TRV_AGAIN || rc == TRV_FULL ? rc : TRV_OK;
    }

    if (events.gap) {
        trv_follow_due(f, TRV_CAUSE_GAP);
    }

    if (f->cause == TRV_CAUSE_NONE) {
        trv_writer_position_set(f->replica, &f->tail.position);
    }

    f->report = f->report || events.ack;

    if (events.merge) {
        f->next_beat_ms = 0;
    }

    trv_judge_mark(f);
    trv_judge_compare(f);

    return TRV_AGAIN;
}


void
trv_follow_due(trv_follow_t *f, trv_cause_e cause)
{
    if (f->cause == TRV_CAUSE_NONE) {
        f->cause = cause;
    }

    f->hb_pending = false;
}


uint64_t
trv_follow_wait_ms(const trv_follow_t *f, uint64_t now_ms)
{
    uint64_t  at;

    at = f->next_beat_ms;

    if (f->merging && f->report_ms + TRV_FOLLOW_BEAT_MS < at) {
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


trv_rc_e
trv_follow_note(trv_follow_t *f, trv_note_t *note)
{
    if (f->n_notes == 0) {
        return TRV_DECLINED;
    }

    *note = f->notes[0];
    f->n_notes--;
    memmove(&f->notes[0], &f->notes[1], f->n_notes * sizeof(trv_note_t));

    return TRV_OK;
}


void
trv_follow_say(trv_follow_t *f, int level, const char *fmt, ...)
{
    va_list      args;
    trv_note_t  *note;

    /* nobody reads: the oldest ones are worth most */

    if (f->n_notes == TRV_FOLLOW_NOTES) {
        return;
    }

    note = &f->notes[f->n_notes++];
    note->level = level;

    va_start(args, fmt);
    vsnprintf(note->text, sizeof(note->text), fmt, args);
    va_end(args);
}


/* an error is said once, until a heartbeat comes through or it changes */

static void
trv_follow_error(trv_follow_t *f, const redisReply *reply)
{
    char    text[sizeof(f->error)];
    size_t  i;

    snprintf(text, sizeof(text), "%.*s", (int) reply->len, reply->str);

    for (i = 0; text[i]; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            text[i] = '?';
        }
    }

    if (strcmp(text, f->error) == 0) {
        return;
    }

    strcpy(f->error, text);
    trv_follow_say(f, TRV_NOTE_ERROR, "Redis answered: %s", text);
}
