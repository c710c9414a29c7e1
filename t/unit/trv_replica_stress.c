
/*
 * Writers that are killed with SIGKILL in the middle of puts and rebuilds, one
 * after the other, while other processes read.  What a writer has said to be
 * in (a counter in shared memory, raised after the put) is refused by every
 * reader from then on, through all generations; nothing else is.  In the end
 * the last writer counts all entries anew: none is lost, torn or doubled.
 *
 * trv_replica_stress [kills]
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "trv_test.h"
#include "trv_writer.h"


#define READERS    2
#define PER_KILL   600                   /* ids that a writer is to put */
#define DAY(n)     (uint16_t) (20000 + (n) % 5)


typedef struct {
    _Atomic uint64_t  put;               /* ids below it are in */
    _Atomic uint64_t  failed;
    _Atomic uint64_t  looked;
    _Atomic uint64_t  generations;
    _Atomic bool      end;
} trv_shared_t;


static trv_shared_t  *trv_shared;
static char           trv_path[64];


static void
trv_check(bool ok)
{
    atomic_fetch_add(&trv_shared->failed, !ok);
}


/* one slot at a time: the kill may come between any two of them */

static void
trv_rebuild_step(trv_replica_t *r, uint64_t want)
{
    int           dir;
    char          name[TRV_TABLE_NAME_LEN];
    uint64_t      capacity, generation;
    trv_rc_e      rc;
    trv_table_t   t;

    if (trv_writer_rebuild_table(r) == NULL) {

        if (trv_writer_rebuild_needed(r, want, 0, &capacity, &generation, name)
            != TRV_OK)
        {
            return;
        }

        dir = trv_replica_dir_open(r);
        rc = trv_table_create(&t, dir, name, generation, capacity);
        trv_check(rc == TRV_OK);
        (void) close(dir);

        if (rc == TRV_OK) {
            trv_writer_rebuild_start(r, &t, 0);
        }

        return;
    }

    rc = trv_writer_rebuild_copy(r, 20);

    if (rc == TRV_OK) {
        trv_check(trv_writer_rebuild_switch(r) == TRV_OK);
        atomic_fetch_add(&trv_shared->generations, 1);

    } else if (rc == TRV_FULL) {
        trv_writer_rebuild_abort(r);
    }
}


static trv_replica_t *
trv_take(void)
{
    trv_rc_e        rc;
    trv_replica_t  *r;

    r = trv_replica_open(trv_path);
    (void) trv_replica_refresh(r);

    while (trv_replica_lock(r) == TRV_AGAIN) {
        usleep(100);                     /* the killed one is being reaped */
    }

    rc = trv_writer_take(r, "boot", 0);
    trv_check(rc == TRV_OK);

    return rc == TRV_OK ? r : NULL;
}


static void
trv_writer_run(void)
{
    uint64_t        n, target;
    trv_id_t        id;
    trv_rc_e        rc;
    trv_replica_t  *r;

    r = trv_take();

    if (r == NULL) {
        _exit(1);
    }

    n = atomic_load(&trv_shared->put);
    target = n + PER_KILL;

    for ( ;; ) {
        (void) trv_writer_scan(r, 7);
        trv_rebuild_step(r, n % 97 == 0 ? 2 * n : 0);

        if (n == target) {
            continue;                    /* waits for the kill, at work */
        }

        id = trv_test_id(n);
        rc = trv_writer_put(r, &id, DAY(n));

        if (rc == TRV_FULL) {
            continue;
        }

        /* declined: the last one had put it, but was killed before it said */

        trv_check(rc == TRV_OK || rc == TRV_DECLINED);
        n++;
        atomic_store_explicit(&trv_shared->put, n, memory_order_release);
    }
}


