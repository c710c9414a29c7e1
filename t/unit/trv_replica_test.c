
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "trv_test.h"
#include "trv_control.h"
#include "trv_tally.h"
#include "trv_writer.h"


#define DAY  20000


static char  trv_path[512];


static const char *
trv_replica_path(void **state, const char *name)
{
    snprintf(trv_path, sizeof(trv_path), "%s/%s", (char *) *state, name);
    (void) mkdir(trv_path, 0700);
    return trv_path;
}


static trv_replica_t *
trv_replica_take(const char *path, const char *boot, uint64_t now_ms,
    trv_rc_e rc)
{
    trv_replica_t  *r;

    r = trv_replica_open(path);
    assert_non_null(r);
    (void) trv_replica_refresh(r);
    assert_int_equal(trv_replica_lock(r), TRV_OK);
    assert_int_equal(trv_writer_take(r, boot, now_ms), rc);

    return r;
}


static trv_replica_t *
trv_replica_writer(const char *path, const char *boot, trv_rc_e rc)
{
    trv_replica_t  *r;

    r = trv_replica_take(path, boot, 0, rc);

    while (trv_writer_scan(r, 1000) == TRV_AGAIN) { /* void */ }

    return r;
}


/* what the event loop does over many turns */

static bool
trv_replica_rebuild(trv_replica_t *r, uint64_t want, uint16_t first_day)
{
    int          dir;
    char         name[TRV_TABLE_NAME_LEN];
    uint64_t     capacity, generation;
    trv_table_t  t;

    if (trv_writer_rebuild_needed(r, want, first_day, &capacity, &generation,
                                  name)
        != TRV_OK)
    {
        return false;
    }

    dir = trv_replica_dir_open(r);
    assert_int_equal(trv_table_create(&t, dir, name, generation, capacity),
                     TRV_OK);
    close(dir);
    trv_writer_rebuild_start(r, &t, first_day);

    while (trv_writer_rebuild_copy(r, 100) == TRV_AGAIN) { /* void */ }

    assert_int_equal(trv_writer_rebuild_switch(r), TRV_OK);

    return true;
}


static void
trv_replica_put_all(trv_replica_t *r, uint64_t from, uint64_t to, uint16_t day)
{
    uint64_t  i;
    trv_id_t  id;

    for (i = from; i < to; i++) {
        id = trv_test_id(i);

        while (trv_writer_put(r, &id, day) == TRV_FULL) {
            assert_true(trv_replica_rebuild(r, 0, 0));
        }

        (void) trv_replica_rebuild(r, 0, 0);
    }
}


static void
trv_replica_missing(trv_replica_t *r, uint64_t from, uint64_t to,
    trv_rc_e expected)
{
    uint64_t  i;
    trv_id_t  id;

    for (i = from; i < to; i++) {
        id = trv_test_id(i);
        if (trv_replica_lookup(r, &id) != expected) {
            fail_msg("id number %llu: not %d", (unsigned long long) i,
                     expected);
        }
    }
}


/* who asks between the two whether calls can be judged gets a right answer */

static void
trv_replica_prefetch_maps_as_a_lookup_does(void **state)
{
    int             dir;
    trv_id_t        id;
    const char     *path;
    trv_replica_t  *w, *r;

    path = trv_replica_path(state, "prefetch");
    id = trv_test_id(1);

    /* a control file, and no table yet */

    dir = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(trv_control_create(dir, 1), TRV_OK);
    close(dir);

    r = trv_replica_open(path);
    (void) trv_replica_refresh(r);
    trv_replica_prefetch(r, &id);
    assert_false(trv_replica_ready(r));

    w = trv_replica_writer(path, "boot", TRV_OK);
    trv_writer_filled_set(w);
    assert_false(trv_replica_ready(r));  /* it has not looked */
    trv_replica_prefetch(r, &id);
    assert_true(trv_replica_ready(r));
    assert_int_equal(trv_replica_lookup(r, &id), TRV_DECLINED);

    trv_replica_close(r);
    trv_replica_close(w);
}


