/* SPDX-License-Identifier: MIT */
/*
 * test.h: how tests are written
 *
 *     #include "test.h"
 *
 *     TEST(equal_deadlines_fire_in_the_order_set)
 *     {
 *         CHECK_EQ(1 + 1, 2);
 *     }
 *
 *     TEST_EACH_ENGINE(a_reader_sees_what_a_writer_wrote)
 *     {
 *         ... WEFT_BACKEND names the engine, test_engine() returns it
 *     }
 *
 * Every tests/.../test_<noun>.c is a program of its own; `main` comes with tests/support. Each test
 * runs in a forked child, in its own process group, under a watchdog, with its output kept and
 * shown only on failure; afterwards descriptors, memory, mappings and children are counted, and one
 * left over is a failure. A failed check prints and ends the process at once, so that it works on
 * any stack.
 *
 *     build/dev/tests/unit/loop/test_timer                        all of them (prints TAP)
 *     build/dev/tests/unit/loop/test_timer --list
 *     build/dev/tests/unit/loop/test_timer --only deadline        names that contain the text
 *     gdb --args build/dev/tests/unit/loop/test_timer --no-fork --only deadline
 *
 * ENGINE=epoll,sim restricts the engines, TEST=text (or a pattern with * and ?) the names;
 * WEFT_TEST_LIMIT=5 is another limit than 30 seconds for tests that set none.
 */
#ifndef TEST_SUPPORT_TEST_H
#define TEST_SUPPORT_TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How one test is to be run. */
enum test_kind {
    TEST_ONCE,
    TEST_ONCE_PER_ENGINE,
};

/** One test of a program; lives in static memory and is linked in by a constructor. */
struct test_case {
    /** The source file as the compiler was given it. */
    const char *file;
    /** The test's own name, a C identifier that states a behaviour. */
    const char *name;
    /** The test itself. */
    void (*function)(void);
    /** Once, or once per engine. */
    enum test_kind kind;
    /** The next in the order of the source. */
    struct test_case *next;
};

/** Adds a test to the program's list; called before main. */
void test_register(struct test_case *test);

