
/*
 * The table file.  A reader in any process may be in the middle of a probe
 * whenever the writer stores something, and the writer may be killed between
 * any two stores.  Both are harmless by the order of three stores:
 *
 *     writer                              reader
 *       day = D      (relaxed)              h = hi      (acquire)
 *       lo  = L      (plain)                h == 0:     not here, end of probe
 *       hi  = H      (release)              h == H:     lo is L, day is >= D
 *
 * A slot whose hi is still zero does not exist, whatever its other fields
 * say; the next put that ends there overwrites them.  A slot that exists never
 * changes but for its day, so a probe that has passed it need not return.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trv_file.h"
#include "trv_table.h"


#define TRV_TABLE_MAGIC  0x31656c6261747274  /* "trtable1" in memory */


/* one page; the rest of it is zero */
struct trv_table_head_s {
    uint64_t  magic;                     /* of another byte order: corrupt */
    uint64_t  version;
    uint64_t  generation;
    uint64_t  capacity;
    uint64_t  size;
    uint64_t  mul_hi;
    uint64_t  mul_lo;
    uint64_t  checksum;                  /* of all above */
};


_Static_assert(sizeof(trv_table_slot_t) == 16, "slots are 16 bytes");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_SHORT_LOCK_FREE == 2,
               "atomics in a file cannot have locks beside them");


static trv_rc_e trv_table_head_init(trv_table_head_t *head,
    uint64_t generation, uint64_t capacity);
static trv_rc_e trv_table_head_check(int fd, const struct stat *st,
    uint64_t generation, trv_table_head_t *head);
static trv_rc_e trv_table_map(trv_table_t *t, int fd,
    const trv_table_head_t *head, bool writable);


uint64_t
trv_table_capacity(uint64_t n)
{
    if (n >= TRV_TABLE_CAPACITY_MAX / 3 * 2) {
        return TRV_TABLE_CAPACITY_MAX;
    }

    n = (n * 3 + 1) / 2;

    return (n < 1024) ? 1024 : n;
}


size_t
trv_table_size(uint64_t capacity)
{
    if (capacity == 0 || capacity > TRV_TABLE_CAPACITY_MAX) {
        return 0;
    }

    return TRV_FILE_PAGE + (size_t) capacity * TRV_TABLE_SLOT_SIZE;
}


void
trv_table_name(uint64_t generation, char name[TRV_TABLE_NAME_LEN])
{
    snprintf(name, TRV_TABLE_NAME_LEN, "table.%d.%" PRIu64,
             TRV_FORMAT_VERSION, generation);
}


trv_rc_e
trv_table_create(trv_table_t *t, int dirfd, const char *name,
    uint64_t generation, uint64_t capacity)
{
    int               fd, err;
    trv_table_head_t  head;

    t->head = NULL;
    t->fd = -1;

    if (trv_table_size(capacity) == 0) {
        errno = EINVAL;
        return TRV_ERROR;
    }

    if (trv_table_head_init(&head, generation, capacity) != TRV_OK
        || trv_file_create(dirfd, name, head.size, &fd) != TRV_OK)
    {
        return TRV_ERROR;
    }

    if (trv_table_map(t, fd, &head, true) != TRV_OK) {
        err = errno;
        unlinkat(dirfd, name, 0);
        close(fd);
        errno = err;
        return TRV_ERROR;
    }

    *t->head = head;

    /* the name has to survive a power loss, too: here, where it may be slow */

    (void) fsync(dirfd);

    return TRV_OK;
}


static trv_rc_e
trv_table_head_init(trv_table_head_t *head, uint64_t generation,
    uint64_t capacity)
{
    uint64_t  mul[2];

    /*
     * ids can be ground offline to share a slot under a known multiplier, so
     * each generation has its own
     */

    if (trv_file_random(mul, sizeof(mul)) != TRV_OK) {
        return TRV_ERROR;
    }

    memset(head, 0, sizeof(trv_table_head_t));

    head->magic = TRV_TABLE_MAGIC;
    head->version = TRV_FORMAT_VERSION;
    head->generation = generation;
    head->capacity = capacity;
    head->size = trv_table_size(capacity);
    head->mul_hi = mul[0] | 1;
    head->mul_lo = mul[1] | 1;
    head->checksum = trv_file_checksum(head,
                                       offsetof(trv_table_head_t, checksum));
    return TRV_OK;
}


