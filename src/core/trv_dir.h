
/*
 * The directory of a replica has one path in each configuration, and many that
 * lead to it.
 */

#ifndef TRV_DIR_H
#define TRV_DIR_H

#include "trv_core.h"


/*
 * Whether two paths lead to one directory, or will when it is made: links,
 * `.`, `..` and `//` do not count.  Only looks.
 */
bool trv_dir_same(const char *one, const char *other);


#endif /* TRV_DIR_H */
