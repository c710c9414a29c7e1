
#include "ngx_http_trv.h"


static ngx_int_t ngx_http_trv_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_trv_variable_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* "_DRY_RUN" behind it is for a call that was let in all the same */

const ngx_str_t  ngx_http_trv_verdict_names[] = {
    ngx_string(""),
    ngx_string("PASSED"),
    ngx_string("REVOKED"),
    ngx_string("MISSING"),
    ngx_string("MALFORMED"),
    ngx_string("STALE"),
    ngx_string("NOT_READY")
};


static ngx_http_variable_t  ngx_http_trv_variables[] = {

    { ngx_string("token_revoke_status"), NULL,
      ngx_http_trv_variable_status, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("token_revoke_id"), NULL,
      ngx_http_trv_variable_id, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    ngx_http_null_variable
};


ngx_int_t
ngx_http_trv_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_trv_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_trv_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    const ngx_str_t      *name;
    ngx_http_trv_ctx_t   *ctx;

    ctx = ngx_http_trv_ctx(r, 0);

    if (ctx == NULL || ctx->verdict == NGX_HTTP_TRV_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ngx_http_trv_verdict_names[ctx->verdict];

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->data = name->data;
    v->len = name->len;

    if (ctx->dry_run) {
        p = ngx_pnalloc(r->pool, name->len + sizeof("_DRY_RUN") - 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        v->data = p;
        v->len = ngx_sprintf(p, "%V_DRY_RUN", name) - p;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_trv_variable_id(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char               *p;
    const trv_id_t       *id;
    ngx_http_trv_ctx_t   *ctx;

    ctx = ngx_http_trv_ctx(r, 0);
    id = ctx ? ngx_http_trv_id(ctx) : NULL;

    if (id == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, TRV_ID_HEX_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    trv_id_format(id, (char *) p);

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->data = p;
    v->len = TRV_ID_HEX_LEN;

    return NGX_OK;
}
