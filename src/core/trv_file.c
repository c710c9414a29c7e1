
/*
 * A mapped file that lacks a block kills the worker that touches it (SIGBUS):
 * so every block is allocated before a file is mapped, and the size is checked
 * against what the header claims, never taken from there.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "trv_file.h"


trv_rc_e
trv_file_open(int dir_fd, const char *name, bool writable, int *fd,
    struct stat *st)
{
    int  err, flags;

    /* O_NONBLOCK: opening a pipe in the place of a file would block */

    flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (writable ? O_RDWR
                                                            : O_RDONLY);
    *fd = openat(dir_fd, name, flags);

    if (*fd == -1) {
        switch (errno) {

        case ENOENT:
            return TRV_DECLINED;

        case ELOOP:
        case EISDIR:
        case ENXIO:
        case ENODEV:
            return TRV_CORRUPT;

        default:
            return TRV_ERROR;
        }
    }

    if (fstat(*fd, st) == -1) {
        err = errno;
        close(*fd);
        errno = err;
        return TRV_ERROR;
    }

    if (!S_ISREG(st->st_mode)) {
        close(*fd);
        return TRV_CORRUPT;
    }

    return TRV_OK;
}


trv_rc_e
trv_file_create(int dir_fd, const char *name, size_t size, int *fd)
{
    int            err;
    struct rlimit  limit;

    /* who goes beyond this limit gets a signal that ends him */

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) {
        errno = EFBIG;
        return TRV_ERROR;
    }

    *fd = openat(dir_fd, name,
                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd == -1) {
        return TRV_ERROR;
    }

    /* returns the error and leaves errno alone */

    do {
        err = posix_fallocate(*fd, 0, (off_t) size);
    } while (err == EINTR);

    if (err != 0) {
        unlinkat(dir_fd, name, 0);
        close(*fd);
        errno = err;
        return TRV_ERROR;
    }

    return TRV_OK;
}


trv_rc_e
trv_file_map(int fd, size_t size, bool writable, void **p)
{
    *p = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
              MAP_SHARED, fd, 0);

    return (*p == MAP_FAILED) ? TRV_ERROR : TRV_OK;
}


trv_rc_e
trv_file_set_aside(int dir_fd, const char *name)
{
    char  bad[TRV_FILE_NAME_LEN];

    snprintf(bad, sizeof(bad), "%s.bad", name);

    if (renameat(dir_fd, name, dir_fd, bad) == 0) {
        return TRV_OK;
    }

    /* a file and a directory do not replace each other */

    if (unlinkat(dir_fd, bad, 0) == -1) {
        (void) unlinkat(dir_fd, bad, AT_REMOVEDIR);
    }

    return renameat(dir_fd, name, dir_fd, bad) == 0 ? TRV_OK : TRV_ERROR;
}


uint64_t
trv_file_checksum(const void *data, size_t len)
{
    size_t          i;
    uint64_t        sum;
    const uint8_t  *p;

    p = data;
    sum = 0xcbf29ce484222325;

    for (i = 0; i < len; i++) {
        sum = (sum ^ p[i]) * 0x100000001b3;
    }

    return sum;
}


trv_rc_e
trv_file_random(void *data, size_t len)
{
    ssize_t  n;

    do {
        n = getrandom(data, len, 0);
    } while (n == -1 && errno == EINTR);

    /* up to 256 bytes come in one piece */

    return (n == (ssize_t) len) ? TRV_OK : TRV_ERROR;
}
