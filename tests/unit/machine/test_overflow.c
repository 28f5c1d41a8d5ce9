/* SPDX-License-Identifier: MIT */
/*
 * test_overflow.c: a stack that overflows dies with its owner's name, and other faults as before
 *
 * Each fault happens in a child whose end and last words are looked at. The overflows are real
 * ones: a function that calls itself without end on a context's stack, with each kind of guard.
 *
 * Sanitizers install a handler of SIGSEGV themselves; the children that are to die by the default
 * action put that back first, and the tests of chaining install a handler of their own.
 */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/context.h"
#include "machine/overflow.h"
#include "machine/stack.h"

static struct weft__stack_pool pool;
static struct weft__overflow_thread thread;
static struct weft__context driver;
static struct weft__context body;

/** Signal-safe printing of one word. */
static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        _exit(99);
}

static void describe(const struct weft__stack_hit *hit, int fd)
{
    say(fd, "overflow of ");
    say(fd, hit->owner ? (const char *)hit->owner : "nobody");
    say(fd, hit->size >= 8192 ? "\n" : ", which is tiny\n");
}

/** Everything that a run of tasks would set up. */
static void set_up(enum weft__guard guard)
{
    weft__stack_pool_init(&pool, &weft_sys_default, guard);
    CHECK_OK(weft__overflow_install(&weft_sys_default, describe));
    CHECK_OK(weft__overflow_thread_enter(&weft_sys_default, &thread));
    weft__context_adopt(&driver);
}

static void tear_down(void)
{
    weft__overflow_thread_leave(&thread);
    weft__overflow_restore(&weft_sys_default);
    weft__stack_pool_fini(&pool);
}

/** Runs `entry` on a stack whose owner is called `name`. */
static struct weft__stack *run_on_stack(void (*entry)(void *arg), const char *name)
{
    struct weft__stack *stack;

    CHECK_OK(weft__stack_reserve(&pool, WEFT__STACK_SMALL));
    stack = weft__stack_take(&pool, WEFT__STACK_SMALL);
    stack->owner = (void *)(uintptr_t)name;
    weft__context_make(&body, stack->low, stack, entry, stack);
    weft__context_switch(&driver, &body);
    return stack;
}

/** Never returns; the sum keeps the compiler from making a loop of it. */
__attribute__((noinline)) static int overflow(volatile int *depth)
{
    volatile char frame[256];

    frame[0] = (char)(*depth)++;
    if (*depth < 0)
        return 0;
    return overflow(depth) + frame[0];
}

static void overflow_at_once(void *arg)
{
    volatile int depth = 0;

    (void)arg;
    overflow(&depth);
    abort();
}

static void overflow_by_madvise(void)
{
    set_up(WEFT__GUARD_MADVISE);
    run_on_stack(overflow_at_once, "the glutton");
}

static void overflow_by_mprotect(void)
{
    set_up(WEFT__GUARD_MPROTECT);
    run_on_stack(overflow_at_once, "the glutton");
}

TEST(an_overflow_into_a_guard_by_madvise_is_described)
{
    if (weft__guard_probe(&weft_sys_default) != WEFT__GUARD_MADVISE)
        SKIP("MADV_GUARD_INSTALL does not work here");
    test_fork_expect_signal(overflow_by_madvise, SIGSEGV, "overflow of the glutton\n");
}

TEST(an_overflow_into_a_guard_by_mprotect_is_described)
{
    test_fork_expect_signal(overflow_by_mprotect, SIGSEGV, "overflow of the glutton\n");
}

static void *overflow_in_a_thread(void *arg)
{
    set_up(WEFT__GUARD_AUTO);
    run_on_stack(overflow_at_once, "the threaded glutton");
    return arg;
}

static void overflow_on_a_second_thread(void)
{
    pthread_t second;

    CHECK_EQ(pthread_create(&second, NULL, overflow_in_a_thread, NULL), 0);
    pthread_join(second, NULL);
}

