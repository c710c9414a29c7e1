
/*
 * Whole requests: a real nginx with the module, started as far as its event
 * loop, is given a connection that reads the bytes of the fuzzer.  The first
 * byte says in how small pieces they arrive.
 *
 * The replica holds one revoked token.  Whatever else a request is: if that
 * token stands, whole, where a call may carry one, the call must not be let in.
 *
 * nginx's own main() is linked under the name nginx_main().
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <setjmp.h>
#include <sanitizer/lsan_interface.h>

#include "trv_id.h"
#include "trv_writer.h"


#define FUZZ_REVOKED  "1.0_revoked-token"


int nginx_main(int argc, char *const *argv);
void __wrap_ngx_process_events_and_timers(ngx_cycle_t *cycle);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_replica(const char *dir);
static void fuzz_conf(const char *dir, const char *file);
static ngx_connection_t *fuzz_connection(void);
static ssize_t fuzz_recv(ngx_connection_t *c, u_char *buf, size_t size);
static ssize_t fuzz_send(ngx_connection_t *c, u_char *buf, size_t size);
static ngx_chain_t *fuzz_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit);
static ngx_int_t fuzz_add_event(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags);
static ngx_int_t fuzz_add_conn(ngx_connection_t *c);
static ngx_int_t fuzz_del_conn(ngx_connection_t *c, ngx_uint_t flags);
static ngx_int_t fuzz_header_filter(ngx_http_request_t *r);
static ngx_uint_t fuzz_header_carries(ngx_table_elt_t *h);
static ngx_uint_t fuzz_carries(ngx_str_t *text, const char *before,
    const char *separators);


static jmp_buf                        fuzz_started;
static const uint8_t                 *fuzz_data;
static size_t                         fuzz_size, fuzz_piece;
static int                            fuzz_fd;
static ngx_http_output_header_filter_pt  fuzz_next_header_filter;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char   dir[NGX_MAX_PATH], file[NGX_MAX_PATH], prefix[NGX_MAX_PATH];
    static char   name[] = "nginx", p[] = "-p", c[] = "-c", e[] = "-e",
                  null[] = "/dev/null";
    static int    said;
    static char  *args[] = { name, p, prefix, c, file, e, null, NULL };

    /* all of it is in the directory that the fuzzer was started in */

    if (getcwd(dir, sizeof(dir) - 16) == NULL) {
        abort();
    }

    (void) ngx_sprintf((u_char *) file, "%s/nginx.conf%Z", dir);
    (void) ngx_sprintf((u_char *) prefix, "%s/%Z", dir);

    fuzz_replica(dir);
    fuzz_conf(dir, file);

    /* nginx' log goes nowhere, and takes the standard error output with it */

    said = dup(STDERR_FILENO);

    __lsan_disable();                    /* a cycle is never freed here */

    if (setjmp(fuzz_started) == 0) {
        (void) nginx_main(7, args);
        abort();
    }

    __lsan_enable();

    (void) dup2(said, STDERR_FILENO);

    fuzz_fd = open("/dev/null", O_RDWR);

    ngx_event_actions.add = fuzz_add_event;
    ngx_event_actions.del = fuzz_add_event;
    ngx_event_actions.add_conn = fuzz_add_conn;
    ngx_event_actions.del_conn = fuzz_del_conn;

    fuzz_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = fuzz_header_filter;

    return 0;
}


/* nginx has started a cycle and would wait for events now */

void
__wrap_ngx_process_events_and_timers(ngx_cycle_t *cycle)
{
    longjmp(fuzz_started, 1);
}


static void
fuzz_replica(const char *dir)
{
    u_char          path[NGX_MAX_PATH];
    trv_id_t        id;
    trv_replica_t  *replica;

    (void) ngx_sprintf(path, "%s/replica%Z", dir);
    (void) mkdir((char *) path, 0700);

    replica = trv_replica_open((char *) path);

    if (trv_id_digest(FUZZ_REVOKED, sizeof(FUZZ_REVOKED) - 1, &id) != TRV_OK
        || trv_replica_lock(replica) != TRV_OK
        || trv_writer_take(replica, "boot", 0) != TRV_OK
        || trv_writer_put(replica, &id, 40000) != TRV_OK)
    {
        abort();
    }

    trv_writer_filled_set(replica);

    trv_replica_close(replica);
}


