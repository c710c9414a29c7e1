
/*
 * What can be measured of a follower.
 */

#ifndef TRV_MEASURE_H
#define TRV_MEASURE_H

#include "trv_core.h"


/* why a merge is due; the order is that of trv_cause_name() */
typedef enum {
    TRV_CAUSE_NONE = 0,
    TRV_CAUSE_FIRST,                     /* our position is not known */
    TRV_CAUSE_GAP,                       /* an entry names another before it */
    TRV_CAUSE_BEHIND,                    /* the log ends before our position */
    TRV_CAUSE_REPLICATION,               /* another replication id */
    TRV_CAUSE_SET,                       /* another set id */
    TRV_CAUSE_UNBORN,                    /* Redis had no set id */
    TRV_CAUSE_DIGEST,                    /* our total digest is another one */
    TRV_CAUSE_COUNT,                     /* `revoked` does not fit `days` */
    TRV_CAUSE_STUCK,                     /* the log does not reach us */
    TRV_CAUSE_DAILY,
    TRV_CAUSE_N
} trv_cause_e;

const char *trv_cause_name(trv_cause_e cause);


/* upper bounds, in ms, of the delays that are told apart, and one without */
#define TRV_DELAYS(X)                                                         \
    X(1) X(2) X(5) X(10) X(20) X(50) X(100) X(200) X(500) X(1000) X(2000)     \
    X(5000) X(10000) X(30000) X(60000)

#define TRV_DELAY_X(ms)  + 1
#define TRV_DELAY_N      (0 TRV_DELAYS(TRV_DELAY_X) + 1)

extern const uint64_t  trv_delay_limits[TRV_DELAY_N - 1];


/* nothing but uint64_t: what grows */
typedef struct {
    uint64_t  merges[TRV_CAUSE_N];       /* begun */
    uint64_t  entries;                   /* of the log, applied */
    uint64_t  skipped;                   /* that did not parse */
    uint64_t  reports_failed;            /* refused, tries too */
    uint64_t  tries;                     /* flushed */
    uint64_t  delays[TRV_DELAY_N];       /* revocations by the log, from Redis
                                            to this table */
    uint64_t  delays_ms;                 /* all of them together */
} trv_follow_counts_t;


/* what goes up and down */
typedef struct {
    uint64_t  behind_ms;                 /* since when the log is known to hold
                                            more than was applied; 0: it does
                                            not */
    bool      evicting;                  /* Redis may: maxmemory-policy */
} trv_follow_state_t;


#endif /* TRV_MEASURE_H */
