
/*
 * A replica as every worker sees it: the control file says which table is in
 * force, and the table answers.  Nothing here waits for the writer, and what
 * is mapped stays in use until something newer is mapped: a table that was
 * deleted, or belongs to a control file that was set aside, still refuses what
 * is in it.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trv_replica_private.h"


/* switches of generation while a table is opened; each takes seconds */
#define TRV_REPLICA_TRIES  4


static trv_rc_e trv_replica_dir_refresh(trv_replica_t *r);
static trv_rc_e trv_replica_control_refresh(trv_replica_t *r);
static trv_rc_e trv_replica_table_refresh(trv_replica_t *r);
static void trv_replica_retire(trv_replica_t *r);
static void trv_replica_lock_name(char name[TRV_FILE_NAME_LEN]);


trv_replica_t *
trv_replica_open(const char *dir)
{
    trv_replica_t  *r;

    r = calloc(1, sizeof(trv_replica_t));

    if (r == NULL) {
        return NULL;
    }

    r->dir = strdup(dir);

    if (r->dir == NULL) {
        free(r);
        return NULL;
    }

    r->dir_fd = -1;
    r->lock_fd = -1;
    r->control_fd = -1;
    r->table.fd = -1;
    r->retired.fd = -1;

    return r;
}


void
trv_replica_close(trv_replica_t *r)
{
    trv_replica_unlock(r);

    trv_table_close(&r->table);
    trv_table_close(&r->retired);

    if (r->control != NULL) {
        trv_control_close(r->control_fd, r->control);
    }

    if (r->dir_fd != -1) {
        close(r->dir_fd);
    }

    free(r->dir);
    free(r);
}


trv_rc_e
trv_replica_refresh(trv_replica_t *r)
{
    trv_rc_e  rc;

    /* what the writer has mapped is in force by definition */

    if (r->writer != NULL) {
        return TRV_OK;
    }

    rc = trv_replica_dir_refresh(r);

    if (rc == TRV_OK) {
        rc = trv_replica_control_refresh(r);
    }

    if (rc != TRV_OK) {
        return rc;
    }

    r->failed = 0;

    return trv_replica_table_refresh(r);
}


static trv_rc_e
trv_replica_dir_refresh(trv_replica_t *r)
{
    int          fd;
    struct stat  there, ours;

    /* files of a lock holder stay in the directory of its lock */

    if (r->lock_fd != -1) {
        return TRV_OK;
    }

    if (stat(r->dir, &there) == -1) {
        return (errno == ENOENT) ? TRV_DECLINED : TRV_ERROR;
    }

    if (r->dir_fd != -1
        && fstat(r->dir_fd, &ours) == 0
        && ours.st_ino == there.st_ino
        && ours.st_dev == there.st_dev)
    {
        return TRV_OK;
    }

    fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return (errno == ENOENT) ? TRV_DECLINED : TRV_ERROR;
    }

    if (r->dir_fd != -1) {
        close(r->dir_fd);
    }

    r->dir_fd = fd;

    return TRV_OK;
}