TEST(an_overflow_on_any_thread_is_described)
{
    test_fork_expect_signal(overflow_on_a_second_thread, SIGSEGV,
                            "overflow of the threaded glutton\n");
}

/* --- Other faults, other handlers
 * ------------------------------------------------------------------ */

/** A page that nobody may touch. */
static volatile char *forbidden_page(void)
{
    volatile char *page =
        mmap(NULL, weft__page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    return page;
}

static void on_fault_before_us(int signal)
{
    (void)signal;
    say(STDERR_FILENO, "the handler before us\n");
}

static void overflow_with_a_handler_before_us(void)
{
    signal(SIGSEGV, on_fault_before_us);
    set_up(WEFT__GUARD_AUTO);
    run_on_stack(overflow_at_once, "the glutton");
}

TEST(the_handler_before_us_has_its_turn_after_the_description)
{
    test_fork_expect_signal(overflow_with_a_handler_before_us, SIGSEGV,
                            "overflow of the glutton\nthe handler before us\n");
}

static void fault_elsewhere(void)
{
    signal(SIGSEGV, SIG_DFL); /* sanitizers have a handler of their own */
    set_up(WEFT__GUARD_AUTO);
    *forbidden_page() = 1;
}

TEST(another_fault_is_not_described_and_kills)
{
    struct test_outcome outcome;

    test_run_isolated(fault_elsewhere, &outcome);
    CHECK_EQ(outcome.signal, SIGSEGV);
    CHECK(!strstr(outcome.output, "overflow of"));
}

/** The handler before us mends the fault by mapping the page. */
static void mend(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (mprotect(info->si_addr, weft__page_size(), PROT_READ | PROT_WRITE) < 0)
        _exit(98);
}

TEST(a_fault_that_the_handler_before_us_mends_goes_on)
{
    struct sigaction action = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};

#if WEFT__VALGRIND
    if (RUNNING_ON_VALGRIND)
        SKIP("Valgrind reports the fault, mended or not");
#endif
    sigaction(SIGSEGV, &action, NULL);
    set_up(WEFT__GUARD_AUTO);
    for (int i = 0; i < 3; i++) {
        volatile char *page = forbidden_page();

        *page = 7;
        CHECK_EQ(*page, 7);
        munmap((void *)(uintptr_t)page, weft__page_size());
    }
    tear_down();
}

static void send_the_signal(void)
{
    set_up(WEFT__GUARD_AUTO);
    raise(SIGSEGV);
}

TEST(a_signal_that_was_sent_kills)
{
    test_fork_expect_signal(send_the_signal, SIGSEGV, "");
}

static void overflow_after_restore(void)
{
    set_up(WEFT__GUARD_AUTO);
    weft__overflow_restore(&weft_sys_default);
    say(STDERR_FILENO, "[");
    run_on_stack(overflow_at_once, "the glutton");
}

TEST(after_restore_an_overflow_kills_as_ever)
{
    test_fork_expect_signal(overflow_after_restore, SIGSEGV, "[");
}

/* --- Leaving no trace
 * ------------------------------------------------------------------------------- */

static void *handler_now(void)
{
    struct sigaction now;

    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    return (void *)(uintptr_t)now.sa_handler;
}

TEST(restore_brings_back_what_was_there)
{
    void *before = handler_now();

    CHECK_OK(weft__overflow_install(&weft_sys_default, describe));
    CHECK(handler_now() != before);
    CHECK_OK(weft__overflow_install(&weft_sys_default, describe));
    weft__overflow_restore(&weft_sys_default);
    CHECK(handler_now() != before);
    weft__overflow_restore(&weft_sys_default);
    CHECK(handler_now() == before);
}

TEST(restore_leaves_a_later_handler_alone)
{
    struct sigaction later = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};

    CHECK_OK(weft__overflow_install(&weft_sys_default, describe));
    sigaction(SIGSEGV, &later, NULL);
    weft__overflow_restore(&weft_sys_default);
    CHECK(handler_now() == (void *)(uintptr_t)mend);
}

