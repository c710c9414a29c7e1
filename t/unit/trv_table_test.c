
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "trv_test.h"
#include "trv_table.h"


#define N     20000
#define NAME  "table.1.7"


static int
trv_dir_fd(void **state)
{
    return open(*state, O_RDONLY|O_DIRECTORY);
}


static void
trv_table_holds_what_was_put_and_nothing_else(void **state)
{
    int                dir;
    char               name[TRV_TABLE_NAME_LEN];
    uint64_t           i;
    trv_id_t           id;
    trv_table_t        w, r;
    trv_table_place_t  place;

    dir = trv_dir_fd(state);
    trv_table_name(7, name);
    assert_string_equal(name, NAME);

    assert_int_equal(trv_table_create(&w, dir, name, 7, trv_table_capacity(N)),
                     TRV_OK);
    assert_int_equal(trv_table_open(&r, dir, name, 7, false), TRV_OK);

    for (i = 0; i < N; i++) {
        id = trv_test_id(i);
        assert_false(trv_table_lookup(&r, &id));
        assert_int_equal(trv_table_put(&w, &id, 20000, true, &place), TRV_OK);
        assert_true(place.added);
        assert_true(trv_table_lookup(&r, &id));      /* the other mapping */
    }

    for (i = N; i < 2 * N; i++) {
        id = trv_test_id(i);
        assert_false(trv_table_lookup(&r, &id));
    }

    /* one half alone, or the halves of two ids, are another id */

    id = trv_test_id(0);
    id.lo ^= 1;
    assert_false(trv_table_lookup(&r, &id));
    id.lo = trv_test_id(1).lo;
    assert_false(trv_table_lookup(&r, &id));

    trv_table_close(&w);
    trv_table_close(&r);

    /* still there from the file */

    assert_int_equal(trv_table_open(&r, dir, name, 7, false), TRV_OK);

    for (i = 0; i < N; i++) {
        id = trv_test_id(i);
        assert_true(trv_table_lookup(&r, &id));
    }

    assert_true(r.size <= 26 * N + 4096);
    trv_table_close(&r);
    unlinkat(dir, name, 0);
    close(dir);
}


/* tables so small that all ids meet, at the end of the table too */

static void
trv_table_is_exact_where_ids_meet(void **state)
{
    int                dir;
    char               name[TRV_TABLE_NAME_LEN];
    uint64_t           i, n, most;
    trv_id_t           id, other;
    trv_table_t        t;
    trv_table_place_t  place;

    dir = trv_dir_fd(state);

    for (n = 0; n < 100; n++) {
        trv_table_name(1000 + n, name);
        assert_int_equal(trv_table_create(&t, dir, name, 1000 + n, 8),
                         TRV_OK);
        most = t.capacity - 1;

        for (i = 0; i < most; i++) {
            id = trv_test_id(64 * n + i);
            assert_int_equal(trv_table_put(&t, &id, 20000, true, &place),
                             TRV_OK);
        }

        for (i = 0; i < most; i++) {
            id = trv_test_id(64 * n + i);
            assert_true(trv_table_lookup(&t, &id));

            id.lo ^= 1;
            assert_false(trv_table_lookup(&t, &id));

            id.lo ^= 1;
            id.hi ^= 2;
            assert_false(trv_table_lookup(&t, &id));
        }

        id = trv_test_id(64 * n + most);
        assert_false(trv_table_lookup(&t, &id));

        /* so many that some have the tag of one that is there */

        id = trv_test_id(64 * n);

        for (i = 1; i < 4096; i++) {
            other = id;
            other.lo ^= i;
            assert_false(trv_table_lookup(&t, &other));

            other = id;
            other.hi ^= i << 1;
            assert_false(trv_table_lookup(&t, &other));
        }

        trv_table_remove(&t, dir);
        trv_table_close(&t);
    }

    close(dir);
}


static void
trv_table_raises_a_day_and_never_lowers_it(void **state)
{
    int                dir;
    uint16_t           day;
    trv_id_t           id = trv_test_id(1), got;
    trv_table_t        t;
    trv_table_place_t  place;

    dir = trv_dir_fd(state);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 16), TRV_OK);

    assert_int_equal(trv_table_put(&t, &id, 100, true, &place), TRV_OK);
    assert_int_equal(trv_table_put(&t, &id, 100, true, &place), TRV_DECLINED);
    assert_int_equal(trv_table_put(&t, &id, 99, true, &place), TRV_DECLINED);
    assert_int_equal(trv_table_put(&t, &id, 101, false, &place), TRV_OK);
    assert_false(place.added);
    assert_int_equal(place.was, 100);

    assert_int_equal(trv_table_entry(&t, place.slot, &got, &day), TRV_OK);
    assert_true(trv_id_equal(&got, &id));
    assert_int_equal(day, 101);

    trv_table_close(&t);
    unlinkat(dir, NAME, 0);
    close(dir);
}


static void
trv_table_says_when_it_is_full(void **state)
{
    int                dir;
    uint64_t           i, capacity;
    trv_id_t           id, empty = { 0, 1 };
    trv_table_t        t;
    trv_table_place_t  place;

    dir = trv_dir_fd(state);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 16), TRV_OK);
    capacity = t.capacity;

    assert_int_equal(trv_table_put(&t, &empty, 1, true, &place), TRV_INVALID);

    for (i = 0; i < capacity; i++) {
        id = trv_test_id(i);
        assert_int_equal(trv_table_put(&t, &id, 1, false, &place), TRV_FULL);
        assert_int_equal(trv_table_put(&t, &id, 1, true, &place), TRV_OK);
    }

    id = trv_test_id(i);
    assert_int_equal(trv_table_put(&t, &id, 1, true, &place), TRV_FULL);
    assert_false(trv_table_lookup(&t, &id));         /* ends, too */

    trv_table_close(&t);
    unlinkat(dir, NAME, 0);
    close(dir);
}


