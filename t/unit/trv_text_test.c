
/* texts that come from elsewhere: numbers, positions, times, digests, days */

#include "trv_test.h"
#include "trv_digest.h"
#include "trv_number.h"
#include "trv_position.h"
#include "trv_stream.h"
#include "trv_time.h"


static void
trv_number_has_one_spelling(void **state)
{
    size_t    i;
    uint64_t  n;

    static const char *const  bad[] = {
        "", "-1", "+1", " 1", "1 ", "01", "1.0", "0x1", "1e3",
        "18446744073709551616", "99999999999999999999999",
    };

    (void) state;

    assert_int_equal(trv_number_parse("0", 1, &n), TRV_OK);
    assert_int_equal(n, 0);
    assert_int_equal(trv_number_parse("18446744073709551615", 20, &n), TRV_OK);
    assert_true(n == UINT64_MAX);

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_number_parse(bad[i], strlen(bad[i]), &n) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }

    assert_int_equal(trv_number_parse_hex("ffffffffffffffff", 16, &n), TRV_OK);
    assert_true(n == UINT64_MAX);
    assert_int_equal(trv_number_parse_hex("F", 1, &n), TRV_INVALID);
    assert_int_equal(trv_number_parse_hex("", 0, &n), TRV_INVALID);
    assert_int_equal(trv_number_parse_hex("00000000000000000", 17, &n),
                     TRV_INVALID);
}


static void
trv_position_goes_there_and_back(void **state)
{
    char            text[TRV_POSITION_LEN + 1];
    size_t          i;
    trv_position_t  a, b;

    static const char *const  bad[] = {
        "", "-", "1", "1-", "-1", "1-1-1", "1-x", "1 -1", "01-1",
        "18446744073709551616-0",
    };

    (void) state;

    assert_int_equal(trv_position_parse("1795455605123-4", 15, &a), TRV_OK);
    assert_int_equal(trv_position_format(&a, text), 15);
    assert_string_equal(text, "1795455605123-4");

    b = a;
    assert_int_equal(trv_position_cmp(&a, &b), 0);
    b.seq++;
    assert_true(trv_position_cmp(&a, &b) < 0);
    b.ms--;
    assert_true(trv_position_cmp(&a, &b) > 0);

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_position_parse(bad[i], strlen(bad[i]), &a) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}


static void
trv_time_goes_there_and_back(void **state)
{
    char     text[TRV_TIME_LEN + 1];
    size_t   i;
    int64_t  sec;

    static const struct {
        const char  *text;
        int64_t      sec;
    } good[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "2027-03-01T00:00:00Z", 1803859200 },
        { "2038-01-19T03:14:08Z", 2147483648 },
        { "9999-12-31T23:59:59Z", 253402300799 },
    };

    static const char *const  bad[] = {
        "", "2027-03-01", "2027-03-01T00:00:00", "2027-03-01 00:00:00Z",
        "2027-03-01T00:00:00+00:00", "2027-03-01T00:00:00.0Z",
        "2027-3-01T00:00:00Z", "2027-02-29T00:00:00Z", "2027-04-31T00:00:00Z",
        "2027-13-01T00:00:00Z", "2027-00-01T00:00:00Z", "2027-01-00T00:00:00Z",
        "2027-01-01T24:00:00Z", "2027-01-01T00:60:00Z", "2027-01-01T00:00:60Z",
        "2100-02-29T00:00:00Z", "2027-01-01t00:00:00z", "+027-01-01T00:00:00Z",
    };

    (void) state;

    for (i = 0; i < trv_test_n(good); i++) {
        assert_int_equal(trv_time_parse(good[i].text, strlen(good[i].text),
                                        &sec), TRV_OK);
        assert_true(sec == good[i].sec);
        assert_int_equal(trv_time_format(sec, text), TRV_OK);
        assert_string_equal(text, good[i].text);
    }

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_time_parse(bad[i], strlen(bad[i]), &sec) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }

    assert_int_equal(trv_time_format(253402300800, text), TRV_INVALID);
}


static void
trv_digest_does_not_depend_on_order(void **state)
{
    char          text[TRV_DIGEST_LEN + 1];
    size_t        i;
    trv_id_t      id;
    trv_digest_t  a, b, c;

    static const char *const  bad[] = {
        "", "1", "1:", ":00000000000000000000000000000001",
        "1:0000000000000000000000000000001", "x:00000000000000000000000000000001",
        "1:0000000000000000000000000000000G",
        "01:00000000000000000000000000000001",
        "1:00000000000000000000000000000001 ",
    };

    (void) state;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));

    for (i = 0; i < 10; i++) {
        id = trv_test_id(i);
        trv_digest_add(&a, &id);
        id = trv_test_id(9 - i);
        trv_digest_add(&b, &id);
    }

    assert_true(trv_digest_equal(&a, &b));
    trv_digest_remove(&b, &id);
    assert_false(trv_digest_equal(&a, &b));
    assert_int_equal(b.count, 9);

    trv_digest_format(&a, text);
    assert_int_equal(trv_digest_parse(text, strlen(text), &c), TRV_OK);
    assert_true(trv_digest_equal(&a, &c));

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_digest_parse(bad[i], strlen(bad[i]), &c) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}


static void
trv_day_is_that_of_utc(void **state)
{
    uint16_t  day;

    (void) state;

    assert_int_equal(trv_day_parse("86400", 5, &day), TRV_OK);
    assert_int_equal(day, 1);
    assert_int_equal(trv_day_parse("172799", 6, &day), TRV_OK);
    assert_int_equal(day, 1);
    assert_int_equal(trv_day_parse("999999999999", 12, &day), TRV_OK);
    assert_int_equal(day, 65535);
    assert_int_equal(trv_day_parse("86399", 5, &day), TRV_INVALID);
    assert_int_equal(trv_day_parse("1e9", 3, &day), TRV_INVALID);
    assert_int_equal(trv_day_parse("inf", 3, &day), TRV_INVALID);
    assert_int_equal(trv_day_parse("", 0, &day), TRV_INVALID);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_number_has_one_spelling),
        cmocka_unit_test(trv_position_goes_there_and_back),
        cmocka_unit_test(trv_time_goes_there_and_back),
        cmocka_unit_test(trv_digest_does_not_depend_on_order),
        cmocka_unit_test(trv_day_is_that_of_utc),
    };

    return cmocka_run_group_tests_name("trv_text", tests, NULL, NULL);
}
