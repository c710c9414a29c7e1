
#include "trv_test.h"
#include "trv_request.h"


#define NOW       1800000000
#define LIFETIME  (1826 * (int64_t) TRV_DAY_SEC)


static trv_rc_e
trv_parse(const char *body, size_t len, trv_request_t *req, char *error)
{
    char      *copy;
    trv_rc_e   rc;

    copy = malloc(len ? len : 1);        /* no byte behind it */
    memcpy(copy, body, len);
    error[0] = '\0';

    rc = trv_request_parse(copy, len, NOW, LIFETIME, req, error);

    free(copy);

    return rc;
}


static void
trv_request_good_bodies(void **state)
{
    char           error[TRV_REQUEST_ERROR_LEN];
    trv_id_t       id;
    trv_request_t  req;

    static const char  token[] = "{\"token\":\"abc\"}";
    static const char  all[] =
        "{\"ids\":[\"ba7816bf8f01cfea414140de5dae2223\","
        "\"ba7816bf8f01cfea414140de5dae2224\","
        "\"ba7816bf8f01cfea414140de5dae2223\"],\"reason\":\"le\xc3\xa4k\","
        "\"dry_run\":true,\"expect\":2,\"expires_at\":1800000001}";

    (void) state;

    assert_int_equal(trv_parse(token, sizeof(token) - 1, &req, error), TRV_OK);
    assert_int_equal(trv_id_digest("abc", 3, &id), TRV_OK);
    assert_int_equal(req.n, 1);
    assert_true(trv_id_equal(&req.ids[0], &id));
    assert_true(req.by_token);
    assert_false(req.dry_run);
    assert_int_equal(req.expect, -1);
    assert_int_equal(req.expires_at, 0);
    assert_null(req.reason);
    trv_request_destroy(&req);

    assert_int_equal(trv_parse(all, sizeof(all) - 1, &req, error), TRV_OK);
    assert_int_equal(req.n, 2);          /* the same id twice is one */
    assert_false(req.by_token);
    assert_true(req.dry_run);
    assert_int_equal(req.expect, 2);
    assert_int_equal(req.expires_at, NOW + 1);
    assert_string_equal(req.reason, "le\xc3\xa4k");
    trv_request_destroy(&req);
}


