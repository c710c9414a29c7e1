
/*
 * hiredis lets its user make the objects of a reply, and asks for each before
 * it reads what is in it.  So this is where an array that is too large or too
 * deep ends, before memory is spent on it, and what is not RESP2, which alone
 * we ask for.  The bytes of a reply that is not complete are counted as they
 * come: they bound lines and strings of any length.
 */

#include <stdlib.h>
#include <hiredis/hiredis.h>

#include "trv_reader.h"


#if (HIREDIS_MAJOR >= 1)
typedef size_t  trv_reader_count_t;
#else
typedef int     trv_reader_count_t;
#endif


struct trv_reader_s {
    redisReader                *hiredis;
    redisReplyObjectFunctions  *make;    /* of hiredis */
    redisReplyObjectFunctions   bounded;
    size_t                      len;     /* bytes since the last reply */
    size_t                      elements;        /* in the reply so far */
    const char                 *error;   /* ours, if it is */
};


static void *trv_reader_array(const redisReadTask *task,
    trv_reader_count_t elements);
static void *trv_reader_string(const redisReadTask *task, char *data,
    size_t len);
static void *trv_reader_refuse(const redisReadTask *task, const char *error);

#if (HIREDIS_MAJOR >= 1)
static void *trv_reader_double(const redisReadTask *task, double value,
    char *data, size_t len);
static void *trv_reader_bool(const redisReadTask *task, int value);
#endif


trv_reader_t *
trv_reader_create(void)
{
    trv_reader_t  *r;

    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return NULL;
    }

    r->hiredis = redisReaderCreate();
    if (r->hiredis == NULL) {
        free(r);
        return NULL;
    }

    r->make = r->hiredis->fn;
    r->bounded = *r->make;
    r->bounded.createArray = trv_reader_array;
    r->bounded.createString = trv_reader_string;

#if (HIREDIS_MAJOR >= 1)
    r->bounded.createDouble = trv_reader_double;
    r->bounded.createBool = trv_reader_bool;
#endif

    r->hiredis->fn = &r->bounded;
    r->hiredis->privdata = r;

    return r;
}


void
trv_reader_destroy(trv_reader_t *r)
{
    redisReaderFree(r->hiredis);
    free(r);
}


trv_rc_e
trv_reader_feed(trv_reader_t *r, const void *data, size_t len)
{
    if (len > TRV_READER_MAX_LEN - r->len) {
        r->error = "a reply is too long";
        return TRV_CORRUPT;
    }

    r->len += len;

    return redisReaderFeed(r->hiredis, data, len) == REDIS_OK ? TRV_OK
                                                              : TRV_CORRUPT;
}


trv_rc_e
trv_reader_next(trv_reader_t *r, struct redisReply **reply)
{
    void  *made;

    if (r->error || redisReaderGetReply(r->hiredis, &made) != REDIS_OK) {
        return TRV_CORRUPT;
    }

    if (made == NULL) {
        return TRV_AGAIN;
    }

    r->len = 0;
    r->elements = 0;
    *reply = made;

    return TRV_OK;
}


const char *
trv_reader_error(const trv_reader_t *r)
{
    return r->error ? r->error : r->hiredis->errstr;
}


static void *
trv_reader_array(const redisReadTask *task, trv_reader_count_t elements)
{
    size_t                depth;
    trv_reader_t         *r = task->privdata;
    const redisReadTask  *outer;

    if (task->type != REDIS_REPLY_ARRAY) {
        return trv_reader_refuse(task, "a reply is not RESP2");
    }

    depth = 1;

    for (outer = task->parent; outer; outer = outer->parent) {
        depth++;
    }

    if (depth > TRV_READER_MAX_DEPTH) {
        return trv_reader_refuse(task, "a reply is too deep");
    }

    /* hiredis lets none below zero through */

    if ((size_t) elements > TRV_READER_MAX_ELEMENTS - r->elements) {
        return trv_reader_refuse(task, "a reply has too many elements");
    }

    r->elements += elements;

    return r->make->createArray(task, elements);
}


static void *
trv_reader_string(const redisReadTask *task, char *data, size_t len)
{
    trv_reader_t  *r = task->privdata;

    if (task->type != REDIS_REPLY_STRING
        && task->type != REDIS_REPLY_STATUS
        && task->type != REDIS_REPLY_ERROR)
    {
        return trv_reader_refuse(task, "a reply is not RESP2");
    }

    return r->make->createString(task, data, len);
}


#if (HIREDIS_MAJOR >= 1)

static void *
trv_reader_double(const redisReadTask *task, double value, char *data,
    size_t len)
{
    (void) value;
    (void) data;
    (void) len;

    return trv_reader_refuse(task, "a reply is not RESP2");
}


static void *
trv_reader_bool(const redisReadTask *task, int value)
{
    (void) value;

    return trv_reader_refuse(task, "a reply is not RESP2");
}

#endif


/* hiredis takes it for a lack of memory, and ends */

static void *
trv_reader_refuse(const redisReadTask *task, const char *error)
{
    trv_reader_t  *r = task->privdata;

    r->error = error;

    return NULL;
}
