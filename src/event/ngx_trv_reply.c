
#include <hiredis/hiredis.h>

#include "ngx_trv_reply.h"


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_trv_reply_count_t;
#else
typedef int     ngx_trv_reply_count_t;
#endif


static void *ngx_trv_reply_create_array(const redisReadTask *task,
    ngx_trv_reply_count_t elements);


static redisReplyObjectFunctions   ngx_trv_reply_functions;
static redisReplyObjectFunctions  *ngx_trv_reply_hiredis;


redisReader *
ngx_trv_reply_reader_create(ngx_trv_reply_bounds_t *bounds)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    if (reader == NULL) {
        return NULL;
    }

    if (ngx_trv_reply_hiredis == NULL) {
        ngx_trv_reply_hiredis = reader->fn;
        ngx_trv_reply_functions = *reader->fn;
        ngx_trv_reply_functions.createArray = ngx_trv_reply_create_array;
    }

    reader->fn = &ngx_trv_reply_functions;
    reader->privdata = bounds;

    ngx_memzero(bounds, sizeof(ngx_trv_reply_bounds_t));

    return reader;
}


ngx_int_t
ngx_trv_reply_feed(redisReader *reader, ngx_trv_reply_bounds_t *bounds,
    u_char *data, size_t len)
{
    bounds->len += len;

    if (bounds->len > NGX_TRV_REPLY_MAX_LEN) {
        ngx_memcpy(reader->errstr, "a reply is too long",
                   sizeof("a reply is too long"));
        return NGX_ERROR;
    }

    return redisReaderFeed(reader, (char *) data, len) == REDIS_OK ? NGX_OK
                                                                   : NGX_ERROR;
}


ngx_int_t
ngx_trv_reply_next(redisReader *reader, ngx_trv_reply_bounds_t *bounds,
    void **reply)
{
    if (redisReaderGetReply(reader, reply) != REDIS_OK) {
        return NGX_ERROR;
    }

    if (*reply) {
        bounds->len = 0;
        bounds->elements = 0;
    }

    return NGX_OK;
}


static void *
ngx_trv_reply_create_array(const redisReadTask *task,
    ngx_trv_reply_count_t elements)
{
    ngx_trv_reply_bounds_t  *bounds = task->privdata;

    if (elements < 0 || elements > NGX_TRV_REPLY_MAX_ELEMENTS
        || bounds->elements + elements > NGX_TRV_REPLY_MAX_ELEMENTS)
    {
        return NULL;
    }

    bounds->elements += elements;

    return ngx_trv_reply_hiredis->createArray(task, elements);
}
