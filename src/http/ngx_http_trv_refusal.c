
#include "ngx_http_trv.h"
#include "ngx_http_trv_answer.h"


typedef struct {
    ngx_uint_t   status;
    const char  *error;                  /* RFC 6750, 3.1; NULL: none */
    const char  *description;            /* %x20-21 %x23-5B %x5D-7E only */
} ngx_http_trv_refusal_t;


static ngx_int_t ngx_http_trv_refusal_headers(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx,
    const ngx_http_trv_refusal_t *refusal);
static ngx_int_t ngx_http_trv_refusal_challenge(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx,
    const ngx_http_trv_refusal_t *refusal);
static ngx_uint_t ngx_http_trv_refusal_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_int_t ngx_http_trv_refusal_send(ngx_http_request_t *r,
    const ngx_http_trv_refusal_t *refusal);


static const ngx_http_trv_refusal_t  ngx_http_trv_refusals[] = {

    [NGX_HTTP_TRV_REVOKED] = {
        NGX_HTTP_UNAUTHORIZED, "invalid_token", "The access token was revoked"
    },

    [NGX_HTTP_TRV_MISSING] = {
        NGX_HTTP_UNAUTHORIZED, NULL, "An access token is required"
    },

    [NGX_HTTP_TRV_MALFORMED] = {
        NGX_HTTP_BAD_REQUEST, "invalid_request",
        "The access token is malformed, or there is more than one"
    },

    [NGX_HTTP_TRV_STALE] = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "temporarily_unavailable",
        "Revocations are not up to date here"
    },

    [NGX_HTTP_TRV_NOT_READY] = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "temporarily_unavailable",
        "Revocations are not known here yet"
    }
};


/*
 * A refusal ends the request here: one that is only returned would be
 * remembered by "satisfy any", and another module's OK would let the call in.
 * Only a call without a token may be let in by somebody else, and then nothing
 * but a challenge, which can be taken back, may be in its answer.
 */

ngx_int_t
ngx_http_trv_refuse(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_core_loc_conf_t      *clcf;
    const ngx_http_trv_refusal_t  *refusal;

    refusal = &ngx_http_trv_refusals[ctx->verdict];

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ctx->verdict == NGX_HTTP_TRV_MISSING
        && clcf->satisfy == NGX_HTTP_SATISFY_ANY
        && lcf->phase == NGX_HTTP_TRV_PHASE_ACCESS)
    {
        return ngx_http_trv_refusal_challenge(r, lcf, ctx, refusal) == NGX_OK
               ? NGX_HTTP_UNAUTHORIZED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_trv_refusal_headers(r, lcf, ctx, refusal) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_trv_refusal_page(r, refusal->status)
         ? (ngx_int_t) refusal->status
         : ngx_http_trv_refusal_send(r, refusal);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_trv_refusal_headers(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx,
    const ngx_http_trv_refusal_t *refusal)
{
    ngx_uint_t  again;

    again = ctx->refused;                /* before an internal redirect */
    ctx->refused = 1;

    if (!again && ngx_http_trv_no_store(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (refusal->status != NGX_HTTP_SERVICE_UNAVAILABLE) {
        return ngx_http_trv_refusal_challenge(r, lcf, ctx, refusal);
    }

    return again ? NGX_OK : ngx_http_trv_retry_after(r);
}


static ngx_int_t
ngx_http_trv_refusal_challenge(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx,
    const ngx_http_trv_refusal_t *refusal)
{
    u_char     *p;
    size_t      len;
    ngx_str_t   value;

    len = sizeof("Bearer realm=\"\", error=\"\", error_description=\"\"") - 1
          + lcf->realm.len
          + (refusal->error ? ngx_strlen(refusal->error)
                              + ngx_strlen(refusal->description)
                            : 0);

    value.data = ngx_pnalloc(r->pool, len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(value.data, "Bearer realm=\"%V\"", &lcf->realm);

    if (refusal->error) {
        p = ngx_sprintf(p, ", error=\"%s\", error_description=\"%s\"",
                        refusal->error, refusal->description);
    }

    value.len = p - value.data;

    /* the one of the location before, unless all header fields were dropped */

    if (ctx->challenge == NULL
        || r->headers_out.www_authenticate != ctx->challenge)
    {
        ctx->challenge = ngx_http_trv_header_add(r, "WWW-Authenticate", &value);

        if (ctx->challenge == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->challenge->value = value;
    ctx->challenge->hash = 1;            /* nginx may have taken it back */
    r->headers_out.www_authenticate = ctx->challenge;

    return NGX_OK;
}


/* "satisfy any": nginx takes back one challenge, the last one of several */

ngx_int_t
ngx_http_trv_let_in_handler(ngx_http_request_t *r)
{
    ngx_http_trv_ctx_t        *ctx;
    ngx_http_trv_loc_conf_t   *lcf;
    ngx_http_core_loc_conf_t  *clcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_token_revoke_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (lcf->set == NULL || clcf->satisfy != NGX_HTTP_SATISFY_ANY
        || r != r->main || r->err_status == NGX_HTTP_UNAUTHORIZED)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_trv_ctx(r, 0);

    if (ctx && ctx->challenge && ctx->verdict == NGX_HTTP_TRV_MISSING) {
        ctx->challenge->hash = 0;
    }

    return NGX_DECLINED;
}


/* whether nginx would answer with an "error_page" */

static ngx_uint_t
ngx_http_trv_refusal_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL
        || r->uri_changes == 0
        || (r->error_page && !clcf->recursive_error_pages))
    {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_trv_refusal_send(ngx_http_request_t *r,
    const ngx_http_trv_refusal_t *refusal)
{
    size_t      len;
    ngx_int_t   rc;
    ngx_str_t   body;

    static const char  unauthorized[] = "unauthorized";

    const char  *error;

    /* a large body is not to be sent only to be thrown away */

    r->expect_tested = 1;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    /* not that of an "error_page" which has led here */

    r->err_status = refusal->status;

    error = refusal->error ? refusal->error : unauthorized;

    len = sizeof("{\"error\": \"\", \"error_description\": \"\"}\n") - 1
          + ngx_strlen(error) + ngx_strlen(refusal->description);

    body.data = ngx_pnalloc(r->pool, len);
    if (body.data == NULL) {
        return NGX_ERROR;
    }

    body.len = ngx_sprintf(body.data,
                           "{\"error\": \"%s\", \"error_description\": \"%s\"}"
                           "\n", error, refusal->description)
               - body.data;

    return ngx_http_trv_answer(r, refusal->status, "application/json", &body);
}
