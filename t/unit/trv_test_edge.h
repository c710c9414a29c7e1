
/*
 * Followers against a real Redis and the real scripts: hiredis stands where
 * the event loop would.
 */

#ifndef TRV_TEST_EDGE_H
#define TRV_TEST_EDGE_H

#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include "trv_test_redis.h"
#include "trv_follow.h"


#define TRV_TEST(f)  cmocka_unit_test_teardown(f, trv_edges_close)


typedef struct {
    trv_replica_t   *replica;
    trv_follow_t    *follow;
    redisContext    *links[TRV_LINK_N];
    bool             pending[TRV_LINK_N];
    uint64_t         ahead_ms;           /* of the real clock */
    int              sent[TRV_SCRIPT_N];
    int              dropped;            /* links that would not do */
    int              renewed;
    const char      *replica_of;         /* of the tail, which is elsewhere */
    char             notes[4096];
} trv_edge_t;


static trv_edge_t  trv_edges[2];         /* what a test leaves is closed */


static inline uint64_t
trv_edge_now(const trv_edge_t *e)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * (uint64_t) 1000 + ts.tv_nsec / 1000000 + e->ahead_ms;
}


static inline void
trv_edge_open(trv_edge_t *e, const char *name)
{
    char               path[128];
    trv_follow_conf_t  conf;

    memset(e, 0, sizeof(*e));
    snprintf(path, sizeof(path), "%s/%s", trv_dir, name);
    (void) mkdir(path, 0700);

    e->replica = trv_replica_open(path);
    assert_non_null(e->replica);
    (void) trv_replica_refresh(e->replica);
    assert_int_equal(trv_replica_lock(e->replica), TRV_OK);
    assert_int_equal(trv_writer_take(e->replica, "boot",
                                     trv_edge_now(e)), TRV_OK);

    memset(&conf, 0, sizeof(conf));
    conf.replica = e->replica;
    conf.prefix = PREFIX;
    conf.node = name;
    conf.version = "1";
    conf.fresh_set_id = "0123456789abcdef0123456789abcdef";
    conf.log_length = 1000;
    conf.token_records = 90 * TRV_DAY_SEC;

    e->follow = trv_follow_create(&conf, trv_edge_now(e));
    assert_non_null(e->follow);
}


static inline void
trv_edge_lose(trv_edge_t *e)
{
    trv_link_e  link;

    for (link = 0; link < TRV_LINK_N; link++) {
        if (e->links[link]) {
            redisFree(e->links[link]);
            e->links[link] = NULL;
            e->pending[link] = false;
            trv_follow_lost(e->follow, link);
        }
    }
}


static inline void
trv_edge_close(trv_edge_t *e)
{
    trv_edge_lose(e);

    if (e->follow) {
        trv_follow_destroy(e->follow);
    }

    if (e->replica) {
        trv_replica_close(e->replica);
    }

    memset(e, 0, sizeof(*e));
}


static inline int
trv_edges_close(void **state)
{
    (void) state;

    trv_edge_close(&trv_edges[0]);
    trv_edge_close(&trv_edges[1]);

    return 0;
}


static inline void
trv_edge_connect(trv_edge_t *e, trv_link_e link)
{
    char         run_id[TRV_RUN_ID_LEN + 1], *p;
    redisReply  *reply;

    e->links[link] = trv_redis_open();

    if (e->links[link]->err) {
        redisFree(e->links[link]);
        e->links[link] = NULL;
        return;
    }

    reply = redisCommand(e->links[link], "INFO server");
    p = strstr(reply->str, "run_id:");
    snprintf(run_id, sizeof(run_id), "%s", p + 7);
    freeReplyObject(reply);

    if (link == TRV_LINK_TAIL && e->replica_of) {
        run_id[0] = run_id[0] == '0' ? '1' : '0';
        trv_follow_up(e->follow, link, run_id, e->replica_of);
        return;
    }

    trv_follow_up(e->follow, link, run_id, "");
}


static inline void
trv_edge_drop(trv_edge_t *e, trv_link_e link)
{
    redisFree(e->links[link]);
    e->links[link] = NULL;
    e->pending[link] = false;
    trv_follow_lost(e->follow, link);
}


static inline void
trv_edge_send(trv_edge_t *e, trv_link_e link)
{
    int                   done;
    trv_rc_e              rc;
    uint32_t              timeout_ms;
    const trv_command_t  *command;

    static const char *const  names[] = {
        "",
#define TRV_NAME_X(upper, lower)  #lower,
        TRV_SCRIPTS(TRV_NAME_X)
#undef TRV_NAME_X
    };

    rc = trv_follow_next(e->follow, link, trv_edge_now(e), &command,
                         &timeout_ms);

    if (rc == TRV_ERROR || rc == TRV_DECLINED) {
        e->dropped += rc == TRV_ERROR;
        e->renewed += rc == TRV_DECLINED;
        trv_edge_drop(e, link);
        return;
    }

    if (rc != TRV_OK) {
        return;
    }

    assert_false(e->pending[link]);

    if (command->script == TRV_SCRIPT_NONE) {
        redisAppendCommandArgv(e->links[link], command->argc, command->argv,
                               command->argvlen);
    } else {
        trv_script_send(e->links[link], names[command->script], command->argc,
                        command->argv, command->argvlen);
    }

    do {
        if (redisBufferWrite(e->links[link], &done) != REDIS_OK) {
            trv_edge_drop(e, link);
            return;
        }
    } while (!done);

    e->pending[link] = true;
    e->sent[command->script]++;
}


