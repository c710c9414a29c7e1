
/*
 * A control file that holds anything, as a reader and as a new writer find it.
 * Odd first byte: the whole file; even: what follows a good head, with its
 * second bit that of another set.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trv_control.h"
#include "trv_fuzz_dir.h"
#include "trv_writer.h"


#define HEAD  64


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char  trv_path[] = "replica-XXXXXX";     /* of the current one */


static void
trv_file_write(const uint8_t *data, size_t size)
{
    int             fd, dir;
    char            name[TRV_FILE_NAME_LEN];
    struct stat     st;
    trv_control_t  *control;

    trv_fuzz_dir_empty(trv_path);
    dir = open(trv_path, O_RDONLY|O_DIRECTORY);
    trv_control_name(name);

    if (data[0] % 2) {
        fd = openat(dir, name, O_WRONLY|O_CREAT, 0600);
        if (write(fd, data + 1, size - 1) < 0) {
            abort();
        }
        (void) close(fd);

    } else {
        if (trv_control_create(dir, 1) != TRV_OK
            || trv_control_open(dir, true, &fd, &control, &st) != TRV_OK)
        {
            abort();
        }

        size = size - 1 < sizeof(*control) - HEAD ? size - 1
                                                  : sizeof(*control) - HEAD;
        memcpy((char *) control + HEAD, data + 1, size);
        trv_control_set(&control->prefix, data[0] & 2);
        trv_control_close(fd, control);
    }

    (void) close(dir);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    trv_id_t              id = { 1, 2 };
    trv_replica_t        *r;
    trv_replica_state_t   s;

    if (size == 0) {
        return 0;
    }

    trv_file_write(data, size);

    r = trv_replica_open(trv_path);
    trv_replica_prefix_set(r, "a");
    (void) trv_replica_refresh(r);
    trv_replica_state(r, &s);

    if (trv_replica_lookup(r, &id) == TRV_OK) {
        abort();                         /* nothing was ever put */
    }

    if (trv_replica_lock(r) == TRV_OK
        && trv_writer_take(r, "boot", 0) != TRV_ERROR)
    {
        while (trv_writer_scan(r, 1000) == TRV_AGAIN) { /* void */ }

        if (trv_writer_foreign(r) && trv_replica_ready(r)) {
            abort();
        }

        (void) trv_writer_put(r, &id, 20000);

        if (trv_replica_lookup(r, &id) != TRV_OK) {
            abort();
        }

        trv_replica_state(r, &s);
    }

    trv_replica_close(r);

    return 0;
}
