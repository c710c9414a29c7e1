
/* Commands to Redis as the module sends them, and what is asked about it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd_redis.h"
#include "trv_lua.h"


#define CROWD_WORDS  32


typedef struct {
    const char      *text;
    char             sha[41];
} crowd_script_t;


static crowd_script_t  crowd_scripts[TRV_SCRIPT_N] = {
    { NULL, "" },
#define CROWD_SCRIPT_X(upper, lower)  { trv_lua_##lower, "" },
    TRV_SCRIPTS(CROWD_SCRIPT_X)
#undef CROWD_SCRIPT_X
};


void
crowd_die(const char *what, const char *why)
{
    fprintf(stderr, "crowd: %s: %s\n", what, why);
    exit(1);
}


redisContext *
crowd_connect(const char *address)
{
    char          host[128];
    const char   *colon;
    redisContext  *redis;

    colon = strrchr(address, ':');

    if (address[0] == '/') {
        redis = redisConnectUnix(address);

    } else {
        snprintf(host, sizeof(host), "%.*s",
                 colon ? (int) (colon - address) : 0, address);
        redis = redisConnect(host, colon ? atoi(colon + 1) : 0);
    }

    if (redis == NULL || redis->err) {
        crowd_die(address, redis ? redis->errstr : "no memory");
    }

    return redis;
}


void
crowd_send(redisContext *redis, int argc, const char **argv)
{
    int  done;

    if (redisAppendCommandArgv(redis, argc, argv, NULL) != REDIS_OK) {
        crowd_die("append", redis->errstr);
    }

    do {
        if (redisBufferWrite(redis, &done) != REDIS_OK) {
            crowd_die("write", redis->errstr);
        }
    } while (!done);
}


void
crowd_load_scripts(redisContext *redis)
{
    int          i;
    redisReply  *reply;

    for (i = 1; i < TRV_SCRIPT_N; i++) {
        reply = redisCommand(redis, "SCRIPT LOAD %s", crowd_scripts[i].text);

        if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
            crowd_die("SCRIPT LOAD", "failed");
        }

        snprintf(crowd_scripts[i].sha, sizeof(crowd_scripts[i].sha), "%s",
                 reply->str);
        freeReplyObject(reply);
    }
}


/* as ngx_trv_script_format() */

void
crowd_send_script(redisContext *redis, trv_script_e script, int argc,
    const char **argv)
{
    int          i, n;
    const char  *words[CROWD_WORDS] = {
        "EVALSHA", crowd_scripts[script].sha, "6", CROWD_KEY "meta",
        CROWD_KEY "revoked", CROWD_KEY "days", CROWD_LOG, CROWD_KEY "when",
        CROWD_KEY "edges"
    };

    for (n = 9, i = 0; i < argc; i++) {
        words[n++] = argv[i];
    }

    crowd_send(redis, n, words);
}


redisReply *
crowd_ask(redisContext *redis)
{
    redisReply  *reply;

    if (redisGetReply(redis, (void **) &reply) != REDIS_OK) {
        crowd_die("read", redis->errstr);
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        crowd_die("redis answered", reply->str);
    }

    return reply;
}


/* text of INFO behind a name */

char *
crowd_info(redisContext *redis, const char *name, char *value, size_t size)
{
    char        *at;
    redisReply  *reply;

    reply = redisCommand(redis, "INFO");
    at = reply && reply->type == REDIS_REPLY_STRING ? strstr(reply->str, name)
                                                    : NULL;
    if (at == NULL) {
        crowd_die("INFO", name);
    }

    at += strlen(name);
    snprintf(value, size, "%.*s", (int) strcspn(at, "\r"), at);
    freeReplyObject(reply);

    return value;
}


/* of the main thread of a process, which is where Redis does all of this */

uint64_t
crowd_cpu(long pid)
{
    char      path[64];
    FILE     *file;
    uint64_t  ns;

    snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
    file = fopen(path, "r");

    if (file == NULL || fscanf(file, "%" SCNu64, &ns) != 1) {
        crowd_die(path, "cannot be read");
    }

    fclose(file);

    return ns;
}
