
/*
 * What the follower measures for those who watch it: how long revocations take
 * from Redis to here, how far behind the log we are, and whether Redis is set
 * up to forget.
 *
 * The id of an entry tells when it entered the log, by the clock of Redis.
 * That clock and ours may differ by hours, so it is never compared with ours:
 * each heartbeat carries the time of Redis, which was read between sending and
 * reply.  Taken to be in the middle, it is wrong by half the round trip at
 * most.  The best round trip counts; what it taught is believed a little less
 * with every heartbeat, as clocks drift.
 */

#include "trv_follow_private.h"


const uint64_t  trv_delay_limits[TRV_DELAY_N - 1] = {
#define TRV_DELAY_LIMIT(ms)  ms,
    TRV_DELAYS(TRV_DELAY_LIMIT)
#undef TRV_DELAY_LIMIT
};


void
trv_measure_clock(trv_follow_t *f, uint64_t now_ms)
{
    uint64_t  round_trip;

    round_trip = now_ms - f->hb_sent_ms;

    if (f->clock_known && round_trip > f->clock_error_ms) {
        f->clock_error_ms++;
        return;
    }

    f->clock_known = true;
    f->clock_error_ms = round_trip;
    f->clock_ms = (int64_t) f->hb.time_ms
                  - (int64_t) (f->hb_sent_ms + round_trip / 2);

    if (f->telling.history) {
        trv_history_clock_set(f->telling.history, f->clock_ms);
    }
}


/* said once, on a change: an evicted key is a revocation that Redis forgets */

void
trv_measure_policy(trv_follow_t *f)
{
    if (!f->hb.policy || f->hb.evicting == f->evicting) {
        return;
    }

    f->evicting = f->hb.evicting;

    if (f->evicting) {
        trv_follow_say(f, TRV_NOTE_ERROR, "Redis may evict keys and forget "
                       "revocations: its maxmemory-policy must not be "
                       "allkeys-*");

    } else {
        trv_follow_say(f, TRV_NOTE_NOTICE, "Redis does not evict keys any "
                       "more");
    }
}


void
trv_measure_delay(trv_follow_t *f, uint64_t entered_ms)
{
    size_t   i;
    int64_t  delay;

    if (!f->clock_known) {
        return;
    }

    delay = (int64_t) f->now_ms + f->clock_ms - (int64_t) entered_ms;

    /* within the error; or ids run ahead of the clock, after a fail-over */

    if (delay < 0) {
        delay = 0;
    }

    i = 0;

    while (i < TRV_DELAY_N - 1 && (uint64_t) delay > trv_delay_limits[i]) {
        i++;
    }

    f->counts.delays[i]++;
    f->counts.delays_ms += (uint64_t) delay;
}


/* behind: what is promised to be in the table, not what was read */

void
trv_follow_state(trv_follow_t *f, trv_follow_state_t *state)
{
    trv_replica_state_t  s;

    trv_replica_state(f->replica, &s);

    if (s.position_known && trv_position_cmp(&s.position, &f->hb.last) >= 0) {
        f->behind_ms = 0;

    } else if (f->behind_ms == 0) {
        f->behind_ms = f->now_ms;
    }

    state->behind_ms = f->behind_ms;
    state->evicting = f->evicting;
}
