
#include <errno.h>
#include <sys/wait.h>

#include "trv_control.h"
#include "trv_tally.h"
#include "trv_test_replica.h"


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


/* who is told that it is empty looks for nothing, and lets every call in */

static void
trv_replica_is_empty_if_any_lookup_would_say_so(void **state)
{
    int             fd, dir;
    trv_id_t        id;
    const char     *path;
    struct stat     st;
    trv_digest_t    none;
    trv_control_t  *control;
    trv_replica_t  *w, *r;

    path = trv_replica_path(state, "empty");
    id = trv_test_id(1);

    r = trv_replica_open(path);
    assert_false(trv_replica_empty(r));  /* no control file */

    dir = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(trv_control_create(dir, 1), TRV_OK);
    close(dir);
    (void) trv_replica_refresh(r);
    assert_false(trv_replica_empty(r));  /* no table */

    w = trv_replica_writer(path, "boot", TRV_OK);
    assert_false(trv_replica_empty(r));  /* it may just be not there yet */
    assert_false(trv_replica_empty(w));

    trv_writer_filled_set(w);
    assert_true(trv_replica_empty(r));
    assert_true(trv_replica_ready(r));   /* mapped by this */
    assert_true(trv_replica_empty(w));
    assert_int_equal(trv_replica_lookup(r, &id), TRV_DECLINED);

    assert_int_equal(trv_writer_put(w, &id, DAY), TRV_OK);
    assert_false(trv_replica_empty(r));
    assert_false(trv_replica_empty(w));

    /* killed when it was put, but not yet counted */

    dir = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(trv_control_open(dir, true, &fd, &control, &st), TRV_OK);
    memset(&none, 0, sizeof(none));
    trv_control_total_set(control, &none);
    trv_control_close(fd, control);
    trv_replica_close(w);
    w = trv_replica_take(path, "boot", 0, TRV_OK);
    assert_false(trv_replica_empty(r));
    assert_int_equal(trv_replica_lookup(r, &id), TRV_OK);
    trv_replica_close(w);

    /* its table is lost: those who have it refuse until all is there again */

    fd = openat(dir, "table.1.1", O_WRONLY);
    assert_int_equal(write(fd, "broken", 6), 6);
    close(fd);
    close(dir);
    w = trv_replica_writer(path, "boot", TRV_CORRUPT);
    assert_false(trv_replica_empty(r));
    trv_writer_filled_set(w);
    assert_true(trv_replica_empty(r));
    assert_int_equal(trv_replica_lookup(r, &id), TRV_DECLINED);

    trv_replica_close(w);
    trv_replica_close(r);
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
        cmocka_unit_test(trv_replica_is_empty_if_any_lookup_would_say_so),
        cmocka_unit_test(trv_replica_readers_follow_through_generations),
        cmocka_unit_test(trv_replica_forgets_days_that_are_over),
        cmocka_unit_test(trv_replica_keeps_all_that_is_put_meanwhile),
        cmocka_unit_test(trv_replica_last_one_knows_it),
        cmocka_unit_test(trv_replica_digests_are_those_of_its_entries),
        cmocka_unit_test(trv_replica_has_one_writer),
        cmocka_unit_test(trv_replica_is_not_made_anew_for_lost_days),
        cmocka_unit_test(trv_replica_reader_keeps_what_it_has),
    };

    return cmocka_run_group_tests_name("trv_replica", tests,
                                       trv_test_dir_create,
                                       trv_test_dir_remove);
}
