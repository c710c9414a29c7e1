
/*
 * The state of a merge is one record per UTC day: what Redis claims in `days`,
 * how many members it has, and what we counted when we read them.
 *
 * A day is read when its claimed digest is not ours or does not fit the number
 * of its members.  Days that follow each other are read as one range.  After
 * reading, our set contains that of Redis, so a day on which the two still
 * differ is one of which Redis lacks something: our entries of these days are
 * sent, and Redis takes what it does not have.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <hiredis/hiredis.h>

#include "trv_merge_private.h"
#include "trv_stream.h"


static trv_rc_e trv_merge_digests(trv_merge_t *m, const redisReply *reply);
static trv_rc_e trv_merge_apply(trv_merge_t *m, size_t n);
static trv_rc_e trv_merge_mark(trv_merge_t *m, const redisReply *member,
    const redisReply *expiry);
static trv_rc_e trv_merge_put(trv_merge_t *m, const redisReply *member,
    const redisReply *expiry);
static void trv_merge_pulled(trv_merge_t *m);
static bool trv_merge_range_next(trv_merge_t *m);
static void trv_merge_page_command(trv_merge_t *m);


trv_merge_t *
trv_merge_create(trv_replica_t *replica, const char *edge, uint64_t log_length)
{
    trv_merge_t  *m;

    if (strlen(edge) >= sizeof(m->edge)) {
        return NULL;
    }

    m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return NULL;
    }

    m->replica = replica;
    m->log_length = log_length;
    strcpy(m->edge, edge);

    return m;
}


void
trv_merge_destroy(trv_merge_t *m)
{
    trv_merge_stop(m);
    free(m);
}


trv_rc_e
trv_merge_start(trv_merge_t *m, bool scrub)
{
    void  *days;

    trv_merge_stop(m);

    /* most are never touched; calloc() may clear them all, for 3 ms */

    days = mmap(NULL, TRV_MERGE_DAYS_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (days == MAP_FAILED) {
        return TRV_ERROR;
    }

    m->days = days;

    memset(&m->result, 0, sizeof(m->result));
    m->known = false;
    m->scrub = scrub;

    trv_writer_scan_restart(m->replica);
    m->state = TRV_MERGE_SCAN;

    return TRV_OK;
}


void
trv_merge_stop(trv_merge_t *m)
{
    if (m->page) {
        freeReplyObject(m->page);
        m->page = NULL;
    }

    if (m->days) {
        munmap(m->days, TRV_MERGE_DAYS_SIZE);
        m->days = NULL;
    }

    m->state = TRV_MERGE_IDLE;
}


trv_merge_state_e
trv_merge_state(const trv_merge_t *m)
{
    return m->state;
}


const trv_heartbeat_t *
trv_merge_heartbeat(const trv_merge_t *m)
{
    return m->known ? &m->heartbeat : NULL;
}


uint64_t
trv_merge_want(const trv_merge_t *m)
{
    return m->known ? m->heartbeat.kept : 0;
}


const trv_merge_result_t *
trv_merge_result(const trv_merge_t *m)
{
    return &m->result;
}


trv_rc_e
trv_merge_next(trv_merge_t *m, const trv_command_t **command)
{
    switch (m->state) {

    case TRV_MERGE_ASK:
        trv_words_begin(&m->words, TRV_SCRIPT_DIGESTS);
        break;

    case TRV_MERGE_PULL:
        trv_merge_page_command(m);
        break;

    case TRV_MERGE_REPAIR:
    case TRV_MERGE_PUSH:
        break;                           /* the words are there already */

    default:
        return TRV_AGAIN;
    }

    *command = &m->words.command;

    return TRV_OK;
}


static void
trv_merge_page_command(trv_merge_t *m)
{
    trv_words_t  *w;

    w = &m->words;

    trv_words_begin(w, TRV_SCRIPT_PAGE);
    trv_words_add_number(w, (uint64_t) m->from * TRV_DAY_SEC);

    /* the last day that fits takes all that is behind it */

    if (m->to == TRV_DAYS - 1) {
        trv_words_add_text(w, "1e300");

    } else {
        trv_words_add_number(w, (uint64_t) (m->to + 1) * TRV_DAY_SEC - 1);
    }

    trv_words_add(w, m->last_id, m->last_id_len);
    trv_words_add(w, m->last_expiry, m->last_expiry_len);
    trv_words_add_number(w, TRV_MERGE_PAGE);
}


