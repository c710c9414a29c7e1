
/*
 * TLS to Redis and to sentinels: who is at the other end is checked always,
 * its chain and its name, and a link that fails the check is no link.
 */

#ifndef NGX_TRV_TLS_H
#define NGX_TRV_TLS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* parameters of a directive; empty: not given */
typedef struct {
    ngx_str_t   ca;                      /* file of PEM; else the system's */
    ngx_str_t   certificate;             /* ours, file of PEM */
    ngx_str_t   certificate_key;
    ngx_str_t   server_name;             /* else the host that is connected */
} ngx_trv_tls_conf_t;

typedef struct ngx_trv_tls_s  ngx_trv_tls_t;


/* reads the files; NULL after logging what is wrong with which */
ngx_trv_tls_t *ngx_trv_tls_create(ngx_conf_t *cf, ngx_trv_tls_conf_t *conf);

/*
 * Begins the handshake on a connection that has a pool.  NGX_OK: it is done;
 * NGX_AGAIN: done() will be called, then ngx_trv_tls_done() says how it went;
 * NGX_ERROR: failed.
 */
ngx_int_t ngx_trv_tls_start(ngx_trv_tls_t *tls, ngx_connection_t *c,
    const u_char *host, void (*done)(ngx_connection_t *c));
ngx_int_t ngx_trv_tls_done(ngx_connection_t *c);

/* after a failure: what is wrong with the certificate; NULL: that is not it */
const char *ngx_trv_tls_refusal(ngx_connection_t *c);

/* frees what TLS has of the connection, at once and in any state */
void ngx_trv_tls_close(ngx_connection_t *c);


#endif /* NGX_TRV_TLS_H */
