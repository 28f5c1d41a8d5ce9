/* SPDX-License-Identifier: MIT */
/*
 * stack_slab.c: mapping stacks by the hundred, and guarding them
 *
 * A slab is one anonymous mapping without reservation, so that its size is only address space, and
 * without huge pages, which would commit 2 MiB for the first frame of each stack.
 *
 * Guards come from MADV_GUARD_INSTALL where it works and else from mprotect. Whether it works is
 * found out by effect, for the call may succeed and do nothing (user-mode emulators accept any
 * advice): a guarded page must make write(2) fail with EFAULT. This is asked of the kernel once in
 * a process and not through a loop's table, which may be a simulation; the guards themselves go
 * through the table.
 *
 * The table of slabs is static and its entries are claimed by compare-and-swap, never freed as
 * memory, so that a signal handler can walk it at any time. A slab that finds no place there works
 * all the same; only the report of an overflow will not name its task.
 */
#include "machine/stack_slab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "machine/sanitizer.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/** How many places a stack's head may have at the end of its slot, and how far apart. */
#define COLOURS 16
#define COLOUR_STEP 64

/** A slab as a signal handler sees it. */
struct listed_slab {
    /** Where the slab begins; 0: the entry is free; 1: it is being filled. */
    _Atomic uintptr_t base;
    /** Bytes of the slab and of each slot. */
    _Atomic size_t size;
    _Atomic size_t slot_size;
};

/** Enough for four million stacks; untouched pages of it cost nothing. */
#define LISTED_SLABS 4096
static struct listed_slab listed_slabs[LISTED_SLABS];
/** No entry at or above this one was ever used. */
static _Atomic int listed_slabs_end;

size_t weft__page_size(void)
{
    static _Atomic size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);

    if (!size) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

size_t weft__slot_size(size_t size)
{
    size_t page = weft__page_size();
    size_t pages = (size + page - 1) / page + 1;

    return (pages | 1) * page;
}

/* --- The table of slabs --------------------------------------------------------------------- */

/** Publishes a slab; the base comes last, and with it the rest. */
static int list_slab(const struct weft__stack_slab *slab)
{
    for (int i = 0; i < LISTED_SLABS; i++) {
        struct listed_slab *entry = &listed_slabs[i];
        uintptr_t nobody = 0;

        if (atomic_load(&entry->base) || !atomic_compare_exchange_strong(&entry->base, &nobody, 1))
            continue;
        atomic_store(&entry->size, slab->slot_size * slab->slots);
        atomic_store(&entry->slot_size, slab->slot_size);
        atomic_store(&entry->base, (uintptr_t)slab->base);

        int end = atomic_load(&listed_slabs_end);
        while (end <= i && !atomic_compare_exchange_weak(&listed_slabs_end, &end, i + 1)) {
        }
        return i;
    }
    return -1;
}

static void unlist_slab(const struct weft__stack_slab *slab)
{
    if (slab->listed >= 0)
        atomic_store(&listed_slabs[slab->listed].base, 0);
}

/** The head of the stack in the slot that begins at `slot`, the index-th of its slab. */
static struct weft__stack *stack_of_slot(char *slot, size_t slot_size, size_t index)
{
    char *end = slot + slot_size - index % COLOURS * COLOUR_STEP;

    return (struct weft__stack *)(void *)(end - sizeof(struct weft__stack));
}

/** Looks for `address` in one entry; false when it is free, changing, or elsewhere. */
static bool find_in(struct listed_slab *entry, uintptr_t address, struct weft__stack_hit *ret)
{
    uintptr_t base = atomic_load(&entry->base);
    size_t size = atomic_load(&entry->size);
    size_t slot_size = atomic_load(&entry->slot_size);
    uintptr_t offset = address - base;

    if (atomic_load(&entry->base) != base)
        return false; /* another slab took the place meanwhile */
    if (base <= 1 || offset >= size || offset % slot_size >= weft__page_size())
        return false;

    char *slot = (char *)base + offset / slot_size * slot_size;
    const struct weft__stack *stack = stack_of_slot(slot, slot_size, offset / slot_size);

    ret->owner = stack->owner;
    ret->low = slot + weft__page_size();
    ret->size = (size_t)((const char *)stack - (const char *)ret->low);
    return true;
}

bool weft__stack_find(const void *address, struct weft__stack_hit *ret)
{
    int end = atomic_load(&listed_slabs_end);

    for (int i = 0; i < end; i++)
        if (find_in(&listed_slabs[i], (uintptr_t)address, ret))
            return true;
    return false;
}

/* --- Slabs ------------------------------------------------------------------------------------ */

/** Maps as many slots as the address space has room for, by halves; their number goes to *slots. */
static int map_slots(const struct weft_sys *sys, size_t slot_size, unsigned *slots, void **ret)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    int rc;

    do {
        rc = sys->mmap(sys, slot_size * *slots, PROT_READ | PROT_WRITE, flags, -1, 0, ret);
        if (rc == 0)
            return 0;
        *slots /= 2;
    } while (*slots > 0);
    return rc;
}

