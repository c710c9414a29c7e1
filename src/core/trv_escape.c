
#include "trv_escape.h"


static int trv_escape_hex_digit(char c);


trv_rc_e
trv_escape_decode(const char *p, size_t len, char *buf, size_t *decoded_len)
{
    int          hi, lo;
    char        *dst;
    const char  *end;

    dst = buf;
    end = p + len;

    while (p < end) {

        if (*p != '%') {
            *dst++ = *p++;
            continue;
        }

        if (end - p < 3) {
            return TRV_INVALID;
        }

        hi = trv_escape_hex_digit(p[1]);
        lo = trv_escape_hex_digit(p[2]);

        if (hi < 0 || lo < 0) {
            return TRV_INVALID;
        }

        *dst++ = (char) (hi << 4 | lo);
        p += 3;
    }

    *decoded_len = dst - buf;

    return TRV_OK;
}


static int
trv_escape_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}
