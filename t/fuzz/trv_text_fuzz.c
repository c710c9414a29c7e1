
/*
 * The small texts: the first byte chooses the parser, the rest is what it
 * reads.  What a parser takes has one spelling: written again it is the same.
 */

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "trv_digest.h"
#include "trv_number.h"
#include "trv_policy.h"
#include "trv_position.h"
#include "trv_stream.h"
#include "trv_time.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
trv_same(const char *text, size_t len, const char *again, size_t again_len)
{
    if (len != again_len || memcmp(text, again, len) != 0) {
        abort();
    }
}


static trv_rc_e
trv_number(const char *text, size_t len)
{
    char      again[32];
    trv_rc_e  rc;
    uint64_t  n;

    rc = trv_number_parse(text, len, &n);

    if (rc == TRV_OK) {
        trv_same(text, len, again,
                 snprintf(again, sizeof(again), "%llu",
                          (unsigned long long) n));
    }

    return rc;
}


static trv_rc_e
trv_day(const char *text, size_t len)
{
    trv_rc_e  rc;
    uint16_t  day;

    rc = trv_day_parse(text, len, &day);

    if (rc == TRV_OK && day == 0) {
        abort();                         /* would mean "not written" */
    }

    return rc;
}


static trv_rc_e
trv_id(const char *text, size_t len)
{
    char      again[TRV_ID_HEX_LEN];
    trv_id_t  id;
    trv_rc_e  rc;

    rc = trv_id_parse(text, len, &id);

    if (rc == TRV_OK) {
        trv_id_format(&id, again);
        trv_same(text, len, again, sizeof(again));

        if (id.hi == 0) {
            abort();
        }
    }

    return rc;
}


static trv_rc_e
trv_digest(const char *text, size_t len)
{
    char          again[TRV_DIGEST_LEN + 1];
    trv_rc_e      rc;
    trv_digest_t  digest;

    rc = trv_digest_parse(text, len, &digest);

    if (rc == TRV_OK) {
        trv_same(text, len, again, trv_digest_format(&digest, again));
    }

    return rc;
}


static trv_rc_e
trv_position(const char *text, size_t len)
{
    char            again[TRV_POSITION_LEN + 1];
    trv_rc_e        rc;
    trv_position_t  position;

    rc = trv_position_parse(text, len, &position);

    if (rc == TRV_OK) {
        trv_same(text, len, again, trv_position_format(&position, again));
    }

    return rc;
}


static trv_rc_e
trv_time(const char *text, size_t len)
{
    char      again[TRV_TIME_LEN + 1];
    int64_t   sec;
    trv_rc_e  rc;

    rc = trv_time_parse(text, len, &sec);

    if (rc == TRV_OK) {
        if (trv_time_format(sec, again) != TRV_OK) {
            abort();
        }

        trv_same(text, len, again, TRV_TIME_LEN);
    }

    return rc;
}


static trv_rc_e
trv_principal(const char *text, size_t len)
{
    char             again[128];
    trv_rc_e         rc;
    trv_principal_t  principal;

    rc = trv_principal_parse(text, len, &principal);

    if (rc == TRV_OK) {
        if (!trv_name_check(principal.name.data, principal.name.len)) {
            abort();
        }

        trv_same(text, len, again,
                 snprintf(again, sizeof(again), "%s %.*s",
                          trv_role_name(principal.role),
                          (int) principal.name.len, principal.name.data));
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    trv_rc_e  rc;

    static trv_rc_e (*const  parsers[])(const char *text, size_t len) = {
        trv_number, trv_day, trv_id, trv_digest, trv_position, trv_time,
        trv_principal
    };

    if (size == 0) {
        return 0;
    }

    rc = parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](
                                         (const char *) data + 1, size - 1);

    if (rc != TRV_OK && rc != TRV_INVALID) {
        abort();
    }

    return 0;
}
