
#include <hiredis/hiredis.h>

#include "trv_test.h"
#include "trv_reader.h"


/* what Redis says to us, of each kind */
static const char *const  trv_reader_replies[] = {
    "+OK\r\n",
    "-ERR some words\r\n",
    "-\r\n",
    ":-9223372036854775808\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "$0\r\n\r\n",
    "$4\r\n\r\n\r\n\r\n",
    "*0\r\n",
    "*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+x\r\n",
    "*1\r\n*2\r\n$7\r\n{p}:log\r\n*2\r\n"
    "*2\r\n$3\r\n7-1\r\n*4\r\n$4\r\nprev\r\n$3\r\n6-0\r\n$5\r\nmerge\r\n"
    "$1\r\ne\r\n"
    "*2\r\n$3\r\n7-2\r\n*4\r\n$4\r\nprev\r\n$3\r\n7-1\r\n$3\r\nids\r\n"
    "$43\r\nba7816bf8f01cfea414140de5dae2223:1800000000\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n",
};


static bool
trv_reader_same(const redisReply *a, const redisReply *b)
{
    size_t  i;

    if (a->type != b->type || a->integer != b->integer || a->len != b->len
        || (a->str && memcmp(a->str, b->str, a->len) != 0)
        || a->elements != b->elements)
    {
        return false;
    }

    for (i = 0; i < a->elements; i++) {
        if (!trv_reader_same(a->element[i], b->element[i])) {
            return false;
        }
    }

    return true;
}


/* a copy of its own size: the sanitizer sees who reads behind it */

static trv_rc_e
trv_reader_take(trv_reader_t *r, const char *data, size_t len,
    redisReply **reply)
{
    char      *piece;
    trv_rc_e   rc;

    piece = malloc(len + !len);
    memcpy(piece, data, len);

    rc = trv_reader_feed(r, piece, len);
    free(piece);

    return rc == TRV_OK ? trv_reader_next(r, reply) : rc;
}


static void
trv_reader_does_not_mind_pieces(void **state)
{
    size_t         i, at, len;
    redisReply    *whole, *reply;
    const char    *text;
    trv_reader_t  *r;

    (void) state;

    for (i = 0; i < trv_test_n(trv_reader_replies); i++) {
        text = trv_reader_replies[i];
        len = strlen(text);

        r = trv_reader_create();
        assert_int_equal(trv_reader_take(r, text, len, &whole), TRV_OK);

        for (at = 1; at < len; at++) {
            assert_int_equal(trv_reader_take(r, text, at, &reply), TRV_AGAIN);
            assert_int_equal(trv_reader_take(r, text + at, len - at, &reply),
                             TRV_OK);
            assert_true(trv_reader_same(whole, reply));
            freeReplyObject(reply);
        }

        for (at = 0; at < len - 1; at++) {
            assert_int_equal(trv_reader_take(r, text + at, 1, &reply),
                             TRV_AGAIN);
        }

        assert_int_equal(trv_reader_take(r, text + at, 1, &reply), TRV_OK);
        assert_true(trv_reader_same(whole, reply));

        freeReplyObject(reply);
        freeReplyObject(whole);
        trv_reader_destroy(r);
    }
}


static void
trv_reader_gives_all_that_came_at_once(void **state)
{
    char           text[512];
    size_t         i;
    redisReply    *reply;
    trv_reader_t  *r;

    (void) state;

    strcpy(text, "+1\r\n:2\r\n*1\r\n$1\r\n3\r\n-4\r\n+5");
    r = trv_reader_create();

    assert_int_equal(trv_reader_feed(r, text, strlen(text)), TRV_OK);

    for (i = 0; i < 4; i++) {
        assert_int_equal(trv_reader_next(r, &reply), TRV_OK);
        freeReplyObject(reply);
    }

    assert_int_equal(trv_reader_next(r, &reply), TRV_AGAIN);
    assert_int_equal(trv_reader_take(r, "\r\n", 2, &reply), TRV_OK);
    assert_string_equal(reply->str, "5");

    freeReplyObject(reply);
    trv_reader_destroy(r);
}


