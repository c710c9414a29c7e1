
#include "ngx_http_trv_body.h"
#include "ngx_http_trv_routes.h"
#include "trv_form.h"
#include "trv_request.h"


#define NGX_HTTP_TRV_ROUTE_ID        0x01        /* "/ID" follows */
#define NGX_HTTP_TRV_ROUTE_OPEN      0x02        /* without a principal */
#define NGX_HTTP_TRV_ROUTE_OAUTH     0x04        /* a form, errors of OAuth */
#define NGX_HTTP_TRV_ROUTE_REGISTRY  0x08        /* needs token records */
#define NGX_HTTP_TRV_ROUTE_LINES     0x10        /* takes NDJSON, unread */
#define NGX_HTTP_TRV_ROUTE_LIST      0x20        /* takes arguments */


typedef struct {
    ngx_str_t              name;         /* path below the location */
    ngx_uint_t             method;
    ngx_uint_t             flags;
    trv_op_e               op;
    ngx_http_trv_admin_pt  handler;
} ngx_http_trv_route_t;


static ngx_http_trv_admin_t *ngx_http_trv_admin_create(ngx_http_request_t *r,
    ngx_trv_set_t *set);
static ngx_int_t ngx_http_trv_admin_start(ngx_http_trv_admin_t *ad);
static const ngx_http_trv_route_t *ngx_http_trv_admin_route(
    ngx_http_trv_admin_t *ad, ngx_str_t *allow, ngx_uint_t *flags);
static ngx_int_t ngx_http_trv_admin_principal(ngx_http_trv_admin_t *ad);
static ngx_uint_t ngx_http_trv_admin_matches(const ngx_http_trv_route_t *route,
    ngx_str_t *path, ngx_str_t *id);
static void ngx_http_trv_admin_unknown(ngx_http_trv_admin_t *ad,
    ngx_uint_t flags);
static ngx_int_t ngx_http_trv_admin_allowed(ngx_http_trv_admin_t *ad,
    const ngx_http_trv_route_t *route);
static void ngx_http_trv_admin_post(ngx_http_trv_admin_t *ad,
    const ngx_http_trv_route_t *route);
