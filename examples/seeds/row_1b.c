/* SPDX-License-Identifier: MIT */
/*
 * row_1b.c: "asyncio", several tasks share one socket, with a lock, without hanging
 *
 * The lock keeps each answer with its question. The tutorial needs it for another reason too: a
 * second waiter on one socket takes the first one's place there, and that one hangs. Here waits on
 * one socket queue up, so that without the lock answers might go to the wrong task, but nobody
 * would hang.
 *
 *     row_1b [tasks [work in s]]
 */
#include "seed.h"
#include <string.h>

#define SIZE 64

static int server(int fd, int count, weft_ns work)
{
    char buf[SIZE] = "response for ";
    size_t prefix = strlen(buf);
    ssize_t n = 0;

    for (int i = 0; i < count && n >= 0; i++) {
        struct weft_address from;

        n = weft_recvfrom(fd, buf + prefix, SIZE - prefix, 0, &from);
        int rc = n < 0 ? (int)n : weft_sleep(work);
        n = rc < 0 ? rc : weft_sendto(fd, buf, prefix + (size_t)n, 0, &from);
    }
    return n < 0 ? (int)n : 0;
}
WEFT_TASK(server, int, int, weft_ns);

static int client(int number, int fd, struct weft_mutex *lock)
{
    char buf[SIZE];
    int len = snprintf(buf, SIZE, "request%d", number);
    int rc = weft_mutex_lock(lock);

    if (rc < 0)
        return rc;
    ssize_t n = weft_send(fd, buf, (size_t)len, 0);
    n = n < 0 ? n : weft_recv(fd, buf, SIZE, 0);
    rc = weft_mutex_unlock(lock);
    if (n >= 0)
        printf("task %d: %.*s\n", number, (int)n, buf);
    return n < 0 ? (int)n : rc;
}
WEFT_TASK(client, int, int, struct weft_mutex *);

static int run_all(int listening, int shared, int count, weft_ns work)
{
    struct weft_mutex lock = WEFT_MUTEX_INIT(lock);
    struct weft_scope scope;
    weft_ns start = weft_clock();

    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, server, listening, count, work);
    for (int number = 0; number < count; number++)
        weft_go(&scope, client, number, shared, &lock);
    int rc = weft_scope_exit(&scope, 0);
    print_seconds_since(start);
    return rc;
}

static int program(void *arg)
{
    struct weft_address address;
    int rc = weft_address_parse("127.0.0.1:0", &address);
    int listening = rc < 0 ? rc : weft_udp_bind(&address);

    rc = listening < 0 ? listening : weft_local_address(listening, &address);
    int shared = rc < 0 ? rc : weft_udp_connect(&address);
    rc = shared < 0 ? shared
                    : run_all(listening, shared, (int)argument_number(arg, 1, 3),
                              argument_number(arg, 2, 1) * WEFT_SEC);
    int close_rc = shared < 0 ? 0 : weft_close(shared);
    int other_rc = listening < 0 ? 0 : weft_close(listening);
    return rc < 0 ? rc : close_rc < 0 ? close_rc : other_rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};

    return weft_main(program, &arguments);
}
