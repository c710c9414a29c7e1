
/* What one edge of the crowd says to Redis and makes of what it hears. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "crowd.h"
#include "crowd_redis.h"
#include "trv_heartbeat.h"
#include "trv_stream.h"


#define CROWD_LATE        (100 * CROWD_MS)       /* of a heartbeat */
#define CROWD_LOST        CROWD_SEC              /* then it connects anew */

#define CROWD_POLICY      10                     /* heartbeats to one of each */
#define CROWD_MINUTES     2
#define CROWD_PRUNE       60


void
crowd_read_log(crowd_edge_t *e)
{
    char         position[TRV_POSITION_LEN + 1];
    const char  *argv[] = {
        "XREAD", "COUNT", "32", "BLOCK", "5000", "STREAMS", CROWD_LOG, position
    };

    trv_position_format(&e->position, position);
    crowd_send(e->tail.redis, 8, argv);
}


static void
crowd_report(crowd_edge_t *e)
{
    char         edge[160], text[512], position[TRV_POSITION_LEN + 1];
    uint64_t     n;
    const char  *argv[] = { edge, text };

    n = (uint64_t) (e - crowd_edges);
    trv_position_format(&e->position, position);

    snprintf(edge, sizeof(edge), "edge-%" PRIu64 ":%016" PRIx64, n, n);
    snprintf(text, sizeof(text),
             "\"node\":\"edge-%" PRIu64 "\",\"position\":\"%s\","
             "\"replication_id\":\"%s\",\"entries\":1000000,\"bytes\":33554432,"
             "\"agrees\":true,\"contact_age_ms\":1,\"version\":\"1.0.0\"}",
             n, position, crowd_repl_id);

    crowd_send_script(e->heart.redis, TRV_SCRIPT_REPORT, 2, argv);

    e->asked = CROWD_REPORT;
    e->report = false;
    e->told = e->read;
}


/* what a busy edge counts in a minute: calls, refusals, delays */

static void
crowd_minutes(crowd_edge_t *e)
{
    char         epoch[24], minute[24];
    const char  *argv[] = { epoch, minute, "60000 600 0 10 10" };

    snprintf(epoch, sizeof(epoch), "%016" PRIx64,
             (uint64_t) (e - crowd_edges) + 1);
    snprintf(minute, sizeof(minute), "%ld", (long) time(NULL) / 60);

    crowd_send_script(e->heart.redis, TRV_SCRIPT_MINUTES, 3, argv);
    e->asked = CROWD_SPARE;
    e->minutes = false;
}


/* the next command on the first connection, as trv_follow_heartbeat_next() */

void
crowd_next(crowd_edge_t *e)
{
    uint64_t     turn;
    const char  *policy;
    const char  *prune[] = { "250", "7776000" };

    if (e->asked != CROWD_NOTHING) {
        return;
    }

    if (e->report) {
        crowd_report(e);

    } else if (e->due) {
        turn = e->beats++ + (uint64_t) (e - crowd_edges);
        policy = turn % CROWD_POLICY ? "" : "1";
        crowd_send_script(e->heart.redis, TRV_SCRIPT_HEARTBEAT, 1, &policy);
        e->asked = CROWD_HEARTBEAT;
        e->due = false;
        e->minutes = crowd_calls && turn % CROWD_MINUTES == 0;
        e->prune = turn % CROWD_PRUNE == 0;

    } else if (e->minutes) {
        crowd_minutes(e);

    } else if (e->prune) {
        crowd_send_script(e->heart.redis, TRV_SCRIPT_PRUNE, 2, prune);
        e->asked = CROWD_SPARE;
        e->prune = false;
    }
}


void
crowd_heart_reply(crowd_edge_t *e, redisReply *reply)
{
    uint64_t         i, ns;
    crowd_asked_e    asked;
    trv_heartbeat_t  hb;

    asked = e->asked;
    e->asked = CROWD_NOTHING;

    if (asked == CROWD_HEARTBEAT) {
        if (trv_heartbeat_parse(reply, &hb) != TRV_OK) {
            crowd_die("heartbeat", "not a reply");
        }

        ns = crowd_now - e->due_ns;

        if (crowd_measuring) {
            crowd_sample(&crowd_beats, ns);
            crowd_late += ns > CROWD_LATE;
            crowd_lost += ns > CROWD_LOST;
        }

        e->report = true;

    } else if (asked == CROWD_REPORT) {

        for (i = e->confirmed; i < e->told; i++) {
            if (++crowd_revocations[i].n_confirmed == crowd_n) {
                crowd_revocations[i].confirmed = crowd_now;
            }
        }

        e->confirmed = e->told;
    }

    crowd_next(e);
}


void
crowd_tail_reply(crowd_edge_t *e, redisReply *reply)
{
    trv_rc_e       rc;
    uint16_t       day;
    trv_id_t       id;
    trv_entry_t    entry;
    trv_stream_t   stream;
    trv_str_t      key = { CROWD_LOG, sizeof(CROWD_LOG) - 1 };

    rc = trv_stream_open(&stream, reply, &key);
    stream.last = e->position;

    while (rc == TRV_OK) {
        rc = trv_stream_next(&stream, &entry);

        if (rc != TRV_OK) {
            break;
        }

        if (trv_entry_next(&entry, &id, &day) != TRV_OK || id.lo != e->read
            || trv_position_cmp(&entry.prev, &e->position) != 0)
        {
            crowd_die("XREAD", "an entry that was not expected");
        }

        e->position = entry.id;
        e->report |= entry.ack;
        e->read++;

        if (++crowd_revocations[id.lo].n_read == crowd_n) {
            crowd_revocations[id.lo].read = crowd_now;
        }
    }

    if (rc != TRV_DECLINED) {
        crowd_die("XREAD", "not a reply");
    }

    crowd_read_log(e);
    crowd_next(e);
}
