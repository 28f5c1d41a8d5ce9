/* SPDX-License-Identifier: MIT */
/*
 * poison.h: telling AddressSanitizer and Valgrind which bytes may be used
 *
 * Memory that weft keeps for reuse looks allocated to the tools; marking it while nobody owns it
 * makes them report a stale pointer as they would after free(3).
 *
 * The other way round, Valgrind and MemorySanitizer learn what a system call writes from the call
 * itself, while a completion ring (io_uring) writes later and behind their back: a buffer that it
 * filled would look uninitialized for ever. AddressSanitizer needs nothing there: it tracks what
 * may be touched, not what was written, and declaring a buffer usable would hide that its owner had
 * freed it.
 *
 * In ordinary builds all of this is empty. How stacks and switches are explained to the tools is
 * machine/sanitizer.h's.
 */
#ifndef WEFT_BASE_POISON_H
#define WEFT_BASE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define WEFT__POISON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT__POISON_ASAN 1
#endif
#endif
#ifndef WEFT__POISON_ASAN
#define WEFT__POISON_ASAN 0
#endif

#if WEFT__POISON_ASAN
#include <sanitizer/asan_interface.h>
#endif

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define WEFT__POISON_MSAN 1
#endif
#endif
#ifndef WEFT__POISON_MSAN
#define WEFT__POISON_MSAN 0
#endif

#if defined(WEFT_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifdef VALGRIND_MAKE_MEM_NOACCESS
#define WEFT__POISON_VALGRIND 1
#else
#define WEFT__POISON_VALGRIND 0
#endif

/** Nobody may read or write these bytes. */
static inline void weft__poison(const void *p, size_t len)
{
#if WEFT__POISON_ASAN
    __asan_poison_memory_region(p, len);
#elif WEFT__POISON_VALGRIND
    (void)VALGRIND_MAKE_MEM_NOACCESS(p, len);
#endif
    (void)p;
    (void)len;
}

/** These bytes may be used, and hold nothing yet. */
static inline void weft__unpoison(const void *p, size_t len)
{
#if WEFT__POISON_ASAN
    __asan_unpoison_memory_region(p, len);
#elif WEFT__POISON_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
#endif
    (void)p;
    (void)len;
}

/** These bytes may be used and hold what somebody wrote whom the tools did not see. */
static inline void weft__unpoison_written(const void *p, size_t len)
{
#if WEFT__POISON_ASAN
    __asan_unpoison_memory_region(p, len);
#elif WEFT__POISON_VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
#endif
    (void)p;
    (void)len;
}

/** The kernel wrote these bytes. */
static inline void weft__annotate_written(const void *p, size_t len)
{
#if WEFT__POISON_MSAN
    __msan_unpoison(p, len);
#elif WEFT__POISON_VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
#endif
    (void)p;
    (void)len;
}

#endif
