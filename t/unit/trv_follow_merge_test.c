
/*
 * The follower's brain: merges, whatever was lost on either side.
 */

#include "trv_test_edge.h"


static void
trv_follow_merges_when_the_log_was_trimmed(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 0, 100);
    trv_revoke(0, 61, "");
    trv_edges_settle(e, 1, 0, 61, 10);
    trv_edge_lose(e);
    trv_revoke(61, 81, "");
    trv_redis_number("XTRIM {" PREFIX "}:log MAXLEN 3");
    trv_edges_resettle(e, 1, 0, 81);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_GAP], 1);

    /* trimmed to nothing, and nothing comes any more */

    trv_edge_lose(e);
    trv_revoke(81, 91, "");
    trv_redis_number("XTRIM {" PREFIX "}:log MAXLEN 0");
    trv_edges_resettle(e, 1, 0, 91);
}


static void
trv_follow_two_edges_become_one_set(void **state)
{
    uint64_t    i;
    trv_id_t    id;
    trv_edge_t  *e = trv_edges;

    (void) state;

    trv_edge_open(&e[0], "edge-1");
    trv_edge_open(&e[1], "edge-2");
    trv_edges_settle(e, 2, 0, 91, 10);

    /* what one edge alone knows reaches Redis and the other */

    for (i = 1000; i < 3500; i++) {
        id = trv_test_id(i);
        while (trv_writer_put(e[i % 2].replica, &id, 22000 + i % 7)
               == TRV_FULL)
        {
            trv_edge_rebuild(&e[i % 2]);
        }
    }

    trv_edges_resettle(e, 2, 1000, 3500);
    assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 2591);
}


/*
 * The position in the control file is a promise.  An entry "merge" says that
 * the set has grown by what no entry names: nobody may promise to have it
 * before he has.
 */

static void
trv_follow_promises_nothing_it_lacks(void **state)
{
    int                   turns, after;
    uint64_t              i;
    trv_id_t              id;
    redisReply           *reply;
    trv_edge_t           *e = trv_edges;
    trv_position_t        first, last;
    trv_replica_state_t   s;

    (void) state;

    trv_edge_open(&e[0], "edge-1");
    trv_edge_open(&e[1], "edge-2");
    trv_edges_settle(e, 2, 1000, 3500, 10);
    trv_replica_state(e[1].replica, &s);
    first = s.position;

    for (i = 5000; i < 9000; i++) {
        id = trv_test_id(i);
        while (trv_writer_put(e[0].replica, &id, 22000 + i % 7) == TRV_FULL) {
            trv_edge_rebuild(&e[0]);
        }
    }

    after = 0;

    for (turns = 0; turns < 3000 && after < 20; turns++) {
        trv_edge_turn(&e[0]);
        trv_edge_turn(&e[1]);
        e[0].ahead_ms += 10;
        e[1].ahead_ms += 10;

        reply = redisCommand(trv_client, "XREVRANGE {" PREFIX "}:log + - "
                             "COUNT 1");
        assert_int_equal(reply->elements, 1);
        assert_int_equal(trv_position_parse(
                                 reply->element[0]->element[0]->str,
                                 reply->element[0]->element[0]->len, &last),
                         TRV_OK);

        if (trv_position_cmp(&last, &first) > 0) {
            assert_string_equal(
                        reply->element[0]->element[1]->element[2]->str,
                        "merge");
            trv_replica_state(e[1].replica, &s);

            if (trv_position_cmp(&s.position, &last) >= 0) {
                after++;
                assert_true(trv_edge_has(&e[1], 5000, 9000));
            }
        }

        freeReplyObject(reply);
        usleep(500);
    }

    assert_int_equal(after, 20);
}


