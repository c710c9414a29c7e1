
/*
 * What is counted of a set: one list.  GET metrics shows all of it.
 */

#ifndef NGX_TRV_COUNTERS_H
#define NGX_TRV_COUNTERS_H

#include <ngx_config.h>

#include "trv_follow.h"


/* room for what src/http counts by */
#define NGX_TRV_STATS_VERDICTS  8
#define NGX_TRV_STATS_ACTIONS   3        /* see ngx_trv_action_e */
#define NGX_TRV_STATS_ROUTES    32
#define NGX_TRV_STATS_CLASSES   5        /* of a status: 1xx to 5xx */


/* what became of a call */
typedef enum {
    NGX_TRV_ACTION_PASSED = 0,
    NGX_TRV_ACTION_REFUSED,
    NGX_TRV_ACTION_DRY_RUN               /* passed, would have been refused */
} ngx_trv_action_e;


/* what became of a request to revoke */
typedef enum {
    NGX_TRV_RESULT_IN_FORCE = 0,
    NGX_TRV_RESULT_PENDING,              /* taken, not in force here yet or not
                                            on as many replicas as wanted */
    NGX_TRV_RESULT_DRY_RUN,
    NGX_TRV_RESULT_REFUSED,              /* not valid, not allowed, unknown */
    NGX_TRV_RESULT_UNAVAILABLE,          /* Redis; nothing was changed */
    NGX_TRV_RESULT_UNKNOWN,              /* sent and not answered */
    NGX_TRV_RESULT_N
} ngx_trv_result_e;


/*
 * Name in capitals, how many, name in the metrics, what tells them apart there,
 * help.  The first ones are those of every call.
 */
#define NGX_TRV_COUNTERS(X)                                                   \
    X(CALLS, NGX_TRV_STATS_VERDICTS * NGX_TRV_STATS_ACTIONS,                  \
      calls_total, call,                                                      \
      "Calls that were judged, by verdict and by what was done")              \
    X(CUTOFFS, 1,                                                             \
      cutoffs_total, none,                                                    \
      "Calls that were ended because their token was revoked meanwhile")      \
    X(TRIES_DROPPED, 1,                                                       \
      tries_dropped_total, none,                                              \
      "Tries of revoked tokens that are in no evidence, for want of room")    \
    X(TRIES, 1,                                                               \
      tries_reported_total, none,                                             \
      "Tries of revoked tokens that this edge has told Redis of")             \
    X(REVOCATIONS, NGX_TRV_RESULT_N,                                          \
      revocations_total, result,                                              \
      "Requests to revoke that were answered here, by result")                \
    X(ENTRIES, 1,                                                             \
      log_entries_total, none,                                                \
      "Entries of the log that were applied here")                            \
    X(SKIPPED, 1,                                                             \
      log_entries_skipped_total, none,                                        \
      "Entries of the log that did not parse and were skipped")               \
    X(MERGES, TRV_CAUSE_N,                                                    \
      merges_total, cause,                                                    \
      "Merges with Redis that were begun here, by cause")                     \
    X(DELAYS, TRV_DELAY_N,                                                    \
      propagation_seconds, delay,                                             \
      "Time from the log in Redis to being in force here, by the log alone")  \
    X(DELAYS_MS, 1,                                                           \
      propagation_seconds_sum, sum,                                           \
      "")                                                                     \
    X(REPORTS_FAILED, 1,                                                      \
      report_failures_total, none,                                            \
      "Reports of this edge that Redis refused")                              \
    X(REBUILDS, 1,                                                            \
      table_rebuilds_total, none,                                             \
      "Tables that were built anew and put in force")                         \
    X(CONNECTS, TRV_LINK_N,                                                   \
      redis_connects_total, link,                                             \
      "Connections to Redis that became ready, by link")                      \
    X(LOSSES, TRV_LINK_N,                                                     \
      redis_losses_total, link,                                               \
      "Connections to Redis that were ready and lost, by link")               \
    X(ADMIN, NGX_TRV_STATS_ROUTES * NGX_TRV_STATS_CLASSES,                    \
      admin_requests_total, route,                                            \
      "Requests to the HTTP API, by resource, method and class of status")


typedef enum {
#define NGX_TRV_STAT_X(upper, n, name, label, help)                           \
    NGX_TRV_STAT_##upper,                                                     \
    NGX_TRV_STAT_##upper##_LAST = NGX_TRV_STAT_##upper + (n) - 1,

    NGX_TRV_COUNTERS(NGX_TRV_STAT_X)

#undef NGX_TRV_STAT_X
    NGX_TRV_STAT_N
} ngx_trv_stat_e;


#endif /* NGX_TRV_COUNTERS_H */
