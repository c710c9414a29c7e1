
/*
 * Callers with a different token in each call, for what wrk does not do.
 *
 *     call h1 PORT LIST SECONDS CONNECTIONS COUNTER PATH ...
 *     call h2 PORT LIST SECONDS CONNECTIONS COUNTER PATH ...
 *
 * h1: HTTP/1.1.  A call on a connection that was closed before a byte of the
 * answer came is made once more, on a new one, as RFC 9112 (9.3.1) has clients
 * do it: only what is left over has failed.
 *
 * h2: HTTP/2 over TLS, BENCH_STREAMS calls at once on a connection.  The
 * header with the token is sent as a literal each time (RFC 7541, 7.1.3).
 *
 * Which path is called COUNTER says (call_list.h), and may change.
 *
 * Prints the line of call.lua, and behind it: calls made once more, the
 * longest one (us), and counts as that does.  SIGINT ends it early.
 */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "call_list.h"
#include "clock.h"


#define BENCH_STREAMS      8
#define BENCH_CONNECTIONS  256
#define BENCH_ARGS         7             /* before the paths */
#define BENCH_US           1000000       /* longer calls are all the same */
#define BENCH_FRAME_LEN    16384         /* at most: what HTTP/2 begins with */

/* types and flags of frames, RFC 9113 (6) */
#define BENCH_DATA         0
#define BENCH_HEADERS      1
#define BENCH_SETTINGS     4
#define BENCH_WINDOW       8
#define BENCH_ACK          1             /* of settings */
#define BENCH_END_STREAM   1
#define BENCH_END_HEADERS  4


typedef struct {
    int       fd;                        /* -1: none */
    SSL      *ssl;
    uint32_t  stream;                    /* the first one of these calls */
    unsigned  status[BENCH_STREAMS];
    size_t    len;                       /* of what was read */
    u_char    text[2 * BENCH_FRAME_LEN];
} bench_link_t;


static struct sockaddr_in  bench_address;
static char              **bench_paths;
static SSL_CTX            *bench_tls;

static _Atomic uint64_t    bench_end;    /* ns of the clock */
static atomic_size_t       bench_calls, bench_refused;
static atomic_size_t       bench_failed, bench_again;
static atomic_uint         bench_us[BENCH_US + 1];


static void
bench_fail(const char *what)
{
    perror(what);
    exit(1);
}


/* threads look at the end before each call */

static void
bench_interrupt(int signo)
{
    (void) signo;

    atomic_store(&bench_end, 0);
}


/* status 0: no answer */

static void
bench_count(unsigned status, uint64_t begin)
{
    uint64_t  us;

    us = (bench_ns(CLOCK_MONOTONIC) - begin) / 1000;

    atomic_fetch_add(&bench_calls, 1);
    atomic_fetch_add(&bench_us[us < BENCH_US ? us : BENCH_US], 1);

    if (status == 401) {
        atomic_fetch_add(&bench_refused, 1);

    } else if (status != 200) {
        atomic_fetch_add(&bench_failed, 1);
    }
}


static void
bench_close(bench_link_t *l)
{
    close(l->fd);
    l->fd = -1;
}


