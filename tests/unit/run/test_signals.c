/* SPDX-License-Identifier: MIT */
/*
 * test_signals.c: what a run does about signals, and that it puts everything back
 *
 * Each test states one sentence of the table in weft/run.h. The signals are raised by the program
 * itself, in a child: at a known point, so that no test depends on time. Where two seconds must
 * pass, they are virtual.
 */
#include "run_test.h"

#include <fcntl.h>

static void on_signal(int signal)
{
    (void)signal;
}

static void (*handler_of(int signal))(int)
{
    struct sigaction action;
    CHECK_EQ(sigaction(signal, NULL, &action), 0);
    return action.sa_handler;
}

/* Interrupting. */

/** Waits until it is refused, and says so. */
static int clean_up_program(void *signal)
{
    CHECK_EQ(raise(*(int *)signal), 0);
    int rc = weft_sleep(WEFT_HOUR);
    say(rc == -ECANCELED ? "cleaned up" : "not cancelled");
    return rc;
}

static int interrupted(void)
{
    int signal = SIGINT;
    return weft_main(clean_up_program, &signal);
}

static int terminated(void)
{
    int signal = SIGTERM;
    return weft_main(clean_up_program, &signal);
}

TEST_EACH_ENGINE(the_first_interrupt_cancels_the_program_which_ends_by_the_signal)
{
    struct child child;
    run_child(interrupted, &child);
    CHECK_SIGNAL(child, SIGINT);
    CHECK_STR(child.said, "cleaned up\n");
    run_child(terminated, &child);
    CHECK_SIGNAL(child, SIGTERM);
    CHECK_STR(child.said, "cleaned up\n");
}

static int finish_all_the_same(void *arg)
{
    (void)arg;
    raise(SIGINT);
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    return 5;
}

static int run_interrupted(void)
{
    int signal = SIGINT;
    if (weft_run(clean_up_program, &signal) != -ECANCELED)
        return 1;
    return weft_run(finish_all_the_same, NULL) == 5 ? 42 : 2;
}

TEST_EACH_ENGINE(an_interrupted_run_returns_what_the_program_made_of_it)
{
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer does not notice that the kernel reset a handler (SA_RESETHAND)");
#endif
    struct child child;
    run_child(run_interrupted, &child);
    CHECK_EXIT(child, 42);
}

static int interrupt_from_outside(void *arg)
{
    (void)arg;
    /* A child of the child, which interrupts us while we wait in the engine. */
    pid_t us = getpid(), pid = fork();
    if (pid == 0) {
        test_wait_until_asleep(us);
        kill(us, SIGINT);
        _exit(0);
    }
    int rc = weft_sleep(WEFT_HOUR);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    say("woken");
    return rc;
}

static int interrupted_while_waiting(void)
{
    return weft_main(interrupt_from_outside, NULL);
}

TEST_EACH_ENGINE(an_interrupt_wakes_a_loop_that_waits)
{
    struct child child;
    if (test_engine_is("sim"))
        SKIP("a simulated world never waits");
#ifdef WEFT_VALGRIND
    if (test_engine_is("io_uring"))
        SKIP("Valgrind holds signals back while it is in io_uring_enter");
#endif
    run_child(interrupted_while_waiting, &child);
    CHECK_SIGNAL(child, SIGINT);
    CHECK_STR(child.said, "woken\n");
}

/** Holds the loop; only the second signal can end this. */
static int spin(void *signal)
{
    raise(*(int *)signal);
    say("spinning");
    raise(*(int *)signal);
    say("still there");
    return 0;
}

static int spinning_at_interrupt(void)
{
    int signal = SIGINT;
    return weft_main(spin, &signal);
}

static int spinning_at_terminate(void)
{
    int signal = SIGTERM;
    return weft_main(spin, &signal);
}

TEST_EACH_ENGINE(the_second_interrupt_leaves_at_once_even_while_a_task_holds_the_loop)
{
    struct child child;
    run_child(spinning_at_interrupt, &child);
    CHECK_SIGNAL(child, SIGINT);
    CHECK_STR(child.said, "spinning\n");
    run_child(spinning_at_terminate, &child);
    CHECK_SIGNAL(child, SIGTERM);
    CHECK_STR(child.said, "spinning\n");
}

static int refuse_to_leave(void *arg)
{
    struct weft_scope shield;
    (void)arg;
    raise(SIGINT);
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    weft_shield_enter(&shield, WEFT_HOUR);
    CHECK_EQ(weft_yield(), 0);
    raise(SIGINT);
    say("still there");
    return weft_scope_exit(&shield, 0);
}

static int refusing_to_leave(void)
{
    return weft_main(refuse_to_leave, NULL);
}

TEST_EACH_ENGINE(the_second_interrupt_leaves_at_once_while_the_program_cleans_up)
{
    struct child child;
    run_child(refusing_to_leave, &child);
    CHECK_SIGNAL(child, SIGINT);
    CHECK_STR(child.said, "");
}

