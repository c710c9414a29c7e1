
#include <pthread.h>

#include "trv_test.h"
#include "trv_history.h"


#define MINUTE   29924260                /* in 2026 */
#define WALL_MS  (MINUTE * (uint64_t) TRV_HISTORY_MINUTE_MS)
#define NOW_MS   1000000                 /* monotonic */
#define ADDERS   4
#define ADDS     50000


static trv_history_t  trv_shared;
static trv_telling_t  trv_telling;
static trv_words_t    trv_words;


static int
trv_history_setup(void **state)
{
    (void) state;

    memset(&trv_shared, 0, sizeof(trv_shared));
    memset(&trv_telling, 0, sizeof(trv_telling));
    trv_history_init(&trv_shared, 0xabc, WALL_MS + 30000, NOW_MS);
    trv_telling.history = &trv_shared;

    return 0;
}


static void
trv_add(uint64_t minute, trv_history_e what, uint64_t n)
{
    trv_history_add(&trv_shared, minute, what, n);
}


static uint64_t
trv_get(uint64_t minute, trv_history_e what)
{
    return trv_history_get(&trv_shared, minute, what);
}


/* the words that were told, behind who has counted, with bars between */

static void
trv_assert_told(uint64_t now_ms, const char *expected)
{
    int     i;
    char    text[4096];
    size_t  n;

    assert_true(trv_history_tell(&trv_telling, now_ms, &trv_words));
    assert_int_equal(trv_words.command.script, TRV_SCRIPT_MINUTES);
    assert_memory_equal(trv_words.argv[0], "0000000000000abc", 16);
    assert_int_equal(trv_words.argvlen[0], 16);

    n = 0;
    text[0] = '\0';

    for (i = 1; i < trv_words.command.argc; i++) {
        n += snprintf(text + n, sizeof(text) - n, "%s%.*s", i > 1 ? "|" : "",
                      (int) trv_words.argvlen[i], trv_words.argv[i]);
    }

    assert_string_equal(text, expected);
}


static void
trv_minutes_are_those_of_redis(void **state)
{
    (void) state;

    assert_int_equal(trv_history_minute(&trv_shared, NOW_MS), MINUTE);
    assert_int_equal(trv_history_minute(&trv_shared, NOW_MS + 29999), MINUTE);
    assert_int_equal(trv_history_minute(&trv_shared, NOW_MS + 30000),
                     MINUTE + 1);

    trv_history_clock_set(&trv_shared, WALL_MS - NOW_MS + 3600000);
    assert_int_equal(trv_history_minute(&trv_shared, NOW_MS), MINUTE + 60);

    /* a machine that is up for longer than the clock of Redis knows of */

    trv_history_clock_set(&trv_shared, -NOW_MS + 60000);
    assert_int_equal(trv_history_minute(&trv_shared, NOW_MS), 1);
}


static void
trv_an_hour_is_kept(void **state)
{
    uint64_t  i;

    (void) state;

    for (i = 0; i < 200; i++) {
        trv_add(MINUTE + i, TRV_HISTORY_REFUSED, i);
        trv_add(MINUTE + i, TRV_HISTORY_REFUSED, 1);
    }

    for (i = 0; i < 200; i++) {
        assert_int_equal(trv_get(MINUTE + i, TRV_HISTORY_REFUSED),
                         i < 140 ? 0 : i + 1);
        assert_int_equal(trv_get(MINUTE + i, TRV_HISTORY_PASSED), 0);
    }

    /* a clock that is set back has its minute, instead of the one in its place */

    trv_add(MINUTE + 100, TRV_HISTORY_REFUSED, 7);
    assert_int_equal(trv_get(MINUTE + 100, TRV_HISTORY_REFUSED), 7);
    assert_int_equal(trv_get(MINUTE + 160, TRV_HISTORY_REFUSED), 0);
}


static void
trv_more_than_there_is_room_for(void **state)
{
    uint64_t  most;

    (void) state;

    most = ((uint64_t) 1 << 36) - 1;

    trv_add(MINUTE, TRV_HISTORY_PASSED, most - 1);
    trv_add(MINUTE, TRV_HISTORY_PASSED, 5);
    assert_int_equal(trv_get(MINUTE, TRV_HISTORY_PASSED), most);

    trv_add(MINUTE, TRV_HISTORY_REFUSED, UINT64_MAX);
    assert_int_equal(trv_get(MINUTE, TRV_HISTORY_REFUSED), most);
}


