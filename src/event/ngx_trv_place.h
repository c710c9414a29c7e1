
/*
 * Where a server is: an address, or a name that the resolver has to make one
 * of.  From the configuration, from a sentinel, or from a node of a cluster.
 */

#ifndef NGX_TRV_PLACE_H
#define NGX_TRV_PLACE_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_TRV_PLACE_HOST_LEN  255      /* of a name, RFC 1035 2.3.4 */


typedef struct {
    size_t           len;                /* of host; 0: nowhere */
    u_char           host[NGX_TRV_PLACE_HOST_LEN + 1];  /* without brackets */
    in_port_t        port;
    socklen_t        socklen;            /* of the address; 0: a name */
    ngx_sockaddr_t   sockaddr;
} ngx_trv_place_t;


/*
 * A host and a port that somebody else has named.  NGX_OK, or NGX_DECLINED:
 * this is none.  Only what may be part of a name gets through, so that it can
 * be logged and sent.
 */
ngx_int_t ngx_trv_place_set(ngx_trv_place_t *place, const u_char *host,
    size_t len, ngx_int_t port);

/* the same from what ngx_parse_url() has found */
ngx_int_t ngx_trv_place_set_url(ngx_trv_place_t *place, const ngx_url_t *u);

/*
 * From the error "MOVED slot host:port" of the node at `from`; an empty host
 * is that of the node.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_trv_place_set_moved(ngx_trv_place_t *place,
    const ngx_trv_place_t *from, const char *text);

ngx_uint_t ngx_trv_place_equal(const ngx_trv_place_t *a,
    const ngx_trv_place_t *b);


#endif /* NGX_TRV_PLACE_H */
