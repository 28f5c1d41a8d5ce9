/* SPDX-License-Identifier: MIT */
/*
 * test_future.c: results that come later
 *
 * Each test states one sentence of weft/future.h, or of weft_loop_run_until. The callback tier is
 * on trial as much as the tasks: half of the tests have no task at all. Letters in `trail` say who
 * heard of the result when.
 */
#include "task_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

static struct weft_loop *loop;

static void open_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    CHECK_OK(weft_loop_create(&options, &loop));
}

static struct weft_future *new_future(struct weft_loop *of)
{
    struct weft_future *future = NULL;
    CHECK_OK(weft_future_new(of, &future));
    CHECK(future != NULL);
    return future;
}

static struct weft_future *my_future(void)
{
    return new_future(weft_loop_current());
}

static char first[] = "a", second[] = "b", third[] = "c";

/** A done-callback that notes the letter it was given. */
static void note_done(struct weft_future *future, void *letter)
{
    CHECK(weft_future_done(future));
    note(*(char *)letter);
}

/** Another one, for being told apart from the first. */
static void note_done_too(struct weft_future *future, void *letter)
{
    note_done(future, letter);
}

static void note_callback(void *letter)
{
    note(*(char *)letter);
}

/* What a future holds. */

TASK_TEST(a_future_has_nothing_until_it_is_set)
{
    int value;
    struct weft_future *future = my_future();
    CHECK(!weft_future_done(future));
    CHECK_ERR(weft_future_code(future), -EAGAIN);
    CHECK(weft_future_value(future) == NULL);
    CHECK_EQ(weft_future_set(future, 42, &value), 0);
    CHECK(weft_future_done(future));
    CHECK(!weft_future_cancelled(future));
    CHECK_EQ(weft_future_code(future), 42);
    CHECK(weft_future_value(future) == &value);
    weft_future_unref(future);
}

TASK_TEST(a_future_is_finished_once)
{
    struct weft_future *future = my_future();
    CHECK_EQ(weft_future_set(future, -EIO, NULL), 0);
    CHECK_ERR(weft_future_set(future, 1, first), -EALREADY);
    CHECK_ERR(weft_future_cancel(future), -EALREADY);
    CHECK_ERR(weft_future_code(future), -EIO);
    CHECK(weft_future_value(future) == NULL);
    CHECK(!weft_future_cancelled(future));
    weft_future_unref(future);
}

TASK_TEST(a_cancelled_future_reads_as_ecanceled)
{
    int code = 0;
    struct weft_future *future = my_future();
    CHECK_EQ(weft_future_cancel(future), 0);
    CHECK(weft_future_done(future));
    CHECK(weft_future_cancelled(future));
    CHECK_ERR(weft_future_code(future), -ECANCELED);
    CHECK_ERR(weft_future_set(future, 1, NULL), -EALREADY);
    CHECK_EQ(weft_future_wait(future, &code, NULL), 0);
    CHECK_ERR(code, -ECANCELED);
    weft_future_unref(future);
}

TASK_TEST(the_last_reference_frees_it)
{
    struct weft_future *future = my_future();
    CHECK(weft_future_ref(future) == future);
    weft_future_unref(future);
    CHECK_EQ(weft_future_set(future, 3, NULL), 0);
    CHECK_EQ(weft_future_code(future), 3);
    weft_future_unref(future);
    weft_future_unref(my_future());
    weft_future_unref(NULL);
}

/* Waiting. */

static int wait_and_note(struct weft_future *future, char letter)
{
    int code = -1;
    void *value = NULL;
    int rc = weft_future_wait(future, &code, &value);
    if (rc < 0)
        return rc;
    CHECK_EQ(code, 5);
    CHECK(value == first);
    note(letter);
    return 0;
}
WEFT_TASK(wait_and_note, struct weft_future *, char);

TASK_TEST(all_waiters_get_the_code_and_the_value_in_their_order)
{
    struct weft_scope s;
    struct weft_future *future = my_future();
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_and_note, future, 'a');
    weft_go(&s, wait_and_note, future, 'b');
    weft_go(&s, wait_and_note, future, 'c');
    settle();
    CHECK_EQ(weft_future_set(future, 5, first), 0);
    CHECK_STR(trail, "");
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abc");
    CHECK_EQ(weft_future_wait(future, NULL, NULL), 0);
    weft_future_unref(future);
}

TASK_TEST(a_waiter_that_is_cancelled_leaves_the_future_as_it_was)
{
    int code = 77;
    void *value = second;
    struct weft_future *future = my_future();
    CHECK_ERR(weft_within(WEFT_MS, weft_future_wait(future, &code, &value)), -ETIMEDOUT);
    CHECK_EQ(code, 77);
    CHECK(value == second);
    CHECK(!weft_future_done(future));
    CHECK(weft_waitq_empty(weft_future_waiters(future)));
    CHECK_EQ(weft_future_set(future, 5, first), 0);
    CHECK_EQ(weft_future_wait(future, &code, &value), 0);
    CHECK_EQ(code, 5);
    weft_future_unref(future);
}

