
#include "ngx_http_trv_admin.h"
#include "trv_request.h"


typedef struct {
    ngx_str_t              name;         /* first part of the path */
    ngx_uint_t             method;
    ngx_uint_t             id;           /* "/ID" follows */
    ngx_uint_t             open;         /* to all, without a principal */
    trv_op_e               op;
    ngx_http_trv_admin_pt  handler;
} ngx_http_trv_route_t;


static ngx_http_trv_admin_t *ngx_http_trv_admin_create(ngx_http_request_t *r,
    ngx_trv_set_t *set);
static ngx_int_t ngx_http_trv_admin_start(ngx_http_trv_admin_t *ad);
static const ngx_http_trv_route_t *ngx_http_trv_admin_route(
    ngx_http_trv_admin_t *ad, ngx_str_t *allow);
static ngx_int_t ngx_http_trv_admin_principal(ngx_http_trv_admin_t *ad);
static ngx_int_t ngx_http_trv_admin_post_check(ngx_http_trv_admin_t *ad);
static ngx_uint_t ngx_http_trv_admin_cross_site(ngx_http_request_t *r);
static ngx_uint_t ngx_http_trv_admin_is_json(ngx_http_request_t *r);
static void ngx_http_trv_admin_whoami(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_admin_ready(ngx_http_trv_admin_t *ad);
static void ngx_http_trv_admin_cleanup(void *data);


static const ngx_http_trv_route_t  ngx_http_trv_routes[] = {

    { ngx_string("revocations"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0, 0,
      TRV_OP_LIST_REVOCATIONS, ngx_http_trv_revocations },

    { ngx_string("revocations"), NGX_HTTP_GET|NGX_HTTP_HEAD, 1, 0,
      TRV_OP_LIST_REVOCATIONS, ngx_http_trv_revocation },

    { ngx_string("revocations"), NGX_HTTP_POST, 0, 0,
      TRV_OP_REVOKE_TOKEN, ngx_http_trv_revoke },

    { ngx_string("edges"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0, 0,
      TRV_OP_LIST_EDGES, ngx_http_trv_edges },

    { ngx_string("whoami"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0, 0,
      TRV_OP_WHOAMI, ngx_http_trv_admin_whoami },

    { ngx_string("ready"), NGX_HTTP_GET|NGX_HTTP_HEAD, 0, 1,
      TRV_OP_WHOAMI, ngx_http_trv_admin_ready },

    { ngx_null_string, 0, 0, 0, 0, NULL }
};


ngx_int_t
ngx_http_trv_admin_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_trv_admin_t     *ad;
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_token_revoke_module);

    ad = ngx_http_trv_admin_create(r, lcf->admin);
    if (ad == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ad->rest.data = r->uri.data + lcf->admin_len;
    ad->rest.len = r->uri.len - lcf->admin_len;

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
    ngx_http_trv_ctx_t    *ctx;
    ngx_http_trv_admin_t  *ad;

    ctx = ngx_http_trv_ctx(r, 1);
    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_trv_admin_t));

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_trv_admin_cleanup;

    ad = cln->data;
    ngx_memzero(ad, sizeof(ngx_http_trv_admin_t));

    ctx->admin = ad;

    ad->request = r;
    ad->set = set;

    ad->timer.data = ad;
    ad->timer.handler = ngx_http_trv_admin_timer_handler;
    ad->timer.log = r->connection->log;

    return ad;
}


/* NGX_OK: answered, or will be; else the status to finalize with */

static ngx_int_t
ngx_http_trv_admin_start(ngx_http_trv_admin_t *ad)
{
    ngx_int_t                    rc;
    ngx_str_t                    allow;
    ngx_http_request_t          *r;
    const ngx_http_trv_route_t  *route;

    r = ad->request;

    route = ngx_http_trv_admin_route(ad, &allow);

    if (!(route && route->open) && ngx_http_trv_admin_principal(ad) != NGX_OK) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "principal",
            "Who is asking is not known: the principal is missing or "
            "malformed.");
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

    if (!route->open
        && trv_policy_scope(ad->principal.role, route->op)
           == TRV_SCOPE_NOTHING)
    {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "forbidden",
                                   "This principal may not do that.");
        return NGX_OK;
    }

    if (route->method == NGX_HTTP_POST) {

        if (ngx_http_trv_admin_post_check(ad) != NGX_OK) {
            return NGX_OK;
        }

        return ngx_http_trv_body_read(ad, TRV_REQUEST_MAX_LEN, route->handler);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    route->handler(ad);

    return NGX_OK;
}


/* NULL: none; then allow holds the methods of the resource, if there is one */

