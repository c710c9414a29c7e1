
/*
 * One table of members: each has a parser that fills its part of the request
 * or says what is wrong.
 */

#include <stdlib.h>
#include <string.h>

#include "trv_bearer.h"
#include "trv_request.h"


typedef struct {
    trv_request_t  *req;
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


static trv_rc_e trv_request_members(trv_request_parser_t *rp, json_t *root);
static trv_rc_e trv_request_token(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_tokens(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_ids(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_partner(trv_request_parser_t *rp,
    const char *name, json_t *value);
static trv_rc_e trv_request_store(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_name(trv_request_parser_t *rp, const char *name,
    json_t *value, char copy[TRV_NAME_MAX_LEN + 1]);
static trv_rc_e trv_request_what(trv_request_parser_t *rp);
static trv_rc_e trv_request_list(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_token_add(trv_request_parser_t *rp, json_t *value);
static trv_rc_e trv_request_reason(trv_request_parser_t *rp, const char *name,
    json_t *value);
static bool trv_request_holds(const char *reason, json_t *token);
static bool trv_request_quotes(const trv_request_t *req);
static bool trv_request_names(const trv_request_t *req, const char *token,
    size_t len);
static trv_rc_e trv_request_dry_run(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_expect(trv_request_parser_t *rp, const char *name,
    json_t *value);
static trv_rc_e trv_request_expires_at(trv_request_parser_t *rp,
    const char *name, json_t *value);
static void trv_request_fold(trv_request_t *req);


static const trv_request_member_t  trv_request_table[] = {
    { "token", trv_request_token },
    { "tokens", trv_request_tokens },
    { "ids", trv_request_ids },
    { "partner", trv_request_partner },
    { "store", trv_request_store },
    { "reason", trv_request_reason },
    { "dry_run", trv_request_dry_run },
    { "expect", trv_request_expect },
    { "expires_at", trv_request_expires_at },
    { NULL, NULL }
};


trv_rc_e
trv_request_parse(const char *body, size_t len, int64_t now,
    int64_t max_lifetime, trv_request_t *req,
    char error[TRV_REQUEST_ERROR_LEN])
{
    json_t                *root;
    trv_rc_e               rc;
    trv_request_parser_t   rp = { req, now, max_lifetime, 0, error };

    memset(req, 0, sizeof(trv_request_t));
    req->expect = -1;

    if (len > TRV_REQUEST_MAX_LEN) {
        return trv_json_refuse(error, "the body is longer than %d bytes",
                               TRV_REQUEST_MAX_LEN);
    }

    rc = trv_json_load(body, len, "body", TRV_REQUEST_MAX_VALUES, &root,
                       error);
    if (rc != TRV_OK) {
        return rc;
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


trv_rc_e
trv_request_id(const trv_id_t *id, trv_request_t *req)
{
    memset(req, 0, sizeof(trv_request_t));

    req->ids = malloc(sizeof(trv_id_t));
    if (req->ids == NULL) {
        return TRV_ERROR;
    }

    req->ids[0] = *id;
    req->n = 1;
    req->by_token = true;
    req->expect = -1;

    return TRV_OK;
}


void
trv_request_destroy(trv_request_t *req)
{
    free(req->ids);
    free(req->reason);

    memset(req, 0, sizeof(trv_request_t));
}


static trv_rc_e
trv_request_members(trv_request_parser_t *rp, json_t *root)
{
    trv_json_quoted_t            quoted;
    bool                         told;
    size_t                       i;
    json_t                      *value;
    trv_rc_e                     rc;
    const char                  *name;
    const trv_request_member_t  *member;

    if (!json_is_object(root)) {
        return trv_json_refuse(rp->error, "the body must be a JSON object");
    }

    json_object_foreach(root, name, value) {

        for (member = trv_request_table; member->name; member++) {
            if (strcmp(member->name, name) == 0) {
                break;
            }
        }

        if (member->name == NULL) {
            return trv_json_refuse(rp->error, "unknown member %s",
                                   trv_json_quote(name, TRV_JSON_NAME_CHARS,
                                                  quoted));
        }

        rc = member->parse(rp, name, value);
        if (rc != TRV_OK) {
            return rc;
        }
    }

    value = json_object_get(root, "tokens");
    told = trv_request_holds(rp->req->reason, json_object_get(root, "token"));

    for (i = 0; i < json_array_size(value); i++) {
        told |= trv_request_holds(rp->req->reason, json_array_get(value, i));
    }

    if (told || trv_request_quotes(rp->req)) {
        return trv_json_refuse(rp->error, "\"reason\" must not hold the text "
                               "of a token");
    }

    return trv_request_what(rp);
}


/* a reason is kept and shown, a token never */

static bool
trv_request_holds(const char *reason, json_t *token)
{
    return reason && json_string_length(token) >= TRV_REQUEST_MIN_SECRET
           && strstr(reason, json_string_value(token)) != NULL;
}


/* the same of a token whose id was given, or that is short: as a word */

static bool
trv_request_quotes(const trv_request_t *req)
{
    size_t       len;
    const char  *p;

    static const char  chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz"
                                 "0123456789-._~+/";

    for (p = req->reason; p && *p; p += len ? len : 1) {
        len = strspn(p, chars);

        /* what ends a sentence or stands for padding may be part of it */

        if (len && (trv_request_names(req, p, len + strspn(p + len, "="))
                    || trv_request_names(req, p, len)
                    || trv_request_names(req, p, len - (p[len - 1] == '.'))))
        {
            return true;
        }
    }

    return false;
}


static bool
trv_request_names(const trv_request_t *req, const char *token, size_t len)
{
    size_t    i;
    trv_id_t  id;

    if (len == 0 || trv_id_digest(token, len, &id) != TRV_OK) {
        return false;
    }

    for (i = 0; i < req->n; i++) {
        if (trv_id_equal(&req->ids[i], &id)) {
            return true;
        }
    }

    return false;
}


/* what is to be revoked is said once, and fits the rest */

static trv_rc_e
trv_request_what(trv_request_parser_t *rp)
{
    bool            scope;
    trv_request_t  *req;

    req = rp->req;
    scope = req->partner[0] || req->store[0];

    if (rp->what + scope != 1) {
        return trv_json_refuse(rp->error, "exactly one of \"token\", "
                               "\"tokens\", \"ids\" and a scope "
                               "(\"partner\", \"store\" or both) must be "
                               "given");
    }

    if (scope && req->expires_at) {
        return trv_json_refuse(rp->error, "\"expires_at\" is for tokens that "
                               "are not on record, not for a scope");
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
        return trv_json_refuse(rp->error, "\"%s\" must be a string", name);
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
    size_t              i, len;
    json_t             *item;
    trv_rc_e            rc;
    const char         *text;
    trv_json_quoted_t   quoted;

    if (rp->what++) {
        return TRV_OK;
    }

    rc = trv_request_list(rp, name, value);

    for (i = 0; rc == TRV_OK && i < json_array_size(value); i++) {

        item = json_array_get(value, i);
        text = json_string_value(item);
        len = json_string_length(item);

        if (trv_id_parse(text, len, &rp->req->ids[rp->req->n++]) != TRV_OK) {
            return trv_json_refuse(rp->error, "number %zu of \"%s\", %s, is "
                                   "not a token id: %d lower-case hexadecimal "
                                   "digits, not beginning with 16 zeros",
                                   i + 1, name,
                                   trv_json_quote(text, TRV_JSON_ID_CHARS,
                                                  quoted),
                                   TRV_ID_HEX_LEN);
        }
    }

    return rc;
}


static trv_rc_e
trv_request_partner(trv_request_parser_t *rp, const char *name, json_t *value)
{
    return trv_request_name(rp, name, value, rp->req->partner);
}


static trv_rc_e
trv_request_store(trv_request_parser_t *rp, const char *name, json_t *value)
{
    return trv_request_name(rp, name, value, rp->req->store);
}


static trv_rc_e
trv_request_name(trv_request_parser_t *rp, const char *name, json_t *value,
    char copy[TRV_NAME_MAX_LEN + 1])
{
    size_t       len;
    const char  *text;

    text = json_string_value(value);
    len = json_string_length(value);

    if (text == NULL || !trv_name_check(text, len)) {
        return trv_json_refuse(rp->error, "\"%s\" must be 1 to %d of A-Z a-z "
                               "0-9 . _ -", name, TRV_NAME_MAX_LEN);
    }

    memcpy(copy, text, len + 1);

    return TRV_OK;
}


/* an array of 1 to 1000 strings; makes room for their ids */

static trv_rc_e
trv_request_list(trv_request_parser_t *rp, const char *name, json_t *value)
{
    size_t  i, n;

    n = json_array_size(value);

    if (!json_is_array(value) || n == 0 || n > TRV_REQUEST_MAX_IDS) {
        return trv_json_refuse(rp->error, "\"%s\" must be an array of 1 to %d "
                               "strings", name, TRV_REQUEST_MAX_IDS);
    }

    for (i = 0; i < n; i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return trv_json_refuse(rp->error, "number %zu of \"%s\" is not a "
                                   "string", i + 1, name);
        }
    }

    rp->req->ids = malloc(n * sizeof(trv_id_t));

    return rp->req->ids ? TRV_OK : TRV_ERROR;
}


/* a text that no call can carry is not that of the token which is meant */

static trv_rc_e
trv_request_token_add(trv_request_parser_t *rp, json_t *value)
{
    size_t          len;
    trv_request_t  *req;

    req = rp->req;
    len = json_string_length(value);

    if (len == 0 || len > TRV_REQUEST_MAX_TOKEN) {
        return trv_json_refuse(rp->error, "token number %zu must have 1 to %d "
                               "bytes", req->n + 1, TRV_REQUEST_MAX_TOKEN);
    }

    if (trv_bearer_token_check(json_string_value(value), len) != TRV_OK) {
        return trv_json_refuse(rp->error, "token number %zu is none that a "
                               "call can carry: %s", req->n + 1,
                               TRV_BEARER_CHARS);
    }

    return trv_id_digest(json_string_value(value), len, &req->ids[req->n++]);
}


static trv_rc_e
trv_request_reason(trv_request_parser_t *rp, const char *name, json_t *value)
{
    size_t       n;
    const char  *p;

    if (!json_is_string(value)) {
        return trv_json_refuse(rp->error, "\"%s\" must be a string", name);
    }

    n = 0;

    for (p = json_string_value(value); *p; p++) {

        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            return trv_json_refuse(rp->error, "\"%s\" must not hold control "
                                   "characters", name);
        }

        n += (((unsigned char) *p & 0xc0) != 0x80);  /* not a continuation */
    }

    if (n > TRV_REQUEST_MAX_REASON) {
        return trv_json_refuse(rp->error, "\"%s\" has %zu characters, at most "
                               "%d are allowed", name, n,
                               TRV_REQUEST_MAX_REASON);
    }

    rp->req->reason = strdup(json_string_value(value));

    return rp->req->reason ? TRV_OK : TRV_ERROR;
}


static trv_rc_e
trv_request_dry_run(trv_request_parser_t *rp, const char *name, json_t *value)
{
    if (!json_is_boolean(value)) {
        return trv_json_refuse(rp->error, "\"%s\" must be true or false",
                               name);
    }

    rp->req->dry_run = json_is_true(value);

    return TRV_OK;
}


static trv_rc_e
trv_request_expect(trv_request_parser_t *rp, const char *name, json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return trv_json_refuse(rp->error, "\"%s\" must be a whole number, not "
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

    rc = trv_json_time(value, name, &sec, rp->error);
    if (rc != TRV_OK) {
        return rc;
    }

    if (sec <= rp->now || sec > rp->now + rp->max_lifetime) {
        return trv_json_refuse(rp->error, "\"%s\" must lie in the future, at "
                               "most %lld days from now", name,
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