static void
trv_follow_fills_a_redis_that_was_emptied(void **state)
{
    size_t      i;
    trv_edge_t  *e = trv_edges;

    (void) state;

    trv_edge_open(&e[0], "edge-1");
    trv_edge_open(&e[1], "edge-2");
    trv_edges_settle(e, 2, 1000, 3500, 10);

    trv_redis_number("FLUSHALL");
    trv_edges_resettle(e, 2, 1000, 3500);
    assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 6591);

    for (i = 0; i < trv_test_n(trv_keys); i++) {
        trv_redis_number("DEL {" PREFIX "}:%s", trv_keys[i]);
        trv_edges_resettle(e, 2, 1000, 3500);
        assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 6591);
    }

    /* one day's digest is wrong, one entry is missing, total is junk */

    trv_redis_number("HSET {" PREFIX "}:days 22003 1:00");
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("ZREMRANGEBYRANK {" PREFIX "}:revoked 5 9");
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("HSET {" PREFIX "}:days total junk");
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("HSET {" PREFIX "}:meta set_id junk");
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("HSET {" PREFIX "}:meta first_day 60000");
    e[0].ahead_ms += 60000;
    trv_edges_resettle(e, 2, 1000, 3500);
    assert_int_equal(trv_redis_number("HGET {" PREFIX "}:meta first_day"),
                     time(NULL) / TRV_DAY_SEC - 1);
    trv_redis_number("HSET {" PREFIX "}:meta merging x merging_until %lld",
                     (time(NULL) + 3600) * 1000LL);
    trv_redis_number("ZREMRANGEBYRANK {" PREFIX "}:revoked 5 9");
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("HSET {" PREFIX "}:meta first_day nan");
    trv_edges_resettle(e, 2, 1000, 3500);
    assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 6591);
}


/* a merge that Redis does not let end is tried again, later each time */

static void
trv_follow_retries_a_merge_later_each_time(void **state)
{
    int          turns, tries;
    uint64_t     at[9], gap, least, most;
    trv_edge_t  *e = &trv_edges[0];

    static const uint64_t  wait_ms[8] = {
        500, 1000, 2000, 2666, 2666, 2666, 2666, 2666
    };

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_revoke(3500, 3510, "");
    trv_edges_resettle(e, 1, 3500, 3510);

    (void) trv_redis_number("SET {" PREFIX "}:edges x");
    (void) trv_redis_number("XADD {" PREFIX "}:log * prev 1-1 merge x");
    e->sent[TRV_SCRIPT_DIGESTS] = 0;
    tries = 0;

    for (turns = 0; turns < 9000 && tries < 9; turns++) {
        trv_edge_run(e, 1);

        if (e->sent[TRV_SCRIPT_DIGESTS] > tries) {
            at[tries++] = trv_edge_now(e);
        }
    }

    assert_int_equal(tries, 9);
    least = UINT64_MAX;
    most = 0;

    for (tries = 0; tries < 8; tries++) {
        gap = at[tries + 1] - at[tries];
        assert_in_range(gap, wait_ms[tries], wait_ms[tries] * 3 / 2 + 500);

        if (wait_ms[tries] == 2666) {
            least = gap < least ? gap : least;
            most = gap > most ? gap : most;
        }
    }

    assert_true(most - least >= 50);     /* jitter */

    e->notes[0] = '\0';
    (void) trv_redis_number("DEL {" PREFIX "}:edges");
    trv_edge_run(e, 480);                /* less than 5 s */
    assert_non_null(strstr(e->notes, "merged with Redis (gap"));
    trv_edges_resettle(e, 1, 1000, 3510);

    /* and soon again the next time */

    (void) trv_redis_number("SET {" PREFIX "}:edges x");
    (void) trv_redis_number("XADD {" PREFIX "}:log * prev 1-1 merge x");
    e->sent[TRV_SCRIPT_DIGESTS] = 0;
    trv_edge_run(e, 200);
    assert_in_range(e->sent[TRV_SCRIPT_DIGESTS], 2, 3);
    (void) trv_redis_number("DEL {" PREFIX "}:edges");
    trv_edge_run(e, 480);
    trv_edges_resettle(e, 1, 1000, 3510);
}