static void
trv_request_scopes(void **state)
{
    size_t         i;
    char           error[TRV_REQUEST_ERROR_LEN];
    trv_request_t  req;

    static const struct {
        const char  *body;
        const char  *partner;
        const char  *store;
    } cases[] = {
        { "{\"partner\":\"ypa-1\"}", "ypa-1", "" },
        { "{\"store\":\"yhst-1\",\"expect\":0}", "", "yhst-1" },
        { "{\"store\":\"A.b_c-9\",\"partner\":\"p\",\"dry_run\":true}",
          "p", "A.b_c-9" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        assert_int_equal(trv_parse(cases[i].body, strlen(cases[i].body), &req,
                                   error), TRV_OK);
        assert_string_equal(req.partner, cases[i].partner);
        assert_string_equal(req.store, cases[i].store);
        assert_null(req.ids);
        assert_int_equal(req.n, 0);
        trv_request_destroy(&req);
    }
}


typedef struct {
    const char  *body;
    const char  *says;
} trv_request_case_t;


static void
trv_request_bad_bodies_are_named(void **state)
{
    size_t         i;
    char           error[TRV_REQUEST_ERROR_LEN];
    trv_request_t  req;

    static const trv_request_case_t  cases[] = {
        { "", "the body is empty" },
        { " ", "not valid JSON" },
        { "{", "not valid JSON" },
        { "[]", "JSON object" },
        { "1", "JSON object" },
        { "\"abc\"", "JSON object" },
        { "{}", "exactly one of" },
        { "{\"token\":\"a\"} x", "not valid JSON" },
        { "{\"token\":\"a\",\"token\":\"b\"}", "not valid JSON" },
        { "{\"token\":\"a\",\"ids\":[]}", "exactly one of" },
        { "{\"token\":\"\"}", "1 to 8192 bytes" },
        { "{\"token\":1}", "\"token\" must be a string" },
        { "{\"token\":null}", "\"token\" must be a string" },
        { "{\"token\":\"a\\u0000b\"}", "not valid JSON" },
        { "{\"token\":\"\\ud800\"}", "not valid JSON" },
        { "{\"tokens\":\"a\"}", "array of 1 to 1000" },
        { "{\"tokens\":[]}", "array of 1 to 1000" },
        { "{\"tokens\":[\"a\",1]}", "number 2 of \"tokens\"" },
        { "{\"tokens\":[\"a\",\"\"]}", "token number 2" },
        { "{\"tokens\":[\"a\",\"b\\n\"]}", "number 2 is none that a call" },
        { "{\"token\":\"Bearer abc\"}", "number 1 is none that a call" },
        { "{\"token\":\"a=b\"}", "and = at its end" },
        { "{\"token\":\"abc\",\"reason\":\"abc\"}", "text of a token" },
        { "{\"reason\":\"(abc)\",\"tokens\":[\"x\",\"abc\"]}",
          "text of a token" },
        { "{\"token\":\"abc=\",\"reason\":\"on t=abc=, abc\"}",
          "text of a token" },
        { "{\"token\":\"abc.\",\"reason\":\"it was abc.\"}",
          "text of a token" },
        { "{\"ids\":[\"ba7816bf8f01cfea414140de5dae2223\"],"
          "\"reason\":\"leaked: abc.\"}", "text of a token" },
        { "{\"ids\":[\"xyz\"]}", "number 1 of \"ids\"" },
        { "{\"ids\":[\"BA7816BF8F01CFEA414140DE5DAE2223\"]}", "lower-case" },
        { "{\"ids\":[\"00000000000000000000000000000001\"]}", "16 zeros" },
        { "{\"tokken\":\"a\"}", "unknown member \"tokken\"" },
        { "{\"token\":\"a\",\"partner\":\"p\"}", "exactly one of" },
        { "{\"ids\":[\"ba7816bf8f01cfea414140de5dae2223\"],"
          "\"store\":\"s\"}", "exactly one of" },
        { "{\"reason\":\"x\"}", "exactly one of" },
        { "{\"partner\":\"\"}", "\"partner\" must be 1 to 64" },
        { "{\"partner\":null}", "\"partner\" must be 1 to 64" },
        { "{\"partner\":[\"p\"]}", "\"partner\" must be 1 to 64" },
        { "{\"store\":\"a b\"}", "\"store\" must be 1 to 64" },
        { "{\"store\":\"*\"}", "\"store\" must be 1 to 64" },
        { "{\"store\":\"0123456789012345678901234567890123456789"
          "0123456789012345678901234\"}", "\"store\" must be 1 to 64" },
        { "{\"store\":\"s\",\"expires_at\":1800000001}",
          "not for a scope" },
        { "{\"token\":\"a\",\"reason\":1}", "\"reason\" must be a string" },
        { "{\"token\":\"a\",\"reason\":\"\\n\"}", "control" },
        { "{\"token\":\"a\",\"dry_run\":\"yes\"}", "true or false" },
        { "{\"token\":\"a\",\"expect\":-1}", "\"expect\"" },
        { "{\"token\":\"a\",\"expect\":1.5}", "\"expect\"" },
        { "{\"token\":\"a\",\"expires_at\":1800000000}", "future" },
        { "{\"token\":\"a\",\"expires_at\":99999999999}", "1826 days" },
        { "{\"token\":\"a\",\"expires_at\":1e10}", "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":\"soon\"}", "Unix seconds" },
        { "{\"token\":\"a\",\"expires_at\":\"9999-12-31T23:59:59Z\"}",
          "1826 days" },
        { "{\"token\":99999999999999999999999}", "not valid JSON" },
        { "{\"a\":[[[[[[[[[[1]]]]]]]]]]}", "nested deeper than 8" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        if (trv_parse(cases[i].body, strlen(cases[i].body), &req, error)
            != TRV_INVALID)
        {
            fail_msg("%s was taken", cases[i].body);
        }

        if (strstr(error, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].body, error);
        }

        assert_null(req.ids);
    }
}


static void
trv_request_messages_hold_no_token(void **state)
{
    size_t         i;
    char           error[TRV_REQUEST_ERROR_LEN];
    trv_request_t  req;

    static const char *const  bodies[] = {
        "{\"1.0_SeCrEt\":\"a\"}", "{\"ids\":[\"1.0_SeCrEt\"]}",
        "{\"token\":\"1.0_SeCrEt\",\"x\":}", "{1.0_SeCrEt}",
        "{\"token\":\"1.0_SeCrEt\",\"token\":\"1.0_SeCrEt\"}",
        "{\"token\":\"1.0_SeCrEt\",\"reason\":[\"1.0_SeCrEt\"]}",
        "{\"token\":\"a\",\"expires_at\":\"1.0_SeCrEt\"}",
        "{\"partner\":\"1.0_SeCrEt+\"}",
    };

    (void) state;

    for (i = 0; i < trv_test_n(bodies); i++) {
        assert_int_equal(trv_parse(bodies[i], strlen(bodies[i]), &req, error),
                         TRV_INVALID);
        assert_null(strstr(error, "SeCrEt"));
        assert_true(strlen(error) > 0);
    }
}


static void
trv_request_limits(void **state)
{
    int            i, n;
    char          *body, *p, error[TRV_REQUEST_ERROR_LEN];
    trv_request_t  req;

    (void) state;

    body = malloc(TRV_REQUEST_MAX_LEN + 2);

    for (n = 1000; n <= 1001; n++) {
        p = body + sprintf(body, "{\"tokens\":[");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s\"t%d\"", i ? "," : "", i);
        }

        p += sprintf(p, "]}");

        assert_int_equal(trv_parse(body, p - body, &req, error),
                         n == 1000 ? TRV_OK : TRV_INVALID);

        if (n == 1000) {
            assert_int_equal(req.n, 1000);
            trv_request_destroy(&req);
        }
    }

    for (n = 256; n <= 257; n++) {
        p = body + sprintf(body, "{\"token\":\"a\",\"reason\":\"");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "\xf0\x9f\x94\x92");     /* one character */
        }

        p += sprintf(p, "\"}");

        assert_int_equal(trv_parse(body, p - body, &req, error),
                         n == 256 ? TRV_OK : TRV_INVALID);

        if (n == 256) {
            trv_request_destroy(&req);
        }
    }

    memset(body, ' ', TRV_REQUEST_MAX_LEN + 1);
    memcpy(body, "{\"token\":\"a\"}", 13);
    assert_int_equal(trv_parse(body, TRV_REQUEST_MAX_LEN, &req, error),
                     TRV_OK);
    trv_request_destroy(&req);
    assert_int_equal(trv_parse(body, TRV_REQUEST_MAX_LEN + 1, &req, error),
                     TRV_INVALID);

    memset(body, '[', 100000);
    assert_int_equal(trv_parse(body, 100000, &req, error), TRV_INVALID);

    free(body);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_request_good_bodies),
        cmocka_unit_test(trv_request_scopes),
        cmocka_unit_test(trv_request_bad_bodies_are_named),
        cmocka_unit_test(trv_request_messages_hold_no_token),
        cmocka_unit_test(trv_request_limits),
    };

    return cmocka_run_group_tests_name("trv_request", tests, NULL, NULL);
}
