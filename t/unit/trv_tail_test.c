
#include <fcntl.h>
#include <hiredis/hiredis.h>

#include "trv_test.h"
#include "trv_tail.h"


#define DAY  20000


static char  trv_wire[64 * 1024];


/* "7-1 <6-0 5:3": entry 7-1, before it 6-0, ids number 5 to 7; "..." more */

static redisReply *
trv_tail_log(const char *log)
{
    int           used, n;
    char         *p, id[16], prev[16], hex[TRV_ID_HEX_LEN], ids[32 * 1024];
    void         *reply;
    size_t        len;
    trv_id_t      one;
    unsigned      entries, first, count, i;
    const char   *rest;
    redisReader  *reader;

    entries = 0;
    for (rest = log; (rest = strchr(rest, '<')) != NULL; rest++) {
        entries++;
    }

    p = trv_wire + sprintf(trv_wire, "*1\r\n*2\r\n$7\r\n{p}:log\r\n*%u\r\n",
                           entries);

    for ( /* void */ ; entries; entries--, log += used) {
        n = sscanf(log, " %15s <%15s %u:%u%n", id, prev, &first, &count,
                   &used);
        assert_int_equal(n, 4);
        len = 0;

        for (i = first; i < first + count; i++) {
            one = trv_test_id(i);
            trv_id_format(&one, hex);
            len += sprintf(ids + len, "%s%.32s:%u", len ? " " : "", hex,
                           DAY * TRV_DAY_SEC);
        }

        p += sprintf(p, "*2\r\n$%zu\r\n%s\r\n*4\r\n$4\r\nprev\r\n$%zu\r\n%s\r\n"
                     "$3\r\nids\r\n$%zu\r\n%.*s\r\n", strlen(id), id,
                     strlen(prev), prev, len, (int) len, ids);
    }

    reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, trv_wire, p - trv_wire),
                     REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);

    return reply;
}


static trv_rc_e
trv_tail_read(trv_tail_t *t, const char *log)
{
    trv_str_t  key = trv_str("{p}:log");

    return trv_tail_reply(t, trv_tail_log(log), &key);
}


static trv_replica_t *
trv_tail_replica(void **state, const char *name)
{
    char            path[256];
    trv_replica_t  *r;

    snprintf(path, sizeof(path), "mkdir %s/%s", (char *) *state, name);
    assert_int_equal(system(path), 0);
    r = trv_replica_open(path + 6);
    (void) trv_replica_refresh(r);
    assert_int_equal(trv_replica_lock(r), TRV_OK);
    assert_int_equal(trv_writer_take(r, "boot", 0), TRV_OK);

    return r;
}


static unsigned
trv_tail_count(trv_replica_t *r, unsigned from, unsigned to)
{
    trv_id_t  id;
    unsigned  n;

    for (n = 0; from < to; from++) {
        id = trv_test_id(from);
        n += trv_replica_lookup(r, &id) == TRV_OK;
    }

    return n;
}


/* the position moves over whole entries only, whatever the slices are */

