/* SPDX-License-Identifier: MIT */
/*
 * test_wait.c: parking, waking and the wait queue
 *
 * Each test states one sentence of weft/wait.h. The wait that most of them look at is a `struct
 * probe`: a child parks on it, and its abort function counts how often it was asked and answers
 * what the test told it to. Letters in `trail` say who ran when.
 */
#include "base/list.h"
#include "task_test.h"

#include <unistd.h>

/** A wait that a child parks on, and what the test wants of it. */
struct probe {
    /** The wait; first, so that abort finds the probe. */
    struct weft_wait wait;
    /** What abort answers. */
    enum weft_abort answer;
    /** How often it was asked. */
    int asked;
    /** What the park returned. */
    ssize_t result;
    /** What the child's next wait returned. */
    int next;
    /** The park has returned. */
    int over;
};

static enum weft_abort count_and_answer(struct weft_wait *wait)
{
    struct probe *probe = (struct probe *)wait;
    probe->asked++;
    return probe->answer;
}

static void describe_probe(const struct weft_wait *wait, char *buf, size_t size)
{
    snprintf(buf, size, "for %s", (const char *)wait->object);
}

static int park_on(struct probe *probe)
{
    static char object[] = "the probe";
    weft_wait_init(&probe->wait, describe_probe, object);
    probe->result = weft_park(&probe->wait, count_and_answer);
    probe->over = 1;
    probe->next = weft_yield();
    return 0;
}
WEFT_TASK(park_on, struct probe *);

static int park_firmly(struct probe *probe)
{
    weft_wait_init(&probe->wait, describe_probe, NULL);
    probe->result = weft_park(&probe->wait, NULL);
    probe->over = 1;
    probe->next = weft_yield();
    return 0;
}
WEFT_TASK(park_firmly, struct probe *);

/** settle for a body whose own waits are refused. */
static void settle_refused(void)
{
    for (int i = 0; i < 300; i++)
        CHECK_ERR(weft_yield(), -ECANCELED);
}

TASK_TEST(a_park_returns_what_the_waker_gave)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    CHECK_EQ(probe.over, 0);
    CHECK_EQ(weft_wake(&probe.wait, 1234567890123), 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(probe.result, 1234567890123);
    CHECK_EQ(probe.asked, 0);
}

TASK_TEST(a_park_whose_wait_was_woken_before_returns_at_once)
{
    struct weft_wait wait;
    struct weft_loop_stats before, after;
    weft_wait_init(&wait, describe_probe, NULL);
    CHECK_EQ(weft_wake(&wait, 7), 1);
    weft_loop_get_stats(weft_loop_current(), &before);
    CHECK_EQ(weft_park(&wait, NULL), 7);
    weft_loop_get_stats(weft_loop_current(), &after);
    CHECK_EQ(after.runs, before.runs);
}

TASK_TEST(a_second_wake_changes_nothing)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    CHECK_EQ(weft_wake(&probe.wait, 1), 1);
    CHECK_EQ(weft_wake(&probe.wait, 2), 0);
    settle();
    CHECK_EQ(probe.result, 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int note_when_woken(struct probe *probe, char letter)
{
    weft_wait_init(&probe->wait, describe_probe, NULL);
    int rc = (int)weft_park(&probe->wait, count_and_answer);
    note(letter);
    return rc;
}
WEFT_TASK(note_when_woken, struct probe *, char);

static int leave_letter(char letter)
{
    note(letter);
    return 0;
}
WEFT_TASK(leave_letter, char);

TASK_TEST(a_woken_task_goes_to_the_end_of_the_ready_ones)
{
    struct weft_scope s;
    struct probe one = {.answer = WEFT_ABORT_DONE}, two = one;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, note_when_woken, &one, 'c');
    weft_go(&s, note_when_woken, &two, 'd');
    settle();
    weft_go(&s, leave_letter, 'b');
    CHECK_EQ(weft_wake(&one.wait, 0), 1);
    CHECK_EQ(weft_wake(&two.wait, 0), 1);
    note('a');
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "abcd");
}

/** Wakes a probe with the result that it holds. */
static void wake_with_result(void *arg)
{
    struct probe *probe = arg;
    CHECK_EQ(weft_wake(&probe->wait, probe->result), 1);
}

