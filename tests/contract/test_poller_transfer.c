/* SPDX-License-Identifier: MIT */
/*
 * test_poller_transfer.c: bytes through pipes, sockets, files and devices
 *
 * The part of the engines' contract that says what an operation means, whatever the flags of the
 * file are and whoever owns the descriptor. Most tests here run in four modes: blocking and
 * non-blocking, foreign and owned.
 *
 * Files, devices and terminals are real ones; the simulated world lets numbers of the real one
 * pass.
 */
#define _GNU_SOURCE
#include "poller_world.h"
#include <stdlib.h>
#include <sys/eventfd.h>

typedef void maker_fn(struct world *w, const struct mode *mode, int fds[2]);

/** Both kinds of byte streams; fds[1] is written, fds[0] read. */
static maker_fn *const makers[] = {make_pipe, make_pair};

/** Runs `body` for each kind of stream in each mode. */
static void each_stream(void (*body)(struct world *w, const int fds[2]))
{
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        EACH_MODE(mode)
        {
            int fds[2];
            struct world w = world_open();
            makers[i](&w, mode, fds);
            body(&w, fds);
            close_both(&w, fds);
            world_close(&w);
        }
}

static void read_of_present_bytes(struct world *w, const int fds[2])
{
    char buf[16];
    feed(w, fds[1], "hello");
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_run(w, &read), 5);
    CHECK_MEM(buf, "hello", 5);
}

TEST_EACH_ENGINE(a_read_returns_the_bytes_that_are_there)
{
    each_stream(read_of_present_bytes);
}

static void read_of_later_bytes(struct world *w, const int fds[2])
{
    char buf[16];
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(w, &read), 0);
    world_settle(w);
    CHECK_EQ(read.over, 0);
    feed(w, fds[1], "late");
    CHECK_EQ(call_result(w, &read), 4);
    CHECK_MEM(buf, "late", 4);
}

TEST_EACH_ENGINE(a_read_waits_for_bytes_that_come_later)
{
    each_stream(read_of_later_bytes);
}

static void two_reads_in_turn(struct world *w, const int fds[2])
{
    /* The second finds what the first left: no new event of the kernel announces it. */
    char buf[3];
    struct call first = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(w, &first), 0);
    world_settle(w);
    feed(w, fds[1], "abcde");
    CHECK_EQ(call_result(w, &first), 3);
    struct call second = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_run(w, &second), 2);
    CHECK_MEM(buf, "de", 2);
}

TEST_EACH_ENGINE(a_read_leaves_the_rest_for_the_next)
{
    each_stream(two_reads_in_turn);
}

static void write_into_full(struct world *w, const int fds[2])
{
    static const char more[100000];
    size_t held = fill(w, fds[1]);
    struct call write = call_write(fds[1], more, sizeof more);
    CHECK_EQ(call_submit(w, &write), 0);
    world_settle(w);
    CHECK_EQ(write.over, 0);
    drain(w, fds[0], held);
    ssize_t n = call_result(w, &write);
    CHECK(n > 0 && n <= (ssize_t)sizeof more);
    drain(w, fds[0], (size_t)n);
    CHECK(!is_ready(w, fds[0], POLLIN));
}

TEST_EACH_ENGINE(a_write_waits_for_room_and_then_tells_how_much_it_wrote)
{
    each_stream(write_into_full);
}

static void large_write(struct world *w, const int fds[2])
{
    static const char bytes[1 << 20];
    struct call write = call_write(fds[1], bytes, sizeof bytes);
    ssize_t n = call_run(w, &write);
    CHECK(n > 0 && n < (ssize_t)sizeof bytes);
    drain(w, fds[0], (size_t)n);
    CHECK(!is_ready(w, fds[0], POLLIN));
}

TEST_EACH_ENGINE(a_write_larger_than_the_room_writes_a_part)
{
    each_stream(large_write);
}

static void flags_while_waiting(struct world *w, const int fds[2])
{
    /* What a dup sees, the shell sees on its own 0, 1 and 2. */
    char buf[4];
    int before[2] = {status_flags(w, fds[0]), status_flags(w, fds[1])};
    struct call read = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(w, &read), 0);
    world_settle(w);
    CHECK_EQ(status_flags(w, fds[0]), before[0]);
    struct call write = call_write(fds[1], "x", 1);
    CHECK_EQ(call_run(w, &write), 1);
    CHECK_EQ(call_result(w, &read), 1);
    size_t held = fill(w, fds[1]);
    struct call blocked = call_write(fds[1], "y", 1);
    CHECK_EQ(call_submit(w, &blocked), 0);
    world_settle(w);
    CHECK_EQ(status_flags(w, fds[1]), before[1]);
    drain(w, fds[0], held);
    CHECK_EQ(call_result(w, &blocked), 1);
    CHECK_EQ(status_flags(w, fds[0]), before[0]);
    CHECK_EQ(status_flags(w, fds[1]), before[1]);
}

TEST_EACH_ENGINE(the_flags_of_a_file_stay_as_found_also_while_an_operation_waits)
{
    each_stream(flags_while_waiting);
}

