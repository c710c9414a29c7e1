
/*
 * Entries are applied in order and whole: the position moves only when all ids
 * of an entry are in the table, so whoever goes on from a position has missed
 * nothing.  Applying an entry twice is harmless.
 */

#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_tail.h"


#define TRV_TAIL_FEW_IDS  4              /* an entry, on average */


static void trv_tail_count_next(trv_tail_t *t);


void
trv_tail_reset(trv_tail_t *t, const trv_position_t *position)
{
    trv_tail_drop(t);
    trv_tail_marks_reset(t);

    t->position = *position;
    t->running = true;
    t->count = TRV_TAIL_COUNT_MIN;
}


void
trv_tail_drop(trv_tail_t *t)
{
    if (t->reply) {
        freeReplyObject(t->reply);
        t->reply = NULL;
    }

    t->in_entry = false;
}


trv_rc_e
trv_tail_reply(trv_tail_t *t, struct redisReply *reply, const trv_str_t *key)
{
    trv_rc_e  rc;

    trv_tail_drop(t);

    rc = trv_stream_open(&t->stream, reply, key);

    if (rc != TRV_OK) {
        freeReplyObject(reply);
        return rc;
    }

    t->stream.last = t->position;
    t->reply = reply;
    t->entries = 0;
    t->ids = 0;

    return TRV_OK;
}


trv_rc_e
trv_tail_apply(trv_tail_t *t, trv_replica_t *replica, size_t n,
    trv_tail_events_t *events)
{
    trv_id_t     id;
    uint16_t     day;
    trv_rc_e     rc;
    trv_entry_t  rest;

    memset(events, 0, sizeof(*events));

    if (!t->in_entry) {
        rc = trv_stream_next(&t->stream, &t->entry);

        if (rc == TRV_DECLINED || rc == TRV_CORRUPT) {
            trv_tail_drop(t);
            trv_tail_count_next(t);
            return rc;
        }

        events->skipped = (rc == TRV_INVALID);
        t->in_entry = true;
    }

    for ( /* void */ ; t->entry.ids.len; n--) {
        if (n == 0) {
            return TRV_AGAIN;
        }

        rest = t->entry;

        if (trv_entry_next(&rest, &id, &day) == TRV_OK
            && trv_writer_put(replica, &id, day) == TRV_FULL)
        {
            return TRV_FULL;
        }

        t->entry.ids = rest.ids;
        t->ids++;
    }

    events->gap = trv_position_cmp(&t->entry.prev, &t->position) != 0;
    events->ack = t->entry.ack;
    events->merge = t->entry.merge;

    t->position = t->entry.id;
    t->in_entry = false;
    t->entries++;

    return TRV_OK;
}


/*
 * Where Redis is far away a reply is all that an edge learns in a round trip:
 * one that could not hold all there was is followed by a larger one, unless
 * its entries have so many ids that it would be too large.
 */

static void
trv_tail_count_next(trv_tail_t *t)
{
    if (t->ids > t->entries * TRV_TAIL_FEW_IDS) {
        t->count = TRV_TAIL_COUNT_MIN;

    } else if (t->entries == t->count && t->count < TRV_TAIL_COUNT_MAX) {
        t->count *= 2;
    }
}


void
trv_tail_mark(trv_tail_t *t, const trv_digest_t *total)
{
    size_t  i;

    i = t->n_marks++ % TRV_TAIL_MARKS;

    t->marks[i].position = t->position;
    t->marks[i].total = *total;
}


void
trv_tail_marks_reset(trv_tail_t *t)
{
    t->n_marks = 0;
}


trv_rc_e
trv_tail_total(const trv_tail_t *t, const trv_position_t *position,
    trv_digest_t *total)
{
    size_t  i, n;

    n = t->n_marks < TRV_TAIL_MARKS ? t->n_marks : TRV_TAIL_MARKS;

    for (i = 0; i < n; i++) {
        if (trv_position_cmp(&t->marks[i].position, position) == 0) {
            *total = t->marks[i].total;
            return TRV_OK;
        }
    }

    return TRV_DECLINED;
}
