/* SPDX-License-Identifier: MIT */
/*
 * generator_test.h: bodies and helpers that the tests of generators share
 */
#ifndef GENERATOR_TEST_H
#define GENERATOR_TEST_H

#include "test.h"

#include <weft/generator.h>

#ifndef WEFT_DEBUG
#define WEFT_DEBUG 0
#endif

/** A small number as a value. */
static inline void *number(intptr_t n)
{
    return (void *)n;
}

/** A generator, or the test fails. */
#define make(fn, arg) make_at((fn), (arg), #fn, WEFT_SITE)
static inline struct weft_gen *make_at(weft_gen_fn *fn, void *arg, const char *name,
                                       const char *site)
{
    struct weft_gen *gen = NULL;
    CHECK_OK(weft_gen_new_at(fn, arg, name, site, &gen));
    return gen;
}

/**
 * Runs something that misuses generators: where that aborts, in a child that must say `sentence`;
 * elsewhere here, where it checks the codes by itself.
 */
static inline void misuse(void (*function)(void), const char *sentence)
{
#if WEFT_DEBUG
    test_fork_expect_signal(function, SIGABRT, sentence);
#else
    (void)sentence;
    function();
#endif
}

/** Yields arg, arg - 1, ... 1. */
static inline int countdown(struct weft_gen *gen, void *arg)
{
    int rc = 0;
    for (intptr_t n = (intptr_t)arg; rc == 0 && n > 0; n--)
        rc = weft_gen_yield(gen, number(n), NULL);
    return rc;
}

/** Yields its argument. */
static inline int yield_once(struct weft_gen *gen, void *arg)
{
    return weft_gen_yield(gen, arg, NULL);
}

/** Yields what it was sent, until an error comes, which it returns. */
static inline int echo(struct weft_gen *gen, void *arg)
{
    int rc;
    while ((rc = weft_gen_yield(gen, arg, &arg)) == 0)
        continue;
    return rc;
}

/** Returns its argument without a yield. */
static inline int fail_at_once(struct weft_gen *gen, void *arg)
{
    (void)gen;
    return (int)(intptr_t)arg;
}

/** Returns its argument after one yield. */
static inline int fail_after_one(struct weft_gen *gen, void *arg)
{
    int rc = weft_gen_yield(gen, NULL, NULL);
    return rc < 0 ? rc : (int)(intptr_t)arg;
}

#endif