TEST_EACH_ENGINE(a_number_that_another_process_shares_is_served_in_blocking_mode)
{
    if (test_engine_is("sim"))
        SKIP("simulated descriptors have no dup");
    struct world w = world_open();
    int fds[2];
    char buf[4];
    make_pipe(&w, &foreign_blocking, fds);
    int shared = dup2(fds[0], 0);
    struct call read = call_read(0, buf, sizeof buf);
    CHECK_EQ(call_submit(&w, &read), 0);
    world_settle(&w);
    CHECK_EQ(status_flags(&w, fds[0]) & O_NONBLOCK, 0);
    feed(&w, fds[1], "ab");
    CHECK_EQ(call_result(&w, &read), 2);
    CHECK_EQ(status_flags(&w, shared) & O_NONBLOCK, 0);
    close_both(&w, fds);
    world_close(&w);
}

static void end_of_file(struct world *w, const int fds[2])
{
    char buf[4];
    struct call waiting = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_submit(w, &waiting), 0);
    world_settle(w);
    if (w->sys->shutdown(w->sys, fds[1], SHUT_WR) == -ENOTSOCK) {
        (void)call_cancel(w, &waiting);
        return;
    }
    CHECK_EQ(call_result(w, &waiting), 0);
    struct call again = call_read(fds[0], buf, sizeof buf);
    CHECK_EQ(call_run(w, &again), 0);
}

TEST_EACH_ENGINE(end_of_file_is_a_result_of_0_again_and_again)
{
    each_stream(end_of_file);
}

TEST_EACH_ENGINE(a_pipe_whose_writer_is_gone_ends_for_a_waiting_reader)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        char buf[4];
        make_pipe(&w, mode, fds);
        struct call read = call_read(fds[0], buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        world_settle(&w);
        close_fd(&w, fds[1]);
        CHECK_EQ(call_result(&w, &read), 0);
        close_fd(&w, fds[0]);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_send_or_write_to_a_gone_peer_is_EPIPE_without_a_signal)
{
    signal(SIGPIPE, SIG_DFL);
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        make_pair(&w, mode, fds);
        close_fd(&w, fds[0]);
        struct call send = call_send(fds[1], "x", 1, 0);
        CHECK_ERR(call_run(&w, &send), -EPIPE);
        struct call write = call_write(fds[1], "x", 1);
        CHECK_ERR(call_run(&w, &write), -EPIPE);
        close_fd(&w, fds[1]);
        world_close(&w);
    }
}

static void read_of_nothing(struct world *w, const int fds[2])
{
    char byte;
    struct call read = call_read(fds[0], &byte, 0);
    CHECK_EQ(call_run(w, &read), 0);
    feed(w, fds[1], "x");
    struct call again = call_read(fds[0], &byte, 0);
    CHECK_EQ(call_run(w, &again), 0);
    CHECK(is_ready(w, fds[0], POLLIN));
}

TEST_EACH_ENGINE(a_read_of_no_bytes_takes_nothing_and_does_not_wait)
{
    each_stream(read_of_nothing);
}

TEST_EACH_ENGINE(a_number_that_is_no_descriptor_is_EBADF)
{
    struct world w = world_open();
    const int numbers[] = {-1, 900, 1 << 19, (1 << 20) + 900, 1 << 30, INT32_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char buf[4];
        struct call read = call_read(numbers[i], buf, sizeof buf);
        int rc = call_submit(&w, &read);
        CHECK_ERR(rc < 0 ? rc : call_result(&w, &read), -EBADF);
    }
    world_close(&w);
}

TEST_EACH_ENGINE(a_descriptor_of_the_wrong_kind_gives_the_error_of_the_system_call)
{
    struct world w = world_open();
    int fds[2];
    char buf[4];
    make_pipe(&w, &foreign_blocking, fds);
    struct call recv = call_recv(fds[0], buf, sizeof buf, 0);
    CHECK_ERR(call_run(&w, &recv), -ENOTSOCK);
    struct call read = call_read(fds[1], buf, sizeof buf);
    CHECK_ERR(call_run(&w, &read), -EBADF);
    close_both(&w, fds);
    world_close(&w);
}

TEST_EACH_ENGINE(who_asks_not_to_wait_gets_EAGAIN_at_once)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        int fds[2];
        char buf[4];
        make_pair(&w, mode, fds);
        struct call recv = call_recv(fds[0], buf, sizeof buf, MSG_DONTWAIT);
        CHECK_ERR(call_run(&w, &recv), -EAGAIN);
        (void)fill(&w, fds[1]);
        struct call send = call_send(fds[1], "x", 1, MSG_DONTWAIT);
        CHECK_ERR(call_run(&w, &send), -EAGAIN);
        close_both(&w, fds);
        world_close(&w);
    }
}

/* --- Files, devices, terminals --------------------------------------------------------------- */

