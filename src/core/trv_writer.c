
/*
 * Writing a replica.  The order of stores is what makes a kill harmless: an
 * entry is in the table before the total or the position covers it, and a
 * replica is said to be not filled before anything of it is given up.
 *
 * `claimed` is the total as the control file has it, kept up with every put.
 * The scan computes what is really there; after a crash of the machine the
 * two tell whether entries were lost.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trv_number.h"
#include "trv_replica_private.h"
#include "trv_writer.h"


static trv_rc_e trv_writer_control_take(trv_replica_t *r);
static void trv_writer_boot_check(trv_replica_t *r, const char *boot_id);
static void trv_writer_away_check(trv_replica_t *r, uint64_t now_ms);
static trv_rc_e trv_writer_table_take(trv_replica_t *r);
static trv_rc_e trv_writer_table_make(trv_replica_t *r);
static uint64_t trv_writer_tables(trv_replica_t *r, bool remove);
static bool trv_writer_generation_parse(const char *name,
    uint64_t *generation);
static void trv_writer_total_store(trv_replica_t *r);


trv_rc_e
trv_writer_take(trv_replica_t *r, const char *boot_id, uint64_t now_ms)
{
    trv_rc_e  control, table;

    r->writer = calloc(1, sizeof(trv_writer_t));

    if (r->writer == NULL
        || trv_tally_create(&r->writer->tally) != TRV_OK
        || trv_tally_create(&r->writer->build_tally) != TRV_OK)
    {
        trv_writer_drop(r);
        return TRV_ERROR;
    }

    r->writer->build.fd = -1;

    control = trv_writer_control_take(r);

    if (control == TRV_ERROR) {
        trv_writer_drop(r);
        return control;
    }

    trv_writer_boot_check(r, boot_id);
    trv_writer_away_check(r, now_ms);

    table = trv_writer_table_take(r);

    if (table == TRV_ERROR) {
        trv_writer_drop(r);
        return table;
    }

    trv_control_total_get(r->control, &r->writer->claimed);
    trv_tally_start(&r->writer->tally);
    r->writer->tally.used = r->writer->claimed.count;

    (void) trv_writer_tables(r, true);

    return (control == TRV_CORRUPT) ? control : table;
}


/* TRV_OK; TRV_CORRUPT: made anew; TRV_ERROR */

static trv_rc_e
trv_writer_control_take(trv_replica_t *r)
{
    int             fd;
    char            name[TRV_FILE_NAME_LEN];
    trv_rc_e        rc, opened;
    struct stat     st;
    trv_control_t  *control;

    opened = trv_control_open(r->dir_fd, true, &fd, &control, &st);
    rc = opened;

    if (rc == TRV_CORRUPT) {
        trv_control_name(name);

        if (trv_file_set_aside(r->dir_fd, name) != TRV_OK) {
            return TRV_ERROR;
        }
    }

    if (rc == TRV_CORRUPT || rc == TRV_DECLINED) {

        /* numbers of tables are never used twice: somebody may map one yet */

        if (trv_control_create(r->dir_fd, trv_writer_tables(r, false) + 1)
            != TRV_OK)
        {
            return TRV_ERROR;
        }

        rc = trv_control_open(r->dir_fd, true, &fd, &control, &st);
    }

    if (rc != TRV_OK) {
        return TRV_ERROR;
    }

    trv_replica_control_set(r, fd, control, &st);

    return (opened == TRV_CORRUPT) ? TRV_CORRUPT : TRV_OK;
}


/*
 * After a crash of the machine the files are as old as the disk, each page by
 * itself: the position promises too much, the clock of contact is another.
 */

static void
trv_writer_boot_check(trv_replica_t *r, const char *boot_id)
{
    size_t          len;
    uint64_t        boot[2];
    trv_control_t  *control;

    control = r->control;

    len = strlen(boot_id);
    boot[0] = trv_file_checksum(boot_id, len / 2);
    boot[1] = trv_file_checksum(boot_id + len / 2, len - len / 2);

    if (trv_control_get(&control->boot[0]) == boot[0]
        && trv_control_get(&control->boot[1]) == boot[1])
    {
        return;
    }

    if (trv_control_get(&control->filled) == TRV_CONTROL_FILLED) {
        trv_control_set(&control->filled, TRV_CONTROL_UNSURE);
    }

    trv_writer_position_forget(r);
    trv_control_set(&control->contact_ms, 0);
    trv_control_set(&control->beat_ms, 0);
    trv_control_set(&control->agrees, 0);

    /* last: a kill before this does all of it again */

    trv_control_set(&control->boot[0], boot[0]);
    trv_control_set(&control->boot[1], boot[1]);
}


/*
 * A writer that takes over from another finds a beat of a moment ago.  If there
 * was none for a while, tokens may have been revoked that nobody heard of here.
 */

