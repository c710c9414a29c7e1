
/*
 * For measuring only: takes the place of the token revocation module's access
 * handler, to read the time stamp counter before and behind it.
 *
 *     location = /probe { trv_probe; }
 *
 * answers with "calls p50 p99 p99.9 longest stalls busy", nanoseconds in this
 * worker since the last time it was asked; a stall is a call of more than 1 ms,
 * and busy are those in which the worker had its CPU all the time, or may have:
 * in whose turn of the event loop it has used as much (hold.c).
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <x86intrin.h>


#define NGX_HTTP_TRV_PROBE_STEP   16     /* cycles of a bucket */
#define NGX_HTTP_TRV_PROBE_STEPS  65536


/* of the module that is loaded before this one */
ngx_int_t ngx_http_trv_access_handler(ngx_http_request_t *r);

/* of hold.c: nanoseconds of CPU since the turn began */
uint64_t bench_turn_cpu(void);

static ngx_int_t ngx_http_trv_probe_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_trv_probe_answer(ngx_http_request_t *r);
static double ngx_http_trv_probe_share(double share);
static char *ngx_http_trv_probe(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_trv_probe_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_trv_probe_init_process(ngx_cycle_t *cycle);


static uint64_t         ngx_http_trv_probe_counts[NGX_HTTP_TRV_PROBE_STEPS + 1];
static uint64_t         ngx_http_trv_probe_calls;
static uint64_t         ngx_http_trv_probe_longest;      /* cycles */
static uint64_t         ngx_http_trv_probe_stalls;
static uint64_t         ngx_http_trv_probe_busy;
static uint64_t         ngx_http_trv_probe_begin;
static struct timespec  ngx_http_trv_probe_begin_time;
static double           ngx_http_trv_probe_ns;           /* of a cycle, 0: it
                                                            was not asked yet */


static ngx_command_t  ngx_http_trv_probe_commands[] = {

    { ngx_string("trv_probe"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_trv_probe,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_trv_probe_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_trv_probe_init,               /* postconfiguration */
    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */
    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */
    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_trv_probe_module = {
    NGX_MODULE_V1,
    &ngx_http_trv_probe_module_ctx,        /* module context */
    ngx_http_trv_probe_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_trv_probe_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_trv_probe_handler(ngx_http_request_t *r)
{
    unsigned    cpu;
    uint64_t    begin, cycles;
    ngx_int_t   rc;

    _mm_lfence();
    begin = __rdtsc();
    _mm_lfence();

    rc = ngx_http_trv_access_handler(r);

    cycles = __rdtscp(&cpu) - begin;

    if (rc != NGX_DECLINED) {
        return rc;                       /* off, or a refusal */
    }

    ngx_http_trv_probe_calls++;
    ngx_http_trv_probe_counts[ngx_min(cycles / NGX_HTTP_TRV_PROBE_STEP,
                                      NGX_HTTP_TRV_PROBE_STEPS)]++;
    ngx_http_trv_probe_longest = ngx_max(ngx_http_trv_probe_longest, cycles);

    if (cycles * ngx_http_trv_probe_ns > 1e6) {
        ngx_http_trv_probe_stalls++;
        ngx_http_trv_probe_busy += (bench_turn_cpu() > 1000000);
    }

    return rc;
}


static ngx_int_t
ngx_http_trv_probe_answer(ngx_http_request_t *r)
{
    u_char                    text[256];
    ngx_str_t                 answer;
    struct timespec           now;
    ngx_http_complex_value_t  cv;

    static ngx_str_t  type = ngx_string("text/plain");

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    ngx_http_trv_probe_ns =
        ((now.tv_sec - ngx_http_trv_probe_begin_time.tv_sec) * 1e9
         + now.tv_nsec - ngx_http_trv_probe_begin_time.tv_nsec)
        / (__rdtsc() - ngx_http_trv_probe_begin);

    answer.data = text;
    answer.len = ngx_sprintf(text, "%uL %.0f %.0f %.0f %.0f %uL %uL\n",
                             ngx_http_trv_probe_calls,
                             ngx_http_trv_probe_share(0.5),
                             ngx_http_trv_probe_share(0.99),
                             ngx_http_trv_probe_share(0.999),
                             ngx_http_trv_probe_longest
                             * ngx_http_trv_probe_ns,
                             ngx_http_trv_probe_stalls,
                             ngx_http_trv_probe_busy)
                 - text;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = answer;

    ngx_http_trv_probe_calls = 0;
    ngx_http_trv_probe_longest = 0;
    ngx_http_trv_probe_stalls = 0;
    ngx_http_trv_probe_busy = 0;
    ngx_memzero(ngx_http_trv_probe_counts, sizeof(ngx_http_trv_probe_counts));

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


/* nanoseconds that this share of the calls took at most */

static double
ngx_http_trv_probe_share(double share)
{
    uint64_t    seen;
    ngx_uint_t  i;

    seen = 0;

    for (i = 0; i < NGX_HTTP_TRV_PROBE_STEPS; i++) {
        seen += ngx_http_trv_probe_counts[i];

        if (seen >= share * ngx_http_trv_probe_calls) {
            break;
        }
    }

    return (i + 0.5) * NGX_HTTP_TRV_PROBE_STEP * ngx_http_trv_probe_ns;
}


static char *
ngx_http_trv_probe(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_trv_probe_answer;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_trv_probe_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    h = cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers.elts;

    for (i = 0; i < cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers.nelts; i++) {
        if (h[i] == ngx_http_trv_access_handler) {
            h[i] = ngx_http_trv_probe_handler;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_trv_probe_init_process(ngx_cycle_t *cycle)
{
    (void) clock_gettime(CLOCK_MONOTONIC, &ngx_http_trv_probe_begin_time);
    ngx_http_trv_probe_begin = __rdtsc();

    return NGX_OK;
}
