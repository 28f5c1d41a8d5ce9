/* SPDX-License-Identifier: MIT */
/*
 * test_run.c: what a run returns, and what is left of it
 *
 * Each test states one sentence of weft/run.h about programs, the root scope and the end of a run.
 * Signals are in test_signals.c, dumps in test_dump.c.
 */
#include "machine/stack.h"
#include "run_test.h"

static int wait_for_ever(void)
{
    return weft_sleep(WEFT_FOREVER);
}
WEFT_TASK(wait_for_ever);

static int fail_with(weft_ns delay, int code)
{
    int rc = weft_sleep(delay);
    return rc < 0 ? rc : weft_fail(code, "the pump broke");
}
WEFT_TASK(fail_with, weft_ns, int);

static int return_it(void *code)
{
    return *(int *)code;
}

/* Codes. */

TEST_EACH_ENGINE(a_run_returns_the_code_of_the_program)
{
    static const int codes[] = {0, 7, -EPROTO, -ECANCELED};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int code = codes[i];
        CHECK_EQ(weft_run(return_it, &code), codes[i]);
    }
}

static int zero(void)
{
    int code = 0;
    return weft_main(return_it, &code);
}

static int seven(void)
{
    int code = 7;
    return weft_main(return_it, &code);
}

static int failing_program(void *arg)
{
    (void)arg;
    return weft_fail(-EPROTO, "bad length %d in header", 5);
}

static int failing(void)
{
    return weft_main(failing_program, NULL);
}

static int failing_without_note_program(void *arg)
{
    (void)arg;
    (void)weft_fail(-EPROTO, "this note belongs to another failure");
    return -ENOENT;
}

static int failing_without_note(void)
{
    return weft_main(failing_without_note_program, NULL);
}

TEST_EACH_ENGINE(main_makes_an_exit_status_of_the_code)
{
    struct child child;
    run_child(zero, &child);
    CHECK_EXIT(child, 0);
    CHECK_STR(child.said, "");
    run_child(seven, &child);
    CHECK_EXIT(child, 0);
    CHECK_STR(child.said, "");
    run_child(failing, &child);
    CHECK_EXIT(child, 1);
}

TEST_EACH_ENGINE(main_prints_the_note_and_the_error)
{
    struct child child;
    run_child(failing, &child);
    CHECK_STR(child.said, "weft: bad length 5 in header: Protocol error\n");
    run_child(failing_without_note, &child);
    CHECK_EXIT(child, 1);
    CHECK_STR(child.said, "weft: No such file or directory\n");
}

static int scope_of_failing_child(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, fail_with, 0, -EIO);
    return weft_scope_exit(&s, 0);
}

static int failing_child(void)
{
    return weft_main(scope_of_failing_child, NULL);
}

TEST_EACH_ENGINE(the_sentence_of_a_failing_child_reaches_main)
{
    struct child child;
    run_child(failing_child, &child);
    CHECK_EXIT(child, 1);
    CHECK_STR(child.said, "weft: the pump broke: Input/output error\n");
}

/* Where it cannot run. */

static void run_in_callback(void *arg)
{
    int code = 0;
    *(int *)arg = weft_run(return_it, &code);
}

