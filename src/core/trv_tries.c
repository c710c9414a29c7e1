
/*
 * A token belongs to one of TRV_TRIES_PROBE slots next to each other.  Ids are
 * digests, so they spread by themselves; whoever makes tokens whose ids do not
 * can only make evidence about these tokens incomplete, and has to have them
 * revoked first.
 */

#include "trv_tries.h"


#define TRV_TRIES_PROBE  8


static void trv_tries_count(trv_tries_table_t *table, trv_try_t *slot,
    uint64_t now_ms);


size_t
trv_tries_size(size_t n)
{
    return sizeof(trv_tries_t) + n * sizeof(trv_tries_table_t);
}


void
trv_tries_init(trv_tries_t *t, size_t n, uint64_t epoch)
{
    t->n = n;
    t->epoch = epoch;
}


void
trv_tries_open(trv_tries_t *t, size_t table)
{
    uint64_t  used;

    used = atomic_load(&t->used);

    while (used <= table
           && !atomic_compare_exchange_weak(&t->used, &used, table + 1))
    {
        /* used has been loaded anew */
    }

    /* an owner that was killed may have counted and not said so */

    atomic_store(&t->tables[table].dirty, 1);
}


trv_rc_e
trv_tries_add(trv_tries_t *t, size_t n, const trv_id_t *id, uint64_t now_ms)
{
    size_t              i;
    uint64_t            word;
    trv_try_t          *slot, *empty;
    trv_tries_table_t  *table;

    empty = NULL;
    table = &t->tables[n];

    for (i = 0; i < TRV_TRIES_PROBE; i++) {
        slot = &table->slots[(id->lo + i) % TRV_TRIES_SLOTS];

        /* pairs with the subtraction of the reader, which is done with it */

        word = atomic_load_explicit(&slot->word, memory_order_acquire);

        if (atomic_load_explicit(&slot->lo, memory_order_relaxed) == id->lo
            && atomic_load_explicit(&slot->hi, memory_order_relaxed) == id->hi)
        {
            if (trv_try_pending(word) >= TRV_TRIES_MAX) {
                return TRV_FULL;
            }

            trv_tries_count(table, slot, now_ms);
            return TRV_OK;
        }

        if (word == 0 && empty == NULL) {
            empty = slot;
        }
    }

    if (empty == NULL) {
        return TRV_FULL;
    }

    atomic_store_explicit(&empty->hi, id->hi, memory_order_relaxed);
    atomic_store_explicit(&empty->lo, id->lo, memory_order_relaxed);

    trv_tries_count(table, empty, now_ms);

    return TRV_OK;
}


/*
 * The reader takes `dirty` away, then looks at the words; we change the word,
 * then look at `dirty`.  All four in one order (seq_cst), so either it sees
 * the word or we see that it has been there.
 */

static void
trv_tries_count(trv_tries_table_t *table, trv_try_t *slot, uint64_t now_ms)
{
    atomic_store_explicit(&slot->last_ms, now_ms, memory_order_relaxed);
    atomic_fetch_add(&slot->word, 1);

    if (atomic_load(&table->dirty) == 0) {
        atomic_store(&table->dirty, 1);
    }
}


uint64_t
trv_tries_pending(const trv_tries_t *t)
{
    size_t    i, n;
    uint64_t  sum, used;

    sum = 0;
    used = atomic_load(&t->used);

    for (n = 0; n < used; n++) {
        for (i = 0; i < TRV_TRIES_SLOTS; i++) {
            sum += trv_try_pending(atomic_load_explicit(
                       &t->tables[n].slots[i].word, memory_order_relaxed));
        }
    }

    return sum;
}