#define TEST_DEFINE(name, kind)                                                                    \
    static void test_##name(void);                                                                 \
    static struct test_case test_case_##name = {__FILE__, #name, test_##name, kind, NULL};         \
    __attribute__((constructor)) static void test_register_##name(void)                            \
    {                                                                                              \
        test_register(&test_case_##name);                                                          \
    }                                                                                              \
    static void test_##name(void)

/** A test that runs once. */
#define TEST(name) TEST_DEFINE(name, TEST_ONCE)

/** A test that runs once on each engine, with WEFT_BACKEND set to its name. */
#define TEST_EACH_ENGINE(name) TEST_DEFINE(name, TEST_ONCE_PER_ENGINE)

/** The engine that this run of a TEST_EACH_ENGINE is for; NULL in other tests. */
const char *test_engine(void);

/** Whether this run is for the engine of that name. */
bool test_engine_is(const char *engine);

/** Skips a test whose loop waits for another thread, where that one could not run. */
void test_needs_another_thread(void);

/** The same for a test that does without threads in a simulated world, as offloading does. */
void test_uses_threads_where_there_are_any(void);

/** For a file all of whose tests have threads beside them; see the function above. */
#define TESTS_USE_THREADS()                                                                        \
    __attribute__((constructor)) static void tests_use_threads(void)                               \
    {                                                                                              \
        test_all_use_threads();                                                                    \
    }                                                                                              \
    _Static_assert(1, "")
void test_all_use_threads(void);

/** Skips a test that runs out of descriptors, where the limit is not the test's alone. */
void test_needs_own_descriptors(void);

/** Skips what takes seconds: only a simulated world has them for nothing. WEFT_SLOW=1 waits. */
void test_takes(unsigned seconds);

/**
 * Why tests cannot run on `engine` on this machine, or NULL when they can. Called in the child
 * before anything is counted.
 */
const char *test_engine_skip(const char *engine);

/** What becomes of a test whose engine is refused: skipped, with the reason that is returned; but
 *  who asked for that engine by ENGINE wants to see it run: then the test fails. */
const char *test_engine_refused(const char *engine);

/** Gives the running test `seconds` instead of 30 (slow builds still get ten times as much). */
void test_limit(unsigned seconds);

/** From now on (or no longer) the calling thread gets no memory from realloc(3): for the few
 *  allocations that a struct weft_sys does not reach. */
void test_out_of_memory(bool out);

/** How many times slower than a plain one this build or its environment is: 1, or 10. */
unsigned test_slowness(void);

/** Ends the test as skipped, with the reason printed. Works on any stack. */
#define SKIP(...) test_skip(__VA_ARGS__)

/** Skips the test when no program `name` is in PATH; under CI=true that counts as a failure. */
void test_need_program(const char *name);

/* --- Checks. Each prints file, line, expression and values, and ends the test. -----------------
 */

#define CHECK(expression)                                                                          \
    ((expression) ? (void)0 : test_fail(__FILE__, __LINE__, "CHECK(%s)", #expression))

/** Two integers are equal. */
#define CHECK_EQ(left, right)                                                                      \
    test_check_eq(__FILE__, __LINE__, #left, #right, (intmax_t)(left), (intmax_t)(right))

/** A result is the error expected; both are printed by name: CHECK_ERR(rc, -ECANCELED). */
#define CHECK_ERR(result, error)                                                                   \
    test_check_err(__FILE__, __LINE__, #result, #error, (intmax_t)(result), (intmax_t)(error))

/** A result is 0 or positive; an error is printed by name. */
#define CHECK_OK(result) test_check_ok(__FILE__, __LINE__, #result, (intmax_t)(result))

/** Two strings are equal; NULL equals only NULL. */
#define CHECK_STR(left, right) test_check_str(__FILE__, __LINE__, #left, #right, left, right)

/** The first string contains the second. */
#define CHECK_CONTAINS(text, part) test_check_contains(__FILE__, __LINE__, #text, text, part)

/** `len` bytes are equal. */
#define CHECK_MEM(left, right, len)                                                                \
    test_check_mem(__FILE__, __LINE__, #left, #right, left, right, len)

/** Ends the test as failed with a sentence. */
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* --- Children ------------------------------------------------------------------------------------
 */

/** How a function ended that ran in a child of its own. */
struct test_outcome {
    /** What became of it. */
    enum { TEST_PASSED, TEST_FAILED, TEST_SKIPPED, TEST_HUNG } result;
    /** The signal that ended it, or 0. */
    int signal;
    /** Its exit status when no signal ended it. */
    int status;
    /** The beginning of what it wrote to standard output and standard error. */
    char output[8192];
};

/** Runs `function` like a test: child, watchdog, leak count. For the tests of the runner itself. */
void test_run_isolated(void (*function)(void), struct test_outcome *ret);

/**
 * Runs `function` in a child and checks that `signal` ends it (0: that it returns) and that
 * `sentence_part` is in what it wrote to standard error. For misuse that aborts and for overflows.
 */
#define test_fork_expect_signal(function, signal, sentence_part)                                   \
    test_check_signal(__FILE__, __LINE__, #function, function, signal, sentence_part)

/**
 * Waits until the first thread of a process sleeps; before a signal is sent to it that is to wake
 * it. ThreadSanitizer keeps a signal back that comes between two system calls, and the sleep that
 * follows would be a long one.
 */
void test_wait_until_asleep(int pid);

/* --- What the macros call ------------------------------------------------------------------------
 */

void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void test_check_eq(const char *file, int line, const char *left_text, const char *right_text,
                   intmax_t left, intmax_t right);
void test_check_err(const char *file, int line, const char *result_text, const char *error_text,
                    intmax_t result, intmax_t error);
void test_check_ok(const char *file, int line, const char *result_text, intmax_t result);
void test_check_str(const char *file, int line, const char *left_text, const char *right_text,
                    const char *left, const char *right);
void test_check_contains(const char *file, int line, const char *text_text, const char *text,
                         const char *part);
void test_check_mem(const char *file, int line, const char *left_text, const char *right_text,
                    const void *left, const void *right, size_t len);
void test_check_signal(const char *file, int line, const char *function_text,
                       void (*function)(void), int signal, const char *sentence_part);

#endif
