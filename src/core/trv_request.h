
/*
 * Bodies of the revocation API: JSON -> typed request, and every message that
 * says what is wrong with one.
 *
 * Limits for untrusted input: body 1 MiB, depth 8, 1000 tokens or ids,
 * token 8 KiB, reason 256 characters (Unicode code points).
 * No message repeats a token; ids are named, tokens by their index.
 */

#ifndef TRV_REQUEST_H
#define TRV_REQUEST_H

#include "trv_id.h"
#include "trv_json.h"
#include "trv_policy.h"


#define TRV_REQUEST_MAX_LEN     (1024 * 1024)    /* bytes */
#define TRV_REQUEST_MAX_IDS     1000
#define TRV_REQUEST_MAX_VALUES  1100             /* of JSON */
#define TRV_REQUEST_MAX_TOKEN   8192             /* bytes */
#define TRV_REQUEST_MAX_REASON  256              /* characters */
#define TRV_REQUEST_MIN_SECRET  16               /* bytes: shorter is a word */
#define TRV_REQUEST_ERROR_LEN   TRV_JSON_ERROR_LEN


/*
 * Either ids, or a scope: all tokens of a partner, of a store, or of a partner
 * for a store.
 */
typedef struct {
    trv_id_t  *ids;              /* in order of the request, each once; NULL:
                                    a scope */
    size_t     n;
    char       partner[TRV_NAME_MAX_LEN + 1];    /* of the scope; "": any */
    char       store[TRV_NAME_MAX_LEN + 1];
    bool       by_token;         /* full token text was given, not ids */
    bool       dry_run;
    int64_t    expect;           /* -1: not given */
    int64_t    expires_at;       /* Unix seconds; 0: not given */
    char      *reason;           /* UTF-8, zero-terminated; NULL: not given */
} trv_request_t;


/*
 * The body of POST revocations.
 *
 * now and max_lifetime are in seconds: expires_at (a number of Unix seconds,
 * or RFC 3339 text in UTC) must lie after now and at most max_lifetime later.
 *
 * TRV_OK: the caller owns req and ends it with trv_request_destroy().
 * TRV_INVALID: `error` holds one sentence for the client; req holds nothing.
 * TRV_ERROR: no memory.
 */
trv_rc_e trv_request_parse(const char *body, size_t len, int64_t now,
    int64_t max_lifetime, trv_request_t *req,
    char error[TRV_REQUEST_ERROR_LEN]);

/* to revoke one token, known by its text, and no more; TRV_OK or TRV_ERROR */
trv_rc_e trv_request_id(const trv_id_t *id, trv_request_t *req);

void trv_request_destroy(trv_request_t *req);


#endif /* TRV_REQUEST_H */
