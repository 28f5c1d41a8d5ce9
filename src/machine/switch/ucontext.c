/* SPDX-License-Identifier: MIT */
/*
 * ucontext.c: changing stacks with the C library's own calls
 *
 * For architectures without a switch of ours, and with -DWEFT_UCONTEXT=1 for anyone who doubts ours
 * or must run under shadow stacks, which the C library knows how to switch. The ucontext_t of a
 * suspended context lies on its own stack and context->sp points to it, so that struct
 * weft__context is the same in both builds. Each switch saves and restores the signal mask by a
 * system call: slow, and the mask belongs to the context here, not to the thread. It also gives
 * each context floating-point control words of its own, which ours does not, so these are carried
 * over (control.h).
 *
 * Not available in C libraries that have no swapcontext (musl).
 */
#define _GNU_SOURCE 1 /* names of registers */

#include "machine/context.h"

#if WEFT__SWITCH == WEFT__SWITCH_UCONTEXT

#include <ucontext.h>

/** What lies on the stack of a suspended context. */
struct suspended {
    /** Where it goes on. */
    ucontext_t context;
    /** What its switch returns; set by whoever resumes it. */
    ssize_t value;
    /** What is in force when it goes on; set by whoever resumes it. */
    struct weft__control control;
};

/** What a new context begins with; lies at the top of its stack. */
struct beginning {
    /** The first saved context. */
    struct suspended suspended;
    /** What to call. */
    void (*entry)(void *arg);
    void *arg;
};

/** makecontext passes ints only, so the pointer arrives in two halves. */
static void begin(unsigned high, unsigned low)
{
    uintptr_t address = (uintptr_t)((uint64_t)high << 32 | low);
    const struct beginning *b = (const struct beginning *)address;

    weft__control_load(&b->suspended.control);
    b->entry(b->arg);
    __builtin_unreachable();
}

/** Clears the frame pointer, which getcontext took from its caller, so that walks of frames end. */
static void end_frames(ucontext_t *context)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RBP] = 0;
#elif defined(__aarch64__)
    context->uc_mcontext.regs[29] = 0;
#elif defined(__riscv)
    context->uc_mcontext.__gregs[8] = 0;
#else
    (void)context;
#endif
}

void weft__context_prepare(struct weft__context *c, void *low, void *top, void (*entry)(void *arg),
                           void *arg)
{
    uintptr_t place = ((uintptr_t)top - sizeof(struct beginning)) & ~(uintptr_t)63;
    struct beginning *b = (struct beginning *)place;
    uint64_t address = place;

    ucontext_t *context = &b->suspended.context;
    getcontext(context);
    end_frames(context);
    b->entry = entry;
    b->arg = arg;
    context->uc_stack.ss_sp = low;
    context->uc_stack.ss_size = place - (uintptr_t)low;
    context->uc_link = NULL;
    makecontext(context, (void (*)(void))begin, 2, (unsigned)(address >> 32), (unsigned)address);
    c->sp = &b->suspended;
}

ssize_t weft__switch(void **from_sp, void *const *to_sp, ssize_t value)
{
    struct suspended here;
    struct suspended *there = (struct suspended *)*to_sp;

    *from_sp = &here;
    there->value = value;
    weft__control_read(&there->control);
    swapcontext(&here.context, &there->context);
    /* Its own saved state has just replaced them. */
    weft__control_load(&here.control);
    return here.value;
}

int weft__switch_int(void **from_sp, void *const *to_sp, ssize_t value)
{
    return (int)weft__switch(from_sp, to_sp, value);
}

void weft__switch_final(void *const *to_sp, ssize_t value)
{
    struct suspended *there = (struct suspended *)*to_sp;

    there->value = value;
    weft__control_read(&there->control);
    setcontext(&there->context);
    __builtin_unreachable();
}

int weft__context_check(void)
{
    return 0;
}

#endif
