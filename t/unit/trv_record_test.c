
#include "trv_test.h"
#include "trv_record.h"


#define NOW       1800000000
#define LIFETIME  (1826 * (int64_t) TRV_DAY_SEC)

#define ID        "ba7816bf8f01cfea414140de5dae2223"         /* of "abc" */
#define OTHER     "60303ae22b998861bce3b28f33eec1be"
#define OWNER     "\"partner\":\"ypa-1\",\"store\":\"yhst-1\","
#define REST      OWNER "\"expires_at\":1900000000}"


static const trv_record_conf_t  trv_conf = { NOW, LIFETIME };


/* a line or, with `whole`, a body; no byte behind it */

static trv_rc_e
trv_record_read(trv_records_t *records, const char *text, size_t len,
    bool whole, char *error)
{
    char      *copy;
    trv_rc_e   rc;

    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    error[0] = '\0';

    rc = whole ? trv_records_parse(records, &trv_conf, copy, len, error)
               : trv_records_add(records, &trv_conf, copy, len, error);

    free(copy);

    return rc;
}


static void
trv_record_has_one_spelling(void **state)
{
    size_t         i;
    char           error[TRV_JSON_ERROR_LEN];
    trv_str_t      text;
    trv_records_t  records;

    static const struct {
        const char  *body;
        const char  *text;
    } cases[] = {
        { "{\"token\":\"abc\"," REST,
          ID " ypa-1 yhst-1  1900000000  " },
        { "{\"id\":\"" ID "\"," REST,
          ID " ypa-1 yhst-1  1900000000  " },
        { " {\"apis\":[\"order\",\"catalog\"],\"renews\":\"" OTHER "\","
          "\"issued_at\":1700000000,\"token\":\"abc\"," REST "\r",
          ID " ypa-1 yhst-1 1700000000 1900000000 " OTHER " order,catalog" },
        { "{\"apis\":null,\"renews\":null,\"issued_at\":null,"
          "\"token\":\"abc\"," REST,
          ID " ypa-1 yhst-1  1900000000  " },
        { "{\"token\":\"abc\",\"apis\":[]," REST,
          ID " ypa-1 yhst-1  1900000000  ," },
        { "{\"token\":\"abc\"," OWNER
          "\"issued_at\":\"2027-01-15T08:00:00Z\","
          "\"expires_at\":\"2027-03-01T00:00:00Z\"}",
          ID " ypa-1 yhst-1 1800000000 1803859200  " },
        { "{\"token\":\"abc\"," OWNER "\"expires_at\":1500000000}",
          ID " ypa-1 yhst-1  1500000000  " },
        { "{\"token\":\"abc\",\"partner\":\"A.b_c-9\",\"store\":\"0\","
          "\"expires_at\":1900000000}",
          ID " A.b_c-9 0  1900000000  " },
    };

    (void) state;

    for (i = 0; i < 2 * trv_test_n(cases); i++) {
        memset(&records, 0, sizeof(records));

        if (trv_record_read(&records, cases[i / 2].body,
                            strlen(cases[i / 2].body), i % 2, error)
            != TRV_OK)
        {
            fail_msg("%s: %s", cases[i / 2].body, error);
        }

        assert_int_equal(records.n, 1);
        text = trv_records_get(&records, 0);
        assert_int_equal(text.len, strlen(cases[i / 2].text));
        assert_memory_equal(text.data, cases[i / 2].text, text.len);

        trv_records_destroy(&records);
    }
}


