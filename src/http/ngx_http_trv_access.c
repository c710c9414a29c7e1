
#include "ngx_http_trv.h"


#define NGX_HTTP_TRV_AHEAD_MS  2000      /* workers' clocks differ a little */
#define NGX_HTTP_TRV_LOG_PATH  1024      /* bytes of a path that are logged */


static ngx_int_t ngx_http_trv_access(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf);
static ngx_int_t ngx_http_trv_id_find(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, trv_id_t *id, trv_str_t *later);
static ngx_http_trv_verdict_e ngx_http_trv_judge(ngx_http_trv_loc_conf_t *lcf,
    ngx_int_t found, const trv_id_t *id);
static ngx_trv_action_e ngx_http_trv_action(ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_verdict_e verdict);
static void ngx_http_trv_count(ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_ctx_t *ctx, ngx_trv_action_e action);
static size_t ngx_http_trv_log_path(ngx_str_t *uri, u_char *path);
static void ngx_http_trv_ctx_cleanup(void *data);


ngx_int_t
ngx_http_trv_access_handler(ngx_http_request_t *r)
{
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_token_revoke_module);

    if (lcf->set == NULL || lcf->phase != NGX_HTTP_TRV_PHASE_ACCESS) {
        return NGX_DECLINED;
    }

    return ngx_http_trv_access(r, lcf);
}


/* nginx keeps subrequests out of the access phase, and we out of this one */

ngx_int_t
ngx_http_trv_preaccess_handler(ngx_http_request_t *r)
{
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_token_revoke_module);

    if (lcf->set == NULL || lcf->phase != NGX_HTTP_TRV_PHASE_PREACCESS
        || r != r->main)
    {
        return NGX_DECLINED;
    }

    return ngx_http_trv_access(r, lcf);
}


