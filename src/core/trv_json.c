
/*
 * jansson does JSON; what it is given is bounded before: its own limit of
 * depth (2048) is ours to lower only at its build, and a value takes it 0.4 us.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trv_json.h"
#include "trv_time.h"


static trv_rc_e trv_json_bounds_check(const char *text, size_t len,
    size_t values);


trv_rc_e
trv_json_load(const char *text, size_t len, const char *what, size_t values,
    json_t **value, char error[TRV_JSON_ERROR_LEN])
{
    trv_rc_e      rc;
    json_error_t  json_error;

    if (len == 0) {
        return trv_json_refuse(error, "the %s is empty", what);
    }

    rc = trv_json_bounds_check(text, len, values);

    if (rc == TRV_INVALID) {
        return trv_json_refuse(error, "the JSON is nested deeper than %d",
                               TRV_JSON_MAX_DEPTH);
    }

    if (rc == TRV_FULL) {
        return trv_json_refuse(error, "the %s has more than %zu values", what,
                               values);
    }

    *value = json_loadb(text, len, JSON_REJECT_DUPLICATES|JSON_DECODE_ANY,
                        &json_error);

    if (*value == NULL) {

        /* the text of jansson's error quotes what it read: maybe a token */

        if (memchr(text, '\n', len) == NULL) {
            return trv_json_refuse(error, "the %s is not valid JSON (column "
                                   "%d)", what, json_error.column);
        }

        return trv_json_refuse(error, "the %s is not valid JSON (line %d, "
                               "column %d)",
                               what, json_error.line, json_error.column);
    }

    return TRV_OK;
}


/*
 * Brackets and commas outside strings; the rest is for jansson to check.
 * TRV_INVALID: too deep; TRV_FULL: too many values.
 */

static trv_rc_e
trv_json_bounds_check(const char *text, size_t len, size_t values)
{
    bool      string;
    size_t    i, n;
    unsigned  depth;

    string = false;
    depth = 0;
    n = 1;

    for (i = 0; i < len; i++) {

        if (string) {
            if (text[i] == '\\') {
                i++;

            } else if (text[i] == '"') {
                string = false;
            }

            continue;
        }

        switch (text[i]) {

        case '"':
            string = true;
            break;

        case '{':
        case '[':
            if (++depth > TRV_JSON_MAX_DEPTH) {
                return TRV_INVALID;
            }

            n++;                         /* its first one */
            break;

        case ',':
            n++;
            break;

        case '}':
        case ']':
            if (depth) {
                depth--;
            }
            break;
        }

        if (n > values) {
            return TRV_FULL;
        }
    }

    return TRV_OK;
}


trv_rc_e
trv_json_time(json_t *value, const char *name, int64_t *sec,
    char error[TRV_JSON_ERROR_LEN])
{
    if (json_is_integer(value)) {
        *sec = json_integer_value(value);
        return TRV_OK;
    }

    if (json_is_string(value)
        && trv_time_parse(json_string_value(value), json_string_length(value),
                          sec)
           == TRV_OK)
    {
        return TRV_OK;
    }

    return trv_json_refuse(error, "\"%s\" must be Unix seconds, or a time "
                           "such as \"2027-03-01T00:00:00Z\"", name);
}


const char *
trv_json_quote(const char *text, const char *allowed, trv_json_quoted_t quoted)
{
    size_t  len;

    len = strspn(text, allowed);

    if (len > TRV_JSON_QUOTE_LEN || text[len] != '\0') {
        return "(not repeated here)";
    }

    (void) snprintf(quoted, sizeof(trv_json_quoted_t), "\"%s\"", text);

    return quoted;
}


trv_rc_e
trv_json_refuse(char error[TRV_JSON_ERROR_LEN], const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    (void) vsnprintf(error, TRV_JSON_ERROR_LEN, format, args);
    va_end(args);

    return TRV_INVALID;
}
