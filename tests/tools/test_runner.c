/* SPDX-License-Identifier: MIT */
/*
 * test_runner.c: the test runner is tested by itself
 *
 * Each test plants one thing that the runner must see in a child of its own and looks at the
 * verdict: a failed check, a crash, a hang, a leak of each kind. A runner that overlooks such a
 * thing would make every other test worthless without anyone noticing. What the runner must not
 * complain of is planted too: an empty test, memory that was freed, a program that is there.
 */
#include "test.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

static struct test_outcome run(void (*function)(void))
{
    struct test_outcome outcome;

    test_run_isolated(function, &outcome);
    return outcome;
}

/* Nothing planted: whatever else a test sees is not the runner's own doing. */
static void nothing(void)
{
}

TEST(an_empty_test_passes)
{
    struct test_outcome outcome = run(nothing);

    CHECK_EQ(outcome.result, TEST_PASSED);
    CHECK_STR(outcome.output, "");
}

static void fail_a_check(void)
{
    CHECK_ERR(-ECANCELED, -ETIMEDOUT);
}

TEST(a_failed_check_prints_place_expression_and_names)
{
    struct test_outcome outcome = run(fail_a_check);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_EQ(outcome.status, 1);
    CHECK_CONTAINS(outcome.output, "tests/tools/test_runner.c:");
    CHECK_CONTAINS(outcome.output, "CHECK_ERR(-ECANCELED, -ETIMEDOUT)");
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
    CHECK_CONTAINS(outcome.output, "-ECANCELED (-125) is not -ETIMEDOUT (-110)");
#endif
}

static void fail_eq(void)
{
    CHECK_EQ(2 + 2, 5);
}

static void fail_str(void)
{
    CHECK_STR("left", NULL);
}

static void fail_mem(void)
{
    CHECK_MEM("abc", "abd", 3);
}

static void fail_contains(void)
{
    CHECK_CONTAINS("a sentence", "paragraph");
}

static void fail_ok(void)
{
    CHECK_OK(-1000000);
}

static void fail_plainly(void)
{
    CHECK(1 > 2);
}

TEST(each_kind_of_check_can_fail_and_shows_both_values)
{
    CHECK_CONTAINS(run(fail_eq).output, "CHECK_EQ(2 + 2, 5): 4 is not 5");
    CHECK_CONTAINS(run(fail_str).output, "\"left\" is not \"(null)\"");
    CHECK_CONTAINS(run(fail_mem).output, "byte 2 of 3 is 0x63, not 0x64");
    CHECK_CONTAINS(run(fail_contains).output, "\"paragraph\" is not in \"a sentence\"");
    CHECK_CONTAINS(run(fail_ok).output, "CHECK_OK(-1000000): it is -1000000");
    CHECK_CONTAINS(run(fail_plainly).output, "CHECK(1 > 2)");
}

static void fail_in_a_handler(int signal)
{
    (void)signal;
    fail_eq();
}