/* turns until a script is sent once more, and until there is a contact then */

static void
trv_edge_until_sent(trv_edge_t *e, trv_script_e script)
{
    int  turns, sent;

    sent = e->sent[script];

    for (turns = 0; turns < 3000 && e->sent[script] == sent; turns++) {
        trv_edge_run(e, 1);
    }

    assert_true(e->sent[script] > sent);
}


static void
trv_edge_until_contact(trv_edge_t *e)
{
    int       turns;
    uint64_t  since;

    since = trv_edge_now(e);

    for (turns = 0; turns < 3000; turns++) {
        trv_edge_run(e, 1);

        if (trv_replica_contact_ms(e->replica) >= since) {
            return;
        }
    }

    fail_msg("no contact: %s", e->notes);
}


/*
 * The daily merge writes.  A Redis that takes no writes for a day is equal
 * still, and the edge stays current.
 */

static void
trv_follow_is_current_though_redis_takes_no_writes(void **state)
{
    int          tries;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 1000, 3510, 10);
    (void) trv_redis_number("CONFIG SET min-replicas-to-write 1");
    e->ahead_ms += TRV_DAY_SEC * 1000;

    for (tries = 0; tries < 3; tries++) {
        trv_edge_until_sent(e, TRV_SCRIPT_REPAIR);
        trv_edge_until_contact(e);
        assert_non_null(strstr(e->notes, "Redis answered: NOREPLICAS"));

        e->sent[TRV_SCRIPT_DIGESTS] = 0;
        e->ahead_ms += 3000 * 1000;
        trv_edge_until_contact(e);
        assert_int_equal(e->sent[TRV_SCRIPT_DIGESTS], 0);
        e->ahead_ms += 600 * 1000;               /* an hour since */
    }

    /* what is evidence of a difference is tried at once */

    trv_redis_number("CONFIG SET min-replicas-to-write 0");
    trv_edge_until_sent(e, TRV_SCRIPT_DIGESTS);
    trv_edge_run(e, 100);
    assert_non_null(strstr(e->notes, "merged with Redis (daily"));
}


/* a Redis that lost its last writes: what the edge has goes back */

static void
trv_follow_survives_another_redis(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 3500, 3510, 10);

    trv_redis_stop();
    trv_edge_turn(e);
    assert_true(trv_edge_has(e, 1000, 3510));
    trv_redis_start();
    trv_revoke(4000, 4001, "");          /* somebody else was faster */
    trv_edges_resettle(e, 1, 1000, 3510);
    assert_true(trv_edge_has(e, 4000, 4001));
    assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 6602);
}


/*
 * A merge begins with a scan of the table.  Entries for which the table has no
 * room come while it runs: the table is made larger only after the scan.
 */

static void
trv_follow_grows_while_a_merge_scans(void **state)
{
    int                          turns;
    uint64_t                     from;
    trv_edge_t                  *e = &trv_edges[0];
    trv_replica_state_t          s;
    const trv_follow_counts_t   *counts;

    (void) state;

    trv_edge_open(e, "edge-6");
    trv_edges_settle(e, 1, 3500, 3510, 10);

    trv_replica_state(e->replica, &s);
    assert_true(s.capacity < 20000);     /* 4000 more do not fit in */

    /* a heartbeat finds a wrong digest: a merge begins */

    trv_redis_number("HSET {" PREFIX "}:days total junk");
    counts = trv_follow_counts(e->follow);

    for (turns = 0; turns < 2000; turns++) {
        e->ahead_ms += 10;
        trv_edge_send(e, TRV_LINK_HEARTBEAT);
        usleep(1000);
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);

        if (counts->merges[TRV_CAUSE_COUNT]
            + counts->merges[TRV_CAUSE_DIGEST])
        {
            break;
        }
    }

    assert_true(turns < 2000);

    for (from = 20000; from < 26000; from += 1000) {
        trv_revoke_at_once(from, from + 1000);
    }

    for (turns = 0; turns < 3000 && !trv_edge_has(e, 20000, 26000); turns++) {
        trv_edge_send(e, TRV_LINK_TAIL);
        trv_edge_receive(e, TRV_LINK_TAIL);
        (void) trv_follow_work(e->follow, 64, trv_edge_now(e));
        trv_edge_rebuild(e);
        usleep(200);
    }

    assert_true(trv_edge_has(e, 20000, 26000));
    trv_edges_resettle(e, 1, 20000, 26000);
}