static void ngx_http_trv_admin_whoami(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_admin_ready(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_admin_cleanup(void *data);


#define NGX_HTTP_TRV_READ   (NGX_HTTP_GET|NGX_HTTP_HEAD)

static const ngx_http_trv_route_t  ngx_http_trv_routes[] = {

    { ngx_string("revocations"), NGX_HTTP_TRV_READ, NGX_HTTP_TRV_ROUTE_LIST,
      TRV_OP_LIST_REVOCATIONS, ngx_http_trv_revocations },

    { ngx_string("revocations"), NGX_HTTP_TRV_READ, NGX_HTTP_TRV_ROUTE_ID,
      TRV_OP_LIST_REVOCATIONS, ngx_http_trv_revocation },

    { ngx_string("revocations"), NGX_HTTP_POST, 0,
      TRV_OP_REVOKE_TOKEN, ngx_http_trv_revoke },

    { ngx_string("tokens"), NGX_HTTP_TRV_READ,
      NGX_HTTP_TRV_ROUTE_REGISTRY|NGX_HTTP_TRV_ROUTE_LIST,
      TRV_OP_LIST_TOKENS, ngx_http_trv_tokens },

    { ngx_string("tokens"), NGX_HTTP_TRV_READ,
      NGX_HTTP_TRV_ROUTE_REGISTRY|NGX_HTTP_TRV_ROUTE_ID,
      TRV_OP_LIST_TOKENS, ngx_http_trv_token },

    { ngx_string("tokens"), NGX_HTTP_POST,
      NGX_HTTP_TRV_ROUTE_REGISTRY|NGX_HTTP_TRV_ROUTE_LINES,
      TRV_OP_REGISTER, ngx_http_trv_register },

    { ngx_string("edges"), NGX_HTTP_TRV_READ, 0,
      TRV_OP_LIST_EDGES, ngx_http_trv_edges },

    { ngx_string("history"), NGX_HTTP_TRV_READ, 0,
      TRV_OP_GET_METRICS, ngx_http_trv_history },

    { ngx_string("log"), NGX_HTTP_TRV_READ, NGX_HTTP_TRV_ROUTE_LIST,
      TRV_OP_GET_LOG, ngx_http_trv_acts },

    { ngx_string("metrics"), NGX_HTTP_TRV_READ, 0,
      TRV_OP_GET_METRICS, ngx_http_trv_metrics },

    { ngx_string("whoami"), NGX_HTTP_TRV_READ, 0,
      TRV_OP_WHOAMI, ngx_http_trv_admin_whoami },

    { ngx_string("ready"), NGX_HTTP_TRV_READ, NGX_HTTP_TRV_ROUTE_OPEN,
      TRV_OP_WHOAMI, ngx_http_trv_admin_ready },

    { ngx_string("oauth/revoke"), NGX_HTTP_POST, NGX_HTTP_TRV_ROUTE_OAUTH,
      TRV_OP_REVOKE_TOKEN, ngx_http_trv_oauth_revoke },

    { ngx_string("oauth/introspect"), NGX_HTTP_POST, NGX_HTTP_TRV_ROUTE_OAUTH,
      TRV_OP_LIST_TOKENS, ngx_http_trv_introspect },

    { ngx_null_string, 0, 0, 0, NULL }
};

#define NGX_HTTP_TRV_ROUTES                                                   \
    (sizeof(ngx_http_trv_routes) / sizeof(ngx_http_trv_routes[0]))

/* the last one counts what is no resource */
typedef char  ngx_http_trv_routes_fit[
                        NGX_HTTP_TRV_ROUTES <= NGX_TRV_STATS_ROUTES ? 1 : -1];


ngx_int_t
ngx_http_trv_admin_handler(ngx_http_request_t *r)
{
    size_t                    len;
    ngx_int_t                 rc;
    ngx_http_trv_admin_t     *ad;
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_token_revoke_module);

    ad = ngx_http_trv_admin_create(r, lcf->admin);
    if (ad == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* an URI that was rewritten may be shorter than the location's name */

    len = ngx_min(lcf->admin_len, r->uri.len);

    ad->rest.data = r->uri.data + len;
    ad->rest.len = r->uri.len - len;

    /* from here on the answer ends the request, now or later */

    r->main->count++;

    rc = ngx_http_trv_admin_start(ad);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
    }

    return NGX_DONE;
}


static ngx_http_trv_admin_t *
ngx_http_trv_admin_create(ngx_http_request_t *r, ngx_trv_set_t *set)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_trv_admin_t  *ad;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_trv_admin_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_trv_admin_cleanup;

    ad = cln->data;
    ngx_memzero(ad, sizeof(ngx_http_trv_admin_t));

    ad->request = r;
    ad->set = set;
    ad->route = NGX_HTTP_TRV_ROUTES - 1;

    ad->timer.data = ad;
    ad->timer.handler = ngx_http_trv_admin_timer_handler;
    ad->timer.log = r->connection->log;

    return ad;
}


ngx_http_trv_admin_t *
ngx_http_trv_admin_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_trv_admin_t  *ad;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_trv_admin_cleanup) {
            ad = cln->data;

            if (ad->request == r) {
                return ad;               /* subrequests share the pool */
            }
        }
    }

    return NULL;
}


/* NGX_OK: answered, or will be; else the status to finalize with */

static ngx_int_t
ngx_http_trv_admin_start(ngx_http_trv_admin_t *ad)
{
    ngx_int_t                    rc;
    ngx_str_t                    allow;
    ngx_uint_t                   flags;
    ngx_http_request_t          *r;
    const ngx_http_trv_route_t  *route;

    r = ad->request;

    route = ngx_http_trv_admin_route(ad, &allow, &flags);

    if (!(flags & NGX_HTTP_TRV_ROUTE_OPEN)
        && ngx_http_trv_admin_principal(ad) != NGX_OK)
    {
        ngx_http_trv_admin_unknown(ad, flags);
        return NGX_OK;
    }

    if (route == NULL && allow.len == 0) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "not-found",
                                   "There is no such resource.");
        return NGX_OK;
    }

    if (route == NULL) {
        if (ngx_http_trv_header_add(r, "Allow", &allow) == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_ALLOWED,
            "method-not-allowed", "This resource has no such method.");
        return NGX_OK;
    }

    if (ngx_http_trv_admin_allowed(ad, route) != NGX_OK) {
        return NGX_OK;
    }

    /* those of OAuth ignore what they do not know (RFC 6749, 3.1) */

    if (r->args.len && !(flags & (NGX_HTTP_TRV_ROUTE_LIST
                                  |NGX_HTTP_TRV_ROUTE_OAUTH)))
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_BAD_REQUEST, "bad-request",
                                   "This resource takes no arguments.");
        return NGX_OK;
    }

    if (route->method == NGX_HTTP_POST) {
        ngx_http_trv_admin_post(ad, route);
        return NGX_OK;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    route->handler(ad);

    return NGX_OK;
}


