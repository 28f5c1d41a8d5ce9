/* SPDX-License-Identifier: MIT */
/*
 * memory.c: clock, randomness and memory of the default table
 *
 * The monotonic clock in nanoseconds, random bytes, which come whole, and memory by the block and
 * by the page. realloc alone stands for the allocator, so that one entry counts and fails them all.
 * Nothing is cached: the clock is read where the loop asks for it, once a turn. There is no policy
 * here; what is done when memory runs out is decided by the caller.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

weft_ns weft__sys_clock(TABLE)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (weft_ns)now.tv_sec * WEFT_SEC + now.tv_nsec;
}

int weft__sys_random(TABLE, void *buf, size_t len)
{
    char *at = buf;
    while (len > 0) {
        ssize_t got = weft__sys_checked(getrandom(at, len, 0));
        if (got < 0 && got != -EINTR)
            return (int)got;
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
    return 0;
}

void *weft__sys_realloc(TABLE, void *p, size_t size)
{
    if (size > 0)
        return realloc(p, size);
    free(p);
    return NULL;
}

int weft__sys_mmap(TABLE, size_t len, int prot, int flags, int fd, int64_t offset, void **ret)
{
    void *p = mmap(NULL, len, prot, flags, fd, (off_t)offset);
    if (p == MAP_FAILED)
        return -errno;
    *ret = p;
    return 0;
}

int weft__sys_munmap(TABLE, void *p, size_t len)
{
    return weft__sys_checked_int(munmap(p, len));
}

int weft__sys_mprotect(TABLE, void *p, size_t len, int prot)
{
    return weft__sys_checked_int(mprotect(p, len, prot));
}

int weft__sys_madvise(TABLE, void *p, size_t len, int advice)
{
    return weft__sys_checked_int(madvise(p, len, advice));
}