static int open_temporary(const char *content)
{
    char name[] = "/tmp/weft-contract-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);
    CHECK_OK(fd);
    CHECK_OK(unlink(name));
    CHECK_EQ(write(fd, content, strlen(content)), strlen(content));
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

TEST_EACH_ENGINE(a_regular_file_is_read_and_written_at_its_own_position)
{
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        struct world w = world_open();
        char buf[16];
        int fd = open_temporary("0123456789");
        CHECK_OK(fcntl(fd, F_SETFL, flags));
        struct call read = call_read(fd, buf, 4);
        CHECK_EQ(call_run(&w, &read), 4);
        CHECK_MEM(buf, "0123", 4);
        struct call write = call_write(fd, "xy", 2);
        CHECK_EQ(call_run(&w, &write), 2);
        struct call rest = call_read(fd, buf, sizeof buf);
        CHECK_EQ(call_run(&w, &rest), 4);
        CHECK_MEM(buf, "6789", 4);
        struct call end = call_read(fd, buf, sizeof buf);
        CHECK_EQ(call_run(&w, &end), 0);
        CHECK_EQ(pread(fd, buf, 10, 0), 10);
        CHECK_MEM(buf, "0123xy6789", 10);
        close_fd(&w, fd);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_regular_file_is_always_ready)
{
    struct world w = world_open();
    int fd = open_temporary("");
    struct call poll = call_poll(fd, POLLIN | POLLOUT);
    CHECK_EQ(call_run(&w, &poll), POLLIN | POLLOUT);
    close_fd(&w, fd);
    world_close(&w);
}

TEST_EACH_ENGINE(the_null_device_swallows_and_ends)
{
    struct world w = world_open();
    char buf[4];
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_OK(fd);
    struct call write = call_write(fd, "abc", 3);
    CHECK_EQ(call_run(&w, &write), 3);
    struct call read = call_read(fd, buf, sizeof buf);
    CHECK_EQ(call_run(&w, &read), 0);
    struct call poll = call_poll(fd, POLLIN);
    CHECK_EQ(call_run(&w, &poll), POLLIN);
    close_fd(&w, fd);
    world_close(&w);
}

TEST_EACH_ENGINE(an_event_counter_is_waited_for_like_a_pipe)
{
    EACH_MODE(mode)
    {
        struct world w = world_open();
        uint64_t value = 0, three = 3;
        int fd = as_mode(&w, mode, w.sys->eventfd(w.sys, 0, EFD_CLOEXEC));
        struct call read = call_read(fd, &value, sizeof value);
        CHECK_EQ(call_submit(&w, &read), 0);
        world_settle(&w);
        CHECK_EQ(read.over, 0);
        struct call write = call_write(fd, &three, sizeof three);
        CHECK_EQ(call_run(&w, &write), sizeof three);
        CHECK_EQ(call_result(&w, &read), sizeof value);
        CHECK_EQ(value, 3);
        close_fd(&w, fd);
        world_close(&w);
    }
}

/** A terminal: the master, and its slave in *ret_slave. */
static int open_terminal(int *ret_slave)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        SKIP("no pseudo-terminals here");
    *ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_OK(*ret_slave);
    return master;
}

TEST_EACH_ENGINE(a_terminal_is_read_line_by_line_and_keeps_its_flags)
{
    if (test_engine_is("sim"))
        SKIP("a real terminal is beyond a simulated world");
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        struct world w = world_open();
        char buf[16];
        int slave, master = open_terminal(&slave);
        CHECK_OK(fcntl(slave, F_SETFL, fcntl(slave, F_GETFL) | flags));
        int before = fcntl(slave, F_GETFL);
        struct call read = call_read(slave, buf, sizeof buf);
        CHECK_EQ(call_submit(&w, &read), 0);
        feed(&w, master, "li");
        world_settle(&w);
        CHECK_EQ(read.over, 0);
        CHECK_EQ(fcntl(slave, F_GETFL), before);
        feed(&w, master, "ne\nmore");
        CHECK_EQ(call_result(&w, &read), 5);
        CHECK_MEM(buf, "line\n", 5);
        struct call write = call_write(slave, "out", 3);
        CHECK_EQ(call_run(&w, &write), 3);
        CHECK_EQ(fcntl(slave, F_GETFL), before);
        close_fd(&w, slave);
        close_fd(&w, master);
        world_close(&w);
    }
}

TEST_EACH_ENGINE(a_read_of_a_terminal_can_be_cancelled_and_takes_nothing)
{
    if (test_engine_is("sim"))
        SKIP("a real terminal is beyond a simulated world");
    struct world w = world_open();
    char buf[16];
    int slave, master = open_terminal(&slave);
    struct call read = call_read(slave, buf, sizeof buf);
    CHECK_EQ(call_submit(&w, &read), 0);
    world_settle(&w);
    CHECK_ERR(call_cancel(&w, &read), -ECANCELED);
    feed(&w, master, "kept\n");
    struct call again = call_read(slave, buf, sizeof buf);
    CHECK_EQ(call_run(&w, &again), 5);
    close_fd(&w, slave);
    close_fd(&w, master);
    world_close(&w);
}
