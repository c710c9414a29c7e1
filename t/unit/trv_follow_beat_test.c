
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


/* sends the next heartbeat, and nothing else is heard meanwhile: when */

static uint64_t
trv_edge_beat(trv_edge_t *e)
{
    int       sent, turns;
    uint64_t  at;

    sent = e->sent[TRV_SCRIPT_HEARTBEAT];
    e->ahead_ms += 1100;

    for (turns = 0; turns < 5000; turns++) {
        at = trv_edge_now(e);
        trv_edge_send(e, TRV_LINK_HEARTBEAT);

        if (e->sent[TRV_SCRIPT_HEARTBEAT] > sent) {
            return at;
        }

        usleep(1000);
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);
    }

    fail_msg("no heartbeat");

    return 0;
}


static void
trv_edge_wait(trv_edge_t *e, trv_link_e link)
{
    int  turns;

    for (turns = 0; turns < 5000 && e->pending[link]; turns++) {
        usleep(1000);
        trv_edge_receive(e, link);
    }

    assert_false(e->pending[link]);
}


/* what the tail has waited for, and nothing of the heartbeat */

static void
trv_edge_apply(trv_edge_t *e)
{
    trv_edge_wait(e, TRV_LINK_TAIL);

    while (trv_follow_work(e->follow, 64, trv_edge_now(e)) == TRV_AGAIN) {
        /* void */
    }
}


static void
trv_edge_hear(trv_edge_t *e, uint64_t n)
{
    trv_edge_send(e, TRV_LINK_TAIL);
    trv_revoke(n, n + 1, "");
    trv_edge_apply(e);
    assert_true(trv_edge_has(e, n, n + 1));
}


/* one that nobody has answered yet proves nothing, whatever the tail finds */

static void
trv_follow_contact_is_a_heartbeat_that_was_answered(void **state)
{
    uint64_t     asked, answered;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    trv_edge_send(e, TRV_LINK_TAIL);

    trv_revoke(9200, 9201, "");          /* the tail is slow */
    asked = trv_edge_beat(e);
    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    answered = trv_edge_now(e);
    (void) trv_edge_beat(e);
    assert_true(e->pending[TRV_LINK_HEARTBEAT]);

    trv_edge_apply(e);
    assert_true(trv_edge_has(e, 9200, 9201));
    assert_in_range(trv_replica_contact_ms(e->replica), asked, answered);
}


/* errors are no agreement, for whoever looks into the control file too */

static void
trv_follow_agrees_with_no_error(void **state)
{
    trv_edge_t           *e = &trv_edges[0];
    trv_replica_state_t   s;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    trv_edge_run(e, 150);
    (void) trv_redis_number("RENAME {" PREFIX "}:days {" PREFIX "}:aside");
    (void) trv_redis_number("SET {" PREFIX "}:days x");
    (void) trv_edge_beat(e);
    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    trv_replica_state(e->replica, &s);
    assert_false(s.agrees);
    assert_true(s.filled);

    (void) trv_redis_number("RENAME {" PREFIX "}:aside {" PREFIX "}:days");
    trv_edges_settle(e, 1, 0, 60, 10);
}


/* Redis is empty, and refuses to be filled */

static void
trv_follow_is_patient_with_a_full_redis(void **state)
{
    int          turns;
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);

    trv_redis_number("FLUSHALL");
    trv_redis_number("CONFIG SET min-replicas-to-write 1");
    memset(e->sent, 0, sizeof(e->sent));

    for (turns = 0; turns < 500; turns++) {
        trv_edge_turn(e);
        e->ahead_ms += 10;
        usleep(500);
    }

    assert_in_range(e->sent[TRV_SCRIPT_ADOPT], 2, 10);
    assert_in_range(e->sent[TRV_SCRIPT_HEARTBEAT], 2, 20);

    trv_redis_number("CONFIG SET min-replicas-to-write 0");
    trv_edges_resettle(e, 1, 0, 60);
}



/* the day before yesterday is over: totals of before are of more days */

static void
trv_follow_agrees_when_a_day_is_over(void **state)
{
    char           hex[TRV_ID_HEX_LEN + 1], text[TRV_DIGEST_LEN + 1];
    uint16_t       over;
    trv_id_t       id;
    trv_edge_t    *e = &trv_edges[0];
    redisReply    *reply;
    trv_digest_t   digest;
    struct pollfd  p;
    const char    *argv[] = { "250", "0", "4000000000" };

    trv_replica_state_t  s;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);

    /* as it was: that day is kept, and has a revocation */

    over = (uint16_t) (time(NULL) / TRV_DAY_SEC - 2);
    id = trv_test_id(9300);
    trv_id_format(&id, hex);
    hex[TRV_ID_HEX_LEN] = '\0';
    memset(&digest, 0, sizeof(digest));
    trv_digest_add(&digest, &id);
    text[trv_digest_format(&digest, text)] = '\0';
    assert_int_equal(trv_writer_put(e->replica, &id, over), TRV_OK);

    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    trv_redis_number("HSET {" PREFIX "}:meta first_day %d", over);
    trv_redis_number("ZADD {" PREFIX "}:revoked %llu %s",
                     (unsigned long long) over * TRV_DAY_SEC + 100, hex);
    trv_redis_number("HSET {" PREFIX "}:days %d %s", over, text);
    trv_writer_total(e->replica, over, &digest);
    text[trv_digest_format(&digest, text)] = '\0';
    trv_redis_number("HSET {" PREFIX "}:days total %s", text);

    (void) trv_edge_beat(e);
    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    assert_int_equal(trv_follow_first_day(e->follow), over);
    trv_edge_hear(e, 9301);

    /* Redis forgets it, and something comes before a heartbeat tells of it */

    trv_script_send(trv_client, "prune", trv_test_n(argv), argv, NULL);
    assert_int_equal(redisGetReply(trv_client, (void **) &reply), REDIS_OK);
    freeReplyObject(reply);

    (void) trv_edge_beat(e);
    p.fd = e->links[TRV_LINK_HEARTBEAT]->fd;
    p.events = POLLIN;
    assert_int_equal(poll(&p, 1, 5000), 1);
    trv_edge_hear(e, 9302);
    trv_edge_wait(e, TRV_LINK_HEARTBEAT);
    assert_int_not_equal(trv_follow_first_day(e->follow), over);
    trv_replica_state(e->replica, &s);
    assert_true(s.agrees);

    trv_edge_run(e, 300);
    trv_replica_state(e->replica, &s);
    assert_true(s.agrees);
    assert_int_equal(
              trv_follow_counts(e->follow)->merges[TRV_CAUSE_DIGEST], 0);
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
        TRV_TEST(trv_follow_contact_is_a_heartbeat_that_was_answered),
        TRV_TEST(trv_follow_agrees_with_no_error),
        TRV_TEST(trv_follow_beats_while_it_forgets),
        TRV_TEST(trv_follow_is_patient_with_a_full_redis),
        TRV_TEST(trv_follow_agrees_when_a_day_is_over),
    };

    return cmocka_run_group_tests_name("trv_follow_beat", tests,
                                       trv_edges_setup, trv_edges_teardown);
}
