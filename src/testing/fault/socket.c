/* SPDX-License-Identifier: MIT */
/*
 * socket.c: sockets that fail
 *
 * A connect that is interrupted goes on by itself; any other failure of the plan happens instead of
 * the call. In a storm a stream's messages are cut as its other transfers are, and batches of
 * messages come in smaller ones; a datagram stays whole. The control data of a message that is cut
 * goes with its first part, as with a kernel.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

#include <sys/socket.h>

WEFT__FAULT_ENTRY(weft__fault_decide, int, SOCKET, socket,
                  (const struct weft_sys *sys, int domain, int type, int protocol),
                  (sys->inner, domain, type, protocol));

WEFT__FAULT_ENTRY(weft__fault_decide, int, SOCKETPAIR, socketpair,
                  (const struct weft_sys *sys, int domain, int type, int protocol, int fds[2]),
                  (sys->inner, domain, type, protocol, fds));

WEFT__FAULT_ENTRY(weft__fault_decide, int, BIND, bind,
                  (const struct weft_sys *sys, int fd, const struct sockaddr *address,
                   socklen_t len),
                  (sys->inner, fd, address, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, LISTEN, listen,
                  (const struct weft_sys *sys, int fd, int backlog), (sys->inner, fd, backlog));

WEFT__FAULT_ENTRY(weft__fault_decide_transfer, int, ACCEPT4, accept4,
                  (const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len,
                   int flags),
                  (sys->inner, fd, address, len, flags));

/* A connect that is interrupted goes on by itself; any other failure of the plan happens instead.
 * That of a datagram socket waits for nothing, so that nothing interrupts it. */
int weft__fault_connect(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                        socklen_t len)
{
    bool waits = weft__fault_socket_type(sys, fd) == SOCK_STREAM;
    int chosen = waits ? weft__fault_decide_slow(sys, WEFT_TESTING_CALL_CONNECT)
                       : weft__fault_decide(sys, WEFT_TESTING_CALL_CONNECT);

    if (chosen < 0 && chosen != -EINTR)
        return chosen;
    int rc = sys->inner->connect(sys->inner, fd, address, len);
    bool goes_on = waits && (rc == 0 || rc == -EINPROGRESS);
    return chosen < 0 && goes_on ? chosen : rc;
}

ssize_t weft__fault_recvfrom(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags,
                             struct sockaddr *address, socklen_t *address_len)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_RECVFROM);

    if (rc < 0)
        return rc;
    return sys->inner->recvfrom(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), flags, address,
                                address_len);
}

ssize_t weft__fault_sendto(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                           int flags, const struct sockaddr *address, socklen_t address_len)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_SENDTO);

    if (rc < 0)
        return rc;
    return sys->inner->sendto(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), flags, address,
                              address_len);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, SHUTDOWN, shutdown,
                  (const struct weft_sys *sys, int fd, int how), (sys->inner, fd, how));

WEFT__FAULT_ENTRY(weft__fault_decide, int, GETSOCKNAME, getsockname,
                  (const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len),
                  (sys->inner, fd, address, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, GETPEERNAME, getpeername,
                  (const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len),
                  (sys->inner, fd, address, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, GETSOCKOPT, getsockopt,
                  (const struct weft_sys *sys, int fd, int level, int option, void *value,
                   socklen_t *len),
                  (sys->inner, fd, level, option, value, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, SETSOCKOPT, setsockopt,
                  (const struct weft_sys *sys, int fd, int level, int option, const void *value,
                   socklen_t len),
                  (sys->inner, fd, level, option, value, len));

/** The same message with one vector that the storm made shorter; false: it stays as it is. */
static bool cut_message(const struct weft_sys *sys, int fd, const struct msghdr *message,
                        struct iovec *vector, struct msghdr *ret)
{
    if (message->msg_iovlen < 1)
        return false;
    *vector = message->msg_iov[0];
    *ret = *message;
    ret->msg_iov = vector;
    ret->msg_iovlen = 1;
    vector->iov_len = weft__fault_cut(sys, fd, vector->iov_len);
    return vector->iov_len < message->msg_iov[0].iov_len;
}

ssize_t weft__fault_recvmsg(const struct weft_sys *sys, int fd, struct msghdr *message, int flags)
{
    struct iovec vector;
    struct msghdr part;
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_RECVMSG);
    if (rc < 0)
        return rc;
    if (!cut_message(sys, fd, message, &vector, &part))
        return sys->inner->recvmsg(sys->inner, fd, message, flags);
    ssize_t n = sys->inner->recvmsg(sys->inner, fd, &part, flags);
    message->msg_namelen = part.msg_namelen;
    message->msg_controllen = part.msg_controllen;
    message->msg_flags = part.msg_flags;
    return n;
}

ssize_t weft__fault_sendmsg(const struct weft_sys *sys, int fd, const struct msghdr *message,
                            int flags)
{
    struct iovec vector;
    struct msghdr part;
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_SENDMSG);
    if (rc < 0)
        return rc;
    bool shorter = cut_message(sys, fd, message, &vector, &part);
    return sys->inner->sendmsg(sys->inner, fd, shorter ? &part : message, flags);
}

int weft__fault_recvmmsg(const struct weft_sys *sys, int fd, struct mmsghdr *messages,
                         unsigned count, int flags)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_RECVMMSG);
    if (rc < 0)
        return rc;
    count = weft__fault_cut_batch(sys, count);
    return sys->inner->recvmmsg(sys->inner, fd, messages, count, flags);
}

int weft__fault_sendmmsg(const struct weft_sys *sys, int fd, struct mmsghdr *messages,
                         unsigned count, int flags)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_SENDMMSG);
    if (rc < 0)
        return rc;
    count = weft__fault_cut_batch(sys, count);
    return sys->inner->sendmmsg(sys->inner, fd, messages, count, flags);
}
