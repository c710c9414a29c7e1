
/*
 * Stands for many edges at a real Redis, in one process: two connections for
 * each, which say what src/core/trv_follow.c says in a quiet fleet.
 *
 *     crowd EDGES SECONDS RATE WAIT CALLS ADDRESS [READ_FROM ...]
 *
 * On the one a heartbeat and then a report, once a second, at moments that are
 * spread evenly; with CALLS 1 also, every other second, the counts of the
 * minute, which edges tell whose calls are counted; once a minute PRUNE.  On
 * the other XREAD, from ADDRESS or, in turn, from the replicas READ_FROM.
 *
 * Tokens are revoked at RATE a second, on a connection of its own, by what one
 * POST asks of Redis: revoke.lua, then edges.lua.  With WAIT 1 as one with
 * "Prefer: wait=N": each edge that has read the entry reports at once, and
 * edges.lua is asked for again, at growing distances, until all have.
 *
 * Addresses are paths of sockets or HOST:PORT.  Prints lines "name value ...":
 * times in ms, CPU in ms a second.  The clock of a heartbeat starts when it is
 * due, not when it could be sent.
 */

#define _GNU_SOURCE

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <hiredis/hiredis.h>

#include "clock.h"
#include "crowd.h"
#include "crowd_redis.h"
#include "trv_id.h"


#define CROWD_SETTLE      (3 * CROWD_SEC)        /* before it is measured */
#define CROWD_DRAIN       (20 * CROWD_SEC)       /* for what is on its way */
#define CROWD_ASK         (5 * CROWD_MS)         /* ngx_http_trv_proof.c */
#define CROWD_ASK_MAX     (50 * CROWD_MS)

#define CROWD_EVENTS      256
#define CROWD_ADDRESSES   8
#define CROWD_ID          "5ca1e5ca1e5ca1e5%016" PRIx64


crowd_edge_t               *crowd_edges;
crowd_revocation_t         *crowd_revocations;
uint64_t                    crowd_n, crowd_now;
bool                        crowd_calls, crowd_measuring;
char                        crowd_repl_id[64];
crowd_sample_t              crowd_beats;
uint64_t                    crowd_late, crowd_lost;

static uint64_t             crowd_rate, crowd_skipped;
static bool                 crowd_wait;
static int                  crowd_epoll;

static crowd_link_t         crowd_revoker;
static uint64_t             crowd_sent, crowd_answered, crowd_open;
static uint64_t            *crowd_asked;   /* in order: number << 1 | edges */
static size_t               crowd_asked_from, crowd_asked_to, crowd_asked_room;


static void
crowd_send_revoke(uint64_t number)
{
    char         id[TRV_ID_HEX_LEN + 1];
    const char  *argv[] = {
        "operator bench", "", crowd_wait ? "1" : "", "1000000", "157766400", "",
        "", "1", "", "", "0", "", "", "", id
    };

    snprintf(id, sizeof(id), CROWD_ID, number);
    crowd_send_script(crowd_revoker.redis, TRV_SCRIPT_REVOKE, 15, argv);
}


static void
crowd_asked_add(uint64_t what)
{
    if (crowd_asked_to == crowd_asked_room) {
        crowd_asked_room = crowd_asked_room ? 2 * crowd_asked_room : 1024;
        crowd_asked = realloc(crowd_asked,
                              crowd_asked_room * sizeof(uint64_t));
    }

    crowd_asked[crowd_asked_to++] = what;
}


static void
crowd_edges_ask(uint64_t number)
{
    crowd_revocations[number].ask = 0;
    crowd_send_script(crowd_revoker.redis, TRV_SCRIPT_EDGES, 0, NULL);
    crowd_asked_add(number << 1 | 1);
}


static void
crowd_revoker_reply(void)
{
    uint64_t             what;
    crowd_revocation_t  *r;

    what = crowd_asked[crowd_asked_from++];
    r = &crowd_revocations[what >> 1];

    if ((what & 1) == 0) {
        crowd_edges_ask(what >> 1);

    } else if (crowd_wait && r->confirmed == 0) {
        r->pause = r->pause ? 2 * r->pause : CROWD_ASK;
        r->pause = r->pause > CROWD_ASK_MAX ? CROWD_ASK_MAX : r->pause;
        r->ask = crowd_now + r->pause;

    } else {
        r->done = true;
        r->answered = crowd_now;
        crowd_answered++;
    }
}


