
/*
 * The body of an OAuth request: application/x-www-form-urlencoded, with the
 * parameters of token revocation (RFC 7009, 2.1) and token introspection
 * (RFC 7662, 2.1).
 *
 * A parameter without a value counts as left out, one that is not known is
 * ignored, and none may be given twice (RFC 6749, 3.2).
 */

#ifndef TRV_FORM_H
#define TRV_FORM_H

#include "trv_core.h"


#define TRV_FORM_MAX_LEN    32768        /* bytes: a token of escapes only */
#define TRV_FORM_MAX_TOKEN  8192         /* bytes, decoded */


/* slices of the body, decoded; empty: not given */
typedef struct {
    trv_str_t  token;
    trv_str_t  token_type_hint;
} trv_form_t;


/*
 * Decodes in place: the body is overwritten.
 *
 * TRV_OK: there is a token.  TRV_INVALID: *error is a sentence for the client
 * of the characters that "error_description" may have (RFC 6749, 5.2), and
 * repeats nothing of the body.
 */
trv_rc_e trv_form_parse(char *body, size_t len, trv_form_t *form,
    const char **error);


#endif /* TRV_FORM_H */
