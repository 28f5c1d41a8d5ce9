/* SPDX-License-Identifier: MIT */
/*
 * stack.c: the slow half of the pool: growing, first uses, trimming, the end
 *
 * Each size has its slabs (stack_slab.h) and a list of stacks put back, which is an array of
 * pointers and not a chain through the stacks: taking one touches no memory of the others, and
 * trimming can begin at the cold end. Slabs double from 8 stacks to 1,024 (or 512 MiB), so that a
 * small program maps little and a million tasks about a thousand slabs. Guards are made a few ahead
 * of use, for a guard that fails must fail a reserve.
 *
 * Slabs are unmapped only with the pool. Address space is not scarce, and a loop that needed a
 * hundred thousand stacks once will again; what costs memory are pages, and those trimming returns.
 */
#include "machine/stack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/** Stacks of a class's first slab, and of its largest. */
#define FIRST_SLOTS 8
#define MOST_SLOTS 1024
/** No slab is larger than this unless one stack is. */
#define MOST_BYTES ((size_t)512 << 20)
/** So many guards are made at a time. */
#define GUARDS_AHEAD 8
/** The most recently used stacks that trimming spares: so many, or so many bytes. */
#define WARM_STACKS 16
#define WARM_BYTES ((size_t)4 << 20)

/** What the environment says; AUTO when nothing, or nothing that we know. */
static enum weft__guard guard_of_environment(void)
{
    const char *name = weft_sys_default.getenv(&weft_sys_default, "WEFT_GUARD");

    if (!name)
        return WEFT__GUARD_AUTO;
    if (!strcmp(name, "madvise"))
        return WEFT__GUARD_MADVISE;
    if (!strcmp(name, "mprotect"))
        return WEFT__GUARD_MPROTECT;
    return strcmp(name, "none") ? WEFT__GUARD_AUTO : WEFT__GUARD_NONE;
}

void weft__stack_pool_init(struct weft__stack_pool *pool, const struct weft_sys *sys,
                           enum weft__guard guard)
{
    *pool = (struct weft__stack_pool){.sys = sys};
    pool->guard = guard == WEFT__GUARD_AUTO ? guard_of_environment() : guard;
}

void weft__stack_pool_fini(struct weft__stack_pool *pool)
{
    const struct weft_sys *sys = pool->sys;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        struct weft__stack_class *class = &pool->classes[i];

        while (class->oldest) {
            struct weft__stack_slab *slab = class->oldest;

            class->oldest = slab->next;
            weft__stack_slab_unmap(sys, slab);
        }
        if (class->free)
            sys->realloc(sys, class->free, 0);
        *class = (struct weft__stack_class){0};
    }
}

int weft__stack_class(size_t size)
{
    int size_class = WEFT__STACK_SMALL;

    if (size == 0)
        return WEFT__STACK_DEFAULT;
    if (WEFT__SANITIZED && size > weft__stack_size(WEFT__STACK_CLASSES - 1) / 4)
        return -EINVAL;
    if (WEFT__SANITIZED)
        size *= 4;
    while (size_class < WEFT__STACK_CLASSES && weft__stack_size((unsigned)size_class) < size)
        size_class++;
    return size_class < WEFT__STACK_CLASSES ? size_class : -EINVAL;
}

/* --- Growing ---------------------------------------------------------------------------------- */

/** Makes room to put `slots` more stacks back. */
static int grow_free_list(const struct weft_sys *sys, struct weft__stack_class *class,
                          unsigned slots)
{
    unsigned needed = class->slots + slots;
    unsigned capacity = class->free_capacity * 2 > needed ? class->free_capacity * 2 : needed;
    void *list;

    if (needed <= class->free_capacity)
        return 0;
    list = sys->realloc(sys, class->free, capacity * sizeof(struct weft__stack *));
    if (!list)
        return -ENOMEM;
    class->free = (struct weft__stack **)list;
    class->free_capacity = capacity;
    return 0;
}

