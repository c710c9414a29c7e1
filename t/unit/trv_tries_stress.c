
/*
 * Tries under ThreadSanitizer: workers count in tables of their own while one
 * flushes.  Answers get lost, and whoever flushes forgets all it knew (is
 * killed) now and then; what stands for Redis takes each batch once.  In the
 * end every try is there, with its own token, or was said not to be counted.
 *
 * trv_tries_stress [tries of each worker]
 */

#include <pthread.h>
#include <stdatomic.h>

#include "trv_test.h"
#include "trv_flush.h"


#define WORKERS  3
#define TOKENS   2000                    /* of which 40 are tried most */


static trv_tries_t      *trv_shared;
static uint64_t          trv_n = 300000;
static _Atomic uint64_t  trv_counted[TOKENS];
static _Atomic uint64_t  trv_working = WORKERS;
static uint64_t          trv_redis[TOKENS];
static uint64_t          trv_redis_batch;
static trv_words_t       trv_words;


static void *
trv_worker(void *data)
{
    size_t     table;
    uint64_t   i, token, seed;
    trv_id_t   id;

    table = (size_t) data;
    seed = table + 1;

    trv_tries_open(trv_shared, table);

    for (i = 0; i < trv_n; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        token = (seed >> 33) % ((seed >> 20) % 4 ? 40 : TOKENS);
        id = trv_test_id(token);

        if (trv_tries_add(trv_shared, table, &id, i) == TRV_OK) {
            atomic_fetch_add_explicit(&trv_counted[token], 1,
                                      memory_order_relaxed);
        }
    }

    atomic_fetch_sub(&trv_working, 1);

    return NULL;
}


/* words are not terminated */

static uint64_t
trv_number(const trv_command_t *c, int i)
{
    char  text[24];

    snprintf(text, sizeof(text), "%.*s", (int) c->argvlen[i], c->argv[i]);

    return strtoull(text, NULL, 10);
}


/* false: an id that nobody has tried */

static bool
trv_take(void)
{
    int             i;
    uint64_t        n, batch;
    trv_id_t        id, token;
    trv_command_t  *c;

    c = &trv_words.command;

    batch = trv_number(c, 1);

    if (batch == trv_redis_batch) {
        return true;
    }

    trv_redis_batch = batch;

    for (i = 2; i < c->argc; i += 3) {
        (void) trv_id_parse(c->argv[i], c->argvlen[i], &id);

        for (n = 0; n < TOKENS; n++) {
            token = trv_test_id(n);
            if (trv_id_equal(&id, &token)) {
                break;
            }
        }

        if (n == TOKENS) {
            return false;
        }

        trv_redis[n] += trv_number(c, i + 1);
    }

    return true;
}


int
main(int argc, char **argv)
{
    bool         more;
    size_t       i;
    uint64_t     failed, batches, seed, sum;
    pthread_t    workers[WORKERS];
    trv_flush_t  f;

    if (argc > 1) {
        trv_n = strtoull(argv[1], NULL, 10);
    }

    printf("1..1\n");

    trv_shared = aligned_alloc(128, trv_tries_size(WORKERS));
    memset(trv_shared, 0, trv_tries_size(WORKERS));
    trv_tries_init(trv_shared, WORKERS, 1);

    for (i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i], NULL, trv_worker, (void *) i) != 0) {
            return 1;
        }
    }

    memset(&f, 0, sizeof(f));
    f.tries = trv_shared;
    failed = 0;
    batches = 0;
    seed = 1;

    do {
        more = atomic_load(&trv_working) != 0;

        while (trv_flush_next(&f, 0, &trv_words)) {
            more = true;
            seed = seed * 6364136223846793005 + 1442695040888963407;

            if ((seed >> 40) % 5 != 0) {             /* else it gets lost */
                failed += !trv_take();
                batches++;

                if ((seed >> 43) % 5 != 0) {         /* else the answer does */
                    trv_flush_settle(&f);
                }
            }

            if ((seed >> 46) % 5 == 0) {
                memset(&f, 0, sizeof(f));
                f.tries = trv_shared;
            }
        }
    } while (more);

    sum = 0;

    for (i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }

    for (i = 0; i < TOKENS; i++) {
        failed += trv_redis[i] != trv_counted[i];
        sum += trv_counted[i];
    }

    free(trv_shared);

    printf("%s 1 - %llu of %llu tries in %llu batches, %llu failures\n",
           failed ? "not ok" : "ok", (unsigned long long) sum,
           (unsigned long long) (WORKERS * trv_n),
           (unsigned long long) batches, (unsigned long long) failed);

    return failed ? 1 : 0;
}