static void
trv_writer_away_check(trv_replica_t *r, uint64_t now_ms)
{
    uint64_t        beat_ms;
    trv_control_t  *control;

    control = r->control;
    beat_ms = trv_control_get(&control->beat_ms);

    if (trv_control_get(&control->filled) == TRV_CONTROL_FILLED
        && now_ms > beat_ms + TRV_WRITER_AWAY_MS)
    {
        trv_control_set(&control->filled, TRV_CONTROL_AWAY);
    }

    /* or reloads one after the other would look like nobody */

    trv_control_set(&control->beat_ms, now_ms);
}


static trv_rc_e
trv_writer_table_take(trv_replica_t *r)
{
    char         name[TRV_TABLE_NAME_LEN];
    trv_rc_e     rc;
    uint64_t     generation;
    trv_table_t  t;

    generation = trv_control_get(&r->control->generation);

    if (generation == 0) {
        return trv_writer_table_make(r);
    }

    trv_table_name(generation, name);
    rc = trv_table_open(&t, r->dir_fd, name, generation, true);

    if (rc == TRV_OK) {
        trv_replica_table_set(r, &t);
        trv_control_set(&r->control->capacity, t.capacity);
        return TRV_OK;
    }

    if (rc == TRV_ERROR) {
        return rc;
    }

    trv_control_set(&r->control->filled, 0);
    trv_writer_position_forget(r);

    if (rc == TRV_CORRUPT && trv_file_set_aside(r->dir_fd, name) != TRV_OK) {
        return TRV_ERROR;
    }

    rc = trv_writer_table_make(r);

    return (rc == TRV_OK) ? TRV_CORRUPT : rc;
}


static trv_rc_e
trv_writer_table_make(trv_replica_t *r)
{
    char          name[TRV_TABLE_NAME_LEN];
    uint64_t      generation;
    trv_table_t   t;
    trv_digest_t  none;

    generation = trv_control_get(&r->control->next_generation);
    trv_control_set(&r->control->next_generation, generation + 1);

    trv_table_name(generation, name);

    if (trv_table_create(&t, r->dir_fd, name, generation,
                         trv_table_capacity(0))
        != TRV_OK)
    {
        return TRV_ERROR;
    }

    memset(&none, 0, sizeof(trv_digest_t));
    trv_control_total_set(r->control, &none);
    trv_control_set(&r->control->capacity, t.capacity);

    /* partner: the load in trv_replica_table_refresh() */

    trv_control_set(&r->control->generation, generation);
    trv_replica_table_set(r, &t);

    return TRV_OK;
}


/* the highest number of a table; removes those not in force */

static uint64_t
trv_writer_tables(trv_replica_t *r, bool remove)
{
    int             fd;
    DIR            *dir;
    uint64_t        generation, highest, current;
    struct dirent  *entry;

    highest = 0;
    current = remove ? trv_control_get(&r->control->generation) : 0;

    fd = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    dir = fdopendir(fd);

    if (dir == NULL) {
        close(fd);
        return 0;
    }

    while ((entry = readdir(dir)) != NULL) {
        if (!trv_writer_generation_parse(entry->d_name, &generation)) {
            continue;
        }

        if (generation > highest) {
            highest = generation;
        }

        if (remove && generation != current) {
            (void) unlinkat(r->dir_fd, entry->d_name, 0);
        }
    }

    closedir(dir);

    return highest;
}


static bool
trv_writer_generation_parse(const char *name, uint64_t *generation)
{
    size_t  len;
    char    zero[TRV_TABLE_NAME_LEN];

    trv_table_name(0, zero);
    len = strlen(zero) - 1;              /* "table.V." */

    return strncmp(name, zero, len) == 0
           && trv_number_parse(name + len, strlen(name + len), generation)
              == TRV_OK;
}


void
trv_writer_drop(trv_replica_t *r)
{
    trv_writer_t  *w;

    w = r->writer;

    if (w == NULL) {
        return;
    }

    if (w->build.head != NULL) {
        trv_writer_rebuild_abort(r);
    }

    if (r->table.fd != -1) {
        trv_table_freeze(&r->table);
    }

    trv_tally_destroy(&w->tally);
    trv_tally_destroy(&w->build_tally);

    free(w);
    r->writer = NULL;
}


trv_rc_e
trv_writer_scan(trv_replica_t *r, size_t n)
{
    trv_writer_t  *w;

    w = r->writer;

    if (trv_tally_walk(&w->tally, &r->table, n) == TRV_AGAIN) {
        return TRV_AGAIN;
    }

    if (trv_control_get(&r->control->filled) == TRV_CONTROL_UNSURE
        && trv_digest_equal(&w->tally.total, &w->claimed))
    {
        trv_control_set(&r->control->filled, TRV_CONTROL_AWAY);
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