static void
trv_replica_readers_follow_through_generations(void **state)
{
    const char           *path;
    trv_table_t           old;
    trv_replica_t        *w, *r;
    trv_replica_state_t   s;

    path = trv_replica_path(state, "grow");
    r = trv_replica_open(path);
    assert_int_equal(trv_replica_refresh(r), TRV_DECLINED);
    assert_false(trv_replica_ready(r));

    w = trv_replica_writer(path, "boot", TRV_OK);
    assert_int_equal(trv_replica_refresh(r), TRV_OK);
    assert_false(trv_replica_ready(r));  /* never filled */
    trv_writer_filled_set(w);
    assert_true(trv_replica_ready(r));

    trv_replica_put_all(w, 0, 50000, DAY);
    trv_replica_missing(r, 0, 50000, TRV_OK);
    trv_replica_missing(r, 50000, 60000, TRV_DECLINED);

    trv_replica_state(r, &s);
    assert_true(s.generation > 3);
    assert_int_equal(s.entries, 50000);
    assert_true(s.bytes <= 40 * 50000);

    while (trv_replica_retired(r, &old) == TRV_OK) {
        trv_table_close(&old);
    }

    trv_replica_close(w);
    trv_replica_close(r);

    /* and from the files alone */

    r = trv_replica_open(path);
    assert_int_equal(trv_replica_refresh(r), TRV_OK);
    assert_true(trv_replica_ready(r));
    trv_replica_missing(r, 0, 50000, TRV_OK);
    trv_replica_close(r);
}


static void
trv_replica_forgets_days_that_are_over(void **state)
{
    trv_digest_t    d;
    trv_replica_t  *w;

    w = trv_replica_writer(trv_replica_path(state, "forget"), "boot", TRV_OK);
    trv_replica_put_all(w, 0, 3000, DAY);
    trv_replica_put_all(w, 3000, 5000, DAY + 1);

    trv_writer_digest(w, DAY, &d);
    assert_int_equal(d.count, 3000);

    assert_true(trv_replica_rebuild(w, 0, DAY + 1));

    trv_replica_missing(w, 0, 3000, TRV_DECLINED);
    trv_replica_missing(w, 3000, 5000, TRV_OK);
    trv_writer_digest(w, DAY, &d);
    assert_int_equal(d.count, 0);
    trv_writer_total(w, 0, &d);
    assert_int_equal(d.count, 2000);

    trv_replica_close(w);
}


/* puts during a rebuild go to both tables; one that turns out too small is
   dropped, and the one in force stays */

static void
trv_replica_keeps_all_that_is_put_meanwhile(void **state)
{
    int             dir;
    char            name[TRV_TABLE_NAME_LEN], built[600];
    uint64_t        i, capacity, generation;
    trv_id_t        id;
    trv_rc_e        rc;
    trv_table_t     t;
    trv_digest_t    total;
    trv_replica_t  *w;

    w = trv_replica_writer(trv_replica_path(state, "both"), "boot", TRV_OK);
    trv_replica_put_all(w, 0, 900, DAY);

    i = 900;

    for ( ;; ) {
        assert_int_equal(trv_writer_rebuild_needed(w, 4000, 0, &capacity,
                                                   &generation, name),
                         TRV_OK);

        /* the second one has the room that is needed */

        dir = trv_replica_dir_open(w);
        assert_int_equal(trv_table_create(&t, dir, name, generation,
                                          i == 900 ? 600 : capacity),
                         TRV_OK);
        close(dir);
        trv_writer_rebuild_start(w, &t, 0);
        assert_non_null(trv_writer_rebuild_table(w));
        assert_int_equal(trv_writer_rebuild_needed(w, 4000, 0, &capacity,
                                                   &generation, name),
                         TRV_DECLINED);

        while ((rc = trv_writer_rebuild_copy(w, 10)) == TRV_AGAIN) {
            id = trv_test_id(i++);
            assert_int_equal(trv_writer_put(w, &id, DAY + 1), TRV_OK);
        }

        snprintf(built, sizeof(built), "%s/%s", trv_path, name);
        assert_int_equal(access(built, F_OK), 0);
        trv_replica_missing(w, 0, i, TRV_OK);

        if (rc == TRV_OK) {
            break;
        }

        assert_int_equal(rc, TRV_FULL);
        assert_int_equal(trv_writer_rebuild_switch(w), TRV_FULL);
        trv_writer_rebuild_abort(w);
        assert_null(trv_writer_rebuild_table(w));
        assert_int_equal(access(built, F_OK), -1);
        trv_replica_missing(w, 0, i, TRV_OK);
    }

    assert_true(i > 950);
    assert_int_equal(trv_table_sync(trv_writer_rebuild_table(w)), TRV_OK);
    assert_int_equal(trv_writer_rebuild_switch(w), TRV_OK);
    trv_replica_missing(w, 0, i, TRV_OK);
    trv_replica_missing(w, i, i + 1000, TRV_DECLINED);
    trv_writer_total(w, 0, &total);
    assert_int_equal(total.count, i);

    trv_replica_close(w);
}


