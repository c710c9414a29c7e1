
/*
 * The follower's brain: heartbeats, and what is measured by them.
 */

#include "trv_test_edge.h"


/* turns in which nothing is heard of the tail, */

static void
trv_edge_be_deaf(trv_edge_t *e)
{
    int  i;

    for (i = 0; i < 50; i++) {
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);
        (void) trv_follow_work(e->follow, 64, trv_edge_now(e));
        trv_edge_send(e, TRV_LINK_HEARTBEAT);
        usleep(1000);
    }
}


/* until a heartbeat was */

static void
trv_edge_turn_deaf(trv_edge_t *e)
{
    e->ahead_ms += 1000;
    trv_edge_be_deaf(e);
}


/* a heartbeat is on its way as it comes, and at once there is another one */

static void
trv_follow_gives_the_tail_its_time(void **state)
{
    int                         sent;
    trv_edge_t                 *e = &trv_edges[0];
    const trv_follow_counts_t  *counts;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 0, 100);
    trv_revoke(0, 60, "");
    trv_edges_settle(e, 1, 0, 60, 10);
    trv_edge_turn_deaf(e);

    counts = trv_follow_counts(e->follow);
    sent = e->sent[TRV_SCRIPT_HEARTBEAT];

    trv_edge_drop(e, TRV_LINK_TAIL);
    trv_revoke(9150, 9151, "");
    e->ahead_ms += 1000;
    trv_edge_send(e, TRV_LINK_HEARTBEAT);
    trv_edge_connect(e, TRV_LINK_TAIL);
    trv_edge_be_deaf(e);

    assert_int_equal(e->sent[TRV_SCRIPT_HEARTBEAT], sent + 2);

    trv_edges_settle(e, 1, 9150, 9151, 0);
    assert_int_equal(counts->merges[TRV_CAUSE_STUCK], 0);
}


/* entries that came within 20 ms, and all of them */

static uint64_t
trv_follow_soon(const trv_follow_counts_t *counts, uint64_t *all)
{
    int       i;
    uint64_t  soon;

    soon = 0;
    *all = 0;

    for (i = 0; i < TRV_DELAY_N; i++) {
        *all += counts->delays[i];
        soon += i < 5 ? counts->delays[i] : 0;
    }

    return soon;
}


static void
trv_follow_measures(void **state)
{
    int                         i;
    uint64_t                    n, late, soon, all, was;
    trv_edge_t                 *e = &trv_edges[0];
    trv_follow_state_t          s;
    const trv_follow_counts_t  *counts;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    counts = trv_follow_counts(e->follow);
    soon = trv_follow_soon(counts, &all);

    /* again where something else has held up the machine */

    for (i = 0; i < 5; i++) {
        trv_edge_turn_deaf(e);           /* from here on its clock is true */
        was = all;
        trv_revoke(9100 + i, 9101 + i, "");
        trv_edges_settle(e, 1, 9100 + i, 9101 + i, 0);
        n = trv_follow_soon(counts, &all);
        assert_int_equal(all, was + 1);

        if (n == soon + 1) {
            break;
        }
    }

    assert_int_equal(n, soon + 1);

    trv_follow_state(e->follow, &s);
    assert_int_equal(s.behind_ms, 0);
    assert_false(s.evicting);

    /* 300 ms late: above 200, below 500, or more where the machine is slow */

    n = 0;
    late = counts->delays_ms;

    for (i = 8; i < TRV_DELAY_N; i++) {
        n += counts->delays[i];
    }

    trv_revoke(9101, 9102, "");
    usleep(300000);
    trv_edge_turn_deaf(e);

    trv_follow_state(e->follow, &s);
    assert_int_not_equal(s.behind_ms, 0);
    assert_true(trv_edge_now(e) - s.behind_ms < 30000);
    assert_false(trv_edge_has(e, 9101, 9102));

    trv_edges_settle(e, 1, 9101, 9102, 0);
    assert_true(counts->delays_ms - late >= 300);

    for (i = 8; i < TRV_DELAY_N; i++) {
        n -= counts->delays[i];
    }

    assert_int_equal(n, (uint64_t) -1);

    trv_follow_state(e->follow, &s);
    assert_int_equal(s.behind_ms, 0);

    /* a policy that lets Redis forget is found by a heartbeat, and said once */

    e->notes[0] = '\0';
    trv_redis_number("CONFIG SET maxmemory-policy allkeys-lru");

    for (i = 0; i < 25; i++) {
        trv_edge_turn_deaf(e);
        trv_edge_turn(e);
    }

    trv_follow_state(e->follow, &s);
    assert_true(s.evicting);
    assert_non_null(strstr(e->notes, "maxmemory-policy"));
    assert_null(strstr(strstr(e->notes, "maxmemory-policy") + 1,
                       "maxmemory-policy"));
    trv_redis_number("CONFIG SET maxmemory-policy noeviction");
}


static void
trv_follow_contact_is_when_it_asked(void **state)
{
    int          i, contacts;
    uint64_t     was, now;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);

    contacts = 0;

    /* each reply is read 700 ms after the heartbeat was sent */

    for (i = 0; i < 100 && contacts < 3; i++) {
        was = trv_replica_contact_ms(e->replica);

        trv_edge_turn(e);
        e->ahead_ms += 700;
        usleep(2000);
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);
        (void) trv_follow_work(e->follow, 64, trv_edge_now(e));

        now = trv_edge_now(e);

        if (trv_replica_contact_ms(e->replica) != was) {
            contacts++;
            assert_true(trv_replica_contact_ms(e->replica) + 700 <= now);
        }
    }

    assert_int_equal(contacts, 3);
}


static void
trv_follow_beats_while_it_forgets(void **state)
{
    int          turns;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);

    /* records of long ago, as many as take 40 calls */

    trv_redis_number("EVAL %s 0", "for i = 1, 10000 do redis.call('ZADD', "
                     "'{" PREFIX "}:tokens', i, i) end return 0");

    e->ahead_ms += 60000;
    memset(e->sent, 0, sizeof(e->sent));

    for (turns = 0; turns < 3000; turns++) {
        trv_edge_turn(e);
        e->ahead_ms += 100;
        usleep(500);

        if (trv_redis_number("ZCARD {" PREFIX "}:tokens") == 0) {
            break;
        }
    }

    assert_true(e->sent[TRV_SCRIPT_PRUNE] >= 40);
    assert_true(e->sent[TRV_SCRIPT_HEARTBEAT] >= 3);

    /* and then looks once a minute only */

    memset(e->sent, 0, sizeof(e->sent));
    trv_edge_run(e, 300);
    assert_true(e->sent[TRV_SCRIPT_PRUNE] <= 1);
    assert_true(e->sent[TRV_SCRIPT_HEARTBEAT] >= 2);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_follow_gives_the_tail_its_time),
        TRV_TEST(trv_follow_measures),
        TRV_TEST(trv_follow_contact_is_when_it_asked),
        TRV_TEST(trv_follow_beats_while_it_forgets),
    };

    return cmocka_run_group_tests_name("trv_follow_beat", tests,
                                       trv_edges_setup, trv_edges_teardown);
}
