
/*
 * Growth and forgetting: a new table is filled while the old one stays in
 * force.  From the start of it every put goes to both, so when the copying has
 * passed the last slot the new table holds all that the old one does, and a
 * single store puts it in force.
 */

#include <errno.h>
#include <string.h>

#include "trv_replica_private.h"
#include "trv_writer.h"


#define TRV_REBUILD_OVER_MIN  1000       /* entries worth a rebuild */


/* 25/32 of the slots: 3/4, and a bit for a table that was built to fit */

static bool
trv_rebuild_fits(uint64_t entries, uint64_t capacity)
{
    return entries <= capacity / 32 * 25;
}


trv_rc_e
trv_writer_rebuild_needed(trv_replica_t *r, uint64_t want, uint16_t first_day,
    uint64_t *capacity, uint64_t *generation, char name[TRV_TABLE_NAME_LEN])
{
    uint64_t       used, now;
    trv_digest_t   over;
    trv_writer_t  *w;

    w = r->writer;

    /* without the tally it is not known what there is to copy */

    if (w->build.head != NULL || !trv_tally_done(&w->tally, &r->table)) {
        return TRV_DECLINED;
    }

    used = w->tally.used;
    now = r->table.capacity;
    trv_tally_over(&w->tally, first_day, &over);
    over.count -= w->tally.days[0].count;        /* those are copied, too */

    if (!w->crowded && trv_rebuild_fits(used, now)
        && trv_rebuild_fits(want, now)
        && (over.count < TRV_REBUILD_OVER_MIN || over.count < used / 8))
    {
        return TRV_DECLINED;
    }

    /* half full to begin with, 38 bytes an entry */

    *capacity = (used - over.count) * 2;

    if (w->crowded && *capacity < now) {
        *capacity = now;
    }

    if (*capacity < trv_table_capacity(want)) {
        *capacity = trv_table_capacity(want);
    }

    *generation = trv_control_get(&r->control->next_generation);
    trv_control_set(&r->control->next_generation, *generation + 1);
    trv_table_name(*generation, name);

    return TRV_OK;
}


void
trv_writer_rebuild_start(trv_replica_t *r, trv_table_t *t, uint16_t first_day)
{
    trv_writer_t  *w;

    w = r->writer;

    w->build = *t;
    w->build_cursor = 0;
    w->build_first_day = first_day;
    w->build_failed = false;

    trv_tally_start_empty(&w->build_tally, &w->build);
}


void
trv_writer_rebuild_put(trv_replica_t *r, const trv_id_t *id, uint16_t day)
{
    trv_writer_t       *w;
    trv_table_place_t   place;

    w = r->writer;

    if (trv_tally_put(&w->build_tally, &w->build, id, day, &place)
        == TRV_FULL)
    {
        w->build_failed = true;
    }
}


trv_rc_e
trv_writer_rebuild_copy(trv_replica_t *r, size_t n)
{
    uint16_t       day;
    trv_id_t       id;
    trv_writer_t  *w;

    w = r->writer;

    for ( /* void */ ; n > 0 && w->build_cursor < r->table.capacity; n--) {

        if (trv_table_entry(&r->table, w->build_cursor++, &id, &day) != TRV_OK
            || (day != 0 && day < w->build_first_day))
        {
            continue;
        }

        trv_writer_rebuild_put(r, &id, day);
    }

    if (w->build_failed) {
        return TRV_FULL;
    }

    return (w->build_cursor < r->table.capacity) ? TRV_AGAIN : TRV_OK;
}


trv_table_t *
trv_writer_rebuild_table(trv_replica_t *r)
{
    return (r->writer->build.head != NULL) ? &r->writer->build : NULL;
}


trv_rc_e
trv_writer_rebuild_switch(trv_replica_t *r)
{
    trv_table_t    built;
    trv_tally_t    tally;
    trv_writer_t  *w;

    w = r->writer;

    if (w->build_failed || w->build_cursor < r->table.capacity) {
        errno = ENOSPC;
        return TRV_FULL;
    }

    built = w->build;
    w->build.head = NULL;
    w->build.fd = -1;

    trv_control_set(&r->control->capacity, built.capacity);

    /* partner: the load in trv_replica_table_refresh() */

    trv_control_set(&r->control->generation, built.generation);

    trv_table_remove(&r->table, r->dir_fd);
    trv_replica_table_set(r, &built);

    tally = w->tally;
    w->tally = w->build_tally;
    w->build_tally = tally;

    w->crowded = false;
    w->claimed = w->tally.total;
    trv_control_total_set(r->control, &w->claimed);

    return TRV_OK;
}


void
trv_writer_rebuild_abort(trv_replica_t *r)
{
    trv_writer_t  *w;

    w = r->writer;

    if (w->build.head == NULL) {
        return;
    }

    trv_table_remove(&w->build, r->dir_fd);
    trv_table_close(&w->build);
}