/*
 * NULL: none; then allow holds the methods of the resource, if there is one,
 * and flags those that all of these have.
 */

static const ngx_http_trv_route_t *
ngx_http_trv_admin_route(ngx_http_trv_admin_t *ad, ngx_str_t *allow,
    ngx_uint_t *flags)
{
    ngx_str_t                    id;
    const ngx_http_trv_route_t  *route;

    static ngx_str_t  get = ngx_string("GET, HEAD");
    static ngx_str_t  post = ngx_string("POST");
    static ngx_str_t  both = ngx_string("GET, HEAD, POST");

    ngx_str_null(allow);
    *flags = 0;

    for (route = ngx_http_trv_routes; route->handler; route++) {

        if (!ngx_http_trv_admin_matches(route, &ad->rest, &id)) {
            continue;
        }

        if (route->method & ad->request->method) {
            ad->rest = id;
            ad->route = route - ngx_http_trv_routes;
            ad->revokes = (route->op == TRV_OP_REVOKE_TOKEN);
            *flags = route->flags;
            return route;
        }

        *flags = allow->len ? *flags & route->flags : route->flags;
        *allow = allow->len ? both
                            : route->method == NGX_HTTP_POST ? post : get;
    }

    return NULL;
}


static ngx_uint_t
ngx_http_trv_admin_matches(const ngx_http_trv_route_t *route, ngx_str_t *path,
    ngx_str_t *id)
{
    size_t  len;

    len = route->name.len;

    ngx_str_null(id);

    if (path->len < len || ngx_memcmp(path->data, route->name.data, len) != 0)
    {
        return 0;
    }

    if (!(route->flags & NGX_HTTP_TRV_ROUTE_ID)) {
        return path->len == len;
    }

    if (path->len < len + 2 || path->data[len] != '/') {
        return 0;                        /* "revocations/" */
    }

    id->data = path->data + len + 1;
    id->len = path->len - len - 1;

    return ngx_strlchr(id->data, id->data + id->len, '/') == NULL;
}


/* who is asking is not known */

static void
ngx_http_trv_admin_unknown(ngx_http_trv_admin_t *ad, ngx_uint_t flags)
{
    if (flags & NGX_HTTP_TRV_ROUTE_OAUTH) {
        ngx_http_trv_oauth_client(ad);
        return;
    }

    ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "principal",
        "Who is asking is not known: the principal is missing or malformed.");
}


