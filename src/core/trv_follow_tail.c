
/*
 * The tail link: XREAD, and what its entries mean for the follower.
 */

#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_judge.h"


#define TRV_FOLLOW_IN_VAIN  3            /* reads of the same entry */


trv_rc_e
trv_follow_tail_next(trv_follow_t *f, const trv_command_t **command,
    uint32_t *timeout_ms)
{
    char  position[TRV_POSITION_LEN + 1];

    if (f->reading || !f->tail.running || f->tail.reply
        || !f->up[TRV_LINK_HEARTBEAT])
    {
        return TRV_AGAIN;
    }

    if (trv_follow_apart(f)) {

        if (f->tail_repl_id[0] == '\0') {
            trv_follow_say(f, TRV_NOTE_WARN, "two links of one follower are at "
                           "two Redis servers");
            return TRV_ERROR;
        }

        if (strcmp(f->tail_repl_id, f->hb.repl_id) != 0) {
            trv_follow_say(f, TRV_NOTE_WARN, "the replica has another "
                           "replication id than Redis");
            return TRV_ERROR;
        }
    }

    trv_position_format(&f->tail.position, position);

    trv_words_begin(&f->words, TRV_SCRIPT_NONE);
    trv_words_add_text(&f->words, "XREAD");
    trv_words_add_text(&f->words, "COUNT");
    trv_words_add_number(&f->words, (int64_t) f->tail.count);
    trv_words_add_text(&f->words, "BLOCK");
    trv_words_add_number(&f->words, TRV_FOLLOW_BLOCK_MS);
    trv_words_add_text(&f->words, "STREAMS");
    trv_words_add_text(&f->words, f->key);
    trv_words_add_text(&f->words, position);

    f->reading = true;
    *timeout_ms = TRV_FOLLOW_BLOCK_MS + TRV_FOLLOW_BEAT_MS;
    *command = &f->words.command;

    return TRV_OK;
}


void
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


trv_rc_e
trv_follow_tail_work(trv_follow_t *f, size_t n)
{
    trv_rc_e           rc;
    trv_tail_events_t  events;

    rc = trv_tail_apply(&f->tail, f->replica, n, &events);

    if (events.skipped) {
        f->counts.skipped++;
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

    f->counts.entries++;

    if (!events.merge && !events.skipped) {
        trv_measure_delay(f, f->tail.position.ms);
    }

    if (events.gap) {
        trv_follow_due(f, TRV_CAUSE_GAP);
    }

    /* a merge under way may have read too early to bring what was missed */

    if (events.gap || events.merge) {
        trv_judge_doubt(f, &f->tail.position);
    }

    if (f->cause == TRV_CAUSE_NONE && !f->doubted) {
        trv_writer_position_set(f->replica, &f->tail.position);
    }

    f->report = f->report || events.ack;

    trv_judge_mark(f);
    trv_judge_compare(f);

    return TRV_AGAIN;
}


/*
 * A reply that is too large, or that we may not have, costs the link, and the
 * same one waits behind it: then a merge has to bring what is in it.
 */

void
trv_follow_tail_lost(trv_follow_t *f)
{
    f->tail.count = TRV_TAIL_COUNT_MIN;

    if (!f->tail.running
        || trv_position_cmp(&f->tail.position, &f->hb.last) >= 0
        || trv_position_cmp(&f->tail.position, &f->in_vain_at) != 0)
    {
        f->in_vain = 0;
        f->in_vain_at = f->tail.position;
    }

    if (++f->in_vain > TRV_FOLLOW_IN_VAIN) {
        f->in_vain = 0;
        trv_follow_due(f, TRV_CAUSE_STUCK);
    }
}


bool
trv_follow_apart(const trv_follow_t *f)
{
    return strcmp(f->run_id[TRV_LINK_TAIL], f->run_id[TRV_LINK_HEARTBEAT])
           != 0;
}