static inline void
trv_edge_receive(trv_edge_t *e, trv_link_e link)
{
    void           *reply;
    struct pollfd   p;

    p.fd = e->links[link]->fd;
    p.events = POLLIN;

    while (e->links[link] && poll(&p, 1, 0) == 1) {

        if (redisBufferRead(e->links[link]) != REDIS_OK) {
            trv_edge_drop(e, link);
            return;
        }

        for ( ;; ) {
            if (redisReaderGetReply(e->links[link]->reader, &reply) != REDIS_OK
                || reply == NULL)
            {
                break;
            }

            e->pending[link] = false;
            trv_follow_reply(e->follow, link, reply, trv_edge_now(e));
        }
    }
}


static inline void
trv_edge_rebuild(trv_edge_t *e)
{
    int          dir;
    char         name[TRV_TABLE_NAME_LEN];
    uint64_t     capacity, generation;
    trv_table_t  t;

    if (trv_writer_rebuild_needed(e->replica, trv_follow_want(e->follow),
                                  trv_follow_first_day(e->follow), &capacity,
                                  &generation, name)
        != TRV_OK)
    {
        return;
    }

    dir = trv_replica_dir_open(e->replica);
    assert_int_equal(trv_table_create(&t, dir, name, generation, capacity),
                     TRV_OK);
    close(dir);
    trv_writer_rebuild_start(e->replica, &t,
                             trv_follow_first_day(e->follow));

    while (trv_writer_rebuild_copy(e->replica, 100) == TRV_AGAIN) {
        /* void */
    }

    assert_int_equal(trv_writer_rebuild_switch(e->replica), TRV_OK);
}


static inline void
trv_edge_turn(trv_edge_t *e)
{
    trv_rc_e    rc;
    trv_link_e  link;
    trv_note_t  note;

    for (link = 0; link < TRV_LINK_N; link++) {
        if (e->links[link] == NULL) {
            trv_edge_connect(e, link);
        }

        if (e->links[link]) {
            trv_edge_receive(e, link);
        }
    }

    do {
        rc = trv_follow_work(e->follow, 64, trv_edge_now(e));
        trv_edge_rebuild(e);
    } while (rc == TRV_AGAIN || rc == TRV_FULL);

    for (link = 0; link < TRV_LINK_N; link++) {
        if (e->links[link]) {
            trv_edge_send(e, link);
        }
    }

    while (trv_follow_note(e->follow, &note) == TRV_OK) {
        strncat(e->notes, note.text, sizeof(e->notes) - strlen(e->notes) - 1);
    }
}


static inline bool
trv_edge_has(trv_edge_t *e, uint64_t from, uint64_t to)
{
    uint64_t  i;
    trv_id_t  id;

    for (i = from; i < to; i++) {
        id = trv_test_id(i);
        if (trv_replica_lookup(e->replica, &id) != TRV_OK) {
            return false;
        }
    }

    return true;
}


static inline bool
trv_edge_agrees(trv_edge_t *e)
{
    trv_replica_state_t  s;

    trv_replica_state(e->replica, &s);

    return s.agrees && s.filled
           && (long long) s.entries
              == trv_redis_number("ZCARD {" PREFIX "}:revoked");
}


/* turns until the edges have the ids and agree with Redis; the clock of the
   edges may run ahead by `step` ms a turn */

static inline void
trv_edges_settle(trv_edge_t *e, size_t n, uint64_t from, uint64_t to,
    uint64_t step)
{
    size_t  i, settled;
    int     turns;

    for (turns = 0; turns < 3000; turns++) {
        settled = 0;

        for (i = 0; i < n; i++) {
            trv_edge_turn(&e[i]);
            e[i].ahead_ms += step;
            settled += trv_edge_has(&e[i], from, to) && trv_edge_agrees(&e[i]);
        }

        if (settled == n) {
            return;
        }

        usleep(1000);
    }

    fail_msg("not settled: %s", e[0].notes);
}


static inline void
trv_edge_run(trv_edge_t *e, int turns)
{
    while (turns--) {
        trv_edge_turn(e);
        e->ahead_ms += 10;
        usleep(500);
    }
}


/* agreement may be of before: runs on for two heartbeats first */

static inline void
trv_edges_resettle(trv_edge_t *e, size_t n, uint64_t from, uint64_t to)
{
    size_t  i;
    int     turns;

    for (turns = 0; turns < 300; turns++) {
        for (i = 0; i < n; i++) {
            trv_edge_run(&e[i], 1);
        }
    }

    trv_edges_settle(e, n, from, to, 10);
}


static inline int
trv_edges_setup(void **state)
{
    (void) state;

    strcpy(trv_dir, "/tmp/trv-unit-XXXXXX");

    if (mkdtemp(trv_dir) == NULL) {
        return -1;
    }

    trv_redis_start();

    return 0;
}


static inline int
trv_edges_teardown(void **state)
{
    char  command[128];

    (void) state;

    trv_redis_stop();
    snprintf(command, sizeof(command), "rm -rf %s", trv_dir);

    return system(command);
}


#endif /* TRV_TEST_EDGE_H */
