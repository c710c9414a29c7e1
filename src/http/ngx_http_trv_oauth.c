
#include "ngx_http_trv_list.h"
#include "ngx_http_trv_revoke.h"
#include "ngx_http_trv_routes.h"
#include "trv_form.h"


/* fields of the reply of the script "token" */
#define NGX_HTTP_TRV_TOKEN_PARTNER  1
#define NGX_HTTP_TRV_TOKEN_STORE    2
#define NGX_HTTP_TRV_TOKEN_ISSUED   3
#define NGX_HTTP_TRV_TOKEN_EXPIRES  4
#define NGX_HTTP_TRV_TOKEN_APIS     5
#define NGX_HTTP_TRV_TOKEN_STATE    8


static void ngx_http_trv_oauth_revoked(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_oauth_unknown(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_oauth_token(ngx_http_trv_admin_t *ad,
    trv_id_t *id);
static void ngx_http_trv_introspect_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_uint_t ngx_http_trv_introspect_active(ngx_http_trv_admin_t *ad,
    redisReply *reply);
static json_t *ngx_http_trv_introspect_json(redisReply **field);
static ngx_int_t ngx_http_trv_introspect_number(json_t *root,
    const char *name, redisReply *field);
static void ngx_http_trv_oauth_error(ngx_http_trv_admin_t *ad,
    ngx_uint_t status, const char *error, const char *description);


/* RFC 7009 */

void
ngx_http_trv_oauth_revoke(ngx_http_trv_admin_t *ad)
{
    trv_id_t                id;
    ngx_http_trv_revoke_t  *rv;

    if (ngx_http_trv_oauth_token(ad, &id) != NGX_OK) {
        return;
    }

    rv = ngx_http_trv_revoke_create(ad);

    if (rv == NULL || trv_request_id(&id, &rv->request) != TRV_OK) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    rv->answer = ngx_http_trv_oauth_revoked;
    rv->unknown = ngx_http_trv_oauth_unknown;

    ngx_http_trv_revoke_start(ad);
}


/* a client that is told 503 takes the token for valid and tries again */

static void
ngx_http_trv_oauth_revoked(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (!rv->proof->in_force || !rv->proof->durable) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_SERVICE_UNAVAILABLE,
            "not-in-force", "The revocation was taken and is not in force yet: "
            "repeating it is safe.");
        return;
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK, json_object());
}


/* of what it does not know, or is not its owner's, a client has no need */

static void
ngx_http_trv_oauth_unknown(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_admin_json(ad, NGX_HTTP_OK, json_object());
}


/* RFC 7662 */

void
ngx_http_trv_introspect(ngx_http_trv_admin_t *ad)
{
    char           hex[TRV_ID_HEX_LEN];
    trv_id_t       id;
    trv_owner_t    owner;
    trv_words_t   *words;

    if (!ad->set->registry) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "no-registry",
            "Tokens are not registered here: whether one is active is not "
            "known.");
        return;
    }

    if (ngx_http_trv_oauth_token(ad, &id) != NGX_OK) {
        return;
    }

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_TOKEN);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    trv_id_format(&id, hex);
    owner = trv_policy_owner(&ad->principal, TRV_OP_LIST_TOKENS);

    (void) trv_words_add(words, hex, sizeof(hex));
    (void) trv_words_add(words, owner.partner.data, owner.partner.len);
    (void) trv_words_add(words, owner.store.data, owner.store.len);

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_introspect_reply);
}


/* the id of the token in the body: NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_oauth_token(ngx_http_trv_admin_t *ad, trv_id_t *id)
{
    trv_form_t   form;
    const char  *error;

    if (trv_form_parse((char *) ad->body.data, ad->body.len, &form, &error)
        != TRV_OK)
    {
        ngx_http_trv_oauth_invalid(ad, error);
        return NGX_DONE;
    }

    if (trv_id_digest(form.token.data, form.token.len, id) != TRV_OK) {
        ngx_http_trv_admin_error(ad);
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_http_trv_introspect_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    if (!ngx_http_trv_list_strings(reply)
        || (reply->elements && reply->elements != NGX_HTTP_TRV_TOKEN_FIELDS))
    {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    /* of a token that is not active nothing else is said (RFC 7662, 2.2) */

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
                            ngx_http_trv_introspect_active(ad, reply)
                            ? ngx_http_trv_introspect_json(reply->element)
                            : json_pack("{s:b}", "active", 0));
}


