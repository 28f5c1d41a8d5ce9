/* SPDX-License-Identifier: MIT */
/*
 * test_loop.c: the callback tier
 *
 * Each test states one sentence of weft/loop.h, with no task anywhere: the loop stands alone. Times
 * are a few milliseconds on real engines and cost nothing under `sim`. Letters in `trail` say which
 * callback ran when.
 */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

static char trail[256];
static struct weft_loop *loop;

static void note(void *letter)
{
    size_t len = strlen(trail);
    CHECK(len + 1 < sizeof trail);
    trail[len] = *(char *)letter;
}

static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";

static void open_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_STR(weft_loop_backend(loop), test_engine());
}

static void close_loop(void)
{
    CHECK_OK(weft_loop_free(loop));
}

static void stop(void *arg)
{
    (void)arg;
    weft_loop_stop(loop);
}

TEST_EACH_ENGINE(callbacks_run_in_the_order_they_were_scheduled)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, note, a, NULL));
    CHECK_OK(weft_loop_call_soon(loop, note, b, NULL));
    CHECK_OK(weft_loop_call_soon(loop, note, c, NULL));
    CHECK_STR(trail, "");
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "abc");
    close_loop();
}

TEST_EACH_ENGINE(timers_run_by_deadline_and_equal_ones_as_they_were_set)
{
    open_loop();
    /* A nanosecond apart, so that all are due in one turn however slow the machine is. */
    weft_ns now = weft_loop_now_fresh(loop).ns;
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){now + 2}, note, c, NULL));
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){now + 1}, note, a, NULL));
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){now + 1}, note, b, NULL));
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){-5}, note, d, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "dabc");
    close_loop();
}

TEST_EACH_ENGINE(a_timer_is_never_early)
{
    open_loop();
    weft_ns begun = weft_loop_now_fresh(loop).ns;
    CHECK_OK(weft_loop_call_later(loop, 2 * WEFT_MS, note, a, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK(weft_loop_now_fresh(loop).ns >= begun + 2 * WEFT_MS);
    CHECK_STR(trail, "a");
    close_loop();
}

TEST_EACH_ENGINE(a_cancelled_callback_does_not_run)
{
    struct weft_handle *soon, *later;
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, note, a, &soon));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, &later));
    CHECK(weft_handle_when(soon).ns == 0);
    CHECK(weft_handle_when(later).ns > WEFT_HOUR);
    weft_handle_cancel(soon);
    weft_handle_cancel(later);
    weft_handle_cancel(NULL);
    CHECK_OK(weft_loop_call_soon(loop, note, c, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "c");
    close_loop();
}

TEST_EACH_ENGINE(a_cancelled_timer_is_forgotten_at_once)
{
    enum { COUNT = 1000 };
    static struct weft_handle *timers[COUNT];
    struct weft_loop_stats stats;
    open_loop();
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR + i, note, a, &timers[i]));
    weft_loop_get_stats(loop, &stats);
    CHECK_EQ(stats.timers, COUNT);
    for (int i = 1; i < COUNT; i++)
        weft_handle_cancel(timers[i]);
    weft_loop_get_stats(loop, &stats);
    CHECK_EQ(stats.timers, 1);
    CHECK(weft_loop_timeout(loop) <= WEFT_HOUR);
    weft_handle_cancel(timers[0]);
    CHECK(weft_loop_step(loop, 0) >= 0);
    CHECK(weft_loop_timeout(loop) == WEFT_FOREVER);
    close_loop();
}

static void spend_time(void *arg)
{
    struct timespec pause = {.tv_nsec = 1000000};
    weft_ns before = weft_loop_now(loop).ns;
    (void)arg;
    nanosleep(&pause, NULL);
    CHECK(weft_loop_now(loop).ns == before);
    /* Only the clock of a simulated world stands still by itself. */
    weft_ns fresh = weft_loop_now_fresh(loop).ns;
    CHECK(strcmp(test_engine(), "sim") == 0 ? fresh == before : fresh > before);
    CHECK(weft_loop_now(loop).ns == fresh);
}

