
/*
 * What differs between versions of nginx: from 1.23.0 on a header field links
 * to the next one of its name, and has to be told that there is none.
 */

#ifndef NGX_HTTP_TRV_COMPAT_H
#define NGX_HTTP_TRV_COMPAT_H

#include <nginx.h>


#if (nginx_version >= 1023000)
#define ngx_http_trv_header_alone(h)  (h)->next = NULL
#else
#define ngx_http_trv_header_alone(h)
#endif


#endif /* NGX_HTTP_TRV_COMPAT_H */
