
/* The edges of the crowd and the revocations that they are to read. */

#ifndef CROWD_H
#define CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <hiredis/hiredis.h>

#include "crowd_sample.h"
#include "trv_position.h"


#define CROWD_SEC         UINT64_C(1000000000)   /* all times: ns */
#define CROWD_MS          UINT64_C(1000000)


typedef enum {
    CROWD_NOTHING = 0,
    CROWD_HEARTBEAT,
    CROWD_REPORT,
    CROWD_SPARE
} crowd_asked_e;


typedef struct crowd_edge_s  crowd_edge_t;

typedef struct {
    redisContext    *redis;
    crowd_edge_t    *edge;               /* NULL: of who revokes */
    bool             tail;
} crowd_link_t;

struct crowd_edge_s {
    crowd_link_t     heart;
    crowd_link_t     tail;
    crowd_asked_e    asked;
    bool             due;                /* a heartbeat */
    bool             report;
    bool             minutes;
    bool             prune;
    uint64_t         due_ns;
    uint64_t         beats;
    trv_position_t   position;
    uint64_t         read;               /* revocations, */
    uint64_t         told;               /* in the report on its way, */
    uint64_t         confirmed;          /* in one that was answered */
};

typedef struct {
    uint64_t         sent;
    uint64_t         answered;
    uint64_t         n_read;
    uint64_t         n_confirmed;
    uint64_t         read;               /* by the last one of n */
    uint64_t         confirmed;
    uint64_t         ask;                /* when edges.lua is due; 0: not */
    uint64_t         pause;
    bool             done;
} crowd_revocation_t;


extern crowd_edge_t        *crowd_edges;         /* crowd_n of them */
extern crowd_revocation_t  *crowd_revocations;
extern uint64_t             crowd_n, crowd_now;
extern bool                 crowd_calls, crowd_measuring;
extern char                 crowd_repl_id[64];

extern crowd_sample_t       crowd_beats;         /* due to answered */
extern uint64_t             crowd_late, crowd_lost;


/* waits for the log behind its position */
void crowd_read_log(crowd_edge_t *e);

/* the next command on its first connection, if none is on its way */
void crowd_next(crowd_edge_t *e);

/* what has come on each of its connections */
void crowd_heart_reply(crowd_edge_t *e, redisReply *reply);
void crowd_tail_reply(crowd_edge_t *e, redisReply *reply);


#endif /* CROWD_H */