TASK_TEST(a_waiter_that_is_cancelled_in_the_turn_of_the_result_has_it)
{
    struct weft_scope s;
    struct weft_future *future = my_future();
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_and_note, future, 'a');
    settle();
    CHECK_EQ(weft_future_set(future, 5, first), 0);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "a");
    weft_future_unref(future);
}

TASK_TEST(a_waiter_holds_the_future)
{
    struct weft_scope s;
    struct weft_future *future = my_future();
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wait_and_note, future, 'a');
    settle();
    CHECK_EQ(weft_future_set(future, 5, first), 0);
    weft_future_unref(future);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "a");
}

static int refused_wait(struct weft_future *future)
{
    int code = 77;
    CHECK_ERR(weft_future_wait(future, &code, NULL), -ECANCELED);
    CHECK_EQ(code, 77);
    return 0;
}
WEFT_TASK(refused_wait, struct weft_future *);

TASK_TEST(a_cancelled_task_may_not_wait_even_for_a_finished_future)
{
    struct weft_scope s;
    struct weft_future *future = my_future();
    CHECK_EQ(weft_future_set(future, 5, first), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, refused_wait, future);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    weft_future_unref(future);
}

static int wait_in_its_queue(struct weft_future *future)
{
    struct weft_wait wait;
    weft_wait_init(&wait, NULL, NULL);
    ssize_t rc = weft_waitq_park(weft_future_waiters(future), &wait);
    note('q');
    return (int)rc;
}
WEFT_TASK(wait_in_its_queue, struct weft_future *);

TASK_TEST(the_queue_of_a_future_is_woken_with_zero)
{
    struct weft_scope s;
    struct weft_task *task;
    int result = -1;
    struct weft_future *future = my_future();
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&s, &task, wait_in_its_queue, future), 0);
    settle();
    CHECK_EQ(weft_future_set(future, -EIO, NULL), 0);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "q");
    weft_future_unref(future);
}

/* Done-callbacks. */

TASK_TEST(callbacks_are_scheduled_in_their_order_and_never_called_inside_set)
{
    struct weft_future *future = my_future();
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_OK(weft_future_add_callback(future, note_done_too, second));
    CHECK_OK(weft_future_add_callback(future, note_done, third));
    settle();
    CHECK_STR(trail, "");
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    CHECK_STR(trail, "");
    settle();
    CHECK_STR(trail, "abc");
    weft_future_unref(future);
}

TASK_TEST(a_callback_added_to_a_finished_future_is_scheduled_at_once)
{
    struct weft_future *future = my_future();
    CHECK_EQ(weft_future_cancel(future), 0);
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), note_callback, first, NULL));
    CHECK_OK(weft_future_add_callback(future, note_done, second));
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), note_callback, third, NULL));
    CHECK_STR(trail, "");
    settle();
    CHECK_STR(trail, "abc");
    weft_future_unref(future);
}

TASK_TEST(a_callback_holds_the_future)
{
    struct weft_future *future = my_future();
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    weft_future_unref(future);
    settle();
    CHECK_STR(trail, "a");
}

TASK_TEST(all_equal_callbacks_are_removed_and_counted)
{
    struct weft_future *future = my_future();
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_OK(weft_future_add_callback(future, note_done, second));
    CHECK_OK(weft_future_add_callback(future, note_done_too, first));
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_EQ(weft_future_remove_callback(future, note_done, first), 2);
    CHECK_EQ(weft_future_remove_callback(future, note_done, first), 0);
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    settle();
    CHECK_STR(trail, "ba");
    CHECK_EQ(weft_future_remove_callback(future, note_done, second), 0);
    weft_future_unref(future);
}

TASK_TEST(a_callback_that_is_scheduled_can_still_be_removed)
{
    struct weft_future *future = my_future();
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_OK(weft_future_add_callback(future, note_done, second));
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    CHECK_EQ(weft_future_remove_callback(future, note_done, first), 1);
    CHECK_EQ(weft_future_remove_callback(future, note_done, first), 0);
    settle();
    CHECK_STR(trail, "b");
    weft_future_unref(future);
}

TASK_TEST(removing_the_last_callback_may_free_the_future)
{
    struct weft_future *future = my_future();
    struct weft_future *borrowed = future;
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    weft_future_unref(future);
    CHECK_EQ(weft_future_remove_callback(borrowed, note_done, first), 1);
}

static void add_another(struct weft_future *future, void *letter)
{
    note(*(char *)letter);
    CHECK_OK(weft_future_add_callback(future, note_done, second));
    CHECK_EQ(weft_future_remove_callback(future, note_done_too, third), 1);
}

TASK_TEST(a_callback_may_add_and_remove_callbacks)
{
    struct weft_future *future = my_future();
    CHECK_OK(weft_future_add_callback(future, add_another, first));
    CHECK_OK(weft_future_add_callback(future, note_done_too, third));
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    settle();
    CHECK_STR(trail, "ab");
    weft_future_unref(future);
}

/* Without tasks. */

static void set_to_five(void *future)
{
    CHECK_EQ(weft_future_set(future, 5, first), 0);
}

static void stop_the_loop(void *arg)
{
    (void)arg;
    weft_loop_stop(loop);
}

