
/*
 * The reply is an array of eleven words in a fixed order.  Each one is checked
 * for type, length and alphabet: a follower that acted on a wrong word could
 * adopt a foreign set or believe that it is current.
 */

#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_heartbeat.h"


/* copies a word of exactly len hex digits, or an empty one where allowed */

static trv_rc_e
trv_heartbeat_hex(const redisReply *reply, size_t len, bool empty, char *dst)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return TRV_CORRUPT;
    }

    if (empty && reply->len == 0) {
        dst[0] = '\0';
        return TRV_OK;
    }

    if ((size_t) reply->len != len) {
        return TRV_CORRUPT;
    }

    for (i = 0; i < len; i++) {
        if (strchr("0123456789abcdef", reply->str[i]) == NULL
            || reply->str[i] == '\0')
        {
            return TRV_CORRUPT;
        }
    }

    memcpy(dst, reply->str, len);
    dst[len] = '\0';

    return TRV_OK;
}


trv_rc_e
trv_reply_number(const struct redisReply *reply, uint64_t max, uint64_t *n)
{
    size_t    i;
    uint64_t  value;

    if (reply == NULL) {
        return TRV_CORRUPT;
    }

    if (reply->type == REDIS_REPLY_INTEGER) {
        if (reply->integer < 0 || (uint64_t) reply->integer > max) {
            return TRV_CORRUPT;
        }

        *n = (uint64_t) reply->integer;
        return TRV_OK;
    }

    if (reply->type != REDIS_REPLY_STRING || reply->len < 1
        || reply->len > 18)
    {
        return TRV_CORRUPT;
    }

    value = 0;

    for (i = 0; i < (size_t) reply->len; i++) {
        if (reply->str[i] < '0' || reply->str[i] > '9') {
            return TRV_CORRUPT;
        }

        value = value * 10 + (uint64_t) (reply->str[i] - '0');
    }

    *n = value;

    return value <= max ? TRV_OK : TRV_CORRUPT;
}


trv_rc_e
trv_heartbeat_parse(const struct redisReply *reply, trv_heartbeat_t *hb)
{
    size_t        i;
    uint64_t      first, yesterday;
    redisReply  **word;

    memset(hb, 0, sizeof(*hb));

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements < TRV_HEARTBEAT_WORDS)
    {
        return TRV_CORRUPT;
    }

    word = reply->element;

    for (i = 0; i < TRV_HEARTBEAT_WORDS; i++) {
        if (word[i] == NULL
            || (word[i]->type != REDIS_REPLY_STRING
                && word[i]->type != REDIS_REPLY_INTEGER)
            || (word[i]->type == REDIS_REPLY_INTEGER && i < 5))
        {
            return TRV_CORRUPT;
        }
    }

    hb->master = strcmp(word[0]->str, "master") == 0;
    hb->merging = word[8]->type == REDIS_REPLY_STRING && word[8]->len != 0;

    if (trv_heartbeat_hex(word[1], TRV_RUN_ID_LEN, false, hb->repl_id)
        || trv_heartbeat_hex(word[2], TRV_ID_HEX_LEN, true, hb->set_id)
        || trv_position_parse(word[3]->str, word[3]->len, &hb->last)
        || trv_digest_parse(word[4]->str, word[4]->len, &hb->total)
        || trv_reply_number(word[5], UINT64_MAX >> 1, &hb->kept)
        || trv_reply_number(word[7], UINT16_MAX, &yesterday)
        || trv_reply_number(word[6], yesterday, &first)
        || trv_reply_number(word[9], UINT64_MAX >> 1, &hb->time_ms)
        || word[10]->type != REDIS_REPLY_STRING)
    {
        return TRV_CORRUPT;
    }

    hb->policy = word[10]->len != 0;
    hb->evicting = strncmp(word[10]->str, "allkeys", 7) == 0;
    hb->first_day = (uint16_t) first;
    hb->yesterday = (uint16_t) yesterday;

    return TRV_OK;
}
