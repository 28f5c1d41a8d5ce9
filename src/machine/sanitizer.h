/* SPDX-License-Identifier: MIT */
/*
 * sanitizer.h: what AddressSanitizer, ThreadSanitizer and Valgrind must be told about stacks
 *
 * The tools follow a thread by its stack and are lost when it changes. This file tells them, and is
 * the only one that does; in an ordinary build every function here is empty. What each wants:
 *
 *     ASan       before a switch the bounds of the stack that is gone to, after it a word that we
 *                are there. It may keep a "fake stack" for each context (use after return); NULL
 *                instead of a place to save it means that the context will never run again.
 *     TSan       a "fiber" for each context, and the switch of fibers in the same function as the
 *                switch of stacks: otherwise its own record of calls gets out of step. gcc 12 ends
 *                the process at 8,128 fibers.
 *     Valgrind   the bounds of each stack, so that a jump of the stack pointer is not taken for a
 *                huge frame.
 *
 * All calls below are made by context.h. They are inlined by force, for TSan's sake.
 */
#ifndef WEFT_MACHINE_SANITIZER_H
#define WEFT_MACHINE_SANITIZER_H

#include <stddef.h>

#ifdef __has_feature
#define WEFT__HAS_FEATURE(feature) __has_feature(feature)
#else
#define WEFT__HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || WEFT__HAS_FEATURE(address_sanitizer)
#define WEFT__ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define WEFT__ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || WEFT__HAS_FEATURE(thread_sanitizer)
#define WEFT__TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define WEFT__TSAN 0
#endif

#if defined(WEFT_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifdef VALGRIND_STACK_REGISTER
#define WEFT__VALGRIND 1
#else
#define WEFT__VALGRIND 0
#endif

/** Any tool that slows the program and swells its frames: stacks are four times as large. */
#define WEFT__SANITIZED (WEFT__ASAN || WEFT__TSAN)

#define WEFT__INLINE static inline __attribute__((always_inline))

#if WEFT__SANITIZED
/** What the tools know of one context; part of struct weft__context. */
struct weft__sanitizer {
    /** The context that switched here last; NULL when it ended doing so. */
    struct weft__sanitizer *came_from;
    /** The lowest byte of the stack; NULL for a thread's own until it has first been left. */
    const void *low;
    /** Bytes of stack from there. */
    size_t size;
    /** ASan's fake stack while the context is suspended. */
    void *fake_stack;
    /** TSan's fiber; made when the context first runs, since one that never ran cannot be freed. */
    void *fiber;
    /** The fiber of a context that ended by switching here, to be freed on arrival. */
    void *dead_fiber;
    /** The function that the context begins with, and its argument. */
    void (*entry)(void *arg);
    void *arg;
};

/** A new context over the stack of `size` bytes at `low`. */
WEFT__INLINE void weft__sanitizer_make(struct weft__sanitizer *c, const void *low, size_t size)
{
    *c = (struct weft__sanitizer){.low = low, .size = size};
}

/** The context of the stack that we are on. Its bounds are learned when it is first left. */
WEFT__INLINE void weft__sanitizer_adopt(struct weft__sanitizer *c)
{
    *c = (struct weft__sanitizer){0};
#if WEFT__TSAN
    c->fiber = __tsan_get_current_fiber();
#endif
}

/** Right before the switch; `forever`: `from` ends here. */
WEFT__INLINE void weft__sanitizer_leave(struct weft__sanitizer *from, struct weft__sanitizer *to,
                                        int forever)
{
    to->came_from = forever ? NULL : from;
#if WEFT__ASAN
    __sanitizer_start_switch_fiber(forever ? NULL : &from->fake_stack, to->low, to->size);
#endif
#if WEFT__TSAN
    to->dead_fiber = forever ? from->fiber : NULL;
    if (!to->fiber)
        to->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from;
}

/** Right after a switch to `self`. */
WEFT__INLINE void weft__sanitizer_arrive(struct weft__sanitizer *self)
{
#if WEFT__ASAN
    struct weft__sanitizer *from = self->came_from;
    __sanitizer_finish_switch_fiber(self->fake_stack, from ? &from->low : NULL,
                                    from ? &from->size : NULL);
#endif
#if WEFT__TSAN
    if (self->dead_fiber)
        __tsan_destroy_fiber(self->dead_fiber);
    self->dead_fiber = NULL;
#endif
    (void)self;
}

#if WEFT__ASAN
/**
 * Forgets a context that is suspended for good at `sp`: its frames' red zones, and its fake stack,
 * which only a final departure from the context itself can free. So we pretend one.
 */
WEFT__INLINE void weft__sanitizer_abandon(struct weft__sanitizer *c, const char *sp)
{
    const char *top = (const char *)c->low + c->size;
    struct weft__sanitizer self = {0};

    __asan_unpoison_memory_region(sp, (size_t)(top - sp));
    __sanitizer_start_switch_fiber(&self.fake_stack, c->low, c->size);
    __sanitizer_finish_switch_fiber(c->fake_stack, &self.low, &self.size);
    __sanitizer_start_switch_fiber(NULL, self.low, self.size);
    __sanitizer_finish_switch_fiber(self.fake_stack, NULL, NULL);
    c->fake_stack = NULL;
}
#endif

/** Forgets a context that does not run and never will; `sp` is NULL when it ended by itself. */
WEFT__INLINE void weft__sanitizer_free(struct weft__sanitizer *c, const void *sp)
{
#if WEFT__ASAN
    if (sp)
        weft__sanitizer_abandon(c, (const char *)sp);
#endif
#if WEFT__TSAN
    if (sp && c->fiber)
        __tsan_destroy_fiber(c->fiber);
    c->fiber = NULL;
#endif
    (void)c;
    (void)sp;
}
#endif /* WEFT__SANITIZED */

/** A range is about to be unmapped: whatever lies there next must not inherit its red zones. */
WEFT__INLINE void weft__sanitizer_forget(const void *p, size_t size)
{
#if WEFT__ASAN
    __asan_unpoison_memory_region(p, size);
#else
    (void)p;
    (void)size;
#endif
}

/** Tells Valgrind of a stack; the number is for the call below. */
WEFT__INLINE unsigned weft__valgrind_register(const void *low, const void *top)
{
#if WEFT__VALGRIND
    return VALGRIND_STACK_REGISTER(low, (const char *)top - 1);
#else
    (void)low;
    (void)top;
    return 0;
#endif
}

/** The stack is about to be unmapped. */
WEFT__INLINE void weft__valgrind_deregister(unsigned id)
{
#if WEFT__VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#else
    (void)id;
#endif
}

#endif