trv_rc_e
trv_table_open(trv_table_t *t, int dirfd, const char *name,
    uint64_t generation, bool writable)
{
    int               fd, err;
    trv_rc_e          rc;
    struct stat       st;
    trv_table_head_t  head;

    t->head = NULL;
    t->fd = -1;

    rc = trv_file_open(dirfd, name, writable, &fd, &st);

    if (rc != TRV_OK) {
        return rc;
    }

    rc = trv_table_head_check(fd, &st, generation, &head);

    if (rc == TRV_OK) {
        rc = trv_table_map(t, fd, &head, writable);
    }

    if (rc != TRV_OK || !writable) {
        err = errno;
        close(fd);
        errno = err;
    }

    return rc;
}


static trv_rc_e
trv_table_head_check(int fd, const struct stat *st, uint64_t generation,
    trv_table_head_t *head)
{
    ssize_t  n;

    /* read, not mapped: a file cut short would be a SIGBUS */

    n = pread(fd, head, sizeof(trv_table_head_t), 0);

    if (n == -1) {
        return TRV_ERROR;
    }

    if (n != sizeof(trv_table_head_t)
        || head->magic != TRV_TABLE_MAGIC
        || head->version != TRV_FORMAT_VERSION
        || head->generation != generation
        || head->checksum
           != trv_file_checksum(head, offsetof(trv_table_head_t, checksum)))
    {
        return TRV_CORRUPT;
    }

    /* a checksum is easily made up: nothing below may rely on it */

    if (trv_table_size(head->capacity) == 0
        || head->size != trv_table_size(head->capacity)
        || (uint64_t) st->st_size != head->size)
    {
        return TRV_CORRUPT;
    }

    return TRV_OK;
}


static trv_rc_e
trv_table_map(trv_table_t *t, int fd, const trv_table_head_t *head,
    bool writable)
{
    void  *p;

    if (trv_file_map(fd, head->size, writable, &p) != TRV_OK) {
        return TRV_ERROR;
    }

    t->head = p;
    t->slots = (trv_table_slot_t *) ((char *) p + TRV_FILE_PAGE);
    t->days = (_Atomic(uint16_t) *) (t->slots + head->capacity);
    t->capacity = head->capacity;
    t->probes = (head->capacity < TRV_TABLE_PROBES) ? head->capacity
                                                    : TRV_TABLE_PROBES;
    t->mul_hi = head->mul_hi;
    t->mul_lo = head->mul_lo;
    t->generation = head->generation;
    t->size = head->size;
    t->fd = writable ? fd : -1;

    return TRV_OK;
}


trv_rc_e
trv_table_sync(trv_table_t *t)
{
    return (fsync(t->fd) == 0) ? TRV_OK : TRV_ERROR;
}


void
trv_table_close(trv_table_t *t)
{
    if (t->head != NULL) {
        munmap(t->head, t->size);
        t->head = NULL;
    }

    if (t->fd != -1) {
        close(t->fd);
        t->fd = -1;
    }
}


void
trv_table_freeze(trv_table_t *t)
{
    if (t->head != NULL) {
        (void) mprotect(t->head, t->size, PROT_READ);
    }

    if (t->fd != -1) {
        close(t->fd);
        t->fd = -1;
    }
}


void
trv_table_remove(const trv_table_t *t, int dirfd)
{
    char         name[TRV_TABLE_NAME_LEN];
    struct stat  ours, there;

    trv_table_name(t->generation, name);

    /* after the lock was lost, another writer may have used the name */

    if (t->fd == -1
        || fstat(t->fd, &ours) == -1
        || fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == -1
        || ours.st_ino != there.st_ino
        || ours.st_dev != there.st_dev)
    {
        return;
    }

    unlinkat(dirfd, name, 0);
}


