
/*
 * The order in which a batch is written down, each step a whole one:
 *
 *     its number -> entry by entry, how many of its tries are under way
 *     -> sent, answered -> entry by entry, that many off
 *     -> the number is settled
 *
 * Whoever takes over in the middle of it finds the number not settled.  Then
 * the batch is what the entries say is under way: all of it, a part that was
 * not sent yet, or the rest of one that Redis has, which it does not count
 * again.
 */

#include <stdio.h>

#include "trv_flush.h"


static bool trv_flush_table(trv_flush_t *f, bool again);
static void trv_flush_take_over(trv_flush_t *f);
static void trv_flush_collect(trv_flush_t *f);
static void trv_flush_words(trv_flush_t *f, uint64_t now_ms,
    trv_words_t *words);


bool
trv_flush_next(trv_flush_t *f, uint64_t now_ms, trv_words_t *words)
{
    trv_tries_t  *t;

    t = f->tries;

    if (f->n == 0 && atomic_load(&t->batch) != atomic_load(&t->settled)) {
        trv_flush_take_over(f);
    }

    if (f->n == 0) {
        trv_flush_collect(f);
    }

    if (f->n == 0) {
        return false;
    }

    trv_flush_words(f, now_ms, words);

    return true;
}


static void
trv_flush_take_over(trv_flush_t *f)
{
    size_t  used;

    used = atomic_load(&f->tries->used);

    for (f->table = 0; f->table < used; f->table++) {
        (void) trv_flush_table(f, true);
    }

    if (f->n == 0) {
        atomic_store(&f->tries->settled, atomic_load(&f->tries->batch));
    }
}


/* begins behind the table where the last batch ended: none waits for ever */

static void
trv_flush_collect(trv_flush_t *f)
{
    size_t              i, used;
    uint64_t            word;
    trv_tries_t        *t;
    trv_tries_table_t  *table;

    t = f->tries;
    used = atomic_load(&t->used);

    for (i = 0; i < used; i++) {
        if (f->table >= used) {
            f->table = 0;
        }

        table = &t->tables[f->table];

        if (atomic_exchange(&table->dirty, 0) && !trv_flush_table(f, false)) {
            atomic_store(&table->dirty, 1);
            i = used;
        }

        f->table++;
    }

    if (f->n == 0) {
        return;
    }

    atomic_fetch_add(&t->batch, 1);

    for (i = 0; i < f->n; i++) {
        word = atomic_load(&f->slots[i]->word);
        atomic_fetch_add(&f->slots[i]->word,
                         (uint64_t) trv_try_pending(word) << 32);
    }
}


/* one table, from f->slot on and round; false: the batch is full */

static bool
trv_flush_table(trv_flush_t *f, bool again)
{
    size_t      i;
    uint64_t    word;
    trv_try_t  *slot;

    for (i = 0; i < TRV_TRIES_SLOTS; i++) {
        slot = &f->tries->tables[f->table].slots[f->slot];
        word = atomic_load(&slot->word);

        if (again ? trv_try_under_way(word) : trv_try_pending(word)) {

            if (f->n == TRV_FLUSH_MAX) {
                return false;
            }

            f->slots[f->n++] = slot;
        }

        f->slot = (f->slot + 1) % TRV_TRIES_SLOTS;
    }

    return true;
}


/* ages, not moments: the clocks of edges may differ */

static void
trv_flush_words(trv_flush_t *f, uint64_t now_ms, trv_words_t *words)
{
    char        text[TRV_ID_HEX_LEN + 1];
    size_t      i;
    uint64_t    last, word;
    trv_id_t    id;
    trv_try_t  *slot;

    trv_words_begin(words, TRV_SCRIPT_TRIES);

    snprintf(text, sizeof(text), "%016llx",
             (unsigned long long) f->tries->epoch);
    trv_words_add_text(words, text);
    trv_words_add_number(words, atomic_load(&f->tries->batch));

    for (i = 0; i < f->n; i++) {
        slot = f->slots[i];

        id.hi = atomic_load_explicit(&slot->hi, memory_order_relaxed);
        id.lo = atomic_load_explicit(&slot->lo, memory_order_relaxed);
        last = atomic_load_explicit(&slot->last_ms, memory_order_relaxed);
        word = atomic_load(&slot->word);

        trv_id_format(&id, text);
        trv_words_add(words, text, TRV_ID_HEX_LEN);
        trv_words_add_number(words, trv_try_under_way(word));
        trv_words_add_number(words, last < now_ms ? now_ms - last : 0);
    }
}


uint64_t
trv_flush_settle(trv_flush_t *f)
{
    size_t    i;
    uint64_t  n, sum;

    sum = 0;

    for (i = 0; i < f->n; i++) {
        n = trv_try_under_way(atomic_load(&f->slots[i]->word));
        atomic_fetch_sub(&f->slots[i]->word, n << 32 | n);
        sum += n;
    }

    atomic_store(&f->tries->settled, atomic_load(&f->tries->batch));
    f->n = 0;

    return sum;
}
