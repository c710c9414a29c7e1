
/*
 * Bodies of POST tokens: JSON -> token records in the one spelling that
 * register.lua takes, and every message that says what is wrong with one.
 *
 * A record is {"token" or "id", "partner", "store", "expires_at"} and
 * optionally "issued_at", "apis" and "renews".  Limits for untrusted input:
 * depth 8, a line 64 KiB, an array 500 records and 1 MiB, token 8 KiB, names
 * of partners, stores and APIs [A-Za-z0-9._-]{1,64}, 32 APIs.  No message
 * repeats a token, nor anything that may be one in the wrong place.
 */

#ifndef TRV_RECORD_H
#define TRV_RECORD_H

#include "trv_id.h"
#include "trv_json.h"


#define TRV_RECORD_MAX_LINE   (64 * 1024)        /* bytes, without its end */
#define TRV_RECORD_MAX_ARRAY  500                /* one step of Redis: 15 ms */
#define TRV_RECORD_MAX_TOKEN  8192               /* bytes */
#define TRV_RECORD_MAX_APIS   32
#define TRV_RECORD_MAX_VALUES 64                 /* of JSON, in a record */


/* what records are checked against; seconds */
typedef struct {
    int64_t  now;
    int64_t  max_lifetime;               /* an expiry lies so far at most */
} trv_record_conf_t;


/*
 * Records to be put into Redis together, as text, one behind the other:
 *
 *     ID PARTNER STORE ISSUED EXPIRES RENEWS APIS
 *
 * with one blank between, Unix seconds, nothing where nothing was given, and
 * APIs joined by commas.  Zeroed: none.
 */
typedef struct {
    char    *text;
    size_t   size;                       /* of text */
    size_t   used;
    size_t   n;
    size_t   ends[TRV_RECORD_MAX_ARRAY];
} trv_records_t;


/*
 * One record, as a line of NDJSON holds it, behind those that there are.
 * TRV_OK; TRV_INVALID: error holds one sentence; TRV_FULL: as many as there
 * may be; TRV_ERROR: no memory.  Whatever is not TRV_OK adds nothing.
 */
trv_rc_e trv_records_add(trv_records_t *records, const trv_record_conf_t *conf,
    const char *line, size_t len, char error[TRV_JSON_ERROR_LEN]);

/*
 * A whole body: one record, or an array of 1 to 500.  TRV_OK, TRV_INVALID or
 * TRV_ERROR as above; of a body with one bad record nothing is added.
 */
trv_rc_e trv_records_parse(trv_records_t *records,
    const trv_record_conf_t *conf, const char *body, size_t len,
    char error[TRV_JSON_ERROR_LEN]);

/* number i of them, valid until the next call with these records */
trv_str_t trv_records_get(const trv_records_t *records, size_t i);

/* drops the records from number n on; the memory stays */
void trv_records_cut(trv_records_t *records, size_t n);

void trv_records_destroy(trv_records_t *records);


#endif /* TRV_RECORD_H */
