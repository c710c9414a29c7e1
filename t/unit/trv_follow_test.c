
/*
 * The follower's brain against a real Redis and the real scripts: hiredis
 * stands where the event loop would.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <hiredis/hiredis.h>

#include "trv_test.h"
#include "trv_follow.h"


#define PREFIX  "p"
#define FOREVER "1950000000"             /* an expiry, in 2031 */


static char   trv_dir[64];               /* of Redis and the replicas */
static pid_t  trv_redis_pid;
static redisContext  *trv_client;        /* of the test itself */


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


static const char *const  trv_keys[] = {
    "meta", "revoked", "days", "log", "when", "edges"
};


/* Redis */

static redisContext *
trv_redis_open(void)
{
    char  path[128];

    snprintf(path, sizeof(path), "%s/redis.sock", trv_dir);

    return redisConnectUnix(path);
}


static void
trv_redis_start(void)
{
    int           i;
    char          path[128];
    redisReply   *reply;

    snprintf(path, sizeof(path), "%s/redis.sock", trv_dir);

    trv_redis_pid = fork();

    if (trv_redis_pid == 0) {
        (void) freopen("/dev/null", "w", stdout);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
               path, "--save", "", "--dir", trv_dir, (char *) NULL);
        _exit(127);
    }

    for (i = 0; i < 500; i++) {
        trv_client = trv_redis_open();

        if (trv_client->err == 0) {
            reply = redisCommand(trv_client, "PING");
            if (reply && reply->type == REDIS_REPLY_STATUS) {
                freeReplyObject(reply);
                return;
            }
            freeReplyObject(reply);
        }

        redisFree(trv_client);
        trv_client = NULL;
        usleep(10000);
    }

    fail_msg("redis-server does not start");
}


static void
trv_redis_stop(void)
{
    redisFree(trv_client);
    trv_client = NULL;
    kill(trv_redis_pid, SIGKILL);
    waitpid(trv_redis_pid, NULL, 0);
}


static long long
trv_redis_number(const char *format, ...)
{
    va_list      args;
    long long    n;
    redisReply  *reply;

    va_start(args, format);
    reply = redisvCommand(trv_client, format, args);
    va_end(args);

    assert_non_null(reply);

    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", format, reply->str);
    }

    n = reply->type == REDIS_REPLY_INTEGER ? reply->integer
        : reply->str ? atoll(reply->str) : 0;
    freeReplyObject(reply);

    return n;
}


static char *
trv_file_text(const char *name)
{
    char    path[128], *text;
    FILE   *file;
    size_t  n;

    snprintf(path, sizeof(path), "src/lua/%s.lua", name);
    file = fopen(path, "r");
    assert_non_null(file);
    text = calloc(1, 32768);
    n = fread(text, 1, 32767, file);
    assert_true(n > 0 && n < 32767);
    fclose(file);

    return text;
}


/* sends a script as EVAL, with the prelude before it */

static void
trv_script_send(redisContext *link, const char *name, int argc,
    const char **args, const size_t *lens)
{
    int          i, n;
    char        *text, *prelude, *own, keys[6][32];
    size_t       argvlen[9 + TRV_COMMAND_MAX_ARGS];
    const char  *argv[9 + TRV_COMMAND_MAX_ARGS];

    prelude = trv_file_text("prelude");
    own = trv_file_text(name);
    text = malloc(strlen(prelude) + strlen(own) + 1);
    sprintf(text, "%s%s", prelude, own);

    argv[0] = "EVAL";
    argv[1] = text;
    argv[2] = "6";

    for (i = 0; i < 6; i++) {
        sprintf(keys[i], "{" PREFIX "}:%s", trv_keys[i]);
        argv[3 + i] = keys[i];
    }

    for (n = 0; n < 9; n++) {
        argvlen[n] = strlen(argv[n]);
    }

    for (i = 0; i < argc; i++, n++) {
        argv[n] = args[i];
        argvlen[n] = lens ? lens[i] : strlen(args[i]);
    }

    redisAppendCommandArgv(link, n, argv, argvlen);

    free(prelude);
    free(own);
    free(text);
}


static void
trv_revoke(uint64_t from, uint64_t to, const char *ack)
{
    char         hex[TRV_ID_HEX_LEN + 1];
    uint64_t     i;
    trv_id_t     id;
    redisReply  *reply;
    const char  *argv[] = { "operator test", "", ack, "1000", "157766400", "",
                            "", "", "", "", FOREVER, "", "", "", hex };

    for (i = from; i < to; i++) {
        id = trv_test_id(i);
        trv_id_format(&id, hex);
        hex[TRV_ID_HEX_LEN] = '\0';
        trv_script_send(trv_client, "revoke", trv_test_n(argv), argv, NULL);
        assert_int_equal(redisGetReply(trv_client, (void **) &reply),
                         REDIS_OK);

        if (reply->type != REDIS_REPLY_ARRAY) {
            fail_msg("revoke: %s", reply->str);
        }

        freeReplyObject(reply);
    }
}


/* in one step, with one entry in the log */

