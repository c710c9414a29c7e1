
#include "trv_test.h"
#include "trv_bearer.h"


typedef struct {
    const char  *value;
    size_t       len;
    trv_rc_e     rc;
    const char  *token;
} trv_bearer_case_t;

#define CASE(value, rc, token)  { value, sizeof(value) - 1, rc, token }


static void
trv_bearer_check(const trv_bearer_case_t *c, trv_rc_e rc,
    const trv_str_t *token)
{
    if (rc != c->rc) {
        fail_msg("\"%s\": %d, expected %d", c->value, rc, c->rc);
    }

    if (rc == TRV_OK
        && (token->len != strlen(c->token)
            || memcmp(token->data, c->token, token->len) != 0))
    {
        fail_msg("\"%s\": token \"%.*s\"", c->value, (int) token->len,
                 token->data);
    }
}


/* a copy that ends where the value does: a byte too far is seen by ASan */

static char *
trv_bearer_copy(const trv_bearer_case_t *c)
{
    char  *copy;

    copy = malloc(c->len ? c->len : 1);
    memcpy(copy, c->value, c->len);

    return copy;
}


static void
trv_bearer_header_is_read_to_the_letter(void **state)
{
    size_t     i;
    char      *copy;
    trv_rc_e   rc;
    trv_str_t  token = { NULL, 0 };

    static const trv_bearer_case_t  cases[] = {
        CASE("Bearer abc", TRV_OK, "abc"),
        CASE("bearer abc", TRV_OK, "abc"),
        CASE("BEARER abc", TRV_OK, "abc"),
        CASE("Bearer    abc", TRV_OK, "abc"),
        CASE("Bearer a", TRV_OK, "a"),
        CASE("Bearer aZ09-._~+/==", TRV_OK, "aZ09-._~+/=="),
        CASE("Bearer Bearer", TRV_OK, "Bearer"),

        CASE("", TRV_DECLINED, NULL),
        CASE("Basic abc", TRV_DECLINED, NULL),
        CASE("Basic", TRV_DECLINED, NULL),
        CASE("Beare abc", TRV_DECLINED, NULL),
        CASE("Bearerx abc", TRV_DECLINED, NULL),
        CASE("Digest a=\"b\", c=\"d\"", TRV_DECLINED, NULL),

        CASE("Bearer", TRV_INVALID, NULL),
        CASE("Bearer ", TRV_INVALID, NULL),
        CASE("Bearer   ", TRV_INVALID, NULL),
        CASE(" Bearer abc", TRV_INVALID, NULL),
        CASE("\tBearer abc", TRV_INVALID, NULL),
        CASE("Bearer\tabc", TRV_INVALID, NULL),
        CASE("Bearer \tabc", TRV_INVALID, NULL),
        CASE("Bearer abc ", TRV_INVALID, NULL),
        CASE("Bearer abc\t", TRV_INVALID, NULL),
        CASE("Bearer abc def", TRV_INVALID, NULL),
        CASE("Bearer a, Bearer b", TRV_INVALID, NULL),
        CASE("Basic a, Bearer b", TRV_INVALID, NULL),
        CASE("Basic a,bearer b", TRV_INVALID, NULL),
        CASE("Basic a, bearer", TRV_INVALID, NULL),
        CASE("Basic a Bearer b", TRV_INVALID, NULL),
        CASE("Foo Bearer b", TRV_INVALID, NULL),
        CASE("xBearer b", TRV_INVALID, NULL),
        CASE("Foo a=b; bearer\tb", TRV_INVALID, NULL),
        CASE("Basic abearer", TRV_DECLINED, NULL),
        CASE("Digest a=\"bearer\"", TRV_DECLINED, NULL),
        CASE("Bearer \"abc\"", TRV_INVALID, NULL),
        CASE("Bearer abc; x", TRV_INVALID, NULL),
        CASE("Bearer =", TRV_INVALID, NULL),
        CASE("Bearer a=b", TRV_INVALID, NULL),
        CASE("Bearer ab\0c", TRV_INVALID, NULL),
        CASE("Bearer\0 abc", TRV_INVALID, NULL),
        CASE("Bearer ab\x7f", TRV_INVALID, NULL),
        CASE("Bearer ab\x80", TRV_INVALID, NULL),
        CASE("Bearer \xc3\xa4", TRV_INVALID, NULL),
        CASE("Bearer ab\r\n", TRV_INVALID, NULL),
        CASE("Bearer:abc", TRV_INVALID, NULL),
        CASE("Bearer,abc", TRV_INVALID, NULL),
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        copy = trv_bearer_copy(&cases[i]);
        rc = trv_bearer_parse(copy, cases[i].len, &token);
        trv_bearer_check(&cases[i], rc, &token);
        free(copy);
    }
}


