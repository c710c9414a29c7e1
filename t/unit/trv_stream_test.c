
#include <hiredis/hiredis.h>

#include "trv_test.h"
#include "trv_stream.h"


#define A  "ba7816bf8f01cfea414140de5dae2223"
#define B  "248d6a61d20638b8e5c026930c3e6039"


/* RESP text, made readable: a blank between elements stands for CR LF */

static redisReply *
trv_stream_reply(const char *text)
{
    char         *p, *wire;
    void         *reply;
    redisReader  *reader;

    wire = malloc(2 * strlen(text) + 3);
    p = wire;

    for ( /* void */ ; *text; text++) {
        if (*text == '|') {
            *p++ = '\r';
            *p++ = '\n';

        } else {
            *p++ = *text;
        }
    }

    *p++ = '\r';
    *p++ = '\n';

    reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, wire, p - wire), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    free(wire);

    return reply;
}


static trv_rc_e
trv_stream_first(redisReply *reply, trv_entry_t *entry)
{
    trv_rc_e      rc;
    trv_str_t     key = trv_str("{p}:log");
    trv_stream_t  s;

    rc = trv_stream_open(&s, reply, &key);

    return rc == TRV_OK ? trv_stream_next(&s, entry) : rc;
}


#define HEAD  "*1|*2|$7|{p}:log|*1|*2|$3|7-1|"

#define ONE_ID  "$43|" A ":1800000000"


static void
trv_stream_reads_entries_in_order(void **state)
{
    trv_id_t      id;
    uint16_t      day;
    trv_str_t     key = trv_str("{p}:log");
    redisReply   *reply;
    trv_entry_t   entry;
    trv_stream_t  s;

    (void) state;

    reply = trv_stream_reply("*1|*2|$7|{p}:log|*3|"
        "*2|$3|7-1|*4|$4|prev|$3|6-0|$3|ids|$87|" A ":1800000000 "
        B ":1900000000|"
        "*2|$3|7-2|*8|$2|by|$1|x|$3|ack|$1|1|$4|prev|$3|7-1|$3|ids|" ONE_ID
        "|*2|$3|8-0|*4|$4|prev|$3|7-2|$5|merge|$1|e");

    assert_int_equal(trv_stream_open(&s, reply, &key), TRV_OK);

    assert_int_equal(trv_stream_next(&s, &entry), TRV_OK);
    assert_int_equal(entry.id.ms, 7);
    assert_int_equal(entry.id.seq, 1);
    assert_int_equal(entry.prev.ms, 6);
    assert_false(entry.ack);
    assert_int_equal(trv_entry_next(&entry, &id, &day), TRV_OK);
    assert_int_equal(id.hi, 0xba7816bf8f01cfea);
    assert_int_equal(day, 1800000000 / TRV_DAY_SEC);
    assert_int_equal(trv_entry_next(&entry, &id, &day), TRV_OK);
    assert_int_equal(id.hi, 0x248d6a61d20638b8);
    assert_int_equal(trv_entry_next(&entry, &id, &day), TRV_DECLINED);

    assert_int_equal(trv_stream_next(&s, &entry), TRV_OK);
    assert_true(entry.ack);
    assert_int_equal(trv_stream_next(&s, &entry), TRV_OK);
    assert_true(entry.merge);
    assert_int_equal(trv_entry_next(&entry, &id, &day), TRV_DECLINED);
    assert_int_equal(trv_stream_next(&s, &entry), TRV_DECLINED);

    freeReplyObject(reply);
}


static void
trv_stream_bad_entries_are_skipped_whole(void **state)
{
    size_t        i;
    trv_id_t      id;
    uint16_t      day;
    redisReply   *reply;
    trv_entry_t   entry;

    static const char *const  bad[] = {
        HEAD "*-1",                                  /* deleted */
        HEAD "$1|x",
        HEAD "*0",
        HEAD "*1|$4|prev",
        HEAD "*2|$3|ids|" ONE_ID,                    /* no prev */
        HEAD "*2|$4|prev|$3|6-0",                    /* no ids */
        HEAD "*4|$4|prev|$1|6|$3|ids|" ONE_ID,
        HEAD "*4|$4|prev|:6|$3|ids|" ONE_ID,
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$0|",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$4|junk",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|*1|$1|x",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$-1",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$44|" A ":1800000000 ",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$44| " A ":1800000000",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$33|" A ":",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$43|" A ":-180000000",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$43|" A ":1800000.00",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$34|" A ":1",
        HEAD "*4|$4|prev|$3|6-0|$3|ids|$87|" A ":1800000000 "
            "00000000000000000000000000000001:1800000000",
        HEAD "*6|$4|prev|$3|6-0|$3|ids|" ONE_ID "|$3|ids|" ONE_ID,
        HEAD "*6|$4|prev|$3|6-0|$5|merge|$1|e|$3|ids|" ONE_ID,
    };

    (void) state;

    for (i = 0; i < trv_test_n(bad); i++) {
        reply = trv_stream_reply(bad[i]);

        if (trv_stream_first(reply, &entry) != TRV_INVALID) {
            fail_msg("%s was taken", bad[i]);
        }

        assert_int_equal(entry.id.ms, 7);
        assert_int_equal(trv_entry_next(&entry, &id, &day), TRV_DECLINED);
        freeReplyObject(reply);
    }
}


