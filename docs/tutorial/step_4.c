/* SPDX-License-Identifier: MIT */
/*
 * step_4.c: deadlines
 *
 * Datagrams get lost. This server drops every second request on purpose, so a client must not wait
 * for ever: it gives each attempt a time, asks again when that is over, and all attempts together
 * have a deadline, too. The inner deadline ends one read, the outer one ends whatever the client is
 * doing. Each knows its own: only the one that was passed says -ETIMEDOUT.
 */
#include <stdio.h>
#include <weft/weft.h>

static int serve(int fd)
{
    struct weft_address from;
    char text[64];

    for (int number = 1;; number++) {
        ssize_t n = weft_recvfrom(fd, text, sizeof text, 0, &from);

        if (n >= 0 && number % 2 == 0)
            n = weft_sendto(fd, text, (size_t)n, 0, &from);
        if (n < 0)
            return (int)n;
    }
}
WEFT_TASK(serve, int);

static int ask(int fd, weft_ns patience)
{
    char byte = '?';
    ssize_t n = -ETIMEDOUT;
    int sent = 0;

    while (n == -ETIMEDOUT) {
        n = weft_send(fd, &byte, 1, 0);
        sent++;
        if (n >= 0)
            n = weft_within(patience, weft_recv(fd, &byte, 1, 0));
    }
    if (n >= 0)
        printf("answered, sent %d times\n", sent);
    return n < 0 ? (int)n : 0;
}

static int ask_twice(int server)
{
    struct weft_address address;
    int rc = weft_local_address(server, &address);
    int fd = rc < 0 ? rc : weft_udp_connect(&address);

    if (fd < 0)
        return fd;
    rc = (int)weft_within(5 * WEFT_SEC, ask(fd, 1 * WEFT_SEC));
    if (rc == 0) {
        rc = (int)weft_within(500 * WEFT_MS, ask(fd, 1 * WEFT_SEC));
        printf("in too great a hurry: %s\n", weft_strerrorname(rc));
    }
    (void)weft_close(fd);
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int program(void *unused)
{
    struct weft_address any_port;
    struct weft_scope scope;
    int rc = weft_address_parse("127.0.0.1:0", &any_port);
    int fd = rc < 0 ? rc : weft_udp_bind(&any_port);

    (void)unused;
    if (fd < 0)
        return fd;
    weft_scope_enter(&scope, 1 * WEFT_MIN);
    weft_go(&scope, serve, fd);
    rc = ask_twice(fd);
    weft_scope_cancel(&scope, 0);
    rc = weft_scope_exit(&scope, rc);
    (void)weft_close(fd);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
