/* SPDX-License-Identifier: MIT */
/*
 * test_server.c: the life of a server
 *
 * Each test states one sentence of weft/serve.h about opening, closing, draining and joining, on
 * each engine. What asyncio's Server.wait_closed got wrong three times is here in every order.
 */
#include "serve_test.h"

TASK_TEST(several_clients_are_served_at_once)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    int one = client_of(&address), two = client_of(&address);
    check_echo(two, "second");
    check_echo(one, "first");
    CHECK_EQ(stats_of(server).active, 2);
    CHECK_EQ(weft_close(one), 0);
    check_echo(two, "again");
    CHECK_EQ(weft_shutdown(two, SHUT_WR), 0);
    check_end(two);
    CHECK_EQ(weft_close(two), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int fail_on_x(struct weft_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    while (weft_stream_read(stream, &byte, 1) == 1)
        if (byte == 'x')
            return weft_fail(-EPROTO, "an x");
        else if (weft_stream_write_all(stream, &byte, 1) < 0)
            return -EIO;
    return 0;
}

TASK_TEST(a_failing_handler_ends_its_own_connection)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, fail_on_x, NULL, &address);
    int good = client_of(&address), bad = client_of(&address);
    check_echo(good, "before");
    put(bad, "x");
    check_end(bad);
    CHECK_EQ(weft_close(bad), 0);
    check_echo(good, "after");
    until_active(server, 1);
    CHECK_EQ(heard.count, 1);
    CHECK_ERR(heard.code, -EPROTO);
    CHECK_STR(heard.text, "an x");
    CHECK_EQ(stats_of(server).failed, 1);
    CHECK_EQ(weft_close(good), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_closed_address_is_free_at_once_and_connections_stay)
{
    struct weft_scope s;
    struct weft_address address;
    char text[WEFT_ADDRESS_TEXT_SIZE];
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    int fd = client_of(&address);
    check_echo(fd, "before");
    CHECK_EQ(weft_server_state(server), WEFT_SERVER_LISTENING);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_server_state(server), WEFT_SERVER_CLOSED);
    CHECK_ERR(weft_tcp_connect(&address), -ECONNREFUSED);
    struct weft_serve_options options = {.address =
                                             weft_address_format(&address, text, sizeof text)};
    struct weft_server *next = open_with(&s, options, echo, NULL, NULL);
    check_echo(fd, "after");
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_server_addresses(server, NULL, 0), 0);
    CHECK_EQ(weft_server_fds(server, NULL, 0), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(weft_server_state(server), WEFT_SERVER_OVER);
    CHECK_EQ(weft_server_close(next), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Join, in every order. */

static int join_and_note(struct weft_server *server)
{
    int rc = weft_server_join(server);
    note('j');
    return rc;
}
typedef struct weft_server *server_pointer;
WEFT_TASK(join_and_note, server_pointer);

TASK_TEST(a_join_waits_for_the_close_although_no_connection_is_left)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    CHECK_EQ(weft_go(&s, join_and_note, server), 0);
    int fd = client_of(&address);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
    until_active(server, 0);
    note('c');
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "cj");
}

TASK_TEST(a_join_waits_for_the_last_connection_although_it_is_closed)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    int one = client_of(&address), two = client_of(&address);
    until_active(server, 2);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_go(&s, join_and_note, server), 0);
    CHECK_EQ(weft_close(one), 0);
    until_active(server, 1);
    note('e');
    CHECK_EQ(weft_close(two), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "ej");
}

TASK_TEST(a_join_after_the_end_returns_at_once_each_time)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, NULL);
    CHECK_EQ(weft_server_close(server), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(weft_server_drain(server, 0), 0);
    CHECK_EQ(weft_server_state(server), WEFT_SERVER_OVER);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(several_tasks_join_one_server)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(&s, join_and_note, server), 0);
    settle();
    CHECK_STR(trail, "");
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_STR(trail, "jjj");
}

TASK_TEST(a_join_is_cancelled_without_touching_the_server)
{
    struct weft_scope s;
    struct weft_address address;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, echo, NULL, &address);
    CHECK_ERR(weft_within(WEFT_MS, weft_server_join(server)), -ETIMEDOUT);
    int fd = client_of(&address);
    check_echo(fd, "hello");
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int join_own_server(struct weft_stream *stream, void *arg)
{
    (void)stream;
    *(int *)arg = weft_server_join(weft_serve_server());
    return 0;
}

TASK_TEST(a_handler_cannot_wait_for_its_own_end)
{
    struct weft_scope s;
    struct weft_address address;
    int joined = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, join_own_server, &joined, &address);
    int fd = client_of(&address);
    check_end(fd);
    CHECK_ERR(joined, -EDEADLK);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Draining. */

/** Says "r" when it is ready to be told to stop, and "d" when it was. */
static int long_work(struct weft_stream *stream, void *arg)
{
    int rc = weft_stream_write_all(stream, "r", 1);
    weft_ns *work = arg;
    if (rc == 0)
        rc = weft_sleep(*work);
    return rc < 0 ? rc : weft_stream_write_all(stream, "d", 1);
}

