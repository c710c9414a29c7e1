
/*
 * What the holder of the writer lock does to a replica: take it over, add
 * revocations, keep the day digests, rebuild the table.
 *
 * All of it needs trv_replica_lock().
 */

#ifndef TRV_WRITER_H
#define TRV_WRITER_H

#include "trv_digest.h"
#include "trv_replica.h"


/* a writer without a sign of life for longer than this was not there */
#define TRV_WRITER_AWAY_MS  3000


/*
 * Takes over: opens the files for writing, or makes them.  A file that fails
 * its checks is set aside (renamed to NAME.bad) and made anew, empty and not
 * filled; TRV_CORRUPT then, and the replica is usable.  boot_id names this
 * boot of the machine: if it differs from the one in the file, the position
 * and contact are forgotten, and filled is cleared until the scan has found as
 * many entries as the control file knew of.  A replica that had no writer for
 * a while is away: not ready until contact, or until trv_writer_back_set().
 * One that was filled under another prefix keeps its entries, but is not filled
 * and knows no position and no set id.
 * Removes left-over tables.
 *
 * TRV_OK; TRV_CORRUPT: a file was set aside; TRV_ERROR: errno, not usable.
 */
trv_rc_e trv_writer_take(trv_replica_t *r, const char *boot_id,
    uint64_t now_ms);

/* it was filled under another prefix when it was taken over */
bool trv_writer_foreign(const trv_replica_t *r);

/* no longer away; false: it was not */
bool trv_writer_back_set(trv_replica_t *r);

/*
 * Computes the day digests from the table, up to n slots a call; what is put
 * in the meantime is counted once.  TRV_AGAIN: more to do.  TRV_OK: done.
 */
trv_rc_e trv_writer_scan(trv_replica_t *r, size_t n);
bool trv_writer_scanned(const trv_replica_t *r);

/* forgets the digests: a merge does not trust what it did not count itself */
void trv_writer_scan_restart(trv_replica_t *r);

/*
 * Adds a revocation (or raises its day) in the table in force and in the one
 * being built.  TRV_OK: changed.  TRV_DECLINED: was there.  TRV_FULL: wait for
 * room (see rebuild), nothing was changed.
 */
trv_rc_e trv_writer_put(trv_replica_t *r, const trv_id_t *id, uint16_t day);

/* the digest of one day; of all days from first_day on (needs the scan) */
void trv_writer_digest(const trv_replica_t *r, uint16_t day, trv_digest_t *d);
void trv_writer_total(const trv_replica_t *r, uint16_t first_day,
    trv_digest_t *d);

/* no entry is of this day or a later one (needs the scan) */
uint32_t trv_writer_days_end(const trv_replica_t *r);

/*
 * Walks over the entries: *cursor starts at 0.  TRV_OK: an entry.
 * TRV_AGAIN: n slots were looked at without one, call again.
 * TRV_DECLINED: the end.  A rebuild that ends in between restarts the walk
 * (*cursor becomes 0), so entries can be seen twice.
 */
trv_rc_e trv_writer_walk(trv_replica_t *r, uint64_t *cursor, size_t n,
    trv_id_t *id, uint16_t *day);

/*
 * Rebuild: growth and forgetting are one operation.
 *
 *     needed -> trv_table_create()  (slow: elsewhere)
 *            -> start -> copy, copy, ... -> trv_table_sync()  (slow)
 *            -> switch -> trv_replica_retired()
 *
 * needed: TRV_OK and *capacity, *generation (never used before, reserved in the
 * control file), name of the file to create; TRV_DECLINED: not needed, or one
 * is under way.  Needed when the load is above 25/32 (3/4 and a bit, so that a
 * table built to fit does not grow at its first insert), when want (entries
 * expected) does not fit, or when more than 1/8 of the entries, and at least
 * 1000, are of days before first_day.
 */
trv_rc_e trv_writer_rebuild_needed(trv_replica_t *r, uint64_t want,
    uint16_t first_day, uint64_t *capacity, uint64_t *generation,
    char name[TRV_TABLE_NAME_LEN]);

/* from now on puts go to both tables; t is moved from (the replica owns it) */
void trv_writer_rebuild_start(trv_replica_t *r, trv_table_t *t,
    uint16_t first_day);

/*
 * Copies up to n slots, leaving out days before first_day (day 0 is kept).
 * TRV_AGAIN: more; TRV_OK: done; TRV_FULL: the new table is too small after
 * all: abort and begin again.
 */
trv_rc_e trv_writer_rebuild_copy(trv_replica_t *r, size_t n);

/* the table being built, NULL if none: for trv_table_sync() */
trv_table_t *trv_writer_rebuild_table(trv_replica_t *r);

/* puts the new generation in force, deletes the old file, retires its map */
trv_rc_e trv_writer_rebuild_switch(trv_replica_t *r);

/* drops and deletes the table being built */
void trv_writer_rebuild_abort(trv_replica_t *r);

/* there is no room on the disk, or there is again */
void trv_writer_full_set(trv_replica_t *r, bool full);

/* a new generation of knowledge: each one aligned store in the control file */
void trv_writer_position_set(trv_replica_t *r, const trv_position_t *pos);
void trv_writer_position_forget(trv_replica_t *r);      /* next: merge */
void trv_writer_repl_id_set(trv_replica_t *r, const char *repl_id);
void trv_writer_set_id_set(trv_replica_t *r, const char *set_id);
void trv_writer_filled_set(trv_replica_t *r);
void trv_writer_contact_set(trv_replica_t *r, uint64_t ms);
void trv_writer_agrees_set(trv_replica_t *r, bool agrees);
void trv_writer_beat_set(trv_replica_t *r, uint64_t ms);
void trv_writer_daily_set(trv_replica_t *r, uint64_t ms);

/* as it was set last, by any writer since the machine has started; or 0 */
uint64_t trv_writer_daily_ms(const trv_replica_t *r);


#endif /* TRV_WRITER_H */
