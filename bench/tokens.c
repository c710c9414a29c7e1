
/*
 * Tokens, and the commands that fill Redis with their revocations.
 *
 *     tokens list FROM TO LENGTH [BEFORE BEHIND]
 *                                          the tokens, a line each, with what
 *                                          is to be around them
 *     tokens load FROM TO LENGTH PREFIX    for redis-cli --pipe: what the
 *                                          module would have written, without
 *                                          records
 *     tokens set FROM TO LENGTH KEY        for redis-cli --pipe: the tokens
 *                                          themselves as a SET, for contestants
 *
 * Expiries are spread over two years from tomorrow on and come in order, so
 * that Redis appends.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tokens.h"
#include "trv_digest.h"


#define BENCH_DAYS   730
#define BENCH_BATCH  1000                /* members of a command */


static void
bench_id(uint64_t n, size_t len, trv_id_t *id)
{
    char  text[1024];

    bench_token(n, text, len);

    if (trv_id_digest(text, len, id) != TRV_OK) {
        exit(1);
    }
}


static void
bench_bulk(const char *text, size_t len)
{
    printf("$%zu\r\n%.*s\r\n", len, (int) len, text);
}


static void
bench_command(const char *name, const char *key, uint64_t words)
{
    printf("*%" PRIu64 "\r\n", words + 2);
    bench_bulk(name, strlen(name));
    bench_bulk(key, strlen(key));
}


static void
bench_field(const char *key, const char *field, const char *value)
{
    bench_command("HSET", key, 2);
    bench_bulk(field, strlen(field));
    bench_bulk(value, strlen(value));
}


static void
bench_list(uint64_t from, uint64_t to, size_t len, const char *before,
    const char *behind)
{
    char  text[1024];

    for ( /* void */ ; from < to; from++) {
        bench_token(from, text, len);
        printf("%s%s%s\n", before, text, behind);
    }
}


static void
bench_set(uint64_t from, uint64_t to, size_t len, const char *key)
{
    char      text[1024];
    uint64_t  i;

    for (i = from; i < to; i++) {
        if ((i - from) % BENCH_BATCH == 0) {
            bench_command("SADD", key, to - i < BENCH_BATCH ? to - i
                                                            : BENCH_BATCH);
        }

        bench_token(i, text, len);
        bench_bulk(text, len);
    }
}


static void
bench_digest(const char *key, const char *field, const trv_digest_t *d)
{
    char  text[TRV_DIGEST_LEN + 1];

    (void) trv_digest_format(d, text);
    bench_field(key, field, text);
}


static void
bench_load(uint64_t from, uint64_t to, size_t len, const char *prefix)
{
    char          hex[TRV_ID_HEX_LEN], number[24];
    char          meta[128], revoked[128], days[128];
    uint64_t      i, day, today;
    trv_id_t      id;
    trv_digest_t  total;

    static trv_digest_t  of_day[BENCH_DAYS];

    snprintf(meta, sizeof(meta), "{%s}:meta", prefix);
    snprintf(revoked, sizeof(revoked), "{%s}:revoked", prefix);
    snprintf(days, sizeof(days), "{%s}:days", prefix);

    memset(&total, 0, sizeof(total));
    today = (uint64_t) time(NULL) / TRV_DAY_SEC;

    for (i = from; i < to; i++) {
        if ((i - from) % BENCH_BATCH == 0) {
            bench_command("ZADD", revoked, 2 * (to - i < BENCH_BATCH
                                                ? to - i : BENCH_BATCH));
        }

        day = (i - from) * BENCH_DAYS / (to - from);

        bench_id(i, len, &id);
        trv_digest_add(&of_day[day], &id);
        trv_digest_add(&total, &id);

        trv_id_format(&id, hex);
        snprintf(number, sizeof(number), "%" PRIu64,
                 (today + 1 + day) * TRV_DAY_SEC);
        bench_bulk(number, strlen(number));
        bench_bulk(hex, sizeof(hex));
    }

    for (day = 0; day < BENCH_DAYS; day++) {
        if (of_day[day].count) {
            snprintf(number, sizeof(number), "%" PRIu64, today + 1 + day);
            bench_digest(days, number, &of_day[day]);
        }
    }

    bench_digest(days, "total", &total);

    snprintf(number, sizeof(number), "%" PRIu64, today - 1);
    bench_field(meta, "first_day", number);
    bench_field(meta, "format", "1");
    bench_field(meta, "set_id", "0123456789abcdef0123456789abcdef");
}


int
main(int argc, char **argv)
{
    size_t    len;
    uint64_t  from, to;

    if (argc < 5) {
        return 2;
    }

    from = strtoull(argv[2], NULL, 10);
    to = strtoull(argv[3], NULL, 10);
    len = strtoul(argv[4], NULL, 10);

    if (len == 0 || len > 1000) {
        return 2;
    }

    if (strcmp(argv[1], "list") == 0) {
        bench_list(from, to, len, argc == 7 ? argv[5] : "",
                   argc == 7 ? argv[6] : "");

    } else if (argc == 6 && strcmp(argv[1], "load") == 0) {
        bench_load(from, to, len, argv[5]);

    } else if (argc == 6 && strcmp(argv[1], "set") == 0) {
        bench_set(from, to, len, argv[5]);

    } else {
        return 2;
    }

    return fflush(stdout) == 0 ? 0 : 1;
}
