
/* the first byte chooses the parser, the rest is what it reads */

#include <stdlib.h>
#include <string.h>

#include "trv_bearer.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *buf;
    trv_rc_e     rc;
    trv_str_t    token, name = trv_str("token");
    const char  *value;

    if (size == 0) {
        return 0;
    }

    value = (const char *) data + 1;
    size--;
    buf = malloc(size + 1);

    switch (data[0] % 4) {

    case 0:
        rc = trv_bearer_parse(value, size, &token);
        break;

    case 1:
        rc = trv_bearer_arg(value, size, &name, buf, &token);
        break;

    case 2:
        rc = trv_bearer_cookie(value, size, &name, &token);
        break;

    default:
        rc = trv_bearer_token_check(value, size);
        token.data = value;
        token.len = size;
    }

    /* a token is one, and lies in what was given */

    if (rc == TRV_OK
        && (token.len == 0 || token.len > TRV_BEARER_MAX_LEN
            || trv_bearer_token_check(token.data, token.len) != TRV_OK
            || !((token.data >= value
                  && token.data + token.len <= value + size)
                 || (token.data >= buf
                     && token.data + token.len <= buf + size))))
    {
        abort();
    }

    if (rc != TRV_OK && rc != TRV_DECLINED && rc != TRV_INVALID) {
        abort();
    }

    free(buf);

    return 0;
}