TEST_EACH_ENGINE(a_run_until_lasts_until_the_future_is_finished)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, set_to_five, future, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note_callback, first, NULL));
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    CHECK_EQ(weft_future_code(future), 5);
    CHECK_STR(trail, "");
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(a_run_until_a_finished_future_returns_at_once)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_EQ(weft_future_set(future, -EIO, NULL), 0);
    CHECK_OK(weft_loop_call_soon(loop, note_callback, first, NULL));
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    CHECK_STR(trail, "");
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(a_run_until_that_is_stopped_first_gives_ecanceled)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_call_soon(loop, stop_the_loop, NULL, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, set_to_five, future, NULL));
    CHECK_ERR(weft_loop_run_until(loop, future), -ECANCELED);
    CHECK(!weft_future_done(future));
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(a_stop_before_a_run_until_allows_it_one_turn)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_call_soon(loop, note_callback, first, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, set_to_five, future, NULL));
    weft_loop_stop(loop);
    CHECK_ERR(weft_loop_run_until(loop, future), -ECANCELED);
    CHECK_STR(trail, "a");
    CHECK_OK(weft_loop_call_soon(loop, set_to_five, future, NULL));
    weft_loop_stop(loop);
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

TEST_EACH_ENGINE(a_run_until_that_nothing_can_end_gives_deadlock_in_a_simulated_world)
{
    if (!test_engine_is("sim"))
        SKIP("waits: another thread or a signal may come");
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, note_callback, first, NULL));
    CHECK_ERR(weft_loop_run_until(loop, future), -WEFT_EDEADLOCK);
    CHECK_STR(trail, "a");
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

/** Posted whenever the loop is about to wait. */
static sem_t about_to_wait;

static void post_about_to_wait(void *arg)
{
    (void)arg;
    CHECK_EQ(sem_post(&about_to_wait), 0);
}

static void *set_when_it_waits(void *future)
{
    CHECK_EQ(sem_wait(&about_to_wait), 0);
    CHECK_OK(weft_loop_call_soon_threadsafe(loop, set_to_five, future));
    return NULL;
}

TEST_EACH_ENGINE(a_run_until_waits_for_another_thread)
{
    pthread_t thread;
    test_needs_another_thread();
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_EQ(sem_init(&about_to_wait, 0, 0), 0);
    weft_loop_set_poll_hooks(loop, post_about_to_wait, NULL, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, set_when_it_waits, future), 0);
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    CHECK_EQ(weft_future_code(future), 5);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(sem_destroy(&about_to_wait), 0);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

static void raise_once(void *arg)
{
    static bool raised;
    (void)arg;
    if (!raised)
        CHECK_EQ(raise(SIGUSR1), 0);
    raised = true;
}

TEST_EACH_ENGINE(a_run_until_waits_for_a_signal)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_add_signal(loop, SIGUSR1, set_to_five, future));
    weft_loop_set_poll_hooks(loop, raise_once, NULL, NULL);
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    CHECK_EQ(weft_future_code(future), 5);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

static void run_inside(void *future)
{
    CHECK_ERR(weft_loop_run_until(loop, future), -EBUSY);
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
}

TEST_EACH_ENGINE(a_run_until_inside_a_run_is_refused)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_loop_call_soon(loop, run_inside, future, NULL));
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

static int set_from_a_task(struct weft_future *future)
{
    int rc = weft_sleep(WEFT_MS);
    return rc < 0 ? rc : weft_future_set(future, 5, first);
}
WEFT_TASK(set_from_a_task, struct weft_future *);

TEST_EACH_ENGINE(a_task_may_finish_what_the_callback_tier_waits_for)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_go(weft_root(loop), set_from_a_task, future));
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_EQ(weft_loop_run_until(loop, future), 0);
    CHECK_EQ(weft_future_code(future), 5);
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "a");
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}

/* Ending the loop. */

TEST_EACH_ENGINE(callbacks_that_are_scheduled_are_dropped_unrun_with_the_loop)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    CHECK_OK(weft_future_add_callback(future, note_done, second));
    CHECK_EQ(weft_future_set(future, 0, NULL), 0);
    CHECK_EQ(weft_future_remove_callback(future, note_done, second), 1);
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
    CHECK_STR(trail, "");
}

TEST_EACH_ENGINE(callbacks_of_a_pending_future_are_dropped_with_the_loop)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_future_add_callback(future, note_done, first));
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
    CHECK_STR(trail, "");
}

static int wait_for_ever(struct weft_future *future)
{
    return weft_future_wait(future, NULL, NULL);
}
WEFT_TASK(wait_for_ever, struct weft_future *);

TEST_EACH_ENGINE(waiters_are_cancelled_with_the_loop)
{
    open_loop();
    struct weft_future *future = new_future(loop);
    CHECK_OK(weft_go(weft_root(loop), wait_for_ever, future));
    CHECK_OK(weft_loop_step(loop, 0));
    CHECK(!weft_waitq_empty(weft_future_waiters(future)));
    weft_future_unref(future);
    CHECK_OK(weft_loop_free(loop));
}
