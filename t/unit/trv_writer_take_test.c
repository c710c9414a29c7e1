
/*
 * Becoming the writer of what a crash has left.
 */

#include "trv_control.h"
#include "trv_test_replica.h"


/* entries stay after a crash of the machine, the position does not */

static void
trv_writer_after_another_boot(void **state)
{
    const char           *path;
    trv_position_t        at = { 5, 6 };
    trv_replica_t        *w;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "boot");
    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    trv_writer_position_set(w, &at);
    trv_writer_contact_set(w, 1234);
    trv_replica_close(w);

    w = trv_replica_writer(path, "one", TRV_OK);     /* a process crash */
    trv_replica_state(w, &s);
    assert_true(s.position_known);
    assert_int_equal(s.position.ms, 5);
    assert_int_equal(s.position.seq, 6);
    assert_int_equal(s.contact_ms, 1234);
    trv_replica_close(w);

    w = trv_replica_writer(path, "two", TRV_OK);
    trv_replica_state(w, &s);
    assert_false(s.position_known);
    assert_int_equal(s.contact_ms, 0);
    assert_true(s.filled);               /* all entries were counted again */
    trv_replica_missing(w, 0, 100, TRV_OK);
    trv_replica_close(w);
}


static void
trv_writer_lost_slots_after_another_boot(void **state)
{
    int                   fd;
    char                  name[TRV_TABLE_NAME_LEN], zero[1024];
    const char           *path;
    trv_replica_t        *w;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "lost");
    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 600, DAY);
    trv_writer_filled_set(w);
    trv_replica_state(w, &s);
    trv_replica_close(w);

    trv_table_name(s.generation, name);
    snprintf(trv_path, sizeof(trv_path), "%s/lost/%s", (char *) *state, name);
    memset(zero, 0, sizeof(zero));
    fd = open(trv_path, O_RDWR);
    assert_int_equal(pwrite(fd, zero, sizeof(zero), 4096 + 2048),
                     sizeof(zero));
    close(fd);

    snprintf(trv_path, sizeof(trv_path), "%s/lost", (char *) *state);
    w = trv_replica_writer(trv_path, "two", TRV_OK);
    trv_replica_state(w, &s);
    assert_false(s.filled);              /* not ready until merged */

    /* however often they are counted */

    trv_writer_scan_restart(w);
    while (trv_writer_scan(w, 1000) == TRV_AGAIN) { /* void */ }
    assert_false(trv_writer_back_set(w));
    trv_replica_close(w);

    w = trv_replica_writer(trv_path, "two", TRV_OK);
    assert_false(trv_writer_back_set(w));
    trv_replica_state(w, &s);
    assert_false(s.filled);
    trv_writer_filled_set(w);
    assert_true(trv_replica_ready(w));
    trv_replica_close(w);
}


/* the power fails when the old table is removed, but the control file is old */

static void
trv_writer_takes_the_table_behind_a_removed_one(void **state)
{
    int                   dir;
    char                  name[TRV_TABLE_NAME_LEN], control[1100], old[1200];
    char                  command[2400];
    const char           *path;
    trv_table_t           begun;
    trv_replica_t        *w;
    trv_replica_state_t   before, s;

    path = trv_replica_path(state, "behind");
    snprintf(control, sizeof(control), "%s/control.1", path);
    snprintf(old, sizeof(old), "%s/../control.old", path);

    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    trv_replica_state(w, &before);
    snprintf(command, sizeof(command), "cp %s %s", control, old);
    assert_int_equal(system(command), 0);

    trv_replica_put_all(w, 100, 1000, DAY);
    trv_replica_state(w, &s);
    assert_true(s.generation > before.generation);
    dir = trv_replica_dir_open(w);
    trv_replica_close(w);

    /* and the next one has been begun already */

    trv_table_name(s.generation + 1, name);
    assert_int_equal(trv_table_create(&begun, dir, name, s.generation + 1,
                                      trv_table_capacity(0)),
                     TRV_OK);
    trv_table_close(&begun);
    close(dir);

    snprintf(command, sizeof(command), "cp %s %s", old, control);
    assert_int_equal(system(command), 0);

    w = trv_replica_writer(path, "two", TRV_OK);
    trv_replica_missing(w, 0, 1000, TRV_OK);
    assert_false(trv_replica_ready(w));          /* until merged */

    trv_replica_put_all(w, 1000, 5000, DAY);
    trv_replica_missing(w, 0, 5000, TRV_OK);
    trv_replica_close(w);
}