static void fail_on_another_stack(void)
{
    static char stack[65536];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = fail_in_a_handler, .sa_flags = SA_ONSTACK};

    CHECK_EQ(sigaltstack(&other, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    raise(SIGUSR1);
}

TEST(a_check_fails_on_a_stack_that_is_not_the_threads)
{
    struct test_outcome outcome = run(fail_on_another_stack);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_EQ(outcome.status, 1);
}

static void skip_with_a_reason(void)
{
    SKIP("no %s here", "such thing");
}

TEST(a_skip_is_neither_passed_nor_failed)
{
    struct test_outcome outcome = run(skip_with_a_reason);

    CHECK_EQ(outcome.result, TEST_SKIPPED);
    CHECK_CONTAINS(outcome.output, "SKIP no such thing here");
}

static void need_a_program_that_is_absent(void)
{
    test_need_program("no-program-has-this-name");
}

static void need_a_program_that_is_there(void)
{
    test_need_program("sh");
}

TEST(an_absent_program_skips_in_the_words_that_ci_refuses)
{
    CHECK_CONTAINS(run(need_a_program_that_is_absent).output,
                   "SKIP absent peer program: no-program-has-this-name");
    CHECK_EQ(run(need_a_program_that_is_there).result, TEST_PASSED);
}

static void crash(void)
{
    raise(SIGBUS);
}

TEST(a_crash_is_a_failure_and_names_its_signal)
{
    struct test_outcome outcome = run(crash);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_EQ(outcome.signal, SIGBUS);
}

static void say_dumped(int signal)
{
    (void)signal;
    if (write(STDERR_FILENO, "dumped\n", 7) != 7)
        _exit(3);
}

static void hang_and_dump(void)
{
    signal(SIGQUIT, say_dumped);
    test_limit(0);
    for (;;)
        pause();
}

static void hang_deaf(void)
{
    signal(SIGQUIT, SIG_IGN);
    signal(SIGABRT, SIG_IGN);
    test_limit(0);
    for (;;)
        pause();
}

TEST(a_hang_is_asked_for_a_dump_and_then_ended)
{
    struct test_outcome outcome = run(hang_and_dump);

    CHECK_EQ(outcome.result, TEST_HUNG);
    CHECK_EQ(outcome.signal, SIGABRT);
    CHECK_CONTAINS(outcome.output, "dumped");
}

TEST(a_hang_that_ignores_signals_is_killed)
{
    test_limit(120);
    struct test_outcome outcome = run(hang_deaf);

    CHECK_EQ(outcome.result, TEST_HUNG);
    CHECK_EQ(outcome.signal, SIGKILL);
}

/* --- The leak counter: one leak of each kind
 * ------------------------------------------------------- */

static void leak_descriptor(void)
{
    CHECK(open("/dev/null", O_RDONLY) >= 0);
}

TEST(a_leaked_descriptor_fails_the_test_and_is_named)
{
    struct test_outcome outcome = run(leak_descriptor);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "leak: descriptor");
    CHECK_CONTAINS(outcome.output, "/dev/null");
}

static void leak_library_memory(void)
{
    CHECK(weft_sys_default.realloc(&weft_sys_default, NULL, 321) != NULL);
}

static void leak_test_memory(void)
{
    /* volatile: the compiler may remove an allocation that nothing uses. */
    void *volatile p = malloc(123);

    CHECK(p != NULL);
}

static void leak_grown_memory(void)
{
    void *p = weft_sys_default.realloc(&weft_sys_default, NULL, 10);

    CHECK(weft_sys_default.realloc(&weft_sys_default, p, 5000) != NULL);
}

TEST(leaked_memory_fails_the_test_and_is_sized)
{
    struct test_outcome outcome = run(leak_library_memory);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "of 321 bytes is not freed");
    CHECK_CONTAINS(run(leak_test_memory).output, "of 123 bytes is not freed");
    CHECK_CONTAINS(run(leak_grown_memory).output, "of 5000 bytes is not freed");
}

static void free_all_memory(void)
{
    const struct weft_sys *sys = &weft_sys_default;
    void *blocks[20000];
    char *copy = strdup("allocated by libc itself");

    for (int i = 0; i < 20000; i++)
        blocks[i] = sys->realloc(sys, NULL, 16);
    for (int i = 0; i < 20000; i++)
        blocks[i] = sys->realloc(sys, blocks[i], 48);
    for (int i = 0; i < 20000; i++)
        CHECK(sys->realloc(sys, blocks[i], 0) == NULL);
    free(copy);
}

TEST(freed_memory_is_not_a_leak)
{
    struct test_outcome outcome = run(free_all_memory);

    CHECK_STR(outcome.output, "");
    CHECK_EQ(outcome.result, TEST_PASSED);
}

