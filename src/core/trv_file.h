
/*
 * The files of a replica: fixed size, every block allocated, mapped whole.
 *
 * Names are relative to the replica's directory.  A link, a directory or a
 * pipe in the place of a file, or a file of another size, is corruption; no
 * permission to open it, or no memory to map it, is not.
 */

#ifndef TRV_FILE_H
#define TRV_FILE_H

#include <sys/stat.h>

#include "trv_core.h"


#define TRV_FILE_PAGE      4096          /* bytes; headers are one page */
#define TRV_FILE_NAME_LEN  80            /* with the ending of a set-aside */


/*
 * Opens a regular file and says what it is.  TRV_OK: *fd is the caller's.
 * TRV_DECLINED: there is none.  TRV_CORRUPT: not a regular file.
 * TRV_ERROR: errno.
 */
trv_rc_e trv_file_open(int dir_fd, const char *name, bool writable, int *fd,
    struct stat *st);

/*
 * Makes a new file of `size` zero bytes, all blocks allocated, mode 0600.
 * TRV_ERROR: errno (EEXIST, ENOSPC, EACCES ...), and no file is left behind.
 */
trv_rc_e trv_file_create(int dir_fd, const char *name, size_t size, int *fd);

/* TRV_OK: *p is `size` mapped bytes.  TRV_ERROR: errno. */
trv_rc_e trv_file_map(int fd, size_t size, bool writable, void **p);

/*
 * Renames it to NAME.bad, in the place of an older one.  A link is renamed
 * itself.  TRV_OK, or TRV_ERROR: errno.
 */
trv_rc_e trv_file_set_aside(int dir_fd, const char *name);

/* FNV-1a, 64 bits: against accidents, not against an attacker with our uid */
uint64_t trv_file_checksum(const void *data, size_t len);

/* TRV_OK, or TRV_ERROR: errno */
trv_rc_e trv_file_random(void *data, size_t len);


#endif /* TRV_FILE_H */
