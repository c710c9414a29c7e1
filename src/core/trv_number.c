
/*
 * strtoull() is not used: it takes signs, blanks and other spellings, depends
 * on the locale and wants terminated text.
 */

#include "trv_number.h"


trv_rc_e
trv_number_parse(const char *text, size_t len, uint64_t *n)
{
    size_t    i;
    uint64_t  digit, value;

    if (len == 0 || (len > 1 && text[0] == '0')) {
        return TRV_INVALID;
    }

    value = 0;

    for (i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return TRV_INVALID;
        }

        digit = (uint64_t) (text[i] - '0');

        if (value > (UINT64_MAX - digit) / 10) {
            return TRV_INVALID;
        }

        value = value * 10 + digit;
    }

    *n = value;

    return TRV_OK;
}


trv_rc_e
trv_number_parse_hex(const char *text, size_t len, uint64_t *n)
{
    size_t    i;
    uint64_t  value;

    if (len == 0 || len > 16) {
        return TRV_INVALID;
    }

    value = 0;

    for (i = 0; i < len; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            value = value << 4 | (uint64_t) (text[i] - '0');

        } else if (text[i] >= 'a' && text[i] <= 'f') {
            value = value << 4 | (uint64_t) (text[i] - 'a' + 10);

        } else {
            return TRV_INVALID;
        }
    }

    *n = value;

    return TRV_OK;
}
