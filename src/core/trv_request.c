
/*
 * One table of members: each has a parser that fills its part of the request
 * or says what is wrong.  jansson does JSON; its depth is bounded before it is
 * called, because its own limit (2048) is ours to lower only at its build.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "trv_request.h"
#include "trv_time.h"


#define TRV_REQUEST_QUOTE_LEN  40        /* longest value that is repeated */

#define TRV_REQUEST_ID_CHARS    "0123456789abcdefABCDEF"
#define TRV_REQUEST_NAME_CHARS  "abcdefghijklmnopqrstuvwxyz_"


typedef struct {
    trv_request_t  *req;
    trv_id_hash_t  *hash;
    int64_t         now;
    int64_t         max_lifetime;
    size_t          what;                /* members that say what to revoke */
    char           *error;
} trv_request_parser_t;

typedef trv_rc_e (*trv_request_member_pt)(trv_request_parser_t *rp,
    const char *name, json_t *value);

typedef struct {
    const char             *name;
    trv_request_member_pt   parse;
} trv_request_member_t;


static trv_rc_e trv_request_depth_check(const char *body, size_t len);
static trv_rc_e trv_request_members(trv_request_parser_t *rp, json_t *root);
static trv_rc_e trv_request_token(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_tokens(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_ids(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_list(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_token_add(trv_request_parser_t *rp, json_t *value);
static trv_rc_e trv_request_reason(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_dry_run(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_expect(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_expires_at(trv_request_parser_t *rp,
    const char *name, json_t *value);
static void trv_request_fold(trv_request_t *req);
static const char *trv_request_quote(const char *text, const char *allowed,
    char quoted[TRV_REQUEST_QUOTE_LEN + 4]);
static trv_rc_e trv_request_refuse(trv_request_parser_t *rp,
    const char *format, ...) __attribute__((format(printf, 2, 3)));


static const trv_request_member_t  trv_request_table[] = {
    { "token", trv_request_token },
    { "tokens", trv_request_tokens },
    { "ids", trv_request_ids },
    { "reason", trv_request_reason },
    { "dry_run", trv_request_dry_run },
    { "expect", trv_request_expect },
    { "expires_at", trv_request_expires_at },
    { NULL, NULL }
};


trv_rc_e
trv_request_parse(trv_id_hash_t *hash, const char *body, size_t len,
    int64_t now, int64_t max_lifetime, trv_request_t *req,
    char error[TRV_REQUEST_ERROR_LEN])
{
    json_t                *root;
    trv_rc_e               rc;
    json_error_t           json_error;
    trv_request_parser_t   rp = { req, hash, now, max_lifetime, 0, error };

    memset(req, 0, sizeof(trv_request_t));
    req->expect = -1;

    if (len > TRV_REQUEST_MAX_LEN) {
        return trv_request_refuse(&rp, "the body is longer than %d bytes",
                                  TRV_REQUEST_MAX_LEN);
    }

    if (trv_request_depth_check(body, len) != TRV_OK) {
        return trv_request_refuse(&rp, "the JSON is nested deeper than %d",
                                  TRV_REQUEST_MAX_DEPTH);
    }

    root = json_loadb(body, len, JSON_REJECT_DUPLICATES|JSON_DECODE_ANY,
                      &json_error);

    if (root == NULL) {

        /* the text of jansson's error quotes the body: maybe a token */

        return trv_request_refuse(&rp, "the body is not valid JSON (line %d, "
                                  "column %d)",
                                  json_error.line, json_error.column);
    }

    rc = trv_request_members(&rp, root);

    json_decref(root);

    if (rc != TRV_OK) {
        trv_request_destroy(req);
        return rc;
    }

    trv_request_fold(req);

    return TRV_OK;
}


void
trv_request_destroy(trv_request_t *req)
{
    free(req->ids);
    free(req->reason);

    memset(req, 0, sizeof(trv_request_t));
}


/* nesting of brackets outside strings; the rest is for jansson to check */

static trv_rc_e
trv_request_depth_check(const char *body, size_t len)
{
    bool      text;
    size_t    i;
    unsigned  depth;

    text = false;
    depth = 0;

    for (i = 0; i < len; i++) {

        if (text) {
            if (body[i] == '\\') {
                i++;

            } else if (body[i] == '"') {
                text = false;
            }

            continue;
        }

        switch (body[i]) {

        case '"':
            text = true;
            break;

        case '{':
        case '[':
            if (++depth > TRV_REQUEST_MAX_DEPTH) {
                return TRV_INVALID;
            }
            break;

        case '}':
        case ']':
            if (depth) {
                depth--;
            }
            break;
        }
    }

    return TRV_OK;
}


static trv_rc_e
trv_request_members(trv_request_parser_t *rp, json_t *root)
{
    char                         quoted[TRV_REQUEST_QUOTE_LEN + 4];
    json_t                      *value;
    trv_rc_e                     rc;
    const char                  *name;
    const trv_request_member_t  *member;

    if (!json_is_object(root)) {
        return trv_request_refuse(rp, "the body must be a JSON object");
    }

    json_object_foreach(root, name, value) {

        for (member = trv_request_table; member->name; member++) {
            if (strcmp(member->name, name) == 0) {
                break;
            }
        }

        if (member->name == NULL) {
            return trv_request_refuse(rp, "unknown member %s",
                   trv_request_quote(name, TRV_REQUEST_NAME_CHARS, quoted));
        }

        rc = member->parse(rp, name, value);
        if (rc != TRV_OK) {
            return rc;
        }
    }

    if (rp->what != 1) {
        return trv_request_refuse(rp, "exactly one of \"token\", \"tokens\" "
                                  "and \"ids\" must be given");
    }

    return TRV_OK;
}


static trv_rc_e
trv_request_token(trv_request_parser_t *rp, const char *name, json_t *value)
{
    if (rp->what++) {
        return TRV_OK;                   /* refused in the end */
    }

    rp->req->by_token = true;

    rp->req->ids = malloc(sizeof(trv_id_t));
    if (rp->req->ids == NULL) {
        return TRV_ERROR;
    }

    if (!json_is_string(value)) {
        return trv_request_refuse(rp, "\"%s\" must be a string", name);
    }

    return trv_request_token_add(rp, value);
}


static trv_rc_e
trv_request_tokens(trv_request_parser_t *rp, const char *name, json_t *value)
{
    size_t    i;
    trv_rc_e  rc;

    if (rp->what++) {
        return TRV_OK;
    }

    rp->req->by_token = true;

    rc = trv_request_list(rp, name, value);

    for (i = 0; rc == TRV_OK && i < json_array_size(value); i++) {
        rc = trv_request_token_add(rp, json_array_get(value, i));
    }

    return rc;
}


static trv_rc_e
trv_request_ids(trv_request_parser_t *rp, const char *name, json_t *value)
{
    char         quoted[TRV_REQUEST_QUOTE_LEN + 4];
    size_t       i, len;
    json_t      *item;
    trv_rc_e     rc;
    const char  *text;

    if (rp->what++) {
        return TRV_OK;
    }

    rc = trv_request_list(rp, name, value);

    for (i = 0; rc == TRV_OK && i < json_array_size(value); i++) {

        item = json_array_get(value, i);
        text = json_string_value(item);
        len = json_string_length(item);

        if (trv_id_parse(text, len, &rp->req->ids[rp->req->n++]) != TRV_OK) {
            return trv_request_refuse(rp, "number %zu of \"%s\", %s, is not a "
                                      "token id: %d lower-case hexadecimal "
                                      "digits, not beginning with 16 zeros",
                                      i + 1, name,
                                      trv_request_quote(text,
                                                TRV_REQUEST_ID_CHARS, quoted),
                                      TRV_ID_HEX_LEN);
        }
    }

    return rc;
}


/* an array of 1 to 1000 strings; makes room for their ids */

static trv_rc_e
trv_request_list(trv_request_parser_t *rp, const char *name, json_t *value)
{
    size_t  i, n;

    n = json_array_size(value);

    if (!json_is_array(value) || n == 0 || n > TRV_REQUEST_MAX_IDS) {
        return trv_request_refuse(rp, "\"%s\" must be an array of 1 to %d "
                                  "strings", name, TRV_REQUEST_MAX_IDS);
    }

    for (i = 0; i < n; i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return trv_request_refuse(rp, "number %zu of \"%s\" is not a "
                                      "string", i + 1, name);
        }
    }

    rp->req->ids = malloc(n * sizeof(trv_id_t));

    return rp->req->ids ? TRV_OK : TRV_ERROR;
}


/*
 * Any text can be revoked, whatever an edge would accept as a token: it may
 * come from a log, and refusing one more text harms nobody.
 */

static trv_rc_e
trv_request_token_add(trv_request_parser_t *rp, json_t *value)
{
    size_t          len;
    trv_request_t  *req;

    req = rp->req;
    len = json_string_length(value);

    if (len == 0 || len > TRV_REQUEST_MAX_TOKEN) {
        return trv_request_refuse(rp, "token number %zu must have 1 to %d "
                                  "bytes", req->n + 1, TRV_REQUEST_MAX_TOKEN);
    }

    return trv_id_digest(rp->hash, json_string_value(value), len,
                         &req->ids[req->n++]);
}


static trv_rc_e
trv_request_reason(trv_request_parser_t *rp, const char *name, json_t *value)
{
    size_t       n;
    const char  *p;

    if (!json_is_string(value)) {
        return trv_request_refuse(rp, "\"%s\" must be a string", name);
    }

    n = 0;

    for (p = json_string_value(value); *p; p++) {

        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            return trv_request_refuse(rp, "\"%s\" must not hold control "
                                      "characters", name);
        }

        n += (((unsigned char) *p & 0xc0) != 0x80);  /* not a continuation */
    }

    if (n > TRV_REQUEST_MAX_REASON) {
        return trv_request_refuse(rp, "\"%s\" has %zu characters, at most %d "
                                  "are allowed", name, n,
                                  TRV_REQUEST_MAX_REASON);
    }

    rp->req->reason = strdup(json_string_value(value));

    return rp->req->reason ? TRV_OK : TRV_ERROR;
}


static trv_rc_e
trv_request_dry_run(trv_request_parser_t *rp, const char *name, json_t *value)
{
    if (!json_is_boolean(value)) {
        return trv_request_refuse(rp, "\"%s\" must be true or false", name);
    }

    rp->req->dry_run = json_is_true(value);

    return TRV_OK;
}


static trv_rc_e
trv_request_expect(trv_request_parser_t *rp, const char *name, json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return trv_request_refuse(rp, "\"%s\" must be a whole number, not "
                                  "negative", name);
    }

    rp->req->expect = json_integer_value(value);

    return TRV_OK;
}


static trv_rc_e
trv_request_expires_at(trv_request_parser_t *rp, const char *name,
    json_t *value)
{
    int64_t   sec;
    trv_rc_e  rc;

    if (json_is_integer(value)) {
        sec = json_integer_value(value);

    } else {
        rc = json_is_string(value)
             ? trv_time_parse(json_string_value(value),
                              json_string_length(value), &sec)
             : TRV_INVALID;

        if (rc != TRV_OK) {
            return trv_request_refuse(rp, "\"%s\" must be Unix seconds, or a "
                                      "time such as "
                                      "\"2027-03-01T00:00:00Z\"", name);
        }
    }

    if (sec <= rp->now || sec > rp->now + rp->max_lifetime) {
        return trv_request_refuse(rp, "\"%s\" must lie in the future, at most "
                                  "%lld days from now", name,
                                  (long long) rp->max_lifetime / TRV_DAY_SEC);
    }

    rp->req->expires_at = sec;

    return TRV_OK;
}


/*
 * The same id twice is one revocation: the first stays.  Half a million
 * comparisons at most, half a millisecond.
 */

static void
trv_request_fold(trv_request_t *req)
{
    size_t     i, n;
    trv_id_t  *seen;

    for (i = 0, n = 0; i < req->n; i++) {

        for (seen = req->ids; seen < req->ids + n; seen++) {
            if (trv_id_equal(seen, &req->ids[i])) {
                break;
            }
        }

        if (seen == req->ids + n) {
            req->ids[n++] = req->ids[i];
        }
    }

    req->n = n;
}


/*
 * A value in quotes if it looks like what was meant to be given; else it may
 * be a token in the wrong place, and is not repeated.
 */

static const char *
trv_request_quote(const char *text, const char *allowed,
    char quoted[TRV_REQUEST_QUOTE_LEN + 4])
{
    size_t  len;

    len = strspn(text, allowed);

    if (len > TRV_REQUEST_QUOTE_LEN || text[len] != '\0') {
        return "(not repeated here)";
    }

    (void) snprintf(quoted, TRV_REQUEST_QUOTE_LEN + 4, "\"%s\"", text);

    return quoted;
}


static trv_rc_e
trv_request_refuse(trv_request_parser_t *rp, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    (void) vsnprintf(rp->error, TRV_REQUEST_ERROR_LEN, format, args);
    va_end(args);

    return TRV_INVALID;
}
