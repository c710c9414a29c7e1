
/*
 * What is behind trv_replica_t: for trv_replica*.c, trv_writer*.c and
 * trv_rebuild.c only.
 */

#ifndef TRV_REPLICA_PRIVATE_H
#define TRV_REPLICA_PRIVATE_H

#include "trv_control.h"
#include "trv_replica.h"
#include "trv_tally.h"


typedef struct {
    trv_tally_t     tally;               /* of the table in force */
    trv_digest_t    claimed;             /* total, as in the control file */

    uint64_t        walked;              /* generation of the walk under way */
    bool            crowded;             /* a probe found no slot */
    bool            foreign;             /* was another set's before */

    /* the table being built, if build.head is set; counted at each put */
    trv_table_t     build;
    trv_tally_t     build_tally;
    uint64_t        build_cursor;        /* slots of the old one copied */
    uint16_t        build_first_day;
    bool            build_failed;        /* too small: it lacks an entry */
} trv_writer_t;


struct trv_replica_s {
    char           *dir;
    uint64_t        prefix;              /* its checksum; 0: any will do */
    int             dir_fd;              /* -1: not there yet */
    int             lock_fd;             /* -1: not the writer */

    int             control_fd;          /* carries the presence lock */
    trv_control_t  *control;             /* NULL: not mapped; writable for
                                            the writer */
    dev_t           control_dev;
    ino_t           control_ino;
    bool            present;
    bool            left;

    trv_table_t     table;               /* looked into; the writer's own is
                                            the same, mapped for writing */
    uint64_t        mapped;              /* its generation under this control
                                            file; 0: none */
    uint64_t        failed;              /* could not be mapped: not tried
                                            again at each call */
    bool            found;               /* by the lookup before */
    trv_table_t     retired;

    trv_writer_t   *writer;              /* NULL: not taken over */
};


/* the control file just opened takes the place of the one mapped */
void trv_replica_control_set(trv_replica_t *r, int fd, trv_control_t *control,
    const struct stat *st);

/* the same for the table; the one mapped is retired */
void trv_replica_table_set(trv_replica_t *r, trv_table_t *t);

/* trv_writer.c: ends writing, but for the lock itself */
void trv_writer_drop(trv_replica_t *r);

/* trv_rebuild.c: puts into the table being built, if there is one */
void trv_writer_rebuild_put(trv_replica_t *r, const trv_id_t *id,
    uint16_t day);


#endif /* TRV_REPLICA_PRIVATE_H */
