
/*
 * Token ids: the only form in which a token is stored, logged or shown.
 *
 * A token id is the first 128 bits of SHA-256(token), FIPS 180-4, written as
 * 32 lower-case hexadecimal digits.  A first half of zero marks an empty slot
 * of the table, so a digest that starts with 64 zero bits gets 1 there, and an
 * id with a zero first half is refused as input.
 */

#ifndef TRV_ID_H
#define TRV_ID_H

#include "trv_core.h"


#define TRV_ID_HEX_LEN  32


typedef struct {
    uint64_t  hi;            /* bytes 0-7 of the digest, big-endian; never 0 */
    uint64_t  lo;            /* bytes 8-15 */
} trv_id_t;


/* token -> id.  TRV_OK, or TRV_ERROR when OpenSSL fails.  Allocates nothing. */
trv_rc_e trv_id_digest(const char *token, size_t len, trv_id_t *id);

/*
 * 32 lower-case hex digits -> id.  TRV_INVALID for another length or alphabet
 * (capitals too: one id has one spelling) and for a zero first half.
 */
trv_rc_e trv_id_parse(const char *hex, size_t len, trv_id_t *id);

/* id -> 32 digits, no terminating zero */
void trv_id_format(const trv_id_t *id, char hex[TRV_ID_HEX_LEN]);


static inline bool
trv_id_equal(const trv_id_t *a, const trv_id_t *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}


#endif /* TRV_ID_H */
