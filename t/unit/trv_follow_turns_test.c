
/*
 * The follower's brain: heartbeats, reports and the steps of a merge take turns
 * at one connection, however far away Redis is.
 */

#include "trv_follow_private.h"
#include "trv_test_edge.h"


#define TEST_IDS  6000                   /* some pages */


/* an edge that has read the first page of its daily merge, at least */

static void
trv_edge_open_daily(trv_edge_t *e, const char *name)
{
    int  turns;

    trv_edge_open(e, name);
    trv_edges_settle(e, 1, 0, TEST_IDS, 10);
    trv_edge_run(e, 150);
    e->ahead_ms += TRV_DAY_SEC * 1000;
    e->sent[TRV_SCRIPT_PAGE] = 0;
    e->notes[0] = '\0';

    for (turns = 0; turns < 1000 && e->sent[TRV_SCRIPT_PAGE] < 2; turns++) {
        trv_edge_run(e, 1);
    }

    assert_int_equal(e->sent[TRV_SCRIPT_PAGE], 2);
    assert_int_equal(trv_follow_counts(e->follow)->merges[TRV_CAUSE_DAILY], 1);
}


static int
trv_follow_turns_setup(void **state)
{
    int       rc;
    uint64_t  i;

    rc = trv_edges_setup(state);

    for (i = 0; i < TEST_IDS; i += TRV_COMMAND_MAX_IDS) {
        trv_revoke_at_once(i, i + TRV_COMMAND_MAX_IDS < TEST_IDS
                              ? i + TRV_COMMAND_MAX_IDS : TEST_IDS);
    }

    return rc;
}


/* a turn, in which Redis answers after so long */

static void
trv_edge_turn_slow(trv_edge_t *e, uint64_t ms)
{
    e->ahead_ms += ms;
    usleep(3000);
    trv_edge_turn(e);
}


/* no call is refused for want of contact */

static void
trv_follow_beats_during_a_daily_merge(void **state)
{
    int          turns, beats, reports;
    uint64_t     age, longest;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open_daily(e, "edge-1");
    beats = e->sent[TRV_SCRIPT_HEARTBEAT];
    reports = e->sent[TRV_SCRIPT_REPORT];
    longest = 0;

    for (turns = 0; turns < 1000; turns++) {
        trv_edge_turn_slow(e, 600);

        if (strstr(e->notes, "merged with Redis (daily")) {
            break;
        }

        /* it was a day ago */

        if (e->sent[TRV_SCRIPT_PAGE] > 3) {
            age = trv_edge_now(e) - trv_replica_contact_ms(e->replica);
            longest = age > longest ? age : longest;
        }
    }

    assert_in_range(turns, 1, 999);
    assert_in_range(e->sent[TRV_SCRIPT_PAGE], 6, TEST_IDS);
    assert_in_range(longest, 1, 4000);

    /* each has a report behind it, and that is enough */

    assert_in_range(e->sent[TRV_SCRIPT_REPORT] - reports, 1,
                    e->sent[TRV_SCRIPT_HEARTBEAT] - beats + 1);
}


/* as often as Redis answers, somebody waits for the next confirmation */

static void
trv_follow_beats_while_confirmations_are_waited_for(void **state)
{
    uint64_t     i, age, longest;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, TEST_IDS, 10);
    e->sent[TRV_SCRIPT_REPORT] = 0;
    longest = 0;

    for (i = 90000; i < 90060; i++) {
        trv_revoke(i, i + 1, "1");
        trv_edge_turn_slow(e, 300);
        age = trv_edge_now(e) - trv_replica_contact_ms(e->replica);
        longest = age > longest ? age : longest;
    }

    assert_in_range(longest, 1, 4000);
    assert_in_range(e->sent[TRV_SCRIPT_REPORT], 20, 60);
}


/* a reply that was too large for a link is not asked for again */

