
/*
 * A replica: an edge's own copy of the revocation set, as a directory.
 *
 *     control.V       one small mapped file: what is in force, how far it is
 *     table.V.N       the table of generation N
 *     writer.V.lock   flock()ed by the one worker that may write
 *
 * V is TRV_FORMAT_VERSION: during an upgrade two versions of the module keep
 * a replica each, and neither waits for the other.  Every worker opens the
 * replica and reads it without locks; the one that holds the lock also writes
 * (trv_writer.h).
 *
 * The control file is written by the lock holder only (trv_control.h): single
 * fields are aligned 64-bit atomics, and what belongs together (position,
 * replication id, set id) is read together.  The order that matters: a table
 * is complete before its generation is stored (release), and an entry is in
 * the table before the position that covers it is stored.
 */

#ifndef TRV_REPLICA_H
#define TRV_REPLICA_H

#include "trv_position.h"
#include "trv_table.h"


#define TRV_SET_ID_LEN       32          /* hex digits */
#define TRV_INSTANCE_ID_LEN  16          /* hex digits */
#define TRV_REPL_ID_LEN      40          /* hex digits, Redis master_replid */


typedef struct trv_replica_s  trv_replica_t;


/*
 * Opens the directory.  It may be empty, and it may be not there at all yet:
 * trv_replica_refresh() tries again.  NULL: no memory.
 */
trv_replica_t *trv_replica_open(const char *dir);

/*
 * Whose it is: the prefix in Redis.  What was filled under another one refuses
 * what it holds, but is not ready.  Without this call it is anybody's.
 */
void trv_replica_prefix_set(trv_replica_t *r, const char *prefix);

/* unlocks if locked, unmaps, frees */
void trv_replica_close(trv_replica_t *r);

/*
 * Maps the control file and the table in force if they are not mapped yet or
 * were replaced (by another inode); to be called now and then, not per call.
 * TRV_OK; TRV_DECLINED: nothing there yet; TRV_CORRUPT; TRV_ERROR: errno.
 */
trv_rc_e trv_replica_refresh(trv_replica_t *r);

/* whether a lookup of any id, here and now, would say TRV_DECLINED */
bool trv_replica_empty(trv_replica_t *r);

/*
 * To be called as soon as an id is known that will be looked up: its place in
 * the table is mostly in no cache, and comes meanwhile.  Maps the table in
 * force, as those above and below do, so trv_replica_ready() is said of it.
 */
void trv_replica_prefetch(trv_replica_t *r, const trv_id_t *id);

/*
 * The check.  Maps the table in force first if its generation has changed
 * (the only system calls of this path).
 *
 * TRV_OK: revoked.  TRV_DECLINED: not in the set.  TRV_ERROR: no table is
 * mapped, or the one in force cannot be mapped by this worker; an older table
 * that is still mapped is looked into all the same: present means refused.
 */
trv_rc_e trv_replica_lookup(trv_replica_t *r, const trv_id_t *id);

/*
 * A table that this worker mapped before and no longer needs, to be
 * unmapped bit by bit.  TRV_OK: *t is the caller's.  TRV_DECLINED: none.
 */
trv_rc_e trv_replica_retired(trv_replica_t *r, trv_table_t *t);

/*
 * What the control file says; all zero while it is not mapped.  Filled under
 * another prefix it says nothing of Redis.
 */
typedef struct {
    bool            filled;      /* was merged with Redis, all is there */
    bool            away;        /* is filled, but no writer was there for
                                    a while: not ready before it has merged */
    bool            foreign;     /* is of another prefix still: the same */
    bool            full;        /* no room and none to be had */
    bool            agrees;      /* total digest was equal at last compare */
    uint64_t        contact_ms;  /* CLOCK_MONOTONIC of this boot; 0: never */
    uint64_t        beat_ms;     /* last sign of life of the writer, ditto */
    bool            position_known;  /* no: the next thing is a merge */
    trv_position_t  position;    /* "0-0" is one, of an empty log */
    uint64_t        generation;
    uint64_t        capacity;    /* slots of the table in force */
    uint64_t        entries;     /* in it, of all days */
    uint64_t        bytes;       /* of the table file */
    char            set_id[TRV_SET_ID_LEN + 1];      /* "": none yet */
    char            instance[TRV_INSTANCE_ID_LEN + 1];
    char            repl_id[TRV_REPL_ID_LEN + 1];  /* position belongs to it */
} trv_replica_state_t;

void trv_replica_state(const trv_replica_t *r, trv_replica_state_t *state);

/*
 * What every call needs, without a copy of the state: ready = a call can be
 * judged (filled, mapped, not away); contact and full as above.
 */
bool trv_replica_ready(const trv_replica_t *r);
uint64_t trv_replica_contact_ms(const trv_replica_t *r);
bool trv_replica_full(const trv_replica_t *r);

/* the directory for trv_table_create() in a child, to be closed; -1: errno */
int trv_replica_dir_open(const trv_replica_t *r);


/* -- writer lock -- */

/*
 * Tries to become the writer: opens the lock afresh (an inherited
 * descriptor would not exclude) and flock()s it.  TRV_OK; TRV_AGAIN: another
 * process has it; TRV_DECLINED: the directory is not there; TRV_ERROR: errno.
 */
trv_rc_e trv_replica_lock(trv_replica_t *r);

/* the locked descriptor, -1 if not locked */
int trv_replica_lock_fd(const trv_replica_t *r);

/* TRV_OK: still the file at the path.  TRV_DECLINED: it was replaced. */
trv_rc_e trv_replica_lock_check(const trv_replica_t *r);

/* gives up writing: writable mappings go, reading goes on */
void trv_replica_unlock(trv_replica_t *r);

/*
 * Presence: each worker holds a shared lock on a descriptor of its own of the
 * control file.  Gives it up.  TRV_OK: of all workers of any nginx this was the
 * last that had one; TRV_AGAIN: there are others.  May be called again.
 */
trv_rc_e trv_replica_leave(trv_replica_t *r);


#endif /* TRV_REPLICA_H */