TASK_TEST(a_callback_may_wake)
{
    struct probe probe = {.result = 9};
    weft_wait_init(&probe.wait, describe_probe, NULL);
    CHECK_OK(weft_loop_call_soon(weft_loop_current(), wake_with_result, &probe, NULL));
    CHECK_EQ(weft_park(&probe.wait, NULL), 9);
}

/* Cancellation. */

TASK_TEST(a_wake_keeps_its_result_when_a_cancellation_follows_in_the_same_turn)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    CHECK_EQ(weft_wake(&probe.wait, 5), 1);
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(probe.result, 5);
    CHECK_EQ(probe.asked, 0);
    CHECK_ERR(probe.next, -ECANCELED);
}

TASK_TEST(a_withdrawn_wait_returns_ecanceled_and_cannot_be_woken)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(probe.asked, 1);
    CHECK_EQ(weft_wake(&probe.wait, 5), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(probe.result, -ECANCELED);
    CHECK_EQ(probe.asked, 1);
}

TASK_TEST(a_wait_that_answers_later_stays_parked_until_its_completion)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_LATER};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    weft_scope_cancel(&s, 0);
    settle_refused();
    CHECK_EQ(probe.over, 0);
    CHECK_EQ(weft_wake(&probe.wait, -ECANCELED), 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(probe.result, -ECANCELED);
}

TASK_TEST(a_success_that_comes_after_the_abort_wins)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_LATER};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_wake(&probe.wait, 5), 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(probe.result, 5);
    CHECK_ERR(probe.next, -ECANCELED);
}

TASK_TEST(abort_is_asked_once_however_many_cancellations_there_are)
{
    struct weft_scope outer, inner;
    struct weft_task *task;
    struct probe probe = {.answer = WEFT_ABORT_LATER};
    weft_scope_enter(&outer, WEFT_FOREVER);
    weft_scope_enter(&inner, WEFT_FOREVER);
    CHECK_EQ(weft_spawn(&inner, &task, park_on, &probe), 0);
    settle();
    weft_task_cancel(task);
    weft_scope_cancel(&inner, 0);
    weft_scope_cancel(&outer, 0);
    CHECK_EQ(probe.asked, 1);
    CHECK_EQ(weft_wake(&probe.wait, 0), 1);
    CHECK_EQ(weft_scope_exit(&inner, 0), 0);
    CHECK_EQ(weft_scope_exit(&outer, 0), 0);
}

static enum weft_abort wake_inside_abort(struct weft_wait *wait)
{
    CHECK_EQ(weft_wake(wait, 6), 1);
    return WEFT_ABORT_DONE;
}

static int park_and_wake_in_abort(ssize_t *result)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_probe, NULL);
    *result = weft_park(&wait, wake_inside_abort);
    return 0;
}
WEFT_TASK(park_and_wake_in_abort, __typeof__(ssize_t *));

TASK_TEST(a_wake_inside_abort_is_a_wake_that_came_first)
{
    struct weft_scope s;
    ssize_t result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_and_wake_in_abort, &result);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(result, 6);
}

TASK_TEST(a_wait_without_abort_is_not_touched_by_cancellation)
{
    struct weft_scope s;
    struct probe probe = {.over = 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_firmly, &probe);
    settle();
    weft_scope_cancel(&s, 0);
    settle_refused();
    CHECK_EQ(probe.over, 0);
    CHECK_EQ(weft_wake(&probe.wait, 3), 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(probe.result, 3);
    CHECK_ERR(probe.next, -ECANCELED);
}

TASK_TEST(a_wait_that_cannot_be_cancelled_costs_no_turns)
{
    struct weft_scope s, shield;
    struct probe firm = {.over = 0}, later = {.answer = WEFT_ABORT_LATER};
    struct weft_loop_stats before, after;
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_firmly, &firm);
    weft_go(&s, park_on, &later);
    settle();
    weft_scope_cancel(&s, 0);
    weft_shield_enter(&shield, WEFT_HOUR);
    settle();
    weft_loop_get_stats(weft_loop_current(), &before);
    CHECK_EQ(weft_sleep(20 * WEFT_MS), 0);
    weft_loop_get_stats(weft_loop_current(), &after);
    CHECK(after.turns - before.turns <= 3);
    CHECK_EQ(weft_scope_exit(&shield, 0), 0);
    CHECK_EQ(weft_wake(&firm.wait, 3), 1);
    CHECK_EQ(weft_wake(&later.wait, -ECANCELED), 1);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_cancellation_in_force_counts_as_one_during_the_park)
{
    struct weft_scope s;
    struct probe done = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_scope_cancel(&s, 0);
    weft_go(&s, park_on, &done);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(done.asked, 1);
    CHECK_ERR(done.result, -ECANCELED);
}

