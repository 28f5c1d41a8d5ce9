/* SPDX-License-Identifier: MIT */
/*
 * stack.h: a loop's stacks
 *
 * A pool hands out guarded stacks of a few sizes and takes them back. It belongs to one thread.
 *
 *     reserve ──▶ a promise: one take will not fail      (a spawn does this, and reports -ENOMEM)
 *     take    ──▶ the stack used last, else a fresh one  (the first run does this)
 *     put     ──▶ back, on top                           (the end does this)
 *
 *          mapped          guarded            in use          free
 *     ───────────────▶ fresh ───────take────▶ ● ────put────▶ kept, last in first out
 *         reserve        │                    ▲                │
 *                        └ never touched      └──────take──────┘
 *
 * A promise costs no memory that is touched, so a burst of a thousand spawns whose tasks run one
 * after the other needs a thousand promises and one hot stack.
 *
 * What a deep call touched stays with the stack while it is among the most recently used; of the
 * others weft__stack_trim gives back all but the page where frames begin.
 */
#ifndef WEFT_MACHINE_STACK_H
#define WEFT_MACHINE_STACK_H

#include <stddef.h>
#include <weft/sys.h>

#include "base/assert.h"
#include "machine/sanitizer.h"
#include "machine/stack_slab.h"

/** Class n has stacks of 16 KiB << n. */
#define WEFT__STACK_CLASSES 18
/** The small class and the default one. Sanitizers swell frames: four times as much, none small. */
#if WEFT__SANITIZED
#define WEFT__STACK_SMALL 6
#define WEFT__STACK_DEFAULT 6
#else
#define WEFT__STACK_SMALL 0
#define WEFT__STACK_DEFAULT 4
#endif

/** The stacks of one size. */
struct weft__stack_class {
    /** Stacks put back, the most recent last. Has room for every stack of the class. */
    struct weft__stack **free;
    unsigned free_count;
    unsigned free_capacity;
    /** The first so many of them were trimmed since they were put back. */
    unsigned clean;
    /** Takes that were promised. Never more than free_count + fresh. */
    unsigned reserved;
    /** Guarded slots that nobody has used yet. */
    unsigned fresh;
    /** Slots mapped, with a guard or not yet. */
    unsigned slots;
    /** All slabs, oldest first; those before `unused` have no fresh slot. */
    struct weft__stack_slab *oldest;
    struct weft__stack_slab *unused;
    struct weft__stack_slab *youngest;
};

/** One loop's stacks. */
struct weft__stack_pool {
    /** Where memory comes from. */
    const struct weft_sys *sys;
    /** The guard asked for. */
    enum weft__guard guard;
    /** Why the last reserve failed, a sentence; NULL before. */
    const char *note;
    /** The stacks by size. */
    struct weft__stack_class classes[WEFT__STACK_CLASSES];
};

/** Makes an empty pool. With AUTO the environment's WEFT_GUARD (madvise, mprotect, none) decides.
 */
void weft__stack_pool_init(struct weft__stack_pool *pool, const struct weft_sys *sys,
                           enum weft__guard guard);

/** Unmaps everything; no stack may be in use by anybody who will run again. */
void weft__stack_pool_fini(struct weft__stack_pool *pool);

/** The class for stacks of at least `size` bytes (0: the default), or -EINVAL: larger than any. */
int weft__stack_class(size_t size);

/** Bytes that the frames of a class's stacks may use, a little less than this. */
static inline size_t weft__stack_size(unsigned size_class)
{
    return (size_t)16384 << size_class;
}

/** Makes room for one more stack than was promised. See weft__stack_reserve. */
int weft__stack_reserve_more(struct weft__stack_pool *pool, unsigned size_class);

/** The first use of a fresh stack. See weft__stack_take. */
struct weft__stack *weft__stack_take_fresh(struct weft__stack_pool *pool, unsigned size_class);

/** Promises one stack. 0, or -ENOMEM and a sentence in pool->note. */
static inline int weft__stack_reserve(struct weft__stack_pool *pool, unsigned size_class)
{
    struct weft__stack_class *class = &pool->classes[size_class];

    if (weft__unlikely(class->reserved >= class->free_count + class->fresh))
        return weft__stack_reserve_more(pool, size_class);
    class->reserved++;
    return 0;
}

/** Gives a promise back. */
static inline void weft__stack_unreserve(struct weft__stack_pool *pool, unsigned size_class)
{
    weft__assert(pool->classes[size_class].reserved > 0);
    pool->classes[size_class].reserved--;
}

/**
 * Redeems a promise; never fails. The stack's own head is its end: frames, and whatever the layer
 * above wants to keep in their page, begin right below the returned address.
 */
static inline struct weft__stack *weft__stack_take(struct weft__stack_pool *pool,
                                                   unsigned size_class)
{
    struct weft__stack_class *class = &pool->classes[size_class];

    weft__assert(class->reserved > 0);
    class->reserved--;
    if (weft__unlikely(!class->free_count))
        return weft__stack_take_fresh(pool, size_class);
    unsigned count = --class->free_count;
    if (class->clean > count)
        class->clean = count;
    return class->free[count];
}

/** Takes a stack back that nobody uses any more. Not the one that we are on: switch away first. */
static inline void weft__stack_put(struct weft__stack_pool *pool, struct weft__stack *stack)
{
    struct weft__stack_class *class = &pool->classes[stack->size_class];

    weft__assert(class->free_count < class->free_capacity);
    stack->owner = NULL;
    class->free[class->free_count++] = stack;
}

/**
 * Gives pages back that deep calls touched, of at most `budget` stacks that were put back since,
 * coldest first; the most recently used keep theirs. For when the loop is idle. Returns how many it
 * treated: fewer than `budget` means that nothing is left to do.
 */
unsigned weft__stack_trim(struct weft__stack_pool *pool, unsigned budget);

#endif
