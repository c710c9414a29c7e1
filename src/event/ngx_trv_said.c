
#include <ngx_event.h>

#include "ngx_trv_said.h"


#define NGX_TRV_SAID_QUIET_MS  60000


ngx_uint_t
ngx_trv_said_news(ngx_trv_said_t *said, u_char *reason, size_t len,
    ngx_err_t err)
{
    uint32_t    hash;
    ngx_uint_t  i, room, news;

    hash = ngx_crc32_long(reason, len) ^ (uint32_t) err;
    hash = hash ? hash : 1;              /* zero is a free place */
    room = 0;

    for (i = 0; i < NGX_TRV_SAID_N; i++) {

        if (said->hash[i] == hash) {
            news = ngx_current_msec - said->seen[i] > NGX_TRV_SAID_QUIET_MS;
            said->seen[i] = ngx_current_msec;
            return news;
        }

        if (said->hash[room]
            && (said->hash[i] == 0
                || (ngx_msec_int_t) (said->seen[i] - said->seen[room]) < 0))
        {
            room = i;
        }
    }

    said->hash[room] = hash;
    said->seen[room] = ngx_current_msec;

    return 1;
}


void
ngx_trv_said_forget(ngx_trv_said_t *said)
{
    ngx_memzero(said->hash, sizeof(said->hash));
}