/* beyond the limit there is a signal, which would end this program */

static void
trv_table_minds_the_limit_on_files(void **state)
{
    int            dir, err;
    trv_rc_e       rc;
    trv_table_t    t;
    struct rlimit  was, limit;

    dir = trv_dir_fd(state);

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rc = trv_table_create(&t, dir, NAME, 7, N);
    err = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);

    assert_int_equal(rc, TRV_ERROR);
    assert_int_equal(err, EFBIG);
    assert_int_equal(faccessat(dir, NAME, F_OK, 0), -1);

    close(dir);
}


/* each file that is not what was made is refused, without touching it */

static void
trv_table_checks_on_open(void **state)
{
    int          dir, fd, flip;
    off_t        size;
    unsigned     at;
    struct stat  st;
    trv_table_t  t;

    dir = trv_dir_fd(state);

    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_DECLINED);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 100), TRV_OK);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 100), TRV_ERROR);
    fd = openat(dir, NAME, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_blocks * 512 >= st.st_size);   /* not sparse */
    size = st.st_size;

    assert_int_equal(trv_table_open(&t, dir, NAME, 8, false), TRV_CORRUPT);

    /* every bit of the head that says something */

    for (at = 0; at < 48 * 8; at++) {
        assert_int_equal(pread(fd, &flip, 1, at / 8), 1);
        flip ^= 1 << at % 8;
        assert_int_equal(pwrite(fd, &flip, 1, at / 8), 1);

        if (trv_table_open(&t, dir, NAME, 7, false) != TRV_CORRUPT) {
            fail_msg("bit %u of the head was not missed", at);
        }

        flip ^= 1 << at % 8;
        assert_int_equal(pwrite(fd, &flip, 1, at / 8), 1);
    }

    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_OK);
    trv_table_close(&t);

    assert_int_equal(ftruncate(fd, size - 1), 0);
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    assert_int_equal(ftruncate(fd, size + 1), 0);
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    assert_int_equal(ftruncate(fd, size), 0);        /* zeroed */
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    close(fd);

    unlinkat(dir, NAME, 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, NAME), 0);
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 100), TRV_ERROR);
    unlinkat(dir, NAME, 0);

    assert_int_equal(mkfifoat(dir, NAME, 0600), 0);
    assert_int_equal(trv_table_open(&t, dir, NAME, 7, false), TRV_CORRUPT);
    unlinkat(dir, NAME, 0);
    close(dir);
}


/* a file of garbage behind a good head: lookups end and reach no other byte */

static void
trv_table_survives_garbage_slots(void **state)
{
    int          dir, fd, c;
    off_t        at;
    uint64_t     i;
    uint16_t     day;
    trv_id_t     id, got;
    trv_table_t  t;

    dir = trv_dir_fd(state);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 30000), TRV_OK);
    fd = openat(dir, NAME, O_RDWR);

    for (at = TRV_TABLE_NAME_LEN * 64; at < (off_t) t.size; at++) {
        c = (int) (at * 2654435761 >> 7) | 1;
        ((unsigned char *) t.head)[at] = (unsigned char) c;
    }

    for (i = 0; i < 1000; i++) {
        id = trv_test_id(i);
        assert_false(trv_table_lookup(&t, &id));
    }

    for (i = 0; i < t.capacity; i++) {
        (void) trv_table_entry(&t, i, &got, &day);
    }

    close(fd);
    trv_table_close(&t);
    unlinkat(dir, NAME, 0);
    close(dir);
}


/* mincore() says ENOMEM of what is not mapped */

static bool
trv_is_mapped(const void *p)
{
    unsigned char  in;

    return mincore((void *) p, 1, &in) == 0;
}


static void
trv_table_is_unmapped_bit_by_bit(void **state)
{
    int          dir, steps;
    char        *head;
    size_t       size, n = 4 * 1024 * 1024;
    trv_table_t  t;

    dir = trv_dir_fd(state);
    assert_int_equal(trv_table_create(&t, dir, NAME, 7, 1000000), TRV_OK);

    head = (char *) t.head;
    size = t.size;
    head[size - 1] = 1;

    for (steps = 1; trv_table_unmap(&t, n) == TRV_AGAIN; steps++) {
        assert_true(trv_is_mapped(head));
        assert_ptr_equal(t.head, head);
        assert_true(t.size < size);
        assert_true(trv_is_mapped(head + t.size - 4096));
        assert_false(trv_is_mapped(head + t.size));
    }

    assert_null(t.head);
    assert_false(trv_is_mapped(head));
    assert_in_range(steps, size / (n + 2 * 1024 * 1024), size / n + 1);

    unlinkat(dir, NAME, 0);
    close(dir);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_table_holds_what_was_put_and_nothing_else),
        cmocka_unit_test(trv_table_is_exact_where_ids_meet),
        cmocka_unit_test(trv_table_raises_a_day_and_never_lowers_it),
        cmocka_unit_test(trv_table_says_when_it_is_full),
        cmocka_unit_test(trv_table_minds_the_limit_on_files),
        cmocka_unit_test(trv_table_checks_on_open),
        cmocka_unit_test(trv_table_survives_garbage_slots),
        cmocka_unit_test(trv_table_is_unmapped_bit_by_bit),
    };

    return cmocka_run_group_tests_name("trv_table", tests, trv_test_dir_create,
                                       trv_test_dir_remove);
}