static void
trv_reader_run(uint64_t seed)
{
    trv_id_t        id;
    uint64_t        known, i;
    trv_table_t     old;
    trv_replica_t  *r;

    r = trv_replica_open(trv_path);

    while (trv_replica_refresh(r) != TRV_OK) {
        usleep(1000);
    }

    while (!atomic_load(&trv_shared->end)) {
        known = atomic_load_explicit(&trv_shared->put, memory_order_acquire);

        for (i = 0; i < 1000; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;

            if (known) {
                id = trv_test_id((seed >> 20) % known);
                trv_check(trv_replica_lookup(r, &id) == TRV_OK);
                trv_check(!trv_replica_empty(r));
            }

            id = trv_test_id(1000000000 + (seed >> 20) % 1000000);
            trv_check(trv_replica_lookup(r, &id) == TRV_DECLINED);
        }

        atomic_fetch_add(&trv_shared->looked, 2000);

        while (trv_replica_retired(r, &old) == TRV_OK) {
            trv_table_close(&old);
        }

        (void) trv_replica_refresh(r);
    }

    trv_replica_close(r);
    _exit(0);
}


/* in the end: every entry is there once, and the digests say so */

static void
trv_count(void)
{
    uint64_t              n, put;
    trv_id_t              id;
    trv_digest_t          want[5], got;
    trv_replica_t        *r;
    trv_replica_state_t   s;

    r = trv_take();

    if (r == NULL) {
        return;
    }

    while (trv_writer_scan(r, 1000) == TRV_AGAIN) { /* void */ }

    memset(want, 0, sizeof(want));
    put = atomic_load(&trv_shared->put);
    trv_replica_state(r, &s);

    /* one more may be in: put, but not said */

    id = trv_test_id(put);
    if (trv_replica_lookup(r, &id) == TRV_OK) {
        put++;
    }

    trv_check(s.entries == put);

    for (n = 0; n < put; n++) {
        id = trv_test_id(n);
        trv_check(trv_replica_lookup(r, &id) == TRV_OK);
        trv_digest_add(&want[n % 5], &id);
    }

    for (n = 0; n < 5; n++) {
        trv_writer_digest(r, DAY(n), &got);
        trv_check(trv_digest_equal(&got, &want[n]));
    }

    trv_replica_close(r);
}


int
main(int argc, char **argv)
{
    int       i, kills, status;
    char      command[128];
    pid_t     readers[READERS], writer;
    unsigned  random;

    kills = argc > 1 ? atoi(argv[1]) : 200;
    random = 1;

    printf("1..1\n");
    fflush(stdout);

    strcpy(trv_path, "/tmp/trv-unit-XXXXXX");
    trv_shared = mmap(NULL, sizeof(trv_shared_t), PROT_READ|PROT_WRITE,
                      MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (mkdtemp(trv_path) == NULL || trv_shared == MAP_FAILED) {
        return 1;
    }

    for (i = 0; i < READERS; i++) {
        readers[i] = fork();
        if (readers[i] == 0) {
            trv_reader_run(i + 1);
        }
    }

    for (i = 0; i < kills; i++) {
        writer = fork();
        if (writer == 0) {
            trv_writer_run();
        }

        random = random * 1103515245 + 12345;
        usleep(500 + (random >> 8) % 15000);
        kill(writer, SIGKILL);
        waitpid(writer, &status, 0);
        trv_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }

    trv_count();
    atomic_store(&trv_shared->end, true);

    for (i = 0; i < READERS; i++) {
        waitpid(readers[i], &status, 0);
        trv_check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }

    snprintf(command, sizeof(command), "rm -rf %s", trv_path);
    trv_check(system(command) == 0);

    /* it must also have been worth something */

    trv_check(trv_shared->looked > 10000 && trv_shared->generations > 3);

    printf("%s 1 - %d writers killed, %llu ids, %llu generations, %llu "
           "lookups, %llu failures\n", trv_shared->failed ? "not ok" : "ok",
           kills, (unsigned long long) trv_shared->put,
           (unsigned long long) trv_shared->generations,
           (unsigned long long) trv_shared->looked,
           (unsigned long long) trv_shared->failed);

    return trv_shared->failed ? 1 : 0;
}
