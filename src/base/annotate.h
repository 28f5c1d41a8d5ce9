/* SPDX-License-Identifier: MIT */
/*
 * annotate.h: telling Valgrind and MemorySanitizer that the kernel wrote bytes
 *
 * Both tools learn what a system call writes from the call itself. A completion ring writes later
 * and behind their back, so that a buffer it filled would look uninitialized for ever.
 * AddressSanitizer needs nothing here: it tracks what may be touched, not what was written, and
 * declaring a buffer usable would hide that its owner had freed it. In ordinary builds this is
 * empty.
 */
#ifndef WEFT_BASE_ANNOTATE_H
#define WEFT_BASE_ANNOTATE_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define WEFT__ANNOTATE_MSAN 1
#endif
#endif
#ifndef WEFT__ANNOTATE_MSAN
#define WEFT__ANNOTATE_MSAN 0
#endif

#if defined(WEFT_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

/** The kernel wrote these bytes. */
static inline void weft__annotate_written(const void *p, size_t len)
{
#if WEFT__ANNOTATE_MSAN
    __msan_unpoison(p, len);
#elif defined(VALGRIND_MAKE_MEM_DEFINED)
    (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
#endif
    (void)p;
    (void)len;
}

#endif
