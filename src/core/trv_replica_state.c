
/*
 * What a replica says of itself: the control file as it is at this moment, read
 * word by word.  Of Redis it says something only to the set that it is of.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "trv_replica_private.h"


static bool trv_replica_ours(const trv_replica_t *r);
static void trv_replica_state_redis(const trv_control_t *control,
    trv_replica_state_t *state);


void
trv_replica_prefix_set(trv_replica_t *r, const char *prefix)
{
    r->prefix = trv_file_checksum(prefix, strlen(prefix)) | 1;   /* not 0 */
}


void
trv_replica_state(const trv_replica_t *r, trv_replica_state_t *state)
{
    uint64_t        instance;
    trv_digest_t    total;
    trv_control_t  *control;

    memset(state, 0, sizeof(trv_replica_state_t));

    control = r->control;

    if (control == NULL) {
        return;
    }

    state->foreign = !trv_replica_ours(r);

    if (!state->foreign) {
        trv_replica_state_redis(control, state);
    }

    state->full = trv_control_get(&control->full) != 0;
    state->beat_ms = trv_control_get(&control->beat_ms);
    state->generation = trv_control_get(&control->generation);
    state->capacity = trv_control_get(&control->capacity);
    state->bytes = trv_table_size(state->capacity);

    trv_control_total_get(control, &total);
    state->entries = total.count;

    instance = control->instance;
    snprintf(state->instance, sizeof(state->instance), "%016" PRIx64,
             instance);
}


static void
trv_replica_state_redis(const trv_control_t *control,
    trv_replica_state_t *state)
{
    trv_control_mark_t  mark;

    state->away = trv_control_get(&control->filled) == TRV_CONTROL_AWAY;
    state->filled = state->away
                    || trv_control_get(&control->filled) == TRV_CONTROL_FILLED;
    state->agrees = trv_control_get(&control->agrees) != 0;
    state->contact_ms = trv_control_get(&control->contact_ms);

    (void) trv_control_mark_get(control, &mark);

    state->position_known = mark.known == 1;
    state->position.ms = mark.ms;
    state->position.seq = mark.seq;

    if ((mark.set[0] | mark.set[1]) != 0) {
        snprintf(state->set_id, sizeof(state->set_id),
                 "%016" PRIx64 "%016" PRIx64, mark.set[0], mark.set[1]);
    }

    if ((mark.repl[0] | mark.repl[1] | mark.repl[2]) != 0) {
        snprintf(state->repl_id, sizeof(state->repl_id),
                 "%016" PRIx64 "%016" PRIx64 "%08" PRIx32, mark.repl[0],
                 mark.repl[1], (uint32_t) mark.repl[2]);
    }
}


/*
 * Partner: the store in trv_writer_prefix_take().  What the control file says
 * of Redis is read after this: before it becomes ours, that is cleared.
 */

static bool
trv_replica_ours(const trv_replica_t *r)
{
    uint64_t  prefix;

    prefix = trv_control_get(&r->control->prefix);

    return prefix == r->prefix || prefix == 0 || r->prefix == 0;
}


bool
trv_replica_ready(const trv_replica_t *r)
{
    return r->control != NULL
           && r->table.head != NULL
           && trv_replica_ours(r)
           && trv_control_get(&r->control->filled) == TRV_CONTROL_FILLED;
}


uint64_t
trv_replica_contact_ms(const trv_replica_t *r)
{
    return (r->control != NULL) ? trv_control_get(&r->control->contact_ms) : 0;
}


bool
trv_replica_full(const trv_replica_t *r)
{
    return r->control != NULL && trv_control_get(&r->control->full) != 0;
}
