
/*
 * The tally of one table: its day digests and how full it is.  It lives in
 * the writer's memory and is computed by walking through the table, a part at
 * a time, while entries are put; each counts once, at its put if its slot was
 * passed already, else when the walk comes there.
 */

#ifndef TRV_TALLY_H
#define TRV_TALLY_H

#include "trv_digest.h"
#include "trv_table.h"


#define TRV_TALLY_DAYS  65536


typedef struct {
    trv_digest_t  *days;                 /* TRV_TALLY_DAYS of them */
    trv_digest_t   total;                /* over all days, 0 too */
    uint32_t       lowest;               /* no day but 0 before it is used */
    uint32_t       end;                  /* no day from it on */
    uint64_t       cursor;               /* slots below it are counted */
    uint64_t       seen;                 /* of these, not empty */
    uint64_t       used;                 /* slots not empty; estimated until
                                            the walk has ended */
} trv_tally_t;


/* TRV_OK, or TRV_ERROR: no memory (1.5 MiB) */
trv_rc_e trv_tally_create(trv_tally_t *tally);
void trv_tally_destroy(trv_tally_t *tally);

/* begins anew */
void trv_tally_start(trv_tally_t *tally);

/* of a new, empty table: nothing to walk through */
void trv_tally_start_empty(trv_tally_t *tally, const trv_table_t *t);

/* up to n slots; TRV_AGAIN or TRV_OK */
trv_rc_e trv_tally_walk(trv_tally_t *tally, const trv_table_t *t, size_t n);
/* over the days before first_day: 0 too, which Redis does not know */
void trv_tally_over(const trv_tally_t *tally, uint16_t first_day,
    trv_digest_t *over);
bool trv_tally_done(const trv_tally_t *tally, const trv_table_t *t);

/* as trv_table_put(), which is called; TRV_FULL above 7/8 of the slots */
trv_rc_e trv_tally_put(trv_tally_t *tally, trv_table_t *t, const trv_id_t *id,
    uint16_t day, trv_table_place_t *place);


#endif /* TRV_TALLY_H */
