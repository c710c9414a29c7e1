
/*
 * Percent-encoding (RFC 3986, 2.1).
 */

#ifndef TRV_ESCAPE_H
#define TRV_ESCAPE_H

#include "trv_core.h"


/*
 * Decodes len bytes into buf, which has room for as many and may be where they
 * are.  TRV_INVALID: a broken escape; what buf holds is not defined.
 */
trv_rc_e trv_escape_decode(const char *p, size_t len, char *buf,
    size_t *decoded_len);


#endif /* TRV_ESCAPE_H */
