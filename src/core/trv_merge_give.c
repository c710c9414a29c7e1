
/*
 * The second half of a merge: what Redis has is in our table now, so whatever
 * differs still, differs because its digests are wrong or because it lacks
 * revocations that we have.
 */

#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_merge_private.h"


#define TRV_MERGE_REPAIR_MAX    200      /* days in one call of repair.lua */
#define TRV_MERGE_REPAIR_TRIES  20       /* calls, while others revoke */


bool
trv_merge_repair_next(trv_merge_t *m)
{
    size_t            n;
    char              text[TRV_DIGEST_LEN + 1];
    char              position[TRV_POSITION_LEN + 1];
    trv_digest_t      ours;
    trv_merge_day_t  *d;

    m->repair_from = m->repair;

    trv_words_begin(&m->words, TRV_SCRIPT_REPAIR);
    trv_words_add(&m->words, position,
                  m->position ? trv_position_format(m->position, position)
                              : 0);

    for (n = 0; m->repair < m->days_end && n < TRV_MERGE_REPAIR_MAX;
         m->repair++)
    {
        d = &m->days[m->repair];

        if (!d->read || trv_digest_equal(&d->claimed, &d->counted)) {
            continue;
        }

        trv_words_add_number(&m->words, m->repair);
        trv_words_add(&m->words, text, trv_digest_format(&d->claimed, text));
        trv_words_add(&m->words, text, trv_digest_format(&d->counted, text));
        trv_writer_digest(m->replica, (uint16_t) m->repair, &ours);
        trv_words_add(&m->words, text, trv_digest_format(&ours, text));
        n++;
    }

    /* a scrub adds the total up anew even if every day is right */

    if (n == 0 && m->scrub) {
        m->scrub = false;
        n = 1;
    }

    m->state = TRV_MERGE_REPAIR;

    return n > 0;
}


/* days put right, days that others have changed meanwhile */

trv_rc_e
trv_merge_repaired(trv_merge_t *m, const redisReply *reply)
{
    uint64_t  fixed, wrong;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || trv_reply_number(reply->element[0], UINT64_MAX >> 1, &fixed)
           != TRV_OK
        || trv_reply_number(reply->element[1], UINT64_MAX >> 1, &wrong)
           != TRV_OK)
    {
        return TRV_CORRUPT;
    }

    m->result.repaired += fixed;

    if (wrong && m->repair_tries++ < TRV_MERGE_REPAIR_TRIES) {
        m->repair = m->repair_from;

    } else {
        m->repair_tries = 0;
    }

    if (!trv_merge_repair_next(m)) {
        trv_merge_give_start(m);
    }

    return TRV_OK;
}


void
trv_merge_give_start(trv_merge_t *m)
{
    bool              any;
    uint32_t          day;
    trv_digest_t      ours, *theirs;
    trv_merge_day_t  *d;

    any = false;

    if (m->days_end < trv_writer_days_end(m->replica)) {
        m->days_end = trv_writer_days_end(m->replica);
    }

    for (day = m->heartbeat.first_day; day < m->days_end; day++) {
        d = &m->days[day];
        theirs = d->read ? &d->counted : &d->claimed;
        trv_writer_digest(m->replica, (uint16_t) day, &ours);

        d->give = ours.count && !trv_digest_equal(&ours, theirs);
        any = any || d->give;
    }

    if (!any) {
        trv_merge_stop(m);
        return;
    }

    m->cursor = 0;
    trv_merge_batch_begin(m);
}


void
trv_merge_batch_begin(trv_merge_t *m)
{
    trv_words_t  *w;

    w = &m->words;

    /* the third word is "end" or "end changed" in the last batch only */

    trv_words_begin(w, TRV_SCRIPT_MERGE);
    trv_words_add_text(w, m->edge);
    trv_words_add_number(w, TRV_MERGE_TURN_MS);
    trv_words_add_text(w, "");
    trv_words_add_number(w, m->log_length);

    m->last = false;
    m->state = TRV_MERGE_COLLECT;
}


trv_rc_e
trv_merge_collect(trv_merge_t *m, size_t n)
{
    trv_id_t     id;
    uint16_t     day;
    trv_rc_e     rc;
    char         hex[TRV_ID_HEX_LEN];

    for ( /* void */ ; n > 0; n--) {
        rc = trv_writer_walk(m->replica, &m->cursor, n, &id, &day);

        if (rc == TRV_AGAIN) {
            return rc;
        }

        if (rc == TRV_DECLINED) {
            m->last = true;
            m->words.argv[2] = m->result.pushed ? "end changed" : "end";
            m->words.argvlen[2] = strlen(m->words.argv[2]);
            m->state = TRV_MERGE_PUSH;
            return TRV_AGAIN;
        }

        if (day == 0 || !m->days[day].give) {
            continue;
        }

        trv_id_format(&id, hex);
        trv_words_add(&m->words, hex, sizeof(hex));
        trv_words_add_number(&m->words,
                             (uint64_t) (day + 1) * TRV_DAY_SEC - 1);

        if (m->words.command.argc == 4 + 2 * TRV_COMMAND_MAX_IDS) {
            m->state = TRV_MERGE_PUSH;
            return TRV_AGAIN;
        }
    }

    return TRV_AGAIN;
}