/** How many stacks the next slab should have. */
static unsigned next_slots(const struct weft__stack_class *class, size_t slot_size)
{
    size_t slots = class->youngest ? (size_t) class->youngest->slots * 2 : FIRST_SLOTS;

    if (slots > MOST_SLOTS)
        slots = MOST_SLOTS;
    if (slots > MOST_BYTES / slot_size)
        slots = MOST_BYTES / slot_size;
    return slots ? (unsigned)slots : 1;
}

static void append_slab(struct weft__stack_class *class, struct weft__stack_slab *slab)
{
    if (class->youngest)
        class->youngest->next = slab;
    else
        class->oldest = slab;
    if (!class->unused)
        class->unused = slab;
    class->youngest = slab;
    class->slots += slab->slots;
}

static int add_slab(struct weft__stack_pool *pool, unsigned size_class)
{
    struct weft__stack_class *class = &pool->classes[size_class];
    size_t slot_size = weft__slot_size(weft__stack_size(size_class));
    unsigned slots = next_slots(class, slot_size);
    struct weft__stack_slab *slab = NULL;

    if (grow_free_list(pool->sys, class, slots) < 0 ||
        weft__stack_slab_map(pool->sys, slot_size, slots, &slab) < 0) {
        pool->note =
            "no memory for another stack: out of memory or address space, or the process has "
            "as many memory mappings as vm.max_map_count allows";
        return -ENOMEM;
    }
    append_slab(class, slab);
    return 0;
}

/** Guards the next few slots of the youngest slab; succeeds if there is at least one. */
static int add_guards(struct weft__stack_pool *pool, struct weft__stack_class *class)
{
    struct weft__stack_slab *slab = class->youngest;
    enum weft__guard guard = pool->guard ? pool->guard : weft__guard_of_process();

    for (unsigned i = 0; i < GUARDS_AHEAD && slab->guarded < slab->slots; i++) {
        int rc = weft__stack_slab_guard(pool->sys, slab, guard, &pool->note);

        if (rc < 0)
            return i > 0 ? 0 : rc;
        class->fresh++;
    }
    return 0;
}

int weft__stack_reserve_more(struct weft__stack_pool *pool, unsigned size_class)
{
    struct weft__stack_class *class = &pool->classes[size_class];
    const struct weft__stack_slab *slab = class->youngest;
    int rc = 0;

    if (!slab || slab->guarded == slab->slots)
        rc = add_slab(pool, size_class);
    if (rc == 0)
        rc = add_guards(pool, class);
    if (rc == 0)
        class->reserved++;
    return rc;
}

struct weft__stack *weft__stack_take_fresh(struct weft__stack_pool *pool, unsigned size_class)
{
    struct weft__stack_class *class = &pool->classes[size_class];
    struct weft__stack_slab *slab = class->unused;
    struct weft__stack *stack = weft__stack_slab_use(slab, size_class);

    class->fresh--;
    if (slab->used == slab->slots)
        class->unused = slab->next;
    return stack;
}

/* --- Trimming --------------------------------------------------------------------------------- */

/** How many of the stacks put back last keep what they touched. */
static unsigned warm_stacks(unsigned size_class)
{
    size_t by_size = WARM_BYTES / weft__stack_size(size_class);

    return by_size < WARM_STACKS ? (unsigned)by_size : WARM_STACKS;
}

/** Gives back all pages of a free stack but the one that its head is in. */
static void trim_stack(const struct weft_sys *sys, const struct weft__stack *stack)
{
    uintptr_t hot = (uintptr_t)stack & ~(uintptr_t)(weft__page_size() - 1);

    (void)sys->madvise(sys, stack->low, hot - (uintptr_t)stack->low, MADV_DONTNEED);
}

unsigned weft__stack_trim(struct weft__stack_pool *pool, unsigned budget)
{
    unsigned treated = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        struct weft__stack_class *class = &pool->classes[i];
        unsigned warm = warm_stacks(i);

        while (treated < budget && class->clean + warm < class->free_count) {
            trim_stack(pool->sys, class->free[class->clean++]);
            treated++;
        }
    }
    return treated;
}
