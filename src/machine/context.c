/* SPDX-License-Identifier: MIT */
/*
 * context.c: what surrounds the switch: beginnings, ends, and the state of those that ask for more
 *
 * The first frame of a new context is written here as weft__switch would have left it; the tables
 * in switch/ show it. Under ASan and TSan a new context begins in a function that reports its
 * arrival and then calls the real one. The state that only some contexts keep to themselves is
 * saved around the plain switch, on the context's own stack, so that it costs the others nothing.
 *
 * Stacks come from elsewhere (stack.h); where there is no switch of ours, switch/ucontext.c writes
 * the first frame and switches.
 */
#include "machine/context.h"

#include <errno.h>
#include <string.h>

#if WEFT__SANITIZED
/** The entry function of every context in a sanitizer build. */
static void report_arrival(void *arg)
{
    struct weft__context *self = (struct weft__context *)arg;

    weft__sanitizer_arrive(&self->sanitizer);
    self->sp = NULL;
    self->sanitizer.entry(self->sanitizer.arg);
    __builtin_unreachable();
}
#endif

void weft__context_make(struct weft__context *c, void *low, void *top, void (*entry)(void *arg),
                        void *arg)
{
#if WEFT__SANITIZED
    weft__sanitizer_make(&c->sanitizer, low, (size_t)((char *)top - (char *)low));
    c->sanitizer.entry = entry;
    c->sanitizer.arg = arg;
    entry = report_arrival;
    arg = c;
#endif
    weft__context_prepare(c, low, top, entry, arg);
}

void weft__context_adopt(struct weft__context *c)
{
    c->sp = NULL;
#if WEFT__SANITIZED
    weft__sanitizer_adopt(&c->sanitizer);
#endif
}

void weft__context_free(struct weft__context *c)
{
#if WEFT__SANITIZED
    weft__sanitizer_free(&c->sanitizer, c->sp);
#endif
    c->sp = NULL;
}

#if WEFT__SWITCH != WEFT__SWITCH_UCONTEXT

void weft__context_enter(void);

/** Writes the frame that the first switch takes up. */
void weft__context_prepare(struct weft__context *c, void *low, void *top, void (*entry)(void *arg),
                           void *arg)
{
    uintptr_t *frame = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - WEFT__FRAME_WORDS;

    (void)low;
    memset(frame, 0, WEFT__FRAME_WORDS * sizeof *frame);
    frame[WEFT__FRAME_ENTRY] = (uintptr_t)entry;
    frame[WEFT__FRAME_ARG] = (uintptr_t)arg;
    frame[WEFT__FRAME_RESUME] = (uintptr_t)weft__context_enter;
    c->sp = frame;
}

int weft__context_check(void)
{
#if defined(__x86_64__)
    uint64_t shadow_stack = 0;

    /* Does nothing, and leaves the 0, on processors without shadow stacks and where they are off.
     */
    __asm__ volatile("rdsspq %0" : "+r"(shadow_stack));
    return shadow_stack ? -ENOTSUP : 0;
#elif defined(__aarch64__)
    register uint64_t features __asm__("x16") = 1;

    /* chkfeat x16, by its number for assemblers that do not know it: clears bit 0 where the guarded
       control stack is on, and does nothing on processors that have none. */
    __asm__ volatile("hint #40" : "+r"(features));
    return features == 0 ? -ENOTSUP : 0;
#else
    /* RISC-V has an instruction to ask, which processors of before it refuse. Only a C library that
       found its mark in all parts of a program turns shadow stacks on, and ours has none. */
    return 0;
#endif
}

#endif

/** The head of the C++ runtime's per-thread record, which the Itanium C++ ABI lays down. */
struct cxa_globals {
    void *caught;
    unsigned uncaught;
};

/** Present only where the program has a C++ runtime. */
struct cxa_globals *__cxa_get_globals(void) __attribute__((weak));

void weft__full_state_read(struct weft__full_state *ret)
{
    struct cxa_globals *exceptions = __cxa_get_globals ? __cxa_get_globals() : NULL;

    *ret = (struct weft__full_state){0};
    if (exceptions) {
        ret->caught = exceptions->caught;
        ret->uncaught = exceptions->uncaught;
    }
    weft__control_read(&ret->control);
}

void weft__full_state_load(const struct weft__full_state *state)
{
    struct cxa_globals *exceptions = __cxa_get_globals ? __cxa_get_globals() : NULL;

    if (exceptions) {
        exceptions->caught = state->caught;
        exceptions->uncaught = state->uncaught;
    }
    weft__control_load(&state->control);
}

ssize_t weft__context_switch_full(struct weft__context *from, struct weft__context *to,
                                  struct weft__full_state *shared, ssize_t value)
{
    struct weft__full_state own;

    weft__full_state_read(&own);
    weft__full_state_load(shared);
    value = weft__context_switch_with(from, to, value);
    weft__full_state_read(shared);
    weft__full_state_load(&own);
    return value;
}
