/* SPDX-License-Identifier: MIT */
/*
 * test_timers.c: timers that are set again, that are due at once or never, and what they share a
 * loop with
 *
 * Beside test_loop.c, which has their order: what programs do to timers from inside callbacks, and
 * that neither timers nor descriptors starve beside a callback that is always ready. Letters in
 * `trail` say which callback ran when.
 */
#include "test.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
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

static char a[] = "a", b[] = "b";

static void open_loop(void)
{
    struct weft_loop_options options = {.size = sizeof options, .backend = test_engine()};
    CHECK_OK(weft_loop_create(&options, &loop));
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

/** A timer that sets itself again. */
struct repeated {
    /** Times to go. */
    int left;
    /** When it is due next. */
    struct weft_time when;
};

static void repeat(void *arg)
{
    struct repeated *repeated = arg;
    CHECK(weft_loop_now(loop).ns >= repeated->when.ns);
    repeated->when.ns += WEFT_MS;
    if (--repeated->left > 0)
        CHECK_OK(weft_loop_call_at(loop, repeated->when, repeat, repeated, NULL));
}

TEST_EACH_ENGINE(a_timer_may_set_itself_again_and_keeps_to_its_instants)
{
    open_loop();
    weft_ns begun = weft_loop_now_fresh(loop).ns;
    struct repeated repeated = {.left = 5, .when = {begun + WEFT_MS}};
    CHECK_OK(weft_loop_call_at(loop, repeated.when, repeat, &repeated, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_EQ(repeated.left, 0);
    CHECK(weft_loop_now(loop).ns >= begun + 5 * WEFT_MS);
    close_loop();
}

static void set_at_once(void *arg)
{
    (void)arg;
    note(a);
    CHECK_OK(weft_loop_call_later(loop, 0, note, b, NULL));
    note(a);
}

TEST_EACH_ENGINE(a_timer_that_is_due_at_once_runs_later_than_who_set_it)
{
    open_loop();
    CHECK_OK(weft_loop_call_soon(loop, set_at_once, NULL, NULL));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "aab");
    close_loop();
}

TEST_EACH_ENGINE(a_timer_of_the_end_of_time_lets_others_run_and_goes_with_the_loop)
{
    struct weft_handle *never;
    open_loop();
    CHECK_OK(weft_loop_call_later(loop, WEFT_FOREVER, note, b, &never));
    CHECK_OK(weft_loop_call_later(loop, WEFT_FOREVER - 1, note, b, NULL));
    CHECK_EQ(weft_handle_when(never).ns, WEFT_FOREVER);
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, note, a, NULL));
    CHECK_OK(weft_loop_call_later(loop, 2 * WEFT_MS, stop, NULL, NULL));
    CHECK_OK(weft_loop_run_forever(loop));
    CHECK_STR(trail, "a");
    close_loop();
}

static struct weft_handle *other;

static void cancel_other(void *arg)
{
    (void)arg;
    note(a);
    weft_handle_cancel(other);
}

TEST_EACH_ENGINE(a_timer_may_cancel_another_that_is_due_in_the_same_turn)
{
    open_loop();
    weft_ns now = weft_loop_now_fresh(loop).ns;
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){now + 1}, cancel_other, NULL, NULL));
    CHECK_OK(weft_loop_call_at(loop, (struct weft_time){now + 2}, note, b, &other));
    CHECK_OK(weft_loop_run(loop));
    CHECK_STR(trail, "a");
    close_loop();
}

TEST_EACH_ENGINE(a_foreign_loop_is_told_how_long_it_may_sleep)
{
    struct weft_handle *timer;
    open_loop();
    /* A new loop of io_uring has something to submit. */
    CHECK_EQ(weft_loop_step(loop, 0), 0);
    CHECK_EQ(weft_loop_timeout(loop), WEFT_FOREVER);
    CHECK_OK(weft_loop_call_later(loop, WEFT_HOUR, note, a, &timer));
    weft_ns timeout = weft_loop_timeout(loop);
    CHECK(timeout > WEFT_HOUR / 2 && timeout <= WEFT_HOUR);
    CHECK_OK(weft_loop_call_soon(loop, note, b, NULL));
    CHECK_EQ(weft_loop_timeout(loop), 0);
    weft_handle_cancel(timer);
    CHECK_EQ(weft_loop_step(loop, 0), 0);
    CHECK_EQ(weft_loop_timeout(loop), WEFT_FOREVER);
    CHECK_STR(trail, "b");
    close_loop();
}

