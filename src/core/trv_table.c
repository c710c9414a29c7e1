
/*
 * Looking into a table and putting into it.  A reader in any process may be
 * in the middle of a probe whenever the writer stores something, and the
 * writer may be killed between any two stores.  Both are harmless by the order
 * of three stores:
 *
 *     writer                              reader
 *       day = D      (relaxed)              t = tags of the group (acquire)
 *       id  = { H, L }                      a tag of 0:  slot is empty
 *       tags of the group, with T           a tag of T:  id is { H, L },
 *                    (release)                           day is >= D
 *
 * A slot whose tag is still zero does not exist, whatever its other fields
 * say; the next put that ends there overwrites them.  A slot that exists never
 * changes but for its day, so a probe that has passed it need not return.
 * Slots of a group are taken in their order.
 */

#include <stdatomic.h>

#include "trv_table.h"


#define TRV_TABLE_LOWS   0x0101010101010101u /* 1 in every byte */
#define TRV_TABLE_SEVEN  0x7f7f7f7f7f7f7f7fu /* all but the highest bits */


/* where a probe begins, and what it looks for */
typedef struct {
    uint64_t  group;
    uint8_t   tag;
} trv_table_home_t;


_Static_assert(sizeof(trv_id_t) == 16, "ids are 16 bytes");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_SHORT_LOCK_FREE == 2,
               "atomics in a file cannot have locks beside them");


static inline trv_table_home_t
trv_table_home(const trv_table_t *t, const trv_id_t *id)
{
    uint64_t          mixed;
    trv_table_home_t  home;

    /* the upper bits of the mix are the random ones: scaled, not masked */

    mixed = id->hi * t->mul_hi + id->lo * t->mul_lo;

    home.group = (uint64_t) (((unsigned __int128) mixed * t->groups) >> 64);
    home.tag = (uint8_t) mixed;
    home.tag += (home.tag == 0);

    return home;
}


/*
 * The highest bit of each byte of tags that is equal to this one.  Exact: no
 * carry goes from one byte into the next (Warren, Hacker's Delight, 6-1).
 */

static inline uint64_t
trv_table_match(uint64_t tags, uint8_t tag)
{
    tags ^= TRV_TABLE_LOWS * tag;

    return ~(((tags & TRV_TABLE_SEVEN) + TRV_TABLE_SEVEN) | tags
             | TRV_TABLE_SEVEN);
}


/* partner: the release store in trv_table_add() */

static inline uint64_t
trv_table_tags(const trv_table_t *t, uint64_t group)
{
    return atomic_load_explicit(&t->tags[group], memory_order_acquire);
}


/* the slot of the lowest match in a group */

static inline uint64_t
trv_table_slot(uint64_t group, uint64_t match)
{
    return group * TRV_TABLE_GROUP + (uint64_t) __builtin_ctzll(match) / 8;
}


static inline uint64_t
trv_table_next(const trv_table_t *t, uint64_t group)
{
    group++;

    return (group == t->groups) ? 0 : group;
}


/*
 * Whether a probe that begins with these two groups ends in them without a
 * match, as most do.  Reckoned, not branched on: tags come late, from memory,
 * and what the processor did meanwhile on a wrong guess it does again.
 */

static inline bool
trv_table_absent(uint64_t first, uint64_t second, uint8_t tag)
{
    uint64_t  empty, matches;

    empty = trv_table_match(first, 0);

    matches = trv_table_match(first, tag);
    matches |= (empty == 0) * trv_table_match(second, tag);

    empty |= trv_table_match(second, 0);

    return matches == 0 && empty != 0;
}


/* the first slot in the group that has the id: TRV_OK or TRV_DECLINED */

static inline trv_rc_e
trv_table_find(const trv_table_t *t, uint64_t group, uint64_t tags,
    uint8_t tag, const trv_id_t *id, uint64_t *slot)
{
    uint64_t  match;

    for (match = trv_table_match(tags, tag); match != 0; match &= match - 1) {
        *slot = trv_table_slot(group, match);

        if (trv_id_equal(&t->ids[*slot], id)) {
            return TRV_OK;
        }
    }

    return TRV_DECLINED;
}


void
trv_table_prefetch(const trv_table_t *t, const trv_id_t *id, bool ids)
{
    uint64_t         group;
    const trv_id_t  *p;

    group = trv_table_home(t, id).group;

    __builtin_prefetch(&t->tags[group]);

    if (ids) {
        p = &t->ids[group * TRV_TABLE_GROUP];

        __builtin_prefetch(p);
        __builtin_prefetch(p + TRV_TABLE_GROUP / 2);
    }
}


