
/*
 * The handlers of the routes, by the file of their resource.
 */

#ifndef NGX_HTTP_TRV_ROUTES_H
#define NGX_HTTP_TRV_ROUTES_H

#include "ngx_http_trv_admin.h"


/* ngx_http_trv_revoke_post.c */
void ngx_http_trv_revoke(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_register.c */
void ngx_http_trv_register(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_tokens.c */
void ngx_http_trv_tokens(ngx_http_trv_admin_t *ad);
void ngx_http_trv_token(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_revocations.c */
void ngx_http_trv_revocations(ngx_http_trv_admin_t *ad);
void ngx_http_trv_revocation(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_oauth.c */
void ngx_http_trv_oauth_revoke(ngx_http_trv_admin_t *ad);
void ngx_http_trv_introspect(ngx_http_trv_admin_t *ad);

/* errors of RFC 6749, 5.2: of the request; of who is asking */
void ngx_http_trv_oauth_invalid(ngx_http_trv_admin_t *ad, const char *why);
void ngx_http_trv_oauth_client(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_edges.c */
void ngx_http_trv_edges(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_history.c */
void ngx_http_trv_history(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_log.c */
void ngx_http_trv_acts(ngx_http_trv_admin_t *ad);

/* ngx_http_trv_metrics.c */
void ngx_http_trv_metrics(ngx_http_trv_admin_t *ad);

/* the request is over: counts it by its status */
void ngx_http_trv_metrics_count(ngx_http_trv_admin_t *ad);


#endif /* NGX_HTTP_TRV_ROUTES_H */
