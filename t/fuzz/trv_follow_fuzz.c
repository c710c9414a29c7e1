
/*
 * A follower and a Redis that says anything: nothing that it answers crashes
 * the follower, holds it up for ever, or takes from its table what was in it.
 *
 * The bytes are a play: links come up and are lost, time passes, commands are
 * answered.  Answers look like those of our scripts, put together from a few
 * right and wrong values, and now and then a part of one is any reply at all.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trv_follow.h"
#include "trv_fuzz_dir.h"
#include "trv_fuzz_reply.h"


#define IDS           8
#define SLOTS_MAX     4096               /* a Redis that boasts fills no disk */
#define TURNS_MAX     10000
#define DAY           20000              /* of the ids, or one or two later */
#define REPLY(n, ...)                                                         \
    trv_array((redisReply *[]) { __VA_ARGS__ }, n)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


typedef struct {
    trv_bytes_t      in;
    trv_replica_t   *replica;
    trv_follow_t    *follow;
    bool             up[TRV_LINK_N];
    bool             pending[TRV_LINK_N];
    trv_command_t    command[TRV_LINK_N];
    uint64_t         now_ms;
    bool             seen[IDS];          /* was in the table */
    bool             right;              /* the first of all values is */
} trv_play_t;


static char  trv_path[] = "follow-XXXXXX";       /* of the current directory */


static trv_id_t
trv_play_id(unsigned n)
{
    trv_id_t  id = { (n + 1) * 0x9e3779b97f4a7c15, n };

    return id;
}


/* replies */

static redisReply *
trv_string(const char *text)
{
    redisReply  *reply;

    reply = calloc(1, sizeof(*reply));
    trv_text(reply, text, strlen(text));

    return reply;
}


static redisReply *
trv_integer(long long n)
{
    redisReply  *reply;

    reply = calloc(1, sizeof(*reply));
    reply->type = REDIS_REPLY_INTEGER;
    reply->integer = n;

    return reply;
}


static redisReply *
trv_array(redisReply **elements, size_t n)
{
    redisReply  *reply;

    reply = calloc(1, sizeof(*reply));
    reply->type = REDIS_REPLY_ARRAY;
    reply->elements = n;
    reply->element = calloc(n + 1, sizeof(redisReply *));
    memcpy(reply->element, elements, n * sizeof(redisReply *));

    return reply;
}


static redisReply *
trv_one_of(trv_play_t *play, const char *const *texts, size_t n)
{
    return trv_string(texts[play->right ? 0 : trv_byte(&play->in) % n]);
}

#define one_of(play, ...)                                                     \
    trv_one_of(play, (const char *const []) { __VA_ARGS__ },                  \
               sizeof((const char *const []) { __VA_ARGS__ })                 \
               / sizeof(const char *))


static redisReply *
trv_position_reply(trv_play_t *play)
{
    char  text[16];

    snprintf(text, sizeof(text), "%u-0", trv_byte(&play->in) % 4);

    return trv_string(text);
}


/* of up to two of the ids */

static redisReply *
trv_digest_reply(trv_play_t *play)
{
    char          text[TRV_DIGEST_LEN + 1];
    uint8_t       which;
    trv_id_t      id;
    unsigned      i;
    trv_digest_t  digest;

    memset(&digest, 0, sizeof(digest));
    which = trv_byte(&play->in);

    for (i = 0; i < IDS; i++) {
        if (which & (1 << i)) {
            id = trv_play_id(i);
            trv_digest_add(&digest, &id);
        }
    }

    (void) trv_digest_format(&digest, text);

    return trv_string(text);
}


static redisReply *
trv_heartbeat_reply(trv_play_t *play, bool digests)
{
    size_t            i, n;
    redisReply       *reply, *days;
    trv_heartbeat_t   hb;

    static const char  a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const char  b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    reply = REPLY(12, one_of(play, "master", "slave"),
                  one_of(play, a, b), one_of(play, a + 8, b + 8, ""),
                  trv_position_reply(play), trv_digest_reply(play),
                  trv_integer(trv_byte(&play->in) % IDS),
                  trv_integer(DAY - trv_byte(&play->in) % 2),
                  trv_integer(DAY - trv_byte(&play->in) % 2),
                  one_of(play, "", "other"), one_of(play, "1700000000000", ""),
                  one_of(play, "noeviction", "allkeys-lru", ""), NULL);
    reply->elements = TRV_HEARTBEAT_WORDS;

    /* a play in which no heartbeat is one would be a play without a plot */

    if (play->right && trv_heartbeat_parse(reply, &hb) != TRV_OK
        && reply->element[6]->integer <= reply->element[7]->integer)
    {
        abort();
    }

    if (digests) {
        n = trv_byte(&play->in) % 4;
        days = REPLY(0, NULL);
        days->element = realloc(days->element,
                                3 * n * sizeof(redisReply *) + 1);

        for (i = 0; i < n; i++) {
            days->element[3 * i] = trv_integer(DAY + i);
            days->element[3 * i + 1] = trv_digest_reply(play);
            days->element[3 * i + 2] = trv_integer(trv_byte(&play->in) % IDS);
        }

        days->elements = 3 * n;
        reply->element[TRV_HEARTBEAT_WORDS] = days;
        reply->elements = TRV_HEARTBEAT_WORDS + 1;
    }

    return reply;
}