static void
trv_bearer_every_short_value_is_safe(void **state)
{
    char       *copy;
    size_t      len;
    trv_str_t   token;

    (void) state;

    for (len = 0; len <= sizeof("Bearer x") - 1; len++) {
        copy = malloc(len ? len : 1);
        memcpy(copy, "Bearer x", len);

        assert_int_equal(trv_bearer_parse(copy, len, &token),
                         len == 0 ? TRV_DECLINED
                         : len < 6 ? TRV_DECLINED
                         : len < 8 ? TRV_INVALID : TRV_OK);
        free(copy);
    }
}


static void
trv_bearer_token_has_at_most_8192_bytes(void **state)
{
    char       value[7 + TRV_BEARER_MAX_LEN + 1];
    trv_str_t  token;

    (void) state;

    memset(value, 'a', sizeof(value));
    memcpy(value, "Bearer ", 7);

    assert_int_equal(trv_bearer_parse(value, sizeof(value) - 1, &token),
                     TRV_OK);
    assert_int_equal(token.len, TRV_BEARER_MAX_LEN);
    assert_int_equal(trv_bearer_parse(value, sizeof(value), &token),
                     TRV_INVALID);
    assert_int_equal(trv_bearer_token_check(value + 7, TRV_BEARER_MAX_LEN + 1),
                     TRV_INVALID);
}


/* every character at every place of tokens of many lengths */

