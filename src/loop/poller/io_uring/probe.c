/* SPDX-License-Identifier: MIT */
/*
 * probe.c: does io_uring here do what it says?
 *
 * Version numbers do not tell: containers filter the calls, distributions switch the feature off or
 * patch it, opcodes go missing. So the kernel is asked for each opcode, and then made to do the two
 * things that everything rests on: to return a result at all, and to give back a request that
 * waits. On any surprise the engine is not opened, and the loop takes another one.
 */
#include "loop/poller/io_uring/ring.h"

#include "loop/poller_backend.h"

#include <errno.h>
#include <string.h>

static const unsigned char needed[] = {
    WEFT__URING_OP_NOP,     WEFT__URING_OP_POLL_ADD, WEFT__URING_OP_SENDMSG,
    WEFT__URING_OP_RECVMSG, WEFT__URING_OP_ACCEPT,   WEFT__URING_OP_ASYNC_CANCEL,
    WEFT__URING_OP_CONNECT, WEFT__URING_OP_READ,     WEFT__URING_OP_WRITE,
    WEFT__URING_OP_SEND,    WEFT__URING_OP_RECV,     WEFT__URING_OP_WRITEV,
};

/** What the requests of the self-test are called. */
enum { NOTHING = 1, RECEIVE = 2, CANCEL = 3 };

static int has_opcodes(const struct weft__ring *ring)
{
    struct weft__uring_probe probe;
    memset(&probe, 0, sizeof probe);
    if (weft__sys_call(ring->sys, io_uring_register, ring->fd, WEFT__URING_REGISTER_PROBE, &probe,
                       WEFT__URING_PROBE_OPS) < 0)
        return 0;
    for (size_t i = 0; i < sizeof needed; i++)
        if (!(probe.ops[needed[i]].flags & WEFT__URING_PROBE_SUPPORTED))
            return 0;
    return 1;
}

static int request(struct weft__ring *ring, struct weft__uring_sqe wanted)
{
    struct weft__uring_sqe *sqe = weft__ring_next(ring);
    if (!sqe)
        return 0;
    *sqe = wanted;
    return 1;
}

/** Whether `count` results come and are these, by user_data. A second is ages for what is asked. */
static int results_are(struct weft__ring *ring, int count, const int expected[])
{
    int seen = 0;
    for (int turn = 0; turn < 100 && seen < count; turn++) {
        struct weft__uring_cqe cqe;
        int rc = weft__ring_enter(ring, 1, WEFT_SEC);
        if (rc < 0 && rc != -EINTR)
            return 0;
        while (weft__ring_take(ring, &cqe)) {
            if (cqe.user_data < NOTHING || cqe.user_data > CANCEL ||
                cqe.result != expected[cqe.user_data])
                return 0;
            seen++;
        }
    }
    return seen == count;
}

static int returns_results(struct weft__ring *ring)
{
    static const int expected[] = {[NOTHING] = 0, [CANCEL] = -1};
    return request(ring, (struct weft__uring_sqe){.opcode = WEFT__URING_OP_NOP,
                                                  .fd = -1,
                                                  .user_data = NOTHING}) &&
           results_are(ring, 1, expected);
}

/** Starts to receive on a socket where nothing comes, and takes that back. */
static int gives_back(struct weft__ring *ring, int fd, char *byte)
{
    static const int expected[] = {[RECEIVE] = -ECANCELED, [CANCEL] = 0};
    return request(ring, (struct weft__uring_sqe){.opcode = WEFT__URING_OP_RECV,
                                                  .fd = fd,
                                                  .address = (uint64_t)(uintptr_t)byte,
                                                  .len = 1,
                                                  .user_data = RECEIVE}) &&
           weft__ring_enter(ring, 0, 0) == 0 && weft__ring_ready(ring) == 0 &&
           request(ring, (struct weft__uring_sqe){.opcode = WEFT__URING_OP_ASYNC_CANCEL,
                                                  .fd = -1,
                                                  .address = RECEIVE,
                                                  .user_data = CANCEL}) &&
           results_are(ring, 2, expected);
}

int weft__ring_probe(struct weft__ring *ring)
{
    const struct weft_sys *sys = ring->sys;
    char byte;
    int fds[2];
    if (!has_opcodes(ring) || !returns_results(ring))
        return -ENOSYS;
    int rc = weft__sys_call(sys, socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    if (rc < 0)
        return rc;
    if (!gives_back(ring, fds[0], &byte)) {
        /* The kernel may still have the request: it must end before `byte` goes. */
        (void)weft__sys_call(sys, shutdown, fds[0], SHUT_RDWR);
        (void)weft__ring_enter(ring, 1, WEFT_SEC);
        rc = -ENOSYS;
    }
    (void)weft__sys_call(sys, close, fds[0]);
    (void)weft__sys_call(sys, close, fds[1]);
    return rc;
}