static void leak_mapping(void)
{
    const struct weft_sys *sys = &weft_sys_default;
    void *p = NULL;

    CHECK_OK(sys->mmap(sys, 12288, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &p));
    CHECK_OK(sys->munmap(sys, p, 4096));
}

TEST(a_leaked_mapping_fails_the_test_and_is_sized)
{
    struct test_outcome outcome = run(leak_mapping);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "leak: mapping: 8192 bytes more");
}

static void leak_child(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    CHECK(child > 0);
}

TEST(a_child_not_waited_for_fails_the_test)
{
    struct test_outcome outcome = run(leak_child);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "a child process was not waited for");
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER);
}

static void leak_loop(void)
{
    struct weft_loop *loop;

    CHECK_OK(weft_loop_create(NULL, &loop));
}

static void leak_task(void)
{
    struct weft_loop *loop;

    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_OK(weft_go_fn(weft_root(loop), sleep_for_ever, NULL));
}

TEST(a_leaked_task_fails_the_test_and_is_dumped)
{
    struct test_outcome outcome = run(leak_task);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "leak: a loop with 1 living tasks is not freed");
    CHECK_CONTAINS(outcome.output, "sleep_for_ever");
}

TEST(a_leaked_loop_fails_the_test)
{
    struct test_outcome outcome = run(leak_loop);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "leak: descriptor");
    CHECK_CONTAINS(outcome.output, "leak: memory block");
}

/* --- Engines and expected signals
 * ------------------------------------------------------------------- */

TEST_EACH_ENGINE(the_engine_is_in_the_environment)
{
    CHECK(test_engine() != NULL);
    CHECK_STR(getenv("WEFT_BACKEND"), test_engine());
    CHECK(test_engine_is(test_engine()));
    CHECK(!test_engine_is("none"));
}

TEST_EACH_ENGINE(a_loop_made_without_options_has_the_engine_asked_for)
{
    struct weft_loop *loop;

    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_STR(weft_loop_backend(loop), test_engine());
    CHECK_OK(weft_loop_free(loop));
}

static void ask_for_an_engine_that_is_not_in_force(void)
{
    setenv("WEFT_BACKEND", "poll", 1);
    test_engine_skip("epoll");
}

TEST(an_engine_that_is_not_in_force_fails_the_test)
{
    struct test_outcome outcome = run(ask_for_an_engine_that_is_not_in_force);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "WEFT_BACKEND asks for epoll, but poll is in force");
}

static void ask_for_an_engine_that_is_refused(void)
{
    setenv("ENGINE", "io_uring", 1);
    test_engine_refused("io_uring");
}

TEST(an_engine_that_is_refused_skips_and_fails_who_asked_for_it)
{
    unsetenv("ENGINE");
    CHECK_CONTAINS(test_engine_refused("io_uring"), "refuses");
    struct test_outcome outcome = run(ask_for_an_engine_that_is_refused);

    CHECK_EQ(outcome.result, TEST_FAILED);
    CHECK_CONTAINS(outcome.output, "ENGINE asks for io_uring, and the kernel refuses it");
}

TEST(a_plain_test_has_no_engine)
{
    CHECK(test_engine() == NULL);
    CHECK(getenv("WEFT_BACKEND") == NULL);
}

static void abort_with_a_sentence(void)
{
    fprintf(stderr, "the bed is not made\n");
    abort();
}

static void expect_the_wrong_signal(void)
{
    test_fork_expect_signal(abort_with_a_sentence, SIGSEGV, "the bed");
}

static void expect_the_wrong_sentence(void)
{
    test_fork_expect_signal(abort_with_a_sentence, SIGABRT, "the table");
}

TEST(an_expected_signal_must_come_with_its_sentence)
{
    test_fork_expect_signal(abort_with_a_sentence, SIGABRT, "bed is not");
    CHECK_EQ(run(expect_the_wrong_signal).result, TEST_FAILED);
    CHECK_EQ(run(expect_the_wrong_sentence).result, TEST_FAILED);
}
