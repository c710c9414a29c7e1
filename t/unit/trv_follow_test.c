
/*
 * The follower's brain: the log, whom it trusts, what is said.
 */

#include "trv_test_edge.h"


static void
trv_follow_makes_a_set_and_applies_its_log(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 0, 100);
    assert_int_equal(trv_redis_number("EXISTS {" PREFIX "}:meta"), 1);

    trv_revoke(0, 50, "");
    trv_edges_settle(e, 1, 0, 50, 10);
    assert_false(trv_edge_has(e, 50, 51));
    assert_int_equal(trv_follow_counts(e->follow)->entries, 50);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_FIRST], 1);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_GAP], 0);

    trv_edge_close(e);

    /* taken over in the middle of it: reads on, merges nothing */

    trv_revoke(50, 60, "");
    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    assert_int_equal(trv_follow_counts(e->follow)->entries, 10);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_FIRST], 0);
}


static void
trv_follow_reports_at_once_when_somebody_waits(void **state)
{
    int           i;
    char         *found;
    redisReply   *reply;
    trv_edge_t   *e = &trv_edges[0];
    trv_replica_state_t  s;
    char          position[TRV_POSITION_LEN + 1];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    trv_revoke(60, 61, "1");
    found = NULL;

    for (i = 0; i < 200 && !found; i++) {            /* far below a beat */
        trv_edge_turn(e);
        trv_replica_state(e->replica, &s);
        trv_position_format(&s.position, position);
        reply = redisCommand(trv_client, "HGET {" PREFIX "}:edges %s",
                             trv_follow_edge(e->follow));
        found = trv_edge_has(e, 60, 61) && reply->str
                ? strstr(reply->str, position) : NULL;
        freeReplyObject(reply);
        usleep(1000);
    }

    assert_non_null(found);
}


static void
trv_follow_skips_what_does_not_parse(void **state)
{
    trv_edge_t           *e = &trv_edges[0];
    trv_replica_state_t   s;

    (void) state;

    trv_revoke_at_once(1000, 2000);
    trv_revoke_at_once(2000, 3000);
    trv_revoke_at_once(3000, 3500);
    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 1000, 3500, 10);

    trv_redis_number("XADD {" PREFIX "}:log * ids junk");
    trv_redis_number("XADD {" PREFIX "}:log * prev x ids y:z");
    trv_redis_number("ZADD {" PREFIX "}:revoked " FOREVER " poison");
    trv_revoke(3500, 3510, "");

    /* all but what is no revocation is here, and that is no lasting trouble */

    trv_edge_run(e, 500);
    assert_true(trv_edge_has(e, 1000, 3510));
    trv_replica_state(e->replica, &s);
    assert_true(s.agrees);
    assert_non_null(strstr(e->notes, "1 members of the key \"revoked\" are no "
                                     "revocations"));

    trv_redis_number("ZREM {" PREFIX "}:revoked poison");
    trv_edges_resettle(e, 1, 3500, 3510);
    assert_true(trv_follow_counts(e->follow)->skipped >= 2);
}


/* an entry that costs the link each time it is read comes by a merge */

static void
trv_follow_merges_what_it_cannot_read(void **state)
{
    int          turns;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 1000, 3510, 10);
    trv_revoke(3510, 3520, "");

    for (turns = 0; turns < 3000 && !trv_edge_has(e, 3510, 3520); turns++) {
        trv_edge_run(e, 1);

        if (e->pending[TRV_LINK_TAIL]) {
            trv_edge_drop(e, TRV_LINK_TAIL);
        }
    }

    assert_true(trv_edge_has(e, 3510, 3520));
    assert_true(trv_follow_counts(e->follow)->merges[TRV_CAUSE_STUCK] > 0);
    trv_edges_resettle(e, 1, 1000, 3520);
}


/* away, and Redis is heard once and then no more */

static void
trv_follow_judges_by_what_it_knows_when_redis_goes_again(void **state)
{
    int          turns;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 1000, 3520, 10);
    trv_writer_beat_set(e->replica, 1);
    trv_edge_close(e);
    trv_revoke(3520, 3521, "");

    trv_edge_open(e, "edge-1");
    trv_edge_connect(e, TRV_LINK_HEARTBEAT);

    for (turns = 0; turns < 1000 && (e->sent[TRV_SCRIPT_HEARTBEAT] == 0
                                     || e->pending[TRV_LINK_HEARTBEAT]);
         turns++)
    {
        (void) trv_follow_work(e->follow, 1000, trv_edge_now(e));

        if (!e->pending[TRV_LINK_HEARTBEAT]) {
            trv_edge_send(e, TRV_LINK_HEARTBEAT);
        }

        usleep(1000);
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);
    }

    assert_int_equal(e->sent[TRV_SCRIPT_HEARTBEAT], 1);
    trv_edge_lose(e);

    e->ahead_ms += TRV_WRITER_AWAY_MS - 1000;
    (void) trv_follow_work(e->follow, 1000, trv_edge_now(e));
    assert_false(trv_replica_ready(e->replica));

    e->ahead_ms += 1000;
    (void) trv_follow_work(e->follow, 1000, trv_edge_now(e));
    assert_true(trv_replica_ready(e->replica));

    trv_edges_resettle(e, 1, 1000, 3521);
}


