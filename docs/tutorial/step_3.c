/* SPDX-License-Identifier: MIT */
/*
 * step_3.c: a UDP server and its clients
 *
 * The server takes a request, starts a task that works on it for a second, and takes the next one.
 * Its socket is read in one place, and however many requests are being worked on, they wait side by
 * side. Four clients ask at once and have their answers after one second. When they are done, the
 * server is no longer needed, and its scope is cancelled with reason 0: done, not an error.
 */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

/** A request. */
struct request {
    /** The server's socket. */
    int fd;
    /** Who asks. */
    struct weft_address from;
    /** What, as text. */
    char text[64];
};

static int answer(struct request request)
{
    char text[80];
    int len = snprintf(text, sizeof text, "answer to %s", request.text);
    int rc = weft_sleep(1 * WEFT_SEC);
    ssize_t n = rc < 0 ? rc : weft_sendto(request.fd, text, (size_t)len, 0, &request.from);

    return n < 0 ? (int)n : 0;
}
WEFT_TASK(answer, struct request);

static int serve(int fd)
{
    struct weft_scope scope;
    ssize_t n;

    weft_scope_enter(&scope, WEFT_FOREVER);
    do {
        struct request request = {.fd = fd};

        n = weft_recvfrom(fd, request.text, sizeof request.text - 1, 0, &request.from);
        if (n >= 0)
            weft_go(&scope, answer, request);
    } while (n >= 0);
    return weft_scope_exit(&scope, (int)n);
}
WEFT_TASK(serve, int);

static int ask(struct weft_address server, int number)
{
    char text[80];
    int fd = weft_udp_connect(&server);
    int len = snprintf(text, sizeof text, "request %d", number);
    ssize_t n = fd < 0 ? fd : weft_send(fd, text, (size_t)len, 0);

    if (n >= 0)
        n = weft_recv(fd, text, sizeof text - 1, 0);
    if (n >= 0)
        printf("%.*s\n", (int)n, text);
    if (fd >= 0)
        (void)weft_close(fd);
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(ask, struct weft_address, int);

static int ask_four(int server)
{
    struct weft_scope clients;
    struct weft_address address;
    int rc = weft_local_address(server, &address);

    weft_scope_enter(&clients, WEFT_FOREVER);
    for (int i = 1; i <= 4 && rc == 0; i++)
        rc = weft_go(&clients, ask, address, i);
    return weft_scope_exit(&clients, rc);
}

static int program(void *unused)
{
    struct weft_address any_port;
    struct weft_scope scope;
    weft_ns start = weft_clock();
    int rc = weft_address_parse("127.0.0.1:0", &any_port);
    int fd = rc < 0 ? rc : weft_udp_bind(&any_port);

    (void)unused;
    if (fd < 0)
        return fd;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, serve, fd);
    rc = ask_four(fd);
    weft_scope_cancel(&scope, 0);
    rc = weft_scope_exit(&scope, rc);
    (void)weft_close(fd);
    printf("%.0f s\n", (double)(weft_clock() - start) / 1e9);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