/* what is full stays so for the next writer, unless the reason is gone */

static void
trv_writer_is_full_as_long_as_its_table(void **state)
{
    char                  bad[600], control[600], old[600], command[1300];
    const char           *path;
    trv_replica_t        *w;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "full");
    snprintf(control, sizeof(control), "%s/control.1", path);
    snprintf(old, sizeof(old), "%s/../control.full", path);

    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    trv_writer_full_set(w, true);
    trv_replica_close(w);

    w = trv_replica_writer(path, "one", TRV_OK);
    assert_true(trv_replica_full(w));
    snprintf(command, sizeof(command), "cp %s %s", control, old);
    assert_int_equal(system(command), 0);

    /* the power fails when there is a larger table: this is on the disk */

    assert_true(trv_replica_rebuild(w, 5000, 0));
    trv_writer_full_set(w, false);
    trv_replica_close(w);
    snprintf(command, sizeof(command), "cp %s %s", old, control);
    assert_int_equal(system(command), 0);

    w = trv_replica_writer(path, "two", TRV_OK);
    trv_replica_missing(w, 0, 100, TRV_OK);
    assert_false(trv_replica_full(w));

    /* the table is broken: the next one is empty */

    trv_writer_full_set(w, true);
    trv_replica_state(w, &s);
    trv_replica_close(w);
    trv_table_name(s.generation, old);
    snprintf(bad, sizeof(bad), "%s/%s", path, old);
    assert_int_equal(truncate(bad, 100), 0);

    w = trv_replica_writer(path, "two", TRV_CORRUPT);
    assert_false(trv_replica_full(w));
    trv_replica_close(w);
}


/* who cannot take over gives no sign of life: the next one was alone as long */

static void
trv_writer_that_cannot_take_over_is_no_writer(void **state)
{
    char                  name[TRV_TABLE_NAME_LEN], bad[600], in_bad[610];
    const char           *path;
    trv_replica_t        *w;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "cannot");
    w = trv_replica_take(path, "one", 1000, TRV_OK);
    trv_replica_state(w, &s);
    assert_int_equal(s.beat_ms, 1000);
    trv_replica_close(w);

    trv_table_name(s.generation, name);
    snprintf(bad, sizeof(bad), "%s/%s", path, name);
    assert_int_equal(truncate(bad, 100), 0);

    /* it cannot be set aside */

    strcat(bad, ".bad");
    snprintf(in_bad, sizeof(in_bad), "%s/x", bad);
    assert_int_equal(mkdir(bad, 0700), 0);
    assert_int_equal(mkdir(in_bad, 0700), 0);

    w = trv_replica_take(path, "one", 2000, TRV_ERROR);
    trv_replica_state(w, &s);
    assert_int_equal(s.beat_ms, 1000);
    trv_replica_close(w);

    assert_int_equal(rmdir(in_bad), 0);
    w = trv_replica_take(path, "one", 3000, TRV_CORRUPT);
    trv_replica_state(w, &s);
    assert_int_equal(s.beat_ms, 3000);
    trv_replica_close(w);
}


/* nobody kept it while we were away, and then the machine crashed */

