
/*
 * The check alone, without nginx: header value -> token -> id -> lookup, one
 * call after the other has ended, as it is in a server.  Beside it what no
 * check could do without: the digest, and one access to memory that is in no
 * cache.
 *
 *     check [revocations ...]          prints the table
 *     check --repeat N LENGTH          N checks of hits and misses, no clock:
 *                                      for callgrind
 */

#define OPENSSL_SUPPRESS_DEPRECATED      /* as trv_id.c, which says why */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "tokens.h"
#include "trv_bearer.h"
#include "trv_writer.h"


#define BENCH_TOKENS  100000             /* of a kind, gone through in order */
#define BENCH_ROUNDS  9
#define BENCH_DAY     25000

#define bench_n(a)    (sizeof(a) / sizeof((a)[0]))


typedef struct {
    char    *texts;                      /* header values */
    size_t   len;                        /* of one */
} bench_values_t;

typedef struct {
    trv_replica_t  *replica;
    char            dir[64];
} bench_t;

typedef uint64_t (*bench_pt)(bench_t *b, const char *value, size_t len);


static const char  bench_scheme[] = "Bearer ";


static void
bench_fail(const char *what)
{
    perror(what);
    exit(1);
}


/* what ngx_http_trv_access.c does of each call, in its order */

__attribute__((noinline)) static uint64_t
bench_check(bench_t *b, const char *value, size_t len)
{
    bool       current;
    trv_id_t   id;
    trv_str_t  token;

    if (trv_bearer_parse(value, len, &token) != TRV_OK
        || trv_id_digest(token.data, token.len, &id) != TRV_OK)
    {
        bench_fail("check");
    }

    trv_replica_prefetch(b->replica, &id);

    current = trv_replica_ready(b->replica)
              && trv_replica_contact_ms(b->replica) == 0
              && !trv_replica_full(b->replica);

    if (trv_replica_lookup(b->replica, &id) == TRV_OK) {
        return 1;
    }

    return current ? 0 : 2;
}


static uint64_t
bench_sha256(bench_t *b, const char *value, size_t len)
{
    SHA256_CTX     ctx;
    unsigned char  md[SHA256_DIGEST_LENGTH];

    (void) b;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, value + 7, len - 7);
    SHA256_Final(md, &ctx);

    return md[0];
}


static char     *bench_memory;
static size_t    bench_memory_size;

static uint64_t
bench_access(bench_t *b, const char *value, size_t len)
{
    uint64_t  place;

    (void) b;
    (void) len;

    memcpy(&place, value + 8, sizeof(place));

    return *(volatile char *) (bench_memory + bench_mix(place)
                                              % bench_memory_size);
}


static uint64_t
bench_nothing(bench_t *b, const char *value, size_t len)
{
    (void) b;

    return value[len - 1];
}


/* those with an even number and those with an odd one begin there */

static void
bench_values(bench_values_t *v, uint64_t even, uint64_t odd, uint64_t of,
    size_t len)
{
    size_t    i;
    char     *p;

    v->len = sizeof(bench_scheme) - 1 + len;
    v->texts = malloc(BENCH_TOKENS * (v->len + 1));

    if (v->texts == NULL) {
        bench_fail("malloc");
    }

    for (i = 0; i < BENCH_TOKENS; i++) {
        p = v->texts + i * (v->len + 1);
        memcpy(p, bench_scheme, sizeof(bench_scheme) - 1);
        bench_token((i % 2 ? odd : even) + bench_mix(i) % of,
                    p + sizeof(bench_scheme) - 1, len);
    }
}


/* nothing of one call may begin before the last one has ended */

static inline void
bench_fence(void)
{
#if defined(__x86_64__)
    __asm__ volatile ("lfence" ::: "memory");
#else
    __asm__ volatile ("" ::: "memory");
#endif
}


static int
bench_compare(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


/* nanoseconds a call: the median of the rounds, and the best one */

static void
bench_time(const char *what, bench_t *b, bench_pt call,
    const bench_values_t *v)
{
    size_t           i, round;
    double           ns[BENCH_ROUNDS];
    uint64_t         sum;
    struct timespec  from, to;

    sum = 0;

    for (round = 0; round < BENCH_ROUNDS; round++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);

        for (i = 0; i < BENCH_TOKENS; i++) {
            bench_fence();
            sum += call(b, v->texts + i * (v->len + 1), v->len);
            bench_fence();
        }

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        ns[round] = ((to.tv_sec - from.tv_sec) * 1e9
                     + to.tv_nsec - from.tv_nsec) / BENCH_TOKENS;
    }

    *(volatile uint64_t *) &sum = sum;

    qsort(ns, BENCH_ROUNDS, sizeof(double), bench_compare);

    printf("| %-36s | %5zu | %6.0f | %6.0f |\n", what,
           v->len - (sizeof(bench_scheme) - 1), ns[BENCH_ROUNDS / 2], ns[0]);
}


/* grows as an edge does that knows how many there will be */

