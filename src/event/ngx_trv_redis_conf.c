
#include "ngx_trv_sentinel.h"


#define NGX_TRV_REDIS_PORT          6379
#define NGX_TRV_SENTINEL_PORT       26379
#define NGX_TRV_REDIS_PASSWORD_MAX  4096


typedef enum {
    NGX_TRV_SCHEME_NONE = 0,             /* only host:port */
    NGX_TRV_SCHEME_REDIS,
    NGX_TRV_SCHEME_REDISS,
    NGX_TRV_SCHEME_UNIX
} ngx_trv_scheme_e;


typedef struct {
    ngx_str_t            password_file;
    ngx_trv_tls_conf_t   tls;
} ngx_trv_redis_params_t;


static ngx_int_t ngx_trv_redis_conf_param(ngx_trv_redis_params_t *params,
    ngx_str_t *value);
static ngx_int_t ngx_trv_redis_conf_tls_check(ngx_conf_t *cf,
    ngx_trv_tls_conf_t *conf);
static ngx_uint_t ngx_trv_redis_conf_tls_given(ngx_trv_tls_conf_t *conf);
static char *ngx_trv_sentinel_conf_init(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf);
static char *ngx_trv_replicas_conf_init(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf);
static char *ngx_trv_redis_conf_url(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_trv_scheme_e *scheme);
static char *ngx_trv_redis_conf_user(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *user);
static char *ngx_trv_redis_conf_host(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *text);
static char *ngx_trv_redis_conf_place(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf);
static char *ngx_trv_redis_conf_password(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf, ngx_str_t *file);
static char *ngx_trv_redis_conf_refuse(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf, const char *why);


static const struct {
    ngx_str_t  name;
    size_t     offset;
} ngx_trv_redis_conf_names[] = {
    { ngx_string("password_file="),
      offsetof(ngx_trv_redis_params_t, password_file) },
    { ngx_string("ca="), offsetof(ngx_trv_redis_params_t, tls.ca) },
    { ngx_string("certificate="),
      offsetof(ngx_trv_redis_params_t, tls.certificate) },
    { ngx_string("certificate_key="),
      offsetof(ngx_trv_redis_params_t, tls.certificate_key) },
    { ngx_string("server_name="),
      offsetof(ngx_trv_redis_params_t, tls.server_name) },
    { ngx_null_string, 0 }
};


char *
ngx_trv_redis_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n)
{
    ngx_uint_t              i;
    ngx_trv_scheme_e        scheme;
    ngx_trv_redis_params_t  params;

    rcf->url = value[0];

    if (ngx_trv_redis_conf_url(cf, rcf, &scheme) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (scheme == NGX_TRV_SCHEME_NONE) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "it must begin with "
                                         "\"redis://\", \"rediss://\" or "
                                         "\"unix:\"");
    }

    ngx_memzero(&params, sizeof(ngx_trv_redis_params_t));

    for (i = 1; i < n; i++) {
        if (ngx_trv_redis_conf_param(&params, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\" "
                               "of \"redis\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_trv_redis_conf_tls_check(cf, &params.tls) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (scheme == NGX_TRV_SCHEME_REDISS) {
        rcf->tls = ngx_trv_tls_create(cf, &params.tls);
        if (rcf->tls == NULL) {
            return NGX_CONF_ERROR;
        }

    } else if (ngx_trv_redis_conf_tls_given(&params.tls)) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "the parameters of TLS need "
                                         "\"rediss://\"");
    }

    return ngx_trv_redis_conf_password(cf, rcf, &params.password_file);
}


