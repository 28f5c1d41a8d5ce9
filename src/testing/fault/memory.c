/* SPDX-License-Identifier: MIT */
/*
 * memory.c: clock, randomness and memory that fail
 *
 * What is taken and given back is counted: blocks of memory by number alone, not by address, since
 * a block freed twice would show as one too few, and libc would stop the process first; mappings by
 * their bytes. Giving back never fails in effect: an unmapping that is told to fail has unmapped,
 * as with a kernel that ran out of memory for the halves of what was split.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

weft_ns weft__fault_clock(const struct weft_sys *sys)
{
    __atomic_fetch_add(&weft__fault_self(sys)->calls[WEFT_TESTING_CALL_CLOCK], 1, __ATOMIC_RELAXED);
    return sys->inner->clock(sys->inner);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, RANDOM, random,
                  (const struct weft_sys *sys, void *buf, size_t len), (sys->inner, buf, len));

void *weft__fault_realloc(const struct weft_sys *sys, void *p, size_t size)
{
    struct weft_testing_faults *fault = weft__fault_self(sys);

    if (size == 0) {
        __atomic_fetch_sub(&fault->blocks, p != NULL, __ATOMIC_RELAXED);
        return sys->inner->realloc(sys->inner, p, 0);
    }
    if (weft__fault_decide(sys, WEFT_TESTING_CALL_REALLOC) < 0)
        return NULL;
    void *moved = sys->inner->realloc(sys->inner, p, size);
    __atomic_fetch_add(&fault->blocks, moved && !p, __ATOMIC_RELAXED);
    return moved;
}

int weft__fault_mmap(const struct weft_sys *sys, size_t len, int prot, int flags, int fd,
                     int64_t offset, void **ret)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_MMAP);

    if (rc == 0)
        rc = sys->inner->mmap(sys->inner, len, prot, flags, fd, offset, ret);
    if (rc == 0) {
        __atomic_fetch_add(&weft__fault_self(sys)->mapped, (int64_t)len, __ATOMIC_RELAXED);
        weft__fault_ring_mapped(weft__fault_ring_of(sys), fd, offset, *ret);
    }
    return rc;
}

int weft__fault_munmap(const struct weft_sys *sys, void *p, size_t len)
{
    int chosen = weft__fault_decide(sys, WEFT_TESTING_CALL_MUNMAP);
    int rc = sys->inner->munmap(sys->inner, p, len);

    if (rc == 0)
        __atomic_fetch_sub(&weft__fault_self(sys)->mapped, (int64_t)len, __ATOMIC_RELAXED);
    return chosen < 0 ? chosen : rc;
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, MPROTECT, mprotect,
                  (const struct weft_sys *sys, void *p, size_t len, int prot),
                  (sys->inner, p, len, prot));

WEFT__FAULT_ENTRY(weft__fault_decide, int, MADVISE, madvise,
                  (const struct weft_sys *sys, void *p, size_t len, int advice),
                  (sys->inner, p, len, advice));
