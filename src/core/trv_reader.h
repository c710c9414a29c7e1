
/*
 * Replies of Redis, out of bytes as they come, and bounded: hiredis' reader
 * has no limit on elements, none (1.x) on nesting, and one on nothing else
 * that would stop a peer from filling our memory.
 */

#ifndef TRV_READER_H
#define TRV_READER_H

#include "trv_core.h"


#define TRV_READER_MAX_LEN       (16 * 1024 * 1024)      /* bytes */
#define TRV_READER_MAX_ELEMENTS  65536   /* with those of inner arrays */
#define TRV_READER_MAX_DEPTH     7       /* arrays in arrays; XREAD has 4 */


struct redisReply;

typedef struct trv_reader_s  trv_reader_t;


/* NULL: no memory */
trv_reader_t *trv_reader_create(void);
void trv_reader_destroy(trv_reader_t *r);

/*
 * What has come, in pieces of any size.  TRV_OK, or TRV_CORRUPT: too long, or
 * no memory.
 */
trv_rc_e trv_reader_feed(trv_reader_t *r, const void *data, size_t len);

/*
 * TRV_OK: *reply is the caller's, to be freed with hiredis' freeReplyObject().
 * TRV_AGAIN: it is not complete yet.  TRV_CORRUPT: not the protocol (RESP2), or
 * beyond the bounds.  After that nothing more can be read.
 */
trv_rc_e trv_reader_next(trv_reader_t *r, struct redisReply **reply);

/* why it was TRV_CORRUPT; lives as long as the reader */
const char *trv_reader_error(const trv_reader_t *r);


#endif /* TRV_READER_H */