TEST_EACH_ENGINE(a_run_where_a_loop_runs_is_busy)
{
    struct weft_loop *loop;
    int rc = 0;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_OK(weft_loop_call_soon(loop, run_in_callback, &rc, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_ERR(rc, -EBUSY);
    CHECK_OK(weft_loop_free(loop));
}

static int run_inside(void *arg)
{
    int code = 0;
    (void)arg;
    return weft_run(return_it, &code);
}

TEST_EACH_ENGINE(a_run_inside_a_task_is_refused)
{
    CHECK_ERR(weft_run(run_inside, NULL), -EDEADLK);
}

TEST(a_run_gives_the_errors_of_making_its_loop)
{
    int code = 0;
    struct weft_run_options options = {.size = sizeof options};
    options.loop = (struct weft_loop_options){.size = sizeof options.loop, .backend = "kqueue"};
    CHECK_ERR(weft_run_with(&options, return_it, &code), -EINVAL);
    options.loop.backend = "poll";
    CHECK_EQ(weft_run_with(&options, return_it, &code), 0);
    CHECK_EQ(weft_run_with(NULL, return_it, &code), 0);
}

static int name_engine(void *arg)
{
    *(const char **)arg = weft_loop_backend(weft_loop_current());
    return 0;
}

TEST(a_run_takes_its_loop_from_the_options)
{
    static const char *const engines[] = {"epoll", "poll", "sim"};
    for (int i = 0; i < 3; i++) {
        const char *name = NULL;
        struct weft_run_options options = {.size = sizeof options};
        options.loop =
            (struct weft_loop_options){.size = sizeof options.loop, .backend = engines[i]};
        CHECK_EQ(weft_run_with(&options, name_engine, &name), 0);
        CHECK_STR(name, engines[i]);
    }
}

/* Detached tasks. */

static int wait_with_failing_detached(void *result)
{
    weft_go(weft_root(NULL), fail_with, WEFT_MS, -EIO);
    int rc = weft_sleep(WEFT_HOUR);
    return *(int *)result ? *(int *)result : rc;
}

TEST_EACH_ENGINE(a_failing_detached_task_ends_the_run_with_its_code)
{
    int passed_on = 0, success = 5, failure = -EPROTO;
    CHECK_ERR(weft_run(wait_with_failing_detached, &passed_on), -EIO);
    CHECK_ERR(weft_run(wait_with_failing_detached, &success), -EIO);
    CHECK_ERR(weft_run(wait_with_failing_detached, &failure), -EPROTO);
}

static int main_with_failing_detached(void)
{
    int passed_on = 0;
    return weft_main(wait_with_failing_detached, &passed_on);
}

TEST_EACH_ENGINE(the_report_of_a_failing_detached_task_names_it)
{
    struct child child;
    run_child(main_with_failing_detached, &child);
    CHECK_EXIT(child, 1);
    CHECK_CONTAINS(child.said, "weft: task fail_with (spawned at tests/unit/run/test_run.c:");
    CHECK_CONTAINS(child.said, ") the pump broke: Input/output error\n");
}

static int leave_detached(void *arg)
{
    (void)arg;
    return weft_go(weft_root(NULL), wait_for_ever);
}

TEST_EACH_ENGINE(detached_tasks_are_cancelled_when_the_program_returns)
{
    CHECK_EQ(weft_run(leave_detached, NULL), 0);
}

static int clean_up_slowly(int *cleaned)
{
    struct weft_scope shield;
    (void)!weft_sleep(WEFT_FOREVER);
    weft_shield_enter(&shield, WEFT_MIN);
    int rc = weft_scope_exit(&shield, weft_sleep(5 * WEFT_MS));
    *cleaned = rc == 0;
    return rc;
}
WEFT_TASK(clean_up_slowly, int *);

static int leave_slow_cleaner(void *cleaned)
{
    return weft_go(weft_root(NULL), clean_up_slowly, (int *)cleaned);
}

static int slow_cleaner(void)
{
    int cleaned = 0;
    int rc = weft_main(leave_slow_cleaner, &cleaned);
    return rc ? rc : cleaned ? 0 : 3;
}

TEST_EACH_ENGINE(a_run_waits_for_those_who_clean_up_and_says_nothing)
{
    struct child child;
    run_child(slow_cleaner, &child);
    CHECK_EXIT(child, 0);
    CHECK_STR(child.said, "");
}

static int ignore_everything(weft_ns delay)
{
    struct weft_scope shield;
    weft_shield_enter(&shield, WEFT_HOUR);
    return weft_scope_exit(&shield, weft_sleep(delay));
}
WEFT_TASK(ignore_everything, weft_ns);

static int leave_straggler(void *arg)
{
    (void)arg;
    weft_go(weft_root(NULL), ignore_everything, 20 * WEFT_SEC);
    return 0;
}

static int straggler(void)
{
    return weft_main(leave_straggler, NULL);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text++;
        count++;
    }
    return count;
}

TEST_EACH_ENGINE(those_who_have_not_left_after_five_seconds_are_dumped_once_and_waited_for)
{
    struct child child;
    test_takes(20);
    run_child(straggler, &child);
    CHECK_EXIT(child, 0);
    CHECK_EQ(count_of(child.said, "the program has ended, 5 seconds ago"), 1);
    CHECK_EQ(count_of(child.said, "ignore_everything  parked 5."), 1);
}

/* Deadlock. */

static void describe_nothing(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "for nothing at all");
}

static int wait_in_vain(void *arg)
{
    struct weft_wait wait;
    struct weft_waitq queue = WEFT_WAITQ_INIT(queue);
    (void)arg;
    weft_wait_init(&wait, NULL, NULL);
    return (int)weft_waitq_park(&queue, &wait);
}

static int deadlock(void)
{
    return weft_main(wait_in_vain, NULL);
}

