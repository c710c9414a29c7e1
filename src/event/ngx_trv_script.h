
/*
 * Commands as bytes for Redis.  A script goes as EVALSHA; a Redis that does
 * not know it yet (NOSCRIPT) gets the same command again as EVAL.
 */

#ifndef NGX_TRV_SCRIPT_H
#define NGX_TRV_SCRIPT_H

#include "ngx_trv_redis.h"


/* NGX_OK: bytes->data is to be freed with ngx_free(); NGX_ERROR: no memory */
ngx_int_t ngx_trv_script_format(ngx_trv_redis_conf_t *rcf,
    const trv_command_t *command, ngx_str_t *bytes, ngx_log_t *log);

/* replaces bytes that were made from a script by those with its full text */
ngx_int_t ngx_trv_script_expand(trv_script_e script, ngx_str_t *bytes,
    ngx_log_t *log);


#endif /* NGX_TRV_SCRIPT_H */
