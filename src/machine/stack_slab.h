/* SPDX-License-Identifier: MIT */
/*
 * stack_slab.h: many stacks in one mapping, with a guard page below each
 *
 *     slab->base
 *     │ guard │ ............ stack 0 ...... ◀frames│head│colour│ guard │ ...... stack 1 ...
 *     └─────────────────────── one slot ───────────────────────┘
 *
 * A slot is an odd number of pages, and the head of each stack lies 0 to 15 cache lines below the
 * slot's end (its colour): stacks whose hot ends were a power of two apart would all compete for
 * the same few sets of the caches (12.4 ns for a switch in a ring of 1,000 instead of 4.0, on a Zen
 * 4).
 *
 * Slots are guarded in order and a few at a time, and used in order; memory that is not used is
 * never touched. All slabs of the process are listed in a table that a signal handler can read.
 */
#ifndef WEFT_MACHINE_STACK_SLAB_H
#define WEFT_MACHINE_STACK_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/sys.h>

/** How the page below a stack is made to fault. */
enum weft__guard {
    /** Not chosen by anybody: the best that works here, but some guard always. */
    WEFT__GUARD_AUTO,
    /** MADV_GUARD_INSTALL (Linux 6.13): a mark in the page table; costs no mapping. */
    WEFT__GUARD_MADVISE,
    /** mprotect: two mappings for each stack, of which a process has 65,530. */
    WEFT__GUARD_MPROTECT,
    /** None. Only when asked for. */
    WEFT__GUARD_NONE,
};

/** The head of a stack, at its hot end, in the page of its first frames. */
struct weft__stack {
    /** The lowest byte that frames may use, right above the guard. */
    void *low;
    /** Whoever runs here, for the report of an overflow; set by the layer above, NULL when free. */
    void *owner;
    /** Which of the pool's classes it belongs to. */
    unsigned size_class;
    /** Valgrind's number of this stack. */
    unsigned valgrind_id;
} __attribute__((aligned(16)));

/** One mapping. */
struct weft__stack_slab {
    /** The next younger one of its class. */
    struct weft__stack_slab *next;
    /** Where the mapping begins. */
    char *base;
    /** Bytes from one stack to the next. */
    size_t slot_size;
    /** How many stacks there are. */
    unsigned slots;
    /** The first so many have their guard. */
    unsigned guarded;
    /** The first so many have been used. */
    unsigned used;
    /** Its place in the process's table, or -1 when that was full. */
    int listed;
};

/** What weft__stack_find found. */
struct weft__stack_hit {
    /** The owner of the stack that overflowed. */
    void *owner;
    /** The lowest byte of that stack. */
    const void *low;
    /** How large it is. */
    size_t size;
};

/** Bytes of a page. */
size_t weft__page_size(void);

/** Bytes of one slot for stacks of `size` bytes. */
size_t weft__slot_size(size_t size);

/**
 * Maps a slab of at most `slots` stacks, fewer where the address space is short. It goes to *ret.
 * 0 or -ENOMEM.
 */
int weft__stack_slab_map(const struct weft_sys *sys, size_t slot_size, unsigned slots,
                         struct weft__stack_slab **ret);

/** Unmaps a slab with all that is on its stacks. */
void weft__stack_slab_unmap(const struct weft_sys *sys, struct weft__stack_slab *slab);

/** Puts the guard below the next slot that has none. 0, -ENOMEM (then `*note` says which limit). */
int weft__stack_slab_guard(const struct weft_sys *sys, struct weft__stack_slab *slab,
                           enum weft__guard guard, const char **note);

/** Prepares and returns the next unused stack; it must have been guarded. */
struct weft__stack *weft__stack_slab_use(struct weft__stack_slab *slab, unsigned size_class);

/**
 * The guard that works with this table: MADVISE if a page guarded by it really refuses the kernel,
 * else MPROTECT. AUTO when that cannot be told now, for want of descriptors or memory.
 */
enum weft__guard weft__guard_probe(const struct weft_sys *sys);

/** The same for the process, asked once. */
enum weft__guard weft__guard_of_process(void);

/**
 * Whether `address` lies in the guard page of a stack of this process; *ret says whose.
 * Signal-safe: it takes no lock and touches only memory of the stack found.
 */
bool weft__stack_find(const void *address, struct weft__stack_hit *ret);

#endif
