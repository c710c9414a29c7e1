
/*
 * One table of members, as for revocations: each has a parser that fills its
 * part of the record or says what is wrong.  What was read is written at once
 * in the spelling for Redis, so a batch is one piece of memory and no more.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trv_bearer.h"
#include "trv_policy.h"
#include "trv_record.h"


#define TRV_RECORD_MIN_SIZE  8192        /* of the text, bytes */

#define TRV_RECORD_APIS_LEN  (TRV_RECORD_MAX_APIS * (TRV_NAME_MAX_LEN + 1))

/* two ids, two names, two moments, the APIs, what is between, and a zero */
#define TRV_RECORD_MAX_TEXT                                                   \
    (2 * TRV_ID_HEX_LEN + 2 * TRV_NAME_MAX_LEN + 2 * 20                       \
     + TRV_RECORD_APIS_LEN + 6 + 1)


typedef struct {
    const trv_record_conf_t  *conf;
    char                      id[TRV_ID_HEX_LEN + 1];        /* "": none yet */
    const char               *partner;   /* of the JSON; NULL: none yet */
    const char               *store;
    int64_t                   issued_at; /* -1: not given */
    int64_t                   expires_at;
    char                      renews[TRV_ID_HEX_LEN + 1];
    char                      apis[TRV_RECORD_APIS_LEN + 1];
    char                     *error;
} trv_record_parser_t;

typedef trv_rc_e (*trv_record_member_pt)(trv_record_parser_t *rp,
    const char *name, json_t *value);

typedef struct {
    const char            *name;
    bool                   optional;     /* null is as good as absent */
    trv_record_member_pt   parse;
} trv_record_member_t;


static trv_rc_e trv_record_parse(trv_records_t *records,
    const trv_record_conf_t *conf, json_t *root, char *error);
