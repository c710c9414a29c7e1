
#include "ngx_trv_place.h"


static ngx_int_t ngx_trv_place_address(ngx_trv_place_t *place);


ngx_int_t
ngx_trv_place_set(ngx_trv_place_t *place, const u_char *host, size_t len,
    ngx_int_t port)
{
    size_t  i;
    u_char  ch;

    if (len == 0 || len > NGX_TRV_PLACE_HOST_LEN || port < 1 || port > 65535) {
        return NGX_DECLINED;
    }

    for (i = 0; i < len; i++) {
        ch = host[i];

        if ((ch < '0' || ch > '9') && (ch < 'A' || ch > 'Z')
            && (ch < 'a' || ch > 'z') && ch != '.' && ch != '-' && ch != '_'
            && ch != ':')
        {
            return NGX_DECLINED;
        }
    }

    ngx_memzero(place, sizeof(ngx_trv_place_t));

    ngx_memcpy(place->host, host, len);
    place->len = len;
    place->port = (in_port_t) port;

    return ngx_trv_place_address(place);
}


static ngx_int_t
ngx_trv_place_address(ngx_trv_place_t *place)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    sin = &place->sockaddr.sockaddr_in;
    sin->sin_addr.s_addr = ngx_inet_addr(place->host, place->len);

    if (sin->sin_addr.s_addr != INADDR_NONE) {
        sin->sin_family = AF_INET;
        place->socklen = sizeof(struct sockaddr_in);
    }

#if (NGX_HAVE_INET6)

    if (place->socklen == 0) {
        ngx_memzero(&place->sockaddr, sizeof(ngx_sockaddr_t));
        sin6 = &place->sockaddr.sockaddr_in6;

        if (ngx_inet6_addr(place->host, place->len, sin6->sin6_addr.s6_addr)
            == NGX_OK)
        {
            sin6->sin6_family = AF_INET6;
            place->socklen = sizeof(struct sockaddr_in6);
        }
    }

#endif

    if (place->socklen) {
        ngx_inet_set_port(&place->sockaddr.sockaddr, place->port);
        return NGX_OK;
    }

    /* a colon is for addresses */

    return ngx_strchr(place->host, ':') ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_trv_place_set_url(ngx_trv_place_t *place, const ngx_url_t *u)
{
    u_char  *host;
    size_t   len;

    host = u->host.data;
    len = u->host.len;

    if (u->family != AF_UNIX) {

        if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
            host++;
            len -= 2;
        }

        return ngx_trv_place_set(place, host, len, u->port);
    }

    /* ngx_parse_url() has seen to it that the path is not too long */

    ngx_memzero(place, sizeof(ngx_trv_place_t));

    place->len = ngx_min(len, NGX_TRV_PLACE_HOST_LEN);
    ngx_memcpy(place->host, host, place->len);

    place->socklen = u->addrs[0].socklen;
    ngx_memcpy(&place->sockaddr, u->addrs[0].sockaddr, place->socklen);

    return NGX_OK;
}


ngx_int_t
ngx_trv_place_set_moved(ngx_trv_place_t *place, const ngx_trv_place_t *from,
    const char *text)
{
    u_char     *host, *end, *colon;
    ngx_int_t   port;

    if (ngx_strncmp(text, "MOVED ", 6) != 0) {
        return NGX_DECLINED;
    }

    host = (u_char *) ngx_strchr(text + 6, ' ');
    if (host == NULL) {
        return NGX_DECLINED;
    }

    host++;
    end = host + ngx_strlen(host);

    for (colon = end; colon > host && *colon != ':'; colon--) { /* void */ }

    if (*colon != ':') {
        return NGX_DECLINED;
    }

    port = ngx_atoi(colon + 1, end - colon - 1);

    if (colon == host) {
        return ngx_trv_place_set(place, from->host, from->len, port);
    }

    return ngx_trv_place_set(place, host, colon - host, port);
}


ngx_uint_t
ngx_trv_place_equal(const ngx_trv_place_t *a, const ngx_trv_place_t *b)
{
    return a->len == b->len && a->port == b->port
           && ngx_strncasecmp((u_char *) a->host, (u_char *) b->host, a->len)
              == 0;
}
