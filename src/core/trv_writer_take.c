
/*
 * Becoming the writer of a replica, whatever a kill, a crash of the machine or
 * somebody else has left of it.
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
static void trv_writer_unsure_set(trv_replica_t *r);
static bool trv_writer_prefix_take(trv_replica_t *r);
static trv_rc_e trv_writer_table_take(trv_replica_t *r);
static trv_rc_e trv_writer_table_after(trv_replica_t *r, uint64_t generation,
    trv_table_t *t);
static trv_rc_e trv_writer_table_make(trv_replica_t *r);
static uint64_t trv_writer_tables(trv_replica_t *r, bool remove);
static DIR *trv_writer_tables_open(trv_replica_t *r);
static bool trv_writer_tables_next(DIR *dir, uint64_t *generation);
static bool trv_writer_generation_parse(const char *name,
    uint64_t *generation);


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

    r->writer->foreign = trv_writer_prefix_take(r);

    trv_control_total_get(r->control, &r->writer->claimed);
    trv_tally_start(&r->writer->tally);
    r->writer->tally.used = r->writer->claimed.count;

    /* of a small table, at once: a kill may have come before the first count */

    if (r->writer->claimed.count == 0) {
        (void) trv_writer_scan(r, trv_table_capacity(0));
    }

    (void) trv_writer_tables(r, true);

    /* or reloads one after the other would look like nobody */

    trv_writer_beat_set(r, now_ms);

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

    trv_writer_unsure_set(r);
    trv_control_set(&control->full, 0);          /* there may be room since */
    trv_control_set(&control->contact_ms, 0);
    trv_control_set(&control->beat_ms, 0);
    trv_control_set(&control->daily_ms, 0);
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
}


/* it may be all that was there, but it has to be counted before it is used */

static void
trv_writer_unsure_set(trv_replica_t *r)
{
    uint64_t  filled;

    filled = trv_control_get(&r->control->filled);

    if (filled == TRV_CONTROL_FILLED || filled == TRV_CONTROL_AWAY) {
        trv_control_set(&r->control->filled, TRV_CONTROL_UNSURE);
    }

    trv_writer_position_forget(r);
}


/*
 * Another set was here.  What it refused stays refused, and is merged with ours
 * as what any edge has; but how far it was says nothing under our prefix, and
 * its set id is not to become the one of ours.  True: there was.
 */

static bool
trv_writer_prefix_take(trv_replica_t *r)
{
    bool                 foreign;
    uint64_t             prefix;
    trv_control_t       *control;
    trv_control_mark_t   none;

    control = r->control;
    prefix = trv_control_get(&control->prefix);

    if (r->prefix == 0 || prefix == r->prefix) {
        return false;
    }

    foreign = (prefix != 0);

    if (foreign) {
        memset(&none, 0, sizeof(trv_control_mark_t));

        trv_control_set(&control->filled, 0);
        trv_control_set(&control->contact_ms, 0);
        trv_control_set(&control->agrees, 0);
        trv_control_mark_set(control, &none);
    }

    /*
     * Last: a kill before this does all of it again.  Partner: the load in
     * trv_replica_ours()
     */

    trv_control_set(&control->prefix, r->prefix);

    return foreign;
}


bool
trv_writer_foreign(const trv_replica_t *r)
{
    return r->writer->foreign;
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

    if (rc == TRV_DECLINED) {
        rc = trv_writer_table_after(r, generation, &t);
    }

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


/*
 * After a crash of the machine the control file may be older than the removal
 * of the table that it names.  A table is removed when the next one is in force
 * and on the disk: the lowest number above it, what was begun later is higher.
 * TRV_OK: this one is in force; TRV_DECLINED: there is none.
 */

static trv_rc_e
trv_writer_table_after(trv_replica_t *r, uint64_t generation, trv_table_t *t)
{
    char      name[TRV_TABLE_NAME_LEN];
    DIR      *dir;
    uint64_t  g, next, highest;

    dir = trv_writer_tables_open(r);
    if (dir == NULL) {
        return TRV_ERROR;
    }

    next = 0;
    highest = 0;

    while (trv_writer_tables_next(dir, &g)) {
        if (g > generation && (next == 0 || g < next)) {
            next = g;
        }

        if (g > highest) {
            highest = g;
        }
    }

    closedir(dir);

    if (trv_control_get(&r->control->next_generation) <= highest) {
        trv_control_set(&r->control->next_generation, highest + 1);
    }

    if (next == 0) {
        return TRV_DECLINED;
    }

    trv_table_name(next, name);

    if (trv_table_open(t, r->dir_fd, name, next, true) != TRV_OK) {
        return TRV_DECLINED;
    }

    trv_writer_unsure_set(r);
    trv_control_set(&r->control->generation, next);

    return TRV_OK;
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
    trv_control_set(&r->control->full, 0);

    /* partner: the load in trv_replica_table_refresh() */

    trv_control_set(&r->control->generation, generation);
    trv_replica_table_set(r, &t);

    return TRV_OK;
}


/* the highest number of a table; removes those not in force */

static uint64_t
trv_writer_tables(trv_replica_t *r, bool remove)
{
    char      name[TRV_TABLE_NAME_LEN];
    DIR      *dir;
    uint64_t  generation, highest, current;

    highest = 0;
    current = remove ? trv_control_get(&r->control->generation) : 0;

    dir = trv_writer_tables_open(r);
    if (dir == NULL) {
        return 0;
    }

    while (trv_writer_tables_next(dir, &generation)) {
        if (generation > highest) {
            highest = generation;
        }

        if (remove && generation != current) {
            trv_table_name(generation, name);
            (void) unlinkat(r->dir_fd, name, 0);
        }
    }

    closedir(dir);

    return highest;
}


static DIR *
trv_writer_tables_open(trv_replica_t *r)
{
    int   fd;
    DIR  *dir;

    fd = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1) {
        return NULL;
    }

    dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
    }

    return dir;
}


static bool
trv_writer_tables_next(DIR *dir, uint64_t *generation)
{
    struct dirent  *entry;

    while ((entry = readdir(dir)) != NULL) {
        if (trv_writer_generation_parse(entry->d_name, generation)) {
            return true;
        }
    }

    return false;
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
