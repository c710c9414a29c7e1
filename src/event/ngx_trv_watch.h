
/*
 * Ids of tokens that are in use right now: whoever watches one is told when it
 * is revoked, within a quarter of a second.
 *
 * The list belongs to one worker.  Nothing runs while it is empty, and while
 * nothing is revoked a turn costs one comparison; after a change the ids are
 * looked up in slices of less than 1 ms.
 */

#ifndef NGX_TRV_WATCH_H
#define NGX_TRV_WATCH_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "trv_replica.h"


typedef struct ngx_trv_watch_s  ngx_trv_watch_t;

/* the id is revoked; the watch has been removed from the list before */
typedef void (*ngx_trv_watch_pt)(ngx_trv_watch_t *watch);

struct ngx_trv_watch_s {
    ngx_queue_t            queue;
    trv_id_t               id;
    ngx_trv_watch_pt       handler;
    void                  *data;
};


typedef struct {
    trv_replica_t         *replica;
    ngx_queue_t            seen;         /* since the last change */
    ngx_queue_t            due;          /* to be looked up */
    ngx_event_t            timer;        /* cancelable */
    uint64_t               generation;   /* of the table, and its entries: */
    uint64_t               entries;      /* if equal, nothing was added */
} ngx_trv_watch_list_t;


void ngx_trv_watch_init(ngx_trv_watch_list_t *list, trv_replica_t *replica,
    ngx_log_t *log);

/* the id was just looked up and is not revoked; memory is the caller's */
void ngx_trv_watch_add(ngx_trv_watch_list_t *list, ngx_trv_watch_t *watch);

/* may be called again, and by a handler, for any watch */
void ngx_trv_watch_remove(ngx_trv_watch_t *watch);


#endif /* NGX_TRV_WATCH_H */
