
/*
 * JSON from outside, for the parsers of bodies: bounded before it is parsed,
 * and words for what is wrong with it that never repeat a token.
 */

#ifndef TRV_JSON_H
#define TRV_JSON_H

#include <jansson.h>

#include "trv_core.h"


#define TRV_JSON_MAX_DEPTH   8
#define TRV_JSON_QUOTE_LEN   40          /* longest value that is repeated */
#define TRV_JSON_ERROR_LEN   256         /* bytes, with the zero */

#define TRV_JSON_NAME_CHARS  "abcdefghijklmnopqrstuvwxyz_"       /* members */
#define TRV_JSON_ID_CHARS    "0123456789abcdefABCDEF"


typedef char  trv_json_quoted_t[TRV_JSON_QUOTE_LEN + 4];


/*
 * `what` is what the text is called in messages: "body", "record"; `values`
 * how many values it may have, in all its objects and arrays.
 * TRV_OK: the value is the caller's.  TRV_INVALID: error says why.
 */
trv_rc_e trv_json_load(const char *text, size_t len, const char *what,
    size_t values, json_t **value, char error[TRV_JSON_ERROR_LEN]);

/*
 * A moment, Unix seconds or RFC 3339 text in UTC.  TRV_INVALID: it is none,
 * and error says so of the member `name`.
 */
trv_rc_e trv_json_time(json_t *value, const char *name, int64_t *sec,
    char error[TRV_JSON_ERROR_LEN]);

/*
 * A value in quotes if all of it is in `allowed` and it is short, so that it
 * looks like what was meant to be given; else it may be a token in the wrong
 * place, and is not repeated.
 */
const char *trv_json_quote(const char *text, const char *allowed,
    trv_json_quoted_t quoted);

/* writes the sentence; always TRV_INVALID */
trv_rc_e trv_json_refuse(char error[TRV_JSON_ERROR_LEN], const char *format,
    ...) __attribute__((format(printf, 2, 3)));


#endif /* TRV_JSON_H */
