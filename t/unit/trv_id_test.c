
#include <openssl/sha.h>

#include "trv_test.h"


typedef struct {
    const char  *token;
    const char  *id;
} trv_id_case_t;


static void
trv_id_is_the_first_half_of_sha256(void **state)
{
    char      hex[TRV_ID_HEX_LEN], text[1000];
    size_t    i;
    trv_id_t  id, other;

    /* FIPS 180-4 examples, and what sha256sum says of an empty text */

    static const trv_id_case_t  cases[] = {
        { "abc", "ba7816bf8f01cfea414140de5dae2223" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039" },
        { "", "e3b0c44298fc1c149afbf4c8996fb924" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        assert_int_equal(trv_id_digest(cases[i].token, strlen(cases[i].token),
                                       &id), TRV_OK);
        trv_id_format(&id, hex);
        assert_memory_equal(hex, cases[i].id, TRV_ID_HEX_LEN);
    }

    /* a long one, to its last byte */

    memset(text, 'a', sizeof(text));
    assert_int_equal(trv_id_digest(text, sizeof(text), &id), TRV_OK);
    trv_id_format(&id, hex);
    assert_memory_equal(hex, "41edece42d63e8d9bf515a9ba6932e1c",
                        TRV_ID_HEX_LEN);

    text[sizeof(text) - 1] = 'b';
    assert_int_equal(trv_id_digest(text, sizeof(text), &other), TRV_OK);
    assert_false(trv_id_equal(&id, &other));
}


/* around the lengths at which the padding takes another block */

static void
trv_id_is_right_at_any_length(void **state)
{
    int            i, n;
    char           hex[TRV_ID_HEX_LEN], text[300];
    size_t         len;
    trv_id_t       id;
    unsigned char  md[SHA256_DIGEST_LENGTH];

    (void) state;

    for (n = 0; n < (int) sizeof(text); n++) {
        text[n] = (char) (n * 89 + 7);
    }

    for (len = 0; len <= sizeof(text); len++) {
        SHA256((unsigned char *) text, len, md);
        assert_int_equal(trv_id_digest(text, len, &id), TRV_OK);
        trv_id_format(&id, hex);

        for (i = 0; i < TRV_ID_HEX_LEN / 2; i++) {
            assert_int_equal(sscanf(hex + 2 * i, "%2x", (unsigned *) &n), 1);
            assert_int_equal(n, md[i]);
        }
    }
}


static void
trv_id_text_has_one_spelling(void **state)
{
    char      hex[TRV_ID_HEX_LEN];
    size_t    i;
    trv_id_t  id;

    static const char  good[] = "0123456789abcdef0000000000000000";
    static const char *const  bad[] = {
        "", "0123456789abcdef000000000000000",
        "0123456789abcdef00000000000000000",
        "0123456789ABCDEF0000000000000000",
        "0123456789abcdeg0000000000000000",
        "0123456789abcdef000000000000000 ",
        " 123456789abcdef0000000000000000",
        "0x23456789abcdef0000000000000000",
        "00000000000000000123456789abcdef",
        "00000000000000000000000000000000",
    };

    (void) state;

    assert_int_equal(trv_id_parse(good, strlen(good), &id), TRV_OK);
    assert_int_equal(id.hi, 0x0123456789abcdef);
    assert_int_equal(id.lo, 0);
    trv_id_format(&id, hex);
    assert_memory_equal(hex, good, TRV_ID_HEX_LEN);

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_id_parse(bad[i], strlen(bad[i]), &id) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}


static void
trv_id_never_has_an_empty_first_half(void **state)
{
    char      hex[TRV_ID_HEX_LEN];
    trv_id_t  id = { 1, 2 }, again;

    (void) state;

    trv_id_format(&id, hex);
    assert_memory_equal(hex, "00000000000000010000000000000002",
                        TRV_ID_HEX_LEN);
    assert_int_equal(trv_id_parse(hex, TRV_ID_HEX_LEN, &again), TRV_OK);
    assert_true(trv_id_equal(&id, &again));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_id_is_the_first_half_of_sha256),
        cmocka_unit_test(trv_id_is_right_at_any_length),
        cmocka_unit_test(trv_id_text_has_one_spelling),
        cmocka_unit_test(trv_id_never_has_an_empty_first_half),
    };

    return cmocka_run_group_tests_name("trv_id", tests, NULL, NULL);
}
