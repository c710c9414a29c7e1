
/*
 * What the log says of a server already: each reason once, and again only when
 * it has not occurred for a minute or the server was well in between.
 */

#ifndef NGX_TRV_SAID_H
#define NGX_TRV_SAID_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_TRV_SAID_N  8                /* reasons that are remembered */


typedef struct {
    uint32_t     hash[NGX_TRV_SAID_N];
    ngx_msec_t   seen[NGX_TRV_SAID_N];
    ngx_uint_t   failing;                /* links to the server */
    unsigned     lost:1;                 /* was said, and not yet the end */
} ngx_trv_said_t;


/* whether this is worth a line */
ngx_uint_t ngx_trv_said_news(ngx_trv_said_t *said, u_char *reason, size_t len,
    ngx_err_t err);

/* the server was well */
void ngx_trv_said_forget(ngx_trv_said_t *said);


#endif /* NGX_TRV_SAID_H */
