
#include "ngx_http_trv_admin.h"


#define NGX_HTTP_TRV_ADMIN_SLACK_MS  500 /* after the link's own time-out */


static void ngx_http_trv_admin_link_ready(void *data);
static void ngx_http_trv_admin_link_lost(void *data);
static void ngx_http_trv_admin_reply_handler(void *data, struct redisReply
    *reply, ngx_uint_t sent);


trv_words_t *
ngx_http_trv_admin_words(ngx_http_trv_admin_t *ad, trv_script_e script)
{
    if (ad->words == NULL) {
        ad->words = ngx_palloc(ad->request->pool, sizeof(trv_words_t));
    }

    if (ad->words) {
        trv_words_begin(ad->words, script);
    }

    return ad->words;
}


void
ngx_http_trv_admin_ask(ngx_http_trv_admin_t *ad, const trv_command_t *command,
    ngx_http_trv_admin_reply_pt reply)
{
    ngx_trv_set_t  *set;

    set = ad->set;

    if (ad->link == NULL) {

        if (set->link == NULL) {
            set->link = ngx_trv_redis_create(&set->redis, "requests", set->log,
                                             ngx_http_trv_admin_link_ready,
                                             ngx_http_trv_admin_link_lost,
                                             set);
        }

        ad->link = set->link;
    }

    ad->reply = reply;

    if (ad->link == NULL
        || ngx_trv_redis_command(ad->link, command, 0,
                                 ngx_http_trv_admin_reply_handler, ad)
           != NGX_OK)
    {
        ngx_http_trv_admin_error(ad);
        return;
    }

    /* the link has its own time-out; this keeps a worker that exits */

    ngx_add_timer(&ad->timer, set->redis.timeout + NGX_HTTP_TRV_ADMIN_SLACK_MS);
}


static void
ngx_http_trv_admin_link_ready(void *data)
{
    ngx_trv_set_t  *set = data;

    ngx_trv_stats_linked_set(&set->stats, 1);
}


static void
ngx_http_trv_admin_link_lost(void *data)
{
    ngx_trv_set_t  *set = data;

    ngx_trv_stats_linked_set(&set->stats, 0);
}


void
ngx_http_trv_admin_sleep(ngx_http_trv_admin_t *ad, ngx_msec_t ms,
    ngx_http_trv_admin_pt wake)
{
    ad->wake = wake;

    ngx_add_timer(&ad->timer, ms);
}


static void
ngx_http_trv_admin_reply_handler(void *data, struct redisReply *reply,
    ngx_uint_t sent)
{
    ngx_connection_t            *c;
    ngx_http_trv_admin_t        *ad = data;
    ngx_http_trv_admin_reply_pt  handler;

    c = ad->request->connection;

    ngx_http_set_log_request(c->log, ad->request);

    if (ad->timer.timer_set) {
        ngx_del_timer(&ad->timer);
    }

    handler = ad->reply;
    ad->reply = NULL;

    handler(ad, reply, sent);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_trv_admin_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_trv_admin_t   *ad = ev->data;
    ngx_http_trv_admin_pt   wake;

    if (ad->reply) {
        ngx_trv_redis_cancel(ad->link, ad);
        ngx_http_trv_admin_reply_handler(ad, NULL, 1);
        return;
    }

    c = ad->request->connection;

    ngx_http_set_log_request(c->log, ad->request);

    wake = ad->wake;
    ad->wake = NULL;

    wake(ad);

    ngx_http_run_posted_requests(c);
}