static void
bench_grow(bench_t *b, uint64_t n)
{
    int           fd;
    char          name[TRV_TABLE_NAME_LEN];
    uint64_t      capacity, generation;
    trv_table_t   t;

    if (trv_writer_rebuild_needed(b->replica, n, 0, &capacity, &generation,
                                  name)
        != TRV_OK)
    {
        return;
    }

    fd = trv_replica_dir_open(b->replica);

    if (trv_table_create(&t, fd, name, generation, capacity) != TRV_OK) {
        bench_fail(name);
    }

    close(fd);

    trv_writer_rebuild_start(b->replica, &t, 0);

    if (trv_writer_rebuild_copy(b->replica, SIZE_MAX) != TRV_OK
        || trv_writer_rebuild_switch(b->replica) != TRV_OK)
    {
        bench_fail("rebuild");
    }
}


static void
bench_open(bench_t *b)
{
    snprintf(b->dir, sizeof(b->dir), "%s/trv-check-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");

    if (mkdtemp(b->dir) == NULL
        || (b->replica = trv_replica_open(b->dir)) == NULL
        || trv_replica_lock(b->replica) != TRV_OK
        || trv_writer_take(b->replica, "", 0) != TRV_OK
        || trv_writer_scan(b->replica, SIZE_MAX) != TRV_OK)
    {
        bench_fail(b->dir);
    }

    trv_writer_filled_set(b->replica);
}


static void
bench_close(bench_t *b)
{
    char  command[128];

    trv_replica_close(b->replica);

    snprintf(command, sizeof(command), "rm -rf %s", b->dir);

    if (system(command) != 0) {
        bench_fail(command);
    }
}


/* tokens from..to-1 of this length are revoked */

static void
bench_fill(bench_t *b, uint64_t from, uint64_t to, size_t len)
{
    char      text[1024];
    trv_id_t  id;

    for ( /* void */ ; from < to; from++) {
        bench_token(from, text, len);

        if (trv_id_digest(text, len, &id) != TRV_OK
            || trv_writer_put(b->replica, &id, BENCH_DAY) != TRV_OK)
        {
            bench_fail("put");
        }
    }
}


static void
bench_floor(void)
{
    size_t          i;
    bench_values_t  v;

    static const size_t  lens[] = { 43, 900 };

    puts("| what | bytes | ns, median | ns, best |\n| --- | --: | --: | --: |");

    for (i = 0; i < bench_n(lens); i++) {
        bench_values(&v, BENCH_FREE, BENCH_FREE, BENCH_FREE, lens[i]);
        bench_time("nothing, but measured", NULL, bench_nothing, &v);
        bench_time("SHA-256 alone", NULL, bench_sha256, &v);
        free(v.texts);
    }
}


static void
bench_size(bench_t *b, uint64_t from, uint64_t n)
{
    char                 what[64];
    bench_values_t       v;
    trv_replica_state_t  state;

    bench_grow(b, n);
    bench_fill(b, from, n, 43);
    trv_replica_state(b->replica, &state);

    bench_memory_size = state.bytes;
    bench_memory = mmap(NULL, bench_memory_size, PROT_READ|PROT_WRITE,
                        MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE, -1, 0);
    if (bench_memory == MAP_FAILED) {
        bench_fail("mmap");
    }

    bench_values(&v, BENCH_FREE, BENCH_FREE, BENCH_FREE, 43);
    snprintf(what, sizeof(what), "one byte of %.1f MB alone",
             (double) state.bytes / 1e6);
    bench_time(what, b, bench_access, &v);
    munmap(bench_memory, bench_memory_size);

    snprintf(what, sizeof(what), "check, %" PRIu64 " revocations, miss", n);
    bench_time(what, b, bench_check, &v);
    free(v.texts);

    bench_values(&v, BENCH_FREE, BENCH_FREE, BENCH_FREE, 900);
    bench_time(what, b, bench_check, &v);
    free(v.texts);

    bench_values(&v, 0, 0, n, 43);
    snprintf(what, sizeof(what), "check, %" PRIu64 " revocations, hit", n);
    bench_time(what, b, bench_check, &v);
    free(v.texts);

    bench_values(&v, 0, BENCH_FREE, n, 43);
    snprintf(what, sizeof(what), "check, %" PRIu64 " revocations, both", n);
    bench_time(what, b, bench_check, &v);
    free(v.texts);
}


/* half of them hits; what is printed is a proof that it did something */

static void
bench_repeat(uint64_t n, size_t len)
{
    char      value[1024];
    bench_t   b;
    uint64_t  i, hits;

    bench_open(&b);
    bench_fill(&b, 0, 100, len);

    for (hits = 0, i = 0; i < n; i++) {
        memcpy(value, bench_scheme, sizeof(bench_scheme) - 1);
        bench_token(i % 2 ? i % 100 : BENCH_FREE + i,
                    value + sizeof(bench_scheme) - 1, len);
        hits += bench_check(&b, value, sizeof(bench_scheme) - 1 + len);
    }

    bench_close(&b);
    printf("%llu hits\n", (unsigned long long) hits);
}


int
main(int argc, char **argv)
{
    int       i;
    bench_t   b;
    uint64_t  n, in;

    if (argc == 4 && strcmp(argv[1], "--repeat") == 0
        && strtoul(argv[3], NULL, 10) <= 1000)
    {
        bench_repeat(strtoull(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        return 0;
    }

    bench_floor();
    bench_open(&b);

    for (in = 0, i = 1; i < argc; i++) {
        n = strtoull(argv[i], NULL, 10);
        bench_size(&b, in, n);
        in = n;
    }

    bench_close(&b);

    return 0;
}
