
#include "trv_test.h"
#include "trv_form.h"


/* parses a copy that ends where the text does, so that ASan sees its edge */

static trv_rc_e
form_parse(const char *text, trv_form_t *form, char **body)
{
    size_t       len;
    trv_rc_e     rc;
    const char  *error = NULL;

    len = strlen(text);
    *body = malloc(len ? len : 1);
    memcpy(*body, text, len);

    rc = trv_form_parse(*body, len, form, &error);

    assert_int_equal(rc != TRV_OK, error != NULL);

    /* RFC 6749, 5.2: what an error_description may hold */

    for ( /* void */ ; error && *error; error++) {
        assert_true(*error >= 0x20 && *error < 0x7f
                    && *error != '"' && *error != '\\');
    }

    return rc;
}


static void
trv_form_finds_the_token(void **state)
{
    char        *body;
    size_t       i;
    trv_form_t   form;

    static const struct {
        const char  *body, *token, *hint;
    } cases[] = {
        { "token=abc", "abc", "" },
        { "token=abc&token_type_hint=access_token", "abc", "access_token" },
        { "token_type_hint=x&token=abc", "abc", "x" },
        { "&&token=abc&", "abc", "" },
        { "token=a%2Bb+c%25", "a+b c%", "" },
        { "%74oken=abc", "abc", "" },
        { "a=b&token=x=y=&c", "x=y=", "" },
        { "token=&token=abc", "abc", "" },
        { "token&token=abc", "abc", "" },
        { "tokens=1&Token=2&token=abc", "abc", "" },
        { "foo=1&foo=2&token=abc", "abc", "" },
        { "token=%00a", "\0a", "" },
    };

    (void) state;

    for (i = 0; i < trv_test_n(cases); i++) {
        assert_int_equal(form_parse(cases[i].body, &form, &body), TRV_OK);

        if (cases[i].token[0]) {
            assert_int_equal(form.token.len, strlen(cases[i].token));
            assert_memory_equal(form.token.data, cases[i].token,
                                form.token.len);
        } else {
            assert_int_equal(form.token.len, 2);
        }

        assert_int_equal(form.token_type_hint.len, strlen(cases[i].hint));
        assert_memory_equal(form.token_type_hint.data, cases[i].hint,
                            form.token_type_hint.len);
        free(body);
    }
}


static void
trv_form_refuses(void **state)
{
    char        *body;
    size_t       i;
    trv_form_t   form;

    static const char *const  bad[] = {
        "", "&", "=", "token", "token=", "tokens=abc", "{\"token\":\"abc\"}",
        "token=a&token=a", "token=a&token=b", "token=a&%74oken=b",
        "token=a&token_type_hint=b&token_type_hint=c",
        "token=%", "token=a%2", "token=%zz", "%=1&token=a", "token=a&b=%g0",
    };

    (void) state;

    for (i = 0; i < trv_test_n(bad); i++) {
        if (form_parse(bad[i], &form, &body) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }

        free(body);
    }
}


static void
trv_form_has_limits(void **state)
{
    char        *text, *body;
    trv_form_t   form;

    (void) state;

    text = malloc(TRV_FORM_MAX_TOKEN + 8);
    memset(text, 'x', TRV_FORM_MAX_TOKEN + 7);
    memcpy(text, "token=", 6);

    text[6 + TRV_FORM_MAX_TOKEN] = '\0';
    assert_int_equal(form_parse(text, &form, &body), TRV_OK);
    free(body);

    text[6 + TRV_FORM_MAX_TOKEN] = 'x';
    text[7 + TRV_FORM_MAX_TOKEN] = '\0';
    assert_int_equal(form_parse(text, &form, &body), TRV_INVALID);
    free(body);

    free(text);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_form_finds_the_token),
        cmocka_unit_test(trv_form_refuses),
        cmocka_unit_test(trv_form_has_limits),
    };

    return cmocka_run_group_tests_name("trv_form", tests, NULL, NULL);
}