void
trv_merge_position_set(trv_merge_t *m, const trv_position_t *position)
{
    m->position = position;
}


trv_rc_e
trv_merge_reply(trv_merge_t *m, struct redisReply *reply)
{
    trv_rc_e  rc;

    rc = TRV_CORRUPT;

    switch (m->state) {

    case TRV_MERGE_ASK:
        rc = trv_merge_digests(m, reply);
        break;

    case TRV_MERGE_PULL:
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0) {
            m->page = reply;
            m->next = 0;
            m->state = TRV_MERGE_APPLY;
            return TRV_OK;
        }

        break;

    case TRV_MERGE_REPAIR:
        rc = trv_merge_repaired(m, reply);
        break;

    case TRV_MERGE_PUSH:
        if (reply->type != REDIS_REPLY_INTEGER) {
            break;
        }

        if (reply->integer < 0) {
            rc = TRV_DECLINED;
            break;
        }

        m->result.pushed += (uint64_t) reply->integer;
        rc = TRV_OK;

        if (m->last) {
            trv_merge_stop(m);

        } else {
            trv_merge_batch_begin(m);
        }

        break;

    default:
        break;
    }

    freeReplyObject(reply);

    if (rc != TRV_OK) {
        trv_merge_stop(m);
    }

    return rc;
}


/* heartbeat, [day, digest, members, ...] */

static trv_rc_e
trv_merge_digests(trv_merge_t *m, const redisReply *reply)
{
    size_t            i;
    uint64_t          day;
    trv_merge_day_t  *d;
    trv_digest_t      ours;
    redisReply       *list, **e;

    if (trv_heartbeat_parse(reply, &m->heartbeat) != TRV_OK
        || reply->elements != TRV_HEARTBEAT_WORDS + 1
        || reply->element[TRV_HEARTBEAT_WORDS]->type != REDIS_REPLY_ARRAY
        || reply->element[TRV_HEARTBEAT_WORDS]->elements % 3 != 0)
    {
        return TRV_CORRUPT;
    }

    list = reply->element[TRV_HEARTBEAT_WORDS];
    m->days_end = 0;

    for (i = 0; i < list->elements; i += 3) {
        e = &list->element[i];

        if (trv_reply_number(e[0], TRV_DAYS - 1, &day) != TRV_OK) {
            return TRV_CORRUPT;
        }

        if (day >= m->days_end) {
            m->days_end = (uint32_t) day + 1;
        }

        d = &m->days[day];

        if (trv_reply_number(e[2], UINT64_MAX >> 1, &d->members) != TRV_OK
            || e[1]->type != REDIS_REPLY_STRING)
        {
            return TRV_CORRUPT;
        }

        /* a digest that is none is claimed to be empty: the day is read */

        if (trv_digest_parse(e[1]->str, e[1]->len, &d->claimed) != TRV_OK) {
            memset(&d->claimed, 0, sizeof(d->claimed));
        }

        trv_writer_digest(m->replica, (uint16_t) day, &ours);

        d->read = m->scrub || d->claimed.count != d->members
                  || !trv_digest_equal(&d->claimed, &ours);
    }

    m->known = true;

    /* what Redis has would be too little to be ready with */

    if (!m->heartbeat.master || m->heartbeat.set_id[0] == '\0'
        || (m->heartbeat.merging && !trv_replica_ready(m->replica)))
    {
        return TRV_AGAIN;
    }

    m->from = m->heartbeat.first_day;
    m->to = m->from;
    m->state = TRV_MERGE_PULL;

    if (!trv_merge_range_next(m)) {
        trv_merge_pulled(m);
    }

    return TRV_OK;
}


/*
 * The next range of days to be read, from m->from on.  Days without members
 * in between do no harm, days that agree end it.
 */