static void
trv_bearer_only_token_characters_pass(void **state)
{
    int       c;
    char      text[70];
    size_t    len, i;
    trv_rc_e  expected;

    static const char  good[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";

    (void) state;

    for (c = 0; c < 256; c++) {
        for (len = 1; len <= sizeof(text); len++) {
            for (i = 0; i < len; i++) {
                memset(text, 'a', sizeof(text));
                text[i] = (char) c;

                expected = (c && strchr(good, c))
                           || (c == '=' && i == len - 1 && len > 1)
                           ? TRV_OK : TRV_INVALID;

                assert_int_equal(trv_bearer_token_check(text, len), expected);
            }
        }
    }
}


static void
trv_bearer_padding_is_at_the_end(void **state)
{
    char    text[70];
    size_t  len, padding;

    (void) state;

    for (len = 0; len <= sizeof(text); len++) {
        for (padding = 0; padding <= len; padding++) {
            memset(text, 'a', sizeof(text));
            memset(text + len - padding, '=', padding);

            assert_int_equal(trv_bearer_token_check(text, len),
                             padding < len ? TRV_OK : TRV_INVALID);
        }
    }
}


static void
trv_bearer_arg_is_the_only_one_in_one_spelling(void **state)
{
    size_t     i;
    char      *copy, buf[256];
    trv_rc_e   rc;
    trv_str_t  token = { NULL, 0 }, name = trv_str("access_token");

    static const trv_bearer_case_t  cases[] = {
        CASE("access_token=abc", TRV_OK, "abc"),
        CASE("x=1&access_token=abc&y=2", TRV_OK, "abc"),
        CASE("x=1;y=2&access_token=abc&x=1;y=2", TRV_OK, "abc"),
        CASE("access_token=a%62c", TRV_OK, "abc"),
        CASE("access_token=%61%62%63", TRV_OK, "abc"),
        CASE("access_token=a%2fb%2Fc", TRV_OK, "a/b/c"),
        CASE("&&access_token=abc&&", TRV_OK, "abc"),
        CASE("access_token2=x&access_token=abc", TRV_OK, "abc"),

        CASE("", TRV_DECLINED, NULL),
        CASE("x=1", TRV_DECLINED, NULL),
        CASE("xaccess_token=abc", TRV_DECLINED, NULL),
        CASE("access_tokenx=abc", TRV_DECLINED, NULL),

        CASE("access_token", TRV_INVALID, NULL),
        CASE("access_token=", TRV_INVALID, NULL),
        CASE("access_token=a&access_token=a", TRV_INVALID, NULL),
        CASE("access_token=a;access_token=b", TRV_INVALID, NULL),
        CASE("x=1;access_token=abc", TRV_INVALID, NULL),
        CASE("access_token=abc;x=1", TRV_INVALID, NULL),
        CASE("access_token=abc;", TRV_INVALID, NULL),
        CASE(";access_token=abc", TRV_INVALID, NULL),
        CASE("access_token=a&Access_Token=b", TRV_INVALID, NULL),
        CASE("ACCESS_TOKEN=a", TRV_INVALID, NULL),
        CASE("%61ccess_token=a", TRV_INVALID, NULL),
        CASE("access_token=a&access%5ftoken=b", TRV_INVALID, NULL),

        /* as PHP reads them */
        CASE("access.token=a", TRV_INVALID, NULL),
        CASE("access%20token=a", TRV_INVALID, NULL),
        CASE("access+token=a", TRV_INVALID, NULL),

        /* as qs, Rack, URLSearchParams and CGI.pm read them */
        CASE("[access_token]=a", TRV_INVALID, NULL),
        CASE("%5Baccess_token%5D=a", TRV_INVALID, NULL),
        CASE("access_token]=a", TRV_INVALID, NULL),
        CASE("?access_token=a", TRV_INVALID, NULL),
        CASE("x=1&??access_token=a", TRV_INVALID, NULL),
        CASE("%u0061ccess_token=a", TRV_INVALID, NULL),
        CASE("%0baccess_token=a", TRV_INVALID, NULL),
        CASE("access_token%a0=a", TRV_INVALID, NULL),
        CASE("100%&access_token=a", TRV_INVALID, NULL),
        CASE("q=100%&access_token=a", TRV_OK, "a"),
        CASE("-access_token=a", TRV_DECLINED, NULL),
        CASE("access_token-2=a", TRV_DECLINED, NULL),
        CASE("[]=a", TRV_DECLINED, NULL),
        CASE("access[token=a", TRV_INVALID, NULL),
        CASE("access%5Btoken=a", TRV_INVALID, NULL),
        CASE("%20%20access_token=a", TRV_INVALID, NULL),
        CASE("+access_token=a", TRV_INVALID, NULL),
        CASE("access_token%00x=a", TRV_INVALID, NULL),
        CASE("access_token[]=a", TRV_INVALID, NULL),
        CASE("access_token%5b0%5d=a", TRV_INVALID, NULL),
        CASE("access_token=a&access.token=b", TRV_INVALID, NULL),
        CASE("%20", TRV_DECLINED, NULL),
        CASE("access-token=a", TRV_DECLINED, NULL),

        CASE("access_token=a%", TRV_INVALID, NULL),
        CASE("access_token=a%6", TRV_INVALID, NULL),
        CASE("access_token=a%6g", TRV_INVALID, NULL),
        CASE("access_token=a%00", TRV_INVALID, NULL),
        CASE("access_token=a%20", TRV_INVALID, NULL),
        CASE("access_token=a b", TRV_INVALID, NULL),
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        copy = trv_bearer_copy(&cases[i]);
        rc = trv_bearer_arg(copy, cases[i].len, &name, buf, &token);
        trv_bearer_check(&cases[i], rc, &token);
        free(copy);
    }
}


/* whatever comes later in the query, the token stays the one that was found */

static void
trv_bearer_arg_survives_what_follows(void **state)
{
    char       buf[64];
    trv_str_t  token, name = trv_str("t");

    static const char  query[] = "t=%61%62&x=%63%64%65%66";

    (void) state;

    assert_int_equal(trv_bearer_arg(query, sizeof(query) - 1, &name, buf,
                                    &token), TRV_OK);
    assert_int_equal(token.len, 2);
    assert_memory_equal(token.data, "ab", 2);
}


static void
trv_bearer_cookie_is_the_only_one(void **state)
{
    size_t     i;
    char      *copy;
    trv_rc_e   rc;
    trv_str_t  token = { NULL, 0 }, name = trv_str("tok");

    static const trv_bearer_case_t  cases[] = {
        CASE("tok=abc", TRV_OK, "abc"),
        CASE("a=1; tok=abc; b=2", TRV_OK, "abc"),
        CASE("", TRV_DECLINED, NULL),
        CASE("a=1; b=2", TRV_DECLINED, NULL),
        CASE("xtok=abc", TRV_DECLINED, NULL),
        CASE("TOKX=abc", TRV_DECLINED, NULL),
        CASE("tok", TRV_DECLINED, NULL),
        CASE("tOk=abc", TRV_INVALID, NULL),
        CASE("tok =abc", TRV_INVALID, NULL),
        CASE("tok\t=abc", TRV_INVALID, NULL),
        CASE("tok[]=abc", TRV_INVALID, NULL),
        CASE("+tok=abc", TRV_INVALID, NULL),
        CASE("to k=abc", TRV_DECLINED, NULL),
        CASE("tok=abc; TOK=abc", TRV_INVALID, NULL),
        CASE("tok=abc; \x0btok=def", TRV_INVALID, NULL),
        CASE("tok=abc; tok\xa0=def", TRV_INVALID, NULL),
        CASE("tok=abc; [tok]=def", TRV_INVALID, NULL),
        CASE("tok=abc; foo=bar tok=def", TRV_INVALID, NULL),
        CASE("foo=bar\x0ctok =def", TRV_INVALID, NULL),
        CASE("foo= x=1\ttok=def", TRV_INVALID, NULL),
        CASE("foo=bar xtok=1; tok=abc", TRV_OK, "abc"),
        CASE("foo=tok=1; tok=abc", TRV_OK, "abc"),
        CASE("foo=bar tok; tok=abc", TRV_OK, "abc"),
        CASE("tok=", TRV_INVALID, NULL),
        CASE("tok=abc; tok=abc", TRV_INVALID, NULL),
        CASE("tok=abc; tok=def", TRV_INVALID, NULL),
        CASE("tok=a\"b", TRV_INVALID, NULL),
        CASE("tok=a,b", TRV_INVALID, NULL),
        CASE("a=1,tok=abc", TRV_INVALID, NULL),
        CASE("a=1,2; tok=abc", TRV_OK, "abc"),
        CASE("tok=abc; a=1,2", TRV_OK, "abc"),
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        copy = trv_bearer_copy(&cases[i]);
        rc = trv_bearer_cookie(copy, cases[i].len, &name, &token);
        trv_bearer_check(&cases[i], rc, &token);
        free(copy);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_bearer_header_is_read_to_the_letter),
        cmocka_unit_test(trv_bearer_every_short_value_is_safe),
        cmocka_unit_test(trv_bearer_token_has_at_most_8192_bytes),
        cmocka_unit_test(trv_bearer_only_token_characters_pass),
        cmocka_unit_test(trv_bearer_padding_is_at_the_end),
        cmocka_unit_test(trv_bearer_arg_is_the_only_one_in_one_spelling),
        cmocka_unit_test(trv_bearer_arg_survives_what_follows),
        cmocka_unit_test(trv_bearer_cookie_is_the_only_one),
    };

    return cmocka_run_group_tests_name("trv_bearer", tests, NULL, NULL);
}