static void
trv_redis_is_told(void **state)
{
    char  all[4096];
    int   i, n;

    (void) state;

    assert_false(trv_history_tell(&trv_telling, NOW_MS, &trv_words));

    trv_add(MINUTE - 59, TRV_HISTORY_PASSED, 1);
    trv_add(MINUTE - 1, TRV_HISTORY_DRY_RUN, 2);
    trv_add(MINUTE - 1, TRV_HISTORY_N - 1, 3);
    trv_add(MINUTE, TRV_HISTORY_REFUSED, 4);

    n = snprintf(all, sizeof(all), "%d|1|%d|0 0 2", MINUTE - 59, MINUTE - 1);
    for (i = 0; i < TRV_DELAY_N - 1; i++) {
        n += snprintf(all + n, sizeof(all) - n, " 0");
    }
    snprintf(all + n, sizeof(all) - n, " 3|%d|0 4", MINUTE);

    /* not too often; the same again while it was not heard */

    assert_false(trv_history_tell(&trv_telling, NOW_MS + 1999, &trv_words));
    trv_assert_told(NOW_MS + 5000, all);
    assert_false(trv_history_tell(&trv_telling, NOW_MS + 5001, &trv_words));
    trv_assert_told(NOW_MS + 10000, all);

    /* heard: the minute that goes on is told again, as a whole */

    trv_telling.told = trv_telling.minute;
    trv_add(MINUTE, TRV_HISTORY_REFUSED, 1);
    snprintf(all, sizeof(all), "%d|0 5", MINUTE);
    trv_assert_told(NOW_MS + 15000, all);

    trv_add(MINUTE + 1, TRV_HISTORY_PASSED, 6);
    snprintf(all, sizeof(all), "%d|0 5|%d|6", MINUTE, MINUTE + 1);
    trv_assert_told(NOW_MS + 31000, all);

    trv_telling.told = trv_telling.minute;
    snprintf(all, sizeof(all), "%d|6", MINUTE + 1);
    trv_assert_told(NOW_MS + 91000, all);

    trv_telling.told = trv_telling.minute;
    assert_false(trv_history_tell(&trv_telling, NOW_MS + 96000, &trv_words));

    /* the clock of Redis is set back behind what was told */

    trv_history_clock_set(&trv_shared, WALL_MS - NOW_MS - 60000);
    trv_add(MINUTE - 1, TRV_HISTORY_PASSED, 7);
    assert_true(trv_history_tell(&trv_telling, NOW_MS + 102000, &trv_words));
}


/* as if no hour had passed yet */

static void
trv_the_first_hour_of_all(void **state)
{
    (void) state;

    trv_history_clock_set(&trv_shared, -NOW_MS);
    assert_false(trv_history_tell(&trv_telling, NOW_MS, &trv_words));
}


static void *
trv_adder(void *arg)
{
    size_t  i;

    for (i = 0; i < ADDS; i++) {
        trv_history_add(&trv_shared, MINUTE + i / (ADDS / 50),
                        TRV_HISTORY_REFUSED, 1);
    }

    return arg;
}


static void
trv_workers_add_at_once(void **state)
{
    size_t     i;
    uint64_t   sum;
    pthread_t  threads[ADDERS];

    (void) state;

    for (i = 0; i < ADDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, trv_adder, NULL), 0);
    }

    for (i = 0; i < ADDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }

    for (sum = 0, i = 0; i < 50; i++) {
        sum += trv_get(MINUTE + i, TRV_HISTORY_REFUSED);
    }

    assert_int_equal(sum, ADDERS * ADDS);
}


#define TRV_TEST(f)  cmocka_unit_test_setup(f, trv_history_setup)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_minutes_are_those_of_redis),
        TRV_TEST(trv_an_hour_is_kept),
        TRV_TEST(trv_more_than_there_is_room_for),
        TRV_TEST(trv_redis_is_told),
        TRV_TEST(trv_the_first_hour_of_all),
        TRV_TEST(trv_workers_add_at_once),
    };

    return cmocka_run_group_tests_name("trv_history", tests, NULL, NULL);
}