static bool
trv_merge_range_next(trv_merge_t *m)
{
    uint32_t          day;
    trv_merge_day_t  *d;

    for (day = m->from; day < m->days_end; day++) {
        if (m->days[day].read && m->days[day].members) {
            break;
        }
    }

    if (day >= m->days_end) {
        return false;
    }

    m->from = day;
    m->last_id_len = 0;
    m->last_expiry_len = 0;

    for ( /* void */ ; day < m->days_end; day++) {
        d = &m->days[day];

        if (d->members && !d->read) {
            break;
        }

        if (d->members) {
            m->to = day;
        }
    }

    return true;
}


static trv_rc_e
trv_merge_apply(trv_merge_t *m, size_t n)
{
    trv_rc_e  rc;

    for ( /* void */ ; n > 0 && m->next < m->page->elements; n--) {
        rc = trv_merge_put(m, m->page->element[m->next],
                           m->page->element[m->next + 1]);
        if (rc != TRV_OK) {
            return rc;
        }

        m->next += 2;
    }

    if (m->next < m->page->elements) {
        return TRV_AGAIN;
    }

    if (m->page->elements == 2 * TRV_MERGE_PAGE) {
        rc = trv_merge_mark(m, m->page->element[m->next - 2],
                            m->page->element[m->next - 1]);
        if (rc != TRV_OK) {
            trv_merge_stop(m);
            return rc;
        }

    } else {
        m->from = m->to + 1;
    }

    freeReplyObject(m->page);
    m->page = NULL;
    m->state = TRV_MERGE_PULL;

    if (m->from > m->to && !trv_merge_range_next(m)) {
        trv_merge_pulled(m);
    }

    return TRV_AGAIN;
}


/* the next page begins behind this member */

static trv_rc_e
trv_merge_mark(trv_merge_t *m, const redisReply *member,
    const redisReply *expiry)
{
    if (member->type != REDIS_REPLY_STRING
        || expiry->type != REDIS_REPLY_STRING
        || (size_t) member->len > sizeof(m->last_id)
        || (size_t) expiry->len > sizeof(m->last_expiry))
    {
        return TRV_CORRUPT;
    }

    m->last_id_len = (size_t) member->len;
    memcpy(m->last_id, member->str, m->last_id_len);

    m->last_expiry_len = (size_t) expiry->len;
    memcpy(m->last_expiry, expiry->str, m->last_expiry_len);

    return TRV_OK;
}


static trv_rc_e
trv_merge_put(trv_merge_t *m, const redisReply *member,
    const redisReply *expiry)
{
    trv_id_t  id;
    uint16_t  day;
    trv_rc_e  rc;

    if (member == NULL || expiry == NULL
        || member->type != REDIS_REPLY_STRING
        || expiry->type != REDIS_REPLY_STRING
        || trv_id_parse(member->str, member->len, &id) != TRV_OK
        || trv_day_parse(expiry->str, expiry->len, &day) != TRV_OK)
    {
        m->result.junk++;
        return TRV_OK;
    }

    rc = trv_writer_put(m->replica, &id, day);

    if (rc == TRV_FULL) {
        return rc;
    }

    m->result.pulled++;
    m->result.added += (rc == TRV_OK);
    trv_digest_add(&m->days[day].counted, &id);

    return TRV_OK;
}


/* we have all that Redis has */

static void
trv_merge_pulled(trv_merge_t *m)
{
    trv_writer_filled_set(m->replica);

    m->repair = m->heartbeat.first_day;
    m->repair_tries = 0;

    if (!trv_merge_repair_next(m)) {
        trv_merge_give_start(m);
    }
}


trv_rc_e
trv_merge_work(trv_merge_t *m, size_t n)
{
    switch (m->state) {

    case TRV_MERGE_SCAN:
        if (trv_writer_scan(m->replica, n) == TRV_OK) {
            m->state = TRV_MERGE_ASK;
        }

        return TRV_AGAIN;

    case TRV_MERGE_APPLY:
        return trv_merge_apply(m, n);

    case TRV_MERGE_COLLECT:
        return trv_merge_collect(m, n);

    default:
        return TRV_OK;
    }
}