static void
crowd_readable(crowd_link_t *link)
{
    redisReply  *reply;

    if (redisBufferRead(link->redis) != REDIS_OK) {
        crowd_die("read", link->redis->errstr);
    }

    for ( ;; ) {
        if (redisReaderGetReply(link->redis->reader, (void **) &reply)
            != REDIS_OK)
        {
            crowd_die("read", link->redis->reader->errstr);
        }

        if (reply == NULL) {
            return;
        }

        if (reply->type == REDIS_REPLY_ERROR) {
            crowd_die("redis answered", reply->str);
        }

        if (link->edge == NULL) {
            crowd_revoker_reply();

        } else if (link->tail) {
            crowd_tail_reply(link->edge, reply);

        } else {
            crowd_heart_reply(link->edge, reply);
        }

        freeReplyObject(reply);
    }
}


static void
crowd_watch(crowd_link_t *link)
{
    struct epoll_event  event = { .events = EPOLLIN, .data.ptr = link };

    if (epoll_ctl(crowd_epoll, EPOLL_CTL_ADD, link->redis->fd, &event) != 0) {
        crowd_die("epoll_ctl", "failed");
    }
}


/* handles what has come, or waits for it until a moment */

static void
crowd_turn(uint64_t until)
{
    int                 i, n;
    struct timespec     wait = { 0, 0 };
    struct epoll_event  events[CROWD_EVENTS];

    crowd_now = bench_ns(CLOCK_MONOTONIC);

    if (until > crowd_now) {
        wait.tv_sec = (time_t) ((until - crowd_now) / CROWD_SEC);
        wait.tv_nsec = (long) ((until - crowd_now) % CROWD_SEC);
    }

    n = epoll_pwait2(crowd_epoll, events, CROWD_EVENTS, &wait, NULL);

    for (i = 0; i < n; i++) {
        crowd_now = bench_ns(CLOCK_MONOTONIC);
        crowd_readable(events[i].data.ptr);
    }

    crowd_now = bench_ns(CLOCK_MONOTONIC);
}


/* edges, one after the other, each in its turn once a second */

static uint64_t
crowd_beat(uint64_t begin, uint64_t *turn)
{
    uint64_t       due;
    crowd_edge_t  *e;

    for ( ;; ) {
        due = begin + *turn / crowd_n * CROWD_SEC
              + *turn % crowd_n * CROWD_SEC / crowd_n;

        if (due > crowd_now) {
            return due;
        }

        e = &crowd_edges[(*turn)++ % crowd_n];

        if (e->due || e->asked == CROWD_HEARTBEAT) {
            crowd_skipped += crowd_measuring;
            continue;
        }

        e->due = true;
        e->due_ns = due;
        crowd_next(e);
    }
}


/* revocations that are due, and questions for the edges; returns the next */

static uint64_t
crowd_revoke(uint64_t begin, uint64_t end)
{
    uint64_t             i, due, next;
    crowd_revocation_t  *r;

    next = end;

    while (crowd_measuring && crowd_rate) {
        due = begin + (2 * crowd_sent + 1) * CROWD_SEC / crowd_rate / 2;

        if (due > crowd_now || due >= end) {
            next = due < next ? due : next;
            break;
        }

        crowd_revocations[crowd_sent].sent = crowd_now;
        crowd_send_revoke(crowd_sent);
        crowd_asked_add(crowd_sent << 1);
        crowd_sent++;
    }

    for (i = crowd_open; i < crowd_sent; i++) {
        r = &crowd_revocations[i];

        if (r->ask && r->ask <= crowd_now) {
            crowd_edges_ask(i);

        } else if (r->ask && r->ask < next) {
            next = r->ask;
        }

        crowd_open += i == crowd_open && r->done;
    }

    return next;
}


static void
crowd_open_all(int n, char **addresses)
{
    int            readers;
    uint64_t       i;
    crowd_edge_t  *e;

    readers = n > 1 ? n - 1 : 1;
    crowd_epoll = epoll_create1(0);

    for (i = 0; i < crowd_n; i++) {
        e = &crowd_edges[i];
        e->heart = (crowd_link_t) { crowd_connect(addresses[0]), e, false };
        e->tail = (crowd_link_t) {
            crowd_connect(addresses[n > 1 ? 1 + i % readers : 0]), e, true
        };

        crowd_watch(&e->heart);
        crowd_watch(&e->tail);
        crowd_read_log(e);
    }

    crowd_watch(&crowd_revoker);
}


/* all scripts are there, as is a set with one revocation */

