
/*
 * Bytes of a server: the first says in pieces of which size they come.  What is
 * read must be the same as when all of them come at once, and within bounds.
 */

#include <stdlib.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_reader.h"


#define REPLIES  64


typedef struct {
    size_t       n;
    redisReply  *replies[REPLIES];
    bool         corrupt;
} trv_read_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
trv_read(trv_read_t *read, const uint8_t *data, size_t size, size_t piece)
{
    size_t         len;
    trv_rc_e       rc;
    redisReply    *reply;
    trv_reader_t  *r;

    memset(read, 0, sizeof(*read));
    r = trv_reader_create();

    for ( /* void */ ; size && !read->corrupt; data += len, size -= len) {
        len = size < piece ? size : piece;
        rc = trv_reader_feed(r, data, len);

        while (rc == TRV_OK && (rc = trv_reader_next(r, &reply)) == TRV_OK) {

            if (read->n == REPLIES) {
                freeReplyObject(reply);
                continue;
            }

            read->replies[read->n++] = reply;
        }

        read->corrupt = (rc == TRV_CORRUPT);

        if (read->corrupt && trv_reader_error(r)[0] == '\0') {
            abort();
        }
    }

    trv_reader_destroy(r);
}


static void
trv_compare(const redisReply *a, const redisReply *b, unsigned depth)
{
    size_t  i;

    if (a->type < REDIS_REPLY_STRING || a->type > REDIS_REPLY_ERROR
        || depth > TRV_READER_MAX_DEPTH
        || a->elements > TRV_READER_MAX_ELEMENTS
        || a->type != b->type || a->integer != b->integer
        || a->len != b->len || a->elements != b->elements
        || (a->str && memcmp(a->str, b->str, a->len + 1) != 0))
    {
        abort();
    }

    for (i = 0; i < a->elements; i++) {
        trv_compare(a->element[i], b->element[i], depth + 1);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      i;
    trv_read_t  whole, pieces;

    if (size == 0) {
        return 0;
    }

    trv_read(&whole, data + 1, size - 1, size);
    trv_read(&pieces, data + 1, size - 1, 1 + data[0] % 16);

    if (whole.n != pieces.n || whole.corrupt != pieces.corrupt) {
        abort();
    }

    for (i = 0; i < whole.n; i++) {
        trv_compare(whole.replies[i], pieces.replies[i], 0);
        freeReplyObject(whole.replies[i]);
        freeReplyObject(pieces.replies[i]);
    }

    return 0;
}
