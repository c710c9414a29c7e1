
/*
 * What all of src/core shares: return codes and byte slices.
 *
 * src/core is plain C11: no nginx names, no sockets, no clock, no logging.
 * The only I/O is that on a replica's files.  Time comes in as an argument.
 */

#ifndef TRV_CORE_H
#define TRV_CORE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>


/* version of the files of a replica and of the data in Redis */
#define TRV_FORMAT_VERSION  1

#define TRV_DAY_SEC         86400


typedef enum {
    TRV_OK = 0,
    TRV_DECLINED,            /* not there, nothing to do, or already so */
    TRV_AGAIN,               /* not yet: more to do, or held by another */
    TRV_INVALID,             /* bad input, nothing was changed */
    TRV_FULL,                /* no room, nothing was changed */
    TRV_CORRUPT,             /* a file or a reply fails its checks */
    TRV_ERROR                /* the system refused: errno says why */
} trv_rc_e;


/* bytes owned by somebody else, not terminated */
typedef struct {
    const char  *data;
    size_t       len;
} trv_str_t;


/* both for string literals only */
#define trv_str(s)           { s, sizeof(s) - 1 }
#define trv_str_set(p, s)    ((p)->data = (s), (p)->len = sizeof(s) - 1)


#endif /* TRV_CORE_H */
