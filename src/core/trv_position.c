
/*
 * Log positions as Redis spells them.  They are compared, stored and sent
 * back, so one position has one spelling.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trv_number.h"
#include "trv_position.h"


trv_rc_e
trv_position_parse(const char *text, size_t len, trv_position_t *pos)
{
    size_t           n;
    const char      *dash;
    trv_position_t   p;

    dash = (len != 0) ? memchr(text, '-', len) : NULL;

    if (dash == NULL) {
        return TRV_INVALID;
    }

    n = (size_t) (dash - text);

    if (trv_number_parse(text, n, &p.ms) != TRV_OK
        || trv_number_parse(dash + 1, len - n - 1, &p.seq) != TRV_OK)
    {
        return TRV_INVALID;
    }

    *pos = p;

    return TRV_OK;
}


size_t
trv_position_format(const trv_position_t *pos, char text[TRV_POSITION_LEN + 1])
{
    return (size_t) snprintf(text, TRV_POSITION_LEN + 1,
                             "%" PRIu64 "-%" PRIu64, pos->ms, pos->seq);
}


int
trv_position_cmp(const trv_position_t *a, const trv_position_t *b)
{
    if (a->ms != b->ms) {
        return (a->ms < b->ms) ? -1 : 1;
    }

    if (a->seq != b->seq) {
        return (a->seq < b->seq) ? -1 : 1;
    }

    return 0;
}