bool
trv_table_lookup(const trv_table_t *t, const trv_id_t *id)
{
    uint64_t          n, tags, slot;
    trv_table_home_t  home;

    home = trv_table_home(t, id);
    tags = trv_table_tags(t, home.group);

    if (trv_table_absent(tags,
                         trv_table_tags(t, trv_table_next(t, home.group)),
                         home.tag))
    {
        return false;
    }

    for (n = t->probes; n != 0; n--) {
        tags = trv_table_tags(t, home.group);

        if (trv_table_find(t, home.group, tags, home.tag, id, &slot)
            == TRV_OK)
        {
            return true;
        }

        if (trv_table_match(tags, 0) != 0) {
            return false;
        }

        home.group = trv_table_next(t, home.group);
    }

    return false;
}


static trv_rc_e
trv_table_raise(trv_table_t *t, uint64_t i, uint16_t day,
    trv_table_place_t *place)
{
    place->slot = i;
    place->added = false;
    place->was = atomic_load_explicit(&t->days[i], memory_order_relaxed);

    if (place->was >= day) {
        return TRV_DECLINED;
    }

    atomic_store_explicit(&t->days[i], day, memory_order_relaxed);

    return TRV_OK;
}


/* into the first empty slot of a group */

static void
trv_table_add(trv_table_t *t, const trv_table_home_t *home, uint64_t tags,
    const trv_id_t *id, uint16_t day, trv_table_place_t *place)
{
    uint64_t  i;

    i = trv_table_slot(home->group, trv_table_match(tags, 0));

    atomic_store_explicit(&t->days[i], day, memory_order_relaxed);

    t->ids[i] = *id;

    /* partner: the acquire load in trv_table_tags() */

    tags |= (uint64_t) home->tag << i % TRV_TABLE_GROUP * 8;

    atomic_store_explicit(&t->tags[home->group], tags, memory_order_release);

    place->slot = i;
    place->was = 0;
    place->added = true;
}


trv_rc_e
trv_table_put(trv_table_t *t, const trv_id_t *id, uint16_t day, bool room,
    trv_table_place_t *place)
{
    uint64_t          n, tags, slot;
    trv_table_home_t  home;

    if (id->hi == 0) {
        return TRV_INVALID;
    }

    home = trv_table_home(t, id);

    tags = 0;

    for (n = t->probes; n != 0; n--) {
        tags = atomic_load_explicit(&t->tags[home.group],
                                    memory_order_relaxed);

        if (trv_table_find(t, home.group, tags, home.tag, id, &slot)
            == TRV_OK)
        {
            return trv_table_raise(t, slot, day, place);
        }

        if (trv_table_match(tags, 0) != 0) {
            break;
        }

        home.group = trv_table_next(t, home.group);
    }

    if (n == 0 || !room) {
        return TRV_FULL;
    }

    trv_table_add(t, &home, tags, id, day, place);

    return TRV_OK;
}


static inline uint8_t
trv_table_tag(const trv_table_t *t, uint64_t slot)
{
    return (uint8_t) (trv_table_tags(t, slot / TRV_TABLE_GROUP)
                      >> slot % TRV_TABLE_GROUP * 8);
}


bool
trv_table_occupied(const trv_table_t *t, uint64_t slot)
{
    return trv_table_tag(t, slot) != 0;
}


trv_rc_e
trv_table_entry(const trv_table_t *t, uint64_t slot, trv_id_t *id,
    uint16_t *day)
{
    uint8_t           tag;
    uint64_t          n, tags, found;
    trv_table_home_t  home;

    tag = trv_table_tag(t, slot);

    if (tag == 0) {
        return TRV_DECLINED;
    }

    *id = t->ids[slot];
    home = trv_table_home(t, id);

    if (id->hi == 0 || tag != home.tag) {
        return TRV_DECLINED;
    }

    /* as a lookup does: it must come here, and not end or match before */

    for (n = t->probes; n != 0; n--) {
        tags = trv_table_tags(t, home.group);

        if (trv_table_find(t, home.group, tags, tag, id, &found) == TRV_OK) {
            *day = atomic_load_explicit(&t->days[slot], memory_order_relaxed);

            return (found == slot) ? TRV_OK : TRV_DECLINED;
        }

        if (trv_table_match(tags, 0) != 0) {
            return TRV_DECLINED;
        }

        home.group = trv_table_next(t, home.group);
    }

    return TRV_DECLINED;
}
