
#include "ngx_trv_redis.h"


#define NGX_TRV_REDIS_PORT          6379
#define NGX_TRV_REDIS_PASSWORD_MAX  4096


static char *ngx_trv_redis_conf_url(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf);
static char *ngx_trv_redis_conf_host(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *text);
static char *ngx_trv_redis_conf_password(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf, ngx_str_t *file);
static char *ngx_trv_redis_conf_refuse(ngx_conf_t *cf,
    ngx_trv_redis_conf_t *rcf, const char *why);


char *
ngx_trv_redis_conf_parse(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *value, ngx_uint_t n)
{
    ngx_str_t   file;
    ngx_uint_t  i;

    rcf->url = value[0];

    if (ngx_trv_redis_conf_url(cf, rcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < n; i++) {

        if (ngx_strncmp(value[i].data, "password_file=", 14) == 0) {
            file.data = value[i].data + 14;
            file.len = value[i].len - 14;

            if (ngx_trv_redis_conf_password(cf, rcf, &file) != NGX_CONF_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of \"redis\"", &value[i]);
        return NGX_CONF_ERROR;
    }

    if (rcf->user.len && rcf->password.data == NULL) {
        return ngx_trv_redis_conf_refuse(cf, rcf,
                                         "a user needs \"password_file=\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_trv_redis_conf_init(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    u_char      *p;
    ngx_uint_t   i;

    static const char *const  names[NGX_TRV_REDIS_KEYS] = {
        "meta", "revoked", "days", "log", "when", "edges"
    };

    if (rcf->addr == NULL && rcf->resolver == NULL) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "a host name needs the "
                                         "\"resolver\" directive in this "
                                         "block");
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

    return NGX_CONF_OK;
}


/* redis://[user@]host[:port][/db] or unix:/path */

static char *
ngx_trv_redis_conf_url(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf)
{
    u_char     *p, *end;
    ngx_str_t   rest;

    rest = rcf->url;
    end = rest.data + rest.len;

    if (ngx_strncmp(rest.data, "unix:", 5) == 0) {
        return ngx_trv_redis_conf_host(cf, rcf, &rest);
    }

    if (ngx_strncmp(rest.data, "redis://", 8) != 0) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "it must begin with "
                                         "\"redis://\" or \"unix:\"");
    }

    rest.data += 8;

    p = ngx_strlchr(rest.data, end, '/');
    if (p) {
        rcf->db = ngx_atoi(p + 1, end - p - 1);
        if (rcf->db == NGX_ERROR) {
            return ngx_trv_redis_conf_refuse(cf, rcf, "after the \"/\" comes "
                                             "the number of a database");
        }

        end = p;
    }

    p = ngx_strlchr(rest.data, end, '@');
    if (p) {
        rcf->user.data = rest.data;
        rcf->user.len = p - rest.data;
        rest.data = p + 1;

        /* the configuration is shown and copied around, the file is not */

        if (ngx_strlchr(rcf->user.data, p, ':')) {
            rcf->url.len = 0;
            return ngx_trv_redis_conf_refuse(cf, rcf, "a password belongs "
                                             "into \"password_file=\"");
        }

        if (rcf->user.len == 0) {
            return ngx_trv_redis_conf_refuse(cf, rcf, "the user is empty");
        }
    }

    rest.len = end - rest.data;

    return ngx_trv_redis_conf_host(cf, rcf, &rest);
}


static char *
ngx_trv_redis_conf_host(ngx_conf_t *cf, ngx_trv_redis_conf_t *rcf,
    ngx_str_t *text)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *text;
    u.default_port = NGX_TRV_REDIS_PORT;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_trv_redis_conf_refuse(cf, rcf, u.err ? u.err : "no memory");
    }

    if (u.uri.len) {
        return ngx_trv_redis_conf_refuse(cf, rcf, "nothing may follow the "
                                         "host");
    }

    rcf->host = u.host;
    rcf->port = u.port;

    if (u.naddrs) {
        rcf->addr = &u.addrs[0];
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
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in the first line of \"%V\"", file);
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
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"redis\" address \"%V\": "
                       "%s", &rcf->url, why);
    return NGX_CONF_ERROR;
}