/*
 * What is missed during a merge may have come behind what it reads: nobody
 * promises to have that.  If the merge fails, there is another one.
 */

static void
trv_follow_misses_something_during_a_merge(void **state)
{
    int                  refuses, turns, after;
    uint64_t             from;
    redisReply          *reply;
    trv_edge_t          *e = &trv_edges[0];
    trv_position_t       last;
    trv_replica_state_t  s;

    (void) state;

    trv_edge_open(e, "edge-6");
    trv_edges_settle(e, 1, 20000, 26000, 10);

    for (refuses = 0; refuses < 2; refuses++) {
        from = 30000 + refuses * 100;
        e->ahead_ms += TRV_DAY_SEC * 1000;

        for (turns = 0; turns < 10; turns++) {   /* of 13 pages */
            trv_edge_until_sent(e, TRV_SCRIPT_PAGE);
        }

        trv_revoke(from, from + 50, "");
        trv_redis_number("XTRIM {" PREFIX "}:log MAXLEN 1");
        trv_redis_number("CONFIG SET min-replicas-to-write %d", refuses);
        reply = redisCommand(trv_client, "XREVRANGE {" PREFIX "}:log + -");
        assert_int_equal(trv_position_parse(
                                 reply->element[0]->element[0]->str,
                                 reply->element[0]->element[0]->len, &last),
                         TRV_OK);
        freeReplyObject(reply);

        for (turns = 0, after = 0; turns < 3000 && after < 20; turns++) {
            trv_edge_run(e, 1);
            trv_replica_state(e->replica, &s);

            if (trv_position_cmp(&s.position, &last) >= 0) {
                after++;
                assert_true(trv_edge_has(e, from, from + 50));
            }

            if (strstr(e->notes, "NOREPLICAS")) {
                trv_redis_number("CONFIG SET min-replicas-to-write 0");
            }
        }

        assert_int_equal(after, 20);
        trv_edges_resettle(e, 1, 20000, 26000);
    }

}


/* what is found when the daily merge is due is why it merges */

static void
trv_follow_finds_redis_emptied_by_a_daily_merge(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-6");
    trv_edges_settle(e, 1, 20000, 26000, 10);
    (void) trv_redis_number("FLUSHALL");
    e->ahead_ms += TRV_DAY_SEC * 1000;
    e->notes[0] = '\0';
    trv_edges_resettle(e, 1, 20000, 26000);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_DAILY], 1);
    assert_non_null(strstr(e->notes, "merged with Redis (unborn"));
}


/* one that nobody kept for a while */

static void
trv_edge_open_away(trv_edge_t *e, const char *name)
{
    trv_edge_open(e, name);
    trv_writer_beat_set(e->replica, 1);
    trv_edge_close(e);
    trv_edge_open(e, name);
    assert_false(trv_replica_ready(e->replica));
}


/*
 * It is not ready before it knows what those know that were there all the
 * time, also if it finds an empty Redis before they do, or while they give.
 */

