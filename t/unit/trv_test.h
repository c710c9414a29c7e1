
/*
 * What the unit tests share: cmocka with its includes, a temporary directory,
 * ids by number.
 */

#ifndef TRV_TEST_H
#define TRV_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trv_id.h"


#define trv_test_n(a)  (sizeof(a) / sizeof((a)[0]))


/* id number n: spread over all bits, never the same twice, never empty */
static inline trv_id_t
trv_test_id(uint64_t n)
{
    trv_id_t  id;

    id.hi = (n + 1) * 0x9e3779b97f4a7c15;
    id.hi ^= id.hi >> 29;
    id.hi = id.hi ? id.hi : 1;
    id.lo = ~n * 0xbf58476d1ce4e5b9;

    return id;
}


/* group setup and teardown: *state is the path of an empty directory */
static inline int
trv_test_dir_create(void **state)
{
    char  *path;

    path = strdup("/tmp/trv-unit-XXXXXX");
    *state = path;

    return path && mkdtemp(path) ? 0 : -1;
}


static inline int
trv_test_dir_remove(void **state)
{
    int   rc;
    char  command[256];

    snprintf(command, sizeof(command), "rm -rf %s", (char *) *state);
    rc = system(command);
    free(*state);

    return rc;
}


#endif /* TRV_TEST_H */
