
#include "ngx_trv_redis_private.h"


static ngx_int_t ngx_trv_redis_greetings_add(ngx_trv_redis_t *redis);
static ngx_int_t ngx_trv_redis_greeting_add(ngx_trv_redis_t *redis,
    ngx_trv_greeting_e greeting, int argc, const ngx_str_t *words);
static void ngx_trv_redis_greeting_refused(ngx_trv_redis_t *redis,
    ngx_trv_greeting_e greeting, const char *error);
static ngx_int_t ngx_trv_redis_server(ngx_trv_redis_t *redis,
    redisReply *reply);
static ngx_int_t ngx_trv_redis_role(ngx_trv_redis_t *redis,
    redisReply *reply);
static ngx_int_t ngx_trv_redis_id(const redisReply *reply, const char *name,
    char *id);
static void ngx_trv_redis_is_ready(ngx_trv_redis_t *redis);


void
ngx_trv_redis_greet(ngx_trv_redis_t *redis)
{
    redis->reader = trv_reader_create();

    if (redis->reader == NULL || ngx_trv_redis_greetings_add(redis) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, "no memory");
        return;
    }

    redis->state = NGX_TRV_REDIS_GREETING;

    ngx_trv_redis_write(redis);
}


static ngx_int_t
ngx_trv_redis_greetings_add(ngx_trv_redis_t *redis)
{
    u_char                 db[NGX_INT_T_LEN];
    ngx_str_t              words[3];
    ngx_trv_redis_conf_t  *rcf;

    rcf = redis->conf;

    /* each goes before the ones that were added already: last things first */

    ngx_str_set(&words[0], "INFO");

    if (rcf->sentinel || rcf->is_replica) {
        ngx_str_set(&words[1], "replication");

        if (ngx_trv_redis_greeting_add(redis, NGX_TRV_GREETING_ROLE, 2, words)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&words[1], "server");

    if (ngx_trv_redis_greeting_add(redis, NGX_TRV_GREETING_SERVER, 2, words)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (rcf->db) {
        ngx_str_set(&words[0], "SELECT");
        words[1].data = db;
        words[1].len = ngx_sprintf(db, "%i", rcf->db) - db;

        if (ngx_trv_redis_greeting_add(redis, NGX_TRV_GREETING_SELECT, 2,
                                       words)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (rcf->password.len == 0) {
        return NGX_OK;
    }

    ngx_str_set(&words[0], "AUTH");
    words[1] = rcf->user.len ? rcf->user : rcf->password;
    words[2] = rcf->password;

    return ngx_trv_redis_greeting_add(redis, NGX_TRV_GREETING_AUTH,
                                      rcf->user.len ? 3 : 2, words);
}


static ngx_int_t
ngx_trv_redis_greeting_add(ngx_trv_redis_t *redis, ngx_trv_greeting_e greeting,
    int argc, const ngx_str_t *words)
{
    int                    i;
    size_t                 argvlen[3];
    const char            *argv[3];
    trv_command_t          command;
    ngx_trv_redis_node_t  *node;

    for (i = 0; i < argc; i++) {
        argv[i] = (char *) words[i].data;
        argvlen[i] = words[i].len;
    }

    ngx_memzero(&command, sizeof(trv_command_t));

    command.argc = argc;
    command.argv = argv;
    command.argvlen = argvlen;

    node = ngx_trv_redis_node_create(redis->conf, &command, 0, redis->log);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->greeting = greeting;

    ngx_queue_insert_head(&redis->unsent, &node->queue);

    return NGX_OK;
}


void
ngx_trv_redis_greeted(ngx_trv_redis_t *redis, ngx_trv_greeting_e greeting,
    redisReply *reply)
{
    ngx_queue_t           *q;
    ngx_trv_redis_node_t  *node;

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_trv_redis_greeting_refused(redis, greeting, reply->str);
        return;
    }

    if ((greeting == NGX_TRV_GREETING_SERVER
         && ngx_trv_redis_server(redis, reply) != NGX_OK)
        || (greeting == NGX_TRV_GREETING_ROLE
            && ngx_trv_redis_role(redis, reply) != NGX_OK))
    {
        return;
    }

    if (!ngx_queue_empty(&redis->sent)) {
        return;
    }

    if (!ngx_queue_empty(&redis->unsent)) {
        q = ngx_queue_head(&redis->unsent);
        node = ngx_queue_data(q, ngx_trv_redis_node_t, queue);

        if (node->greeting) {
            ngx_trv_redis_write(redis);
            return;
        }
    }

    ngx_trv_redis_is_ready(redis);
}


static void
ngx_trv_redis_greeting_refused(ngx_trv_redis_t *redis,
    ngx_trv_greeting_e greeting, const char *error)
{
    u_char           *p;
    ngx_trv_place_t   owner;

    static const char *const  names[] = {
        "", "AUTH", "SELECT", "INFO", "INFO", "EXISTS"
    };

    if (greeting == NGX_TRV_GREETING_SLOT
        && redis->moves++ < NGX_TRV_REDIS_MOVES
        && ngx_trv_place_set_moved(&owner, &redis->place, error) == NGX_OK)
    {
        redis->conf->owner = owner;
        ngx_trv_redis_move(redis);
        return;
    }

    redis->moves = 0;

    p = ngx_snprintf(redis->reason_text, NGX_TRV_REDIS_REASON_LEN,
                     "%s was refused: %s", names[greeting], error);
    redis->reason.len = p - redis->reason_text;

    for (p = redis->reason_text; p < redis->reason_text + redis->reason.len;
         p++)
    {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }

    ngx_trv_redis_lose(redis, 0, "refused");
}


/* the reply to INFO server: the run id, and which kind of server it is */

static ngx_int_t
ngx_trv_redis_server(ngx_trv_redis_t *redis, redisReply *reply)
{
    ngx_str_t     words[2];
    ngx_uint_t    is_sentinel;

    if (ngx_trv_redis_id(reply, "run_id:", (char *) redis->run_id_text)
        != NGX_OK)
    {
        ngx_trv_redis_lose(redis, 0, "INFO server names no run_id");
        return NGX_ERROR;
    }

    redis->run_id.len = NGX_TRV_REDIS_RUN_ID_LEN;

    /* redis_mode, with Valkey server_mode */

    is_sentinel = strstr(reply->str, "_mode:sentinel") != NULL;

    if (is_sentinel != redis->conf->is_sentinel) {
        ngx_trv_redis_lose(redis, 0, is_sentinel
                           ? "it is a sentinel: the directive for it is "
                             "\"sentinel\""
                           : "it is not a sentinel");
        return NGX_ERROR;
    }

    if (strstr(reply->str, "_mode:cluster") == NULL) {
        return NGX_OK;
    }

    /* all keys of a set are in one slot: the first one stands for them */

    ngx_str_set(&words[0], "EXISTS");
    words[1] = redis->conf->keys[0];

    if (ngx_trv_redis_greeting_add(redis, NGX_TRV_GREETING_SLOT, 2, words)
        != NGX_OK)
    {
        ngx_trv_redis_lose(redis, 0, "no memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The reply to INFO replication.  What a sentinel says is not always so, or not
 * any more; a replica without its master hears of nothing.
 */

static ngx_int_t
ngx_trv_redis_role(ngx_trv_redis_t *redis, redisReply *reply)
{
    const char  *text;

    text = (reply->type == REDIS_REPLY_STRING) ? reply->str : "";

    if (!redis->conf->is_replica) {

        if (strstr(text, "role:master")) {
            return NGX_OK;
        }

        ngx_trv_redis_lose(redis, 0, "the sentinels call it the master, it "
                           "says that it is not");
        return NGX_ERROR;
    }

    if (strstr(text, "role:master") == NULL
        && strstr(text, "master_link_status:up") == NULL)
    {
        ngx_trv_redis_lose(redis, 0, "its link to its master is down");
        return NGX_ERROR;
    }

    if (ngx_trv_redis_id(reply, "master_replid:", redis->repl_id) != NGX_OK) {
        ngx_trv_redis_lose(redis, 0, "INFO replication names no "
                           "master_replid");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* copies the id behind a name in a reply to INFO */

static ngx_int_t
ngx_trv_redis_id(const redisReply *reply, const char *name, char *id)
{
    const char  *p;

    p = (reply->type == REDIS_REPLY_STRING) ? strstr(reply->str, name) : NULL;

    if (p == NULL) {
        return NGX_DECLINED;
    }

    p += ngx_strlen(name);

    if (strspn(p, "0123456789abcdef") != NGX_TRV_REDIS_RUN_ID_LEN) {
        return NGX_DECLINED;
    }

    ngx_memcpy(id, p, NGX_TRV_REDIS_RUN_ID_LEN);
    id[NGX_TRV_REDIS_RUN_ID_LEN] = '\0';

    return NGX_OK;
}


static void
ngx_trv_redis_is_ready(ngx_trv_redis_t *redis)
{
    redis->state = NGX_TRV_REDIS_READY;
    redis->since = ngx_current_msec;
    redis->moves = 0;

    ngx_trv_redis_regain(redis);
    ngx_trv_redis_timer_arm(redis);

    if (redis->ready) {
        redis->ready(redis->data);
    }

    if (redis->state == NGX_TRV_REDIS_READY) {
        ngx_trv_redis_write(redis);
    }
}