static inline uint64_t
trv_table_home(const trv_table_t *t, const trv_id_t *id)
{
    uint64_t  mixed;

    /* the upper bits of the mix are the random ones: scaled, not masked */

    mixed = id->hi * t->mul_hi + id->lo * t->mul_lo;

    return (uint64_t) (((unsigned __int128) mixed * t->capacity) >> 64);
}


bool
trv_table_lookup(const trv_table_t *t, const trv_id_t *id)
{
    uint64_t                 hi, n;
    const trv_table_slot_t  *slot, *last;

    slot = t->slots + trv_table_home(t, id);
    last = t->slots + t->capacity;

    for (n = t->probes; n != 0; n--) {

        /* partner: the release store in trv_table_put() */

        hi = atomic_load_explicit(&slot->hi, memory_order_acquire);

        if (hi == 0) {
            return false;
        }

        if (hi == id->hi && slot->lo == id->lo) {
            return true;
        }

        if (++slot == last) {
            slot = t->slots;
        }
    }

    return false;
}


static trv_rc_e
trv_table_raise(trv_table_t *t, uint64_t i, uint16_t day,
    trv_table_place_t *place)
{
    place->slot = i;
    place->added = false;
    place->was = atomic_load_explicit(&t->days[i], memory_order_relaxed);

    if (place->was >= day) {
        return TRV_DECLINED;
    }

    atomic_store_explicit(&t->days[i], day, memory_order_relaxed);

    return TRV_OK;
}


trv_rc_e
trv_table_put(trv_table_t *t, const trv_id_t *id, uint16_t day, bool room,
    trv_table_place_t *place)
{
    uint64_t           i, n, hi;
    trv_table_slot_t  *slot;

    if (id->hi == 0) {
        return TRV_INVALID;
    }

    i = trv_table_home(t, id);

    for (n = t->probes; n != 0; n--) {
        slot = &t->slots[i];
        hi = atomic_load_explicit(&slot->hi, memory_order_relaxed);

        if (hi == 0) {
            break;
        }

        if (hi == id->hi && slot->lo == id->lo) {
            return trv_table_raise(t, i, day, place);
        }

        if (++i == t->capacity) {
            i = 0;
        }
    }

    if (n == 0 || !room) {
        return TRV_FULL;
    }

    atomic_store_explicit(&t->days[i], day, memory_order_relaxed);

    slot->lo = id->lo;

    /* partner: the acquire load in trv_table_lookup() */

    atomic_store_explicit(&slot->hi, id->hi, memory_order_release);

    place->slot = i;
    place->was = 0;
    place->added = true;

    return TRV_OK;
}


bool
trv_table_occupied(const trv_table_t *t, uint64_t slot)
{
    return atomic_load_explicit(&t->slots[slot].hi, memory_order_relaxed) != 0;
}


trv_rc_e
trv_table_entry(const trv_table_t *t, uint64_t slot, trv_id_t *id,
    uint16_t *day)
{
    uint64_t  i, hi, distance;

    id->hi = atomic_load_explicit(&t->slots[slot].hi, memory_order_acquire);

    if (id->hi == 0) {
        return TRV_DECLINED;
    }

    id->lo = t->slots[slot].lo;

    i = trv_table_home(t, id);
    distance = (slot >= i) ? slot - i : slot + t->capacity - i;

    if (distance >= t->probes) {
        return TRV_DECLINED;
    }

    /* what a lookup would pass on its way must neither end it nor match */

    for ( /* void */ ; i != slot; i = (i + 1 == t->capacity) ? 0 : i + 1) {
        hi = atomic_load_explicit(&t->slots[i].hi, memory_order_acquire);

        if (hi == 0 || (hi == id->hi && t->slots[i].lo == id->lo)) {
            return TRV_DECLINED;
        }
    }

    *day = atomic_load_explicit(&t->days[slot], memory_order_relaxed);

    return TRV_OK;
}