static int interrupt_then_terminate(void *arg)
{
    struct weft_scope shield;
    (void)arg;
    raise(SIGINT);
    CHECK_ERR(weft_sleep(WEFT_HOUR), -ECANCELED);
    weft_shield_enter(&shield, WEFT_HOUR);
    raise(SIGTERM);
    int rc = weft_sleep(WEFT_MS);
    say("still there");
    return weft_scope_exit(&shield, rc);
}

static int interrupting_then_terminating(void)
{
    return weft_main(interrupt_then_terminate, NULL);
}

TEST_EACH_ENGINE(the_second_may_be_of_the_other_kind)
{
    struct child child;
    run_child(interrupting_then_terminating, &child);
    CHECK_SIGNAL(child, SIGTERM);
    CHECK_STR(child.said, "");
}

/* Dumping. */

static int dump_and_go_on_program(void *arg)
{
    (void)arg;
    raise(SIGQUIT);
    int rc = weft_sleep(WEFT_MS);
    say("went on");
    return rc;
}

static int dump_and_go_on(void)
{
    return weft_main(dump_and_go_on_program, NULL);
}

TEST_EACH_ENGINE(sigquit_dumps_all_tasks_and_the_program_goes_on)
{
    struct child child;
    run_child(dump_and_go_on, &child);
    CHECK_EXIT(child, 0);
    CHECK_CONTAINS(child.said, "weft: 1 tasks, ");
    CHECK_CONTAINS(child.said, "task 1 program  parked");
    CHECK_CONTAINS(child.said, "went on\n");
}

static int quit_twice_program(void *arg)
{
    (void)arg;
    raise(SIGQUIT);
    int rc = weft_sleep(WEFT_MS);
    say("once");
    raise(SIGQUIT);
    say("twice");
    return rc;
}

static int quit_twice(void)
{
    return weft_main(quit_twice_program, NULL);
}

TEST_EACH_ENGINE(sigquit_twice_within_two_seconds_ends_the_program)
{
    struct child child;
    run_child(quit_twice, &child);
    CHECK_SIGNAL(child, SIGQUIT);
    CHECK_CONTAINS(child.said, "once\n");
    CHECK(strstr(child.said, "twice") == NULL);
}

static int quit_twice_slowly_program(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        raise(SIGQUIT);
        /* The two seconds begin when the dump is written, however slow that is. */
        do {
            if (weft_sleep(WEFT_SEC) < 0)
                return 1;
        } while (handler_of(SIGQUIT) == SIG_DFL);
        say("dumped");
    }
    return 0;
}

static int quit_twice_slowly(void)
{
    return weft_main(quit_twice_slowly_program, NULL);
}

TEST_EACH_ENGINE(after_two_seconds_sigquit_dumps_again)
{
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer does not notice that the kernel reset a handler (SA_RESETHAND)");
#endif
    struct child child;
    const char *at;
    int count = 0;
    test_takes(6);
    run_child(quit_twice_slowly, &child);
    CHECK_EXIT(child, 0);
    for (at = child.said; (at = strstr(at, "weft: 1 tasks")) != NULL; at++)
        count++;
    CHECK_EQ(count, 3);
}

static int take_all_over_program(void *arg)
{
    (void)arg;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        CHECK(signal(touched[i], on_signal) != SIG_ERR);
    return weft_sleep(WEFT_MS);
}

static int take_all_over(void)
{
    if (weft_run(take_all_over_program, NULL) != 0)
        return 1;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        if (handler_of(touched[i]) != on_signal)
            return 10 + i;
    return 0;
}

TEST_EACH_ENGINE(handlers_that_the_program_installs_meanwhile_stay)
{
    struct child child;
    run_child(take_all_over, &child);
    CHECK_EXIT(child, 0);
}

static int take_sigquit_over_program(void *arg)
{
    (void)arg;
    raise(SIGQUIT);
    if (weft_sleep(WEFT_SEC) < 0)
        return 1;
    CHECK(signal(SIGQUIT, on_signal) == SIG_DFL);
    if (weft_sleep(2 * WEFT_SEC) < 0)
        return 1;
    CHECK(handler_of(SIGQUIT) == on_signal);
    return 0;
}

static int take_sigquit_over(void)
{
    int rc = weft_main(take_sigquit_over_program, NULL);
    return rc ? rc : handler_of(SIGQUIT) == on_signal ? 0 : 3;
}

TEST_EACH_ENGINE(a_handler_installed_after_a_dump_is_not_replaced_two_seconds_later)
{
    struct child child;
    test_takes(3);
    run_child(take_sigquit_over, &child);
    CHECK_EXIT(child, 0);
}

/* Pipes. */

static int break_a_pipe(void *arg)
{
    int fds[2];
    (void)arg;
    CHECK_EQ(pipe(fds), 0);
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE);
    CHECK_ERR(weft_write(fds[1], "x", 1), -EPIPE);
    close(fds[1]);
    return 0;
}

static int broken_pipe(void)
{
    int rc = weft_main(break_a_pipe, NULL);
    return rc ? rc : handler_of(SIGPIPE) == SIG_DFL ? 0 : 3;
}

