
/*
 * The table of one generation: a mapped file, written by one process, read by
 * all without a lock.
 *
 * Open addressing with linear probing, by groups of eight slots.  Slots are
 * write-once:
 *
 *     +--------+----------------+----------------------+----------------+
 *     | header | tags: capacity | ids: capacity x      | days: capacity |
 *     | 4 KiB  |  x 1 byte      | { hi, lo }, 16 bytes |  x 2 bytes     |
 *     +--------+----------------+----------------------+----------------+
 *
 * A tag is one byte of the hash of the id, 0 for an empty slot; the tags of a
 * group are one word.  A lookup of what is not in mostly reads two.
 *
 * The writer stores the day and the id, then publishes the word of tags with
 * release order; a reader loads it with acquire order, so behind a tag it sees
 * a whole id.  After that only the day may change, by one 2-byte store,
 * upwards.  Nothing is ever removed: a new generation is built instead.  After
 * a power loss, day 0 means "not written", and so does an id of hi == 0.
 *
 * The file has its final size, with all blocks allocated, before it is mapped.
 * It holds offsets, never pointers.
 */

#ifndef TRV_TABLE_H
#define TRV_TABLE_H

#include "trv_id.h"


#define TRV_TABLE_SLOT_SIZE     19       /* bytes: tag, id and day */
#define TRV_TABLE_GROUP         8        /* slots */
#define TRV_TABLE_LINE          64       /* slots; capacity is a multiple */
#define TRV_TABLE_NAME_LEN      64

#define TRV_TABLE_CAPACITY_MAX  ((uint64_t) 1 << 36)

/*
 * Groups that a probe looks at.  At 7/8 load the longest run among 10^9
 * entries is some hundred; without a limit a file of garbage, free of empty
 * slots, would make every miss walk through all of it.
 */
#define TRV_TABLE_PROBES        1024


typedef struct trv_table_head_s  trv_table_head_t;

typedef struct {
    trv_table_head_t   *head;            /* the mapping; NULL: closed */
    _Atomic(uint64_t)  *tags;            /* of a group each */
    trv_id_t           *ids;
    _Atomic(uint16_t)  *days;
    uint64_t            capacity;        /* slots */
    uint64_t            groups;          /* of them */
    uint64_t            probes;          /* the lesser of it and the limit */
    uint64_t            mul_hi;          /* random, odd: ids can be ground */
    uint64_t            mul_lo;
    uint64_t            generation;
    size_t              size;            /* bytes of file and mapping */
    int                 fd;              /* of a writable table, else -1 */
} trv_table_t;

typedef struct {
    uint64_t            slot;
    uint16_t            was;             /* the day before, if it was in */
    bool                added;           /* was not in */
} trv_table_place_t;


/* slots of a table that is to hold n entries at 3/4 load (25.3 bytes each) */
uint64_t trv_table_capacity(uint64_t n);

/* bytes of the file; 0: no table has just this many slots */
size_t trv_table_size(uint64_t capacity);

/* the name of its file, "table.V.N" */
void trv_table_name(uint64_t generation, char name[TRV_TABLE_NAME_LEN]);

/*
 * Makes the file `name` in the directory dirfd, all blocks and pages there, and
 * maps it for writing; capacity is rounded up to whole lines.  Slow.
 * TRV_ERROR, errno (ENOSPC, EDQUOT, EACCES ...): no file of ours is left;
 * EEXIST: the number was used already, which is left alone.
 */
trv_rc_e trv_table_create(trv_table_t *t, int dirfd, const char *name,
    uint64_t generation, uint64_t capacity);

/*
 * Maps an existing file after checking magic, version, generation, size and
 * the checksum of the header; O_NOFOLLOW, regular files only.
 * TRV_DECLINED: there is none.  TRV_CORRUPT: fails a check.  TRV_ERROR: errno.
 */
trv_rc_e trv_table_open(trv_table_t *t, int dirfd, const char *name,
    uint64_t generation, bool writable);

/* to the disk, slow for large tables: TRV_OK or TRV_ERROR */
trv_rc_e trv_table_sync(trv_table_t *t);

/* unmaps; slow for large tables, more so if they are deleted already */
void trv_table_close(trv_table_t *t);

/*
 * The same bit by bit, of a table that nobody looks into: about n bytes from
 * the end, in units of 2 MiB.  TRV_AGAIN: some are left.  TRV_OK: closed.
 */
trv_rc_e trv_table_unmap(trv_table_t *t, size_t n);

/* a writable table becomes one for reading, at the same addresses */
void trv_table_freeze(trv_table_t *t);

/* deletes the file of a writable table, unless another one has its name */
void trv_table_remove(const trv_table_t *t, int dirfd);

/* begins to fetch what a lookup will read: tags, and ids if it is likely in */
void trv_table_prefetch(const trv_table_t *t, const trv_id_t *id, bool ids);

/*
 * Whether the id is in.  Any process, any time; no lock, no system call, no
 * clock.  The probe ends at an empty slot, or after TRV_TABLE_PROBES.
 */
bool trv_table_lookup(const trv_table_t *t, const trv_id_t *id);

/*
 * Adds an id, or raises the day of one that is in.  Writer only.
 *
 * TRV_OK        added, or the day was raised
 * TRV_DECLINED  in already with this day or a later one
 * TRV_FULL      not in, and either `room` is false or the probe found none
 * TRV_INVALID   first half zero
 *
 * *place is set for the first two.
 */
trv_rc_e trv_table_put(trv_table_t *t, const trv_id_t *id, uint16_t day,
    bool room, trv_table_place_t *place);

/* whether the slot is taken, by whatever */
bool trv_table_occupied(const trv_table_t *t, uint64_t slot);

/*
 * The entry in a slot: TRV_OK; TRV_DECLINED: empty, or cannot be reached by a
 * lookup (a corrupted slot broke its chain, or it is corrupted itself and does
 * not belong there), so it does not count.
 */
trv_rc_e trv_table_entry(const trv_table_t *t, uint64_t slot, trv_id_t *id,
    uint16_t *day);


#endif /* TRV_TABLE_H */
