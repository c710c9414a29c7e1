
#include <stdio.h>

#include "trv_history.h"


#define TRV_HISTORY_COUNT_BITS  36
#define TRV_HISTORY_COUNT_MAX   (((uint64_t) 1 << TRV_HISTORY_COUNT_BITS) - 1)

#define TRV_HISTORY_TELL_MS     2000

#define TRV_HISTORY_TEXT_LEN    (TRV_HISTORY_N * sizeof("68719476735"))


static size_t trv_history_text(const trv_history_t *h, uint64_t minute,
    char text[TRV_HISTORY_TEXT_LEN]);


void
trv_history_init(trv_history_t *h, uint64_t epoch, uint64_t wall_ms,
    uint64_t now_ms)
{
    h->epoch = epoch;
    trv_history_clock_set(h, (int64_t) wall_ms - (int64_t) now_ms);
}


void
trv_history_clock_set(trv_history_t *h, int64_t ahead_ms)
{
    atomic_store_explicit(&h->ahead_ms, ahead_ms, memory_order_relaxed);
}


uint64_t
trv_history_minute(const trv_history_t *h, uint64_t now_ms)
{
    int64_t  ahead_ms;

    ahead_ms = atomic_load_explicit(&h->ahead_ms, memory_order_relaxed);

    return (now_ms + (uint64_t) ahead_ms) / TRV_HISTORY_MINUTE_MS;
}


/* each word stands for itself: no order between them is needed */

void
trv_history_add(trv_history_t *h, uint64_t minute, size_t what, uint64_t n)
{
    uint64_t           count, was;
    _Atomic uint64_t  *word;

    word = &h->words[minute % TRV_HISTORY_MINUTES][what];
    was = atomic_load_explicit(word, memory_order_relaxed);

    do {
        count = was >> TRV_HISTORY_COUNT_BITS == minute
                ? was & TRV_HISTORY_COUNT_MAX : 0;

        count = n < TRV_HISTORY_COUNT_MAX - count ? count + n
                                                  : TRV_HISTORY_COUNT_MAX;

    } while (!atomic_compare_exchange_weak_explicit(word, &was,
                 minute << TRV_HISTORY_COUNT_BITS | count,
                 memory_order_relaxed, memory_order_relaxed));
}


uint64_t
trv_history_get(const trv_history_t *h, uint64_t minute, size_t what)
{
    uint64_t  word;

    word = atomic_load_explicit(&h->words[minute % TRV_HISTORY_MINUTES][what],
                                memory_order_relaxed);

    return word >> TRV_HISTORY_COUNT_BITS == minute
           ? word & TRV_HISTORY_COUNT_MAX : 0;
}


bool
trv_history_tell(trv_telling_t *t, uint64_t now_ms, trv_words_t *words)
{
    char            text[TRV_HISTORY_TEXT_LEN];
    size_t          len;
    uint64_t        minute;
    trv_history_t  *h;

    h = t->history;

    if (h == NULL
        || (t->last_ms && now_ms - t->last_ms < TRV_HISTORY_TELL_MS))
    {
        return false;
    }

    t->last_ms = now_ms;
    t->minute = trv_history_minute(h, now_ms);

    trv_words_begin(words, TRV_SCRIPT_MINUTES);

    snprintf(text, sizeof(text), "%016llx", (unsigned long long) h->epoch);
    trv_words_add_text(words, text);

    minute = t->minute - TRV_HISTORY_MINUTES + 1;

    if (minute < t->told && t->told <= t->minute) {
        minute = t->told;                /* else the clock was set back */
    }

    for ( /* void */ ; minute <= t->minute; minute++) {
        len = trv_history_text(h, minute, text);

        if (len) {
            trv_words_add_number(words, minute);
            trv_words_add(words, text, len);
        }
    }

    return words->command.argc > 1;
}


/* up to the last one that is not 0, with blanks between */

static size_t
trv_history_text(const trv_history_t *h, uint64_t minute,
    char text[TRV_HISTORY_TEXT_LEN])
{
    size_t    i, used, len;
    uint64_t  n;

    used = 0;
    len = 0;

    for (i = 0; i < TRV_HISTORY_N; i++) {
        n = trv_history_get(h, minute, i);

        used += snprintf(text + used, TRV_HISTORY_TEXT_LEN - used, "%s%llu",
                         i ? " " : "", (unsigned long long) n);

        if (n) {
            len = used;
        }
    }

    return len;
}