/* what an operator has to know is said, and nothing is lost meanwhile */

static void
trv_follow_says_what_is_wrong_with_redis(void **state)
{
    size_t       i;
    trv_edge_t  *e = &trv_edges[0];

    static const struct {
        const char   *wrong;
        const char   *right;
        const char   *says;
        trv_cause_e   cause;             /* of the merge that follows */
    } cases[] = {
        { "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE",
          "this Redis is not a master", TRV_CAUSE_NONE },
        { "RENAME {" PREFIX "}:days {" PREFIX "}:aside",
          "RENAME {" PREFIX "}:aside {" PREFIX "}:days", "", TRV_CAUSE_NONE },
        { "HSET {" PREFIX "}:meta set_id ffffffffffffffffffffffffffffffff",
          "PING", "Redis has set id ffffffffffffffffffffffffffffffff, ours is",
          TRV_CAUSE_SET },
        { "HSET {" PREFIX "}:meta format 2", "HSET {" PREFIX "}:meta format 1",
          "has format 2, this version knows 1", TRV_CAUSE_NONE },
        { "SET {" PREFIX "}:edges x", "DEL {" PREFIX "}:edges",
          "WRONGTYPE {" PREFIX "}:edges is a string, not a hash",
          TRV_CAUSE_NONE },
    };

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 3500, 3510, 10);

    for (i = 0; i < trv_test_n(cases); i++) {
        e->notes[0] = '\0';
        (void) trv_redis_number(cases[i].wrong);
        trv_edge_run(e, 300);

        if (strstr(e->notes, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].wrong, e->notes);
        }

        assert_true(trv_edge_has(e, 1000, 3510));
        (void) trv_redis_number(cases[i].right);
        trv_edges_resettle(e, 1, 1000, 3510);

        if (cases[i].cause != TRV_CAUSE_NONE) {
            assert_int_equal(
                  trv_follow_counts(e->follow)->merges[cases[i].cause], 1);
        }
    }

    /* the daily merge reads all days, and says if Redis would throw keys out */

    e->notes[0] = '\0';
    trv_redis_number("CONFIG SET maxmemory-policy allkeys-lru");
    e->ahead_ms += 2 * 86400 * (uint64_t) 1000;
    trv_edges_resettle(e, 1, 1000, 3510);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_DAILY], 1);
    assert_non_null(strstr(e->notes, "merged with Redis (daily, all days)"));
    assert_non_null(strstr(e->notes, "must not be allkeys-*"));
    trv_redis_number("CONFIG SET maxmemory-policy noeviction");
}


/* the daily merge is as often as that, however short its workers live */

static void
trv_follow_merges_daily_over_workers(void **state)
{
    int          i;
    uint64_t     at_ms;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 1000, 3510, 10);
    at_ms = trv_writer_daily_ms(e->replica);
    assert_in_range(at_ms, 1, trv_edge_now(e));

    for (i = 1; i <= 3; i++) {
        trv_edge_close(e);
        trv_edge_open(e, "edge-1");
        assert_int_equal(trv_writer_daily_ms(e->replica), at_ms);
        e->ahead_ms = i * 28800 * (uint64_t) 1000;
        trv_edges_resettle(e, 1, 1000, 3510);
        assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_DAILY],
                         i == 3);
    }

    assert_true(trv_writer_daily_ms(e->replica) > at_ms);
}


/*
 * What is new to Redis is read at once by a tail that waited at another
 * position: nothing is amiss with its link.
 */

static void
trv_follow_renews_a_tail_that_waits_in_vain(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_resettle(e, 1, 3500, 3510);
    e->renewed = 0;

    (void) trv_redis_number("HSET {" PREFIX "}:meta set_id "
                            "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    trv_edges_resettle(e, 1, 1000, 3510);

    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_SET], 1);
    assert_int_equal(e->renewed, 1);
    assert_int_equal(e->dropped, 0);
}