TEST_EACH_ENGINE(a_deadlock_is_reported_with_a_dump_and_ends_the_run)
{
    struct child child;
    if (!test_engine_is("sim"))
        SKIP("only a simulated world knows that nothing can come");
    run_child(deadlock, &child);
    CHECK_EXIT(child, 1);
    CHECK_CONTAINS(child.said, "weft: deadlock: ");
    CHECK_CONTAINS(child.said, "task 1 program  parked");
    CHECK_CONTAINS(child.said, weft_strerror(-WEFT_EDEADLOCK));
    CHECK_ERR(weft_run(wait_in_vain, NULL), -WEFT_EDEADLOCK);
}

TEST_EACH_ENGINE(a_loop_can_be_used_after_a_deadlock)
{
    struct weft_loop *loop;
    int code = 4;
    if (!test_engine_is("sim"))
        SKIP("only a simulated world knows that nothing can come");
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_ERR(weft_loop_run_task(loop, wait_in_vain, NULL), -WEFT_EDEADLOCK);
    CHECK_EQ(weft_loop_run_task(loop, return_it, &code), 4);
    CHECK_ERR(weft_loop_run_task(loop, wait_in_vain, NULL), -WEFT_EDEADLOCK);
    CHECK_OK(weft_loop_free(loop));
}

/** Waits for what cannot be cut short, and nobody brings. */
static int wait_in_vain_for_good(void *arg)
{
    struct weft_wait wait;
    (void)arg;
    weft_wait_init(&wait, describe_nothing, NULL);
    return (int)weft_park(&wait, NULL);
}

static int leave_one_behind(void *arg)
{
    CHECK_EQ(weft_go_fn(weft_root(NULL), wait_in_vain_for_good, arg), 0);
    return weft_yield();
}

static int wait_with_one_who_waits_for_good(void *arg)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&s, wait_in_vain_for_good, arg), 0);
    return weft_scope_exit(&s, 0);
}

static int run_on_sim(int (*program)(void *arg))
{
    struct weft_run_options options = {.size = sizeof options};
    options.loop = (struct weft_loop_options){.size = sizeof options.loop, .backend = "sim"};
    return weft_run_with(&options, program, NULL);
}

static int deadlock_for_good(void)
{
    return run_on_sim(wait_in_vain_for_good);
}

static int deadlock_of_a_child(void)
{
    return run_on_sim(wait_with_one_who_waits_for_good);
}

static int deadlock_of_a_straggler(void)
{
    return run_on_sim(leave_one_behind);
}

static int deadlock_in_a_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = "sim"};
    struct weft_loop *loop;
    CHECK_OK(weft_loop_create(&options, &loop));
    return weft_loop_run_task(loop, wait_in_vain_for_good, NULL);
}

/** What the program was given lies in a frame that a return would free: there is no safe return. */
TEST(a_deadlock_that_cancelling_does_not_end_aborts_with_a_dump)
{
    static int (*const bodies[])(void) = {deadlock_for_good, deadlock_of_a_child,
                                          deadlock_of_a_straggler, deadlock_in_a_loop};
    for (int i = 0; i < 4; i++) {
        struct child child;
        run_child(bodies[i], &child);
        CHECK_SIGNAL(child, SIGABRT);
        CHECK_CONTAINS(child.said, "weft: deadlock for good: ");
        CHECK_CONTAINS(child.said, ": for nothing at all");
    }
}

static int wake_the_other(void *wait)
{
    int rc = weft_sleep(WEFT_FOREVER);
    weft_wake(wait, 0);
    return rc;
}

/** Cannot be cut short, but is woken by one who can. */
static int wait_for_one_who_listens(void *arg)
{
    struct weft_scope s;
    struct weft_wait wait;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_wait_init(&wait, describe_nothing, NULL);
    CHECK_EQ(weft_go_fn(&s, wake_the_other, &wait), 0);
    CHECK_EQ(weft_park(&wait, NULL), 0);
    return weft_scope_exit(&s, 0);
}

TEST(a_deadlock_that_cancelling_ends_is_an_error)
{
    CHECK_ERR(run_on_sim(wait_for_one_who_listens), -WEFT_EDEADLOCK);
}

static int cancel_the_root_and_stick(void *arg)
{
    weft_scope_cancel(weft_root(NULL), -EIO);
    return wait_in_vain_for_good(arg);
}

static int cancelled_and_stuck(void)
{
    return run_on_sim(cancel_the_root_and_stick);
}

/** The first deadlock finds the root scope cancelled already; it must not be the first again. */
TEST(a_deadlock_of_a_program_that_is_cancelled_already_is_found_too)
{
    struct child child;
    run_child(cancelled_and_stuck, &child);
    CHECK_SIGNAL(child, SIGABRT);
    CHECK_CONTAINS(child.said, "weft: deadlock for good: ");
}

