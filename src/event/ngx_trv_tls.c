
#include "ngx_trv_tls.h"


#if (NGX_SSL)

#define NGX_TRV_TLS_DEPTH  9             /* intermediate certificates */


struct ngx_trv_tls_s {
    ngx_ssl_t   ssl;
    ngx_str_t   name;                    /* empty: the host */
};


static ngx_int_t ngx_trv_tls_files(ngx_conf_t *cf, ngx_trv_tls_t *tls,
    ngx_trv_tls_conf_t *conf);
static int ngx_trv_tls_verify_callback(int ok, X509_STORE_CTX *store);
static ngx_int_t ngx_trv_tls_expect(ngx_ssl_conn_t *ssl, const u_char *name);


ngx_trv_tls_t *
ngx_trv_tls_create(ngx_conf_t *cf, ngx_trv_tls_conf_t *conf)
{
    ngx_trv_tls_t       *tls;
    ngx_pool_cleanup_t  *cln;

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_trv_tls_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (tls == NULL || cln == NULL) {
        return NULL;
    }

    tls->name = conf->server_name;
    tls->ssl.log = cf->log;

    if (ngx_ssl_create(&tls->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = &tls->ssl;

    /*
     * no sessions: links live long, and each new one is to show a certificate
     * that is still good
     */

    SSL_CTX_set_session_cache_mode(tls->ssl.ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls->ssl.ctx, SSL_OP_NO_TICKET);

#ifdef SSL_OP_NO_RENEGOTIATION
    SSL_CTX_set_options(tls->ssl.ctx, SSL_OP_NO_RENEGOTIATION);
#endif

    return ngx_trv_tls_files(cf, tls, conf) == NGX_OK ? tls : NULL;
}


static ngx_int_t
ngx_trv_tls_files(ngx_conf_t *cf, ngx_trv_tls_t *tls, ngx_trv_tls_conf_t *conf)
{
    if (conf->certificate.len
        && ngx_ssl_certificate(cf, &tls->ssl, &conf->certificate,
                               &conf->certificate_key, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, &tls->ssl, &conf->ca,
                                    NGX_TRV_TLS_DEPTH)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->ca.len == 0
        && SSL_CTX_set_default_verify_paths(tls->ssl.ctx) == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_ERROR;
    }

    /* the callback that nginx has set accepts everything */

    SSL_CTX_set_verify(tls->ssl.ctx, SSL_VERIFY_PEER,
                       ngx_trv_tls_verify_callback);

    return NGX_OK;
}


static int
ngx_trv_tls_verify_callback(int ok, X509_STORE_CTX *store)
{
    return ok;
}


ngx_int_t
ngx_trv_tls_start(ngx_trv_tls_t *tls, ngx_connection_t *c, const u_char *host,
    void (*done)(ngx_connection_t *c))
{
    ngx_int_t  rc;

    if (tls->name.len) {
        host = tls->name.data;
    }

    if (ngx_ssl_create_connection(&tls->ssl, c, NGX_SSL_CLIENT) != NGX_OK
        || ngx_trv_tls_expect(c->ssl->connection, host) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = done;
        return NGX_AGAIN;
    }

    return rc == NGX_OK ? ngx_trv_tls_done(c) : NGX_ERROR;
}


/*
 * The name becomes part of the verification, so that a server of another name
 * fails the handshake itself: neither our certificate nor a command gets there.
 */

static ngx_int_t
ngx_trv_tls_expect(ngx_ssl_conn_t *ssl, const u_char *name)
{
    size_t              len;
    u_char              text[NI_MAXHOST];
    X509_VERIFY_PARAM  *param;

    param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, (char *) name) == 1) {
        return NGX_OK;                   /* RFC 6066 3: no SNI of addresses */
    }

    ERR_clear_error();

    /* the dot that ends an absolute name is in no certificate */

    len = ngx_cpystrn(text, (u_char *) name, sizeof(text)) - text;

    if (len && text[len - 1] == '.') {
        text[--len] = '\0';
    }

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    return X509_VERIFY_PARAM_set1_host(param, (char *) text, len) == 1
           && SSL_set_tlsext_host_name(ssl, (char *) text) == 1
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_trv_tls_done(ngx_connection_t *c)
{
    return c->ssl->handshaked
           && SSL_get_verify_result(c->ssl->connection) == X509_V_OK
           ? NGX_OK : NGX_ERROR;
}


const char *
ngx_trv_tls_refusal(ngx_connection_t *c)
{
    long  rc;

    if (c->ssl == NULL) {
        return NULL;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    return rc == X509_V_OK ? NULL : X509_verify_cert_error_string(rc);
}


void
ngx_trv_tls_close(ngx_connection_t *c)
{
    if (c->ssl == NULL) {
        return;
    }

    /* nobody waits for a farewell, so this frees now and never later */

    c->ssl->no_wait_shutdown = 1;
    c->ssl->no_send_shutdown = 1;

    (void) ngx_ssl_shutdown(c);
}

#else

ngx_trv_tls_t *
ngx_trv_tls_create(ngx_conf_t *cf, ngx_trv_tls_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"rediss://\" needs an nginx that has TLS");
    return NULL;
}


ngx_int_t
ngx_trv_tls_start(ngx_trv_tls_t *tls, ngx_connection_t *c, const u_char *host,
    void (*done)(ngx_connection_t *c))
{
    return NGX_ERROR;
}


ngx_int_t
ngx_trv_tls_done(ngx_connection_t *c)
{
    return NGX_ERROR;
}


const char *
ngx_trv_tls_refusal(ngx_connection_t *c)
{
    return NULL;
}


void
ngx_trv_tls_close(ngx_connection_t *c)
{
    /* void */
}

#endif
