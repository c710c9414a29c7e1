
/*
 * The directory that a run of a fuzzer has its files in.
 */

#ifndef TRV_FUZZ_DIR_H
#define TRV_FUZZ_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>


/* what the run before has left; the name ends with XXXXXX before the first */

static inline void
trv_fuzz_dir_empty(char *path)
{
    DIR            *dir;
    struct dirent  *entry;

    static bool  made;

    if (!made) {
        made = true;
        if (mkdtemp(path) == NULL) {
            abort();
        }
    }

    dir = opendir(path);

    while ((entry = readdir(dir)) != NULL) {
        (void) unlinkat(dirfd(dir), entry->d_name, 0);
    }

    closedir(dir);
}


#endif /* TRV_FUZZ_DIR_H */
