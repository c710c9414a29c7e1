
#include "trv_test.h"
#include "trv_flush.h"


#define TABLES  3


static trv_tries_t  *trv_shared;
static trv_words_t   trv_words;


static int
trv_tries_setup(void **state)
{
    (void) state;

    trv_shared = aligned_alloc(128, trv_tries_size(TABLES));
    memset(trv_shared, 0, trv_tries_size(TABLES));
    trv_tries_init(trv_shared, TABLES, 0xabc);
    trv_tries_open(trv_shared, 0);

    return 0;
}


static int
trv_tries_teardown(void **state)
{
    (void) state;

    free(trv_shared);

    return 0;
}


static void
trv_add(size_t table, uint64_t n, uint64_t now_ms)
{
    trv_id_t  id;

    id = trv_test_id(n);
    assert_int_equal(trv_tries_add(trv_shared, table, &id, now_ms), TRV_OK);
}


/* what the batch in trv_words says of an id; its age if `age` */

static uint64_t
trv_said(uint64_t n, bool age)
{
    int        i;
    char       hex[TRV_ID_HEX_LEN], text[24];
    uint64_t   sum;
    trv_id_t   id;
    trv_command_t  *c;

    c = &trv_words.command;
    id = trv_test_id(n);
    trv_id_format(&id, hex);
    sum = 0;

    for (i = 2; i < c->argc; i += 3) {
        assert_int_equal(c->argvlen[i], TRV_ID_HEX_LEN);

        if (memcmp(c->argv[i], hex, TRV_ID_HEX_LEN) == 0) {
            snprintf(text, sizeof(text), "%.*s", (int) c->argvlen[i + 1 + age],
                     c->argv[i + 1 + age]);
            sum += strtoull(text, NULL, 10);
        }
    }

    return sum;
}


static void
trv_assert_number(const char *epoch, const char *number)
{
    trv_command_t  *c;

    c = &trv_words.command;
    assert_int_equal(c->script, TRV_SCRIPT_TRIES);
    assert_int_equal(c->argvlen[0], strlen(epoch));
    assert_memory_equal(c->argv[0], epoch, strlen(epoch));
    assert_int_equal(c->argvlen[1], strlen(number));
    assert_memory_equal(c->argv[1], number, strlen(number));
}


static void
trv_tries_are_counted_and_flushed(void **state)
{
    trv_flush_t  f = { .tries = trv_shared };

    (void) state;

    assert_false(trv_flush_next(&f, 100, &trv_words));
    assert_int_equal(trv_tries_pending(trv_shared), 0);

    trv_add(0, 1, 1000);
    trv_add(0, 1, 2000);
    trv_add(0, 2, 2500);
    assert_int_equal(trv_tries_pending(trv_shared), 3);

    assert_true(trv_flush_next(&f, 3000, &trv_words));
    trv_assert_number("0000000000000abc", "1");
    assert_int_equal(trv_words.command.argc, 2 + 2 * 3);
    assert_int_equal(trv_said(1, false), 2);
    assert_int_equal(trv_said(1, true), 1000);
    assert_int_equal(trv_said(2, false), 1);
    assert_int_equal(trv_said(2, true), 500);

    assert_int_equal(trv_flush_settle(&f), 3);
    assert_int_equal(trv_tries_pending(trv_shared), 0);
    assert_false(trv_flush_next(&f, 3000, &trv_words));

    /* the next batch has the next number, also for the same token */

    trv_add(0, 1, 4000);
    assert_true(trv_flush_next(&f, 4000, &trv_words));
    trv_assert_number("0000000000000abc", "2");
    assert_int_equal(trv_said(1, false), 1);
    assert_int_equal(trv_said(1, true), 0);
    assert_int_equal(trv_flush_settle(&f), 1);
}


static void
trv_tries_not_answered_are_sent_again(void **state)
{
    trv_flush_t  f = { .tries = trv_shared };

    (void) state;

    trv_add(0, 1, 1000);
    assert_true(trv_flush_next(&f, 1000, &trv_words));

    /* what comes meanwhile is of the next batch */

    trv_add(0, 1, 1500);
    trv_add(0, 2, 1500);
    assert_true(trv_flush_next(&f, 2000, &trv_words));
    trv_assert_number("0000000000000abc", "1");
    assert_int_equal(trv_said(1, false), 1);
    assert_int_equal(trv_said(2, false), 0);
    assert_int_equal(trv_flush_settle(&f), 1);

    assert_int_equal(trv_tries_pending(trv_shared), 2);
    assert_true(trv_flush_next(&f, 2000, &trv_words));
    trv_assert_number("0000000000000abc", "2");
    assert_int_equal(trv_said(1, false), 1);
    assert_int_equal(trv_said(2, false), 1);
    assert_int_equal(trv_flush_settle(&f), 2);
}