static ngx_int_t
ngx_http_trv_access(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf)
{
    trv_id_t             id;
    ngx_int_t            found;
    trv_str_t            later;
    ngx_trv_action_e     action;
    ngx_http_trv_ctx_t  *ctx;

    found = ngx_http_trv_id_find(r, lcf, &id, &later);

    ctx = ngx_http_trv_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->id = id;
    ctx->later = later;
    ctx->verdict = ngx_http_trv_judge(lcf, found, &id);

    action = ngx_http_trv_action(lcf, ctx->verdict);
    ctx->dry_run = (action == NGX_TRV_ACTION_DRY_RUN);

    ngx_http_trv_count(lcf, ctx, action);

    if (action == NGX_TRV_ACTION_PASSED) {

        if (lcf->cutoff && found == NGX_OK && !lcf->dry_run
            && ngx_http_trv_cutoff_add(r, lcf, ctx) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_DECLINED;
    }

    if (ctx->verdict == NGX_HTTP_TRV_NONE) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_trv_log(r, lcf, ctx, ctx->dry_run ? ", dry run" : "");

    return ctx->dry_run ? NGX_DECLINED : ngx_http_trv_refuse(r, lcf, ctx);
}


static ngx_trv_action_e
ngx_http_trv_action(ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_verdict_e verdict)
{
    if (verdict == NGX_HTTP_TRV_PASSED
        || (verdict == NGX_HTTP_TRV_STALE
            && lcf->stale == NGX_HTTP_TRV_STALE_ALLOW))
    {
        return NGX_TRV_ACTION_PASSED;
    }

    return (lcf->dry_run && verdict != NGX_HTTP_TRV_NONE)
           ? NGX_TRV_ACTION_DRY_RUN : NGX_TRV_ACTION_REFUSED;
}


/* a call that an internal redirect brings here again is the same call */

static void
ngx_http_trv_count(ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx,
    ngx_trv_action_e action)
{
    ngx_uint_t  stat;

    stat = NGX_TRV_STAT_CALLS + ctx->verdict * NGX_TRV_STATS_ACTIONS + action;

    if (ctx->counted_set == lcf->set && ctx->counted == stat) {
        return;
    }

    ctx->counted_set = lcf->set;
    ctx->counted = stat;

    ngx_trv_stats_add(&lcf->set->stats, stat, 1);

    if (ctx->verdict == NGX_HTTP_TRV_REVOKED) {
        ngx_trv_stats_try(&lcf->set->stats, &ctx->id);
    }
}


/*
 * As ngx_http_trv_token_find().  If there is anything in the set to compare it
 * with, the id is made, and its place in the table on its way.  If not, it is
 * left for later, out of a copy: over its header fields nginx may read what a
 * client sends after an upgrade.
 */

static ngx_int_t
ngx_http_trv_id_find(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf,
    trv_id_t *id, trv_str_t *later)
{
    char       *p;
    ngx_int_t   rc;
    trv_str_t   token;

    ngx_memzero(id, sizeof(trv_id_t));
    ngx_memzero(later, sizeof(trv_str_t));

    rc = ngx_http_trv_token_find(r, lcf->sources, &token);

    if (rc != NGX_OK) {
        return rc;
    }

    if (trv_replica_empty(lcf->set->replica)) {
        p = ngx_pnalloc(r->pool, token.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, token.data, token.len);

        later->data = p;
        later->len = token.len;

        return NGX_OK;
    }

    if (trv_id_digest(token.data, token.len, id) != TRV_OK) {
        return NGX_ERROR;
    }

    trv_replica_prefetch(lcf->set->replica, id);

    return NGX_OK;
}


const trv_id_t *
ngx_http_trv_id(ngx_http_trv_ctx_t *ctx)
{
    if (ctx->id.hi == 0
        && (ctx->later.data == NULL
            || trv_id_digest(ctx->later.data, ctx->later.len, &ctx->id)
               != TRV_OK))
    {
        return NULL;
    }

    return &ctx->id;
}


/* NONE: the system failed us */

static ngx_http_trv_verdict_e
ngx_http_trv_judge(ngx_http_trv_loc_conf_t *lcf, ngx_int_t found,
    const trv_id_t *id)
{
    trv_rc_e                rc;
    ngx_http_trv_verdict_e  currency;

    if (found == NGX_ABORT) {
        return NGX_HTTP_TRV_MALFORMED;
    }

    if (found == NGX_DECLINED) {
        return lcf->missing_allow ? NGX_HTTP_TRV_PASSED : NGX_HTTP_TRV_MISSING;
    }

    if (found != NGX_OK) {
        return NGX_HTTP_TRV_NONE;
    }

    /* before the table, which is still on its way from memory */

    currency = ngx_http_trv_currency(lcf->set, lcf);

    rc = TRV_DECLINED;

    if (id->hi != 0) {
        rc = trv_replica_lookup(lcf->set->replica, id);
    }

    /* present means refused, however old that knowledge is */

    if (rc == TRV_OK) {
        return NGX_HTTP_TRV_REVOKED;
    }

    if (currency == NGX_HTTP_TRV_PASSED && rc == TRV_ERROR
        && lcf->stale != NGX_HTTP_TRV_STALE_OFF)
    {
        return NGX_HTTP_TRV_STALE;       /* cannot map the table in force */
    }

    return currency;
}


ngx_http_trv_verdict_e
ngx_http_trv_currency(ngx_trv_set_t *set, ngx_http_trv_loc_conf_t *lcf)
{
    uint64_t        contact;
    ngx_msec_int_t  age;

    if (lcf->stale == NGX_HTTP_TRV_STALE_OFF) {
        return NGX_HTTP_TRV_PASSED;
    }

    if (!ngx_trv_set_ready(set)) {
        return NGX_HTTP_TRV_NOT_READY;
    }

    /* the clock is monotonic and the same for all workers of this machine */

    contact = trv_replica_contact_ms(set->replica);
    age = (ngx_msec_int_t) (ngx_current_msec - contact);

    if (age < -NGX_HTTP_TRV_AHEAD_MS) {
        ngx_time_update();               /* this turn has taken that long */
        age = (ngx_msec_int_t) (ngx_current_msec - contact);
    }

    if (contact == 0
        || age < -NGX_HTTP_TRV_AHEAD_MS
        || age > (ngx_msec_int_t) lcf->stale_ms
        || trv_replica_full(set->replica))
    {
        return NGX_HTTP_TRV_STALE;
    }

    return NGX_HTTP_TRV_PASSED;
}


/*
 * nginx' own log handler would add the request line, which may hold a token
 * in the query: what is said about the request is said here.
 */

void
ngx_http_trv_log(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_ctx_t *ctx, const char *how)
{
    char                  hex[TRV_ID_HEX_LEN];
    u_char                path[NGX_HTTP_TRV_LOG_PATH];
    ngx_log_t            *log;
    ngx_str_t             text, uri;
    const trv_id_t       *id;
    ngx_log_handler_pt    handler;

    ngx_str_set(&text, "-");

    id = ngx_http_trv_id(ctx);

    if (id) {
        trv_id_format(id, hex);
        text.data = (u_char *) hex;
        text.len = 8;
    }

    uri.data = path;
    uri.len = ngx_http_trv_log_path(&r->uri, path);

    log = r->connection->log;
    handler = log->handler;
    log->handler = NULL;

    ngx_log_error(lcf->log_level, log, 0,
                  "token revocation%s: %V, token id: %V, set: \"%V\", "
                  "client: %V, method: %V, uri: \"%V\"",
                  how,
                  &ngx_http_trv_verdict_names[ctx->verdict], &text,
                  &lcf->set->name, &r->connection->addr_text,
                  &r->method_name, &uri);

    log->handler = handler;
}


/* decoded, it may hold a line of its own, or end the quotes around it */

static size_t
ngx_http_trv_log_path(ngx_str_t *uri, u_char *path)
{
    u_char  c;
    size_t  i, len;

    len = ngx_min(uri->len, NGX_HTTP_TRV_LOG_PATH);

    for (i = 0; i < len; i++) {
        c = uri->data[i];
        path[i] = (c < 0x20 || c == 0x7f || c == '"') ? '?' : c;
    }

    return len;
}


/*
 * An internal redirect clears the contexts of modules; the cleanup record of
 * the pool lives on, for the variables in the log of the request.
 */

ngx_http_trv_ctx_t *
ngx_http_trv_ctx(ngx_http_request_t *r, ngx_uint_t create)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_trv_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_token_revoke_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_trv_ctx_cleanup) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_token_revoke_module);
                break;
            }
        }
    }

    if (ctx || !create) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_trv_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_trv_ctx_cleanup;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_trv_ctx_t));
    ngx_http_set_ctx(r, ctx, ngx_http_token_revoke_module);

    return ctx;
}


static void
ngx_http_trv_ctx_cleanup(void *data)
{
    /* only marks the record */
}