static void
trv_follow_reads_less_when_the_tail_was_lost(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, TEST_IDS, 10);
    trv_revoke(91000, 91100, "");
    trv_edges_resettle(e, 1, 91000, 91100);
    assert_in_range(e->follow->tail.count, TRV_TAIL_COUNT_MIN + 1,
                    TRV_TAIL_COUNT_MAX);

    trv_edge_lose(e);
    assert_int_equal(e->follow->tail.count, TRV_TAIL_COUNT_MIN);
}


/* longer than it is between two signs of life */

static void
trv_follow_merges_however_far_away(void **state)
{
    int          turns;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-far");

    for (turns = 0; turns < 100 && !trv_replica_ready(e->replica); turns++) {
        trv_edge_turn_slow(e, 1200);
    }

    assert_in_range(turns, 1, 99);
    assert_true(trv_edge_has(e, 0, TEST_IDS));
    assert_in_range(e->sent[TRV_SCRIPT_REPORT], 3, 99);
}


/* what a heartbeat finds is not left for later */

static void
trv_follow_finds_another_set_during_a_daily_merge(void **state)
{
    const char  *note;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open_daily(e, "edge-1");
    (void) trv_redis_number("HSET {" PREFIX "}:meta set_id "
                            "00000000000000000000000000000001");
    e->ahead_ms += 1000;
    trv_edges_resettle(e, 1, 0, TEST_IDS);

    note = strstr(e->notes, "merged with Redis");
    assert_non_null(note);
    assert_memory_equal(note, "merged with Redis (set_id", 25);
    assert_null(strstr(note + 1, "merged with Redis"));
}


/*
 * Ids that another edge gives meanwhile belong to days that may have been read
 * already, and a heartbeat that is sent then says nothing of these pages.
 */

static void
trv_follow_promises_nothing_it_lacks_in_a_daily_merge(void **state)
{
    int                   turns;
    uint64_t              i;
    trv_id_t              id;
    redisReply           *reply;
    trv_edge_t           *e = trv_edges;
    trv_position_t        last;
    trv_replica_state_t   s;

    (void) state;

    trv_edge_open(&e[1], "edge-2");
    trv_edges_settle(&e[1], 1, 0, TEST_IDS, 10);
    trv_edge_run(&e[1], 150);
    trv_edge_open_daily(&e[0], "edge-1");

    for (i = TEST_IDS; i < TEST_IDS + 2000; i++) {
        id = trv_test_id(i);
        while (trv_writer_put(e[1].replica, &id, 22000 + i % 7) == TRV_FULL) {
            trv_edge_rebuild(&e[1]);
        }
    }

    trv_edge_run(&e[1], 1);
    trv_edges_resettle(&e[1], 1, TEST_IDS, TEST_IDS + 2000);

    reply = redisCommand(trv_client, "XREVRANGE {" PREFIX "}:log + - COUNT 1");
    assert_int_equal(reply->elements, 1);
    assert_string_equal(reply->element[0]->element[1]->element[2]->str,
                        "merge");
    assert_int_equal(trv_position_parse(reply->element[0]->element[0]->str,
                                        reply->element[0]->element[0]->len,
                                        &last), TRV_OK);
    freeReplyObject(reply);

    for (turns = 0; turns < 3000; turns++) {
        trv_edge_run(&e[0], 1);
        trv_replica_state(e[0].replica, &s);

        if (trv_position_cmp(&s.position, &last) >= 0) {
            break;
        }
    }

    assert_in_range(turns, 1, 2999);
    assert_true(trv_edge_has(&e[0], TEST_IDS, TEST_IDS + 2000));
    assert_non_null(strstr(e[0].notes, "merged with Redis (daily"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_follow_beats_while_confirmations_are_waited_for),
        TRV_TEST(trv_follow_reads_less_when_the_tail_was_lost),
        TRV_TEST(trv_follow_merges_however_far_away),
        TRV_TEST(trv_follow_beats_during_a_daily_merge),
        TRV_TEST(trv_follow_finds_another_set_during_a_daily_merge),
        TRV_TEST(trv_follow_promises_nothing_it_lacks_in_a_daily_merge),
    };

    return cmocka_run_group_tests_name("trv_follow_turns", tests,
                                       trv_follow_turns_setup,
                                       trv_edges_teardown);
}