TEST_EACH_ENGINE(the_time_of_a_loop_stands_still_during_a_turn)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, spend_time, NULL, NULL));
    CHECK_OK(weft_loop_call_later(loop, 2 * WEFT_MS, spend_time, NULL, NULL));
    weft_ns begun = weft_loop_now(loop).ns;
    CHECK_OK(weft_loop_run(loop));
    CHECK(weft_loop_now(loop).ns >= begun + 2 * WEFT_MS);
    close_loop();
}

TEST_EACH_ENGINE(pending_callbacks_and_timers_are_dropped_with_the_loop)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, note, a, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, NULL));
    close_loop();
    CHECK_STR(trail, "");
}

static int rounds;

static void again(void *arg)
{
    (void)arg;
    if (++rounds < 5)
        CHECK_OK(weft_loop_call_soon(loop, again, NULL, NULL));
    else
        weft_loop_stop(loop);
}

TEST_EACH_ENGINE(a_snapshot_batch_leaves_what_becomes_ready_to_the_next_turn)
{
    struct weft_loop_stats stats;
    open_loop();
    weft_loop_set_batch(loop, WEFT_BATCH_SNAPSHOT);
    CHECK_OK(weft_loop_call_soon(loop, again, NULL, NULL));
    CHECK_OK(weft_loop_run_forever(loop));
    weft_loop_get_stats(loop, &stats);
    CHECK_EQ(stats.turns, 5);
    close_loop();
}

TEST_EACH_ENGINE(a_budget_batch_runs_what_becomes_ready_meanwhile)
{
    struct weft_loop_stats stats;
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, again, NULL, NULL));
    CHECK_OK(weft_loop_run_forever(loop));
    weft_loop_get_stats(loop, &stats);
    CHECK_EQ(stats.turns, 1);
    CHECK_EQ(stats.runs, 5);
    close_loop();
}

TEST_EACH_ENGINE(stop_before_a_run_makes_exactly_one_turn)
{
    open_loop();
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, NULL));
    CHECK_OK(weft_loop_call_soon(loop, note, a, NULL));
    weft_loop_stop(loop);
    CHECK_OK(weft_loop_run_forever(loop));
    CHECK_STR(trail, "a");
    close_loop();
}

TEST_EACH_ENGINE(stop_from_a_callback_ends_the_run_after_its_batch)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, stop, NULL, NULL));
    CHECK_OK(weft_loop_call_soon(loop, note, a, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "a");
    CHECK(!weft_loop_running(loop));
    close_loop();
}

static int pipe_fds[2];

static void read_byte(void *arg)
{
    char byte;
    CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
    note(&byte);
    if (byte == *(char *)arg)
        CHECK_EQ(weft_loop_remove_reader(loop, pipe_fds[0]), 1);
}

static void skip_without_real_descriptors(void)
{
    if (test_engine_is("sim"))
        SKIP("uses real descriptors");
}

TEST_EACH_ENGINE(a_reader_is_called_as_long_as_there_is_something_to_read)
{
    skip_without_real_descriptors();
    open_loop();
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_EQ(write(pipe_fds[1], "abc", 3), 3);
    CHECK_OK(weft_loop_add_reader(loop, pipe_fds[0], read_byte, c));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "abc");
    CHECK_EQ(weft_loop_remove_reader(loop, pipe_fds[0]), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close_loop();
}

static void write_once(void *arg)
{
    CHECK_EQ(write(pipe_fds[1], arg, 1), 1);
    CHECK_EQ(weft_loop_remove_writer(loop, pipe_fds[1]), 1);
}

TEST_EACH_ENGINE(a_writer_is_called_when_there_is_room)
{
    skip_without_real_descriptors();
    open_loop();
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_OK(weft_loop_add_reader(loop, pipe_fds[0], read_byte, d));
    CHECK_OK(weft_loop_add_writer(loop, pipe_fds[1], write_once, d));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "d");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close_loop();
}

static void closed(void *arg)
{
    note(arg);
    CHECK_EQ(write(pipe_fds[0], "x", 1), -1);
}

TEST_EACH_ENGINE(closing_a_watched_descriptor_removes_the_watch_and_tells)
{
    skip_without_real_descriptors();
    open_loop();
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_OK(weft_loop_add_reader(loop, pipe_fds[0], read_byte, d));
    CHECK_OK(weft_loop_close_fd(loop, pipe_fds[0], closed, a));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "a");
    CHECK_ERR(weft_loop_close_fd(loop, pipe_fds[0], closed, a), -EBADF);
    close(pipe_fds[1]);
    close_loop();
}

