
/*
 * Where a directory is there, the system says which one it is.  What is there
 * of the path to one that is not says where it will be: the rest, once made,
 * has no links.
 */

#define _GNU_SOURCE

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "trv_dir.h"


static trv_rc_e trv_dir_resolve(const char *path, char resolved[PATH_MAX]);
static trv_rc_e trv_dir_down(const char *rest, char resolved[PATH_MAX]);


bool
trv_dir_same(const char *one, const char *other)
{
    char         a[PATH_MAX], b[PATH_MAX];
    struct stat  st, st_other;

    if (stat(one, &st) == 0 && stat(other, &st_other) == 0) {
        return st.st_ino == st_other.st_ino && st.st_dev == st_other.st_dev;
    }

    return trv_dir_resolve(one, a) == TRV_OK
           && trv_dir_resolve(other, b) == TRV_OK
           && strcmp(a, b) == 0;
}


static trv_rc_e
trv_dir_resolve(const char *path, char resolved[PATH_MAX])
{
    char    there[PATH_MAX];
    size_t  len;

    len = strlen(path);

    if (len >= PATH_MAX) {
        return TRV_INVALID;
    }

    memcpy(there, path, len + 1);

    while (realpath(len ? there : ".", resolved) == NULL) {

        if (len == 0) {
            return TRV_ERROR;
        }

        while (len && there[len - 1] == '/') {
            len--;
        }

        while (len && there[len - 1] != '/') {
            len--;
        }

        there[len] = '\0';
    }

    return trv_dir_down(path + len, resolved);
}


static trv_rc_e
trv_dir_down(const char *rest, char resolved[PATH_MAX])
{
    size_t  n, len;

    len = strlen(resolved);
    len -= (len == 1);                   /* the root: "" before a slash */

    for ( /* void */ ; *rest; rest += n + strspn(rest + n, "/")) {

        n = strcspn(rest, "/");

        if (n == 2 && rest[0] == '.' && rest[1] == '.') {
            while (len && resolved[--len] != '/') { /* void */ }
            continue;
        }

        if (n == 1 && rest[0] == '.') {
            continue;
        }

        if (len + 1 + n >= PATH_MAX) {
            return TRV_INVALID;
        }

        resolved[len] = '/';
        memcpy(resolved + len + 1, rest, n);
        len += 1 + n;
    }

    resolved[len] = '\0';

    return TRV_OK;
}
