
/*
 * Day digests: (count, XOR of ids) over the revocations that expire on one UTC
 * day.  A fingerprint that does not depend on order and can be kept up entry
 * by entry.  As text "count:xor", xor as 32 hexadecimal digits, as in Redis.
 */

#ifndef TRV_DIGEST_H
#define TRV_DIGEST_H

#include "trv_id.h"


#define TRV_DIGEST_LEN  (20 + 1 + TRV_ID_HEX_LEN)


typedef struct {
    uint64_t  count;
    trv_id_t  xor;                       /* any value, a zero first half too */
} trv_digest_t;


void trv_digest_add(trv_digest_t *d, const trv_id_t *id);
void trv_digest_remove(trv_digest_t *d, const trv_id_t *id);

/* adds all of another one */
void trv_digest_join(trv_digest_t *d, const trv_digest_t *other);
bool trv_digest_equal(const trv_digest_t *a, const trv_digest_t *b);

/* TRV_INVALID: not a digest */
trv_rc_e trv_digest_parse(const char *text, size_t len, trv_digest_t *d);
size_t trv_digest_format(const trv_digest_t *d, char text[TRV_DIGEST_LEN + 1]);


#endif /* TRV_DIGEST_H */
