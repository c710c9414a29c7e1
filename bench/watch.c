
/*
 * When does which edge refuse a token?  Looks into the replicas themselves, as
 * the workers of the edges do, so that 50 edges can be watched at once.
 *
 *     watch LENGTH SECONDS STEP FROM TO REPLICA ...
 *
 * Tokens FROM, FROM + STEP ... TO - 1 are revoked in this order by somebody
 * else.  Prints "token edge time" as soon as it is in, time in Unix seconds.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tokens.h"
#include "trv_replica.h"


#define BENCH_EDGES     64
#define BENCH_PAUSE_US  100


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


int
main(int argc, char **argv)
{
    int             i, n, left;
    char            text[1024];
    double          end;
    size_t          len;
    uint64_t        step, from, to, next[BENCH_EDGES];
    trv_id_t        id;
    trv_replica_t  *replicas[BENCH_EDGES];

    n = argc - 6;

    if (n < 1 || n > BENCH_EDGES) {
        return 2;
    }

    len = strtoul(argv[1], NULL, 10);
    end = bench_now() + strtod(argv[2], NULL);
    step = strtoull(argv[3], NULL, 10);
    from = strtoull(argv[4], NULL, 10);
    to = strtoull(argv[5], NULL, 10);

    for (i = 0; i < n; i++) {
        replicas[i] = trv_replica_open(argv[6 + i]);
        next[i] = from;

        if (replicas[i] == NULL
            || trv_replica_refresh(replicas[i]) != TRV_OK)
        {
            perror(argv[6 + i]);
            return 1;
        }
    }

    puts("watching");
    fflush(stdout);

    for (left = n; left && bench_now() < end; usleep(BENCH_PAUSE_US)) {
        for (left = 0, i = 0; i < n; i++) {

            while (next[i] < to) {
                bench_token(next[i], text, len);

                if (trv_id_digest(text, len, &id) != TRV_OK
                    || trv_replica_lookup(replicas[i], &id) != TRV_OK)
                {
                    left++;
                    break;
                }

                printf("%" PRIu64 " %d %.6f\n", next[i], i, bench_now());
                next[i] += step;
            }
        }
    }

    return left ? 1 : 0;
}
