
#include <stdlib.h>
#include <string.h>

#include "trv_request.h"


#define NOW  1800000000


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           error[TRV_REQUEST_ERROR_LEN];
    trv_rc_e       rc;
    trv_request_t  req;

    memset(error, 'x', sizeof(error));

    rc = trv_request_parse((const char *) data, size, NOW,
                           1826 * (int64_t) TRV_DAY_SEC, &req, error);

    if (rc == TRV_OK) {
        if ((req.n == 0) != (req.partner[0] || req.store[0])
            || (req.n == 0) != (req.ids == NULL)
            || req.n > TRV_REQUEST_MAX_IDS
            || memchr(req.partner, 0, sizeof(req.partner)) == NULL
            || memchr(req.store, 0, sizeof(req.store)) == NULL
            || (req.expires_at && req.expires_at <= NOW)
            || (req.reason
                && strlen(req.reason) > 4 * TRV_REQUEST_MAX_REASON))
        {
            abort();
        }

        trv_request_destroy(&req);
        return 0;
    }

    if (rc != TRV_INVALID || req.ids || req.reason
        || memchr(error, '\0', sizeof(error)) == NULL || error[0] == '\0')
    {
        abort();
    }

    return 0;
}
