
/*
 * What Redis says of itself: the reply of heartbeat.lua, which digests.lua
 * begins with too, strictly checked.
 */

#ifndef TRV_HEARTBEAT_H
#define TRV_HEARTBEAT_H

#include "trv_digest.h"
#include "trv_position.h"


#define TRV_RUN_ID_LEN       40          /* hex digits, of the server process */
#define TRV_HEARTBEAT_WORDS  11


struct redisReply;


typedef struct {
    bool            master;
    char            repl_id[TRV_RUN_ID_LEN + 1];
    char            set_id[TRV_ID_HEX_LEN + 1];  /* "": unborn */
    trv_position_t  last;                        /* id in the log */
    trv_digest_t    total;               /* as `days` has it */
    uint64_t        kept;                /* revocations from first_day on */
    uint16_t        first_day;           /* all before are forgotten */
    uint16_t        yesterday;           /* of Redis, UTC */
    bool            merging;             /* it is some edge's turn */
    uint64_t        time_ms;             /* of Redis, Unix */
    bool            policy;              /* was asked for: */
    bool            evicting;            /* maxmemory-policy is allkeys-* */
} trv_heartbeat_t;


/* TRV_OK; TRV_CORRUPT: not such a reply, hb is undefined */
trv_rc_e trv_heartbeat_parse(const struct redisReply *reply,
    trv_heartbeat_t *hb);

/* an integer reply, or a string of digits: TRV_OK or TRV_CORRUPT */
trv_rc_e trv_reply_number(const struct redisReply *reply, uint64_t max,
    uint64_t *n);


#endif /* TRV_HEARTBEAT_H */
