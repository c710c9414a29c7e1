
/*
 * The publish protocol under ThreadSanitizer: one writer puts, readers look up
 * in the same mapping (of two, it would not see that they are one).  What the writer has said to be in is found by
 * all, whole; what is not in is never found, also not as halves of two ids.
 *
 * trv_table_stress [ids]
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "trv_test.h"
#include "trv_table.h"


#define READERS  3
#define NAME     "table.1.1"


static uint64_t          trv_ids = 200000;
static _Atomic uint64_t  trv_put;        /* ids below it are in */
static _Atomic uint64_t  trv_failed;
static trv_table_t       trv_table;


static void *
trv_reader(void *data)
{
    uint64_t            known, i, seed;
    trv_id_t            id, other;
    const trv_table_t  *t;

    t = &trv_table;
    seed = (uint64_t) (uintptr_t) data + 1;

    do {
        known = atomic_load_explicit(&trv_put, memory_order_acquire);

        for (i = 0; i < 100; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;

            if (known) {
                id = trv_test_id((seed >> 20) % known);
                atomic_fetch_add(&trv_failed, !trv_table_lookup(t, &id));
            }

            id = trv_test_id(trv_ids + (seed >> 20) % 1000000);
            atomic_fetch_add(&trv_failed, trv_table_lookup(t, &id));

            other = trv_test_id((seed >> 20) % trv_ids);
            id.hi = other.hi;
            atomic_fetch_add(&trv_failed, trv_table_lookup(t, &id));
        }

        /* the newest: being published right now */

        id = trv_test_id(known);
        (void) trv_table_lookup(t, &id);

    } while (known < trv_ids);

    return NULL;
}


int
main(int argc, char **argv)
{
    int                dir;
    char               path[64], command[128];
    size_t             i;
    uint64_t           n;
    trv_id_t           id;
    pthread_t          readers[READERS];
    trv_table_place_t  place;

    if (argc > 1) {
        trv_ids = strtoull(argv[1], NULL, 10);
    }

    printf("1..1\n");

    strcpy(path, "/tmp/trv-unit-XXXXXX");

    if (mkdtemp(path) == NULL) {
        return 1;
    }

    dir = open(path, O_RDONLY|O_DIRECTORY);

    if (trv_table_create(&trv_table, dir, NAME, 1, trv_table_capacity(trv_ids))
        != TRV_OK)
    {
        return 1;
    }

    for (i = 0; i < READERS; i++) {
        if (pthread_create(&readers[i], NULL, trv_reader, (void *) i) != 0) {
            return 1;
        }
    }

    for (n = 0; n < trv_ids; n++) {
        id = trv_test_id(n);

        if (trv_table_put(&trv_table, &id, 20000, true, &place) != TRV_OK) {
            atomic_fetch_add(&trv_failed, 1);
        }

        atomic_store_explicit(&trv_put, n + 1, memory_order_release);

        if (n % 3 == 0) {                /* days of old ones move meanwhile */
            id = trv_test_id(n / 2);
            (void) trv_table_put(&trv_table, &id, 20001, true, &place);
        }
    }

    for (i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }

    trv_table_close(&trv_table);
    close(dir);
    snprintf(command, sizeof(command), "rm -rf %s", path);
    i = system(command);

    printf("%s 1 - readers saw %llu ids, %llu failures\n",
           trv_failed || i ? "not ok" : "ok", (unsigned long long) trv_ids,
           (unsigned long long) trv_failed);

    return trv_failed || i ? 1 : 0;
}