/*
 * Another Redis, whose log happens to go on from our position: what it says is
 * taken, but it proves nothing before a heartbeat has told whose it is.
 */

static void
trv_follow_trusts_no_tail_alone(void **state)
{
    int                   turns;
    char                  hex[TRV_ID_HEX_LEN + 1];
    char                  position[TRV_POSITION_LEN + 1];
    trv_id_t              id;
    trv_edge_t           *e = &trv_edges[0];
    trv_replica_state_t   before, s;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_resettle(e, 1, 3500, 3510);
    trv_edge_lose(e);
    trv_replica_state(e->replica, &before);
    trv_position_format(&before.position, position);

    trv_redis_stop();
    trv_redis_start();
    id = trv_test_id(9000);
    trv_id_format(&id, hex);
    hex[TRV_ID_HEX_LEN] = '\0';
    trv_redis_number("XADD {" PREFIX "}:log * prev %s ids %s:" FOREVER,
                     position, hex);

    trv_edge_connect(e, TRV_LINK_TAIL);
    trv_edge_connect(e, TRV_LINK_HEARTBEAT);

    for (turns = 0; turns < 1000 && !trv_edge_has(e, 9000, 9001); turns++) {
        trv_edge_send(e, TRV_LINK_TAIL);
        trv_edge_receive(e, TRV_LINK_TAIL);

        while (trv_follow_work(e->follow, 64, trv_edge_now(e)) == TRV_AGAIN) {
            /* void */
        }

        usleep(1000);
    }

    assert_true(trv_edge_has(e, 9000, 9001));
    trv_replica_state(e->replica, &s);
    assert_int_equal(trv_position_cmp(&s.position, &before.position), 0);

    trv_edges_resettle(e, 1, 1000, 3510);
}


/* the tail at another server: only where that is a replica of this Redis */

static void
trv_follow_reads_from_a_replica_of_its_redis(void **state)
{
    int          turns;
    char         repl_id[TRV_RUN_ID_LEN + 1];
    trv_edge_t  *e = &trv_edges[0];
    redisReply  *reply;

    (void) state;

    reply = redisCommand(trv_client, "INFO replication");
    snprintf(repl_id, sizeof(repl_id), "%s",
             strstr(reply->str, "master_replid:") + 14);
    freeReplyObject(reply);

    trv_edge_open(e, "edge-1");
    e->replica_of = "";

    trv_edge_run(e, 300);
    assert_non_null(strstr(e->notes, "at two Redis servers"));
    assert_true(e->dropped > 0);
    assert_int_equal(e->sent[TRV_SCRIPT_NONE], 0);

    e->replica_of = "ffffffffffffffffffffffffffffffffffffffff";
    trv_edge_run(e, 300);
    assert_non_null(strstr(e->notes, "another replication id"));
    assert_int_equal(e->sent[TRV_SCRIPT_NONE], 0);

    e->replica_of = repl_id;
    trv_edges_settle(e, 1, 3500, 3510, 10);
    e->dropped = 0;
    trv_revoke(9200, 9210, "1");
    trv_edges_resettle(e, 1, 9200, 9210);
    assert_int_equal(e->dropped, 0);
    assert_true(e->sent[TRV_SCRIPT_NONE] > 0);

    /* what does not fit may be its fault: it is left, and connected anew */

    trv_redis_number("XADD {" PREFIX "}:log * prev 1-1 ids %s:" FOREVER,
                     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

    for (turns = 0; turns < 1000 && e->dropped == 0; turns++) {
        trv_edge_run(e, 1);
    }

    assert_int_equal(e->dropped, 1);
    trv_edges_resettle(e, 1, 9200, 9210);
    assert_int_equal(e->dropped, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_follow_makes_a_set_and_applies_its_log),
        TRV_TEST(trv_follow_reports_at_once_when_somebody_waits),
        TRV_TEST(trv_follow_skips_what_does_not_parse),
        TRV_TEST(trv_follow_merges_what_it_cannot_read),
        TRV_TEST(trv_follow_judges_by_what_it_knows_when_redis_goes_again),
        TRV_TEST(trv_follow_says_what_is_wrong_with_redis),
        TRV_TEST(trv_follow_merges_daily_over_workers),
        TRV_TEST(trv_follow_renews_a_tail_that_waits_in_vain),
        TRV_TEST(trv_follow_trusts_no_tail_alone),
        TRV_TEST(trv_follow_reads_from_a_replica_of_its_redis),
    };

    return cmocka_run_group_tests_name("trv_follow", tests, trv_edges_setup,
                                       trv_edges_teardown);
}
