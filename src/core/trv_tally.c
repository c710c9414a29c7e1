
/*
 * The tally.  What the control file says about the table is what some writer
 * believed; this is what is in it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trv_tally.h"


trv_rc_e
trv_tally_create(trv_tally_t *tally)
{
    memset(tally, 0, sizeof(trv_tally_t));

    tally->days = calloc(TRV_TALLY_DAYS, sizeof(trv_digest_t));
    tally->lowest = TRV_TALLY_DAYS;

    return (tally->days != NULL) ? TRV_OK : TRV_ERROR;
}


void
trv_tally_destroy(trv_tally_t *tally)
{
    free(tally->days);
    tally->days = NULL;
}


void
trv_tally_start(trv_tally_t *tally)
{
    /* the whole of it would hold up the event loop for a millisecond */

    memset(&tally->days[0], 0, sizeof(trv_digest_t));

    if (tally->lowest < tally->end) {
        memset(&tally->days[tally->lowest], 0,
               (tally->end - tally->lowest) * sizeof(trv_digest_t));
    }

    memset(&tally->total, 0, sizeof(trv_digest_t));

    tally->cursor = 0;
    tally->seen = 0;
    tally->lowest = TRV_TALLY_DAYS;
    tally->end = 0;
}


static void
trv_tally_count(trv_tally_t *tally, const trv_id_t *id, uint16_t day)
{
    trv_digest_add(&tally->days[day], id);

    if (day != 0 && day < tally->lowest) {
        tally->lowest = day;
    }

    if (day >= tally->end) {
        tally->end = (uint32_t) day + 1;
    }
}


void
trv_tally_over(const trv_tally_t *tally, uint16_t first_day,
    trv_digest_t *over)
{
    uint32_t  day;

    *over = tally->days[0];

    for (day = tally->lowest; day < first_day; day++) {
        trv_digest_join(over, &tally->days[day]);
    }
}


void
trv_tally_start_empty(trv_tally_t *tally, const trv_table_t *t)
{
    trv_tally_start(tally);

    tally->cursor = t->capacity;
    tally->used = 0;
}


trv_rc_e
trv_tally_walk(trv_tally_t *tally, const trv_table_t *t, size_t n)
{
    uint16_t  day;
    uint64_t  end, left;
    trv_id_t  id;

    if (trv_tally_done(tally, t)) {
        return TRV_OK;
    }

    left = t->capacity - tally->cursor;
    end = tally->cursor + ((n < left) ? n : left);

    for ( /* void */ ; tally->cursor < end; tally->cursor++) {

        if (!trv_table_occupied(t, tally->cursor)) {
            continue;
        }

        tally->seen++;

        if (trv_table_entry(t, tally->cursor, &id, &day) == TRV_OK) {
            trv_tally_count(tally, &id, day);
            trv_digest_add(&tally->total, &id);
        }
    }

    if (end < t->capacity) {
        return TRV_AGAIN;
    }

    tally->used = tally->seen;

    return TRV_OK;
}


bool
trv_tally_done(const trv_tally_t *tally, const trv_table_t *t)
{
    return tally->cursor == t->capacity;
}


trv_rc_e
trv_tally_put(trv_tally_t *tally, trv_table_t *t, const trv_id_t *id,
    uint16_t day, trv_table_place_t *place)
{
    trv_rc_e  rc;

    rc = trv_table_put(t, id, day, tally->used < t->capacity / 8 * 7, place);

    if (rc != TRV_OK) {
        return rc;
    }

    if (place->added) {
        tally->used++;
    }

    if (place->slot >= tally->cursor) {
        return TRV_OK;
    }

    if (place->added) {
        tally->seen++;
        trv_digest_add(&tally->total, id);

    } else {
        trv_digest_remove(&tally->days[place->was], id);
    }

    trv_tally_count(tally, id, day);

    return TRV_OK;
}