static void
trv_tail_moves_by_whole_entries(void **state)
{
    unsigned             slices, have;
    trv_rc_e             rc;
    trv_tail_t           t;
    trv_replica_t       *r;
    trv_position_t       at = { 6, 0 };
    trv_tail_events_t    events;

    r = trv_tail_replica(state, "whole");
    memset(&t, 0, sizeof(t));
    trv_tail_reset(&t, &at);

    assert_int_equal(trv_tail_read(&t, "7-1 <6-0 0:10 7-2 <7-1 10:1"), TRV_OK);

    for (slices = 1; ; slices++) {
        rc = trv_tail_apply(&t, r, 3, &events);
        have = trv_tail_count(r, 0, 10);

        if (rc == TRV_OK) {
            break;
        }

        assert_int_equal(rc, TRV_AGAIN);
        assert_int_equal(have, 3 * slices);
        assert_int_equal(t.position.ms, 6);
    }

    assert_int_equal(slices, 4);
    assert_int_equal(have, 10);
    assert_int_equal(t.position.ms, 7);
    assert_int_equal(t.position.seq, 1);
    assert_false(events.gap || events.skipped || events.ack || events.merge);

    assert_int_equal(trv_tail_apply(&t, r, 3, &events), TRV_OK);
    assert_int_equal(t.position.seq, 2);
    assert_int_equal(trv_tail_apply(&t, r, 3, &events), TRV_DECLINED);

    /* dropped in the middle of an entry: read again from the one before */

    assert_int_equal(trv_tail_read(&t, "8-0 <7-2 11:9"), TRV_OK);
    assert_int_equal(trv_tail_apply(&t, r, 4, &events), TRV_AGAIN);
    trv_tail_drop(&t);
    assert_int_equal(t.position.ms, 7);
    assert_int_equal(trv_tail_read(&t, "8-0 <7-2 11:9"), TRV_OK);
    assert_int_equal(trv_tail_apply(&t, r, 100, &events), TRV_OK);
    assert_int_equal(trv_tail_count(r, 0, 20), 20);
    assert_int_equal(trv_tail_count(r, 20, 40), 0);

    /* something was missed; then an id that does not ascend */

    assert_int_equal(trv_tail_read(&t, "9-5 <9-4 20:1"), TRV_OK);
    assert_int_equal(trv_tail_apply(&t, r, 100, &events), TRV_OK);
    assert_true(events.gap);
    assert_int_equal(trv_tail_count(r, 20, 21), 1);
    assert_int_equal(trv_tail_read(&t, "9-5 <9-4 21:1"), TRV_OK);
    assert_int_equal(trv_tail_apply(&t, r, 100, &events), TRV_CORRUPT);
    assert_int_equal(trv_tail_count(r, 21, 22), 0);

    trv_tail_drop(&t);
    trv_replica_close(r);
}


/* a table without room: nothing is skipped, the entry goes on when there is */

static void
trv_tail_waits_for_room(void **state)
{
    int                  dir;
    char                 name[TRV_TABLE_NAME_LEN];
    uint64_t             capacity, generation;
    unsigned             n, full;
    trv_rc_e             rc;
    trv_tail_t           t;
    trv_table_t          table;
    trv_replica_t       *r;
    trv_position_t       at = { 0, 0 };
    trv_tail_events_t    events;

    static char  log[128];

    r = trv_tail_replica(state, "room");
    memset(&t, 0, sizeof(t));
    trv_tail_reset(&t, &at);
    full = 0;

    for (n = 0; n < 2000; n += 200) {
        snprintf(log, sizeof(log), "%u-0 <%u-0 %u:200", n + 1,
                 n ? n - 199 : 0, n);
        assert_int_equal(trv_tail_read(&t, log), TRV_OK);

        while ((rc = trv_tail_apply(&t, r, 50, &events)) != TRV_OK) {

            if (rc == TRV_AGAIN) {
                continue;
            }

            assert_int_equal(rc, TRV_FULL);
            assert_int_equal(t.position.ms, n ? n - 199 : 0);
            full++;

            while (trv_writer_scan(r, 1000) == TRV_AGAIN) { /* void */ }

            assert_int_equal(trv_writer_rebuild_needed(r, 0, 0, &capacity,
                                                       &generation, name),
                             TRV_OK);
            dir = trv_replica_dir_open(r);
            assert_int_equal(trv_table_create(&table, dir, name, generation,
                                              capacity),
                             TRV_OK);
            close(dir);
            trv_writer_rebuild_start(r, &table, 0);

            while (trv_writer_rebuild_copy(r, 1000) == TRV_AGAIN) { /* void */ }

            assert_int_equal(trv_writer_rebuild_switch(r), TRV_OK);
        }

        assert_false(events.gap);
        assert_int_equal(trv_tail_count(r, 0, n + 200), n + 200);
    }

    assert_true(full > 0);
    trv_tail_drop(&t);
    trv_replica_close(r);
}