static stack_t alternate_stack(void)
{
    stack_t now;

    CHECK_EQ(sigaltstack(NULL, &now), 0);
    return now;
}

TEST(a_thread_gets_an_alternate_stack_for_the_time_of_its_run)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    CHECK_EQ(sigaltstack(&none, NULL), 0);
    CHECK_OK(weft__overflow_thread_enter(&weft_sys_default, &thread));
    CHECK_EQ(alternate_stack().ss_flags, 0);
    weft__overflow_thread_leave(&thread);
    CHECK_EQ(alternate_stack().ss_flags, SS_DISABLE);
}

TEST(a_thread_keeps_an_alternate_stack_of_its_own)
{
    static char own[65536];
    stack_t stack = {.ss_sp = own, .ss_size = sizeof own};

    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    CHECK_OK(weft__overflow_thread_enter(&weft_sys_default, &thread));
    CHECK(alternate_stack().ss_sp == own);
    weft__overflow_thread_leave(&thread);
    CHECK(alternate_stack().ss_sp == own);
}

/* --- Finding the stack
 * ------------------------------------------------------------------------------ */

TEST(only_the_guard_page_is_found_and_names_its_owner)
{
    struct weft__stack_hit hit = {0};
    struct weft__stack *stacks[40];
    char owners[40];

    weft__stack_pool_init(&pool, &weft_sys_default, WEFT__GUARD_AUTO);
    for (int i = 0; i < 40; i++) {
        CHECK_OK(weft__stack_reserve(&pool, WEFT__STACK_DEFAULT));
        stacks[i] = weft__stack_take(&pool, WEFT__STACK_DEFAULT);
        stacks[i]->owner = &owners[i];
    }
    for (int i = 0; i < 40; i++) {
        char *low = stacks[i]->low;

        CHECK(weft__stack_find(low - 1, &hit));
        CHECK(hit.owner == &owners[i]);
        CHECK(hit.low == low);
        CHECK(weft__stack_find(low - weft__page_size(), &hit));
        CHECK(hit.owner == &owners[i]);
        CHECK(!weft__stack_find(low, &hit));
        CHECK(!weft__stack_find(stacks[i], &hit));
    }
    CHECK(!weft__stack_find(&pool, &hit));
    CHECK(!weft__stack_find(NULL, &hit));
    weft__stack_pool_fini(&pool);
}

TEST(a_pool_that_is_gone_is_not_found)
{
    struct weft__stack_hit hit;
    struct weft__stack *stack;
    char *guard;

    weft__stack_pool_init(&pool, &weft_sys_default, WEFT__GUARD_AUTO);
    CHECK_OK(weft__stack_reserve(&pool, WEFT__STACK_DEFAULT));
    stack = weft__stack_take(&pool, WEFT__STACK_DEFAULT);
    guard = (char *)stack->low - 1;
    CHECK(weft__stack_find(guard, &hit));
    weft__stack_pool_fini(&pool);
    CHECK(!weft__stack_find(guard, &hit));
}

static void *come_and_go(void *arg)
{
    for (int i = 0; i < 200; i++) {
        struct weft__stack_pool own;
        struct weft__stack_hit hit;
        struct weft__stack *stack;

        weft__stack_pool_init(&own, &weft_sys_default, WEFT__GUARD_AUTO);
        CHECK_OK(weft__stack_reserve(&own, WEFT__STACK_SMALL));
        stack = weft__stack_take(&own, WEFT__STACK_SMALL);
        stack->owner = arg;
        CHECK(weft__stack_find((char *)stack->low - 1, &hit));
        CHECK(hit.owner == arg);
        weft__stack_pool_fini(&own);
    }
    return NULL;
}

TEST(pools_of_several_threads_are_listed_side_by_side)
{
    pthread_t threads[4];
    char owners[4];

    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, &owners[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
