
/*
 * Whatever Redis could say, as hiredis would hand it over: the bytes are read
 * as a small language that describes a reply.
 *
 *     0 nil   1 integer, 8 bytes   2 status, 3 error, 4 string: length, bytes
 *     5 array: length, elements    6 the key of the log   7 a position
 *     8 an id entry   9 a word of ours
 */

#ifndef TRV_FUZZ_REPLY_H
#define TRV_FUZZ_REPLY_H

#include <stdlib.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_core.h"


#define TRV_FUZZ_DEPTH  6
#define TRV_FUZZ_ENTRY  "ba7816bf8f01cfea414140de5dae2223:1800000000"
#define TRV_FUZZ_LOG    "{p}:log"


typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
} trv_bytes_t;


static inline uint8_t
trv_byte(trv_bytes_t *in)
{
    return in->p < in->end ? *in->p++ : 0;
}


static inline void
trv_text(redisReply *reply, const void *text, size_t len)
{
    reply->type = REDIS_REPLY_STRING;
    reply->str = malloc(len + 1);        /* hiredis puts a zero behind it */
    memcpy(reply->str, text, len);
    reply->str[len] = '\0';
    reply->len = len;
}


static inline redisReply *
trv_reply(trv_bytes_t *in, unsigned depth)
{
    size_t       i, len;
    uint8_t      kind;
    redisReply  *reply;

    static const char *const  words[] = {
        "prev", "ids", "merge", "ack", "by", "1", "master", "7-1", "0-0",
        "0123456789abcdef0123456789abcdef01234567",
        "3:0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef",
    };

    reply = calloc(1, sizeof(*reply));
    kind = trv_byte(in) % 10;

    switch (kind) {

    case 0:
        reply->type = REDIS_REPLY_NIL;
        break;

    case 1:
        reply->type = REDIS_REPLY_INTEGER;
        for (i = 0; i < 8; i++) {
            reply->integer = (long long) ((uint64_t) reply->integer << 8
                                          | trv_byte(in));
        }
        break;

    case 5:
        reply->type = REDIS_REPLY_ARRAY;
        reply->elements = depth == TRV_FUZZ_DEPTH ? 0 : trv_byte(in) % 16;
        reply->element = calloc(16, sizeof(redisReply *));
        for (i = 0; i < reply->elements; i++) {
            reply->element[i] = trv_reply(in, depth + 1);
        }
        break;

    case 6:
        trv_text(reply, TRV_FUZZ_LOG, sizeof(TRV_FUZZ_LOG) - 1);
        break;

    case 7:
        len = trv_byte(in);
        trv_text(reply, (char[]) { '0' + len / 10 % 10, '-', '0' + len % 10 },
                 3);
        break;

    case 8:
        trv_text(reply, TRV_FUZZ_ENTRY, sizeof(TRV_FUZZ_ENTRY) - 1);
        break;

    case 9:
        i = trv_byte(in) % (sizeof(words) / sizeof(words[0]));
        trv_text(reply, words[i], strlen(words[i]));
        break;

    default:
        len = trv_byte(in);
        len = len < (size_t) (in->end - in->p) ? len
                                                : (size_t) (in->end - in->p);
        trv_text(reply, in->p, len);
        in->p += len;
        reply->type = kind == 2 ? REDIS_REPLY_STATUS
                      : kind == 3 ? REDIS_REPLY_ERROR : REDIS_REPLY_STRING;
    }

    return reply;
}


#endif /* TRV_FUZZ_REPLY_H */
