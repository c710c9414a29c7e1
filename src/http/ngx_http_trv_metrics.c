
#include "ngx_http_trv_admin.h"
#include "ngx_http_trv_routes.h"


#define NGX_HTTP_TRV_METRICS_LEN   32768 /* first size of the buffer */
#define NGX_HTTP_TRV_METRICS_LINE  512   /* no line is longer */
#define NGX_HTTP_TRV_LABELS_LEN    128


/* the text being made, in the format of Prometheus, version 0.0.4 */
typedef struct {
    ngx_http_trv_admin_t      *admin;
    u_char                    *start;
    u_char                    *pos;
    u_char                    *last;
    ngx_uint_t                 failed;   /* no memory */
    uint64_t                   sums[NGX_TRV_STAT_N];
} ngx_http_trv_metrics_t;


/* labels of counter i of a family; NULL: this one is never counted */
typedef u_char *(*ngx_http_trv_label_pt)(u_char *p, u_char *last,
    ngx_uint_t i);

typedef struct {
    const char                *name;
    const char                *help;
    ngx_uint_t                 stat;
    ngx_uint_t                 n;
    ngx_http_trv_label_pt      label;
} ngx_http_trv_family_t;


static void ngx_http_trv_metrics_add(ngx_http_trv_metrics_t *m,
    const char *fmt, ...);
static void ngx_http_trv_metrics_head(ngx_http_trv_metrics_t *m,
    const char *name, const char *type, const char *help);
static void ngx_http_trv_metrics_value(ngx_http_trv_metrics_t *m,
    const char *name, const char *labels, uint64_t value);
static void ngx_http_trv_metrics_gauge(ngx_http_trv_metrics_t *m,
    const char *name, const char *help, uint64_t value);
static void ngx_http_trv_metrics_seconds(ngx_http_trv_metrics_t *m,
    const char *name, const char *help, uint64_t ms);
static void ngx_http_trv_metrics_counters(ngx_http_trv_metrics_t *m,
    const ngx_http_trv_family_t *family);
static void ngx_http_trv_metrics_table(ngx_http_trv_metrics_t *m,
    const trv_replica_state_t *state);
static void ngx_http_trv_metrics_replica(ngx_http_trv_metrics_t *m,
    const trv_replica_state_t *state);
static void ngx_http_trv_metrics_links(ngx_http_trv_metrics_t *m);
static ngx_trv_result_e ngx_http_trv_metrics_result(ngx_http_trv_admin_t *ad,
    ngx_uint_t status);

static void ngx_http_trv_metrics_lag(ngx_http_trv_metrics_t *m);
static void ngx_http_trv_metrics_delays(ngx_http_trv_metrics_t *m,
    const ngx_http_trv_family_t *family);

static u_char *ngx_http_trv_label_none(u_char *p, u_char *last, ngx_uint_t i);
static u_char *ngx_http_trv_label_call(u_char *p, u_char *last, ngx_uint_t i);
static u_char *ngx_http_trv_label_result(u_char *p, u_char *last,
    ngx_uint_t i);
static u_char *ngx_http_trv_label_cause(u_char *p, u_char *last,
    ngx_uint_t i);
static u_char *ngx_http_trv_label_link(u_char *p, u_char *last, ngx_uint_t i);
static u_char *ngx_http_trv_label_route(u_char *p, u_char *last,
    ngx_uint_t i);

/* not a label: a histogram and its sum */
static u_char *ngx_http_trv_label_delay(u_char *p, u_char *last,
    ngx_uint_t i);
#define ngx_http_trv_label_sum  NULL


