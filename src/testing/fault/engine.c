/* SPDX-License-Identifier: MIT */
/*
 * engine.c: poll, epoll and io_uring that fail
 *
 * Taking a descriptor off epoll never fails, as with a kernel. A request of io_uring is a fault
 * point of the system call that it stands for: the requests are looked at before the call that
 * hands them over, and one that is to fail becomes a NOP, see ring.h. Requests are transfers for
 * the storm too, which cuts their length where a stream may be cut.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

#include <sys/epoll.h>

WEFT__FAULT_ENTRY(weft__fault_decide_slow, int, POLL, poll,
                  (const struct weft_sys *sys, struct pollfd *fds, size_t count, weft_ns timeout),
                  (sys->inner, fds, count, timeout));

WEFT__FAULT_ENTRY(weft__fault_decide, int, EPOLL_CREATE1, epoll_create1,
                  (const struct weft_sys *sys, int flags), (sys->inner, flags));

int weft__fault_epoll_ctl(const struct weft_sys *sys, int epoll_fd, int op, int fd,
                          struct epoll_event *event)
{
    int rc = op == EPOLL_CTL_DEL ? 0 : weft__fault_decide(sys, WEFT_TESTING_CALL_EPOLL_CTL);
    return rc < 0 ? rc : sys->inner->epoll_ctl(sys->inner, epoll_fd, op, fd, event);
}

WEFT__FAULT_ENTRY(weft__fault_decide_slow, int, EPOLL_WAIT, epoll_wait,
                  (const struct weft_sys *sys, int epoll_fd, struct epoll_event *events, int count,
                   weft_ns timeout),
                  (sys->inner, epoll_fd, events, count, timeout));

int weft__fault_io_uring_setup(const struct weft_sys *sys, unsigned entries, void *params)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_IO_URING_SETUP);

    if (rc == 0)
        rc = sys->inner->io_uring_setup(sys->inner, entries, params);
    if (rc >= 0)
        weft__fault_ring_made(weft__fault_ring_of(sys), rc, params);
    return rc;
}

/** The call that a request stands for; WEFT_TESTING_CALLS: none that can fail. */
static enum weft_testing_call call_of_request(const struct weft__uring_sqe *request)
{
    switch (request->opcode) {
    case WEFT__URING_OP_POLL_ADD:
        return WEFT_TESTING_CALL_POLL;
    case WEFT__URING_OP_READ:
        return WEFT_TESTING_CALL_READ;
    case WEFT__URING_OP_WRITE:
        return WEFT_TESTING_CALL_WRITE;
    case WEFT__URING_OP_WRITEV:
        return WEFT_TESTING_CALL_WRITEV;
    case WEFT__URING_OP_RECV:
    case WEFT__URING_OP_RECVMSG:
        return WEFT_TESTING_CALL_RECVFROM;
    case WEFT__URING_OP_SEND:
    case WEFT__URING_OP_SENDMSG:
        return WEFT_TESTING_CALL_SENDTO;
    case WEFT__URING_OP_ACCEPT:
        return WEFT_TESTING_CALL_ACCEPT4;
    case WEFT__URING_OP_CONNECT:
        return WEFT_TESTING_CALL_CONNECT;
    default:
        return WEFT_TESTING_CALLS;
    }
}

/** Fails, or cuts short, what is about to be handed over. */
static void decide_requests(const struct weft_sys *sys, int fd)
{
    struct weft__fault_ring *ring = weft__fault_ring_of(sys);
    struct weft__uring_sqe *request;

    while ((request = weft__fault_ring_next(ring, fd)) != NULL) {
        enum weft_testing_call call = call_of_request(request);
        int code = call < WEFT_TESTING_CALLS ? weft__fault_decide_transfer(sys, call) : 0;
        bool bytes = call == WEFT_TESTING_CALL_READ || call == WEFT_TESTING_CALL_WRITE ||
                     request->opcode == WEFT__URING_OP_RECV ||
                     request->opcode == WEFT__URING_OP_SEND;
        if (code < 0)
            (void)weft__fault_ring_fail(ring, request, code);
        else if (bytes)
            request->len = (uint32_t)weft__fault_cut(sys, request->fd, request->len);
    }
}

int weft__fault_io_uring_enter(const struct weft_sys *sys, int fd, unsigned to_submit,
                               unsigned min_complete, unsigned flags, const void *arg,
                               size_t arg_len)
{
    int rc = weft__fault_decide_slow(sys, WEFT_TESTING_CALL_IO_URING_ENTER);

    if (rc < 0)
        return rc;
    decide_requests(sys, fd);
    rc = sys->inner->io_uring_enter(sys->inner, fd, to_submit, min_complete, flags, arg, arg_len);
    weft__fault_ring_answer(weft__fault_ring_of(sys), fd);
    return rc;
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, IO_URING_REGISTER, io_uring_register,
                  (const struct weft_sys *sys, int fd, unsigned opcode, void *arg, unsigned count),
                  (sys->inner, fd, opcode, arg, count));
