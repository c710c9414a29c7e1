
/* replies to XREAD and heartbeats that hold anything */

#include "trv_fuzz_reply.h"
#include "trv_heartbeat.h"
#include "trv_stream.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t            ids;
    trv_id_t          id;
    uint16_t          day;
    uint64_t          n;
    trv_rc_e          rc;
    trv_str_t         key = trv_str(TRV_FUZZ_LOG);
    trv_bytes_t       in = { data, data + size };
    redisReply       *reply;
    trv_entry_t       entry;
    trv_stream_t      s;
    trv_heartbeat_t   hb;

    reply = trv_reply(&in, 0);

    (void) trv_heartbeat_parse(reply, &hb);
    (void) trv_reply_number(reply, UINT64_MAX, &n);

    if (trv_stream_open(&s, reply, &key) == TRV_OK) {

        while ((rc = trv_stream_next(&s, &entry)) == TRV_OK
               || rc == TRV_INVALID)
        {
            ids = 0;

            /* what was said to parse does so to its end */

            while ((rc == TRV_OK) && entry.ids.len) {
                if (trv_entry_next(&entry, &id, &day) != TRV_OK
                    || id.hi == 0 || day == 0
                    || ++ids > TRV_STREAM_MAX_IDS)
                {
                    abort();
                }
            }
        }
    }

    freeReplyObject(reply);

    return 0;
}
