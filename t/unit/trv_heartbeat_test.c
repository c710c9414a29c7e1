
#include <hiredis/hiredis.h>

#include "trv_test.h"
#include "trv_heartbeat.h"


#define REPL  "89abcdef0123456789abcdef0123456789abcdef"
#define SET   "ba7816bf8f01cfea414140de5dae2223"
#define ALL   TRV_HEARTBEAT_WORDS


/* as the script says them */
static const char *const  trv_words[] = {
    "master", REPL, SET, "1795455605123-7", ("3:" SET), "3", "20700",
    "20701", "", "1795455605124", "noeviction"
};


/* words that are numbers may come as integers: a "#" makes one */

static void
trv_word_set(redisReply *reply, const char *text)
{
    memset(reply, 0, sizeof(*reply));

    if (text == NULL) {
        reply->type = REDIS_REPLY_NIL;

    } else if (text[0] == '#') {
        reply->type = REDIS_REPLY_INTEGER;
        reply->integer = atoll(text + 1);

    } else {
        reply->type = REDIS_REPLY_STRING;
        reply->str = (char *) text;
        reply->len = strlen(text);
    }
}


static trv_rc_e
trv_heartbeat_of(size_t n, size_t other, const char *text,
    trv_heartbeat_t *hb)
{
    size_t       i;
    redisReply   words[13], reply, *elements[13];

    for (i = 0; i < 13; i++) {
        trv_word_set(&words[i], i < ALL ? trv_words[i] : "");
        elements[i] = &words[i];
    }

    trv_word_set(&words[other], text);

    memset(&reply, 0, sizeof(reply));
    reply.type = REDIS_REPLY_ARRAY;
    reply.elements = n;
    reply.element = elements;

    return trv_heartbeat_parse(&reply, hb);
}


static void
trv_heartbeat_says_all_of_it(void **state)
{
    trv_heartbeat_t  hb;

    (void) state;

    assert_int_equal(trv_heartbeat_of(ALL, 0, "master", &hb), TRV_OK);
    assert_true(hb.master);
    assert_string_equal(hb.repl_id, REPL);
    assert_string_equal(hb.set_id, SET);
    assert_int_equal(hb.last.ms, 1795455605123);
    assert_int_equal(hb.last.seq, 7);
    assert_int_equal(hb.total.count, 3);
    assert_int_equal(hb.total.xor.hi, 0xba7816bf8f01cfea);
    assert_int_equal(hb.kept, 3);
    assert_int_equal(hb.first_day, 20700);
    assert_int_equal(hb.yesterday, 20701);
    assert_false(hb.merging);
    assert_int_equal(hb.time_ms, 1795455605124);
    assert_true(hb.policy);
    assert_false(hb.evicting);

    assert_int_equal(trv_heartbeat_of(13, 0, "slave", &hb), TRV_OK);
    assert_false(hb.master);
    assert_int_equal(trv_heartbeat_of(ALL, 2, "", &hb), TRV_OK);
    assert_string_equal(hb.set_id, "");          /* unborn */
    assert_int_equal(trv_heartbeat_of(ALL, 5, "#5", &hb), TRV_OK);
    assert_int_equal(hb.kept, 5);
    assert_int_equal(trv_heartbeat_of(ALL, 8, "edge-1:0123", &hb), TRV_OK);
    assert_true(hb.merging);
    assert_int_equal(trv_heartbeat_of(ALL, 10, "allkeys-lru", &hb), TRV_OK);
    assert_true(hb.evicting);
    assert_int_equal(trv_heartbeat_of(ALL, 10, "", &hb), TRV_OK);
    assert_false(hb.policy);             /* it was not asked for */
}


static void
trv_heartbeat_is_right_in_every_word(void **state)
{
    size_t           i;
    trv_heartbeat_t  hb;

    static const struct {
        size_t       word;
        const char  *text;
    } bad[] = {
        { 1, "" }, { 1, SET }, { 1, REPL "0" }, { 1, NULL }, { 1, "#1" },
        { 1, "0123456789ABCDEF0123456789abcdef01234567" },
        { 1, "0123456789abcdef0123456789abcdef0123456 " },
        { 2, "0" }, { 2, REPL }, { 2, "ga7816bf8f01cfea414140de5dae2223" },
        { 2, NULL },
        { 3, "" }, { 3, "1" }, { 3, "1-" }, { 3, "-1" }, { 3, "1-2-3" },
        { 3, "18446744073709551616-0" }, { 3, "#1" },
        { 4, "" }, { 4, "3" }, { 4, "3:" }, { 4, "-3:" SET }, { 4, "3:" REPL },
        { 4, "x:" SET }, { 4, "3:" SET " " },
        { 5, "-1" }, { 5, "#-1" }, { 5, "" }, { 5, "1e3" }, { 5, NULL },
        { 5, "9999999999999999999" },
        { 6, "20702" }, { 6, "" }, { 6, "#-1" },             /* not before */
        { 7, "65536" }, { 7, "20699" }, { 7, "nan" }, { 7, NULL },
        { 8, NULL }, { 0, NULL }, { 0, "#0" },
        { 9, "" }, { 9, "#-1" }, { 9, "soon" }, { 10, NULL }, { 10, "#1" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_heartbeat_of(ALL, bad[i].word, bad[i].text, &hb)
            != TRV_CORRUPT)
        {
            fail_msg("word %zu: \"%s\" was taken", bad[i].word,
                     bad[i].text ? bad[i].text : "(nil)");
        }
    }

    for (i = 0; i < ALL; i++) {
        assert_int_equal(trv_heartbeat_of(i, 0, "master", &hb), TRV_CORRUPT);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_heartbeat_says_all_of_it),
        cmocka_unit_test(trv_heartbeat_is_right_in_every_word),
    };

    return cmocka_run_group_tests_name("trv_heartbeat", tests, NULL, NULL);
}