static trv_rc_e
trv_replica_control_refresh(trv_replica_t *r)
{
    int             fd;
    char            name[TRV_FILE_NAME_LEN];
    trv_rc_e        rc;
    struct stat     st;
    trv_control_t  *control;

    trv_control_name(name);

    if (r->control != NULL
        && fstatat(r->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
        && st.st_ino == r->control_ino
        && st.st_dev == r->control_dev)
    {
        if (!r->present && !r->left) {
            r->present = flock(r->control_fd, LOCK_SH | LOCK_NB) == 0;
        }

        return TRV_OK;
    }

    rc = trv_control_open(r->dir_fd, false, &fd, &control, &st);

    if (rc == TRV_OK) {
        trv_replica_control_set(r, fd, control, &st);
    }

    return rc;
}


void
trv_replica_control_set(trv_replica_t *r, int fd, trv_control_t *control,
    const struct stat *st)
{
    if (r->control != NULL) {
        trv_control_close(r->control_fd, r->control);
    }

    r->control_fd = fd;
    r->control = control;

    /* generations of another control file are other tables */

    if (r->control_ino != st->st_ino || r->control_dev != st->st_dev) {
        r->control_ino = st->st_ino;
        r->control_dev = st->st_dev;
        r->mapped = 0;
    }

    r->failed = 0;
    r->present = !r->left && flock(fd, LOCK_SH | LOCK_NB) == 0;
}


static trv_rc_e
trv_replica_table_refresh(trv_replica_t *r)
{
    int          n;
    char         name[TRV_TABLE_NAME_LEN];
    trv_rc_e     rc;
    uint64_t     generation;
    trv_table_t  t;

    for (n = 0; n < TRV_REPLICA_TRIES; n++) {

        /* partner: the store in trv_writer_rebuild_switch() */

        generation = trv_control_get(&r->control->generation);

        if (generation == 0) {
            return TRV_DECLINED;
        }

        if (generation == r->mapped) {
            return TRV_OK;
        }

        if (generation == r->failed) {
            return TRV_ERROR;
        }

        trv_table_name(generation, name);
        rc = trv_table_open(&t, r->dir_fd, name, generation, false);

        if (rc == TRV_OK) {
            trv_replica_table_set(r, &t);

        } else if (generation == trv_control_get(&r->control->generation)) {
            r->failed = generation;
            errno = (rc == TRV_DECLINED) ? ENOENT : errno;
            return (rc == TRV_DECLINED) ? TRV_ERROR : rc;
        }

        /* switched meanwhile, and the file deleted or about to be: again */
    }

    return TRV_ERROR;
}


void
trv_replica_table_set(trv_replica_t *r, trv_table_t *t)
{
    trv_replica_retire(r);

    r->table = *t;
    r->mapped = t->generation;
    r->failed = 0;
}


static void
trv_replica_retire(trv_replica_t *r)
{
    if (r->table.head == NULL) {
        return;
    }

    /* nobody has fetched the last one */

    trv_table_close(&r->retired);

    if (r->table.fd != -1) {
        close(r->table.fd);
        r->table.fd = -1;
    }

    r->retired = r->table;
    r->table.head = NULL;
}


/* whether the table in force is mapped; it is, if its generation has changed */

static inline bool
trv_replica_current(trv_replica_t *r)
{
    return trv_control_get(&r->control->generation) == r->mapped
           || trv_replica_table_refresh(r) == TRV_OK;
}


/*
 * The total is stored when the entry is in the table already.  It is cleared
 * for a new table when the old one, which we may still have, is said to be not
 * filled: so that is looked at last.
 */

bool
trv_replica_empty(trv_replica_t *r)
{
    return r->control != NULL
           && trv_control_get(&r->control->total[0]) == 0
           && trv_control_get(&r->control->filled) == TRV_CONTROL_FILLED
           && trv_replica_current(r)
           && r->mapped != 0;
}


void
trv_replica_prefetch(trv_replica_t *r, const trv_id_t *id)
{
    if (r->control == NULL) {
        return;
    }

    (void) trv_replica_current(r);

    /* revoked tokens come in runs, when somebody keeps trying one */

    if (r->table.head != NULL) {
        trv_table_prefetch(&r->table, id, r->found);
    }
}


trv_rc_e
trv_replica_lookup(trv_replica_t *r, const trv_id_t *id)
{
    bool  current;

    if (r->control == NULL) {
        return TRV_ERROR;
    }

    current = trv_replica_current(r);

    r->found = (r->table.head != NULL && trv_table_lookup(&r->table, id));

    if (r->found) {
        return TRV_OK;
    }

    return (current && r->mapped != 0) ? TRV_DECLINED : TRV_ERROR;
}


trv_rc_e
trv_replica_retired(trv_replica_t *r, trv_table_t *t)
{
    if (r->retired.head == NULL) {
        return TRV_DECLINED;
    }

    *t = r->retired;
    r->retired.head = NULL;

    return TRV_OK;
}


int
trv_replica_dir_open(const trv_replica_t *r)
{
    if (r->dir_fd == -1) {
        errno = ENOENT;
        return -1;
    }

    return fcntl(r->dir_fd, F_DUPFD_CLOEXEC, 0);
}


trv_rc_e
trv_replica_lock(trv_replica_t *r)
{
    int       fd, err;
    char      name[TRV_FILE_NAME_LEN];
    trv_rc_e  rc;

    if (r->lock_fd != -1) {
        return TRV_OK;
    }

    rc = trv_replica_dir_refresh(r);

    if (rc != TRV_OK) {
        return rc;
    }

    /*
     * A link or a directory here is an error, and not set aside: without the
     * lock, one process could rename what another has just made and locked.
     */

    trv_replica_lock_name(name);

    fd = openat(r->dir_fd, name,
                O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd == -1) {
        return (errno == ENOENT) ? TRV_DECLINED : TRV_ERROR;
    }

    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        err = errno;
        close(fd);
        errno = err;
        return (err == EWOULDBLOCK) ? TRV_AGAIN : TRV_ERROR;
    }

    r->lock_fd = fd;

    /* replaced between the two calls: the lock is on a file nobody finds */

    if (trv_replica_lock_check(r) != TRV_OK) {
        r->lock_fd = -1;
        close(fd);
        return TRV_AGAIN;
    }

    return TRV_OK;
}


static void
trv_replica_lock_name(char name[TRV_FILE_NAME_LEN])
{
    snprintf(name, TRV_FILE_NAME_LEN, "writer.%d.lock", TRV_FORMAT_VERSION);
}


int
trv_replica_lock_fd(const trv_replica_t *r)
{
    return r->lock_fd;
}


trv_rc_e
trv_replica_lock_check(const trv_replica_t *r)
{
    char         name[TRV_FILE_NAME_LEN];
    struct stat  dir, there, ours;

    /* from the path on: the whole directory may have been replaced */

    if (r->lock_fd == -1
        || stat(r->dir, &there) == -1
        || fstat(r->dir_fd, &dir) == -1
        || there.st_ino != dir.st_ino
        || there.st_dev != dir.st_dev)
    {
        return TRV_DECLINED;
    }

    trv_replica_lock_name(name);

    if (fstatat(r->dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == -1
        || fstat(r->lock_fd, &ours) == -1
        || there.st_ino != ours.st_ino
        || there.st_dev != ours.st_dev)
    {
        return TRV_DECLINED;
    }

    return TRV_OK;
}


void
trv_replica_unlock(trv_replica_t *r)
{
    if (r->lock_fd == -1) {
        return;
    }

    trv_writer_drop(r);

    /* last: the next writer finds nothing of ours going on */

    close(r->lock_fd);
    r->lock_fd = -1;
}


trv_rc_e
trv_replica_leave(trv_replica_t *r)
{
    r->left = true;

    if (r->control == NULL) {
        return TRV_OK;
    }

    /*
     * Making a shared lock exclusive gives up the shared one first, even if
     * it fails: of two that leave at once, the later one gets it.
     */

    if (flock(r->control_fd, LOCK_EX | LOCK_NB) == -1) {
        (void) flock(r->control_fd, LOCK_UN);
        r->present = false;
        return TRV_AGAIN;
    }

    (void) flock(r->control_fd, LOCK_UN);
    r->present = false;

    return TRV_OK;
}
