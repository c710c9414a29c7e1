
#include "ngx_http_trv_routes.h"
#include "trv_history.h"


/* of the script "history": this minute, then two values for each one */
#define NGX_HTTP_TRV_HISTORY_VALUES  (1 + 2 * TRV_HISTORY_MINUTES)


static void ngx_http_trv_history_reply(ngx_http_trv_admin_t *ad,
    redisReply *reply, ngx_uint_t sent);
static ngx_int_t ngx_http_trv_history_check(redisReply *reply);
static void ngx_http_trv_history_counts(redisReply *reply,
    int64_t counts[TRV_HISTORY_N]);
static json_t *ngx_http_trv_history_delays(
    const int64_t delays[TRV_DELAY_N]);


void
ngx_http_trv_history(ngx_http_trv_admin_t *ad)
{
    trv_words_t  *words;

    words = ngx_http_trv_admin_words(ad, TRV_SCRIPT_HISTORY);
    if (words == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    ngx_http_trv_admin_ask(ad, &words->command, ngx_http_trv_history_reply);
}


static void
ngx_http_trv_history_reply(ngx_http_trv_admin_t *ad, redisReply *reply,
    ngx_uint_t sent)
{
    json_t      *items;
    int64_t      minute, counts[TRV_HISTORY_N], delays[TRV_DELAY_N];
    ngx_uint_t   i, n;

    if (ngx_http_trv_history_check(reply) != NGX_OK) {
        ngx_http_trv_admin_unavailable(ad, reply);
        return;
    }

    items = json_array();
    minute = reply->element[0]->integer - TRV_HISTORY_MINUTES + 1;
    ngx_memzero(delays, sizeof(delays));

    for (i = 1; i < NGX_HTTP_TRV_HISTORY_VALUES; i += 2, minute++) {

        ngx_http_trv_history_counts(reply->element[i + 1], counts);

        (void) json_array_append_new(items,
                   json_pack("{s:o, s:I, s:I, s:I, s:I}",
                             "minute", ngx_http_trv_admin_time(minute * 60),
                             "passed", counts[TRV_HISTORY_PASSED],
                             "refused", counts[TRV_HISTORY_REFUSED],
                             "dry_run", counts[TRV_HISTORY_DRY_RUN],
                             "revocations", reply->element[i]->integer));

        for (n = 0; n < TRV_DELAY_N; n++) {
            delays[n] += counts[TRV_HISTORY_DELAYS + n];
        }
    }

    ngx_http_trv_admin_json(ad, NGX_HTTP_OK,
                            json_pack("{s:o, s:o}", "items", items,
                                      "propagation",
                                      ngx_http_trv_history_delays(delays)));
}


static ngx_int_t
ngx_http_trv_history_check(redisReply *reply)
{
    ngx_uint_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_HTTP_TRV_HISTORY_VALUES)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_TRV_HISTORY_VALUES; i++) {
        if (reply->element[i]->type != (i == 0 || i % 2 ? REDIS_REPLY_INTEGER
                                                        : REDIS_REPLY_STRING))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* those that are missing at the end are 0; of another version: more of them */

static void
ngx_http_trv_history_counts(redisReply *reply, int64_t counts[TRV_HISTORY_N])
{
    u_char      *p, *end, *last;
    ngx_uint_t   i;

    p = (u_char *) reply->str;
    last = p + reply->len;

    for (i = 0; i < TRV_HISTORY_N; i++) {
        end = p < last ? ngx_strlchr(p, last, ' ') : p;
        end = end ? end : last;

        counts[i] = ngx_max(ngx_atoof(p, end - p), 0);
        p = end + 1;
    }
}


/* the last one has no limit */

static json_t *
ngx_http_trv_history_delays(const int64_t delays[TRV_DELAY_N])
{
    json_t      *items;
    ngx_uint_t   i;

    items = json_array();

    for (i = 0; i < TRV_DELAY_N; i++) {
        (void) json_array_append_new(items,
                   json_pack("{s:o, s:I}", "limit_ms",
                             i < TRV_DELAY_N - 1
                             ? json_integer((json_int_t) trv_delay_limits[i])
                             : json_null(),
                             "entries", (json_int_t) delays[i]));
    }

    return items;
}
