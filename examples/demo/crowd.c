/* SPDX-License-Identifier: MIT */
/*
 * crowd.c: the client and the server with weft, for two requests and for a thousand
 *
 * The client's function reads like the blocking one: connect, send, receive, close. What it adds
 * is a deadline over the whole call, and two times after which it asks again. The server starts a
 * task for each request, which sleeps a second and answers, and goes on reading meanwhile. UDP may
 * lose what comes too fast, so both sides count, and the demo prints how many were lost.
 */
#include "demo.h"
#include <stdio.h>
#include <string.h>

/** A request in the server. */
struct job {
    /** The socket. */
    int fd;
    /** Bytes of `text`. */
    int len;
    /** Who asks. */
    struct weft_address from;
    /** What. */
    char text[TEXT_SIZE];
};

/* The server. */

static int answer(struct job job)
{
    char text[2 * TEXT_SIZE];
    int len = snprintf(text, sizeof text, ANSWER_PREFIX "%.*s", job.len, job.text);
    ssize_t rc = weft_sleep(1 * WEFT_SEC);

    if (rc == 0)
        rc = weft_sendto(job.fd, text, (size_t)len, 0, &job.from);
    return rc < 0 ? (int)rc : 0;
}
WEFT_TASK(answer, struct job);

/** Reads requests until it is cancelled. */
static int read_requests(struct weft_scope *scope, int fd, struct tally *tally)
{
    for (;;) {
        struct job job = {.fd = fd};
        ssize_t n = weft_recvfrom(fd, job.text, sizeof job.text, 0, &job.from);

        if (n < 0)
            return (int)n;
        if (tally->lose > 0) {
            tally->lose--;
            continue;
        }
        tally->received++;
        job.len = (int)n;
        weft_go(scope, answer, job); /* a failure is the scope's, and it says so */
    }
}

/** What the server's main task needs. */
struct crowd_server {
    /** The socket. */
    int fd;
    /** What it counts. */
    struct tally *tally;
};

static int crowd_server(void *arg)
{
    struct crowd_server *server = arg;
    struct weft_scope scope;
    int rc = weft_fd_own(server->fd);

    if (rc < 0)
        return rc;
    /* As large as it may be; what does not fit is lost, and asked again. */
    rc = weft_set_option(server->fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
    weft_scope_enter_policy(&scope, WEFT_FOREVER, WEFT_SUPERVISE);
    rc = weft_scope_exit(&scope, rc < 0 ? rc : read_requests(&scope, server->fd, server->tally));
    int close_rc = weft_close(server->fd);
    return rc < 0 ? rc : close_rc;
}

int serve_crowd(int fd, void *tally)
{
    struct crowd_server server = {fd, tally};
    int rc = weft_run(crowd_server, &server);

    return rc == -ECANCELED ? 0 : rc;
}

/* The client. */

/** Whether these bytes answer another request than `call`'s. */
static int is_of_another(const struct call *call, size_t len)
{
    static const size_t prefix = sizeof ANSWER_PREFIX - 1;

    return len > prefix && memcmp(call->answer, ANSWER_PREFIX, prefix) == 0 &&
           (len != prefix + strlen(call->request) ||
            memcmp(call->answer + prefix, call->request, len - prefix) != 0);
}

/** Waits for the answer. One to a request that was sent again may come so late that its socket is
 *  closed and the port is ours: it is not for us. */
static ssize_t receive_own(int fd, struct call *call)
{
    ssize_t n;

    do {
        n = weft_recv(fd, call->answer, sizeof call->answer - 1, 0);
    } while (n >= 0 && is_of_another(call, (size_t)n));
    return n;
}

/** Sends the request and waits for the answer, at most `patience`. */
static ssize_t ask(int fd, struct call *call, weft_ns patience)
{
    ssize_t n = weft_send(fd, call->request, strlen(call->request), 0);

    call->sent++;
    if (n < 0)
        return n;
    return weft_within(patience, receive_own(fd, call));
}

/** Sends it up to three times. The work takes a second, so an answer is late after more. */
static ssize_t ask_until_answered(struct call *call)
{
    static const weft_ns patience[] = {1250 * WEFT_MS, 500 * WEFT_MS, WEFT_FOREVER};
    int fd = weft_udp_connect(&call->to);
    ssize_t n = fd < 0 ? fd : -ETIMEDOUT;

    for (size_t i = 0; i < 3 && n == -ETIMEDOUT; i++)
        n = ask(fd, call, patience[i]);
    if (fd >= 0)
        (void)weft_close(fd);
    return n;
}

/** A call with all its attempts. Its failure is its own. */
static int call_waiting(struct call *call)
{
    call_end(call, weft_within(call->deadline, ask_until_answered(call)));
    return 0;
}
WEFT_TASK(call_waiting, struct call *);

/** All calls of one client. */
struct crowd {
    /** The calls. */
    struct call *calls;
    /** How many. */
    int count;
};

static int start_crowd(struct weft_scope *scope, const struct crowd *crowd)
{
    int rc = 0;

    for (int i = 0; i < crowd->count && rc == 0; i++) {
        rc = weft_go(scope, call_waiting, &crowd->calls[i]);
        /* A pause now and then: even a server that always reads has a buffer of some size. */
        if (rc == 0 && i % 100 == 99)
            rc = weft_sleep(1 * WEFT_MS);
    }
    return rc;
}

static int crowd_client(void *arg)
{
    struct weft_scope scope;

    weft_scope_enter(&scope, WEFT_FOREVER);
    return weft_scope_exit(&scope, start_crowd(&scope, arg));
}

int client_weft(struct call *calls, int count)
{
    struct crowd crowd = {calls, count};

    return weft_run(crowd_client, &crowd);
}