int weft__stack_slab_map(const struct weft_sys *sys, size_t slot_size, unsigned slots,
                         struct weft__stack_slab **ret)
{
    struct weft__stack_slab *slab =
        (struct weft__stack_slab *)sys->realloc(sys, NULL, sizeof(*slab));
    void *base = NULL;

    if (!slab)
        return -ENOMEM;
    if (map_slots(sys, slot_size, &slots, &base) < 0) {
        sys->realloc(sys, slab, 0);
        return -ENOMEM;
    }
    /* Refused where the kernel knows no huge pages; then there is nothing to prevent either. */
    (void)sys->madvise(sys, base, slot_size * slots, MADV_NOHUGEPAGE);
    *slab = (struct weft__stack_slab){.base = (char *)base, .slot_size = slot_size, .slots = slots};
    slab->listed = list_slab(slab);
    *ret = slab;
    return 0;
}

/** Takes back what Valgrind was told. */
static void deregister_stacks(const struct weft__stack_slab *slab)
{
    if (!WEFT__VALGRIND)
        return;
    for (unsigned i = 0; i < slab->used; i++) {
        char *slot = slab->base + i * slab->slot_size;

        weft__valgrind_deregister(stack_of_slot(slot, slab->slot_size, i)->valgrind_id);
    }
}

void weft__stack_slab_unmap(const struct weft_sys *sys, struct weft__stack_slab *slab)
{
    size_t size = slab->slot_size * slab->slots;

    unlist_slab(slab);
    deregister_stacks(slab);
    weft__sanitizer_forget(slab->base, size);
    sys->munmap(sys, slab->base, size);
    sys->realloc(sys, slab, 0);
}

struct weft__stack *weft__stack_slab_use(struct weft__stack_slab *slab, unsigned size_class)
{
    unsigned index = slab->used++;
    char *slot = slab->base + index * slab->slot_size;
    struct weft__stack *stack = stack_of_slot(slot, slab->slot_size, index);

    weft__assert(index < slab->guarded);
    stack->low = slot + weft__page_size();
    stack->owner = NULL;
    stack->size_class = size_class;
    stack->valgrind_id = weft__valgrind_register(stack->low, stack);
    return stack;
}

/* --- Guards ----------------------------------------------------------------------------------- */

int weft__stack_slab_guard(const struct weft_sys *sys, struct weft__stack_slab *slab,
                           enum weft__guard guard, const char **note)
{
    void *page = slab->base + slab->guarded * slab->slot_size;
    int rc = guard == WEFT__GUARD_NONE ? 0 : -EINVAL;

    weft__assert(slab->guarded < slab->slots);
    if (guard == WEFT__GUARD_MADVISE)
        rc = sys->madvise(sys, page, weft__page_size(), MADV_GUARD_INSTALL);
    /* Also after a refusal: a mapping that mlockall(2) pinned takes no marks. */
    if (rc < 0)
        rc = sys->mprotect(sys, page, weft__page_size(), PROT_NONE);
    if (rc < 0) {
        *note = "no guard page for another stack: out of memory, or the process has as many memory "
                "mappings as vm.max_map_count allows (on Linux 6.13 and newer guards need none)";
        return -ENOMEM;
    }
    slab->guarded++;
    return 0;
}

/** Whether the kernel refuses to read `page`; negative when that cannot be tried. */
static int page_refuses(const struct weft_sys *sys, const void *page)
{
    int fds[2];
    int rc = sys->pipe2(sys, fds, O_CLOEXEC | O_NONBLOCK);

    if (rc < 0)
        return rc;
    ssize_t n = sys->write(sys, fds[1], page, 1);
    sys->close(sys, fds[0]);
    sys->close(sys, fds[1]);
    return n == -EFAULT;
}

enum weft__guard weft__guard_probe(const struct weft_sys *sys)
{
    size_t size = weft__page_size();
    enum weft__guard found = WEFT__GUARD_MPROTECT;
    void *page = NULL;

    if (sys->mmap(sys, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &page) < 0)
        return WEFT__GUARD_AUTO;
    if (sys->madvise(sys, page, size, MADV_GUARD_INSTALL) == 0) {
        int refuses = page_refuses(sys, page);

        if (refuses)
            found = refuses < 0 ? WEFT__GUARD_AUTO : WEFT__GUARD_MADVISE;
    }
    sys->munmap(sys, page, size);
    return found;
}

enum weft__guard weft__guard_of_process(void)
{
    static _Atomic int known = WEFT__GUARD_AUTO;
    int guard = atomic_load(&known);

    if (guard == WEFT__GUARD_AUTO) {
        guard = (int)weft__guard_probe(&weft_sys_default);
        atomic_store(&known, guard);
    }
    return (enum weft__guard)guard;
}