static void
trv_revocation(trv_play_t *play, char *hex, char *expiry)
{
    trv_id_t  id;

    id = trv_play_id(trv_byte(&play->in) % IDS);
    trv_id_format(&id, hex);
    hex[TRV_ID_HEX_LEN] = '\0';

    sprintf(expiry, "%u", (DAY + trv_byte(&play->in) % 3) * TRV_DAY_SEC);
}


static redisReply *
trv_page_reply(trv_play_t *play)
{
    char         hex[TRV_ID_HEX_LEN + 1], expiry[16];
    size_t       i, n;
    redisReply  *reply;

    n = trv_byte(&play->in) % IDS;
    reply = REPLY(0, NULL);
    reply->element = realloc(reply->element, 2 * n * sizeof(redisReply *) + 1);

    for (i = 0; i < n; i++) {
        trv_revocation(play, hex, expiry);
        reply->element[2 * i] = trv_string(hex);
        reply->element[2 * i + 1] = trv_string(expiry);
    }

    reply->elements = 2 * n;

    return reply;
}


static redisReply *
trv_entry_reply(trv_play_t *play)
{
    char         hex[TRV_ID_HEX_LEN + 1], expiry[16], text[256];
    uint8_t      kind;
    redisReply  *fields;

    kind = trv_byte(&play->in);

    if (kind % 4 == 0) {
        fields = REPLY(4, trv_string("prev"), trv_position_reply(play),
                       trv_string("merge"), trv_string("other"));

    } else {
        trv_revocation(play, hex, expiry);
        sprintf(text, "%s:%s", hex, expiry);
        trv_revocation(play, hex, expiry);

        if (kind % 4 == 1) {
            sprintf(text + strlen(text), " %s:%s", hex, expiry);
        }

        fields = REPLY(6, trv_string("prev"), trv_position_reply(play),
                       trv_string("ids"), trv_string(text),
                       trv_string("ack"), one_of(play, "1", "0"));
    }

    return REPLY(2, trv_position_reply(play), fields);
}


static redisReply *
trv_tail_reply_make(trv_play_t *play)
{
    redisReply  *entries;

    entries = REPLY(2, trv_entry_reply(play), trv_entry_reply(play));

    return REPLY(1, REPLY(2, trv_string(TRV_FUZZ_LOG), entries));
}


/* puts any reply in the place of a part of one, or cuts a part short */

static void
trv_twist(trv_play_t *play, redisReply **reply)
{
    size_t       i, n;
    redisReply  *r;

    r = *reply;
    n = r->type == REDIS_REPLY_ARRAY ? r->elements : 0;

    switch (n ? trv_byte(&play->in) % 4 : 0) {

    case 0:
        freeReplyObject(r);
        *reply = trv_reply(&play->in, 0);
        break;

    case 1:
        r->elements--;
        freeReplyObject(r->element[r->elements]);
        break;

    default:
        i = trv_byte(&play->in) % 16;
        trv_twist(play, &r->element[i < n ? i : n - 1]);
    }
}


static redisReply *
trv_usual_answer(trv_play_t *play, const trv_command_t *command)
{
    switch (command->script) {

    case TRV_SCRIPT_NONE:
        return trv_tail_reply_make(play);

    case TRV_SCRIPT_HEARTBEAT:
        return trv_heartbeat_reply(play, false);

    case TRV_SCRIPT_DIGESTS:
        return trv_heartbeat_reply(play, true);

    case TRV_SCRIPT_PAGE:
        return trv_page_reply(play);

    case TRV_SCRIPT_ADOPT:
        return one_of(play, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "");

    default:
        return trv_integer((long long) (trv_byte(&play->in) % 4) - 1);
    }
}


static redisReply *
trv_answer(trv_play_t *play, const trv_command_t *command)
{
    redisReply  *reply;

    play->right = trv_byte(&play->in) % 4;
    reply = trv_usual_answer(play, command);

    if (trv_byte(&play->in) % 4 == 0) {
        trv_twist(play, &reply);
    }

    return reply;
}


/* the play */

static void
trv_play_open(trv_play_t *play)
{
    trv_follow_conf_t  conf;

    trv_fuzz_dir_empty(trv_path);

    play->replica = trv_replica_open(trv_path);
    (void) trv_replica_refresh(play->replica);

    if (trv_replica_lock(play->replica) != TRV_OK
        || trv_writer_take(play->replica, "boot", 0) != TRV_OK)
    {
        abort();
    }

    memset(&conf, 0, sizeof(conf));
    conf.replica = play->replica;
    conf.prefix = "p";
    conf.node = "edge";
    conf.version = "1";
    conf.fresh_set_id = "cccccccccccccccccccccccccccccccc";
    conf.log_length = 1000;

    play->now_ms = 1000000;
    play->follow = trv_follow_create(&conf, play->now_ms);
}


