
/*
 * A revocation set as one worker has it: its configuration, its replica, its
 * link for requests, and, in the one worker that holds the writer lock, the
 * follower.
 */

#ifndef NGX_TRV_SET_H
#define NGX_TRV_SET_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_trv_rebuild.h"
#include "ngx_trv_redis.h"
#include "ngx_trv_stats.h"
#include "ngx_trv_watch.h"
#include "trv_replica.h"


#define NGX_TRV_VERSION   "0.1.0"

#define NGX_TRV_EDGE_LEN  (NGX_MAXHOSTNAMELEN + 1 + TRV_INSTANCE_ID_LEN)


typedef struct ngx_trv_follower_s  ngx_trv_follower_t;


typedef struct {
    /* configuration */
    u_char                *file;         /* where the block is; NULL: named */
    ngx_uint_t             line;         /* by a location only */
    ngx_str_t              name;
    ngx_str_t              node;
    ngx_path_t            *path;         /* directory of the replica */
    ngx_trv_redis_conf_t   redis;        /* prefix and timeout are in here */
    ngx_flag_t             registry;             /* keeps token records */
    time_t                 token_records;        /* seconds after expiry */
    time_t                 max_lifetime;         /* seconds */
    ngx_int_t              log_length;           /* entries */
    ngx_int_t              wait_replicas;

    ngx_trv_stats_t        stats;

    /* of this worker, from init_process on */
    ngx_log_t             *log;
    trv_replica_t         *replica;
    ngx_trv_redis_t       *link;         /* "requests", made when first used */
    ngx_trv_follower_t    *follower;     /* NULL: not the writer */
    ngx_trv_rebuild_t      rebuild;
    ngx_trv_watch_list_t   watch;        /* tokens of calls that go on */
    ngx_str_t              edge;         /* field in {P}:edges: node:instance,
                                            empty while there is no instance */
    u_char                 edge_text[NGX_TRV_EDGE_LEN];

    ngx_event_t            tick;         /* cancelable timer */
    ngx_msec_t             started;
    ngx_msec_t             ticked;       /* the timer, last */
    ngx_msec_t             refreshed;    /* the replica, last */
    ngx_connection_t      *shutdown;     /* idle: nginx tells it */
    trv_table_t            retired;      /* not in force, being unmapped */
    unsigned               starting:1;   /* nobody has looked yet whether this
                                            edge was away */
    ngx_uint_t             writer;       /* what was said of it */
    unsigned               failing:1;    /* said that the replica is */
} ngx_trv_set_t;


/* opens the replica and starts the election; NGX_OK or NGX_ERROR */
ngx_int_t ngx_trv_set_init_process(ngx_trv_set_t *set, ngx_cycle_t *cycle);

/* gives up the lock; the last worker of the edge signs it off */
void ngx_trv_set_exit_process(ngx_trv_set_t *set, ngx_cycle_t *cycle);

/* stops writing, e.g. because the directory was replaced */
void ngx_trv_set_step_down(ngx_trv_set_t *set);

/* whether calls can be judged: filled, mapped, and not away */
ngx_uint_t ngx_trv_set_ready(const ngx_trv_set_t *set);

/* whether some process writes the replica and gives signs of life */
ngx_uint_t ngx_trv_set_written(const trv_replica_state_t *state);


#endif /* NGX_TRV_SET_H */
