
/*
 * Writing a replica.  The order of stores is what makes a kill harmless: an
 * entry is in the table before the total or the position covers it, and a
 * replica is said to be not filled before anything of it is given up.
 *
 * `claimed` is the total as the control file has it, kept up with every put.
 * The scan computes what is really there; after a crash of the machine the
 * two tell whether entries were lost.
 */

#include "trv_number.h"
#include "trv_replica_private.h"
#include "trv_writer.h"


static void trv_writer_total_store(trv_replica_t *r);


trv_rc_e
trv_writer_scan(trv_replica_t *r, size_t n)
{
    trv_writer_t  *w;

    w = r->writer;

    if (trv_tally_walk(&w->tally, &r->table, n) == TRV_AGAIN) {
        return TRV_AGAIN;
    }

    /* before the total: the next scan would find that it fits */

    if (trv_control_get(&r->control->filled) == TRV_CONTROL_UNSURE) {
        trv_control_set(&r->control->filled,
                        trv_digest_equal(&w->tally.total, &w->claimed)
                        ? TRV_CONTROL_AWAY : 0);
    }

    trv_writer_total_store(r);

    return TRV_OK;
}


bool
trv_writer_scanned(const trv_replica_t *r)
{
    return trv_tally_done(&r->writer->tally, &r->table);
}


void
trv_writer_scan_restart(trv_replica_t *r)
{
    trv_tally_start(&r->writer->tally);
}


trv_rc_e
trv_writer_put(trv_replica_t *r, const trv_id_t *id, uint16_t day)
{
    trv_rc_e            rc;
    trv_writer_t       *w;
    trv_table_place_t   place;

    w = r->writer;

    rc = trv_tally_put(&w->tally, &r->table, id, day, &place);

    if (rc == TRV_FULL) {
        w->crowded = true;
    }

    if (rc != TRV_OK) {
        return rc;
    }

    if (w->build.head != NULL) {
        trv_writer_rebuild_put(r, id, day);
    }

    if (place.added) {
        trv_digest_add(&w->claimed, id);
    }

    trv_writer_total_store(r);

    return TRV_OK;
}


static void
trv_writer_total_store(trv_replica_t *r)
{
    trv_writer_t  *w;

    w = r->writer;

    if (trv_tally_done(&w->tally, &r->table)) {
        w->claimed = w->tally.total;
    }

    trv_control_total_set(r->control, &w->claimed);
}


void
trv_writer_digest(const trv_replica_t *r, uint16_t day, trv_digest_t *d)
{
    *d = r->writer->tally.days[day];
}


void
trv_writer_total(const trv_replica_t *r, uint16_t first_day, trv_digest_t *d)
{
    trv_digest_t  over;

    trv_tally_over(&r->writer->tally, first_day, &over);

    /* XOR undoes itself */

    *d = r->writer->tally.total;
    d->count -= over.count;
    d->xor.hi ^= over.xor.hi;
    d->xor.lo ^= over.xor.lo;
}


uint32_t
trv_writer_days_end(const trv_replica_t *r)
{
    return r->writer->tally.end;
}


trv_rc_e
trv_writer_walk(trv_replica_t *r, uint64_t *cursor, size_t n, trv_id_t *id,
    uint16_t *day)
{
    if (r->writer->walked != r->table.generation) {
        r->writer->walked = r->table.generation;
        *cursor = 0;
    }

    for ( /* void */ ; *cursor < r->table.capacity; n--) {
        if (n == 0) {
            return TRV_AGAIN;
        }

        if (trv_table_entry(&r->table, (*cursor)++, id, day) == TRV_OK) {
            return TRV_OK;
        }
    }

    return TRV_DECLINED;
}


void
trv_writer_full_set(trv_replica_t *r, bool full)
{
    trv_control_set(&r->control->full, full);
}


void
trv_writer_position_set(trv_replica_t *r, const trv_position_t *pos)
{
    trv_control_mark_t  mark;

    (void) trv_control_mark_get(r->control, &mark);

    mark.known = 1;
    mark.ms = pos->ms;
    mark.seq = pos->seq;

    trv_control_mark_set(r->control, &mark);
}


void
trv_writer_position_forget(trv_replica_t *r)
{
    trv_control_mark_t  mark;

    (void) trv_control_mark_get(r->control, &mark);

    mark.known = 0;
    mark.ms = 0;
    mark.seq = 0;

    trv_control_mark_set(r->control, &mark);
}


void
trv_writer_repl_id_set(trv_replica_t *r, const char *repl_id)
{
    trv_control_mark_t  mark;

    (void) trv_control_mark_get(r->control, &mark);

    if (trv_number_parse_hex(repl_id, 16, &mark.repl[0]) == TRV_OK
        && trv_number_parse_hex(repl_id + 16, 16, &mark.repl[1]) == TRV_OK
        && trv_number_parse_hex(repl_id + 32, 8, &mark.repl[2]) == TRV_OK)
    {
        trv_control_mark_set(r->control, &mark);
    }
}


void
trv_writer_set_id_set(trv_replica_t *r, const char *set_id)
{
    trv_control_mark_t  mark;

    (void) trv_control_mark_get(r->control, &mark);

    if (trv_number_parse_hex(set_id, 16, &mark.set[0]) == TRV_OK
        && trv_number_parse_hex(set_id + 16, 16, &mark.set[1]) == TRV_OK)
    {
        trv_control_mark_set(r->control, &mark);
    }
}


void
trv_writer_filled_set(trv_replica_t *r)
{
    trv_control_set(&r->control->filled, TRV_CONTROL_FILLED);
}


bool
trv_writer_back_set(trv_replica_t *r)
{
    if (trv_control_get(&r->control->filled) != TRV_CONTROL_AWAY) {
        return false;
    }

    trv_writer_filled_set(r);

    return true;
}


void
trv_writer_contact_set(trv_replica_t *r, uint64_t ms)
{
    trv_control_set(&r->control->contact_ms, ms);
    (void) trv_writer_back_set(r);
}


void
trv_writer_agrees_set(trv_replica_t *r, bool agrees)
{
    trv_control_set(&r->control->agrees, agrees);
}


void
trv_writer_beat_set(trv_replica_t *r, uint64_t ms)
{
    trv_control_set(&r->control->beat_ms, ms);
}


void
trv_writer_daily_set(trv_replica_t *r, uint64_t ms)
{
    trv_control_set(&r->control->daily_ms, ms);
}


uint64_t
trv_writer_daily_ms(const trv_replica_t *r)
{
    return trv_control_get(&r->control->daily_ms);
}