static void
trv_reader_refuses_what_is_none(void **state)
{
    size_t         i;
    redisReply    *reply;
    trv_reader_t  *r;

    static const struct {
        const char  *text;
        const char  *error;      /* NULL: hiredis says it, in words of its own */
    } cases[] = {
        { "*2147483647\r\n", "a reply has too many elements" },
        { "*65537\r\n", "a reply has too many elements" },
        { "*9223372036854775807\r\n", NULL },
        { "*9999999999999999999999\r\n", NULL },
        { "*-2\r\n", NULL },
        { "*-2147483648\r\n", NULL },
        { "*\r\n", NULL },
        { "*x\r\n", NULL },
        { "$-2\r\n", NULL },
        { "$-9223372036854775808\r\n", NULL },
        { "$99999999999999999999\r\n", NULL },
        { "$\r\n", NULL },
        { "$1x\r\n", NULL },
        { ":\r\n", NULL },
        { ":1.5\r\n", NULL },
        { ":99999999999999999999\r\n", NULL },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", NULL },
        { "\r\n", NULL },
        { "\377\376\375", NULL },
        { "%1\r\n+a\r\n+b\r\n", NULL },          /* RESP3 */
        { "~1\r\n+a\r\n", NULL },
        { ">1\r\n+a\r\n", NULL },
        { "|1\r\n+a\r\n+b\r\n", NULL },
        { "#t\r\n", NULL },
        { ",1.5\r\n", NULL },
        { "(12345678901234567890\r\n", NULL },
        { "=5\r\ntxt:a\r\n", NULL },
        { "!3\r\nERR\r\n", NULL },
        { "*1\r\n%1\r\n+a\r\n+b\r\n", NULL },
        { "*1\r\n#t\r\n", NULL },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:8\r\n",
          "a reply is too deep" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        r = trv_reader_create();

        assert_int_equal(trv_reader_take(r, cases[i].text,
                                         strlen(cases[i].text), &reply),
                         TRV_CORRUPT);

        if (cases[i].error) {
            assert_string_equal(trv_reader_error(r), cases[i].error);
        }

        assert_true(trv_reader_error(r)[0] != '\0');

        /* it stays so, whatever comes now */

        assert_int_equal(trv_reader_take(r, "+OK\r\n", 5, &reply), TRV_CORRUPT);
        trv_reader_destroy(r);
    }
}


static void
trv_reader_counts_inner_elements(void **state)
{
    size_t         i;
    redisReply    *reply;
    trv_reader_t  *r;

    (void) state;

    r = trv_reader_create();

    assert_int_equal(trv_reader_take(r, "*3\r\n*40000\r\n", 12, &reply),
                     TRV_AGAIN);

    for (i = 0; i < 40000; i++) {
        assert_int_equal(trv_reader_take(r, ":1\r\n", 4, &reply), TRV_AGAIN);
    }

    assert_int_equal(trv_reader_take(r, "*25533\r\n", 8, &reply), TRV_AGAIN);

    for (i = 0; i < 25533; i++) {
        assert_int_equal(trv_reader_take(r, ":1\r\n", 4, &reply), TRV_AGAIN);
    }

    assert_int_equal(trv_reader_take(r, "*1\r\n", 4, &reply), TRV_CORRUPT);
    assert_string_equal(trv_reader_error(r), "a reply has too many elements");
    trv_reader_destroy(r);
}


/* as much as a reply may have, again and again: each is counted anew */

static void
trv_reader_counts_each_reply_for_itself(void **state)
{
    char          *text, *p;
    size_t         i;
    redisReply    *reply;
    trv_reader_t  *r;

    (void) state;

    text = malloc(16 + 5 * TRV_READER_MAX_ELEMENTS);
    p = text + sprintf(text, "*%u\r\n", TRV_READER_MAX_ELEMENTS);

    for (i = 0; i < TRV_READER_MAX_ELEMENTS; i++) {
        p += sprintf(p, "*0\r\n");
    }

    r = trv_reader_create();

    for (i = 0; i < 60; i++) {           /* more than 16 megabytes */
        assert_int_equal(trv_reader_take(r, text, p - text, &reply), TRV_OK);
        assert_int_equal(reply->elements, TRV_READER_MAX_ELEMENTS);
        freeReplyObject(reply);
    }

    trv_reader_destroy(r);
    free(text);
}


/* a length is a promise that is only kept up to our limit; a line has none */

static void
trv_reader_bounds_what_it_keeps(void **state)
{
    char          *piece;
    size_t         i, fed;
    trv_rc_e       rc;
    redisReply    *reply;
    trv_reader_t  *r;

    static const size_t       size = 256 * 1024;
    static const char *const  begins[] = {
        "$2147483647\r\n", "$9223372036854775807\r\n", "$16777217\r\n",
        "+", "-", ":", "*", "$",
        "*1\r\n$4294967297\r\n"
    };

    (void) state;

    piece = malloc(size);
    memset(piece, '1', size);

    for (i = 0; i < trv_test_n(begins); i++) {
        r = trv_reader_create();

        rc = trv_reader_take(r, begins[i], strlen(begins[i]), &reply);

        for (fed = 0; rc == TRV_AGAIN && fed <= TRV_READER_MAX_LEN;
             fed += size)
        {
            rc = trv_reader_take(r, piece, size, &reply);
        }

        assert_int_equal(rc, TRV_CORRUPT);
        assert_string_equal(trv_reader_error(r), "a reply is too long");
        trv_reader_destroy(r);
    }

    free(piece);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_reader_does_not_mind_pieces),
        cmocka_unit_test(trv_reader_gives_all_that_came_at_once),
        cmocka_unit_test(trv_reader_refuses_what_is_none),
        cmocka_unit_test(trv_reader_counts_inner_elements),
        cmocka_unit_test(trv_reader_counts_each_reply_for_itself),
        cmocka_unit_test(trv_reader_bounds_what_it_keeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
