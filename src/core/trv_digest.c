
/*
 * Day digests.  XOR and addition commute and undo themselves, so both sides
 * can keep a digest up entry by entry, in any order, and a raised day moves an
 * id from one digest to another.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trv_digest.h"
#include "trv_number.h"


void
trv_digest_add(trv_digest_t *d, const trv_id_t *id)
{
    d->count++;
    d->xor.hi ^= id->hi;
    d->xor.lo ^= id->lo;
}


void
trv_digest_remove(trv_digest_t *d, const trv_id_t *id)
{
    d->count--;
    d->xor.hi ^= id->hi;
    d->xor.lo ^= id->lo;
}


void
trv_digest_join(trv_digest_t *d, const trv_digest_t *other)
{
    d->count += other->count;
    d->xor.hi ^= other->xor.hi;
    d->xor.lo ^= other->xor.lo;
}


bool
trv_digest_equal(const trv_digest_t *a, const trv_digest_t *b)
{
    return a->count == b->count && trv_id_equal(&a->xor, &b->xor);
}


trv_rc_e
trv_digest_parse(const char *text, size_t len, trv_digest_t *d)
{
    size_t         n;
    const char    *hex;
    trv_digest_t   t;

    /* not trv_id_parse(): the XOR of ids may have a zero first half */

    if (len < 1 + TRV_ID_HEX_LEN) {
        return TRV_INVALID;
    }

    n = len - 1 - TRV_ID_HEX_LEN;
    hex = text + n + 1;

    if (text[n] != ':'
        || trv_number_parse(text, n, &t.count) != TRV_OK
        || trv_number_parse_hex(hex, 16, &t.xor.hi) != TRV_OK
        || trv_number_parse_hex(hex + 16, 16, &t.xor.lo) != TRV_OK)
    {
        return TRV_INVALID;
    }

    *d = t;

    return TRV_OK;
}


size_t
trv_digest_format(const trv_digest_t *d, char text[TRV_DIGEST_LEN + 1])
{
    return (size_t) snprintf(text, TRV_DIGEST_LEN + 1,
                             "%" PRIu64 ":%016" PRIx64 "%016" PRIx64,
                             d->count, d->xor.hi, d->xor.lo);
}