static const ngx_http_trv_route_t *
ngx_http_trv_admin_route(ngx_http_trv_admin_t *ad, ngx_str_t *allow)
{
    u_char                      *slash, *last;
    ngx_str_t                    name;
    const ngx_http_trv_route_t  *route;

    static ngx_str_t  get = ngx_string("GET, HEAD");
    static ngx_str_t  get_post = ngx_string("GET, HEAD, POST");

    ngx_str_null(allow);

    name = ad->rest;
    last = name.data + name.len;
    slash = ngx_strlchr(name.data, last, '/');

    if (slash) {
        name.len = slash - name.data;
        ad->rest.data = slash + 1;
        ad->rest.len = last - ad->rest.data;

        if (ad->rest.len == 0 || ngx_strlchr(slash + 1, last, '/')) {
            return NULL;                 /* "revocations/", "revocations/ID/x" */
        }
    }

    for (route = ngx_http_trv_routes; route->handler; route++) {

        if (route->id != (slash != NULL)
            || route->name.len != name.len
            || ngx_memcmp(route->name.data, name.data, name.len) != 0)
        {
            continue;
        }

        if (route->method & ad->request->method) {
            return route;
        }

        *allow = (allow->len || route->method == NGX_HTTP_POST) ? get_post
                                                                : get;
    }

    return NULL;
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


static ngx_int_t
ngx_http_trv_admin_post_check(ngx_http_trv_admin_t *ad)
{
    if (ngx_http_trv_admin_cross_site(ad->request)) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_FORBIDDEN, "cross-site",
            "The request comes from a page of another site.");
        return NGX_DECLINED;
    }

    if (!ngx_http_trv_admin_is_json(ad->request)) {
        ngx_http_trv_admin_problem(ad, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The Content-Type must be application/json.");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_table_elt_t *
ngx_http_trv_admin_header(ngx_http_request_t *r, const char *name,
    ngx_table_elt_t *after)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (after) {
                after = (after == &h[i]) ? NULL : after;
                continue;
            }

            if (h[i].key.len == len
                && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


/*
 * A page of another site can make a browser that is signed in send a POST
 * (request forgery), but cannot forge these fields.
 */

static ngx_uint_t
ngx_http_trv_admin_cross_site(ngx_http_request_t *r)
{
    u_char           *p, *last;
    ngx_str_t         host;
    ngx_table_elt_t  *site, *origin;

    site = ngx_http_trv_admin_header(r, "sec-fetch-site", NULL);

    if (site && ngx_strcmp(site->value.data, "same-origin") != 0
        && ngx_strcmp(site->value.data, "none") != 0)
    {
        return 1;
    }

    origin = ngx_http_trv_admin_header(r, "origin", NULL);
    if (origin == NULL) {
        return 0;
    }

    if (r->headers_in.host == NULL) {
        return 1;
    }

    host = r->headers_in.host->value;
    last = origin->value.data + origin->value.len;

    p = ngx_strlcasestrn(origin->value.data, last, (u_char *) "://", 3 - 1);

    return p == NULL
           || (size_t) (last - p - 3) != host.len
           || ngx_strncasecmp(p + 3, host.data, host.len) != 0;
}


static ngx_uint_t
ngx_http_trv_admin_is_json(ngx_http_request_t *r)
{
    size_t      len;
    ngx_str_t  *type;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;
    len = sizeof("application/json") - 1;

    return type->len >= len
           && ngx_strncasecmp(type->data, (u_char *) "application/json", len)
              == 0
           && (type->len == len || type->data[len] == ';'
               || type->data[len] == ' ');
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


ngx_int_t
ngx_http_trv_admin_by(ngx_http_trv_admin_t *ad, ngx_str_t *by)
{
    const char  *role;

    role = trv_role_name(ad->principal.role);

    by->data = ngx_pnalloc(ad->request->pool, ngx_strlen(role) + 1
                                              + ad->principal.name.len);
    if (by->data == NULL) {
        return NGX_ERROR;
    }

    by->len = ngx_sprintf(by->data, "%s %*s", role, ad->principal.name.len,
                          ad->principal.name.data)
              - by->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_trv_admin_arg(ngx_http_trv_admin_t *ad, u_char **p, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *end, *last, *equal, *src, *dst;

    last = ad->request->args.data + ad->request->args.len;

    if (*p == NULL) {
        *p = ad->request->args.data;
    }

    if (*p == NULL || *p >= last) {
        return NGX_DONE;
    }

    end = ngx_strlchr(*p, last, '&');
    end = end ? end : last;

    equal = ngx_strlchr(*p, end, '=');
    equal = equal ? equal : end;

    name->data = *p;
    name->len = equal - *p;

    src = ngx_min(equal + 1, end);

    value->data = ngx_pnalloc(ad->request->pool, end - src + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    dst = value->data;
    ngx_unescape_uri(&dst, &src, end - src, 0);
    value->len = dst - value->data;

    *p = end + 1;

    return NGX_OK;
}
