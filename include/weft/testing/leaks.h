/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/leaks.h: what a piece of a program leaves behind
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * Descriptors, loops with their tasks, blocks of memory and mappings, before and after. Memory is
 * counted in programs that ask for it at their linking.
 */
#ifndef WEFT_TESTING_LEAKS_H
#define WEFT_TESTING_LEAKS_H

#include <weft/types.h>

WEFT_BEGIN

/** What a process had at an instant. */
struct weft_testing_leaks;

/**
 * Notes which descriptors below 65,536 are open, how many loops there are, and, in a program that
 * counts memory (WEFT_TESTING_COUNT_MEMORY), which blocks are allocated and how much is mapped.
 * Plain. The notes go to *ret and are ended by weft_testing_leaks_end. -ENOMEM.
 */
WEFT_API int weft_testing_leaks_begin(struct weft_testing_leaks **ret);

/**
 * Prints to stderr what there is more than at weft_testing_leaks_begin, each thing by name: the
 * descriptor and what it is, the loop with a dump of its living tasks, the block with its size and
 * number, the mapped bytes; ends the notes. Plain. How many of these four kinds leaked.
 *
 *     weft: leak: descriptor 7 (socket:[51243]) is still open
 *     weft: leak: memory block 312 of 64 bytes is not freed
 *
 * WEFT_LEAK_BREAK=312 in the environment stops the process (SIGTRAP) where that block is allocated,
 * for a debugger.
 */
WEFT_API int weft_testing_leaks_end(struct weft_testing_leaks *leaks);

/**
 * Written once at the top level of one C file of a program, it makes leaks of memory visible: the
 * program's own, and those of every library that is linked statically. That file includes
 * <sys/mman.h>, and the program is linked with
 *
 *     -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=mmap,--wrap=munmap
 *
 * Blocks that libc allocates by itself (strdup, getaddrinfo) are not counted.
 */
#define WEFT_TESTING_COUNT_MEMORY                                                                  \
    void *__real_malloc(size_t size);                                                              \
    void *__real_calloc(size_t count, size_t size);                                                \
    void *__real_realloc(void *p, size_t size);                                                    \
    void __real_free(void *p);                                                                     \
    void *__real_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset);             \
    int __real_munmap(void *p, size_t len);                                                        \
    void *__wrap_malloc(size_t size);                                                              \
    void *__wrap_calloc(size_t count, size_t size);                                                \
    void *__wrap_realloc(void *p, size_t size);                                                    \
    void __wrap_free(void *p);                                                                     \
    void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset);             \
    int __wrap_munmap(void *p, size_t len);                                                        \
    void *__wrap_malloc(size_t size)                                                               \
    {                                                                                              \
        void *p = weft_testing_memory_refused() ? NULL : __real_malloc(size);                      \
        weft_testing_note_block(p, size);                                                          \
        return p;                                                                                  \
    }                                                                                              \
    void *__wrap_calloc(size_t count, size_t size)                                                 \
    {                                                                                              \
        void *p = weft_testing_memory_refused() ? NULL : __real_calloc(count, size);               \
        weft_testing_note_block(p, count *size);                                                   \
        return p;                                                                                  \
    }                                                                                              \
    void *__wrap_realloc(void *p, size_t size)                                                     \
    {                                                                                              \
        if (size > 0 && weft_testing_memory_refused())                                             \
            return NULL;                                                                           \
        size_t old_size = 0;                                                                       \
        int known = weft_testing_forget_block(p, &old_size);                                       \
        void *moved = __real_realloc(p, size);                                                     \
        if (moved)                                                                                 \
            weft_testing_note_block(moved, size);                                                  \
        else if (known && size > 0)                                                                \
            weft_testing_note_block(p, old_size);                                                  \
        return moved;                                                                              \
    }                                                                                              \
    void __wrap_free(void *p)                                                                      \
    {                                                                                              \
        size_t size;                                                                               \
        (void)weft_testing_forget_block(p, &size);                                                 \
        __real_free(p);                                                                            \
    }                                                                                              \
    void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t offset)              \
    {                                                                                              \
        void *mapped = __real_mmap(p, len, prot, flags, fd, offset);                               \
        if (mapped != MAP_FAILED && !(flags & MAP_FIXED))                                          \
            weft_testing_note_mapped(len, 1);                                                      \
        return mapped;                                                                             \
    }                                                                                              \
    int __wrap_munmap(void *p, size_t len)                                                         \
    {                                                                                              \
        int rc = __real_munmap(p, len);                                                            \
        if (rc == 0)                                                                               \
            weft_testing_note_mapped(len, -1);                                                     \
        return rc;                                                                                 \
    }                                                                                              \
    struct weft_testing_leaks

/** Notes a block of memory; NULL is fine. Called by the wrapped calls, or an allocator of your own.
 *  Plain. Any thread. */
WEFT_API void weft_testing_note_block(const void *p, size_t size);

/** Forgets a block before it is freed or moved; its size goes to *ret. 1, or 0 when it was never
 *  noted. Plain. Any thread. */
WEFT_API int weft_testing_forget_block(const void *p, size_t *ret);

/** From now on (1) the calling thread gets no memory from a counted malloc, calloc or realloc; 0
 *  ends that. For what takes memory before there is a table that could refuse it. Plain. Any
 *  thread. */
WEFT_API void weft_testing_refuse_memory(int refuse);

/** Nonzero while the calling thread is refused memory. For the wrapped calls. Plain. Any thread. */
WEFT_API int weft_testing_memory_refused(void);

/** Notes that `len` bytes, in whole pages, were mapped (`sign` 1) or unmapped (-1). Plain. Any
 *  thread. */
WEFT_API void weft_testing_note_mapped(size_t len, int sign);

WEFT_END

#endif