static void
trv_stream_bad_replies_are_worthless(void **state)
{
    size_t        i;
    redisReply   *reply;
    trv_entry_t   entry;

    static const char *const  bad[] = {
        "$1|x", ":1", "*0", "+OK", "*1|$1|x", "*1|*1|$7|{p}:log",
        "*1|*2|$7|{q}:log|*0", "*1|*2|$7|{p}:log|$1|x", "*1|*2|:1|*0",
        "*2|*2|$7|{p}:log|*0|*2|$7|{p}:log|*0",
        "*1|*2|$7|{p}:log|*1|$1|x",
        "*1|*2|$7|{p}:log|*1|*-1",
        "*1|*2|$7|{p}:log|*1|*2|$3|7x1|*2|$4|prev|$3|6-0",
        "*1|*2|$7|{p}:log|*1|*2|$1|7|*2|$4|prev|$3|6-0",
        "*1|*2|$7|{p}:log|*1|*2|:7|*2|$4|prev|$3|6-0",
        "*1|*2|$7|{p}:log|*1|*2|$3|0-0|*2|$4|prev|$3|6-0",
    };

    (void) state;

    for (i = 0; i < trv_test_n(bad); i++) {
        reply = trv_stream_reply(bad[i]);

        if (trv_stream_first(reply, &entry) != TRV_CORRUPT) {
            fail_msg("%s was taken", bad[i]);
        }

        freeReplyObject(reply);
    }

    reply = trv_stream_reply("*-1");
    assert_int_equal(trv_stream_first(reply, &entry), TRV_DECLINED);
    freeReplyObject(reply);
}


static void
trv_stream_ids_must_ascend(void **state)
{
    trv_str_t     key = trv_str("{p}:log");
    redisReply   *reply;
    trv_entry_t   entry;
    trv_stream_t  s;

    (void) state;

    reply = trv_stream_reply("*1|*2|$7|{p}:log|*2|"
        "*2|$3|7-1|*4|$4|prev|$3|6-0|$3|ids|" ONE_ID
        "|*2|$3|7-1|*4|$4|prev|$3|6-0|$3|ids|" ONE_ID);

    assert_int_equal(trv_stream_open(&s, reply, &key), TRV_OK);
    assert_int_equal(trv_stream_next(&s, &entry), TRV_OK);
    assert_int_equal(trv_stream_next(&s, &entry), TRV_CORRUPT);
    freeReplyObject(reply);
}


static void
trv_stream_an_entry_has_at_most_1000_ids(void **state)
{
    int           n, i;
    char         *ids;
    redisReply    entries, entry, fields, *list, *words, *pair[2];
    redisReply    word[6], *word_p[4];
    trv_rc_e      rc;
    trv_entry_t   got;
    trv_stream_t  s;

    (void) state;

    ids = malloc(1001 * 44 + 1);
    memset(word, 0, sizeof(word));
    memset(&entries, 0, sizeof(entries));
    memset(&entry, 0, sizeof(entry));
    memset(&fields, 0, sizeof(fields));

    for (i = 0; i < 1001; i++) {
        sprintf(ids + 44 * i, "%s" A ":1800000000", i ? " " : "");
        if (i == 0) {
            memmove(ids + 1, ids, 43);
        }
    }

    for (n = 1000; n <= 1001; n++) {
        static char *const  texts[] = { "prev", "6-0", "ids" };

        for (i = 0; i < 4; i++) {
            word[i].type = REDIS_REPLY_STRING;
            word[i].str = i < 3 ? texts[i] : ids + 1;
            word[i].len = i < 3 ? strlen(texts[i]) : (size_t) n * 44 - 1;
            word_p[i] = &word[i];
        }

        fields.type = REDIS_REPLY_ARRAY;
        fields.elements = 4;
        fields.element = word_p;
        word[4].type = REDIS_REPLY_STRING;
        word[4].str = "7-1";
        word[4].len = 3;
        pair[0] = &word[4];
        words = &fields;
        pair[1] = words;
        entry.type = REDIS_REPLY_ARRAY;
        entry.elements = 2;
        entry.element = pair;
        list = &entry;
        entries.type = REDIS_REPLY_ARRAY;
        entries.elements = 1;
        entries.element = &list;

        memset(&s, 0, sizeof(s));
        s.entries = &entries;
        rc = trv_stream_next(&s, &got);
        assert_int_equal(rc, n == 1000 ? TRV_OK : TRV_INVALID);
    }

    free(ids);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_stream_reads_entries_in_order),
        cmocka_unit_test(trv_stream_bad_entries_are_skipped_whole),
        cmocka_unit_test(trv_stream_bad_replies_are_worthless),
        cmocka_unit_test(trv_stream_ids_must_ascend),
        cmocka_unit_test(trv_stream_an_entry_has_at_most_1000_ids),
    };

    return cmocka_run_group_tests_name("trv_stream", tests, NULL, NULL);
}
