
/*
 * Numbers in text that comes from elsewhere, one spelling each: no sign, no
 * blanks, no leading zeros, lower-case hexadecimal digits.
 */

#ifndef TRV_NUMBER_H
#define TRV_NUMBER_H

#include "trv_core.h"


/* a decimal number below 2^64; TRV_INVALID else, empty text too */
trv_rc_e trv_number_parse(const char *text, size_t len, uint64_t *n);

/* 1 to 16 hexadecimal digits, leading zeros allowed; TRV_INVALID else */
trv_rc_e trv_number_parse_hex(const char *text, size_t len, uint64_t *n);


#endif /* TRV_NUMBER_H */