/** Parks under a deadline of a millisecond; the completion comes later, with `late`. */
static int complete_after_deadline(ssize_t late, ssize_t *result)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_LATER, .result = late};
    weft_scope_enter(&s, WEFT_MS);
    CHECK_EQ(weft_wait_begin(), 0);
    weft_wait_init(&probe.wait, describe_probe, NULL);
    CHECK_OK(
        weft_loop_call_later(weft_loop_current(), 3 * WEFT_MS, wake_with_result, &probe, NULL));
    *result = weft_park(&probe.wait, count_and_answer);
    CHECK_EQ(probe.asked, 1);
    return weft_scope_exit(&s, 0);
}

TASK_TEST(a_late_ecanceled_counts_as_a_wait_refused_for_the_deadline)
{
    ssize_t result = 0;
    CHECK_ERR(complete_after_deadline(-ECANCELED, &result), -ETIMEDOUT);
    CHECK_ERR(result, -ECANCELED);
}

TASK_TEST(a_late_success_leaves_the_deadline_without_effect)
{
    ssize_t result = 0;
    CHECK_EQ(complete_after_deadline(5, &result), 0);
    CHECK_EQ(result, 5);
}

static int wake_with_ecanceled(void)
{
    struct weft_wait wait;
    weft_wait_init(&wait, describe_probe, NULL);
    CHECK_EQ(weft_wake(&wait, -ECANCELED), 1);
    return (int)weft_park(&wait, NULL);
}
WEFT_TASK(wake_with_ecanceled);

TASK_TEST(an_ecanceled_of_the_waker_alone_is_no_refusal)
{
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, wake_with_ecanceled);
    CHECK_ERR(weft_scope_exit(&s, 0), -ECANCELED);
    CHECK(weft_scope_failure(&s) != NULL);
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, note_when_woken, &probe, 'x');
    settle();
    CHECK_EQ(weft_wake(&probe.wait, -ECANCELED), 1);
    CHECK_ERR(weft_scope_exit(&s, 0), -ECANCELED);
    CHECK(weft_scope_failure(&s) != NULL);
}

/* The share of the turn. */

/** Two tasks that look at each other. */
struct race {
    /** Calls that the busy one made. */
    int calls;
    /** The most calls it made between two looks of the other one. */
    int most;
    /** The busy one has finished. */
    bool over;
};

static int look_on(struct race *race)
{
    int last = 0, rc = 0;
    while (rc == 0 && !race->over) {
        int made = race->calls - last;
        last = race->calls;
        if (made > race->most)
            race->most = made;
        rc = weft_yield();
    }
    return rc;
}
WEFT_TASK(look_on, struct race *);

TASK_TEST(a_task_whose_calls_complete_at_once_lets_others_run)
{
    struct weft_scope s;
    struct race race = {.calls = 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, look_on, &race);
    for (; race.calls < 2000; race.calls++)
        CHECK_EQ(weft_wait_begin(), 0);
    race.over = true;
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK(race.most >= 100 && race.most <= 150);
}

static int make_calls_in_vain(struct race *race)
{
    for (; race->calls < 2000; race->calls++)
        CHECK_ERR(weft_wait_begin(), -ECANCELED);
    race->over = true;
    return 0;
}
WEFT_TASK(make_calls_in_vain, struct race *);

TASK_TEST(refused_calls_count_like_others)
{
    struct weft_scope s;
    struct weft_task *task;
    struct race race = {.calls = 0};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, look_on, &race);
    CHECK_EQ(weft_spawn(&s, &task, make_calls_in_vain, &race), 0);
    weft_task_cancel(task);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK(race.most >= 100 && race.most <= 150);
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

TASK_TEST(a_task_whose_calls_complete_at_once_lets_the_engine_be_looked_at)
{
    int fds[2], calls = 0;
    bool seen = false;
    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    CHECK_OK(weft_loop_add_reader(weft_loop_current(), fds[0], set_flag, &seen));
    while (!seen && calls++ < 2000)
        CHECK_EQ(weft_wait_begin(), 0);
    CHECK(seen && calls <= 300);
    CHECK_EQ(weft_loop_remove_reader(weft_loop_current(), fds[0]), 1);
    CHECK_EQ(weft_close(fds[0]), 0);
    CHECK_EQ(weft_close(fds[1]), 0);
}