static void
trv_record_bad_ones_are_named(void **state)
{
    size_t         i;
    char           error[TRV_JSON_ERROR_LEN];
    trv_records_t  records;

    static const struct {
        const char  *line;
        const char  *says;
    } cases[] = {
        { "", "the record is empty" },
        { " ", "not valid JSON" },
        { "{", "not valid JSON (column" },
        { "{\"token\":\"a\"} {}", "not valid JSON" },
        { "{\"token\":\"a\",\"token\":\"b\"," REST, "not valid JSON" },
        { "{\"token\":\"a\\u0000b\"," REST, "not valid JSON" },
        { "{\"token\":\"\xff\"," REST, "not valid JSON" },
        { "{\"token\":[[[[[[[[[1]]]]]]]]]}", "nested deeper than 8" },
        { "1", "a record must be a JSON object" },
        { "null", "a record must be a JSON object" },
        { "{}", "\"token\" or \"id\" must be given" },
        { "{" REST, "\"token\" or \"id\" must be given" },
        { "{\"token\":\"abc\",\"id\":\"" ID "\"," REST, "only one of" },
        { "{\"id\":\"" ID "\",\"token\":\"abc\"," REST, "only one of" },
        { "{\"token\":\"\"," REST, "\"token\" must be a string of 1 to 8192" },
        { "{\"token\":7," REST, "\"token\" must be a string" },
        { "{\"token\":\"abc\\n\"," REST, "\"token\" is none that a call" },
        { "{\"token\":null," REST, "\"token\" must be a string" },
        { "{\"id\":\"BA7816BF8F01CFEA414140DE5DAE2223\"," REST, "lower-case" },
        { "{\"id\":\"00000000000000001111111111111111\"," REST, "16 zeros" },
        { "{\"id\":7," REST, "\"id\" must be a token id" },
        { "{\"token\":\"a\",\"store\":\"s\",\"expires_at\":1900000000}",
          "\"partner\" must be given" },
        { "{\"token\":\"a\",\"partner\":\"p\",\"expires_at\":1900000000}",
          "\"store\" must be given" },
        { "{\"token\":\"a\",\"partner\":\"p\",\"store\":\"s\"}",
          "\"expires_at\" must be given" },
        { "{\"token\":\"a\",\"partner\":\"\"}", "\"partner\" must be 1 to 64" },
        { "{\"token\":\"a\",\"partner\":\"a b\"}", "\"partner\" must be" },
        { "{\"token\":\"a\",\"partner\":\"a:b\"}", "\"partner\" must be" },
        { "{\"token\":\"a\",\"partner\":null}", "\"partner\" must be" },
        { "{\"token\":\"a\",\"store\":\"\xc3\xa4\"}", "\"store\" must be" },
        { "{\"token\":\"a\",\"store\":[\"s\"]}", "\"store\" must be" },
        { "{\"token\":\"a\",\"expires_at\":-1}", "\"expires_at\" must lie" },
        { "{\"token\":\"a\",\"expires_at\":99999999999}", "1826 days" },
        { "{\"token\":\"a\",\"expires_at\":\"9999-12-31T23:59:59Z\"}",
          "1826 days" },
        { "{\"token\":\"a\",\"expires_at\":1.9e9}", "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":\"1900000000\"}", "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":\"2027-02-29T00:00:00Z\"}",
          "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":null}", "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":99999999999999999999}",
          "not valid JSON" },
        { "{\"token\":\"a\",\"issued_at\":true}", "\"issued_at\" must be" },
        { "{\"token\":\"a\",\"issued_at\":1900000001," REST, "not lie after" },
        { "{\"token\":\"abc\",\"renews\":\"" ID "\"," REST, "another token" },
        { "{\"token\":\"a\",\"renews\":\"\"," REST, "\"renews\" must be" },
        { "{\"token\":\"a\",\"renews\":\"1.0_x\"," REST, "\"renews\" must" },
        { "{\"token\":\"a\",\"apis\":\"order\"," REST, "\"apis\" must be an" },
        { "{\"token\":\"a\",\"apis\":[\"order\",\"\"]," REST,
          "number 2 of \"apis\"" },
        { "{\"token\":\"a\",\"apis\":[\"a,b\"]," REST, "number 1 of \"apis\"" },
        { "{\"token\":\"a\",\"apis\":[1]," REST, "number 1 of \"apis\"" },
        { "{\"token\":\"a\",\"renewed_by\":\"" ID "\"," REST,
          "unknown member \"renewed_by\"" },
        { "{\"token\":\"a\",\"state\":\"active\"," REST, "unknown member" },
    };

    (void) state;

    memset(&records, 0, sizeof(records));

    for (i = 0; i < trv_test_n(cases); i++) {
        if (trv_record_read(&records, cases[i].line, strlen(cases[i].line),
                            false, error)
            != TRV_INVALID)
        {
            fail_msg("%s was taken", cases[i].line);
        }

        if (strstr(error, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].line, error);
        }

        assert_int_equal(records.n, 0);
        assert_int_equal(records.used, 0);
    }

    trv_records_destroy(&records);
}


static void
trv_record_messages_hold_no_token(void **state)
{
    size_t         i;
    char           error[TRV_JSON_ERROR_LEN];
    trv_records_t  records;

    static const char *const  lines[] = {
        "{\"1.0_SeCrEt\":\"a\"}", "{1.0_SeCrEt}", "1.0_SeCrEt",
        "{\"id\":\"1.0_SeCrEt\"}", "{\"renews\":\"1.0_SeCrEt\"}",
        "{\"partner\":\"1.0_SeCrEt/\"}", "{\"apis\":[\"1.0_SeCrEt/\"]}",
        "{\"apis\":\"1.0_SeCrEt\"}", "{\"issued_at\":\"1.0_SeCrEt\"}",
        "{\"token\":\"1.0_SeCrEt\",\"token\":\"1.0_SeCrEt\"}",
        "{\"token\":[\"1.0_SeCrEt\"]}",
    };

    (void) state;

    memset(&records, 0, sizeof(records));

    for (i = 0; i < trv_test_n(lines); i++) {
        assert_int_equal(trv_record_read(&records, lines[i], strlen(lines[i]),
                                         false, error),
                         TRV_INVALID);
        assert_null(strstr(error, "SeCrEt"));
        assert_true(strlen(error) > 0);
    }

    trv_records_destroy(&records);
}