char *
ngx_trv_sentinel_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n)
{
    ngx_uint_t                  i;
    ngx_trv_scheme_e            scheme;
    ngx_trv_sentinel_t         *s;
    ngx_trv_redis_params_t      params;
    ngx_trv_sentinel_server_t  *server;

    s = ngx_pcalloc(cf->pool, sizeof(ngx_trv_sentinel_t));
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    s->name = value[0];
    s->servers = ngx_pcalloc(cf->pool, n * sizeof(ngx_trv_sentinel_server_t));
    if (s->servers == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&params, sizeof(ngx_trv_redis_params_t));

    for (i = 1; i < n; i++) {

        if (ngx_trv_redis_conf_param(&params, &value[i]) == NGX_OK) {
            continue;
        }

        server = &s->servers[s->n++];
        server->sentinel = s;
        server->conf.is_sentinel = 1;
        server->conf.url = value[i];

        if (ngx_trv_redis_conf_url(cf, &server->conf, &scheme) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        server->secure = (scheme == NGX_TRV_SCHEME_REDISS);
        server->inherits = (scheme == NGX_TRV_SCHEME_NONE);
    }

    if (s->n == 0) {
        return "names no sentinel";
    }

    if (ngx_trv_redis_conf_tls_check(cf, &params.tls) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < s->n; i++) {
        if (ngx_trv_redis_conf_password(cf, &s->servers[i].conf,
                                        &params.password_file)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    s->tls_conf = params.tls;
    rcf->sentinel = s;

    return NGX_CONF_OK;
}


char *
ngx_trv_replicas_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n)
{
    ngx_uint_t             i;
    ngx_trv_scheme_e       scheme;
    ngx_trv_redis_conf_t  *replica;

    rcf->replicas = ngx_pcalloc(cf->pool, n * sizeof(ngx_trv_redis_conf_t));
    if (rcf->replicas == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->nreplicas = n;

    for (i = 0; i < n; i++) {
        replica = &rcf->replicas[i];
        replica->is_replica = 1;
        replica->url = value[i];

        if (ngx_trv_redis_conf_url(cf, replica, &scheme) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (scheme == NGX_TRV_SCHEME_REDIS || scheme == NGX_TRV_SCHEME_REDISS
            || replica->user.len)
        {
            return ngx_trv_redis_conf_refuse(cf, replica, "it is host:port or "
                                             "unix:/path");
        }
    }

    return NGX_CONF_OK;
}


/* NGX_DECLINED: it is no parameter */

static ngx_int_t
ngx_trv_redis_conf_param(ngx_trv_redis_params_t *params, ngx_str_t *value)
{
    size_t      len;
    ngx_str_t  *param;
    ngx_uint_t  i;

    for (i = 0; ngx_trv_redis_conf_names[i].name.len; i++) {
        len = ngx_trv_redis_conf_names[i].name.len;

        if (ngx_strncmp(value->data, ngx_trv_redis_conf_names[i].name.data, len)
            != 0)
        {
            continue;
        }

        param = (ngx_str_t *) ((u_char *) params
                               + ngx_trv_redis_conf_names[i].offset);

        if (param->data || value->len == len) {
            return NGX_DECLINED;         /* twice, or nothing */
        }

        param->data = value->data + len;
        param->len = value->len - len;

        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_trv_redis_conf_tls_check(ngx_conf_t *cf, ngx_trv_tls_conf_t *conf)
{
    ngx_trv_place_t  place;

    if (!conf->certificate.len != !conf->certificate_key.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"certificate=\" and "
                           "\"certificate_key=\" need each other");
        return NGX_ERROR;
    }

    if (conf->server_name.len
        && ngx_trv_place_set(&place, conf->server_name.data,
                             conf->server_name.len, NGX_TRV_REDIS_PORT)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"server_name=%V\"",
                           &conf->server_name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_trv_redis_conf_tls_given(ngx_trv_tls_conf_t *conf)
{
    return conf->ca.len || conf->certificate.len || conf->server_name.len;
}


char *
ngx_trv_redis_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    u_char      *p;
    ngx_uint_t   i;

    static const char *const  names[NGX_TRV_REDIS_KEYS] = {
        "meta", "revoked", "days", "log", "when", "edges"
    };

    if (rcf->sentinel) {

        if (rcf->place.len) {
            return ngx_trv_redis_conf_refuse(cf, rcf, "\"sentinel\" finds the "
                                             "host, none may be given here");
        }

        if (ngx_trv_sentinel_conf_init(cf, rcf) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

    } else if (ngx_trv_redis_conf_place(cf, rcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < NGX_TRV_REDIS_KEYS; i++) {
        p = ngx_pnalloc(cf->pool, rcf->prefix.len + sizeof("{}:revoked") - 1);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        rcf->keys[i].data = p;
        rcf->keys[i].len = ngx_sprintf(p, "{%V}:%s", &rcf->prefix, names[i])
                           - p;
    }

    return ngx_trv_replicas_conf_init(cf, rcf);
}


/* what a replica has in common with its master */

static char *
ngx_trv_replicas_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    ngx_uint_t             i;
    ngx_trv_redis_conf_t   own, *replica;

    for (i = 0; i < rcf->nreplicas; i++) {
        replica = &rcf->replicas[i];
        own = *replica;

        *replica = *rcf;
        replica->url = own.url;
        replica->place = own.place;
        replica->is_replica = 1;
        replica->sentinel = NULL;
        replica->nreplicas = 0;

        if (ngx_trv_redis_conf_place(cf, replica) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_trv_sentinel_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    ngx_uint_t                  i, given;
    ngx_trv_tls_t              *tls;
    ngx_trv_sentinel_t         *s;
    ngx_trv_sentinel_server_t  *server;

    s = rcf->sentinel;
    given = ngx_trv_redis_conf_tls_given(&s->tls_conf);
    tls = given ? NULL : rcf->tls;

    for (i = 0; i < s->n; i++) {
        server = &s->servers[i];
        server->conf.resolver = rcf->resolver;
        server->conf.timeout = rcf->timeout;

        if (ngx_trv_redis_conf_place(cf, &server->conf) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (!server->secure && !(server->inherits && rcf->tls)) {
            continue;
        }

        if (tls == NULL) {
            tls = ngx_trv_tls_create(cf, &s->tls_conf);
            if (tls == NULL) {
                return NGX_CONF_ERROR;
            }
        }

        server->conf.tls = tls;
    }

    if (given && tls == NULL) {
        return ngx_trv_redis_conf_refuse(cf, &s->servers[0].conf,
                                         "the parameters of TLS need "
                                         "\"rediss://\"");
    }

    return NGX_CONF_OK;
}


/* [redis[s]://][user@]host[:port][/db] or unix:/path */

static char *
ngx_trv_redis_conf_url(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_trv_scheme_e *scheme)
{
    u_char     *p, *end;
    ngx_str_t   rest, user;

    rest = rcf->url;
    end = rest.data + rest.len;
    *scheme = NGX_TRV_SCHEME_NONE;

    if (ngx_strncmp(rest.data, "unix:", 5) == 0) {
        *scheme = NGX_TRV_SCHEME_UNIX;
        return ngx_trv_redis_conf_host(cf, rcf, &rest);
    }

    if (ngx_strncmp(rest.data, "redis://", 8) == 0) {
        *scheme = NGX_TRV_SCHEME_REDIS;
        rest.data += 8;

    } else if (ngx_strncmp(rest.data, "rediss://", 9) == 0) {
        *scheme = NGX_TRV_SCHEME_REDISS;
        rest.data += 9;
    }

    p = ngx_strlchr(rest.data, end, '@');
    if (p) {
        user.data = rest.data;
        user.len = p - rest.data;
        rest.data = p + 1;

        if (ngx_trv_redis_conf_user(cf, rcf, &user) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    p = ngx_strlchr(rest.data, end, '/');
    if (p) {
        rcf->db = ngx_atoi(p + 1, end - p - 1);
        if (rcf->db == NGX_ERROR || rcf->is_sentinel || rcf->is_replica) {
            return ngx_trv_redis_conf_refuse(cf, rcf, "only in \"redis\" the "
                                             "number of a database may come "
                                             "after a \"/\"");
        }

        end = p;
    }

    rest.len = end - rest.data;

    if (rest.len == 0 && *scheme != NGX_TRV_SCHEME_NONE) {
        return NGX_CONF_OK;              /* for sentinels to find */
    }

    return ngx_trv_redis_conf_host(cf, rcf, &rest);
}


static char *
ngx_trv_redis_conf_user(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *user)
{
    /* the configuration is shown and copied around, the file is not */

    if (ngx_strlchr(user->data, user->data + user->len, ':')) {
        rcf->url.len = 0;
        return ngx_trv_redis_conf_refuse(cf, rcf, "a password belongs into "
                                         "\"password_file=\"");
    }

    if (user->len == 0) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "the user is empty");
    }

    rcf->user = *user;

    return NGX_CONF_OK;
}


static char *
ngx_trv_redis_conf_host(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *text)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *text;
    u.default_port = rcf->is_sentinel ? NGX_TRV_SENTINEL_PORT
                                      : NGX_TRV_REDIS_PORT;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_trv_redis_conf_refuse(cf, rcf, u.err ? u.err : "no memory");
    }

    if (u.uri.len) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "nothing may follow the "
                                         "host");
    }

    if (ngx_trv_place_set_url(&rcf->place, &u) != NGX_OK) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "this is no host");
    }

    return NGX_CONF_OK;
}


static char *
ngx_trv_redis_conf_place(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    if (rcf->place.len == 0) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "no host, and no "
                                         "\"sentinel\" to find it");
    }

    if (rcf->place.socklen == 0 && rcf->resolver == NULL) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "a host name needs the "
                                         "directive \"resolver\", in this "
                                         "block or in \"http\"");
    }

    return NGX_CONF_OK;
}