/* The wait queue. */

/** One who waits in a queue, and what came of it. */
struct waiter {
    /** Its wait. */
    struct weft_wait wait;
    /** What it was woken with. */
    ssize_t result;
    /** What its next wait gave. */
    int next;
};

static int wait_in(struct weft_waitq *queue, struct waiter *waiter, char letter)
{
    weft_wait_init(&waiter->wait, describe_probe, NULL);
    waiter->result = weft_waitq_park(queue, &waiter->wait);
    note(letter);
    waiter->next = weft_yield();
    return 0;
}
WEFT_TASK(wait_in, struct weft_waitq *, struct waiter *, char);

/** A queue in which three wait: a, b and c. */
struct crowd {
    /** The scope they live in. */
    struct weft_scope scope;
    /** The queue. */
    struct weft_waitq queue;
    /** The waiters. */
    struct waiter waiters[3];
    /** Their tasks. */
    struct weft_task *tasks[3];
};

static void gather_crowd(struct crowd *crowd)
{
    memset(crowd, 0, sizeof *crowd);
    weft_waitq_init(&crowd->queue);
    weft_scope_enter(&crowd->scope, WEFT_FOREVER);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_spawn(&crowd->scope, &crowd->tasks[i], wait_in, &crowd->queue,
                            &crowd->waiters[i], (char)('a' + i)),
                 0);
    settle();
}

TASK_TEST(a_queue_is_first_in_first_out)
{
    struct crowd crowd;
    gather_crowd(&crowd);
    for (int i = 0; i < 3; i++) {
        CHECK(weft_waitq_wake(&crowd.queue, 10 + i) == &crowd.waiters[i].wait);
        settle();
        CHECK_EQ(crowd.waiters[i].result, 10 + i);
    }
    CHECK(weft_waitq_wake(&crowd.queue, 0) == NULL);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_STR(trail, "abc");
}

TASK_TEST(wake_all_wakes_all_in_order_and_counts)
{
    struct crowd crowd;
    gather_crowd(&crowd);
    CHECK_EQ(weft_waitq_wake_all(&crowd.queue, 7), 3);
    CHECK_EQ(weft_waitq_wake_all(&crowd.queue, 7), 0);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_STR(trail, "abc");
    CHECK_EQ(crowd.waiters[2].result, 7);
}

TASK_TEST(a_queue_is_empty_when_nobody_waits)
{
    struct weft_waitq assigned = WEFT_WAITQ_INIT(assigned);
    struct crowd crowd;
    CHECK(weft_waitq_empty(&assigned));
    CHECK(weft_waitq_first(&assigned) == NULL);
    gather_crowd(&crowd);
    CHECK(!weft_waitq_empty(&crowd.queue));
    CHECK(weft_waitq_first(&crowd.queue) == &crowd.waiters[0].wait);
    CHECK(weft_waitq_first(&crowd.queue) == &crowd.waiters[0].wait);
    CHECK_EQ(weft_waitq_wake_all(&crowd.queue, 0), 3);
    CHECK(weft_waitq_empty(&crowd.queue));
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
}

TASK_TEST(a_cancelled_waiter_leaves_the_queue)
{
    struct crowd crowd;
    gather_crowd(&crowd);
    weft_task_cancel(crowd.tasks[0]);
    weft_task_cancel(crowd.tasks[2]);
    CHECK(weft_waitq_first(&crowd.queue) == &crowd.waiters[1].wait);
    CHECK_EQ(weft_waitq_wake_all(&crowd.queue, 4), 1);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_ERR(crowd.waiters[0].result, -ECANCELED);
    CHECK_EQ(crowd.waiters[1].result, 4);
    CHECK_ERR(crowd.waiters[2].result, -ECANCELED);
}

TASK_TEST(a_waiter_woken_and_cancelled_in_the_same_turn_has_what_it_was_given)
{
    struct crowd crowd;
    gather_crowd(&crowd);
    CHECK(weft_waitq_wake(&crowd.queue, 4) == &crowd.waiters[0].wait);
    weft_scope_cancel(&crowd.scope, 0);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_EQ(crowd.waiters[0].result, 4);
    CHECK_ERR(crowd.waiters[0].next, -ECANCELED);
    CHECK_ERR(crowd.waiters[1].result, -ECANCELED);
}

