
/*
 * The file of a table: made complete before it gets into anybody's hands, and
 * checked before a byte of it is believed.
 */

#define _GNU_SOURCE

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


#define TRV_TABLE_MAGIC  0x33656c6261747274  /* "trtable3" in memory */

#define TRV_TABLE_HUGE   (2 * 1024 * 1024)   /* bytes of a large page */


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


static trv_rc_e trv_table_head_init(trv_table_head_t *head,
    uint64_t generation, uint64_t capacity);
static trv_rc_e trv_table_head_check(int fd, const struct stat *st,
    uint64_t generation, trv_table_head_t *head);
static trv_rc_e trv_table_map(trv_table_t *t, int fd,
    const trv_table_head_t *head, bool writable);
static void trv_table_advise(const trv_table_t *t);


static inline uint64_t
trv_table_lines(uint64_t capacity)
{
    return (capacity + TRV_TABLE_LINE - 1) / TRV_TABLE_LINE * TRV_TABLE_LINE;
}


uint64_t
trv_table_capacity(uint64_t n)
{
    if (n >= TRV_TABLE_CAPACITY_MAX / 4 * 3) {
        return TRV_TABLE_CAPACITY_MAX;
    }

    n = (n * 4 + 2) / 3;

    return (n < 1024) ? 1024 : trv_table_lines(n);
}


size_t
trv_table_size(uint64_t capacity)
{
    if (capacity == 0 || capacity > TRV_TABLE_CAPACITY_MAX
        || capacity % TRV_TABLE_LINE != 0)
    {
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

    capacity = trv_table_lines(capacity);

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

    /* the first write to a page takes 10 to 20 us: not in the event loop */

#ifdef MADV_POPULATE_WRITE
    (void) madvise(t->head, t->size, MADV_POPULATE_WRITE);
#endif

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
    t->tags = (_Atomic(uint64_t) *) ((char *) p + TRV_FILE_PAGE);
    t->capacity = head->capacity;
    t->groups = head->capacity / TRV_TABLE_GROUP;
    t->ids = (trv_id_t *) (t->tags + t->groups);
    t->days = (_Atomic(uint16_t) *) (t->ids + t->capacity);
    t->probes = (t->groups < TRV_TABLE_PROBES) ? t->groups : TRV_TABLE_PROBES;
    t->mul_hi = head->mul_hi;
    t->mul_lo = head->mul_lo;
    t->generation = head->generation;
    t->size = head->size;
    t->fd = writable ? fd : -1;

    trv_table_advise(t);

    return TRV_OK;
}


/*
 * Every lookup reads tags, so the TLB should hold all of their pages.  Not
 * the rest: a large page is written to the disk as a whole.
 */

static void
trv_table_advise(const trv_table_t *t)
{
#ifdef MADV_HUGEPAGE
    size_t  size;

    size = TRV_FILE_PAGE + t->capacity;
    size += TRV_TABLE_HUGE - size % TRV_TABLE_HUGE;

    if (size <= t->size) {
        (void) madvise(t->head, size, MADV_HUGEPAGE);
    }
#endif
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


trv_rc_e
trv_table_unmap(trv_table_t *t, size_t n)
{
    size_t  from;

    /* where a page begins, of whatever size; that of the head is the last */

    from = (t->size > n) ? t->size - n : 0;
    from -= from % TRV_TABLE_HUGE;

    if (from == 0) {
        trv_table_close(t);
        return TRV_OK;
    }

    munmap((char *) t->head + from, t->size - from);
    t->size = from;

    return TRV_AGAIN;
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
