
/*
 * A real Redis for unit tests of what talks to one, and what others do to the
 * set in it.
 */

#ifndef TRV_TEST_REDIS_H
#define TRV_TEST_REDIS_H

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <hiredis/hiredis.h>

#include "trv_command.h"
#include "trv_test.h"


#define PREFIX  "p"
#define FOREVER "1950000000"             /* an expiry, in 2031 */


static char   trv_dir[64];               /* of Redis and the replicas */
static pid_t  trv_redis_pid;
static redisContext  *trv_client;        /* of the test itself */


static const char *const  trv_keys[] = {
    "meta", "revoked", "days", "log", "when", "edges"
};


static inline redisContext *
trv_redis_open(void)
{
    char  path[128];

    snprintf(path, sizeof(path), "%s/redis.sock", trv_dir);

    return redisConnectUnix(path);
}


static inline void
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


static inline void
trv_redis_stop(void)
{
    redisFree(trv_client);
    trv_client = NULL;
    kill(trv_redis_pid, SIGKILL);
    waitpid(trv_redis_pid, NULL, 0);
}


static inline long long
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

static inline void
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


static inline void
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

static inline void
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


#endif /* TRV_TEST_REDIS_H */
