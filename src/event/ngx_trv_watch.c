
#include "ngx_trv_watch.h"


#define NGX_TRV_WATCH_TICK_MS  250
#define NGX_TRV_WATCH_SLICE    1024      /* lookups: some 0.3 ms, cold */


static void ngx_trv_watch_handler(ngx_event_t *ev);
static void ngx_trv_watch_look(ngx_trv_watch_list_t *list);
static ngx_uint_t ngx_trv_watch_changed(ngx_trv_watch_list_t *list);


void
ngx_trv_watch_init(ngx_trv_watch_list_t *list, trv_replica_t *replica,
    ngx_log_t *log)
{
    list->replica = replica;

    ngx_queue_init(&list->seen);
    ngx_queue_init(&list->due);

    list->timer.handler = ngx_trv_watch_handler;
    list->timer.data = list;
    list->timer.log = log;
    list->timer.cancelable = 1;
}


void
ngx_trv_watch_add(ngx_trv_watch_list_t *list, ngx_trv_watch_t *watch)
{
    if (list->timer.timer_set) {
        ngx_queue_insert_tail(&list->seen, &watch->queue);
        return;
    }

    /* what there is to compare with is younger than the caller's lookup */

    (void) ngx_trv_watch_changed(list);
    ngx_queue_insert_tail(&list->due, &watch->queue);
    ngx_add_timer(&list->timer, NGX_TRV_WATCH_TICK_MS);
}


void
ngx_trv_watch_remove(ngx_trv_watch_t *watch)
{
    if (ngx_queue_next(&watch->queue)) {
        ngx_queue_remove(&watch->queue);
        ngx_queue_next(&watch->queue) = NULL;
    }
}


static void
ngx_trv_watch_handler(ngx_event_t *ev)
{
    ngx_trv_watch_list_t  *list = ev->data;

    if (ngx_queue_empty(&list->due) && ngx_trv_watch_changed(list)
        && !ngx_queue_empty(&list->seen))
    {
        ngx_queue_add(&list->due, &list->seen);
        ngx_queue_init(&list->seen);
    }

    ngx_trv_watch_look(list);

    if (!ngx_queue_empty(&list->due)) {
        ngx_add_timer(ev, 1);            /* other events come in between */
        return;
    }

    if (!ngx_queue_empty(&list->seen)) {
        ngx_add_timer(ev, NGX_TRV_WATCH_TICK_MS);
    }
}


static void
ngx_trv_watch_look(ngx_trv_watch_list_t *list)
{
    ngx_uint_t        n;
    ngx_queue_t      *q;
    ngx_trv_watch_t  *watch;

    for (n = 0; n < NGX_TRV_WATCH_SLICE && !ngx_queue_empty(&list->due); n++) {

        q = ngx_queue_head(&list->due);
        watch = ngx_queue_data(q, ngx_trv_watch_t, queue);

        ngx_trv_watch_remove(watch);

        if (trv_replica_lookup(list->replica, &watch->id) == TRV_OK) {
            watch->handler(watch);

        } else {
            ngx_queue_insert_tail(&list->seen, q);
        }
    }
}


/*
 * Ids are only added to a table, and each one counts, before its generation
 * ends.  They are counted after they can be looked up.
 */

static ngx_uint_t
ngx_trv_watch_changed(ngx_trv_watch_list_t *list)
{
    trv_replica_state_t  state;

    trv_replica_state(list->replica, &state);

    if (state.generation == list->generation
        && state.entries == list->entries)
    {
        return 0;
    }

    list->generation = state.generation;
    list->entries = state.entries;

    return 1;
}
