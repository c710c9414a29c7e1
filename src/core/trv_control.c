
/*
 * The control file.  It is small, so it is made under another name and renamed
 * when it is complete: whoever finds it can use it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trv_control.h"


#define TRV_CONTROL_MAGIC  0x316c746376727400      /* "\0trvctl1" */

/* each try is 10 loads; to fail, the writer has to store a mark in each */
#define TRV_CONTROL_TRIES  64


_Static_assert(sizeof(trv_control_t) <= TRV_FILE_PAGE, "one page");
_Static_assert(offsetof(trv_control_t, prefix) == 40
               && offsetof(trv_control_t, generation) == 64
               && offsetof(trv_control_t, beat_ms) == 128
               && offsetof(trv_control_t, sequence) == 256,
               "the layout of version 1");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
               "atomics in a file cannot have locks beside them");


static trv_rc_e trv_control_check(int fd, const struct stat *st);


void
trv_control_name(char name[TRV_FILE_NAME_LEN])
{
    snprintf(name, TRV_FILE_NAME_LEN, "control.%d", TRV_FORMAT_VERSION);
}


trv_rc_e
trv_control_open(int dir_fd, bool writable, int *fd, trv_control_t **control,
    struct stat *st)
{
    int       err;
    char      name[TRV_FILE_NAME_LEN];
    void     *p = NULL;
    trv_rc_e  rc;

    trv_control_name(name);

    rc = trv_file_open(dir_fd, name, writable, fd, st);

    if (rc != TRV_OK) {
        return rc;
    }

    rc = trv_control_check(*fd, st);

    if (rc == TRV_OK) {
        rc = trv_file_map(*fd, TRV_FILE_PAGE, writable, &p);
    }

    if (rc != TRV_OK) {
        err = errno;
        close(*fd);
        errno = err;
        return rc;
    }

    *control = p;

    return TRV_OK;
}


static trv_rc_e
trv_control_check(int fd, const struct stat *st)
{
    ssize_t        n;
    trv_control_t  head;

    if (st->st_size != TRV_FILE_PAGE) {
        return TRV_CORRUPT;
    }

    n = pread(fd, &head, sizeof(trv_control_t), 0);

    if (n == -1) {
        return TRV_ERROR;
    }

    if (n != sizeof(trv_control_t)
        || head.magic != TRV_CONTROL_MAGIC
        || head.version != TRV_FORMAT_VERSION
        || head.size != TRV_FILE_PAGE
        || head.checksum
           != trv_file_checksum(&head, offsetof(trv_control_t, checksum)))
    {
        return TRV_CORRUPT;
    }

    return TRV_OK;
}


void
trv_control_close(int fd, trv_control_t *control)
{
    munmap(control, TRV_FILE_PAGE);
    close(fd);
}


trv_rc_e
trv_control_create(int dir_fd, uint64_t next_generation)
{
    int            fd, err;
    char           name[TRV_FILE_NAME_LEN], made[TRV_FILE_NAME_LEN + 4];
    ssize_t        n;
    trv_control_t  head;

    memset(&head, 0, sizeof(trv_control_t));

    head.magic = TRV_CONTROL_MAGIC;
    head.version = TRV_FORMAT_VERSION;
    head.size = TRV_FILE_PAGE;
    head.next_generation = next_generation;

    if (trv_file_random(&head.instance, sizeof(head.instance)) != TRV_OK) {
        return TRV_ERROR;
    }

    head.instance |= 1;
    head.checksum = trv_file_checksum(&head,
                                      offsetof(trv_control_t, checksum));
    trv_control_name(name);
    snprintf(made, sizeof(made), "%s.new", name);

    /* left over by a writer that was killed just here */

    (void) unlinkat(dir_fd, made, 0);

    if (trv_file_create(dir_fd, made, TRV_FILE_PAGE, &fd) != TRV_OK) {
        return TRV_ERROR;
    }

    n = pwrite(fd, &head, sizeof(trv_control_t), 0);

    if (n == sizeof(trv_control_t)
        && fsync(fd) == 0
        && renameat(dir_fd, made, dir_fd, name) == 0)
    {
        (void) fsync(dir_fd);
        close(fd);
        return TRV_OK;
    }

    err = (n >= 0 && n != sizeof(trv_control_t)) ? EIO : errno;

    unlinkat(dir_fd, made, 0);
    close(fd);
    errno = err;

    return TRV_ERROR;
}


bool
trv_control_mark_get(const trv_control_t *control, trv_control_mark_t *mark)
{
    size_t                     i, n;
    uint64_t                   words[TRV_CONTROL_MARK_WORDS], sequence;
    const trv_control_word_t  *from;

    for (n = 0; n < TRV_CONTROL_TRIES; n++) {

        /* partner: the store of sequence in trv_control_mark_set() */

        sequence = trv_control_get(&control->sequence);
        from = control->marks[sequence & 1];

        /*
         * partner: the release stores of words there.  Who reads a word that
         * is on its way to sequence + 2 sees sequence + 1 at least below.
         */

        for (i = 0; i < TRV_CONTROL_MARK_WORDS; i++) {
            words[i] = trv_control_get(&from[i]);
        }

        if (trv_control_get(&control->sequence) == sequence) {
            memcpy(mark, words, sizeof(trv_control_mark_t));
            return true;
        }
    }

    memset(mark, 0, sizeof(trv_control_mark_t));

    return false;
}


void
trv_control_mark_set(trv_control_t *control, const trv_control_mark_t *mark)
{
    size_t               i;
    uint64_t             words[TRV_CONTROL_MARK_WORDS], sequence;
    trv_control_word_t  *to;

    memcpy(words, mark, sizeof(trv_control_mark_t));

    sequence = trv_control_get(&control->sequence) + 1;
    to = control->marks[sequence & 1];

    for (i = 0; i < TRV_CONTROL_MARK_WORDS; i++) {
        trv_control_set(&to[i], words[i]);
    }

    trv_control_set(&control->sequence, sequence);
}


void
trv_control_total_get(const trv_control_t *control, trv_digest_t *total)
{
    total->count = trv_control_get(&control->total[0]);
    total->xor.hi = trv_control_get(&control->total[1]);
    total->xor.lo = trv_control_get(&control->total[2]);
}


void
trv_control_total_set(trv_control_t *control, const trv_digest_t *total)
{
    trv_control_set(&control->total[0], total->count);
    trv_control_set(&control->total[1], total->xor.hi);
    trv_control_set(&control->total[2], total->xor.lo);
}