static void
trv_revoke_at_once(uint64_t from, uint64_t to)
{
    size_t        n, used;
    char          hex[TRV_COMMAND_MAX_IDS][TRV_ID_HEX_LEN + 1];
    uint64_t      i;
    trv_id_t      id;
    redisReply   *reply;
    const char   *argv[16 + TRV_COMMAND_MAX_IDS] = {
        "operator test", "", "", "1000", "157766400", "", "", "", "", "",
        FOREVER, "", "", ""
    };

    used = 14;

    for (i = from, n = 0; i < to; i++, n++) {
        id = trv_test_id(i);
        trv_id_format(&id, hex[n]);
        hex[n][TRV_ID_HEX_LEN] = '\0';
        argv[used++] = hex[n];
    }

    trv_script_send(trv_client, "revoke", (int) used, argv, NULL);
    assert_int_equal(redisGetReply(trv_client, (void **) &reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    freeReplyObject(reply);
}


/* an edge */

static uint64_t
trv_edge_now(const trv_edge_t *e)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * (uint64_t) 1000 + ts.tv_nsec / 1000000 + e->ahead_ms;
}


static void
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


static void
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


static void
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


static int
trv_edges_close(void **state)
{
    (void) state;

    trv_edge_close(&trv_edges[0]);
    trv_edge_close(&trv_edges[1]);

    return 0;
}


static void
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


static void
trv_edge_drop(trv_edge_t *e, trv_link_e link)
{
    redisFree(e->links[link]);
    e->links[link] = NULL;
    e->pending[link] = false;
    trv_follow_lost(e->follow, link);
}


static void
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


static void
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


static void
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


static void
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


static bool
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


static bool
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

static void
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


static void
trv_edge_run(trv_edge_t *e, int turns)
{
    while (turns--) {
        trv_edge_turn(e);
        e->ahead_ms += 10;
        usleep(500);
    }
}


/* agreement may be of before: runs on for two heartbeats first */

static void
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
trv_follow_merges_when_the_log_was_trimmed(void **state)
{
    trv_edge_t  *e = &trv_edges[0];

    (void) state;

    trv_edge_open(e, "edge-1");
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
    trv_edges_resettle(e, 2, 1000, 3500);
    trv_redis_number("HSET {" PREFIX "}:meta first_day nan");
    trv_edges_resettle(e, 2, 1000, 3500);
    assert_int_equal(trv_redis_number("ZCARD {" PREFIX "}:revoked"), 6591);
}


static void
trv_follow_skips_what_does_not_parse(void **state)
{
    trv_edge_t           *e = &trv_edges[0];
    trv_replica_state_t   s;

    (void) state;

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


/* turns in which nothing is heard of the tail, until a heartbeat was */

static void
trv_edge_turn_deaf(trv_edge_t *e)
{
    int  i;

    e->ahead_ms += 1000;

    for (i = 0; i < 50; i++) {
        trv_edge_receive(e, TRV_LINK_HEARTBEAT);
        (void) trv_follow_work(e->follow, 64, trv_edge_now(e));
        trv_edge_send(e, TRV_LINK_HEARTBEAT);
        usleep(1000);
    }
}


static void
trv_follow_measures(void **state)
{
    int                         i;
    uint64_t                    n, late;
    trv_edge_t                 *e = &trv_edges[0];
    trv_follow_state_t          s;
    const trv_follow_counts_t  *counts;

    (void) state;

    trv_edge_open(e, "edge-1");
    trv_edges_settle(e, 1, 0, 60, 10);
    trv_edge_turn_deaf(e);               /* from here on its clock is true */

    counts = trv_follow_counts(e->follow);
    n = counts->delays[0] + counts->delays[1] + counts->delays[2]
        + counts->delays[3] + counts->delays[4];

    trv_revoke(9100, 9101, "");
    trv_edges_settle(e, 1, 9100, 9101, 0);
    assert_int_equal(counts->delays[0] + counts->delays[1] + counts->delays[2]
                     + counts->delays[3] + counts->delays[4], n + 1);

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


static int
trv_follow_setup(void **state)
{
    (void) state;

    strcpy(trv_dir, "/tmp/trv-unit-XXXXXX");

    if (mkdtemp(trv_dir) == NULL) {
        return -1;
    }

    trv_redis_start();

    return 0;
}


static int
trv_follow_teardown(void **state)
{
    char  command[128];

    (void) state;

    trv_redis_stop();
    snprintf(command, sizeof(command), "rm -rf %s", trv_dir);

    return system(command);
}


#define TRV_TEST(f)  cmocka_unit_test_teardown(f, trv_edges_close)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_follow_makes_a_set_and_applies_its_log),
        TRV_TEST(trv_follow_reports_at_once_when_somebody_waits),
        TRV_TEST(trv_follow_merges_when_the_log_was_trimmed),
        TRV_TEST(trv_follow_two_edges_become_one_set),
        TRV_TEST(trv_follow_promises_nothing_it_lacks),
        TRV_TEST(trv_follow_fills_a_redis_that_was_emptied),
        TRV_TEST(trv_follow_skips_what_does_not_parse),
        TRV_TEST(trv_follow_says_what_is_wrong_with_redis),
        TRV_TEST(trv_follow_retries_a_merge_later_each_time),
        TRV_TEST(trv_follow_renews_a_tail_that_waits_in_vain),
        TRV_TEST(trv_follow_survives_another_redis),
        TRV_TEST(trv_follow_trusts_no_tail_alone),
        TRV_TEST(trv_follow_reads_from_a_replica_of_its_redis),
        TRV_TEST(trv_follow_grows_while_a_merge_scans),
        TRV_TEST(trv_follow_measures),
        TRV_TEST(trv_follow_contact_is_when_it_asked),
        TRV_TEST(trv_follow_beats_while_it_forgets),
    };

    return cmocka_run_group_tests_name("trv_follow", tests, trv_follow_setup,
                                       trv_follow_teardown);
}