static trv_rc_e trv_record_members(trv_record_parser_t *rp, json_t *root);
static trv_rc_e trv_record_check(trv_record_parser_t *rp);
static trv_rc_e trv_record_token(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_id(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_partner(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_store(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_issued_at(trv_record_parser_t *rp,
    const char *name, json_t *value);
static trv_rc_e trv_record_expires_at(trv_record_parser_t *rp,
    const char *name, json_t *value);
static trv_rc_e trv_record_renews(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_apis(trv_record_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_record_hex(trv_record_parser_t *rp, const char *name,
    json_t *value, char hex[TRV_ID_HEX_LEN + 1]);
static trv_rc_e trv_record_name(trv_record_parser_t *rp, const char *name,
    json_t *value, const char **text);
static trv_rc_e trv_record_moment(trv_record_parser_t *rp, const char *name,
    json_t *value, int64_t *sec);
static trv_rc_e trv_record_put(trv_records_t *records,
    const trv_record_parser_t *rp);


static const trv_record_member_t  trv_record_table[] = {
    { "token", false, trv_record_token },
    { "id", false, trv_record_id },
    { "partner", false, trv_record_partner },
    { "store", false, trv_record_store },
    { "issued_at", true, trv_record_issued_at },
    { "expires_at", false, trv_record_expires_at },
    { "renews", true, trv_record_renews },
    { "apis", true, trv_record_apis },
    { NULL, false, NULL }
};


trv_rc_e
trv_records_add(trv_records_t *records, const trv_record_conf_t *conf,
    const char *line, size_t len, char error[TRV_JSON_ERROR_LEN])
{
    json_t    *root;
    trv_rc_e   rc;

    if (records->n == TRV_RECORD_MAX_ARRAY) {
        return TRV_FULL;
    }

    if (len > TRV_RECORD_MAX_LINE) {
        return trv_json_refuse(error, "a record must have at most %d bytes",
                               TRV_RECORD_MAX_LINE);
    }

    rc = trv_json_load(line, len, "record", TRV_RECORD_MAX_VALUES, &root,
                       error);
    if (rc != TRV_OK) {
        return rc;
    }

    rc = trv_record_parse(records, conf, root, error);

    json_decref(root);

    return rc;
}


trv_rc_e
trv_records_parse(trv_records_t *records, const trv_record_conf_t *conf,
    const char *body, size_t len, char error[TRV_JSON_ERROR_LEN])
{
    char       what[TRV_JSON_ERROR_LEN];
    size_t     i, n;
    json_t    *root;
    trv_rc_e   rc;

    trv_records_cut(records, 0);

    rc = trv_json_load(body, len, "body",
                       TRV_RECORD_MAX_ARRAY * TRV_RECORD_MAX_VALUES, &root,
                       error);
    if (rc != TRV_OK) {
        return rc;
    }

    if (!json_is_array(root)) {
        rc = trv_record_parse(records, conf, root, error);
        json_decref(root);
        return rc;
    }

    n = json_array_size(root);

    if (n == 0 || n > TRV_RECORD_MAX_ARRAY) {
        rc = trv_json_refuse(error, "an array must hold 1 to %d records, more "
                             "can be sent as application/x-ndjson",
                             TRV_RECORD_MAX_ARRAY);
    }

    for (i = 0; rc == TRV_OK && i < n; i++) {
        rc = trv_record_parse(records, conf, json_array_get(root, i), what);

        if (rc == TRV_INVALID) {
            (void) trv_json_refuse(error, "record number %zu: %s", i + 1,
                                   what);
        }
    }

    json_decref(root);

    if (rc != TRV_OK) {
        trv_records_cut(records, 0);
    }

    return rc;
}


static trv_rc_e
trv_record_parse(trv_records_t *records, const trv_record_conf_t *conf,
    json_t *root, char *error)
{
    trv_rc_e             rc;
    trv_record_parser_t  rp;

    rp.conf = conf;
    rp.id[0] = '\0';
    rp.partner = NULL;
    rp.store = NULL;
    rp.issued_at = -1;
    rp.expires_at = -1;
    rp.renews[0] = '\0';
    rp.apis[0] = '\0';
    rp.error = error;

    rc = trv_record_members(&rp, root);

    if (rc == TRV_OK) {
        rc = trv_record_check(&rp);
    }

    return rc == TRV_OK ? trv_record_put(records, &rp) : rc;
}


static trv_rc_e
trv_record_members(trv_record_parser_t *rp, json_t *root)
{
    json_t                     *value;
    trv_rc_e                    rc;
    const char                 *name;
    trv_json_quoted_t           quoted;
    const trv_record_member_t  *member;

    if (!json_is_object(root)) {
        return trv_json_refuse(rp->error, "a record must be a JSON object");
    }

    json_object_foreach(root, name, value) {

        for (member = trv_record_table; member->name; member++) {
            if (strcmp(member->name, name) == 0) {
                break;
            }
        }

        if (member->name == NULL) {
            return trv_json_refuse(rp->error, "unknown member %s",
                                   trv_json_quote(name, TRV_JSON_NAME_CHARS,
                                                  quoted));
        }

        if (member->optional && json_is_null(value)) {
            continue;
        }

        rc = member->parse(rp, name, value);
        if (rc != TRV_OK) {
            return rc;
        }
    }

    return TRV_OK;
}


static trv_rc_e
trv_record_check(trv_record_parser_t *rp)
{
    const char  *missing;

    missing = rp->partner == NULL ? "partner"
              : rp->store == NULL ? "store"
              : rp->expires_at < 0 ? "expires_at" : NULL;

    if (rp->id[0] == '\0') {
        return trv_json_refuse(rp->error, "\"token\" or \"id\" must be given");
    }

    if (missing) {
        return trv_json_refuse(rp->error, "\"%s\" must be given", missing);
    }

    if (rp->issued_at > rp->expires_at) {
        return trv_json_refuse(rp->error, "\"issued_at\" must not lie after "
                               "\"expires_at\"");
    }

    if (strcmp(rp->renews, rp->id) == 0) {
        return trv_json_refuse(rp->error, "\"renews\" must be the id of "
                               "another token");
    }

    return TRV_OK;
}


static trv_rc_e
trv_record_token(trv_record_parser_t *rp, const char *name, json_t *value)
{
    size_t    len;
    trv_id_t  id;

    len = json_string_length(value);

    if (!json_is_string(value) || len == 0 || len > TRV_RECORD_MAX_TOKEN) {
        return trv_json_refuse(rp->error, "\"%s\" must be a string of 1 to %d "
                               "bytes", name, TRV_RECORD_MAX_TOKEN);
    }

    if (trv_bearer_token_check(json_string_value(value), len) != TRV_OK) {
        return trv_json_refuse(rp->error, "\"%s\" is none that a call can "
                               "carry: %s", name, TRV_BEARER_CHARS);
    }

    if (rp->id[0]) {
        return trv_json_refuse(rp->error, "only one of \"token\" and \"id\" "
                               "may be given");
    }

    if (trv_id_digest(json_string_value(value), len, &id) != TRV_OK) {
        return TRV_ERROR;
    }

    trv_id_format(&id, rp->id);
    rp->id[TRV_ID_HEX_LEN] = '\0';

    return TRV_OK;
}


static trv_rc_e
trv_record_id(trv_record_parser_t *rp, const char *name, json_t *value)
{
    if (rp->id[0]) {
        return trv_json_refuse(rp->error, "only one of \"token\" and \"id\" "
                               "may be given");
    }

    return trv_record_hex(rp, name, value, rp->id);
}


static trv_rc_e
trv_record_partner(trv_record_parser_t *rp, const char *name, json_t *value)
{
    return trv_record_name(rp, name, value, &rp->partner);
}


static trv_rc_e
trv_record_store(trv_record_parser_t *rp, const char *name, json_t *value)
{
    return trv_record_name(rp, name, value, &rp->store);
}


static trv_rc_e
trv_record_issued_at(trv_record_parser_t *rp, const char *name, json_t *value)
{
    return trv_record_moment(rp, name, value, &rp->issued_at);
}


/* one that is over is welcome too: people ask why a token does not work */

static trv_rc_e
trv_record_expires_at(trv_record_parser_t *rp, const char *name, json_t *value)
{
    return trv_record_moment(rp, name, value, &rp->expires_at);
}


static trv_rc_e
trv_record_renews(trv_record_parser_t *rp, const char *name, json_t *value)
{
    return trv_record_hex(rp, name, value, rp->renews);
}


static trv_rc_e
trv_record_apis(trv_record_parser_t *rp, const char *name, json_t *value)
{
    char        *p;
    size_t       i, n, len;
    json_t      *item;
    const char  *text;

    n = json_array_size(value);

    if (!json_is_array(value) || n > TRV_RECORD_MAX_APIS) {
        return trv_json_refuse(rp->error, "\"%s\" must be an array of at most "
                               "%d names", name, TRV_RECORD_MAX_APIS);
    }

    p = rp->apis;

    if (n == 0) {
        *p++ = ',';                      /* none, other than not known */
    }

    for (i = 0; i < n; i++) {
        item = json_array_get(value, i);
        text = json_string_value(item);
        len = json_string_length(item);

        if (text == NULL || !trv_name_check(text, len)) {
            return trv_json_refuse(rp->error, "number %zu of \"%s\" must be 1 "
                                   "to %d of A-Z a-z 0-9 . _ -", i + 1, name,
                                   TRV_NAME_MAX_LEN);
        }

        if (i) {
            *p++ = ',';
        }

        memcpy(p, text, len);
        p += len;
    }

    *p = '\0';

    return TRV_OK;
}


static trv_rc_e
trv_record_hex(trv_record_parser_t *rp, const char *name, json_t *value,
    char hex[TRV_ID_HEX_LEN + 1])
{
    trv_id_t  id;

    if (!json_is_string(value)
        || trv_id_parse(json_string_value(value), json_string_length(value),
                        &id)
           != TRV_OK)
    {
        return trv_json_refuse(rp->error, "\"%s\" must be a token id: %d "
                               "lower-case hexadecimal digits, not beginning "
                               "with 16 zeros", name, TRV_ID_HEX_LEN);
    }

    memcpy(hex, json_string_value(value), TRV_ID_HEX_LEN + 1);

    return TRV_OK;
}


static trv_rc_e
trv_record_name(trv_record_parser_t *rp, const char *name, json_t *value,
    const char **text)
{
    if (!json_is_string(value)
        || !trv_name_check(json_string_value(value),
                           json_string_length(value)))
    {
        return trv_json_refuse(rp->error, "\"%s\" must be 1 to %d of A-Z a-z "
                               "0-9 . _ -", name, TRV_NAME_MAX_LEN);
    }

    *text = json_string_value(value);

    return TRV_OK;
}


static trv_rc_e
trv_record_moment(trv_record_parser_t *rp, const char *name, json_t *value,
    int64_t *sec)
{
    trv_rc_e  rc;

    rc = trv_json_time(value, name, sec, rp->error);
    if (rc != TRV_OK) {
        return rc;
    }

    if (*sec < 0 || *sec > rp->conf->now + rp->conf->max_lifetime) {
        return trv_json_refuse(rp->error, "\"%s\" must lie after 1970, and at "
                               "most %lld days from now", name,
                               (long long) rp->conf->max_lifetime
                               / TRV_DAY_SEC);
    }

    return TRV_OK;
}


static trv_rc_e
trv_record_put(trv_records_t *records, const trv_record_parser_t *rp)
{
    int      len;
    char    *text, issued[24];
    size_t   size;

    issued[0] = '\0';

    if (rp->issued_at >= 0) {
        (void) snprintf(issued, sizeof(issued), "%lld",
                        (long long) rp->issued_at);
    }

    if (records->size - records->used < TRV_RECORD_MAX_TEXT) {
        size = 2 * records->size + TRV_RECORD_MIN_SIZE;

        text = realloc(records->text, size);
        if (text == NULL) {
            return TRV_ERROR;
        }

        records->text = text;
        records->size = size;
    }

    len = snprintf(records->text + records->used, TRV_RECORD_MAX_TEXT,
                   "%s %s %s %s %lld %s %s", rp->id, rp->partner, rp->store,
                   issued, (long long) rp->expires_at, rp->renews, rp->apis);

    records->used += (size_t) len;
    records->ends[records->n++] = records->used;

    return TRV_OK;
}


trv_str_t
trv_records_get(const trv_records_t *records, size_t i)
{
    size_t     start;
    trv_str_t  record;

    start = i ? records->ends[i - 1] : 0;

    record.data = records->text + start;
    record.len = records->ends[i] - start;

    return record;
}


void
trv_records_cut(trv_records_t *records, size_t n)
{
    records->n = n;
    records->used = n ? records->ends[n - 1] : 0;
}


void
trv_records_destroy(trv_records_t *records)
{
    free(records->text);
    memset(records, 0, sizeof(trv_records_t));
}