static void
fuzz_conf(const char *dir, const char *file)
{
    FILE  *f;

    f = fopen(file, "w");

    (void) fprintf(f,
        "daemon off; master_process off; pid %s/pid; error_log /dev/null;\n"
        "events { worker_connections 64; }\n"
        "http {\n"
        "    access_log off; keepalive_timeout 0; lingering_close off;\n"
        "    large_client_header_buffers 4 16k;\n"
        "    token_revoke_set partners {\n"
        "        redis unix:/nonexistent; replica %s/replica; node fuzz;\n"
        "    }\n"
        "    server {\n"
        "        listen unix:%s/socket;\n"
        "        token_revoke partners;\n"
        "        token_revoke_stale off;\n"
        "        token_revoke_token bearer arg=token cookie=token\n"
        "                           header=X-Token;\n"
        "        location / { empty_gif; }\n"
        "        location /open/ {\n"
        "            token_revoke_missing allow; satisfy any; allow all;\n"
        "            empty_gif;\n"
        "        }\n"
        "        location /pre/ {\n"
        "            token_revoke_phase preaccess; empty_gif;\n"
        "        }\n"
        "        location /redirect/ { rewrite ^ /open/ last; }\n"
        "        location /error/ { error_page 400 401 = /open/; empty_gif; }\n"
        "        location /token-revoke/ {\n"
        "            token_revoke off; token_revoke_admin partners;\n"
        "            token_revoke_principal $http_x_principal;\n"
        "        }\n"
        "    }\n"
        "}\n", dir, dir, dir);

    (void) fclose(f);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (size < 2) {
        return 0;
    }

    fuzz_piece = data[0] ? data[0] : 65536;
    fuzz_data = data + 1;
    fuzz_size = size - 1;

    c = fuzz_connection();

    ngx_http_init_connection(c);
    ngx_event_process_posted((ngx_cycle_t *) ngx_cycle, &ngx_posted_events);

    /* what waits for Redis would wait for ever */

    if (c->fd != (ngx_socket_t) -1) {
        r = c->data;
        r->main->count = 1;
        ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
        ngx_http_run_posted_requests(c);
    }

    if (c->fd != (ngx_socket_t) -1) {
        abort();
    }

    ngx_event_process_posted((ngx_cycle_t *) ngx_cycle, &ngx_posted_events);

    return 0;
}


static ngx_connection_t *
fuzz_connection(void)
{
    ngx_log_t         *log;
    ngx_listening_t   *ls;
    ngx_connection_t  *c;

    ls = ngx_cycle->listening.elts;

    c = ngx_get_connection(dup(fuzz_fd), ngx_cycle->log);
    c->pool = ngx_create_pool(512, ngx_cycle->log);

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    *log = ls->log;

    c->type = SOCK_STREAM;
    c->log = log;
    c->pool->log = log;
    c->sockaddr = ls->sockaddr;
    c->socklen = ls->socklen;
    c->local_sockaddr = ls->sockaddr;
    c->local_socklen = ls->socklen;
    c->listening = ls;
    c->addr_text = ls->addr_text;

    c->recv = fuzz_recv;
    c->send = fuzz_send;
    c->send_chain = fuzz_send_chain;

    c->read->log = log;
    c->write->log = log;
    c->read->ready = 1;
    c->write->ready = 1;

    return c;
}


/* the end of the bytes is the end of the connection */

static ssize_t
fuzz_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    size = ngx_min(size, fuzz_size);
    size = ngx_min(size, fuzz_piece);

    if (size == 0) {
        c->read->eof = 1;
        return 0;
    }

    ngx_memcpy(buf, fuzz_data, size);

    fuzz_data += size;
    fuzz_size -= size;

    return size;
}


static ssize_t
fuzz_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    return size;
}


static ngx_chain_t *
fuzz_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    for ( /* void */ ; in; in = in->next) {
        if (ngx_buf_special(in->buf)) {
            continue;
        }

        c->sent += ngx_buf_size(in->buf);
        in->buf->pos = in->buf->last;
    }

    return NULL;
}


static ngx_int_t
fuzz_add_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    return NGX_OK;
}


static ngx_int_t
fuzz_add_conn(ngx_connection_t *c)
{
    return NGX_OK;
}


static ngx_int_t
fuzz_del_conn(ngx_connection_t *c, ngx_uint_t flags)
{
    return NGX_OK;
}


/* as lenient a reader as an upstream may be */

static ngx_int_t
fuzz_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    /* an error page is what was refused before */

    if (r->headers_out.status != NGX_HTTP_OK || r->error_page
        || (r->uri.len >= 14
            && ngx_strncmp(r->uri.data, "/token-revoke/", 14) == 0))
    {
        return fuzz_next_header_filter(r);
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (fuzz_header_carries(&h[i])) {
                abort();
            }
        }
    }

    if (fuzz_carries(&r->args, "token=", "&;")) {
        abort();
    }

    return fuzz_next_header_filter(r);
}


static ngx_uint_t
fuzz_header_carries(ngx_table_elt_t *h)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t    name;
        const char  *before, *separators;
    } places[] = {
        { ngx_string("authorization"), "bearer ", "," },
        { ngx_string("cookie"), "token=", ";," },
        { ngx_string("x-token"), "", "," }
    };

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (h->key.len == places[i].name.len
            && ngx_strncmp(h->lowcase_key, places[i].name.data, h->key.len)
               == 0)
        {
            return fuzz_carries(&h->value, places[i].before,
                                places[i].separators);
        }
    }

    return 0;
}


/* the revoked token behind `before`, alone between separators */

static ngx_uint_t
fuzz_carries(ngx_str_t *text, const char *before, const char *separators)
{
    u_char  *p, *last;
    size_t   before_len, token_len;

    p = text->data;
    last = p + text->len;
    before_len = ngx_strlen(before);
    token_len = sizeof(FUZZ_REVOKED) - 1;

    for ( ;; ) {

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if ((size_t) (last - p) >= before_len + token_len
            && ngx_strncasecmp(p, (u_char *) before, before_len) == 0
            && ngx_strncmp(p + before_len, FUZZ_REVOKED, token_len) == 0
            && (p + before_len + token_len == last
                || ngx_strchr(separators, p[before_len + token_len])))
        {
            return 1;
        }

        while (p < last && ngx_strchr(separators, *p) == NULL) {
            p++;
        }

        if (p == last) {
            return 0;
        }

        p++;
    }
}
