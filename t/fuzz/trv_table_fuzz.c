
/*
 * A table file that holds anything.  The first byte chooses: the bytes are the
 * whole file, or the slots behind a good head.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trv_table.h"


#define NAME      "table.1.1"
#define CAPACITY  64
#define HEAD      4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int  trv_dir = -1;


static void
trv_dir_open(void)
{
    char  path[] = "table-XXXXXX";       /* in the current one */

    if (mkdtemp(path) == NULL) {
        abort();
    }

    trv_dir = open(path, O_RDONLY|O_DIRECTORY);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                fd;
    uint64_t           i;
    uint16_t           day;
    trv_id_t           id;
    trv_table_t        t;
    trv_table_place_t  place;

    if (size == 0) {
        return 0;
    }

    if (trv_dir == -1) {
        trv_dir_open();
    }

    (void) unlinkat(trv_dir, NAME, 0);

    if (data[0] % 2) {
        fd = openat(trv_dir, NAME, O_WRONLY|O_CREAT, 0600);
        if (write(fd, data + 1, size - 1) < 0) {
            abort();
        }
        (void) close(fd);

    } else {
        if (trv_table_create(&t, trv_dir, NAME, 1, CAPACITY) != TRV_OK) {
            abort();
        }

        size = size - 1 < t.size - HEAD ? size - 1 : t.size - HEAD;
        memcpy((char *) t.head + HEAD, data + 1, size);
        trv_table_close(&t);
    }

    if (trv_table_open(&t, trv_dir, NAME, 1, true) != TRV_OK) {
        return 0;
    }

    for (i = 0; i < t.capacity; i++) {
        if (trv_table_entry(&t, i, &id, &day) == TRV_OK
            && !trv_table_lookup(&t, &id))
        {
            abort();                     /* an entry is what can be found */
        }
    }

    id.hi = 1;
    id.lo = 2;

    switch (trv_table_put(&t, &id, 3, true, &place)) {

    case TRV_OK:
    case TRV_DECLINED:
        if (!trv_table_lookup(&t, &id)) {
            abort();
        }
        break;

    case TRV_FULL:
        break;

    default:
        abort();
    }

    trv_table_close(&t);

    return 0;
}
