
/*
 * The control file: one page that every process maps, written by the holder
 * of the writer lock alone.
 *
 *       0  head      written before the file gets its name, checksummed, and
 *                    whose it is
 *      64  force     what each call reads; stored to rarely
 *     128  state     what the writer stores all the time
 *     256  marks     the mark, twice
 *
 * Fields of force and state are single words: a reader sees each whole, though
 * maybe of different moments.  The mark belongs together (a position means
 * something only with its replication id), so it is kept twice: the writer
 * fills the copy that is not in force, then makes it so by raising `sequence`,
 * whose last bit tells which one is.  A writer killed in between has changed
 * nothing, and a reader repeats only when it was overtaken.
 */

#ifndef TRV_CONTROL_H
#define TRV_CONTROL_H

#include <stdatomic.h>

#include "trv_digest.h"
#include "trv_file.h"
#include "trv_position.h"


/* far apart, so that no flipped bit makes one of another, or of zero */
#define TRV_CONTROL_FILLED   0x46494c4c45442121    /* merged once, all there */
#define TRV_CONTROL_UNSURE   0x756e737572652d2d    /* was; not yet counted */
#define TRV_CONTROL_AWAY     0x617761792d2d2d2d    /* is; nobody kept it so */


typedef _Atomic(uint64_t)  trv_control_word_t;

typedef struct {
    uint64_t            known;           /* position: 1, or 0 for none */
    uint64_t            ms;
    uint64_t            seq;
    uint64_t            repl[3];         /* 64 + 64 + 32 bits; 0: none */
    uint64_t            set[2];          /* 0: none */
} trv_control_mark_t;

#define TRV_CONTROL_MARK_WORDS  (sizeof(trv_control_mark_t) / sizeof(uint64_t))

typedef struct {
    uint64_t            magic;
    uint64_t            version;
    uint64_t            size;
    uint64_t            instance;        /* random, not 0 */
    uint64_t            checksum;        /* of all above */
    trv_control_word_t  prefix;          /* checksum of the one that it was
                                            filled under; 0: not known */
    uint64_t            unused[2];

    /* force */
    trv_control_word_t  generation;      /* 0: no table yet */
    trv_control_word_t  filled;
    trv_control_word_t  full;
    trv_control_word_t  contact_ms;
    trv_control_word_t  capacity;
    trv_control_word_t  next_generation; /* above every number ever used */
    trv_control_word_t  boot[2];

    /* state */
    trv_control_word_t  beat_ms;
    trv_control_word_t  agrees;
    trv_control_word_t  total[3];        /* digest over all days: count, xor */
    trv_control_word_t  daily_ms;        /* the last daily merge; 0: unknown */
    trv_control_word_t  spare[10];

    /* marks */
    trv_control_word_t  sequence;
    trv_control_word_t  gap[7];
    trv_control_word_t  marks[2][TRV_CONTROL_MARK_WORDS];
} trv_control_t;


/* the name of the file, "control.V" */
void trv_control_name(char name[TRV_FILE_NAME_LEN]);

/*
 * Opens and maps it after checking size, magic, version and checksum.
 * TRV_OK: *fd and *control are the caller's, *st tells which file it is.
 * TRV_DECLINED: there is none.  TRV_CORRUPT.  TRV_ERROR: errno.
 */
trv_rc_e trv_control_open(int dir_fd, bool writable, int *fd,
    trv_control_t **control, struct stat *st);
void trv_control_close(int fd, trv_control_t *control);

/*
 * Makes a new one under a new instance id; it appears complete.  TRV_OK, or
 * TRV_ERROR: errno.
 */
trv_rc_e trv_control_create(int dir_fd, uint64_t next_generation);

static inline uint64_t
trv_control_get(const trv_control_word_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}


static inline void
trv_control_set(trv_control_word_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}


/* false: overtaken again and again, *mark is all zero */
bool trv_control_mark_get(const trv_control_t *control,
    trv_control_mark_t *mark);
void trv_control_mark_set(trv_control_t *control,
    const trv_control_mark_t *mark);

void trv_control_total_get(const trv_control_t *control, trv_digest_t *total);
void trv_control_total_set(trv_control_t *control, const trv_digest_t *total);


#endif /* TRV_CONTROL_H */