/* an array of n records; the one with number `bad` has no store */

static size_t
trv_record_array(char *body, size_t n, size_t bad)
{
    char    *p;
    size_t   i;

    p = body + sprintf(body, "[");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s\n{\"token\":\"t%zu\",%s", i ? "," : "", i,
                     i == bad ? "\"partner\":\"p\",\"expires_at\":1900000000}"
                              : REST);
    }

    return p + sprintf(p, "]") - body;
}


static void
trv_record_arrays_are_taken_whole(void **state)
{
    char           *body, error[TRV_JSON_ERROR_LEN];
    size_t          len;
    trv_records_t   records;

    (void) state;

    memset(&records, 0, sizeof(records));
    body = malloc(1024 * 1024);

    assert_int_equal(trv_record_read(&records, "[]", 2, true, error),
                     TRV_INVALID);
    assert_non_null(strstr(error, "1 to 500 records"));

    len = trv_record_array(body, 500, 500);
    assert_int_equal(trv_record_read(&records, body, len, true, error),
                     TRV_OK);
    assert_int_equal(records.n, 500);

    /* what was there before is gone, whatever comes */

    len = trv_record_array(body, 500, 499);
    assert_int_equal(trv_record_read(&records, body, len, true, error),
                     TRV_INVALID);
    assert_string_equal(error,
                        "record number 500: \"store\" must be given");
    assert_int_equal(records.n, 0);

    len = trv_record_array(body, 501, 501);
    assert_int_equal(trv_record_read(&records, body, len, true, error),
                     TRV_INVALID);
    assert_non_null(strstr(error, "x-ndjson"));

    len = sprintf(body, "[\n{\"token\":\"a\",}]");
    assert_int_equal(trv_record_read(&records, body, len, true, error),
                     TRV_INVALID);
    assert_non_null(strstr(error, "(line 2, column "));

    free(body);
    trv_records_destroy(&records);
}


static void
trv_record_limits(void **state)
{
    int            n;
    char          *line, *p, error[TRV_JSON_ERROR_LEN];
    size_t         i;
    trv_records_t  records;

    static const char  name[] =
        "0123456789012345678901234567890123456789012345678901234567890123";

    (void) state;

    memset(&records, 0, sizeof(records));
    line = malloc(TRV_RECORD_MAX_LINE + 2);

    for (n = 32; n <= 33; n++) {
        p = line + sprintf(line, "{\"token\":\"abc\",\"partner\":\"%s\","
                           "\"store\":\"%s\",\"issued_at\":0,"
                           "\"expires_at\":%lld,\"renews\":\"" OTHER "\","
                           "\"apis\":[", name, name,
                           (long long) (NOW + LIFETIME));

        for (i = 0; i < (size_t) n; i++) {
            p += sprintf(p, "%s\"%s\"", i ? "," : "", name);
        }

        p += sprintf(p, "]}");

        assert_int_equal(trv_record_read(&records, line, p - line, false,
                                         error),
                         n == 32 ? TRV_OK : TRV_INVALID);
    }

    assert_int_equal(records.n, 1);

    for (n = 8192; n <= 8193; n++) {
        p = line + sprintf(line, "{\"token\":\"");
        memset(p, 'a', n);
        p += n;
        p += sprintf(p, "\"," REST);

        assert_int_equal(trv_record_read(&records, line, p - line, false,
                                         error),
                         n == 8192 ? TRV_OK : TRV_INVALID);
    }

    p = line + sprintf(line, "{\"token\":\"abc\"," REST);
    memset(p, ' ', TRV_RECORD_MAX_LINE + 2 - (p - line));

    for (n = 2; n < TRV_RECORD_MAX_ARRAY; n++) {
        assert_int_equal(trv_record_read(&records, line, p - line, false,
                                         error),
                         TRV_OK);
    }

    assert_int_equal(trv_record_read(&records, line, p - line, false, error),
                     TRV_FULL);

    trv_records_cut(&records, 1);
    assert_int_equal(records.n, 1);
    assert_memory_equal(trv_records_get(&records, 0).data, ID, 32);

    assert_int_equal(trv_record_read(&records, line, TRV_RECORD_MAX_LINE,
                                     false, error),
                     TRV_OK);
    assert_int_equal(trv_record_read(&records, line, TRV_RECORD_MAX_LINE + 1,
                                     false, error),
                     TRV_INVALID);
    assert_non_null(strstr(error, "65536 bytes"));
    assert_int_equal(records.n, 2);

    free(line);
    trv_records_destroy(&records);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_record_has_one_spelling),
        cmocka_unit_test(trv_record_bad_ones_are_named),
        cmocka_unit_test(trv_record_messages_hold_no_token),
        cmocka_unit_test(trv_record_arrays_are_taken_whole),
        cmocka_unit_test(trv_record_limits),
    };

    return cmocka_run_group_tests_name("trv_record", tests, NULL, NULL);
}