/* what this edge refuses is not active, whatever Redis says */

static ngx_uint_t
ngx_http_trv_introspect_active(ngx_http_trv_admin_t *ad, redisReply *reply)
{
    trv_id_t      id;
    ngx_uint_t    i;
    redisReply   *state;

    static const char *const  inactive[] = { "revoked", "expired" };

    if (reply->elements == 0
        || trv_id_parse(reply->element[0]->str, reply->element[0]->len, &id)
           != TRV_OK
        || trv_replica_lookup(ad->set->replica, &id) == TRV_OK)
    {
        return 0;
    }

    state = reply->element[NGX_HTTP_TRV_TOKEN_STATE];

    for (i = 0; i < sizeof(inactive) / sizeof(inactive[0]); i++) {
        if (ngx_strcmp(state->str, inactive[i]) == 0) {
            return 0;
        }
    }

    return 1;
}


static json_t *
ngx_http_trv_introspect_json(redisReply **field)
{
    u_char      *p;
    json_t      *root;
    redisReply  *apis;

    root = json_pack("{s:b, s:s, s:o, s:o}",
                     "active", 1, "token_type", "Bearer",
                     "client_id",
                     ngx_http_trv_list_text(field[NGX_HTTP_TRV_TOKEN_PARTNER]),
                     "aud",
                     ngx_http_trv_list_text(field[NGX_HTTP_TRV_TOKEN_STORE]));

    if (root == NULL
        || ngx_http_trv_introspect_number(root, "iat",
                                          field[NGX_HTTP_TRV_TOKEN_ISSUED])
           != NGX_OK
        || ngx_http_trv_introspect_number(root, "exp",
                                          field[NGX_HTTP_TRV_TOKEN_EXPIRES])
           != NGX_OK)
    {
        json_decref(root);
        return NULL;
    }

    apis = field[NGX_HTTP_TRV_TOKEN_APIS];

    if (apis->len) {

        /* the scope is a list with blanks (RFC 6749, 3.3) */

        for (p = (u_char *) apis->str; *p; p++) {
            *p = (*p == ',') ? ' ' : *p;
        }

        (void) json_object_set_new(root, "scope",
                                   json_stringn(apis->str, apis->len));
    }

    return root;
}


static ngx_int_t
ngx_http_trv_introspect_number(json_t *root, const char *name,
    redisReply *field)
{
    off_t  n;

    n = ngx_atoof((u_char *) field->str, field->len);

    if (n == NGX_ERROR) {
        return NGX_OK;                   /* not known: left out */
    }

    return json_object_set_new(root, name, json_integer(n)) == 0 ? NGX_OK
                                                                 : NGX_ERROR;
}


void
ngx_http_trv_oauth_invalid(ngx_http_trv_admin_t *ad, const char *why)
{
    ngx_http_trv_oauth_error(ad, NGX_HTTP_BAD_REQUEST, "invalid_request", why);
}


void
ngx_http_trv_oauth_client(ngx_http_trv_admin_t *ad)
{
    static ngx_str_t  challenge = ngx_string("Basic realm=\"token-revoke\"");

    if (ngx_http_trv_header_add(ad->request, "WWW-Authenticate", &challenge)
        == NULL)
    {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_oauth_error(ad, NGX_HTTP_UNAUTHORIZED, "invalid_client",
                             "Who is asking is not known.");
}


static void
ngx_http_trv_oauth_error(ngx_http_trv_admin_t *ad, ngx_uint_t status,
    const char *error, const char *description)
{
    ngx_http_trv_admin_json(ad, status,
                            json_pack("{s:s, s:s}", "error", error,
                                      "error_description", description));
}