static int
bench_connect(bench_link_t *l)
{
    int  on = 1;

    l->len = 0;
    l->stream = 1;
    l->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (l->fd == -1) {
        bench_fail("socket");
    }

    if (connect(l->fd, (struct sockaddr *) &bench_address,
                sizeof(bench_address)) != 0
        || setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
    {
        bench_close(l);
        return 0;
    }

    return 1;
}


/* of one whole answer, all of which is taken from the text; 0: it is not there */

static unsigned
bench_h1_parse(bench_link_t *l, int *last)
{
    char      *head, *body, *len;
    size_t     size;
    unsigned   status;

    head = (char *) l->text;
    head[l->len] = '\0';

    body = strstr(head, "\r\n\r\n");
    len = strstr(head, "\r\nContent-Length: ");

    if (body == NULL || len == NULL || len > body
        || sscanf(head, "HTTP/1.1 %u", &status) != 1)
    {
        return 0;
    }

    body += 4;
    size = strtoul(len + 18, NULL, 10);

    if (l->len < (size_t) (body - head) + size) {
        return 0;
    }

    len = strstr(head, "\r\nConnection: close\r\n");
    *last = (len != NULL && len < body);
    l->len = 0;

    return status;
}


/* the status of a call; 0: there is none, and the link is closed */

static unsigned
bench_h1_call(bench_link_t *l, const char *request, size_t len)
{
    int       last;
    ssize_t   n;
    unsigned  status;

    if (write(l->fd, request, len) == (ssize_t) len) {

        while ((n = read(l->fd, l->text + l->len,
                         sizeof(l->text) - 1 - l->len)) > 0)
        {
            l->len += (size_t) n;
            status = bench_h1_parse(l, &last);

            if (status) {
                if (last) {
                    bench_close(l);
                }

                return status;
            }
        }
    }

    bench_close(l);

    return 0;
}


static void *
bench_h1(void *data)
{
    int            used;
    char           text[CALL_TOKEN_LEN + 256];
    size_t         len;
    uint64_t       begin;
    unsigned       status;
    bench_link_t  *l = data;

    while ((begin = bench_ns(CLOCK_MONOTONIC)) < atomic_load(&bench_end)) {
        len = (size_t) sprintf(text, "GET %s HTTP/1.1\r\nHost: edge\r\n"
                               "Authorization: Bearer %s\r\n\r\n",
                               bench_paths[call_aim()], call_token());

        used = (l->fd != -1);
        status = (used || bench_connect(l)) ? bench_h1_call(l, text, len) : 0;

        if (status == 0 && used && l->len == 0) {
            atomic_fetch_add(&bench_again, 1);
            status = bench_connect(l) ? bench_h1_call(l, text, len) : 0;
        }

        bench_count(status, begin);
    }

    return NULL;
}


/* an integer of a header field, behind the bits that are in its first byte */

static u_char *
bench_h2_number(u_char *p, u_char bits, size_t most, size_t n)
{
    if (n < most) {
        *p++ = bits | (u_char) n;
        return p;
    }

    *p++ = bits | (u_char) most;

    for (n -= most; n >= 128; n >>= 7) {
        *p++ = 128 | (u_char) (n & 127);
    }

    *p++ = (u_char) n;

    return p;
}


static u_char *
bench_h2_string(u_char *p, const char *text)
{
    size_t  len;

    len = strlen(text);
    p = bench_h2_number(p, 0, 127, len);

    return (u_char *) memcpy(p, text, len) + len;
}


static u_char *
bench_h2_frame(u_char *p, size_t len, u_char type, u_char flags,
    uint32_t stream)
{
    *p++ = (u_char) (len >> 16);
    *p++ = (u_char) (len >> 8);
    *p++ = (u_char) len;
    *p++ = type;
    *p++ = flags;

    stream = htonl(stream);

    return (u_char *) memcpy(p, &stream, 4) + 4;
}


/* the numbers are those of the static table, RFC 7541 (appendix A) */

static u_char *
bench_h2_request(u_char *frame, uint32_t stream)
{
    char     value[CALL_TOKEN_LEN + 8];
    u_char  *p;

    sprintf(value, "Bearer %s", call_token());

    p = frame + 9;
    *p++ = 0x82;                         /* :method: GET */
    *p++ = 0x87;                         /* :scheme: https */
    p = bench_h2_string(bench_h2_number(p, 0, 15, 1), "edge");
    p = bench_h2_string(bench_h2_number(p, 0, 15, 4),
                        bench_paths[call_aim()]);
    p = bench_h2_string(bench_h2_number(p, 0x10, 15, 23), value);

    (void) bench_h2_frame(frame, (size_t) (p - frame - 9), BENCH_HEADERS,
                          BENCH_END_STREAM|BENCH_END_HEADERS, stream);
    return p;
}


static void
bench_h2_open(bench_link_t *l)
{
    u_char    text[64], *p;
    uint32_t  more;

    static const char  preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    if (!bench_connect(l)
        || (l->ssl = SSL_new(bench_tls)) == NULL
        || SSL_set_fd(l->ssl, l->fd) != 1
        || SSL_connect(l->ssl) != 1)
    {
        bench_fail("connect");
    }

    p = (u_char *) memcpy(text, preface, sizeof(preface) - 1)
        + sizeof(preface) - 1;
    p = bench_h2_frame(p, 0, BENCH_SETTINGS, 0, 0);

    /* room for all answers there will be: 2 GB */

    p = bench_h2_frame(p, 4, BENCH_WINDOW, 0, 0);
    more = htonl(INT32_MAX - 65535);
    p = (u_char *) memcpy(p, &more, 4) + 4;

    if (SSL_write(l->ssl, text, (int) (p - text)) <= 0) {
        bench_fail("write");
    }
}


/* how long the next frame is, which the text begins with */

static size_t
bench_h2_read(bench_link_t *l)
{
    int     n;
    size_t  len;

    for ( ;; ) {
        if (l->len >= 9) {
            len = 9 + ((size_t) l->text[0] << 16 | (size_t) l->text[1] << 8
                       | l->text[2]);

            if (l->len >= len) {
                return len;
            }
        }

        n = SSL_read(l->ssl, l->text + l->len,
                     (int) (sizeof(l->text) - l->len));

        if (n <= 0) {
            bench_fail("read");
        }

        l->len += (size_t) n;
    }
}


/* nginx has 200 in one byte, 401 as text; a change of its table may precede */

static unsigned
bench_h2_status(const u_char *p)
{
    if (*p == 0x20) {
        p++;
    }

    if (*p == 0x88) {
        return 200;
    }

    return memcmp(p, "\x48\x03" "401", 5) == 0 ? 401 : 0;
}


/* BENCH_STREAMS calls in one write */

static void
bench_h2_send(bench_link_t *l)
{
    u_char   *p, text[BENCH_STREAMS * (CALL_TOKEN_LEN + 256)];
    unsigned  i;

    for (p = text, i = 0; i < BENCH_STREAMS; i++) {
        p = bench_h2_request(p, l->stream + 2 * i);
    }

    if (SSL_write(l->ssl, text, (int) (p - text)) <= 0) {
        bench_fail("write");
    }
}


/* true if it is the end of an answer */

static int
bench_h2_take(bench_link_t *l, const u_char *frame, uint64_t begin)
{
    u_char    ack[9];
    uint32_t  stream;

    if (frame[3] == BENCH_SETTINGS && !(frame[4] & BENCH_ACK)) {
        (void) bench_h2_frame(ack, 0, BENCH_SETTINGS, BENCH_ACK, 0);
        (void) SSL_write(l->ssl, ack, sizeof(ack));
    }

    if (frame[3] != BENCH_DATA && frame[3] != BENCH_HEADERS) {
        return 0;
    }

    memcpy(&stream, frame + 5, 4);
    stream = (ntohl(stream) - l->stream) / 2;

    if (stream >= BENCH_STREAMS) {
        bench_fail("stream");
    }

    if (frame[3] == BENCH_HEADERS) {
        l->status[stream] = bench_h2_status(frame + 9);
    }

    if (!(frame[4] & BENCH_END_STREAM)) {
        return 0;
    }

    bench_count(l->status[stream], begin);

    return 1;
}


static void *
bench_h2(void *data)
{
    size_t         len;
    unsigned       open;
    uint64_t       begin;
    bench_link_t  *l = data;

    bench_h2_open(l);

    while ((begin = bench_ns(CLOCK_MONOTONIC)) < atomic_load(&bench_end)) {
        bench_h2_send(l);

        for (open = BENCH_STREAMS; open; ) {
            len = bench_h2_read(l);
            open -= (unsigned) bench_h2_take(l, l->text, begin);

            l->len -= len;
            memmove(l->text, l->text + len, l->len);
        }

        l->stream += 2 * BENCH_STREAMS;
    }

    return NULL;
}


/* microseconds that this share of the calls took at most; 1: all of them */

static size_t
bench_quantile(double share)
{
    size_t  us, seen;

    for (seen = 0, us = 0; us < BENCH_US; us++) {
        seen += atomic_load(&bench_us[us]);

        if ((double) seen >= share * (double) atomic_load(&bench_calls)) {
            break;
        }
    }

    return us;
}


int
main(int argc, char **argv)
{
    void     *(*run)(void *);
    size_t    i, n;
    uint64_t  begin;

    static pthread_t     threads[BENCH_CONNECTIONS];
    static bench_link_t  links[BENCH_CONNECTIONS];

    if (argc <= BENCH_ARGS) {
        return 2;
    }

    signal(SIGPIPE, SIG_IGN);

    run = strcmp(argv[1], "h2") == 0 ? bench_h2 : bench_h1;
    bench_address.sin_family = AF_INET;
    bench_address.sin_port = htons((uint16_t) atoi(argv[2]));
    bench_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_paths = argv + BENCH_ARGS;
    call_list(argv[3], argv[6]);

    bench_tls = SSL_CTX_new(TLS_client_method());

    if (bench_tls == NULL
        || SSL_CTX_set_alpn_protos(bench_tls, (u_char *) "\x02h2", 3) != 0)
    {
        bench_fail("TLS");
    }

    n = strtoul(argv[5], NULL, 10);

    if (n > BENCH_CONNECTIONS) {
        return 2;
    }

    begin = bench_ns(CLOCK_MONOTONIC);
    atomic_store(&bench_end,
                 begin + strtoull(argv[4], NULL, 10) * 1000000000);

    signal(SIGINT, bench_interrupt);

    for (i = 0; i < n; i++) {
        links[i].fd = -1;

        if (pthread_create(&threads[i], NULL, run, &links[i]) != 0) {
            bench_fail("pthread_create");
        }
    }

    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }

    printf("bench %zu %zu %zu %.6f %zu %zu %zu %zu\n",
           atomic_load(&bench_calls), atomic_load(&bench_refused),
           atomic_load(&bench_failed),
           (double) (bench_ns(CLOCK_MONOTONIC) - begin) / 1e9,
           bench_quantile(0.5), bench_quantile(0.99),
           atomic_load(&bench_again), bench_quantile(1));

    return 0;
}