static void *call_from_a_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        CHECK_OK(weft_loop_call_soon_threadsafe(loop, again, NULL));
    CHECK_OK(weft_loop_call_soon_threadsafe(loop, note, a));
    return NULL;
}

static void count_to_many(void *arg)
{
    (void)arg;
}

TEST_EACH_ENGINE(another_thread_can_schedule_and_wake)
{
    pthread_t thread;
    test_needs_another_thread();
    open_loop();
    rounds = 1000000;
    CHECK_EQ(pthread_create(&thread, NULL, call_from_a_thread, NULL), 0);
    while (!trail[0])
        CHECK(weft_loop_step(loop, WEFT_FOREVER) >= 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(rounds, 1001000);
    close_loop();
}

TEST_EACH_ENGINE(posting_without_memory_is_an_error_and_posts_nothing)
{
    open_loop();
    test_out_of_memory(true);
    int rc = weft_loop_call_soon_threadsafe(loop, note, a);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
    CHECK_OK(weft_loop_call_soon_threadsafe(loop, note, b));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "b");
    close_loop();
}

static void raise_then_note(void *arg)
{
    note(arg);
    weft_loop_stop(loop);
}

TEST_EACH_ENGINE(a_signal_becomes_a_callback_and_the_disposition_is_put_back)
{
    struct sigaction before, after;
    open_loop();
    CHECK_EQ(sigaction(SIGUSR1, NULL, &before), 0);
    CHECK_OK(weft_loop_add_signal(loop, SIGUSR1, raise_then_note, a));
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_STR(trail, "");
    CHECK_OK(weft_loop_run_forever(loop));
    CHECK_STR(trail, "a");
    CHECK_EQ(weft_loop_remove_signal(loop, SIGUSR1), 1);
    CHECK_EQ(weft_loop_remove_signal(loop, SIGUSR1), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &after), 0);
    CHECK(before.sa_handler == after.sa_handler);
    CHECK_ERR(weft_loop_add_signal(loop, SIGKILL, note, a), -EINVAL);
    CHECK_ERR(weft_loop_add_signal(loop, 0, note, a), -EINVAL);
    CHECK_ERR(weft_loop_add_signal(loop, 1000, note, a), -EINVAL);
    close_loop();
}

TEST_EACH_ENGINE(a_signal_belongs_to_one_loop)
{
    struct weft_loop *other;
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    open_loop();
    CHECK_OK(weft_loop_create(&options, &other));
    CHECK_OK(weft_loop_add_signal(loop, SIGUSR1, note, a));
    CHECK_ERR(weft_loop_add_signal(other, SIGUSR1, note, a), -EBUSY);
    CHECK_OK(weft_loop_free(other));
    close_loop();
}

TEST_EACH_ENGINE(hooks_run_around_polling)
{
    open_loop();
    weft_loop_set_poll_hooks(loop, note, note, a);
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, NULL));
    CHECK_EQ(weft_loop_step(loop, WEFT_MS), 1);
    CHECK_STR(trail, "aa");
    close_loop();
}

static void schedule_once(void *arg)
{
    static bool scheduled;
    if (!scheduled)
        CHECK_OK(weft_loop_call_soon(loop, stop, arg, NULL));
    scheduled = true;
}

TEST_EACH_ENGINE(what_a_hook_schedules_is_not_slept_over)
{
    open_loop();
    weft_loop_set_poll_hooks(loop, schedule_once, NULL, NULL);
    CHECK_OK(weft_loop_run_forever(loop));
    close_loop();
}

TEST_EACH_ENGINE(a_foreign_loop_can_drive_ours)
{
    struct weft_handle *later;
    open_loop();
    CHECK_EQ(weft_loop_step(loop, 0), 0);
    CHECK_EQ(weft_loop_timeout(loop), WEFT_FOREVER);
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, b, &later));
    CHECK(weft_loop_timeout(loop) > 0 && weft_loop_timeout(loop) <= WEFT_HOUR);
    CHECK_OK(weft_loop_call_soon(loop, note, a, NULL));
    CHECK_EQ(weft_loop_timeout(loop), 0);
    CHECK_EQ(weft_loop_step(loop, WEFT_FOREVER), 1);
    CHECK_STR(trail, "a");
    weft_handle_cancel(later);
    CHECK_EQ(weft_loop_step(loop, 0), 0);
    CHECK(weft_loop_fd(loop) >= 0 || weft_loop_fd(loop) == -ENOTSUP);
    close_loop();
}

