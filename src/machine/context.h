/* SPDX-License-Identifier: MIT */
/*
 * context.h: several stacks on one thread
 *
 * A context is a stack and a place in it. Exactly one runs; the others are suspended where they
 * last switched away. The layers above see make, switch and free, and build coroutines from them.
 *
 *     struct weft__context loop, task;
 *
 *     weft__context_adopt(&loop);                      the stack that we are on
 *     weft__context_make(&task, low, top, run, arg);   a new one; nothing runs yet
 *     weft__context_switch(&loop, &task);              runs run(arg) until it switches back
 *     weft__context_free(&task);
 *
 * On x86-64, aarch64 and riscv64 the switch is an assembly file in switch/: six to twenty-four
 * registers, about 4 ns for a round trip on x86-64. Elsewhere, and with -DWEFT_UCONTEXT=1, it is
 * the C library's swapcontext, which also saves and restores the signal mask and costs two system
 * calls for a round trip.
 *
 * A context belongs to its thread. The caller keeps the stack alive until the context has ended or
 * is freed. Nothing here allocates or fails, except weft__context_check.
 */
#ifndef WEFT_MACHINE_CONTEXT_H
#define WEFT_MACHINE_CONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/control.h"
#include "machine/sanitizer.h"
#include "machine/switch/frame.h"

/** One stack and where it stands. */
struct weft__context {
    /**
     * While suspended: the saved frame (with ucontext: the saved ucontext_t). NULL: it has ended,
     * or is a thread's own and was never left. While it runs: where it last was suspended
     * (sanitizer builds: NULL).
     */
    void *sp;
#if WEFT__SANITIZED
    /** What the tools were told. */
    struct weft__sanitizer sanitizer;
#endif
};

/*
 * The switch comes back by an indirect jump, so the instruction behind the call must be a valid
 * target where branch tracking is compiled in. This is how the C library declares swapcontext, too:
 * compilers without the exact attribute know a call that returns twice. (On aarch64 the switch ends
 * in a return then, see switch/aarch64.S.)
 */
#if defined(__CET__) && defined(__has_attribute)
#if __has_attribute(indirect_return)
#define WEFT__INDIRECT_RETURN __attribute__((indirect_return))
#else
#define WEFT__INDIRECT_RETURN __attribute__((returns_twice))
#endif
#else
#define WEFT__INDIRECT_RETURN
#endif

/*
 * Compilers make a jump of a last call, and then the switch comes back to our caller's caller,
 * which is wanted, but has no such mark. So where marks matter the call stays a call.
 */
#if defined(__CET__) && (__CET__ & 1)
#define WEFT__STAY_A_CALL() __asm__ volatile("")
#else
#define WEFT__STAY_A_CALL() ((void)0)
#endif

/**
 * The bare switch: suspends the caller into *from_sp and goes on at *to_sp, where the call that
 * suspended that context returns `value`.
 */
WEFT__INDIRECT_RETURN ssize_t weft__switch(void **from_sp, void *const *to_sp, ssize_t value);

/** weft__switch for a caller whose own result is an int, so that it, too, can end in a jump. */
WEFT__INDIRECT_RETURN int weft__switch_int(void **from_sp, void *const *to_sp, ssize_t value);

/** Goes on at *to_sp with `value` and keeps nothing of the caller. */
void weft__switch_final(void *const *to_sp, ssize_t value) __attribute__((noreturn));

/** Writes the first frame of a new context; one for each kind of switch. */
void weft__context_prepare(struct weft__context *c, void *low, void *top, void (*entry)(void *arg),
                           void *arg);

/**
 * Makes a context that will run entry(arg) on the stack from `low` up to `top`, and must be ended
 * by weft__context_switch_final: `entry` never returns. Floating-point control words are those in
 * force when it first runs.
 */
void weft__context_make(struct weft__context *c, void *low, void *top, void (*entry)(void *arg),
                        void *arg);

/** Makes `c` stand for the stack that the caller is on, which keeps its place and its owner. */
void weft__context_adopt(struct weft__context *c);

/**
 * Lets go of a context that is not running. One that is suspended is given up as it stands: nothing
 * on its stack runs any more.
 */
void weft__context_free(struct weft__context *c);

/**
 * 0, or -ENOTSUP where switching cannot work: shadow stacks are in force although this library does
 * not claim to support them. Use a build with WEFT_UCONTEXT there.
 */
int weft__context_check(void);

/**
 * Suspends `from`, which is running, and goes on with `to`, whose own switch returns `value`.
 * Returns what whoever switches back gives. As the last act of a function this is a jump, not a
 * call (but see WEFT__STAY_A_CALL).
 */
WEFT__INLINE ssize_t weft__context_switch_with(struct weft__context *from, struct weft__context *to,
                                               ssize_t value)
{
#if WEFT__SANITIZED
    weft__sanitizer_leave(&from->sanitizer, &to->sanitizer, 0);
    value = weft__switch(&from->sp, &to->sp, value);
    weft__sanitizer_arrive(&from->sanitizer);
    from->sp = NULL;
#else
    value = weft__switch(&from->sp, &to->sp, value);
    WEFT__STAY_A_CALL();
#endif
    return value;
}

/** weft__context_switch_with for a caller whose own result is an int. */
WEFT__INLINE int weft__context_switch_int(struct weft__context *from, struct weft__context *to,
                                          ssize_t value)
{
#if WEFT__SANITIZED
    return (int)weft__context_switch_with(from, to, value);
#else
    int result = weft__switch_int(&from->sp, &to->sp, value);

    WEFT__STAY_A_CALL();
    return result;
#endif
}

/** weft__context_switch_with for those who have nothing to say. */
WEFT__INLINE void weft__context_switch(struct weft__context *from, struct weft__context *to)
{
    (void)weft__context_switch_with(from, to, 0);
}

/** Ends `from`, which is running, and goes on with `to`. From then on nobody uses the old stack. */
__attribute__((noreturn)) WEFT__INLINE void
weft__context_switch_final_with(struct weft__context *from, struct weft__context *to, ssize_t value)
{
    from->sp = NULL;
#if WEFT__SANITIZED
    weft__sanitizer_leave(&from->sanitizer, &to->sanitizer, 1);
#endif
    weft__switch_final(&to->sp, value);
}

/** weft__context_switch_final_with for those who have nothing to say. */
__attribute__((noreturn)) WEFT__INLINE void weft__context_switch_final(struct weft__context *from,
                                                                       struct weft__context *to)
{
    weft__context_switch_final_with(from, to, 0);
}

/**
 * What a context that asked for it keeps to itself: how floating-point arithmetic rounds and traps,
 * and the C++ runtime's record of exceptions in flight. The others share one set.
 */
struct weft__full_state {
    /** C++: the exceptions being handled, innermost first. */
    void *caught;
    /** C++: how many are being thrown. */
    unsigned uncaught;
    /** How arithmetic rounds and traps. */
    struct weft__control control;
};

/** Reads the state in force. */
void weft__full_state_read(struct weft__full_state *ret);

/** Puts a state in force: in the child one that its creator read, at the end the others'. */
void weft__full_state_load(const struct weft__full_state *state);

/**
 * As weft__context_switch_with, and keeps the caller's own state. `*shared` is the set of the
 * others: read it where the context begins, give it to each switch, load it before
 * weft__context_switch_final.
 */
ssize_t weft__context_switch_full(struct weft__context *from, struct weft__context *to,
                                  struct weft__full_state *shared, ssize_t value);

#endif
