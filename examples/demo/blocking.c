/* SPDX-License-Identifier: MIT */
/*
 * blocking.c: the server with one second of work, and the clients without weft
 *
 * Plain sockets block. So the client that makes one call after the other waits for each, and the
 * one that is faster needs a thread for each call. The server is as simple: each of its processes
 * deals with one request at a time, and the work is a sleep of one second. A client that gets no
 * answer within ten seconds gives up.
 */
#include "demo.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct call call_make(const struct server *server, int number, weft_ns deadline)
{
    struct call call = {.to = server->address, .rc = -EINPROGRESS, .deadline = deadline};

    snprintf(call.request, sizeof call.request, "request%d", number);
    return call;
}

void call_end(struct call *call, ssize_t n)
{
    call->answer[n < 0 ? 0 : n] = '\0';
    call->rc = n < 0 ? (int)n : 0;
    if (n >= 0)
        row_answer();
}

int call_is_right(const struct call *call)
{
    static const size_t prefix = sizeof ANSWER_PREFIX - 1;
    int right = call->rc == 0 && strncmp(call->answer, ANSWER_PREFIX, prefix) == 0 &&
                strcmp(call->answer + prefix, call->request) == 0;

    if (!right)
        fprintf(stderr, "demo: %s: %s\n", call->request,
                call->rc < 0 ? weft_strerror(call->rc) : call->answer);
    return right;
}

int serve_blocking(int fd, void *unused)
{
    static const size_t prefix = sizeof ANSWER_PREFIX - 1;
    char buf[2 * TEXT_SIZE] = ANSWER_PREFIX;
    struct sockaddr_in from;

    (void)unused;
    for (;;) {
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(fd, buf + prefix, TEXT_SIZE, 0, (struct sockaddr *)&from, &len);

        if (n < 0)
            return -errno;
        sleep(1);
        if (sendto(fd, buf, prefix + (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
            return -errno;
    }
}

/** recv(2), repeated when interrupted: with a timeout set the kernel does not do that itself. */
static ssize_t receive_blocking(int fd, struct call *call)
{
    ssize_t n;

    do {
        n = recv(fd, call->answer, sizeof call->answer - 1, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t ask_blocking(int fd, struct call *call)
{
    struct timeval patience = {.tv_sec = 10};
    ssize_t n = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

    n = n < 0 ? n : connect(fd, &call->to.of.any, call->to.len);
    n = n < 0 ? n : send(fd, call->request, strlen(call->request), 0);
    n = n < 0 ? n : receive_blocking(fd, call);
    return n < 0 ? -errno : n;
}

/** Makes a call and waits for the answer; with it waits the whole thread. */
static void *call_blocking(void *arg)
{
    struct call *call = arg;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    call->sent = 1;
    call_end(call, fd < 0 ? -errno : ask_blocking(fd, call));
    if (fd >= 0 && close(fd) < 0)
        call->rc = -errno;
    return NULL;
}

int client_sequential(struct call *calls, int count)
{
    for (int i = 0; i < count; i++)
        (void)call_blocking(&calls[i]);
    return 0;
}

int client_threads(struct call *calls, int count)
{
    pthread_t threads[SERVER_PROCESSES];
    int started = 0, rc = 0;

    while (started < count && rc == 0) {
        rc = -pthread_create(&threads[started], NULL, call_blocking, &calls[started]);
        started += rc == 0;
    }
    while (started-- > 0)
        rc = pthread_join(threads[started], NULL) ? -EINVAL : rc;
    return rc;
}