/* the first line of the file */

static char *
ngx_trv_redis_conf_password(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *file)
{
    u_char      buf[NGX_TRV_REDIS_PASSWORD_MAX];
    size_t      len;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t   password;

    if (file->len == 0) {
        return rcf->user.len == 0 ? NGX_CONF_OK
                 : ngx_trv_redis_conf_refuse(cf, rcf, "a user needs "
                                             "\"password_file=\"");
    }

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", file);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));
    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", file);
    }

    (void) ngx_close_file(fd);

    if (n == -1) {
        return NGX_CONF_ERROR;
    }

    for (len = 0; len < (size_t) n; len++) {
        if (buf[len] == LF || buf[len] == CR) {
            break;
        }
    }

    if (len == 0 || len == sizeof(buf)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no password in the first "
                           "line of \"%V\"", file);
        return NGX_CONF_ERROR;
    }

    password.data = buf;
    password.len = len;

    rcf->password.len = len;
    rcf->password.data = ngx_pstrdup(cf->pool, &password);
    ngx_explicit_memzero(buf, sizeof(buf));

    return rcf->password.data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_trv_redis_conf_refuse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%s\" address \"%V\": %s",
                       rcf->is_sentinel ? "sentinel"
                       : rcf->is_replica ? "read_from" : "redis",
                       &rcf->url, why);
    return NGX_CONF_ERROR;
}