static void
trv_tries_survive_who_flushes(void **state)
{
    trv_flush_t  f = { .tries = trv_shared };
    trv_flush_t  g = { .tries = trv_shared };
    trv_flush_t  h = { .tries = trv_shared };

    (void) state;

    trv_tries_open(trv_shared, 2);
    trv_add(0, 1, 1000);
    trv_add(2, 2, 1000);
    assert_true(trv_flush_next(&f, 1000, &trv_words));
    trv_add(2, 2, 1100);

    /* killed before the answer */

    assert_true(trv_flush_next(&g, 2000, &trv_words));
    trv_assert_number("0000000000000abc", "1");
    assert_int_equal(trv_said(1, false), 1);
    assert_int_equal(trv_said(2, false), 1);

    /* killed half-way through settling: the rest is the batch */

    atomic_fetch_sub(&g.slots[0]->word, (uint64_t) 1 << 32 | 1);
    assert_true(trv_flush_next(&h, 2000, &trv_words));
    trv_assert_number("0000000000000abc", "1");
    assert_int_equal(trv_words.command.argc, 2 + 3);
    assert_int_equal(trv_said(2, false), 1);
    assert_int_equal(trv_flush_settle(&h), 1);

    /* killed before anything was written down */

    atomic_fetch_add(&trv_shared->batch, 1);
    memset(&f, 0, sizeof(f));
    f.tries = trv_shared;
    assert_true(trv_flush_next(&f, 2000, &trv_words));
    trv_assert_number("0000000000000abc", "3");
    assert_int_equal(trv_said(2, false), 1);
    assert_int_equal(trv_flush_settle(&f), 1);
    assert_int_equal(trv_tries_pending(trv_shared), 0);
}


static void
trv_tries_of_who_was_killed_are_found(void **state)
{
    trv_flush_t  f = { .tries = trv_shared };

    (void) state;

    assert_false(trv_flush_next(&f, 100, &trv_words));
    trv_add(0, 1, 1000);
    atomic_store(&trv_shared->tables[0].dirty, 0);   /* did not get there */
    assert_false(trv_flush_next(&f, 100, &trv_words));

    trv_tries_open(trv_shared, 0);                   /* the next owner */
    assert_true(trv_flush_next(&f, 1000, &trv_words));
    assert_int_equal(trv_said(1, false), 1);
}


/* more tokens than there is room for: none is mixed up with another one */

static void
trv_tries_have_bounds(void **state)
{
    size_t       batches;
    uint64_t     n, counted, full, sum;
    trv_id_t     id;
    trv_flush_t  f = { .tries = trv_shared };

    (void) state;

    counted = 0;
    full = 0;

    for (n = 0; n < 2 * TRV_TRIES_SLOTS; n++) {
        id = trv_test_id(n);

        if (trv_tries_add(trv_shared, 0, &id, 1000) == TRV_OK) {
            counted++;

        } else {
            full++;
        }
    }

    assert_true(counted > TRV_TRIES_SLOTS * 8 / 10);
    assert_true(counted <= TRV_TRIES_SLOTS);
    assert_int_equal(counted + full, 2 * TRV_TRIES_SLOTS);
    assert_int_equal(trv_tries_pending(trv_shared), counted);

    /* those that have a place count on */

    id = trv_test_id(0);
    assert_int_equal(trv_tries_add(trv_shared, 0, &id, 1000), TRV_OK);
    counted++;

    sum = 0;
    batches = 0;

    while (trv_flush_next(&f, 1000, &trv_words)) {
        assert_true(f.n <= TRV_FLUSH_MAX);
        sum += trv_flush_settle(&f);
        batches++;
    }

    assert_int_equal(sum, counted);
    assert_int_equal(batches, (counted - 1 + TRV_FLUSH_MAX - 1) / TRV_FLUSH_MAX);

    /* then there is room for others */

    for (n = 5000; n < 5100; n++) {
        trv_add(0, n, 2000);
    }

    assert_true(trv_flush_next(&f, 2000, &trv_words));

    for (n = 5000; n < 5100; n++) {
        assert_int_equal(trv_said(n, false), 1);
    }

    /* one token is not counted beyond what a word can hold */

    trv_flush_settle(&f);
    trv_add(0, 1, 1000);
    assert_true(trv_flush_next(&f, 2000, &trv_words));
    atomic_fetch_add(&f.slots[0]->word, TRV_TRIES_MAX - 1);
    id = trv_test_id(1);
    assert_int_equal(trv_tries_add(trv_shared, 0, &id, 1000), TRV_FULL);
    assert_int_equal(trv_flush_settle(&f), 1);
    assert_int_equal(trv_tries_add(trv_shared, 0, &id, 1000), TRV_OK);
}


/* one busy table does not keep the others waiting */

static void
trv_tries_take_turns(void **state)
{
    int          i;
    uint64_t     n;
    bool         seen;
    trv_id_t     id;
    trv_flush_t  f = { .tries = trv_shared };

    (void) state;

    trv_tries_open(trv_shared, 1);
    seen = false;
    trv_add(1, 100000, 1000);

    for (i = 0; i < 4 && !seen; i++) {

        for (n = 0; n < TRV_TRIES_SLOTS; n++) {
            id = trv_test_id(n);
            (void) trv_tries_add(trv_shared, 0, &id, 1000);
        }

        assert_true(trv_flush_next(&f, 1000, &trv_words));
        seen = trv_said(100000, false) == 1;
        trv_flush_settle(&f);
    }

    assert_true(seen);
}


#define TRV_TEST(f)                                                           \
    cmocka_unit_test_setup_teardown(f, trv_tries_setup, trv_tries_teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TRV_TEST(trv_tries_are_counted_and_flushed),
        TRV_TEST(trv_tries_not_answered_are_sent_again),
        TRV_TEST(trv_tries_survive_who_flushes),
        TRV_TEST(trv_tries_of_who_was_killed_are_found),
        TRV_TEST(trv_tries_have_bounds),
        TRV_TEST(trv_tries_take_turns),
    };

    return cmocka_run_group_tests_name("trv_tries", tests, NULL, NULL);
}