TEST_EACH_ENGINE(sigpipe_is_ignored_during_the_run_and_default_again_afterwards)
{
    struct child child;
    run_child(broken_pipe, &child);
    CHECK_EXIT(child, 0);
}

/* What was there before. */

static int look_at_handlers(void *ret)
{
    for (int i = 0; i < TOUCHED_COUNT; i++)
        ((void (**)(int))ret)[i] = handler_of(touched[i]);
    return 0;
}

static int all_restored(void)
{
    void (*inside[TOUCHED_COUNT])(int);
    stack_t stack;
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    bool had_stack = !(stack.ss_flags & SS_DISABLE);
    if (weft_run(look_at_handlers, inside) != 0)
        return 1;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        if (inside[i] == SIG_DFL || handler_of(touched[i]) != SIG_DFL)
            return 10 + i;
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    return had_stack == !(stack.ss_flags & SS_DISABLE) ? 0 : 3;
}

TEST_EACH_ENGINE(everything_is_put_back_at_the_end)
{
    struct child child;
    run_child(all_restored, &child);
    CHECK_EXIT(child, 0);
}

static int restored_after_signals(void)
{
    int signal = SIGINT;
    if (weft_run(clean_up_program, &signal) != -ECANCELED)
        return 1;
    if (weft_run(dump_and_go_on_program, NULL) != 0)
        return 2;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        if (handler_of(touched[i]) != SIG_DFL)
            return 10 + i;
    return 0;
}

TEST_EACH_ENGINE(everything_is_put_back_after_signals_too)
{
    struct child child;
    run_child(restored_after_signals, &child);
    CHECK_EXIT(child, 0);
}

/** Gives the touched signals `handler`, and checks that a run leaves all of them alone. */
static int leaves_alone(void (*handler)(int))
{
    void (*inside[TOUCHED_COUNT])(int);
    for (int i = 0; i < TOUCHED_COUNT; i++)
        signal(touched[i], handler);
    if (weft_run(look_at_handlers, inside) != 0)
        return 1;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        if (inside[i] != handler || handler_of(touched[i]) != handler)
            return 10 + i;
    return 0;
}

static int handlers_of_its_own(void)
{
    return leaves_alone(on_signal);
}

static int ignored_signals(void)
{
    return leaves_alone(SIG_IGN);
}

TEST_EACH_ENGINE(what_was_not_the_default_is_left_alone)
{
    struct child child;
    run_child(handlers_of_its_own, &child);
    CHECK_EXIT(child, 0);
    run_child(ignored_signals, &child);
    CHECK_EXIT(child, 0);
}

/** Runs with flags: which of the touched signals were touched, as bits. */
static int touched_with(unsigned flags)
{
    void (*inside[TOUCHED_COUNT])(int);
    struct weft_run_options options = {.size = sizeof options, .flags = flags};
    int bits = 0;
    if (weft_run_with(&options, look_at_handlers, inside) != 0)
        return 100;
    for (int i = 0; i < TOUCHED_COUNT; i++)
        bits |= (inside[i] != SIG_DFL) << i;
    return bits;
}

static int each_flag(void)
{
    if (touched_with(0) != 31)
        return 1;
    if (touched_with(WEFT_RUN_NO_INTERRUPT) != 28)
        return 2;
    if (touched_with(WEFT_RUN_NO_DUMP) != 27)
        return 3;
    if (touched_with(WEFT_RUN_NO_SIGPIPE) != 23)
        return 4;
    if (touched_with(WEFT_RUN_NO_OVERFLOW) != 15)
        return 5;
    return touched_with(WEFT_RUN_BARE) == 0 ? 0 : 6;
}

TEST_EACH_ENGINE(each_flag_leaves_its_part_alone)
{
    struct child child;
    run_child(each_flag, &child);
    CHECK_EXIT(child, 0);
}

static int loop_touches_nothing(void)
{
    struct weft_loop *loop;
    void (*inside[TOUCHED_COUNT])(int);
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_EQ(weft_loop_run_task(loop, look_at_handlers, inside), 0);
    CHECK_OK(weft_loop_free(loop));
    for (int i = 0; i < TOUCHED_COUNT; i++)
        if (inside[i] != SIG_DFL || handler_of(touched[i]) != SIG_DFL)
            return 10 + i;
    return 0;
}

TEST_EACH_ENGINE(running_a_task_on_a_loop_touches_nothing)
{
    struct child child;
    run_child(loop_touches_nothing, &child);
    CHECK_EXIT(child, 0);
}

/* Children of the program. */

static int start_shell(void *arg)
{
    (void)arg;
    int status = system("kill -PIPE $$; exit 7");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE ? 0 : -EPROTO;
}

static int starting_shell(void)
{
    return weft_main(start_shell, NULL);
}

TEST_EACH_ENGINE(sigpipe_is_the_default_again_in_programs_that_this_one_starts)
{
    struct child child;
    run_child(starting_shell, &child);
    CHECK_EXIT(child, 0);
}
