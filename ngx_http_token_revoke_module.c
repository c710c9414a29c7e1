
#include "ngx_http_trv.h"
#include "ngx_http_trv_admin.h"


static ngx_int_t ngx_http_token_revoke_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_token_revoke_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_token_revoke_init_process(ngx_cycle_t *cycle);
static void ngx_http_token_revoke_exit_process(ngx_cycle_t *cycle);
static void *ngx_http_token_revoke_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_token_revoke_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_token_revoke_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_token_revoke_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_token_revoke(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_token_revoke_stale(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_token_revoke_realm(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_token_revoke_admin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_enum_t  ngx_http_token_revoke_missing[] = {
    { ngx_string("deny"), 0 },
    { ngx_string("allow"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_token_revoke_phases[] = {
    { ngx_string("access"), NGX_HTTP_TRV_PHASE_ACCESS },
    { ngx_string("preaccess"), NGX_HTTP_TRV_PHASE_PREACCESS },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_token_revoke_log_levels[] = {
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_null_string, 0 }
};


static ngx_conf_post_t  ngx_http_token_revoke_realm_post = {
    ngx_http_token_revoke_realm
};


#define NGX_HTTP_TRV_BODY_DEFAULT  (1024 * 1024)  /* of client_max_body_size */

#define NGX_HTTP_TOKEN_REVOKE_ALL                                             \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_http_token_revoke_commands[] = {

    { ngx_string("token_revoke_set"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_trv_set_block,
      0,
      0,
      NULL },

    { ngx_string("token_revoke"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_http_token_revoke,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("token_revoke_token"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_1MORE,
      ngx_http_trv_token_conf,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("token_revoke_missing"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, missing_allow),
      ngx_http_token_revoke_missing },

    { ngx_string("token_revoke_stale"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE12,
      ngx_http_token_revoke_stale,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("token_revoke_phase"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, phase),
      ngx_http_token_revoke_phases },

    { ngx_string("token_revoke_dry_run"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, dry_run),
      NULL },

    { ngx_string("token_revoke_cutoff"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, cutoff),
      NULL },

    { ngx_string("token_revoke_realm"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, realm),
      &ngx_http_token_revoke_realm_post },

    { ngx_string("token_revoke_log_level"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, log_level),
      ngx_http_token_revoke_log_levels },

    { ngx_string("token_revoke_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_token_revoke_admin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("token_revoke_principal"),
      NGX_HTTP_TOKEN_REVOKE_ALL|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_trv_loc_conf_t, principal),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_token_revoke_module_ctx = {
    ngx_http_token_revoke_preconfiguration, /* preconfiguration */
    ngx_http_token_revoke_init,            /* postconfiguration */

    ngx_http_token_revoke_create_main_conf, /* create main configuration */
    ngx_http_token_revoke_init_main_conf,  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_token_revoke_create_loc_conf, /* create location configuration */
    ngx_http_token_revoke_merge_loc_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_token_revoke_module = {
    NGX_MODULE_V1,
    &ngx_http_token_revoke_module_ctx,         /* module context */
    ngx_http_token_revoke_commands,            /* module directives */
    NGX_HTTP_MODULE,                           /* module type */
    NULL,                                      /* init master */
    NULL,                                      /* init module */
    ngx_http_token_revoke_init_process,        /* init process */
    NULL,                                      /* init thread */
    NULL,                                      /* exit thread */
    ngx_http_token_revoke_exit_process,        /* exit process */
    NULL,                                      /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_token_revoke_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_trv_variables_add(cf);
}


static ngx_int_t
ngx_http_token_revoke_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_handler_pt        *h;
    ngx_http_trv_main_conf_t   *mcf;
    ngx_http_core_main_conf_t  *cmcf;

    static const struct {
        ngx_uint_t            ours;
        ngx_http_phases       phase;
        ngx_http_handler_pt   handler;
    } phases[] = {
        { NGX_HTTP_TRV_PHASE_PREACCESS, NGX_HTTP_PREACCESS_PHASE,
          ngx_http_trv_preaccess_handler },
        { NGX_HTTP_TRV_PHASE_ACCESS, NGX_HTTP_ACCESS_PHASE,
          ngx_http_trv_access_handler },
        { NGX_HTTP_TRV_PHASE_LET_IN, NGX_HTTP_PRECONTENT_PHASE,
          ngx_http_trv_let_in_handler }
    };

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_token_revoke_module);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {

        if ((mcf->phases & 1 << phases[i].ours) == 0) {
            continue;
        }

        h = ngx_array_push(&cmcf->phases[phases[i].phase].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = phases[i].handler;
    }

    return NGX_OK;
}


/* nginx calls this in its helper processes too, which judge nothing */

static ngx_int_t
ngx_http_token_revoke_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                 i;
    ngx_trv_set_t            **sets;
    ngx_http_trv_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_token_revoke_module);
    if (mcf == NULL) {
        return NGX_OK;                   /* no http block */
    }

    sets = mcf->sets.elts;

    for (i = 0; i < mcf->sets.nelts; i++) {
        if (ngx_trv_set_init_process(sets[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_token_revoke_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                 i;
    ngx_trv_set_t            **sets;
    ngx_http_trv_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_token_revoke_module);
    if (mcf == NULL) {
        return;
    }

    sets = mcf->sets.elts;

    for (i = 0; i < mcf->sets.nelts; i++) {
        ngx_trv_set_exit_process(sets[i], cycle);
    }
}


static void *
ngx_http_token_revoke_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_trv_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_trv_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->sets, cf->pool, 1, sizeof(ngx_trv_set_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


static char *
ngx_http_token_revoke_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_uint_t                 i;
    ngx_trv_set_t            **sets;
    ngx_http_trv_main_conf_t  *mcf = conf;

    sets = mcf->sets.elts;

    for (i = 0; i < mcf->sets.nelts; i++) {
        if (sets[i]->file == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown token revocation set \"%V\"",
                               &sets[i]->name);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_trv_set_init(cf, sets[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_token_revoke_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_trv_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_trv_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->set = NGX_CONF_UNSET_PTR;
    lcf->sources = NGX_CONF_UNSET_PTR;
    lcf->missing_allow = NGX_CONF_UNSET_UINT;
    lcf->stale = NGX_CONF_UNSET_UINT;
    lcf->stale_ms = NGX_CONF_UNSET_MSEC;
    lcf->phase = NGX_CONF_UNSET_UINT;
    lcf->dry_run = NGX_CONF_UNSET;
    lcf->cutoff = NGX_CONF_UNSET;
    lcf->log_level = NGX_CONF_UNSET_UINT;
    lcf->principal = NGX_CONF_UNSET_PTR;

    return lcf;
}


static char *
ngx_http_token_revoke_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_trv_loc_conf_t  *prev = parent;
    ngx_http_trv_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_trv_main_conf_t  *mcf;

    ngx_conf_merge_ptr_value(conf->set, prev->set, NULL);
    ngx_conf_merge_ptr_value(conf->sources, prev->sources, NULL);
    ngx_conf_merge_uint_value(conf->missing_allow, prev->missing_allow, 0);
    ngx_conf_merge_msec_value(conf->stale_ms, prev->stale_ms,
                              NGX_HTTP_TRV_STALE_MS);
    ngx_conf_merge_uint_value(conf->stale, prev->stale,
                              NGX_HTTP_TRV_STALE_DENY);
    ngx_conf_merge_uint_value(conf->phase, prev->phase,
                              NGX_HTTP_TRV_PHASE_ACCESS);
    ngx_conf_merge_value(conf->dry_run, prev->dry_run, 0);
    ngx_conf_merge_value(conf->cutoff, prev->cutoff, 0);
    ngx_conf_merge_str_value(conf->realm, prev->realm, "api");
    ngx_conf_merge_uint_value(conf->log_level, prev->log_level, NGX_LOG_INFO);
    ngx_conf_merge_ptr_value(conf->principal, prev->principal, NULL);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" are a part of the location that they are in */

    if (clcf->noname && prev->admin
        && (clcf->handler == NULL
            || clcf->handler == ngx_http_trv_admin_handler))
    {
        conf->admin = prev->admin;
        conf->admin_len = prev->admin_len;
        clcf->handler = ngx_http_trv_admin_handler;
    }

    if (conf->admin) {

        /* nginx' default would answer with a page, before we can */

        if (clcf->client_max_body_size == NGX_HTTP_TRV_BODY_DEFAULT) {
            clcf->client_max_body_size = 0;
        }
    }

    if (conf->set == NULL) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_token_revoke_module);
    mcf->phases |= 1 << conf->phase;

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        mcf->phases |= 1 << NGX_HTTP_TRV_PHASE_LET_IN;
    }

    return conf->sources ? NGX_CONF_OK
                         : ngx_http_trv_token_conf_default(cf, conf);
}


static char *
ngx_http_token_revoke(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                *value;
    ngx_http_trv_loc_conf_t  *lcf = conf;

    if (lcf->set != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->set = NULL;
        return NGX_CONF_OK;
    }

    lcf->set = ngx_http_trv_set_get(cf, &value[1]);

    return lcf->set ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_token_revoke_stale(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                 ms;
    ngx_str_t                *value;
    ngx_http_trv_loc_conf_t  *lcf = conf;

    if (lcf->stale != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->stale = NGX_HTTP_TRV_STALE_OFF;
        lcf->stale_ms = 0;
        return NGX_CONF_OK;
    }

    ms = ngx_parse_time(&value[1], 0);

    /* heartbeats are a second apart: less would refuse in between */

    if (ms == NGX_ERROR || ms < NGX_HTTP_TRV_STALE_MIN_MS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" of \"token_revoke_stale\": "
                           "\"off\" or at least 3s is expected", &value[1]);
        return NGX_CONF_ERROR;
    }

    lcf->stale_ms = ms;
    lcf->stale = NGX_HTTP_TRV_STALE_DENY;

    if (cf->args->nelts == 2 || ngx_strcmp(value[2].data, "deny") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[2].data, "allow") == 0) {
        lcf->stale = NGX_HTTP_TRV_STALE_ALLOW;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"token_revoke_stale\": "
                       "\"deny\" or \"allow\" is expected", &value[2]);
    return NGX_CONF_ERROR;
}


/* it becomes a quoted-string (RFC 9110, 5.6.4) without escapes */

static char *
ngx_http_token_revoke_realm(ngx_conf_t *cf, void *post, void *data)
{
    u_char     *p;
    ngx_str_t  *realm = data;

    for (p = realm->data; p < realm->data + realm->len; p++) {
        if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid realm \"%V\": printable ASCII without "
                               "quotes and backslashes is allowed", realm);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_token_revoke_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_trv_loc_conf_t   *lcf = conf;

    if (lcf->admin) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
        || clcf->regex
#endif
        || clcf->name.len == 0 || clcf->name.data[clcf->name.len - 1] != '/')
    {
        return "needs a prefix location whose name ends with \"/\"";
    }

    value = cf->args->elts;

    lcf->admin_len = clcf->name.len;
    lcf->admin = ngx_http_trv_set_get(cf, &value[1]);
    if (lcf->admin == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf->handler = ngx_http_trv_admin_handler;

    return NGX_CONF_OK;
}
