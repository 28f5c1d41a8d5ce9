/* SPDX-License-Identifier: MIT */
/*
 * test_inherited.c: sockets that were opened for us
 *
 * Each test prepares descriptors from 3 on and the variables as a service manager does, before
 * there is a loop, in the process of its own that every test is.
 */
#include "serve_test.h"

enum { FIRST = 3, COUNT = 3 };

/** A listening socket as a manager makes it: blocking, and not close-on-exec. */
static int make_listener(void)
{
    struct weft_address any = address_of("127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(fd);
    CHECK_EQ(bind(fd, &any.of.any, any.len), 0);
    CHECK_EQ(listen(fd, 5), 0);
    return fd;
}

static void set_number(const char *variable, long number)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", number);
    CHECK_EQ(setenv(variable, text, 1), 0);
}

/** Puts listeners at 3, 4 and 5, and says so in the environment. */
static void pass_three(void)
{
    if (test_engine_is("sim"))
        SKIP("descriptors of the system are not for a simulated world");
    for (int i = 0; i < COUNT; i++) {
        int fd = make_listener();
        if (fd != FIRST + i) {
            CHECK_EQ(dup2(fd, FIRST + i), FIRST + i);
            CHECK_EQ(close(fd), 0);
        }
    }
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", COUNT);
    CHECK_EQ(setenv("LISTEN_FDNAMES", "web:admin:web", 1), 0);
}

static void close_three(void)
{
    for (int i = 0; i < COUNT; i++)
        (void)close(FIRST + i);
}

#define INHERITED_TEST(name) TASK_TEST_AFTER(pass_three(), name)

static struct weft_server *open_inherited(struct weft_scope *s, const char *address)
{
    return open_with(s, (struct weft_serve_options){.address = address}, echo, NULL, NULL);
}

static void check_all_served(const struct weft_server *server, size_t expected)
{
    struct weft_address addresses[COUNT];
    CHECK_EQ(weft_server_addresses(server, addresses, COUNT), expected);
    for (size_t i = 0; i < expected; i++) {
        int fd = client_of(&addresses[i]);
        check_echo(fd, "hello");
        CHECK_EQ(weft_close(fd), 0);
    }
}

INHERITED_TEST(all_inherited_sockets_are_served)
{
    struct weft_scope s;
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_inherited(&s, "inherited");
    check_all_served(server, 3);
    struct weft_address one;
    int fd = -1;
    CHECK_EQ(weft_server_addresses(server, &one, 1), 3);
    CHECK_EQ(weft_server_fds(server, &fd, 1), 3);
    CHECK_EQ(fd, FIRST);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(fcntl(FIRST + i, F_GETFD), -1);
}

INHERITED_TEST(those_of_a_name_are_served)
{
    struct weft_scope s;
    int fds[COUNT] = {0};
    CHECK_EQ(weft_inherited("web", fds, COUNT), 2);
    CHECK_EQ(fds[0], FIRST);
    CHECK_EQ(fds[1], FIRST + 2);
    CHECK_EQ(weft_inherited("admin", fds, COUNT), 1);
    CHECK_EQ(fds[0], FIRST + 1);
    CHECK(flags_of(FIRST + 1, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(weft_inherited(NULL, fds, 1), 3);
    CHECK_EQ(weft_inherited("none", fds, COUNT), 0);
    CHECK_EQ(weft_inherited("wob", fds, COUNT), 0);
    weft_scope_enter(&s, WEFT_FOREVER);
    struct weft_server *server = open_inherited(&s, "inherited:web");
    check_all_served(server, 2);
    CHECK_EQ(weft_server_close(server), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_ERR(weft_serve("inherited:none", echo, NULL), -ENOENT);
    CHECK_CONTAINS(weft_note(), "inherited:none");
    CHECK_ERR(weft_serve("inheritedx", echo, NULL), -EINVAL);
    close_three();
}

INHERITED_TEST(sockets_for_another_process_are_left_alone)
{
    int fds[COUNT];
    set_number("LISTEN_PID", (long)getpid() + 1);
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 0);
    CHECK_ERR(weft_serve("inherited", echo, NULL), -ENOENT);
    CHECK(!(flags_of(FIRST, F_GETFD) & FD_CLOEXEC));
    CHECK_EQ(unsetenv("LISTEN_PID"), 0);
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 0);
    set_number("LISTEN_PID", getpid());
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 3);
    CHECK_EQ(unsetenv("LISTEN_FDS"), 0);
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 0);
    close_three();
}

INHERITED_TEST(variables_that_make_no_sense_are_an_error)
{
    int fds[COUNT];
    const char *bad[] = {"", "x", "-1", "3x", "99999999999", "300"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(setenv("LISTEN_FDS", bad[i], 1), 0);
        CHECK_ERR(weft_inherited(NULL, fds, COUNT), -EINVAL);
        CHECK_CONTAINS(weft_note(), "LISTEN_FDS");
    }
    set_number("LISTEN_FDS", COUNT + 1);
    CHECK_EQ(fcntl(100, F_GETFD), -1);
    CHECK_EQ(close(FIRST), 0);
    CHECK_ERR(weft_inherited(NULL, fds, COUNT), -EINVAL);
    CHECK_CONTAINS(weft_note(), "descriptor 3");
    close_three();
}

INHERITED_TEST(names_may_be_fewer_than_sockets)
{
    int fds[COUNT];
    CHECK_EQ(setenv("LISTEN_FDNAMES", "web", 1), 0);
    CHECK_EQ(weft_inherited("web", fds, COUNT), 1);
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 3);
    CHECK_EQ(unsetenv("LISTEN_FDNAMES"), 0);
    CHECK_EQ(weft_inherited("web", fds, COUNT), 0);
    CHECK_EQ(weft_inherited(NULL, fds, COUNT), 3);
    close_three();
}

INHERITED_TEST(an_inherited_socket_that_does_not_listen_is_an_error)
{
    CHECK_EQ(close(FIRST + 2), 0);
    CHECK_EQ(socket(AF_INET, SOCK_STREAM, 0), FIRST + 2);
    CHECK_ERR(weft_serve("inherited", echo, NULL), -EINVAL);
    CHECK_CONTAINS(weft_note(), "descriptor 5 is no listening");
    close_three();
}
