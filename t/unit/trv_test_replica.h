
/*
 * Replicas in directories of a test.
 */

#ifndef TRV_TEST_REPLICA_H
#define TRV_TEST_REPLICA_H

#include <fcntl.h>
#include <sys/stat.h>

#include "trv_test.h"
#include "trv_writer.h"


#define DAY  20000


static char  trv_path[512];


static inline const char *
trv_replica_path(void **state, const char *name)
{
    snprintf(trv_path, sizeof(trv_path), "%s/%s", (char *) *state, name);
    (void) mkdir(trv_path, 0700);
    return trv_path;
}


static inline trv_replica_t *
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


static inline trv_replica_t *
trv_replica_writer(const char *path, const char *boot, trv_rc_e rc)
{
    trv_replica_t  *r;

    r = trv_replica_take(path, boot, 0, rc);

    while (trv_writer_scan(r, 1000) == TRV_AGAIN) { /* void */ }

    return r;
}


/* what the event loop does over many turns */

static inline bool
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


static inline void
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


static inline void
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


#endif /* TRV_TEST_REPLICA_H */