static ngx_int_t
ngx_http_trv_admin_principal(ngx_http_trv_admin_t *ad)
{
    ngx_str_t                 text;
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ad->request,
                                       ngx_http_token_revoke_module);

    if (lcf->principal == NULL
        || ngx_http_complex_value(ad->request, lcf->principal, &text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return trv_principal_parse((char *) text.data, text.len, &ad->principal)
           == TRV_OK ? NGX_OK : NGX_ERROR;
}


/* NGX_OK, or NGX_DONE: answered */

static ngx_int_t
ngx_http_trv_admin_allowed(ngx_http_trv_admin_t *ad,
    const ngx_http_trv_route_t *route)
{
    if (route->flags & NGX_HTTP_TRV_ROUTE_OPEN) {
        return NGX_OK;
    }

    if (trv_policy_scope(ad->principal.role, route->op) == TRV_SCOPE_NOTHING) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
                                   "This principal may not do that.");
        return NGX_DONE;
    }

    if (route->flags & NGX_HTTP_TRV_ROUTE_REGISTRY && !ad->set->registry) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_NOT_FOUND, "no-registry",
            "No token records are kept here: the registry is off.");
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_http_trv_admin_post(ngx_http_trv_admin_t *ad,
    const ngx_http_trv_route_t *route)
{
    ngx_http_request_t  *r;

    r = ad->request;

    /* the body of a subrequest is that of the main one, which needs it */

    if (r != r->main) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "subrequest",
                                   "A subrequest cannot change anything.");
        return;
    }

    if (ngx_http_trv_admin_cross_site(r)) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "cross-site",
            "The request comes from a page of another site.");
        return;
    }

    if (route->flags & NGX_HTTP_TRV_ROUTE_OAUTH) {

        if (!ngx_http_trv_admin_is_type(r,
                                        "application/x-www-form-urlencoded"))
        {
            ngx_http_trv_oauth_invalid(ad, "The Content-Type must be "
                                       "application/x-www-form-urlencoded.");
            return;
        }

        ngx_http_trv_body_read(ad, TRV_FORM_MAX_LEN, route->handler);
        return;
    }

    /* lines are not read whole: whoever takes them reads them */

    if (route->flags & NGX_HTTP_TRV_ROUTE_LINES
        && ngx_http_trv_admin_is_type(r, "application/x-ndjson"))
    {
        ad->lines = 1;
        route->handler(ad);
        return;
    }

    if (!ngx_http_trv_admin_is_type(r, "application/json")) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            route->flags & NGX_HTTP_TRV_ROUTE_LINES
            ? "The Content-Type must be application/json or "
              "application/x-ndjson."
            : "The Content-Type must be application/json.");
        return;
    }

    ngx_http_trv_body_read(ad, TRV_REQUEST_MAX_LEN, route->handler);
}


static void
ngx_http_trv_admin_whoami(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
        json_pack("{s:s, s:s%}", "role", trv_role_name(ad->principal.role),
                  "name", ad->principal.name.data, ad->principal.name.len));
}


static void
ngx_http_trv_admin_ready(ngx_http_trv_admin_t *ad)
{
    ngx_http_trv_verdict_e    verdict;
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ad->request,
                                       ngx_http_token_revoke_module);

    verdict = ngx_http_trv_currency(ad->set, lcf);

    if (verdict != NGX_HTTP_TRV_PASSED
        && ngx_http_trv_retry_after(ad->request) != NGX_OK)
    {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_json(ad,
        verdict == NGX_HTTP_TRV_PASSED ? NGX_HTTP_OK
                                       : NGX_HTTP_SERVICE_UNAVAILABLE,
        json_pack("{s:b, s:s}", "ready", verdict == NGX_HTTP_TRV_PASSED,
                  "status", verdict == NGX_HTTP_TRV_PASSED
                            ? "READY"
                            : (char *)
                              ngx_http_trv_verdict_names[verdict].data));
}


static void
ngx_http_trv_admin_cleanup(void *data)
{
    ngx_http_trv_admin_t  *ad = data;

    ngx_http_trv_metrics_count(ad);

    if (ad->timer.timer_set) {
        ngx_del_timer(&ad->timer);
    }

    if (ad->link) {

        if (ad->link == ad->set->link) {
            ngx_trv_redis_cancel(ad->link, ad);

        } else {
            ngx_trv_redis_destroy(ad->link);
        }
    }
}


u_char *
ngx_http_trv_admin_route_label(u_char *p, u_char *last, ngx_uint_t i)
{
    const ngx_http_trv_route_t  *route;

    if (i >= NGX_HTTP_TRV_ROUTES) {
        return NULL;
    }

    route = &ngx_http_trv_routes[i];

    if (route->handler == NULL) {
        return ngx_slprintf(p, last, ",route=\"other\",method=\"other\"");
    }

    return ngx_slprintf(p, last, ",route=\"%V%s\",method=\"%s\"",
                        &route->name,
                        route->flags & NGX_HTTP_TRV_ROUTE_ID ? "/ID" : "",
                        route->method == NGX_HTTP_POST ? "POST" : "GET");
}