static void
trv_writer_counts_after_a_crash_while_away(void **state)
{
    const char           *path;
    trv_replica_t        *w;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "crash");
    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    trv_replica_close(w);

    w = trv_replica_take(path, "one", 1000000, TRV_OK);
    assert_false(trv_replica_ready(w));          /* away */
    trv_replica_close(w);

    w = trv_replica_take(path, "two", 1000000, TRV_OK);
    assert_false(trv_writer_back_set(w));        /* not before it is counted */
    trv_replica_state(w, &s);
    assert_false(s.filled);

    while (trv_writer_scan(w, 1000) == TRV_AGAIN) { /* void */ }

    assert_true(trv_writer_back_set(w));
    trv_replica_close(w);
}


static void
trv_writer_sets_a_broken_file_aside(void **state)
{
    char                  bad[600], name[TRV_TABLE_NAME_LEN];
    const char           *path;
    unsigned              i;
    trv_replica_t        *w;
    trv_replica_state_t   s;

    for (i = 0; i < 2; i++) {
        path = trv_replica_path(state, i ? "control" : "table");
        w = trv_replica_writer(path, "one", TRV_OK);
        trv_replica_put_all(w, 0, 100, DAY);
        trv_writer_filled_set(w);
        trv_replica_state(w, &s);
        trv_replica_close(w);

        trv_table_name(s.generation, name);
        snprintf(bad, sizeof(bad), "%s/%s", path, i ? "control.1" : name);
        assert_int_equal(truncate(bad, 100), 0);

        w = trv_replica_writer(path, "one", TRV_CORRUPT);
        assert_false(trv_replica_ready(w));
        trv_replica_state(w, &s);
        assert_int_equal(s.entries, 0);
        trv_replica_put_all(w, 0, 100, DAY);
        trv_replica_missing(w, 0, 100, TRV_OK);
        trv_replica_close(w);

        strcat(bad, ".bad");
        assert_int_equal(access(bad, F_OK), 0);
    }
}


static trv_replica_t *
trv_writer_of(const char *path, const char *prefix, bool foreign)
{
    trv_replica_t  *w;

    w = trv_replica_open(path);
    assert_non_null(w);
    trv_replica_prefix_set(w, prefix);
    assert_int_equal(trv_replica_lock(w), TRV_OK);
    assert_int_equal(trv_writer_take(w, "boot", 0), TRV_OK);
    assert_int_equal(trv_writer_foreign(w), foreign);

    while (trv_writer_scan(w, 1000) == TRV_AGAIN) { /* void */ }

    return w;
}


static trv_replica_t *
trv_reader_of(const char *path, const char *prefix)
{
    trv_replica_t  *r;

    r = trv_replica_open(path);
    assert_non_null(r);
    trv_replica_prefix_set(r, prefix);
    assert_int_equal(trv_replica_refresh(r), TRV_OK);

    return r;
}


static void
trv_writer_fill(trv_replica_t *w)
{
    trv_position_t  at = { 5, 6 };

    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    trv_writer_position_set(w, &at);
    trv_writer_set_id_set(w, "0123456789abcdef0123456789abcdef");
    trv_writer_repl_id_set(w, "0123456789abcdef0123456789abcdef01234567");
    trv_writer_contact_set(w, 1234);
    trv_writer_agrees_set(w, true);
}


/* it refuses what it holds, and says nothing of Redis */

static void
trv_writer_is_foreign(trv_replica_t *r)
{
    trv_replica_state_t  s;

    trv_replica_missing(r, 0, 100, TRV_OK);
    assert_false(trv_replica_ready(r));

    trv_replica_state(r, &s);
    assert_int_equal(s.entries, 100);
    assert_false(s.filled || s.away || s.agrees || s.position_known);
    assert_int_equal(s.contact_ms, 0);
    assert_int_equal(s.position.ms, 0);
    assert_string_equal(s.set_id, "");
    assert_string_equal(s.repl_id, "");
}