/* weft_loop_run_task. */

static int count_turns(int *count)
{
    for (;;) {
        int rc = weft_sleep(WEFT_MS);
        if (rc < 0)
            return rc;
        ++*count;
    }
}
WEFT_TASK(count_turns, int *);

static int start_counter(void *count)
{
    return weft_go(weft_root(NULL), count_turns, (int *)count);
}

static int wait_a_while(void *arg)
{
    (void)arg;
    return weft_sleep(10 * WEFT_MS);
}

TEST_EACH_ENGINE(detached_tasks_go_on_at_the_next_run_of_a_task)
{
    struct weft_loop *loop;
    int count = 0;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_EQ(weft_loop_run_task(loop, start_counter, &count), 0);
    CHECK_EQ(count, 0);
    CHECK_EQ(weft_loop_run_task(loop, wait_a_while, NULL), 0);
    CHECK(count > 0);
    CHECK_OK(weft_loop_free(loop));
}

static void run_task_in_callback(void *arg)
{
    int code = 0;
    *(int *)arg = weft_loop_run_task(weft_loop_current(), return_it, &code);
}

TEST_EACH_ENGINE(a_running_loop_runs_no_other_task)
{
    struct weft_loop *loop;
    int rc = 0;
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_OK(weft_loop_call_soon(loop, run_task_in_callback, &rc, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_ERR(rc, -EBUSY);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(each_loop_has_one_root_scope)
{
    struct weft_loop *loop;
    CHECK(weft_root(NULL) == NULL);
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK(weft_root(loop) != NULL);
    CHECK(weft_root(loop) == weft_root(loop));
    CHECK_EQ(weft_scope_children(weft_root(loop)), 0);
    CHECK_OK(weft_loop_free(loop));
}

/* Stacks. */

/** Never returns; the sum keeps the compiler from making a loop of it. */
__attribute__((noinline)) static int sink(volatile int *depth)
{
    volatile char frame[512];
    frame[0] = (char)(*depth)++;
    if (*depth < 0)
        return 0;
    return sink(depth) + frame[0];
}

static int sink_in_a_task(void)
{
    volatile int depth = 0;
    return sink(&depth);
}
WEFT_TASK(sink_in_a_task);

static int spawn_sinker(void *arg)
{
    struct weft_scope s;
    (void)arg;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, sink_in_a_task);
    return weft_scope_exit(&s, 0);
}

static int task_overflow(void)
{
    return weft_main(spawn_sinker, NULL);
}

static int sink_in_a_generator(struct weft_gen *gen, void *arg)
{
    volatile int depth = 0;
    (void)arg;
    (void)!weft_gen_yield(gen, NULL, NULL);
    return sink(&depth);
}

static int drive_sinker(void *arg)
{
    struct weft_gen *gen;
    (void)arg;
    CHECK_OK(weft_gen_new(sink_in_a_generator, NULL, &gen));
    CHECK_EQ(weft_gen_next(gen, NULL), 1);
    return weft_gen_next(gen, NULL);
}

static int generator_overflow(void)
{
    return weft_main(drive_sinker, NULL);
}

static void check_overflows(void)
{
    struct child child;
    run_child(task_overflow, &child);
    CHECK_SIGNAL(child, SIGSEGV);
    CHECK_CONTAINS(child.said, "weft: stack overflow in task sink_in_a_task (started at "
                               "tests/unit/run/test_run.c:");
    CHECK_CONTAINS(child.said, "): its stack has ");
    run_child(generator_overflow, &child);
    CHECK_SIGNAL(child, SIGSEGV);
    CHECK_CONTAINS(child.said, "weft: stack overflow in generator sink_in_a_generator (started at "
                               "tests/unit/run/test_run.c:");
}

TEST_EACH_ENGINE(an_overflow_of_a_stack_is_reported_by_name)
{
    check_overflows();
}

TEST_EACH_ENGINE(an_overflow_into_a_guard_by_madvise_is_reported_by_name)
{
    if (weft__guard_probe(&weft_sys_default) != WEFT__GUARD_MADVISE)
        SKIP("MADV_GUARD_INSTALL does not work here");
    CHECK_EQ(setenv("WEFT_GUARD", "madvise", 1), 0);
    check_overflows();
}

TEST_EACH_ENGINE(an_overflow_into_a_guard_by_mprotect_is_reported_by_name)
{
    CHECK_EQ(setenv("WEFT_GUARD", "mprotect", 1), 0);
    check_overflows();
}