static void
trv_play_rebuild(trv_play_t *play)
{
    int          dir;
    char         name[TRV_TABLE_NAME_LEN];
    uint16_t     first_day;
    uint64_t     capacity, generation;
    trv_table_t  t;

    first_day = trv_follow_first_day(play->follow);

    if (trv_writer_rebuild_needed(play->replica,
                                  trv_follow_want(play->follow), first_day,
                                  &capacity, &generation, name)
        != TRV_OK
        || capacity > SLOTS_MAX)
    {
        return;
    }

    dir = trv_replica_dir_open(play->replica);

    if (trv_table_create(&t, dir, name, generation, capacity) != TRV_OK) {
        abort();
    }

    (void) close(dir);

    trv_writer_rebuild_start(play->replica, &t, first_day);

    while (trv_writer_rebuild_copy(play->replica, 1000) == TRV_AGAIN) {
        /* void */
    }

    if (trv_writer_rebuild_switch(play->replica) != TRV_OK) {
        abort();
    }
}


static void
trv_play_work(trv_play_t *play)
{
    trv_rc_e    rc;
    unsigned    turns;
    trv_note_t  note;

    for (turns = 0; turns < TURNS_MAX; turns++) {
        rc = trv_follow_work(play->follow, 64, play->now_ms);

        if (rc == TRV_FULL) {
            trv_play_rebuild(play);
        }

        if (rc == TRV_OK) {
            break;
        }
    }

    if (turns == TURNS_MAX) {
        abort();                         /* a table of this size is done */
    }

    trv_play_rebuild(play);

    while (trv_follow_note(play->follow, &note) == TRV_OK) {
        if (memchr(note.text, '\0', sizeof(note.text)) == NULL) {
            abort();
        }
    }

    (void) trv_follow_wait_ms(play->follow, play->now_ms);
}


static void
trv_play_drop(trv_play_t *play, trv_link_e link)
{
    if (play->up[link]) {
        play->up[link] = false;
        play->pending[link] = false;
        trv_follow_lost(play->follow, link);
    }
}


static void
trv_play_send(trv_play_t *play, trv_link_e link)
{
    trv_rc_e              rc;
    uint32_t              timeout_ms;
    const trv_command_t  *command;

    if (!play->up[link]) {
        return;
    }

    rc = trv_follow_next(play->follow, link, play->now_ms, &command,
                         &timeout_ms);

    if (rc == TRV_ERROR || rc == TRV_DECLINED) {
        trv_play_drop(play, link);

    } else if (rc == TRV_OK) {

        if (play->pending[link] || command->argc > TRV_COMMAND_MAX_ARGS) {
            abort();
        }

        play->pending[link] = true;
        play->command[link] = *command;
    }
}


static void
trv_play_turn(trv_play_t *play)
{
    uint8_t     what;
    trv_link_e  link;
    redisReply *reply;

    static const char *const  run_ids[] = {
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    };

    what = trv_byte(&play->in);
    link = (what >> 4) % TRV_LINK_N;

    switch (what % 8) {

    case 0:
        trv_play_drop(play, link);
        break;

    case 1:
        play->now_ms += trv_byte(&play->in) * (what & 0x80 ? 1000 : 10);
        break;

    case 2:
    case 3:
        if (!play->up[link]) {
            play->up[link] = true;
            trv_follow_up(play->follow, link,
                          run_ids[(what & 0xc0) == 0xc0],
                          what & 0x20 ? run_ids[0] : "");
        }

        break;

    default:
        if (play->pending[link]) {
            play->pending[link] = false;
            reply = trv_answer(play, &play->command[link]);
            trv_follow_reply(play->follow, link, reply, play->now_ms);
        }
    }

    trv_play_work(play);

    for (link = 0; link < TRV_LINK_N; link++) {
        trv_play_send(play, link);
    }
}


/* once in, always in: the days of these ids are never over here */

static void
trv_play_check(trv_play_t *play)
{
    unsigned  i;
    trv_id_t  id;

    for (i = 0; i < IDS; i++) {
        id = trv_play_id(i);

        if (trv_replica_lookup(play->replica, &id) == TRV_OK) {
            play->seen[i] = true;

        } else if (play->seen[i]
                   && trv_follow_first_day(play->follow) <= DAY)
        {
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    trv_play_t  play;

    memset(&play, 0, sizeof(play));
    play.in.p = data;
    play.in.end = data + size;

    trv_play_open(&play);

    while (play.in.p < play.in.end) {
        trv_play_turn(&play);
        trv_play_check(&play);
    }

    trv_follow_destroy(play.follow);
    trv_replica_close(play.replica);

    return 0;
}
