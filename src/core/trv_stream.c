
/*
 * Whatever comes from Redis can be wrong: another program may have written to
 * the key, or an entry may be poisoned.  So every step checks type and length
 * before it looks at bytes, and an entry is read to its end before any of it
 * is used.
 */

#include <string.h>
#include <hiredis/hiredis.h>

#include "trv_stream.h"


#define TRV_EXPIRY_MAX_LEN  12           /* digits: far behind day 65535 */
#define TRV_DAY_MAX         65535


static trv_rc_e trv_entry_parse(trv_entry_t *entry, const redisReply *fields);
static trv_rc_e trv_entry_field_parse(trv_entry_t *entry,
    const redisReply *name, const redisReply *value);
static trv_rc_e trv_entry_ids_check(trv_entry_t entry);


static bool
trv_reply_is_array(const redisReply *reply, size_t n)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY
           && reply->elements == n;
}


static bool
trv_reply_is_string(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING;
}


static bool
trv_reply_equals(const redisReply *reply, const char *text, size_t len)
{
    return trv_reply_is_string(reply) && (size_t) reply->len == len
           && memcmp(reply->str, text, len) == 0;
}


trv_rc_e
trv_stream_open(trv_stream_t *s, const struct redisReply *reply,
    const trv_str_t *key)
{
    const redisReply  *stream;

    memset(s, 0, sizeof(*s));

    if (reply->type == REDIS_REPLY_NIL) {
        return TRV_DECLINED;
    }

    /* [[key, [entry, ...]]] */

    if (!trv_reply_is_array(reply, 1)) {
        return TRV_CORRUPT;
    }

    stream = reply->element[0];

    if (!trv_reply_is_array(stream, 2)
        || !trv_reply_equals(stream->element[0], key->data, key->len)
        || stream->element[1] == NULL
        || stream->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return TRV_CORRUPT;
    }

    s->entries = stream->element[1];

    return TRV_OK;
}


trv_rc_e
trv_stream_next(trv_stream_t *s, trv_entry_t *entry)
{
    const redisReply  *reply;

    memset(entry, 0, sizeof(*entry));

    if (s->entries == NULL || s->next == s->entries->elements) {
        return TRV_DECLINED;
    }

    reply = s->entries->element[s->next++];

    /* [id, [name, value, ...]] */

    if (!trv_reply_is_array(reply, 2)
        || !trv_reply_is_string(reply->element[0])
        || trv_position_parse(reply->element[0]->str, reply->element[0]->len,
                              &entry->id)
           != TRV_OK
        || trv_position_cmp(&entry->id, &s->last) <= 0)
    {
        return TRV_CORRUPT;
    }

    s->last = entry->id;

    if (trv_entry_parse(entry, reply->element[1]) != TRV_OK) {
        entry->ids.len = 0;
        entry->ack = false;
        return TRV_INVALID;
    }

    return TRV_OK;
}


static trv_rc_e
trv_entry_parse(trv_entry_t *entry, const redisReply *fields)
{
    size_t    i;
    bool      prev;
    trv_rc_e  rc;

    /* a deleted entry comes with a nil instead of its fields */

    if (fields == NULL || fields->type != REDIS_REPLY_ARRAY
        || fields->elements % 2 != 0)
    {
        return TRV_INVALID;
    }

    prev = false;
    rc = TRV_OK;

    for (i = 0; i < fields->elements; i += 2) {
        if (trv_entry_field_parse(entry, fields->element[i],
                                  fields->element[i + 1])
            != TRV_OK)
        {
            rc = TRV_INVALID;
        }

        prev = prev || trv_reply_equals(fields->element[i], "prev", 4);
    }

    if (rc != TRV_OK || !prev || (entry->ids.len != 0) == entry->merge) {
        return TRV_INVALID;
    }

    return trv_entry_ids_check(*entry);
}


static trv_rc_e
trv_entry_field_parse(trv_entry_t *entry, const redisReply *name,
    const redisReply *value)
{
    if (!trv_reply_is_string(name) || !trv_reply_is_string(value)) {
        return TRV_INVALID;
    }

    if (trv_reply_equals(name, "prev", 4)) {
        return trv_position_parse(value->str, value->len, &entry->prev);
    }

    if (trv_reply_equals(name, "ids", 3)) {
        if (entry->ids.data != NULL) {
            return TRV_INVALID;
        }

        entry->ids.data = value->str;
        entry->ids.len = value->len;

    } else if (trv_reply_equals(name, "merge", 5)) {
        entry->merge = true;

    } else if (trv_reply_equals(name, "ack", 3)) {
        entry->ack = trv_reply_equals(value, "1", 1);
    }

    return TRV_OK;
}


/* works on a copy of the entry: the slice is used up by reading */

static trv_rc_e
trv_entry_ids_check(trv_entry_t entry)
{
    size_t    n;
    trv_id_t  id;
    uint16_t  day;
    trv_rc_e  rc;

    for (n = 0; n <= TRV_STREAM_MAX_IDS; n++) {
        rc = trv_entry_next(&entry, &id, &day);

        if (rc != TRV_OK) {
            return rc == TRV_DECLINED ? TRV_OK : TRV_INVALID;
        }
    }

    return TRV_INVALID;
}


trv_rc_e
trv_entry_next(trv_entry_t *entry, trv_id_t *id, uint16_t *day)
{
    size_t       len;
    const char  *p, *end;

    if (entry->ids.len == 0) {
        return TRV_DECLINED;
    }

    p = entry->ids.data;
    end = memchr(p, ' ', entry->ids.len);
    len = end ? (size_t) (end - p) : entry->ids.len;

    if (len <= TRV_ID_HEX_LEN + 1 || p[TRV_ID_HEX_LEN] != ':'
        || trv_id_parse(p, TRV_ID_HEX_LEN, id) != TRV_OK
        || trv_day_parse(p + TRV_ID_HEX_LEN + 1, len - TRV_ID_HEX_LEN - 1, day)
           != TRV_OK)
    {
        return TRV_INVALID;
    }

    if (end) {
        len++;

        /* a blank at the end has nothing behind it */

        if (len == entry->ids.len) {
            return TRV_INVALID;
        }
    }

    entry->ids.data += len;
    entry->ids.len -= len;

    return TRV_OK;
}


trv_rc_e
trv_day_parse(const char *expiry, size_t len, uint16_t *day)
{
    size_t    i;
    uint64_t  sec;

    if (len == 0 || len > TRV_EXPIRY_MAX_LEN) {
        return TRV_INVALID;
    }

    sec = 0;

    for (i = 0; i < len; i++) {
        if (expiry[i] < '0' || expiry[i] > '9') {
            return TRV_INVALID;
        }

        sec = sec * 10 + (uint64_t) (expiry[i] - '0');
    }

    if (sec < TRV_DAY_SEC) {
        return TRV_INVALID;
    }

    sec /= TRV_DAY_SEC;
    *day = sec > TRV_DAY_MAX ? TRV_DAY_MAX : (uint16_t) sec;

    return TRV_OK;
}
