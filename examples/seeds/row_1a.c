/* SPDX-License-Identifier: MIT */
/*
 * row_1a.c: "asyncio", one server and four clients
 *
 * Each request costs the server a second. The sequential client takes a second for each, the one
 * that sends all requests first, the threaded one and the asynchronous one a second in all. The
 * asynchronous one is the sequential one's code, called by weft_go: no second version of the call,
 * no thread for each request. Real processes, threads and time.
 *
 *     row_1a [requests [work in ms]]
 */
#include "seed.h"
#include "udp_server.h"
#include <pthread.h>

#define MOST 16
#define SIZE 64

/** One request and its answer. */
struct call {
    /** The server's address. */
    struct weft_address to;
    /** Number of the request. */
    int number;
    /** The answer, as text. */
    char answer[SIZE];
    /** 0, or what went wrong. */
    int rc;
};

static int requests;

/* Blocks its thread, as plain sockets do. */
static void *call_blocking(void *arg)
{
    struct call *call = arg;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int len = snprintf(call->answer, SIZE, "request%d", call->number);
    ssize_t n = sendto(fd, call->answer, (size_t)len, 0, &call->to.of.any, call->to.len);

    n = n < 0 ? n : recv(fd, call->answer, SIZE - 1, 0);
    call->rc = n < 0 ? -errno : 0;
    call->answer[n < 0 ? 0 : n] = '\0';
    close(fd);
    return NULL;
}

static int sequential(struct call *calls)
{
    for (int i = 0; i < requests; i++)
        call_blocking(&calls[i]);
    return 0;
}

static int send_first(struct call *calls)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t n = fd;

    for (int i = 0; i < requests && n >= 0; i++) {
        int len = snprintf(calls[i].answer, SIZE, "request%d", i);

        n = sendto(fd, calls[i].answer, (size_t)len, 0, &calls[i].to.of.any, calls[i].to.len);
    }
    for (int i = 0; i < requests && n >= 0; i++) {
        n = recv(fd, calls[i].answer, SIZE - 1, 0);
        calls[i].answer[n < 0 ? 0 : n] = '\0';
    }
    return n < 0 ? -errno : close(fd);
}

static int threaded(struct call *calls)
{
    pthread_t threads[MOST];
    int rc = 0;

    for (int i = 0; i < requests; i++)
        check(-pthread_create(&threads[i], NULL, call_blocking, &calls[i]));
    for (int i = 0; i < requests; i++)
        rc = pthread_join(threads[i], NULL) ? -EINVAL : rc;
    return rc;
}

static int call_waiting(void *arg)
{
    struct call *call = arg;
    int len = snprintf(call->answer, SIZE, "request%d", call->number);
    int fd = weft_udp_connect(&call->to);
    ssize_t n = fd < 0 ? fd : weft_send(fd, call->answer, (size_t)len, 0);

    n = n < 0 ? n : weft_recv(fd, call->answer, SIZE - 1, 0);
    call->answer[n < 0 ? 0 : n] = '\0';
    int rc = fd < 0 ? 0 : weft_close(fd);
    return n < 0 ? (int)n : rc;
}

static int client(void *arg)
{
    struct call *calls = arg;
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < requests; i++)
        weft_go_fn(&scope, call_waiting, &calls[i]);
    return weft_scope_exit(&scope, 0);
}

static int asynchronous(struct call *calls)
{
    return weft_run(client, calls);
}

static int measure(const char *name, int (*how)(struct call *), unsigned work_ms)
{
    struct call calls[MOST] = {{.rc = 0}};
    struct sockaddr_in server;
    int rc = udp_server_start(requests, work_ms, &server);

    if (rc < 0)
        return rc;
    for (int i = 0; i < requests; i++)
        calls[i] = (struct call){.to = {.len = sizeof server, .of.in = server}, .number = i};
    weft_ns start = weft_sys_default.clock(&weft_sys_default);
    rc = how(calls);
    weft_ns took = weft_sys_default.clock(&weft_sys_default) - start;
    for (int i = 0; i < requests && rc == 0; i++)
        rc = calls[i].rc < 0 ? calls[i].rc : (printf("%s: %s\n", name, calls[i].answer), 0);
    printf("%s: %.6f\n", name, (double)took / 1e9);
    return rc < 0 ? rc : udp_server_wait(requests);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    unsigned work_ms = (unsigned)argument_number(&arguments, 2, 1000);

    requests = (int)argument_number(&arguments, 1, 2);
    int rc = requests > MOST ? -EINVAL : measure("sequential", sequential, work_ms);
    rc = rc < 0 ? rc : measure("send_first", send_first, work_ms);
    rc = rc < 0 ? rc : measure("threaded", threaded, work_ms);
    rc = rc < 0 ? rc : measure("asynchronous", asynchronous, work_ms);
    return exit_status(rc);
}
