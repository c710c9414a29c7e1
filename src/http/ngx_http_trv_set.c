
#include "ngx_http_trv.h"
#include "trv_dir.h"


#define NGX_HTTP_TRV_LIFETIME_SEC  (1826 * 86400)
#define NGX_HTTP_TRV_RECORDS_SEC   (90 * 86400)
#define NGX_HTTP_TRV_LOG_LENGTH    1000000       /* entries */
#define NGX_HTTP_TRV_TIMEOUT_MS    3000

/* days are 16 bits in a replica: until the year 2149 */
#define NGX_HTTP_TRV_LIFETIME_MAX  (20000 * 86400)

/* a revocation is forgotten up to two days after its expiry, its owner later */
#define NGX_HTTP_TRV_RECORDS_MIN   (3 * 86400)


typedef char *(*ngx_http_trv_set_pt)(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);

typedef struct {
    ngx_str_t             name;
    ngx_uint_t            max;           /* arguments */
    ngx_http_trv_set_pt   set;
} ngx_http_trv_set_directive_t;


static char *ngx_http_trv_set_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_trv_set_finish(ngx_conf_t *cf, ngx_trv_set_t *set);
static char *ngx_http_trv_set_hostname(ngx_conf_t *cf, ngx_trv_set_t *set);
static char *ngx_http_trv_set_path(ngx_conf_t *cf, ngx_trv_set_t *set);
static char *ngx_http_trv_set_redis(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_sentinel(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_replicas(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_resolver(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_replica(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_prefix(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_node(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_registry(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_records(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_lifetime(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_log_length(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_wait(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_timeout(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n);
static char *ngx_http_trv_set_refuse(ngx_conf_t *cf, ngx_str_t *value,
    const char *name, const char *why);


static ngx_http_trv_set_directive_t  ngx_http_trv_set_directives[] = {
    { ngx_string("redis"), 8, ngx_http_trv_set_redis },
    { ngx_string("sentinel"), 24, ngx_http_trv_set_sentinel },
    { ngx_string("read_from"), 16, ngx_http_trv_set_replicas },
    { ngx_string("resolver"), 16, ngx_http_trv_set_resolver },
    { ngx_string("replica"), 1, ngx_http_trv_set_replica },
    { ngx_string("prefix"), 1, ngx_http_trv_set_prefix },
    { ngx_string("node"), 1, ngx_http_trv_set_node },
    { ngx_string("registry"), 1, ngx_http_trv_set_registry },
    { ngx_string("token_records"), 1, ngx_http_trv_set_records },
    { ngx_string("max_lifetime"), 1, ngx_http_trv_set_lifetime },
    { ngx_string("log_length"), 1, ngx_http_trv_set_log_length },
    { ngx_string("wait_replicas"), 1, ngx_http_trv_set_wait },
    { ngx_string("timeout"), 1, ngx_http_trv_set_timeout },
    { ngx_null_string, 0, NULL }
};


ngx_trv_set_t *
ngx_http_trv_set_get(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_trv_set_t              *set, **sets;
    ngx_http_trv_main_conf_t   *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_token_revoke_module);

    sets = mcf->sets.elts;

    for (i = 0; i < mcf->sets.nelts; i++) {
        if (sets[i]->name.len == name->len
            && ngx_strncmp(sets[i]->name.data, name->data, name->len) == 0)
        {
            return sets[i];
        }
    }

    sets = ngx_array_push(&mcf->sets);
    set = ngx_pcalloc(cf->pool, sizeof(ngx_trv_set_t));

    if (sets == NULL || set == NULL) {
        return NULL;
    }

    *sets = set;

    set->name = *name;
    set->registry = NGX_CONF_UNSET;
    set->token_records = NGX_CONF_UNSET;
    set->max_lifetime = NGX_CONF_UNSET;
    set->log_length = NGX_CONF_UNSET;
    set->wait_replicas = NGX_CONF_UNSET;
    set->redis.timeout = NGX_CONF_UNSET_MSEC;

    return set;
}


char *
ngx_http_trv_set_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char           *rv;
    ngx_str_t      *value;
    ngx_conf_t      save;
    ngx_trv_set_t  *set;

    value = cf->args->elts;

    if (!trv_name_check((char *) value[1].data, value[1].len)
        || ngx_strcmp(value[1].data, "off") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a token revocation set \"%V\": "
                           "1 to 64 of A-Z a-z 0-9 . _ - and not \"off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    set = ngx_http_trv_set_get(cf, &value[1]);
    if (set == NULL) {
        return NGX_CONF_ERROR;
    }

    if (set->file) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "token revocation set \"%V\" was defined in %s:%ui "
                           "already", &set->name, set->file, set->line);
        return NGX_CONF_ERROR;
    }

    set->file = cf->conf_file->file.name.data;
    set->line = cf->conf_file->line;

    save = *cf;
    cf->handler = ngx_http_trv_set_directive;
    cf->handler_conf = (void *) set;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv == NGX_CONF_OK ? ngx_http_trv_set_finish(cf, set) : rv;
}


static char *
ngx_http_trv_set_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    char                          *rv;
    ngx_str_t                     *value;
    ngx_trv_set_t                 *set = conf;
    ngx_http_trv_set_directive_t  *d;

    value = cf->args->elts;

    for (d = ngx_http_trv_set_directives; d->set; d++) {
        if (d->name.len == value[0].len
            && ngx_strncmp(d->name.data, value[0].data, d->name.len) == 0)
        {
            break;
        }
    }

    if (d->set == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in a token revocation "
                           "set", &value[0]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts < 2 || cf->args->nelts - 1 > d->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    rv = d->set(cf, set, &value[1], cf->args->nelts - 1);

    if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                           &value[0], rv);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_trv_set_finish(ngx_conf_t *cf, ngx_trv_set_t *set)
{
    if (set->redis.url.data == NULL || set->path == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "token revocation set \"%V\" needs \"%s\"",
                           &set->name, set->path ? "redis" : "replica");
        return NGX_CONF_ERROR;
    }

    if (set->redis.prefix.len == 0) {
        set->redis.prefix = set->name;
    }

    if (set->node.len == 0
        && ngx_http_trv_set_hostname(cf, set) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_value(set->registry, 1);
    ngx_conf_init_value(set->token_records, NGX_HTTP_TRV_RECORDS_SEC);
    ngx_conf_init_value(set->max_lifetime, NGX_HTTP_TRV_LIFETIME_SEC);
    ngx_conf_init_value(set->log_length, NGX_HTTP_TRV_LOG_LENGTH);
    ngx_conf_init_value(set->wait_replicas, 0);
    ngx_conf_init_msec_value(set->redis.timeout, NGX_HTTP_TRV_TIMEOUT_MS);

    if (ngx_trv_stats_conf(cf, &set->stats, &set->name,
                           &ngx_http_token_revoke_module)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_trv_set_path(cf, set);
}


char *
ngx_http_trv_set_init(ngx_conf_t *cf, ngx_trv_set_t *set)
{
    ngx_resolver_t            *resolver;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    resolver = clcf->resolver;

    /* nginx makes one without name servers where none is configured */

    if (set->redis.resolver == NULL && resolver
        && resolver->connections.nelts)
    {
        set->redis.resolver = resolver;
    }

    return ngx_trv_redis_conf_init(cf, &set->redis);
}


/* with the zero at its end that nginx leaves out there */

static char *
ngx_http_trv_set_hostname(ngx_conf_t *cf, ngx_trv_set_t *set)
{
    ngx_str_t  *name;

    name = &cf->cycle->hostname;

    if (!trv_name_check((char *) name->data, name->len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the host name \"%V\" cannot be the name of an "
                           "edge: token revocation set \"%V\" needs \"node\"",
                           name, &set->name);
        return NGX_CONF_ERROR;
    }

    set->node.len = name->len;
    set->node.data = ngx_pnalloc(cf->pool, name->len + 1);
    if (set->node.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(set->node.data, name->data, name->len + 1);

    return NGX_CONF_OK;
}


/* nginx makes the directory at start; of two owners of one it compares texts */

static char *
ngx_http_trv_set_path(ngx_conf_t *cf, ngx_trv_set_t *set)
{
    ngx_uint_t                  i;
    ngx_trv_set_t             **sets;
    ngx_http_trv_main_conf_t   *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_token_revoke_module);
    sets = mcf->sets.elts;

    for (i = 0; i < mcf->sets.nelts; i++) {

        if (sets[i] != set && sets[i]->path
            && trv_dir_same((char *) sets[i]->path->name.data,
                            (char *) set->path->name.data))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the directory \"%V\" of token revocation set "
                               "\"%V\" is that of set \"%V\"",
                               &set->path->name, &set->name, &sets[i]->name);
            return NGX_CONF_ERROR;
        }
    }

    set->path->data = set;
    set->path->conf_file = set->file;
    set->path->line = set->line;

    return ngx_add_path(cf, &set->path) == NGX_OK ? NGX_CONF_OK
                                                  : NGX_CONF_ERROR;
}


static char *
ngx_http_trv_set_redis(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->redis.url.data) {
        return "is duplicate";
    }

    return ngx_trv_redis_conf_parse(cf, &set->redis, value, n);
}


static char *
ngx_http_trv_set_sentinel(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->redis.sentinel) {
        return "is duplicate";
    }

    return ngx_trv_sentinel_conf_parse(cf, &set->redis, value, n);
}


static char *
ngx_http_trv_set_replicas(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->redis.nreplicas) {
        return "is duplicate";
    }

    return ngx_trv_replicas_conf_parse(cf, &set->redis, value, n);
}


static char *
ngx_http_trv_set_resolver(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->redis.resolver) {
        return "is duplicate";
    }

    set->redis.resolver = ngx_resolver_create(cf, value, n);

    return set->redis.resolver ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_trv_set_replica(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->path) {
        return "is duplicate";
    }

    set->path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (set->path == NULL) {
        return NGX_CONF_ERROR;
    }

    set->path->name = *value;

    if (value->len > 1 && value->data[value->len - 1] == '/') {
        set->path->name.len--;
        set->path->name.data[set->path->name.len] = '\0';
    }

    if (value->len == 0) {
        return ngx_http_trv_set_refuse(cf, value, "replica", "it is empty");
    }

    return ngx_conf_full_name(cf->cycle, &set->path->name, 0) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_trv_set_prefix(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    u_char  *p;

    if (set->redis.prefix.len) {
        return "is duplicate";
    }

    for (p = value->data; p < value->data + value->len; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '{' || *p == '}') {
            break;
        }
    }

    if (value->len == 0 || value->len > TRV_NAME_MAX_LEN
        || p < value->data + value->len)
    {
        return ngx_http_trv_set_refuse(cf, value, "prefix", "up to 64 bytes of "
                                       "printable ASCII without blanks and "
                                       "braces are allowed");
    }

    set->redis.prefix = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_node(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->node.len) {
        return "is duplicate";
    }

    if (!trv_name_check((char *) value->data, value->len)) {
        return ngx_http_trv_set_refuse(cf, value, "node", "1 to 64 of A-Z a-z "
                                       "0-9 . _ - are allowed");
    }

    set->node = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_registry(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->registry != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    set->registry = (ngx_strcmp(value->data, "on") == 0);

    if (!set->registry && ngx_strcmp(value->data, "off") != 0) {
        return ngx_http_trv_set_refuse(cf, value, "registry", "\"on\" or "
                                       "\"off\" is expected");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_records(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->token_records != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    set->token_records = ngx_parse_time(value, 1);

    if (set->token_records < NGX_HTTP_TRV_RECORDS_MIN
        || set->token_records > NGX_HTTP_TRV_LIFETIME_MAX)
    {
        return ngx_http_trv_set_refuse(cf, value, "token_records", "a time "
                                       "from 3d to 20000d is expected");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_lifetime(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->max_lifetime != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    set->max_lifetime = ngx_parse_time(value, 1);

    if (set->max_lifetime <= 0
        || set->max_lifetime > NGX_HTTP_TRV_LIFETIME_MAX)
    {
        return ngx_http_trv_set_refuse(cf, value, "max_lifetime", "a time of "
                                       "at most 20000d is expected");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_log_length(ngx_conf_t *cf, ngx_trv_set_t *set,
    ngx_str_t *value, ngx_uint_t n)
{
    if (set->log_length != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    set->log_length = ngx_atoi(value->data, value->len);

    if (set->log_length <= 0) {
        return ngx_http_trv_set_refuse(cf, value, "log_length", "a number "
                                       "from 1 on is expected");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_wait(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    if (set->wait_replicas != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    set->wait_replicas = ngx_atoi(value->data, value->len);

    if (set->wait_replicas == NGX_ERROR || set->wait_replicas > 100) {
        return ngx_http_trv_set_refuse(cf, value, "wait_replicas", "a number "
                                       "from 0 to 100 is expected");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_timeout(ngx_conf_t *cf, ngx_trv_set_t *set, ngx_str_t *value,
    ngx_uint_t n)
{
    ngx_int_t  ms;

    if (set->redis.timeout != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms == 0 || ms > 60000) {
        return ngx_http_trv_set_refuse(cf, value, "timeout", "a time of at "
                                       "most 60s is expected");
    }

    set->redis.timeout = ms;

    return NGX_CONF_OK;
}


static char *
ngx_http_trv_set_refuse(ngx_conf_t *cf, ngx_str_t *value, const char *name,
    const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" of \"%s\": "
                       "%s", value, name, why);
    return NGX_CONF_ERROR;
}