TASK_TEST(a_drain_lets_work_finish_that_ends_within_the_grace)
{
    struct weft_scope s;
    struct weft_address address;
    weft_ns work = 20 * WEFT_MS;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, long_work, &work, &address);
    int fd = client_of(&address);
    take(fd, 1);
    CHECK_EQ(weft_server_drain(server, WEFT_HOUR), 0);
    CHECK_EQ(weft_server_state(server), WEFT_SERVER_DRAINING);
    CHECK_ERR(weft_tcp_connect(&address), -ECONNREFUSED);
    take(fd, 1);
    check_end(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(stats_of(server).succeeded, 1);
    CHECK_EQ(stats_of(server).cancelled, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_drain_cancels_what_outlives_the_grace)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    weft_ns work = WEFT_HOUR;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, long_work, &work, &address);
    int fd = client_of(&address);
    take(fd, 1);
    struct weft_time begin = weft_after(0);
    CHECK_EQ(weft_server_drain(server, 20 * WEFT_MS), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK(weft_after(0).ns - begin.ns >= 20 * WEFT_MS);
    CHECK_EQ(stats_of(server).cancelled, 1);
    CHECK_EQ(heard.count, 0);
    check_end(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(a_later_drain_only_brings_the_end_nearer)
{
    struct weft_scope s;
    struct weft_address address;
    weft_ns work = WEFT_HOUR;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, long_work, &work, &address);
    int fd = client_of(&address);
    take(fd, 1);
    CHECK_EQ(weft_server_drain(server, 10 * WEFT_MS), 0);
    CHECK_EQ(weft_server_drain(server, WEFT_FOREVER), 0);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(stats_of(server).cancelled, 1);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/** A handler has something to answer; it may. */
static struct weft_event busy_now, may_answer;

/** Answers each byte when it may, and is idle while it waits for one. */
static int answer(struct weft_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    for (;;) {
        weft_serve_idle(1);
        ssize_t n = weft_stream_read(stream, &byte, 1);
        weft_serve_idle(0);
        if (n <= 0)
            return (int)n;
        weft_event_set(&busy_now);
        int rc = weft_event_wait(&may_answer);
        if (rc == 0)
            rc = weft_stream_write_all(stream, &byte, 1);
        if (rc < 0)
            return rc;
    }
}

TASK_TEST(a_drain_cancels_idle_connections_at_once_and_busy_ones_when_they_become_idle)
{
    struct weft_scope s;
    struct weft_address address;
    weft_event_init(&busy_now);
    weft_event_init(&may_answer);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, answer, NULL, &address);
    int idle = client_of(&address), busy = client_of(&address);
    weft_event_set(&may_answer);
    check_echo(idle, "x");
    weft_event_clear(&may_answer);
    weft_event_clear(&busy_now);
    put(busy, "y");
    CHECK_EQ(weft_event_wait(&busy_now), 0);
    CHECK_EQ(weft_server_drain(server, WEFT_FOREVER), 0);
    check_end(idle);
    CHECK_EQ(stats_of(server).active, 1);
    weft_event_set(&may_answer);
    take(busy, 1);
    check_end(busy);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(stats_of(server).cancelled, 2);
    CHECK_EQ(weft_close(idle), 0);
    CHECK_EQ(weft_close(busy), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int ask_draining(struct weft_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    while (weft_stream_read(stream, &byte, 1) == 1)
        if (weft_stream_write_all(stream, weft_serve_draining() ? "y" : "n", 1) < 0)
            return -EIO;
    return 0;
}

TASK_TEST(a_handler_can_ask_whether_its_server_comes_to_an_end)
{
    struct weft_scope s;
    struct weft_address address;
    char byte;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, ask_draining, NULL, &address);
    int fd = client_of(&address);
    put(fd, "?");
    CHECK_EQ(weft_read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'n');
    CHECK_EQ(weft_server_close(server), 0);
    put(fd, "?");
    CHECK_EQ(weft_read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK(!weft_serve_server());
    CHECK_EQ(weft_serve_draining(), 0);
    weft_serve_idle(1);
}

TASK_TEST(an_abort_resets_every_connection)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    char byte;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, swallow, NULL, &address);
    int fd = client_of(&address);
    until_active(server, 1);
    CHECK_EQ(weft_server_abort(server), 0);
    CHECK_ERR(weft_read(fd, &byte, 1), -ECONNRESET);
    CHECK_EQ(weft_server_join(server), 0);
    CHECK_EQ(heard.count, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

/* Cancellation from outside. */

static int serve_here(struct weft_serve_options *options, weft_ns *work)
{
    return weft_serve_with(options, long_work, work);
}
typedef struct weft_serve_options *options_pointer;
typedef weft_ns *ns_pointer;
WEFT_TASK(serve_here, options_pointer, ns_pointer);

/** A free port as text. */
static const char *free_port(char text[WEFT_ADDRESS_TEXT_SIZE], struct weft_address *ret)
{
    int fd = listen_anywhere(ret);
    CHECK_EQ(weft_close(fd), 0);
    return weft_address_format(ret, text, WEFT_ADDRESS_TEXT_SIZE);
}

/** Serves, cancels while a handler has `work` to do; whether that was finished. */
static bool cancelled_with(weft_ns grace, weft_ns work)
{
    struct weft_scope s;
    struct weft_task *task;
    struct weft_address address;
    char text[WEFT_ADDRESS_TEXT_SIZE], bytes[2];
    struct weft_serve_options options = {.grace = grace};
    options.address = free_port(text, &address);
    int result = 0;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_spawn_ready(&s, &task, serve_here, &options, &work), 0);
    int fd = client_of(&address);
    take(fd, 1);
    weft_task_cancel(task);
    ssize_t n = weft_read(fd, bytes, 1);
    CHECK(n >= 0 || n == -ECONNRESET);
    CHECK_EQ(weft_join(task, &result), 0);
    CHECK_ERR(result, -ECANCELED);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    return n == 1;
}

TASK_TEST(a_cancelled_server_drains_with_its_grace)
{
    CHECK(cancelled_with(WEFT_HOUR, 20 * WEFT_MS));
    CHECK(!cancelled_with(20 * WEFT_MS, WEFT_HOUR));
    /* Long enough for the cancellation to come first, and shorter than the default would be. */
    CHECK(!cancelled_with(-1, 900 * WEFT_MS));
}

TASK_TEST(the_grace_of_a_server_is_a_second_unless_said_otherwise)
{
    if (!test_engine_is("sim"))
        SKIP("a busy machine may take a second for anything");
    CHECK(cancelled_with(0, 999 * WEFT_MS));
    CHECK(!cancelled_with(0, 1001 * WEFT_MS));
}

TASK_TEST(a_closed_server_still_drains_when_it_is_cancelled)
{
    struct weft_scope s;
    struct weft_address address;
    weft_ns work = WEFT_HOUR;
    struct weft_serve_options options = {.grace = 10 * WEFT_MS};
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_with(&s, options, long_work, &work, &address);
    int fd = client_of(&address);
    take(fd, 1);
    CHECK_EQ(weft_server_close(server), 0);
    settle();
    weft_scope_cancel(&s, 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    check_end(fd);
    CHECK_EQ(weft_close(fd), 0);
}

TASK_TEST(a_deadline_around_a_server_drains_it)
{
    CHECK_ERR(weft_within(5 * WEFT_MS, weft_serve("127.0.0.1:0", echo, NULL)), -ETIMEDOUT);
}

static int open_refused(struct weft_scope *outer)
{
    struct weft_serve_options options = {.address = "127.0.0.1:0"};
    struct weft_server *server = NULL;
    weft_scope_cancel(outer, 0);
    CHECK_ERR(weft_server_open(outer, &options, echo, NULL, &server), -ECANCELED);
    CHECK_ERR(weft_serve("127.0.0.1:0", echo, NULL), -ECANCELED);
    CHECK(!server);
    return 0;
}

TASK_TEST(a_cancelled_task_opens_no_server)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_scope_exit(&s, open_refused(&s)), 0);
}

/* What a handler leaves behind. */

static int put_and_leave(struct weft_stream *stream, void *arg)
{
    return weft_stream_put(stream, arg, strlen(arg));
}

TASK_TEST(what_a_handler_put_is_sent_when_it_returns)
{
    struct weft_scope s;
    struct weft_address address;
    char back[6] = "";
    char text[] = "hello";
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, put_and_leave, text, &address);
    int fd = client_of(&address);
    CHECK_EQ(weft_read(fd, back, 5), 5);
    CHECK_STR(back, "hello");
    check_end(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

static int put_much(struct weft_stream *stream, void *arg)
{
    static const char zeros[4096];
    size_t *most = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < *most; i += sizeof zeros)
        rc = weft_stream_put(stream, zeros, sizeof zeros);
    return rc;
}

TASK_TEST(a_client_that_does_not_read_keeps_its_place_for_a_limited_time)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    size_t most = 64 << 20;
    struct weft_stream_options stream = {.high_water = most};
    struct weft_serve_options options = {.close = 20 * WEFT_MS, .stream = &stream};
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_with(&s, options, put_much, &most, &address);
    int fd = client_of(&address);
    until_active(server, 1);
    until_active(server, 0);
    CHECK_EQ(heard.count, 1);
    CHECK_ERR(heard.code, -ETIMEDOUT);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}

TASK_TEST(statistics_add_up)
{
    struct weft_scope s;
    struct weft_address address;
    struct heard heard;
    listen_to(&heard);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_server(&s, fail_on_x, NULL, &address);
    for (int i = 0; i < 3; i++) {
        int fd = client_of(&address);
        check_echo(fd, "a");
        if (i == 0)
            put(fd, "x");
        CHECK_EQ(weft_close(fd), 0);
        until_active(server, 0);
    }
    struct weft_server_stats stats = stats_of(server);
    CHECK_EQ(stats.accepted, 3);
    CHECK_EQ(stats.peak, 1);
    CHECK_EQ(stats.failed, 1);
    CHECK_EQ(stats.succeeded, 2);
    CHECK_EQ(stats.cancelled + stats.dropped + stats.vanished + stats.pauses + stats.full, 0);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
}