TASK_TEST(repark_moves_the_first_waiter_to_the_end_of_another_queue_unwoken)
{
    struct crowd crowd;
    struct weft_waitq target = WEFT_WAITQ_INIT(target);
    gather_crowd(&crowd);
    CHECK_EQ(weft_waitq_repark(&crowd.queue, &target), 1);
    CHECK_EQ(weft_waitq_repark(&crowd.queue, &target), 1);
    settle();
    CHECK_STR(trail, "");
    CHECK_EQ(weft_waitq_wake_all(&target, 8), 2);
    settle();
    CHECK_STR(trail, "ab");
    CHECK_EQ(weft_waitq_repark(&target, &crowd.queue), 0);
    CHECK_EQ(weft_waitq_wake_all(&crowd.queue, 9), 1);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_EQ(crowd.waiters[0].result, 8);
    CHECK_EQ(crowd.waiters[2].result, 9);
}

TASK_TEST(a_waiter_that_was_moved_leaves_its_new_queue_when_cancelled)
{
    struct crowd crowd;
    struct weft_waitq target = WEFT_WAITQ_INIT(target);
    gather_crowd(&crowd);
    CHECK_EQ(weft_waitq_repark(&crowd.queue, &target), 1);
    weft_task_cancel(crowd.tasks[0]);
    CHECK(weft_waitq_empty(&target));
    weft_scope_cancel(&crowd.scope, 0);
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
    CHECK_ERR(crowd.waiters[0].result, -ECANCELED);
}

/* Listeners. */

/** A listener, and what it heard. */
struct listener {
    /** Its wait; first, so that its function finds the rest. */
    struct weft_wait wait;
    /** What it answers. */
    int answer;
    /** What it was woken with. */
    ssize_t result;
    /** How often. */
    int heard;
};

static int hear(struct weft_wait *wait, ssize_t result)
{
    struct listener *listener = (struct listener *)wait;
    CHECK(wait->object == listener);
    listener->result = result;
    listener->heard++;
    return listener->answer;
}

TASK_TEST(the_wake_of_a_listener_calls_its_function_and_returns_its_answer)
{
    for (int answer = 0; answer < 2; answer++) {
        struct listener listener = {.answer = answer};
        weft_wait_init_listener(&listener.wait, hear, &listener);
        CHECK_EQ(weft_wake(&listener.wait, 1234567890123), answer);
        CHECK_EQ(listener.heard, 1);
        CHECK_EQ(listener.result, 1234567890123);
        CHECK_EQ(weft_wake(&listener.wait, 6), 0);
        CHECK_EQ(listener.heard, 1);
    }
}

TASK_TEST(a_listener_stands_in_a_queue_as_a_task_would)
{
    struct crowd crowd;
    struct listener listener = {.answer = 1};
    gather_crowd(&crowd);
    weft_wait_init_listener(&listener.wait, hear, &listener);
    weft__list_append(&crowd.queue.waits, &listener.wait.link);
    for (int i = 0; i < 3; i++)
        CHECK(weft_waitq_wake(&crowd.queue, 3) == &crowd.waiters[i].wait);
    CHECK_EQ(listener.heard, 0);
    CHECK(weft_waitq_wake(&crowd.queue, 4) == &listener.wait);
    CHECK_EQ(listener.result, 4);
    CHECK(weft_waitq_empty(&crowd.queue));
    CHECK_EQ(weft_scope_exit(&crowd.scope, 0), 0);
}

/* Describing. */

static void dump_into(char *buf, size_t size)
{
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    weft_dump(weft_loop_current(), fds[1]);
    close(fds[1]);
    ssize_t n = read(fds[0], buf, size - 1);
    CHECK(n >= 0);
    buf[n] = '\0';
    close(fds[0]);
}

TASK_TEST(a_dump_says_in_the_words_of_describe_what_is_waited_for)
{
    char text[4096];
    struct weft_scope s;
    struct probe probe = {.answer = WEFT_ABORT_DONE};
    weft_scope_enter(&s, WEFT_FOREVER);
    weft_go(&s, park_on, &probe);
    settle();
    dump_into(text, sizeof text);
    CHECK_CONTAINS(text, "park_on  parked ");
    CHECK_CONTAINS(text, " s: for the probe  (spawned at ");
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