static const ngx_http_trv_family_t  ngx_http_trv_families[] = {
#define NGX_HTTP_TRV_FAMILY(upper, n, name, label, help)                      \
    { #name, help, NGX_TRV_STAT_##upper, n, ngx_http_trv_label_##label },

    NGX_TRV_COUNTERS(NGX_HTTP_TRV_FAMILY)

#undef NGX_HTTP_TRV_FAMILY
    { NULL, NULL, 0, 0, NULL }
};


static const char *const  ngx_http_trv_actions[NGX_TRV_STATS_ACTIONS] = {
    "passed", "refused", "dry_run"
};


static const char *const  ngx_http_trv_results[NGX_TRV_RESULT_N] = {
    "in_force", "pending", "dry_run", "refused", "unavailable", "unknown"
};


static const char *const  ngx_http_trv_links[TRV_LINK_N] = {
    "tail", "heartbeat"
};


typedef char  ngx_http_trv_verdicts_fit[
                NGX_HTTP_TRV_VERDICT_N <= NGX_TRV_STATS_VERDICTS ? 1 : -1];


void
ngx_http_trv_metrics(ngx_http_trv_admin_t *ad)
{
    ngx_str_t                     body;
    trv_replica_state_t           state;
    ngx_http_trv_metrics_t       *m;
    const ngx_http_trv_family_t  *family;

    m = ngx_pcalloc(ad->request->pool, sizeof(ngx_http_trv_metrics_t));
    if (m == NULL) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    m->admin = ad;

    ngx_trv_stats_sum(&ad->set->stats, m->sums);
    trv_replica_state(ad->set->replica, &state);

    ngx_http_trv_metrics_head(m, "info", "gauge", "What runs here, always 1");
    ngx_http_trv_metrics_add(m, "token_revoke_info{set=\"%V\",node=\"%V\","
                             "instance_id=\"%s\",version=\"%s\"} 1\n",
                             &ad->set->name, &ad->set->node, state.instance,
                             NGX_TRV_VERSION);

    for (family = ngx_http_trv_families; family->name; family++) {

        if (family->label == ngx_http_trv_label_delay) {
            ngx_http_trv_metrics_delays(m, family);

        } else if (family->label) {
            ngx_http_trv_metrics_counters(m, family);
        }
    }

    ngx_http_trv_metrics_table(m, &state);
    ngx_http_trv_metrics_replica(m, &state);
    ngx_http_trv_metrics_lag(m);
    ngx_http_trv_metrics_links(m);

    if (m->failed) {
        ngx_http_trv_admin_error(ad);
        return;
    }

    body.data = m->start;
    body.len = m->pos - m->start;

    ngx_http_trv_admin_text(ad, "text/plain; version=0.0.4; charset=utf-8",
                            &body);
}


static void
ngx_http_trv_metrics_add(ngx_http_trv_metrics_t *m, const char *fmt, ...)
{
    u_char   *start;
    size_t    len, size;
    va_list   args;

    len = m->pos - m->start;

    if (m->last - m->pos < NGX_HTTP_TRV_METRICS_LINE) {

        size = ngx_max(2 * (size_t) (m->last - m->start),
                       NGX_HTTP_TRV_METRICS_LEN);

        start = ngx_pnalloc(m->admin->request->pool, size);
        if (start == NULL) {
            m->failed = 1;
            m->pos = m->start;
            return;
        }

        ngx_memcpy(start, m->start, len);

        m->start = start;
        m->pos = start + len;
        m->last = start + size;
    }

    va_start(args, fmt);
    m->pos = ngx_vslprintf(m->pos, m->last, fmt, args);
    va_end(args);
}


static void
ngx_http_trv_metrics_head(ngx_http_trv_metrics_t *m, const char *name,
    const char *type, const char *help)
{
    ngx_http_trv_metrics_add(m, "# HELP token_revoke_%s %s.\n"
                             "# TYPE token_revoke_%s %s\n",
                             name, help, name, type);
}


static void
ngx_http_trv_metrics_value(ngx_http_trv_metrics_t *m, const char *name,
    const char *labels, uint64_t value)
{
    ngx_http_trv_metrics_add(m, "token_revoke_%s{set=\"%V\"%s} %uL\n", name,
                             &m->admin->set->name, labels, value);
}


static void
ngx_http_trv_metrics_gauge(ngx_http_trv_metrics_t *m, const char *name,
    const char *help, uint64_t value)
{
    ngx_http_trv_metrics_head(m, name, "gauge", help);
    ngx_http_trv_metrics_value(m, name, "", value);
}


static void
ngx_http_trv_metrics_seconds(ngx_http_trv_metrics_t *m, const char *name,
    const char *help, uint64_t ms)
{
    ngx_http_trv_metrics_head(m, name, "gauge", help);
    ngx_http_trv_metrics_add(m, "token_revoke_%s{set=\"%V\"} %uL.%03uL\n",
                             name, &m->admin->set->name, ms / 1000, ms % 1000);
}


static void
ngx_http_trv_metrics_counters(ngx_http_trv_metrics_t *m,
    const ngx_http_trv_family_t *family)
{
    u_char       labels[NGX_HTTP_TRV_LABELS_LEN], *p;
    ngx_uint_t   i;

    ngx_http_trv_metrics_head(m, family->name, "counter", family->help);

    for (i = 0; i < family->n; i++) {
        p = family->label(labels, labels + sizeof(labels) - 1, i);

        if (p) {
            *p = '\0';
            ngx_http_trv_metrics_value(m, family->name, (char *) labels,
                                       m->sums[family->stat + i]);
        }
    }
}


/* each bucket holds those below it, too */

static void
ngx_http_trv_metrics_delays(ngx_http_trv_metrics_t *m,
    const ngx_http_trv_family_t *family)
{
    u_char      labels[NGX_HTTP_TRV_LABELS_LEN];
    uint64_t    count, ms;
    ngx_uint_t  i;

    ngx_http_trv_metrics_head(m, family->name, "histogram", family->help);

    count = 0;

    for (i = 0; i < TRV_DELAY_N; i++) {
        *ngx_http_trv_label_delay(labels, labels + sizeof(labels), i) = '\0';
        count += m->sums[NGX_TRV_STAT_DELAYS + i];
        ngx_http_trv_metrics_value(m, "propagation_seconds_bucket",
                                   (char *) labels, count);
    }

    ms = m->sums[NGX_TRV_STAT_DELAYS_MS];

    ngx_http_trv_metrics_add(m, "token_revoke_propagation_seconds_sum"
                             "{set=\"%V\"} %uL.%03uL\n",
                             &m->admin->set->name, ms / 1000, ms % 1000);
    ngx_http_trv_metrics_value(m, "propagation_seconds_count", "", count);
}


static void
ngx_http_trv_metrics_table(ngx_http_trv_metrics_t *m,
    const trv_replica_state_t *state)
{
    uint64_t  load;

    ngx_http_trv_metrics_gauge(m, "entries",
        "Revocations in the table in force", state->entries);
    ngx_http_trv_metrics_gauge(m, "table_slots",
        "Slots of the table in force", state->capacity);
    ngx_http_trv_metrics_gauge(m, "table_bytes",
        "Size of the table in force", state->bytes);
    ngx_http_trv_metrics_gauge(m, "table_generation",
        "Number of the table in force", state->generation);

    load = state->capacity ? state->entries * 10000 / state->capacity : 0;

    ngx_http_trv_metrics_head(m, "table_load_ratio", "gauge",
        "Entries per slot: above 25/32 it grows, above 7/8 it has no room");
    ngx_http_trv_metrics_add(m, "token_revoke_table_load_ratio{set=\"%V\"} "
                             "%uL.%04uL\n", &m->admin->set->name,
                             load / 10000, load % 10000);
}


static void
ngx_http_trv_metrics_replica(ngx_http_trv_metrics_t *m,
    const trv_replica_state_t *state)
{
    ngx_msec_int_t            age;
    ngx_http_trv_loc_conf_t  *lcf;

    static const char  contact[] =
        "Time since this edge was last known to equal the set in Redis";

    lcf = ngx_http_get_module_loc_conf(m->admin->request,
                                       ngx_http_token_revoke_module);

    ngx_http_trv_metrics_gauge(m, "ready",
        "Whether this edge can judge calls now",
        ngx_http_trv_currency(m->admin->set, lcf) == NGX_HTTP_TRV_PASSED);
    ngx_http_trv_metrics_gauge(m, "full",
        "Whether the table has no room and no larger one can be made",
        state->full);
    ngx_http_trv_metrics_gauge(m, "agrees",
        "Whether the set equalled that in Redis when last compared",
        state->agrees);
    ngx_http_trv_metrics_gauge(m, "writer_present",
        "Whether some worker writes the replica and makes progress",
        ngx_trv_set_written(state));

    age = (ngx_msec_int_t) (ngx_current_msec - state->contact_ms);

    if (state->contact_ms) {
        ngx_http_trv_metrics_seconds(m, "contact_age_seconds", contact,
                                     ngx_max(age, 0));
        return;
    }

    ngx_http_trv_metrics_head(m, "contact_age_seconds", "gauge", contact);
    ngx_http_trv_metrics_add(m, "token_revoke_contact_age_seconds{set=\"%V\"} "
                             "+Inf\n", &m->admin->set->name);
}


/* not known where another nginx on this directory is the writer */

static void
ngx_http_trv_metrics_lag(ngx_http_trv_metrics_t *m)
{
    uint64_t          since;
    ngx_msec_int_t    lag;
    ngx_trv_stats_t  *stats;

    static const char  help[] =
        "For how long the log has been known to hold what is not here yet";

    stats = &m->admin->set->stats;

    if (ngx_trv_stats_gauge(stats, NGX_TRV_GAUGE_FOLLOWED)) {
        since = ngx_trv_stats_gauge(stats, NGX_TRV_GAUGE_BEHIND_MS);
        lag = since ? (ngx_msec_int_t) (ngx_current_msec - since) : 0;

        ngx_http_trv_metrics_seconds(m, "lag_seconds", help, ngx_max(lag, 0));

    } else {
        ngx_http_trv_metrics_head(m, "lag_seconds", "gauge", help);
        ngx_http_trv_metrics_add(m, "token_revoke_lag_seconds{set=\"%V\"} "
                                 "NaN\n", &m->admin->set->name);
    }

    ngx_http_trv_metrics_gauge(m, "tries_pending",
        "Tries of revoked tokens that Redis has not been told of yet",
        trv_tries_pending(stats->shared->tries));
    ngx_http_trv_metrics_gauge(m, "redis_evicts",
        "Whether Redis may evict keys, and so forget revocations",
        ngx_trv_stats_gauge(stats, NGX_TRV_GAUGE_EVICTING));
}


static void
ngx_http_trv_metrics_links(ngx_http_trv_metrics_t *m)
{
    u_char            labels[NGX_HTTP_TRV_LABELS_LEN];
    ngx_uint_t        i;
    ngx_trv_stats_t  *stats;

    stats = &m->admin->set->stats;

    ngx_http_trv_metrics_head(m, "redis_connected", "gauge",
        "Connections to Redis that are ready, by link");

    for (i = 0; i < TRV_LINK_N; i++) {
        *ngx_http_trv_label_link(labels, labels + sizeof(labels), i) = '\0';
        ngx_http_trv_metrics_value(m, "redis_connected", (char *) labels,
            ngx_trv_stats_gauge(stats, NGX_TRV_GAUGE_TAIL + i));
    }

    ngx_http_trv_metrics_value(m, "redis_connected", ",link=\"requests\"",
                               ngx_trv_stats_linked(stats));
}


static u_char *
ngx_http_trv_label_none(u_char *p, u_char *last, ngx_uint_t i)
{
    return p;
}


static u_char *
ngx_http_trv_label_call(u_char *p, u_char *last, ngx_uint_t i)
{
    u_char            name[16];
    ngx_uint_t        verdict, action;
    const ngx_str_t  *upper;

    verdict = i / NGX_TRV_STATS_ACTIONS;
    action = i % NGX_TRV_STATS_ACTIONS;

    switch (verdict) {

    case NGX_HTTP_TRV_NONE:
        return action == NGX_TRV_ACTION_REFUSED
               ? ngx_slprintf(p, last, ",verdict=\"error\",action=\"refused\"")
               : NULL;

    case NGX_HTTP_TRV_PASSED:
        if (action != NGX_TRV_ACTION_PASSED) {
            return NULL;
        }

        break;

    case NGX_HTTP_TRV_STALE:
        break;

    default:
        if (verdict >= NGX_HTTP_TRV_VERDICT_N
            || action == NGX_TRV_ACTION_PASSED)
        {
            return NULL;
        }
    }

    upper = &ngx_http_trv_verdict_names[verdict];
    ngx_strlow(name, upper->data, upper->len);

    return ngx_slprintf(p, last, ",verdict=\"%*s\",action=\"%s\"", upper->len,
                        name, ngx_http_trv_actions[action]);
}


static u_char *
ngx_http_trv_label_result(u_char *p, u_char *last, ngx_uint_t i)
{
    return ngx_slprintf(p, last, ",result=\"%s\"", ngx_http_trv_results[i]);
}


static u_char *
ngx_http_trv_label_cause(u_char *p, u_char *last, ngx_uint_t i)
{
    return i == TRV_CAUSE_NONE
           ? NULL
           : ngx_slprintf(p, last, ",cause=\"%s\"", trv_cause_name(i));
}


static u_char *
ngx_http_trv_label_link(u_char *p, u_char *last, ngx_uint_t i)
{
    return ngx_slprintf(p, last, ",link=\"%s\"", ngx_http_trv_links[i]);
}


static u_char *
ngx_http_trv_label_delay(u_char *p, u_char *last, ngx_uint_t i)
{
    uint64_t  limit;

    if (i == TRV_DELAY_N - 1) {
        return ngx_slprintf(p, last, ",le=\"+Inf\"");
    }

    limit = trv_delay_limits[i];

    return ngx_slprintf(p, last, ",le=\"%uL.%03uL\"", limit / 1000,
                        limit % 1000);
}


static u_char *
ngx_http_trv_label_route(u_char *p, u_char *last, ngx_uint_t i)
{
    ngx_uint_t  class;

    class = i % NGX_TRV_STATS_CLASSES + 1;

    /* there are no answers of 1xx and 3xx here */

    if (class == 1 || class == 3) {
        return NULL;
    }

    p = ngx_http_trv_admin_route_label(p, last, i / NGX_TRV_STATS_CLASSES);

    return p ? ngx_slprintf(p, last, ",status=\"%uixx\"", class) : NULL;
}


void
ngx_http_trv_metrics_count(ngx_http_trv_admin_t *ad)
{
    ngx_uint_t           status;
    ngx_trv_stats_t     *stats;
    ngx_http_request_t  *r;

    r = ad->request;
    stats = &ad->set->stats;

    status = r->err_status ? r->err_status : r->headers_out.status;

    if (status < 100 || status > 599) {
        status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    ngx_trv_stats_add(stats, NGX_TRV_STAT_ADMIN
                             + ad->route * NGX_TRV_STATS_CLASSES
                             + status / 100 - 1, 1);

    if (ad->revokes) {
        ngx_trv_stats_add(stats, NGX_TRV_STAT_REVOCATIONS
                                 + ngx_http_trv_metrics_result(ad, status), 1);
    }
}


static ngx_trv_result_e
ngx_http_trv_metrics_result(ngx_http_trv_admin_t *ad, ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_OK:
        return ad->dry_run ? NGX_TRV_RESULT_DRY_RUN : NGX_TRV_RESULT_IN_FORCE;

    case NGX_HTTP_ACCEPTED:
        return NGX_TRV_RESULT_PENDING;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_TRV_RESULT_UNAVAILABLE;

    /* the caller cannot know either */

    case NGX_HTTP_GATEWAY_TIME_OUT:
    case NGX_HTTP_CLIENT_CLOSED_REQUEST:
    case NGX_HTTP_INTERNAL_SERVER_ERROR:
        return NGX_TRV_RESULT_UNKNOWN;

    default:
        return NGX_TRV_RESULT_REFUSED;
    }
}
