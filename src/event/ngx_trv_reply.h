
/*
 * Replies of Redis, bounded: hiredis' reader has no limit on elements, and one
 * on nothing else that would stop a peer from filling our memory.
 */

#ifndef NGX_TRV_REPLY_H
#define NGX_TRV_REPLY_H

#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_TRV_REPLY_MAX_LEN       (16 * 1024 * 1024)   /* bytes */
#define NGX_TRV_REPLY_MAX_ELEMENTS  65536        /* with those of inner arrays */


struct redisReader;


typedef struct {
    size_t      len;                     /* bytes fed since the last reply */
    ngx_uint_t  elements;                /* in the reply so far */
} ngx_trv_reply_bounds_t;


/* NULL: no memory; to be freed with redisReaderFree() before the bounds */
struct redisReader *ngx_trv_reply_reader_create(ngx_trv_reply_bounds_t *bounds);

/* NGX_OK, or NGX_ERROR: too long, or no memory; reader->errstr says which */
ngx_int_t ngx_trv_reply_feed(struct redisReader *reader,
    ngx_trv_reply_bounds_t *bounds, u_char *data, size_t len);

/*
 * NGX_OK: *reply is the caller's, NULL if it is not complete yet.
 * NGX_ERROR: not the protocol, or beyond the bounds.
 */
ngx_int_t ngx_trv_reply_next(struct redisReader *reader,
    ngx_trv_reply_bounds_t *bounds, void **reply);


#endif /* NGX_TRV_REPLY_H */
