
#include "ngx_http_trv_revoke.h"
#include "ngx_http_trv_routes.h"


static ngx_int_t ngx_http_trv_revoke_parse(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv);
static ngx_int_t ngx_http_trv_revoke_allowed(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv);
static void ngx_http_trv_revoke_answer(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_revoke_not_found(ngx_http_trv_admin_t *ad);


void
ngx_http_trv_revoke(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_revoke_t  *rv;

    rv = ngx_http_trv_revoke_create(ad);
    if (rv == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    if (ngx_http_trv_revoke_parse(ad, rv) != NGX_OK
        || ngx_http_trv_revoke_allowed(ad, rv) != NGX_OK)
    {
        return;
    }

    rv->answer = ngx_http_trv_revoke_answer;
    rv->unknown = ngx_http_trv_revoke_not_found;

    ngx_http_trv_revoke_start(ad);
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_revoke_parse(ngx_http_trv_admin_t *ad, ngx_http_trv_revoke_t *rv)
{
    char       error[TRV_REQUEST_ERROR_LEN];
    trv_rc_e   rc;

    rc = trv_request_parse((char *) ad->body.data, ad->body.len, ngx_time(),
                           ad->set->max_lifetime, &rv->request, error);
    if (rc == TRV_OK) {
        return NGX_OK;
    }

    if (rc == TRV_INVALID) {
        error[0] = ngx_toupper(error[0]);
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                                   error);
    } else {
        ngx_http_trv_admin_error(ad);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_trv_revoke_allowed(ngx_http_trv_admin_t *ad,
    ngx_http_trv_revoke_t *rv)
{
    trv_op_e        op;
    trv_role_e      role;
    trv_scope_e     scope;
    trv_request_t  *req;

    role = ad->principal.role;
    req = &rv->request;

    op = !req->ids ? TRV_OP_REVOKE_SCOPE
                   : req->by_token ? TRV_OP_REVOKE_TOKEN : TRV_OP_REVOKE_ID;

    scope = ad->set->registry ? trv_policy_scope(role, op)
                              : trv_policy_scope_bare(role, op);

    if (scope == TRV_SCOPE_NOTHING && op == TRV_OP_REVOKE_SCOPE) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "no-registry",
            "No token records are kept here: what a \"partner\" or a "
            "\"store\" has is not known.");
        return NGX_DONE;
    }

    if (scope == TRV_SCOPE_NOTHING) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
            "Only operators may revoke by \"ids\": give the full text as "
            "\"token\" or \"tokens\".");
        return NGX_DONE;
    }

    if (req->expires_at
        && trv_policy_scope(role, TRV_OP_SET_EXPIRY) == TRV_SCOPE_NOTHING)
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
                               "Only operators may give \"expires_at\".");
        return NGX_DONE;
    }

    if (req->ids && req->expect >= 0 && req->n != (size_t) req->expect) {
        ngx_http_trv_revoke_unexpected(ad, req->n);
        return NGX_DONE;
    }

    return NGX_OK;
}


void
ngx_http_trv_revoke_unexpected(ngx_http_trv_admin_t *ad, uint64_t hits)
{
    char                    detail[128];
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    (void) snprintf(detail, sizeof(detail),
                    "The request hits %llu tokens, not the %lld of "
                    "\"expect\". Nothing was changed.",
                    (unsigned long long) hits,
                    (long long) rv->request.expect);

    ngx_http_trv_admin_problem_with(ad, NGX_HTTP_CONFLICT, "unexpected",
                detail, json_pack("{s:I}", "count", (json_int_t) hits));
}


/* the same for tokens that are somebody else's */

static void
ngx_http_trv_revoke_not_found(ngx_http_trv_admin_t *ad)
{
    char                    detail[128];
    size_t                  unknown;
    json_t                 *members;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;

    if (rv->unknown_ids == NULL) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "unknown-token",
            "No token on record is hit. Nothing was changed.");
        return;
    }

    unknown = json_array_size(rv->unknown_ids);

    (void) snprintf(detail, sizeof(detail),
                    "%zu of the tokens %s not known. Nothing was changed.",
                    unknown, unknown == 1 ? "is" : "are");

    members = json_pack("{s:O}", "ids", rv->unknown_ids);

    ngx_http_trv_admin_problem_with(ad, NGX_HTTP_NOT_FOUND, "unknown-token",
                                    detail, members);
}


static void
ngx_http_trv_revoke_answer(ngx_http_trv_admin_t *ad)
{
    char                    position[TRV_POSITION_LEN + 1];
    json_t                 *root;
    ngx_uint_t              done;
    ngx_http_trv_proof_t   *pf;
    ngx_http_trv_revoke_t  *rv;

    rv = ad->data;
    pf = rv->proof;

    done = rv->request.dry_run || (pf->in_force && pf->durable);

    if (rv->request.dry_run) {
        pf->edges.confirmed = 0;
    }

    (void) trv_position_format(&pf->position, position);

    root = json_pack("{s:I, s:I, s:O, s:O, s:s, s:s, s:o}",
                     "count", (json_int_t) rv->count,
                     "already", (json_int_t) rv->already,
                     "revoked", rv->revoked,
                     "also_active", rv->also_active,
                     "position", position,
                     "replication_id", pf->repl_id,
                     "edges", ngx_http_trv_proof_json(pf));

    if (root && rv->also_more) {
        (void) json_object_set_new(root, "also_active_more", json_true());
    }

    if (root && !done) {
        (void) json_object_set_new(root, "durable",
                                   json_boolean(pf->durable));
        (void) json_object_set_new(root, "in_force",
                                   json_boolean(pf->in_force));
    }

    if (root && rv->request.dry_run) {
        (void) json_object_set_new(root, "dry_run", json_true());
    }

    ngx_http_trv_admin_json(ad, done ? NGX_HTTP_OK : NGX_HTTP_ACCEPTED, root);
}
