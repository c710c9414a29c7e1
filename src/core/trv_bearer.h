
/*
 * Where a call carries its token: request bytes -> token slice.
 *
 * What is checked must be exactly what the upstream will read, so nothing is
 * ever trimmed or repaired: what is not to the letter is refused.
 *
 *     credentials = "Bearer" 1*SP b64token                 RFC 6750, 2.1
 *     b64token    = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" )
 *                   *"="
 *
 * Nothing is allocated; slices point into the input, or into the buffer of the
 * caller where a value had to be decoded.
 */

#ifndef TRV_BEARER_H
#define TRV_BEARER_H

#include "trv_core.h"


#define TRV_BEARER_MAX_LEN  8192         /* longest token, bytes */

/* what it is made of, for people */
#define TRV_BEARER_CHARS    "A-Z a-z 0-9 - . _ ~ + /, and = at its end"


/*
 * The value of an Authorization header.
 *
 * TRV_OK        a token
 * TRV_DECLINED  no bearer token: empty value, or another scheme
 * TRV_INVALID   a bearer token that breaks the grammar, or a value that two
 *               readers could read differently (leading blanks, control
 *               bytes, "Basic x, Bearer y")
 */
trv_rc_e trv_bearer_parse(const char *value, size_t len, trv_str_t *token);

/* a bare token (a header of its own, a cookie): TRV_OK or TRV_INVALID */
trv_rc_e trv_bearer_token_check(const char *value, size_t len);

/*
 * The token in a query string (RFC 6750, 2.3), as the argument `name`.
 *
 * The value is percent-decoded into buf (room for len bytes) when it has to
 * be.  TRV_DECLINED: no such argument.  TRV_INVALID: more than one, a bad
 * token, or the name in another spelling (percent-encoded, other case), which
 * the upstream might read though we would not, or next to a ";", which
 * separates arguments for some readers only.
 */
trv_rc_e trv_bearer_arg(const char *query, size_t len, const trv_str_t *name,
    char *buf, trv_str_t *token);

/*
 * The token in one Cookie header (RFC 6265, 4.2.1), as the cookie `name`.
 * TRV_DECLINED: no such cookie.  TRV_INVALID: more than one, a bad token, or
 * the name in another spelling.
 */
trv_rc_e trv_bearer_cookie(const char *value, size_t len,
    const trv_str_t *name, trv_str_t *token);


#endif /* TRV_BEARER_H */
