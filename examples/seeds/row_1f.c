/* SPDX-License-Identifier: MIT */
/*
 * row_1f.c: "asyncio", waiting on sockets and on sleepers together
 *
 * A sleeper ticks while a receiver waits on a socket; then several tasks wait on one socket; then
 * the asynchronous client of row 1a runs against them. Better here: waiters on one socket are
 * served first-in first-out, the tutorial's queue pops the last one; and a waiter that is cancelled
 * leaves the queue.
 *
 *     row_1f [requests [work in s]]
 */
#include "seed.h"
#include <string.h>

#define MOST 16
#define SIZE 64

static int ticker(int ticks)
{
    int rc = 0;

    for (int tick = 1; tick <= ticks && (rc = weft_sleep(2 * WEFT_SEC)) == 0; tick++)
        printf("tick %d\n", tick);
    return rc;
}
WEFT_TASK(ticker, int);

static int receiver(int fd)
{
    char buf[SIZE];
    ssize_t n = weft_recv(fd, buf, sizeof buf, 0);

    if (n >= 0)
        printf("received %.*s\n", (int)n, buf);
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(receiver, int);

static int together(int fd, const struct weft_address *address)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, ticker, 3);
    weft_go(&scope, receiver, fd);
    int rc = weft_sleep(3 * WEFT_SEC);
    ssize_t n = rc < 0 ? rc : weft_sendto(fd, "news", 4, 0, address);
    return weft_scope_exit(&scope, n < 0 ? (int)n : 0);
}

static int handle_client_request(int number, int fd, weft_ns work)
{
    char buf[SIZE] = "response for ";
    struct weft_address from;
    size_t prefix = strlen(buf);
    ssize_t n = weft_recvfrom(fd, buf + prefix, SIZE - prefix, 0, &from);

    if (n < 0)
        return (int)n;
    printf("server %d got %.*s\n", number, (int)n, buf + prefix);
    int rc = weft_sleep(work);
    if (rc < 0)
        return rc;
    n = weft_sendto(fd, buf, prefix + (size_t)n, 0, &from);
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(handle_client_request, int, int, weft_ns);

static int execute_api_call(int number, const struct weft_address *address, char *answer)
{
    int len = snprintf(answer, SIZE, "request%d", number);
    int fd = weft_udp_connect(address);
    ssize_t n = fd < 0 ? fd : weft_send(fd, answer, (size_t)len, 0);

    n = n < 0 ? n : weft_recv(fd, answer, SIZE - 1, 0);
    answer[n < 0 ? 0 : n] = '\0';
    int rc = fd < 0 ? 0 : weft_close(fd);
    return n < 0 ? (int)n : rc;
}
WEFT_TASK(execute_api_call, int, const struct weft_address *, char *);

static int client(const struct weft_address *address, int count)
{
    struct weft_scope scope;
    char answers[MOST][SIZE];
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < count; i++)
        weft_go(&scope, execute_api_call, i, address, answers[i]);
    int rc = weft_scope_exit(&scope, 0);
    for (int i = 0; i < count && rc == 0; i++)
        puts(answers[i]);
    print_seconds_since(start);
    return rc;
}

static int serve_and_ask(int fd, const struct weft_address *address, int count, weft_ns work)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < count; i++)
        weft_go(&scope, handle_client_request, i, fd, work);
    int rc = weft_sleep(WEFT_SEC); /* every server waits on the socket, in order */
    return weft_scope_exit(&scope, rc < 0 ? rc : client(address, count));
}

static int program(void *arg)
{
    int count = (int)argument_number(arg, 1, 2);
    weft_ns work = argument_number(arg, 2, 1) * WEFT_SEC;
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);
    int fd = rc < 0 ? rc : weft_udp_bind(&address);

    if (fd < 0)
        return fd;
    rc = weft_local_address(fd, &address);
    rc = rc < 0 ? rc : together(fd, &address);
    rc = rc < 0 ? rc : serve_and_ask(fd, &address, count > MOST ? MOST : count, work);
    int close_rc = weft_close(fd);
    return rc < 0 ? rc : close_rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