/* presence: only the last one to leave knows that it is */

static void
trv_replica_last_one_knows_it(void **state)
{
    const char     *path;
    trv_replica_t  *w, *r;

    path = trv_replica_path(state, "leave");
    w = trv_replica_writer(path, "boot", TRV_OK);
    r = trv_replica_open(path);
    assert_int_equal(trv_replica_refresh(r), TRV_OK);

    assert_int_equal(trv_replica_leave(r), TRV_AGAIN);
    assert_int_equal(trv_replica_leave(w), TRV_OK);
    assert_int_equal(trv_replica_leave(r), TRV_OK);

    trv_replica_close(w);
    trv_replica_close(r);
}


static void
trv_replica_digests_are_those_of_its_entries(void **state)
{
    uint64_t        i;
    trv_id_t        id;
    trv_digest_t    want[2], got;
    trv_replica_t  *w;

    w = trv_replica_writer(trv_replica_path(state, "digest"), "boot", TRV_OK);
    memset(want, 0, sizeof(want));

    trv_writer_scan_restart(w);          /* puts in the middle of a scan */

    for (i = 0; i < 1500; i++) {
        id = trv_test_id(i);
        assert_int_equal(trv_writer_put(w, &id, DAY + i % 2), TRV_OK);
        assert_int_equal(trv_writer_put(w, &id, DAY), TRV_DECLINED);
        trv_digest_add(&want[i % 2], &id);
        (void) trv_writer_scan(w, 3);
        (void) trv_replica_rebuild(w, 0, 0);
    }

    while (trv_writer_scan(w, 100) == TRV_AGAIN) { /* void */ }

    for (i = 0; i < 2; i++) {
        trv_writer_digest(w, DAY + i, &got);
        assert_true(trv_digest_equal(&got, &want[i]));
    }

    id = trv_test_id(0);                 /* moves to a later day */
    assert_int_equal(trv_writer_put(w, &id, DAY + 1), TRV_OK);
    trv_digest_remove(&want[0], &id);
    trv_digest_add(&want[1], &id);

    for (i = 0; i < 2; i++) {
        trv_writer_digest(w, DAY + i, &got);
        assert_true(trv_digest_equal(&got, &want[i]));
    }

    trv_replica_close(w);
}


static void
trv_replica_has_one_writer(void **state)
{
    int             status;
    pid_t           pid;
    const char     *path;
    trv_replica_t  *w, *other;

    path = trv_replica_path(state, "lock");
    w = trv_replica_writer(path, "boot", TRV_OK);
    other = trv_replica_open(path);
    assert_int_equal(trv_replica_refresh(other), TRV_OK);
    assert_int_equal(trv_replica_lock(other), TRV_AGAIN);

    pid = fork();
    if (pid == 0) {                      /* an inherited one is no licence */
        _exit(trv_replica_lock(other) == TRV_AGAIN ? 0 : 1);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);

    trv_replica_unlock(w);
    assert_int_equal(trv_replica_lock(other), TRV_OK);
    assert_int_equal(trv_replica_lock_check(other), TRV_OK);

    snprintf(trv_path, sizeof(trv_path), "%s/lock/writer.1.lock",
             (char *) *state);
    assert_int_equal(unlink(trv_path), 0);
    assert_int_equal(trv_replica_lock_check(other), TRV_DECLINED);

    trv_replica_close(w);
    trv_replica_close(other);
}