/** One turn of somebody else's loop, which sleeps on our descriptor and never inside ours. */
static void foreign_turn(int fd)
{
    weft_ns timeout = weft_loop_timeout(loop);
    if (timeout != 0) {
        struct pollfd ours = {.fd = fd, .events = POLLIN};
        int ms = timeout == WEFT_FOREVER ? 20000 : (int)(timeout / WEFT_MS) + 1;
        int rc = poll(&ours, 1, ms);
        CHECK(rc > 0 || (rc == 0 && timeout != WEFT_FOREVER));
    }
    CHECK(weft_loop_step(loop, 0) >= 0);
}

static void *write_in_a_thread(void *arg)
{
    CHECK_EQ(write(pipe_fds[1], arg, 1), 1);
    return NULL;
}

static void *note_from_a_thread(void *arg)
{
    CHECK_OK(weft_loop_call_soon_threadsafe(loop, note, arg));
    return NULL;
}

/** Makes foreign turns until the trail is that, while a thread does something. */
static void drive_until(const char *expected, int fd, void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    while (strcmp(trail, expected) != 0)
        foreign_turn(fd);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST_EACH_ENGINE(a_foreign_loop_that_sleeps_on_our_descriptor_misses_nothing)
{
    open_loop();
    int fd = weft_loop_fd(loop);
    if (fd < 0) {
        CHECK_ERR(fd, -ENOTSUP);
        close_loop();
        SKIP("this engine has no descriptor");
    }
    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_OK(weft_loop_add_reader(loop, pipe_fds[0], read_byte, b));
    drive_until("a", fd, write_in_a_thread, a);
    drive_until("ab", fd, write_in_a_thread, b);
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, note, c, NULL));
    while (strcmp(trail, "abc") != 0)
        foreign_turn(fd);
    drive_until("abcd", fd, note_from_a_thread, d);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close_loop();
}

static void free_inside(void *arg)
{
    (void)arg;
#ifdef NDEBUG
    CHECK_ERR(weft_loop_free(loop), -EBUSY);
#endif
    CHECK_ERR(weft_loop_run(loop), -EBUSY);
    note(a);
}

TEST_EACH_ENGINE(a_loop_does_not_run_inside_itself)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, free_inside, NULL, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "a");
    close_loop();
}

TEST(an_unknown_engine_is_an_error)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = "kqueue"};
    struct weft_loop *none = NULL;
    CHECK_ERR(weft_loop_create(&options, &none), -EINVAL);
    CHECK(none == NULL);
}

TEST(the_environment_chooses_the_engine)
{
    CHECK_EQ(setenv("WEFT_BACKEND", "poll", 1), 0);
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_STR(weft_loop_backend(loop), "poll");
    CHECK_CONTAINS(weft_loop_backend_reason(loop), "WEFT_BACKEND");
    close_loop();
    CHECK_EQ(setenv("WEFT_BACKEND", "nonsense", 1), 0);
    CHECK_ERR(weft_loop_create(NULL, &loop), -EINVAL);
    CHECK_EQ(unsetenv("WEFT_BACKEND"), 0);
    CHECK_OK(weft_loop_create(NULL, &loop));
    CHECK_STR(weft_loop_backend(loop), "epoll");
    CHECK_STR(weft_loop_backend_reason(loop), "default");
    close_loop();
}

static struct weft_loop *loops[2];

static void *run_a_loop(void *arg)
{
    struct weft_loop **mine = arg;
    CHECK_OK(weft_loop_create(NULL, mine));
    CHECK_OK(weft_loop_call_later(*mine, WEFT_MS, count_to_many, NULL, NULL));
    CHECK_OK(weft_loop_run(*mine));
    CHECK(weft_loop_current() == NULL);
    CHECK_OK(weft_loop_free(*mine));
    return NULL;
}

TEST_EACH_ENGINE(each_thread_can_have_a_loop)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_a_loop, &loops[i]), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}
