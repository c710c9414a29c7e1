
/*
 * Replies of XREAD -> entries of the log, strictly checked.
 *
 * An entry of the log is a stream entry with the fields
 *
 *     prev   id of the entry before it, as the log knew it when it was added
 *     ids    "ID:EXPIRY ID:EXPIRY ...", at most 1000; or
 *     merge  an edge: digests changed without entries, compare
 *     by, why, ack ("1": somebody waits for all edges)
 *
 * Unknown fields are ignored.  Nothing is allocated or copied: everything
 * points into the reply.
 */

#ifndef TRV_STREAM_H
#define TRV_STREAM_H

#include "trv_id.h"
#include "trv_position.h"


#define TRV_STREAM_MAX_IDS  1000         /* of one entry */


struct redisReply;


typedef struct {
    const struct redisReply  *entries;   /* NULL: none */
    size_t                    next;
    trv_position_t            last;      /* ids must ascend */
} trv_stream_t;


typedef struct {
    trv_position_t  id;
    trv_position_t  prev;                /* 0-0 where it cannot be read */
    trv_str_t       ids;                 /* what is not read yet */
    bool            ack;
    bool            merge;
} trv_entry_t;


/*
 * TRV_OK; TRV_DECLINED: a nil reply, nothing was added in time;
 * TRV_CORRUPT: not a reply of XREAD on this one key.
 */
trv_rc_e trv_stream_open(trv_stream_t *s, const struct redisReply *reply,
    const trv_str_t *key);

/*
 * TRV_OK; TRV_DECLINED: that was the last one.
 * TRV_INVALID: an entry that does not parse, to be skipped: entry->id and prev
 * are set, ids is empty.  It is checked whole, never applied in part.
 * TRV_CORRUPT: an id that is none or does not ascend: the reply is worthless.
 */
trv_rc_e trv_stream_next(trv_stream_t *s, trv_entry_t *entry);

/* the next revocation of an entry that was TRV_OK; TRV_DECLINED: the end */
trv_rc_e trv_entry_next(trv_entry_t *entry, trv_id_t *id, uint16_t *day);

/* Unix seconds as text -> UTC day, at most 65535; TRV_INVALID: not a number,
   or before the second day of 1970 (day 0 means "not written") */
trv_rc_e trv_day_parse(const char *expiry, size_t len, uint16_t *day);


#endif /* TRV_STREAM_H */