static void
crowd_prepare(void)
{
    int          i;
    const char  *set_id = "0123456789abcdef0123456789abcdef";
    redisReply  *reply;

    crowd_load_scripts(crowd_revoker.redis);

    crowd_send_script(crowd_revoker.redis, TRV_SCRIPT_ADOPT, 1, &set_id);
    freeReplyObject(crowd_ask(crowd_revoker.redis));

    crowd_send_revoke(UINT64_MAX);
    reply = crowd_ask(crowd_revoker.redis);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3
        || trv_position_parse(reply->element[1]->str, reply->element[1]->len,
                              &crowd_edges[0].position) != TRV_OK)
    {
        crowd_die("revoke", "not a reply");
    }

    snprintf(crowd_repl_id, sizeof(crowd_repl_id), "%s",
             reply->element[2]->str);
    freeReplyObject(reply);

    for (i = 1; (uint64_t) i < crowd_n; i++) {
        crowd_edges[i].position = crowd_edges[0].position;
    }
}


static void
crowd_print_all(void)
{
    uint64_t             i;
    crowd_sample_t       answered, read, confirmed;
    crowd_revocation_t  *r;

    memset(&answered, 0, sizeof(answered));
    memset(&read, 0, sizeof(read));
    memset(&confirmed, 0, sizeof(confirmed));

    for (i = 0; i < crowd_sent; i++) {
        r = &crowd_revocations[i];

        if (r->done) {
            crowd_sample(&answered, r->answered - r->sent);
        }

        if (r->read) {
            crowd_sample(&read, r->read - r->sent);
        }

        if (r->confirmed) {
            crowd_sample(&confirmed, r->confirmed - r->sent);
        }
    }

    crowd_print("heartbeats", &crowd_beats);
    printf("late %" PRIu64 "\n", crowd_late);
    printf("lost %" PRIu64 "\n", crowd_lost + crowd_skipped);
    printf("revoked %" PRIu64 "\n", crowd_sent);
    crowd_print("answered", &answered);
    crowd_print("read", &read);
    crowd_print("confirmed", &confirmed);
}


/* it runs for so many seconds; CPU of all is looked at in between */

static void
crowd_run(uint64_t seconds, int n, char **addresses)
{
    int            i;
    long           pids[CROWD_ADDRESSES + 1];
    char           text[64];
    uint64_t       cpu[CROWD_ADDRESSES + 1], start, begin, end, turn, next, at;
    redisContext  *control[CROWD_ADDRESSES];

    for (i = 0; i < n; i++) {
        control[i] = crowd_connect(addresses[i]);
        pids[i] = atol(crowd_info(control[i], "process_id:", text,
                                  sizeof(text)));
    }

    pids[n] = getpid();
    turn = 0;
    start = bench_ns(CLOCK_MONOTONIC);
    begin = start + CROWD_SETTLE;
    end = begin + seconds * CROWD_SEC;

    for (crowd_now = start; crowd_now < begin; crowd_turn(next)) {
        next = crowd_beat(start, &turn);
    }

    for (i = 0; i <= n; i++) {
        cpu[i] = crowd_cpu(pids[i]);
    }

    crowd_measuring = true;
    begin = crowd_now;

    while (crowd_now < end) {
        next = crowd_beat(start, &turn);
        at = crowd_revoke(begin, end);
        crowd_turn(at < next ? at : next);
    }

    printf("cpu");

    for (i = 0; i <= n; i++) {
        printf(" %.1f", (double) (crowd_cpu(pids[i]) - cpu[i]) * 1000
                        / (double) (crowd_now - begin));
    }

    printf("\n");

    crowd_measuring = false;

    while (crowd_answered < crowd_sent && crowd_now < end + CROWD_DRAIN) {
        next = crowd_beat(start, &turn);
        at = crowd_revoke(begin, end + CROWD_DRAIN);
        crowd_turn(at < next ? at : next);
    }

    printf("memory");

    for (i = 0; i < n; i++) {
        printf(" %s", crowd_info(control[i], "used_memory:", text,
                                 sizeof(text)));
    }

    printf("\n");
}


int
main(int argc, char **argv)
{
    uint64_t       seconds;
    struct rlimit  limit;

    if (argc < 7 || argc > 6 + CROWD_ADDRESSES) {
        return 2;
    }

    crowd_n = strtoull(argv[1], NULL, 10);
    seconds = strtoull(argv[2], NULL, 10);
    crowd_rate = strtoull(argv[3], NULL, 10);
    crowd_wait = atoi(argv[4]);
    crowd_calls = atoi(argv[5]);

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    crowd_edges = calloc(crowd_n, sizeof(crowd_edge_t));
    crowd_revocations = calloc(crowd_rate * seconds + 1,
                               sizeof(crowd_revocation_t));

    if (crowd_n == 0 || crowd_edges == NULL || crowd_revocations == NULL) {
        return 2;
    }

    crowd_revoker.redis = crowd_connect(argv[6]);
    crowd_prepare();
    crowd_open_all(argc - 6, argv + 6);
    crowd_run(seconds, argc - 6, argv + 6);
    crowd_print_all();

    return fflush(stdout) == 0 ? 0 : 1;
}
