/* SPDX-License-Identifier: MIT */
/*
 * switch_test.h: two contexts that drive each other, and traces of who called whom
 *
 * Contexts here run on plain mappings, without the pool. A trace is taken with the compiler's own
 * unwinder, which every C library has.
 */
#ifndef TEST_SWITCH_TEST_H
#define TEST_SWITCH_TEST_H

#include "test.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unwind.h>

#include "machine/context.h"

#define STACK_SIZE ((size_t)256 << 10)

/** A context with a stack, and the one that drives it. */
struct pair {
    struct weft__context driver;
    struct weft__context body;
    char *stack;
    unsigned valgrind_id;
    /** Whatever the body counts. */
    int count;
};

static inline void pair_init(struct pair *p, void (*entry)(void *arg))
{
    p->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p->stack != MAP_FAILED);
    p->valgrind_id = weft__valgrind_register(p->stack, p->stack + STACK_SIZE);
    p->count = 0;
    weft__context_adopt(&p->driver);
    weft__context_make(&p->body, p->stack, p->stack + STACK_SIZE, entry, p);
}

static inline void pair_fini(struct pair *p)
{
    weft__context_free(&p->body);
    weft__valgrind_deregister(p->valgrind_id);
    munmap(p->stack, STACK_SIZE);
}

/** From the driver into the body and back. */
static inline void drive(struct pair *p)
{
    weft__context_switch(&p->driver, &p->body);
}

/** From the body to the driver. */
static inline void back(struct pair *p)
{
    weft__context_switch(&p->body, &p->driver);
}

/** Program counters, innermost first. */
struct trace {
    void *pcs[64];
    int count;
};

static inline _Unwind_Reason_Code trace_frame(struct _Unwind_Context *frame, void *arg)
{
    struct trace *t = (struct trace *)arg;

    if (t->count == 64)
        return _URC_END_OF_STACK;
    t->pcs[t->count++] = (void *)_Unwind_GetIP(frame);
    return _URC_NO_REASON;
}

/** Who called whom, from here outwards. */
static inline void trace_take(struct trace *t)
{
    t->count = 0;
    _Unwind_Backtrace(trace_frame, t);
}

/** Where the function begins that a return address belongs to; the call is right before it. */
static inline void *function_of(void *return_address)
{
    return _Unwind_FindEnclosingFunction(return_address);
}

static inline bool in_trace(const struct trace *t, void (*function)(void))
{
    for (int i = 0; i < t->count; i++)
        if (function_of(t->pcs[i]) == (void *)(uintptr_t)function)
            return true;
    return false;
}

#endif