/* --- Beside a callback that is always ready ------------------------------------------------ */

/** Who must not starve. */
struct starved {
    /** Turns of the callback that is always ready. */
    int turns;
    /** The timer has run; the reader has. */
    bool timer, reader;
};

static void always(void *arg)
{
    struct starved *starved = arg;
    starved->turns++;
    if (!starved->timer || !starved->reader)
        CHECK_OK(weft_loop_call_soon(loop, always, starved, NULL));
}

static void timer_ran(void *arg)
{
    ((struct starved *)arg)->timer = true;
}

static int ends[2];

static void reader_ran(void *arg)
{
    ((struct starved *)arg)->reader = true;
    CHECK_EQ(weft_loop_remove_reader(loop, ends[0]), 1);
}

TEST_EACH_ENGINE(timers_and_descriptors_do_not_starve_beside_what_is_always_ready)
{
    struct starved starved = {0};
    if (test_engine_is("sim"))
        SKIP("no time passes there while something is ready");
    open_loop();
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_OK(weft_loop_call_soon(loop, always, &starved, NULL));
    CHECK_OK(weft_loop_call_later(loop, WEFT_MS, timer_ran, &starved, NULL));
    CHECK_OK(weft_loop_add_reader(loop, ends[0], reader_ran, &starved));
    CHECK_OK(weft_loop_run(loop));
    CHECK(starved.timer && starved.reader && starved.turns > 1);
    close(ends[0]);
    close(ends[1]);
    close_loop();
}

/* --- Descriptors of a kind of their own ---------------------------------------------------- */

static void saw(void *arg)
{
    note(arg);
    weft_loop_stop(loop);
}

TEST_EACH_ENGINE(an_epoll_descriptor_is_watched_like_any_other)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (test_engine_is("sim"))
        SKIP("epoll is the kernel's own");
    open_loop();
    int inner = epoll_create1(EPOLL_CLOEXEC);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(epoll_ctl(inner, EPOLL_CTL_ADD, ends[0], &event), 0);
    CHECK_OK(weft_loop_add_reader(loop, inner, saw, a));
    CHECK_EQ(weft_loop_step(loop, 0), 1);
    CHECK_STR(trail, "");
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_OK(weft_loop_run_forever(loop));
    CHECK_STR(trail, "a");
    CHECK_EQ(weft_loop_remove_reader(loop, inner), 1);
    close(inner);
    close(ends[0]);
    close(ends[1]);
    close_loop();
}

static int wait_for_urgent(void *arg)
{
    struct weft_address address;
    char byte;
    (void)arg;
    CHECK_OK(weft_address_parse("127.0.0.1:0", &address));
    int listener = weft_tcp_listen(&address, 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, &address));
    CHECK_OK(ends[0] = weft_tcp_connect(&address));
    CHECK_OK(ends[1] = weft_accept(listener, NULL));
    CHECK_OK(weft_write_all(ends[0], "ordinary", 8));
    CHECK_EQ(weft_poll(ends[1], POLLIN), POLLIN);
    CHECK_EQ(weft_poll_now(ends[1], POLLPRI), 0);
    CHECK_EQ(weft_send(ends[0], "!", 1, MSG_OOB), 1);
    CHECK(weft_poll(ends[1], POLLPRI) & POLLPRI);
    CHECK_EQ(weft_recv(ends[1], &byte, 1, MSG_OOB), 1);
    CHECK_EQ(byte, '!');
    CHECK_OK(weft_close(ends[0]));
    CHECK_OK(weft_close(ends[1]));
    return weft_close(listener);
}

TEST_EACH_ENGINE(urgent_data_wakes_who_waits_for_it_alone)
{
    if (test_engine_is("sim"))
        SKIP("urgent data is not simulated");
    CHECK_OK(weft_run(wait_for_urgent, NULL));
}
