
/*
 * A position in the log: a Redis stream id, "1795455605123-0".
 */

#ifndef TRV_POSITION_H
#define TRV_POSITION_H

#include "trv_core.h"


#define TRV_POSITION_LEN  41             /* two uint64 and a dash, as text */


typedef struct {
    uint64_t  ms;
    uint64_t  seq;
} trv_position_t;


/* TRV_INVALID: not two decimal numbers below 2^64 with a dash between */
trv_rc_e trv_position_parse(const char *text, size_t len, trv_position_t *pos);
size_t trv_position_format(const trv_position_t *pos,
    char text[TRV_POSITION_LEN + 1]);
int trv_position_cmp(const trv_position_t *a, const trv_position_t *b);


#endif /* TRV_POSITION_H */