static void
trv_follow_that_was_away_waits_for_those_that_know(void **state)
{
    int          turns;
    uint64_t     since;
    trv_edge_t  *e = trv_edges;

    (void) state;

    trv_edge_open(&e[0], "edge-6");
    trv_revoke(40000, 40010, "");
    trv_edges_settle(&e[0], 1, 40000, 40010, 10);
    trv_edge_lose(&e[0]);
    (void) trv_redis_number("FLUSHALL");
    trv_edge_open_away(&e[1], "edge-1");
    trv_edge_until_sent(&e[1], TRV_SCRIPT_HEARTBEAT);
    trv_edge_until_sent(&e[1], TRV_SCRIPT_HEARTBEAT);
    assert_false(trv_replica_ready(e[1].replica));

    for (turns = 0; turns < 3000 && !trv_replica_ready(e[1].replica); turns++) {
        trv_edge_run(&e[0], 1);
        trv_edge_run(&e[1], 1);
    }

    assert_true(trv_edge_has(&e[1], 40000, 40010));
    trv_edges_resettle(e, 2, 20000, 26000);

    /* another one has only begun to fill it */

    trv_edge_close(&e[1]);
    (void) trv_redis_number("FLUSHALL");
    trv_edge_until_sent(&e[0], TRV_SCRIPT_ADOPT);
    trv_edge_open_away(&e[1], "edge-1");
    trv_edge_until_sent(&e[1], TRV_SCRIPT_DIGESTS);
    trv_edge_until_sent(&e[1], TRV_SCRIPT_DIGESTS);
    assert_false(trv_replica_ready(e[1].replica));
    trv_edges_resettle(e, 2, 20000, 26000);
    assert_true(trv_replica_ready(e[1].replica));

    /* it is another one's turn to give */

    trv_edge_close(&e[1]);
    trv_redis_number("XTRIM {" PREFIX "}:log MAXLEN 0");
    trv_redis_number("XADD {" PREFIX "}:log * prev 1-1 merge x");
    trv_redis_number("HSET {" PREFIX "}:meta merging x merging_until %lld",
                     (time(NULL) + 9) * 1000LL);
    trv_edge_open_away(&e[1], "edge-1");
    trv_edge_until_sent(&e[1], TRV_SCRIPT_DIGESTS);
    trv_edge_until_sent(&e[1], TRV_SCRIPT_DIGESTS);
    assert_false(trv_replica_ready(e[1].replica));
    trv_redis_number("HDEL {" PREFIX "}:meta merging");
    trv_edges_resettle(e, 2, 20000, 26000);
    assert_true(trv_replica_ready(e[1].replica));

    /* there is nobody who knows more */

    trv_edge_close(&e[0]);
    trv_edge_close(&e[1]);
    (void) trv_redis_number("FLUSHALL");
    trv_edge_open_away(&e[1], "edge-1");
    since = trv_edge_now(&e[1]);

    for (turns = 0; turns < 3000 && !trv_replica_ready(e[1].replica); turns++) {
        trv_edge_run(&e[1], 1);
    }

    assert_true(trv_edge_now(&e[1]) - since >= 3000);
    trv_edges_resettle(&e[1], 1, 20000, 26000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_follow_merges_when_the_log_was_trimmed),
        TRV_TEST(trv_follow_two_edges_become_one_set),
        TRV_TEST(trv_follow_promises_nothing_it_lacks),
        TRV_TEST(trv_follow_fills_a_redis_that_was_emptied),
        TRV_TEST(trv_follow_retries_a_merge_later_each_time),
        TRV_TEST(trv_follow_is_current_though_redis_takes_no_writes),
        TRV_TEST(trv_follow_survives_another_redis),
        TRV_TEST(trv_follow_grows_while_a_merge_scans),
        TRV_TEST(trv_follow_misses_something_during_a_merge),
        TRV_TEST(trv_follow_finds_redis_emptied_by_a_daily_merge),
        TRV_TEST(trv_follow_that_was_away_waits_for_those_that_know),
    };

    return cmocka_run_group_tests_name("trv_follow_merge", tests,
                                       trv_edges_setup, trv_edges_teardown);
}
