
/*
 * What the parts of src/http share: configuration and request context.
 */

#ifndef NGX_HTTP_TRV_H
#define NGX_HTTP_TRV_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_trv_set.h"
#include "trv_bearer.h"
#include "trv_policy.h"


#define NGX_HTTP_TRV_STALE_DENY   0
#define NGX_HTTP_TRV_STALE_ALLOW  1
#define NGX_HTTP_TRV_STALE_OFF    2

#define NGX_HTTP_TRV_STALE_MS      (3600 * 1000)
#define NGX_HTTP_TRV_STALE_MIN_MS  3000

#define NGX_HTTP_TRV_PHASE_ACCESS     0
#define NGX_HTTP_TRV_PHASE_PREACCESS  1
#define NGX_HTTP_TRV_PHASE_LET_IN     2  /* behind "satisfy any" */

#define NGX_HTTP_TRV_RETRY_SEC    "1"    /* Retry-After of every 503 */


typedef struct {
    ngx_array_t            sets;         /* of ngx_trv_set_t * */
    ngx_uint_t             phases;       /* bits: some location judges in */
} ngx_http_trv_main_conf_t;


typedef struct {
    ngx_trv_set_t            *set;       /* NULL: off */
    ngx_array_t              *sources;   /* ngx_http_trv_token.c */
    ngx_uint_t                missing_allow;
    ngx_uint_t                stale;     /* deny, allow, off */
    ngx_msec_t                stale_ms;
    ngx_uint_t                phase;
    ngx_flag_t                dry_run;
    ngx_flag_t                cutoff;
    ngx_str_t                 realm;
    ngx_uint_t                log_level;

    ngx_trv_set_t            *admin;     /* NULL: not an admin location */
    size_t                    admin_len;         /* of the location's prefix */
    ngx_http_complex_value_t *principal;
} ngx_http_trv_loc_conf_t;


typedef enum {
    NGX_HTTP_TRV_NONE = 0,               /* off, or not judged */
    NGX_HTTP_TRV_PASSED,
    NGX_HTTP_TRV_REVOKED,
    NGX_HTTP_TRV_MISSING,
    NGX_HTTP_TRV_MALFORMED,
    NGX_HTTP_TRV_STALE,
    NGX_HTTP_TRV_NOT_READY,
    NGX_HTTP_TRV_VERDICT_N
} ngx_http_trv_verdict_e;


/* survives internal redirects, see ngx_http_trv_ctx() */
typedef struct {
    ngx_http_trv_verdict_e    verdict;
    unsigned                  dry_run:1;         /* would have been refused */
    unsigned                  refused:1;         /* header fields are set */
    trv_id_t                  id;        /* hi is 0: not made */
    trv_str_t                 later;     /* of what it is to be made then; data
                                            is NULL: of nothing */
    ngx_trv_set_t            *counted_set;       /* in its stats already */
    ngx_uint_t                counted;   /* as this */
    void                     *cutoff;    /* ngx_http_trv_cutoff_t or NULL */
    ngx_table_elt_t          *challenge; /* of r->headers_out, or NULL */
} ngx_http_trv_ctx_t;


extern ngx_module_t  ngx_http_token_revoke_module;


/* ngx_http_trv_set.c: the set of this name, defined or to be defined yet */
ngx_trv_set_t *ngx_http_trv_set_get(ngx_conf_t *cf, ngx_str_t *name);
char *ngx_http_trv_set_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* when all of "http" is known */
char *ngx_http_trv_set_init(ngx_conf_t *cf, ngx_trv_set_t *set);

/* ngx_http_trv_access.c */
ngx_int_t ngx_http_trv_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_trv_preaccess_handler(ngx_http_request_t *r);

/* NULL: the call was not judged, or there is no memory for a new one */
ngx_http_trv_ctx_t *ngx_http_trv_ctx(ngx_http_request_t *r, ngx_uint_t create);

/* of the token, made when it is asked for; NULL: none, or OpenSSL failed */
const trv_id_t *ngx_http_trv_id(ngx_http_trv_ctx_t *ctx);

/* one line for a call that is not let in, or no longer; `how` is part of it */
void ngx_http_trv_log(ngx_http_request_t *r, ngx_http_trv_loc_conf_t *lcf,
    ngx_http_trv_ctx_t *ctx, const char *how);

/* whether this edge can judge calls here now: PASSED, STALE or NOT_READY */
ngx_http_trv_verdict_e ngx_http_trv_currency(ngx_trv_set_t *set,
    ngx_http_trv_loc_conf_t *lcf);

/*
 * ngx_http_trv_token.c: the one token of a call.  NGX_OK; NGX_DECLINED: none;
 * NGX_ABORT: malformed, or more than one; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_trv_token_find(ngx_http_request_t *r,
    ngx_array_t *sources, trv_str_t *token);
char *ngx_http_trv_token_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_trv_token_conf_default(ngx_conf_t *cf,
    ngx_http_trv_loc_conf_t *lcf);

/* ngx_http_trv_refusal.c: what the handler returns for a call not let in */
ngx_int_t ngx_http_trv_refuse(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx);
ngx_int_t ngx_http_trv_let_in_handler(ngx_http_request_t *r);

/* ngx_http_trv_cutoff.c: it ends with its token; NGX_ERROR: memory, OpenSSL */
ngx_int_t ngx_http_trv_cutoff_add(ngx_http_request_t *r,
    ngx_http_trv_loc_conf_t *lcf, ngx_http_trv_ctx_t *ctx);

/* ngx_http_trv_variables.c */
extern const ngx_str_t  ngx_http_trv_verdict_names[];

ngx_int_t ngx_http_trv_variables_add(ngx_conf_t *cf);


#endif /* NGX_HTTP_TRV_H */