static void
trv_writer_takes_the_directory_of_another_set(void **state)
{
    const char           *path;
    trv_replica_t        *w, *old, *new;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "prefix");
    w = trv_writer_of(path, "old", false);
    trv_writer_fill(w);
    assert_true(trv_replica_ready(w));

    old = trv_reader_of(path, "old");
    assert_true(trv_replica_ready(old));
    new = trv_reader_of(path, "new");
    trv_writer_is_foreign(new);
    trv_replica_close(w);

    w = trv_writer_of(path, "old", false);
    assert_true(trv_replica_ready(w));
    trv_replica_close(w);

    w = trv_writer_of(path, "new", true);
    trv_writer_is_foreign(w);
    trv_writer_is_foreign(new);
    trv_writer_is_foreign(old);
    trv_replica_close(w);

    w = trv_writer_of(path, "new", false);       /* killed before it merged */
    trv_writer_is_foreign(w);
    trv_writer_filled_set(w);
    assert_true(trv_replica_ready(new));
    trv_writer_is_foreign(old);

    trv_replica_state(w, &s);
    assert_true(s.filled);
    assert_string_equal(s.set_id, "");

    trv_replica_close(w);
    trv_replica_close(new);
    trv_replica_close(old);
}


/* as it is in a file from before, it may be ours: nothing is forgotten */

static void
trv_writer_takes_the_directory_of_nobody(void **state)
{
    const char     *path;
    trv_replica_t  *w, *r;

    path = trv_replica_path(state, "nobody");
    w = trv_replica_writer(path, "boot", TRV_OK);
    trv_writer_fill(w);

    r = trv_reader_of(path, "new");
    assert_true(trv_replica_ready(r));
    trv_replica_close(w);

    w = trv_writer_of(path, "new", false);
    assert_true(trv_replica_ready(w));
    assert_true(trv_replica_ready(r));
    assert_int_equal(trv_replica_contact_ms(w), 1234);
    trv_replica_close(r);

    r = trv_reader_of(path, "other");
    trv_writer_is_foreign(r);
    trv_replica_close(r);
    trv_replica_close(w);
}


/* killed before it has its name: it is done again, or the old set goes on */

static void
trv_writer_is_killed_while_it_takes_it(void **state)
{
    int             fd, dir;
    const char     *path;
    unsigned        i;
    struct stat     st;
    trv_replica_t  *w;
    trv_control_t  *control;

    for (i = 0; i < 2; i++) {
        path = trv_replica_path(state, i ? "again" : "back");
        w = trv_writer_of(path, "old", false);
        trv_writer_fill(w);
        trv_replica_close(w);

        dir = open(path, O_RDONLY | O_DIRECTORY);
        assert_int_equal(trv_control_open(dir, true, &fd, &control, &st),
                         TRV_OK);
        trv_control_set(&control->filled, 0);
        trv_control_close(fd, control);
        close(dir);

        w = trv_writer_of(path, i ? "new" : "old", i);
        trv_replica_missing(w, 0, 100, TRV_OK);
        assert_false(trv_replica_ready(w));      /* both merge */
        trv_writer_filled_set(w);
        assert_true(trv_replica_ready(w));
        trv_replica_close(w);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_writer_after_another_boot),
        cmocka_unit_test(trv_writer_lost_slots_after_another_boot),
        cmocka_unit_test(trv_writer_takes_the_table_behind_a_removed_one),
        cmocka_unit_test(trv_writer_is_full_as_long_as_its_table),
        cmocka_unit_test(trv_writer_that_cannot_take_over_is_no_writer),
        cmocka_unit_test(trv_writer_counts_after_a_crash_while_away),
        cmocka_unit_test(trv_writer_sets_a_broken_file_aside),
        cmocka_unit_test(trv_writer_takes_the_directory_of_another_set),
        cmocka_unit_test(trv_writer_takes_the_directory_of_nobody),
        cmocka_unit_test(trv_writer_is_killed_while_it_takes_it),
    };

    return cmocka_run_group_tests_name("trv_writer_take", tests,
                                       trv_test_dir_create,
                                       trv_test_dir_remove);
}
