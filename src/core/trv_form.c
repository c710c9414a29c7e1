
/*
 * One pass over the pairs: each is decoded where it stands, which only makes
 * it shorter, and the two that matter are kept.
 */

#include <string.h>

#include "trv_escape.h"
#include "trv_form.h"


static trv_rc_e trv_form_pair(char *pair, size_t len, trv_form_t *form,
    const char **error);
static bool trv_form_decode(char *p, size_t len, trv_str_t *decoded);
static bool trv_form_is(const trv_str_t *name, const char *text);


trv_rc_e
trv_form_parse(char *body, size_t len, trv_form_t *form, const char **error)
{
    char      *p, *end, *last;
    trv_rc_e   rc;

    memset(form, 0, sizeof(trv_form_t));

    last = body + len;

    for (p = body; p < last; p = end + 1) {

        end = memchr(p, '&', last - p);
        if (end == NULL) {
            end = last;
        }

        rc = trv_form_pair(p, end - p, form, error);
        if (rc != TRV_OK) {
            return rc;
        }
    }

    if (form->token.len == 0) {
        *error = "The parameter token is missing.";
        return TRV_INVALID;
    }

    if (form->token.len > TRV_FORM_MAX_TOKEN) {
        *error = "The parameter token has more than 8192 bytes.";
        return TRV_INVALID;
    }

    return TRV_OK;
}


static trv_rc_e
trv_form_pair(char *pair, size_t len, trv_form_t *form, const char **error)
{
    char       *equal;
    size_t      name_len;
    trv_str_t   name, value, *known;

    equal = memchr(pair, '=', len);
    name_len = equal ? (size_t) (equal - pair) : len;

    value.data = "";
    value.len = 0;

    if (!trv_form_decode(pair, name_len, &name)
        || (equal && !trv_form_decode(equal + 1, len - name_len - 1, &value)))
    {
        *error = "The body is not a form: a percent sign must be followed by "
                 "two hexadecimal digits.";
        return TRV_INVALID;
    }

    if (trv_form_is(&name, "token")) {
        known = &form->token;

    } else if (trv_form_is(&name, "token_type_hint")) {
        known = &form->token_type_hint;

    } else {
        return TRV_OK;
    }

    if (value.len == 0) {
        return TRV_OK;
    }

    if (known->len) {
        *error = (known == &form->token)
                 ? "The parameter token is given more than once."
                 : "The parameter token_type_hint is given more than once.";
        return TRV_INVALID;
    }

    *known = value;

    return TRV_OK;
}


/* WHATWG URL, 5.1: a plus sign is a blank */

static bool
trv_form_decode(char *p, size_t len, trv_str_t *decoded)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] == '+') {
            p[i] = ' ';
        }
    }

    decoded->data = p;

    return trv_escape_decode(p, len, p, &decoded->len) == TRV_OK;
}


static bool
trv_form_is(const trv_str_t *name, const char *text)
{
    return name->len == strlen(text)
           && memcmp(name->data, text, name->len) == 0;
}