/* entries stay after a crash of the machine, the position does not */

static void
trv_replica_after_another_boot(void **state)
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
trv_replica_lost_slots_after_another_boot(void **state)
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
    trv_replica_close(w);
}


/* the power fails when the old table is removed, but the control file is old */

static void
trv_replica_takes_the_table_behind_a_removed_one(void **state)
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


/* nobody kept it while we were away, and then the machine crashed */

static void
trv_replica_is_counted_after_a_crash_while_away(void **state)
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


/* entries whose day was lost in a crash are copied, so no table is without */

static void
trv_replica_is_not_made_anew_for_lost_days(void **state)
{
    char            name[TRV_TABLE_NAME_LEN];
    uint64_t        i, capacity, generation;
    trv_id_t        id;
    trv_replica_t  *w;

    w = trv_replica_writer(trv_replica_path(state, "days"), "one", TRV_OK);
    assert_true(trv_replica_rebuild(w, 10000, DAY));

    for (i = 0; i < 1600; i++) {
        id = trv_test_id(i);
        assert_int_equal(trv_writer_put(w, &id, i < 1500 ? 0 : DAY), TRV_OK);
    }

    assert_int_equal(trv_writer_rebuild_needed(w, 0, DAY, &capacity,
                                               &generation, name),
                     TRV_DECLINED);
    assert_true(trv_replica_rebuild(w, 20000, DAY));
    trv_replica_missing(w, 0, 1600, TRV_OK);
    trv_replica_close(w);
}


static void
trv_replica_sets_a_broken_file_aside(void **state)
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


/* a reader looks at what it has while the files are gone or replaced */

static void
trv_replica_reader_keeps_what_it_has(void **state)
{
    char            command[600];
    const char     *path;
    trv_replica_t  *w, *r;

    path = trv_replica_path(state, "gone");
    w = trv_replica_writer(path, "one", TRV_OK);
    trv_replica_put_all(w, 0, 100, DAY);
    trv_writer_filled_set(w);
    r = trv_replica_open(path);
    assert_int_equal(trv_replica_refresh(r), TRV_OK);
    trv_replica_missing(r, 0, 100, TRV_OK);
    trv_replica_close(w);

    snprintf(command, sizeof(command), "rm -rf %s", path);
    assert_int_equal(system(command), 0);
    (void) trv_replica_refresh(r);
    trv_replica_missing(r, 0, 100, TRV_OK);

    w = trv_replica_writer(trv_replica_path(state, "gone"), "one", TRV_OK);
    (void) trv_replica_refresh(r);
    trv_replica_put_all(w, 200, 300, DAY);
    (void) trv_replica_refresh(r);
    trv_replica_missing(r, 200, 300, TRV_OK);

    trv_replica_close(w);
    trv_replica_close(r);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_replica_prefetch_maps_as_a_lookup_does),
        cmocka_unit_test(trv_replica_readers_follow_through_generations),
        cmocka_unit_test(trv_replica_forgets_days_that_are_over),
        cmocka_unit_test(trv_replica_keeps_all_that_is_put_meanwhile),
        cmocka_unit_test(trv_replica_last_one_knows_it),
        cmocka_unit_test(trv_replica_digests_are_those_of_its_entries),
        cmocka_unit_test(trv_replica_has_one_writer),
        cmocka_unit_test(trv_replica_after_another_boot),
        cmocka_unit_test(trv_replica_lost_slots_after_another_boot),
        cmocka_unit_test(trv_replica_takes_the_table_behind_a_removed_one),
        cmocka_unit_test(trv_replica_is_counted_after_a_crash_while_away),
        cmocka_unit_test(trv_replica_is_not_made_anew_for_lost_days),
        cmocka_unit_test(trv_replica_sets_a_broken_file_aside),
        cmocka_unit_test(trv_replica_reader_keeps_what_it_has),
    };

    return cmocka_run_group_tests_name("trv_replica", tests,
                                       trv_test_dir_create,
                                       trv_test_dir_remove);
}