static void
trv_tail_knows_its_last_totals(void **state)
{
    uint64_t         i;
    trv_tail_t       t;
    trv_digest_t     total;
    trv_position_t   at = { 1, 0 };

    (void) state;

    memset(&t, 0, sizeof(t));
    trv_tail_reset(&t, &at);
    memset(&total, 0, sizeof(total));
    assert_int_equal(trv_tail_total(&t, &at, &total), TRV_DECLINED);

    for (i = 1; i <= TRV_TAIL_MARKS + 10; i++) {
        t.position.ms = i;
        total.count = i;
        trv_tail_mark(&t, &total);
    }

    for (i = 1; i <= TRV_TAIL_MARKS + 10; i++) {
        at.ms = i;

        if (i <= 10) {
            assert_int_equal(trv_tail_total(&t, &at, &total), TRV_DECLINED);
            continue;
        }

        assert_int_equal(trv_tail_total(&t, &at, &total), TRV_OK);
        assert_int_equal(total.count, i);
    }

    trv_tail_marks_reset(&t);
    assert_int_equal(trv_tail_total(&t, &at, &total), TRV_DECLINED);
}


/* so many entries of so many ids, from the position on, read and applied */

static void
trv_tail_take(trv_tail_t *t, trv_replica_t *r, unsigned entries, unsigned ids)
{
    char               log[16 * 1024];
    size_t             len;
    unsigned           ms, i;
    trv_rc_e           rc;
    trv_tail_events_t  events;

    len = 0;
    ms = (unsigned) t->position.ms;

    for (i = 0; i < entries; i++) {
        len += sprintf(log + len, "%u-0 <%u-0 0:%u ", ms + i + 1, ms + i, ids);
    }

    assert_int_equal(trv_tail_read(t, log), TRV_OK);

    do {
        rc = trv_tail_apply(t, r, 1000, &events);
    } while (rc == TRV_OK);

    assert_int_equal(rc, TRV_DECLINED);
    assert_int_equal(t->position.ms, ms + entries);
}


/* far away few replies have to do, but none may be huge */

static void
trv_tail_reads_more_at_once(void **state)
{
    unsigned         n;
    trv_tail_t       t;
    trv_replica_t   *r;
    trv_position_t   at = { 1, 0 };

    r = trv_tail_replica(state, "more");
    memset(&t, 0, sizeof(t));
    trv_tail_reset(&t, &at);
    assert_int_equal(t.count, TRV_TAIL_COUNT_MIN);

    trv_tail_take(&t, r, TRV_TAIL_COUNT_MIN - 1, 1);     /* that was all */
    assert_int_equal(t.count, TRV_TAIL_COUNT_MIN);

    for (n = TRV_TAIL_COUNT_MIN; n < TRV_TAIL_COUNT_MAX; n *= 2) {
        trv_tail_take(&t, r, n, 1);
        assert_int_equal(t.count, 2 * n);
    }

    trv_tail_take(&t, r, TRV_TAIL_COUNT_MAX, 1);
    assert_int_equal(t.count, TRV_TAIL_COUNT_MAX);
    trv_tail_take(&t, r, 3, 1);
    assert_int_equal(t.count, TRV_TAIL_COUNT_MAX);

    trv_tail_take(&t, r, 3, 5);
    assert_int_equal(t.count, TRV_TAIL_COUNT_MIN);

    trv_replica_close(r);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_tail_moves_by_whole_entries),
        cmocka_unit_test(trv_tail_waits_for_room),
        cmocka_unit_test(trv_tail_knows_its_last_totals),
        cmocka_unit_test(trv_tail_reads_more_at_once),
    };

    return cmocka_run_group_tests_name("trv_tail", tests,
                                       trv_test_dir_create,
                                       trv_test_dir_remove);
}
