/* SPDX-License-Identifier: MIT */
/*
 * socket.c: sockets of the default table
 *
 * Making, naming and connecting sockets, their options, and transfers with addresses: one message,
 * one in several pieces with control data, or a batch in one call. A batch says how many messages
 * went; an error shows only where not even the first did, which is the kernel's own rule. Nothing
 * is retried here, and SIGPIPE is left to the flag MSG_NOSIGNAL of whoever calls.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <sys/socket.h>

int weft__sys_socket(TABLE, int domain, int type, int protocol)
{
    return weft__sys_checked_int(socket(domain, type, protocol));
}

int weft__sys_socketpair(TABLE, int domain, int type, int protocol, int fds[2])
{
    return weft__sys_checked_int(socketpair(domain, type, protocol, fds));
}

int weft__sys_bind(TABLE, int fd, const struct sockaddr *address, socklen_t len)
{
    return weft__sys_checked_int(bind(fd, address, len));
}

int weft__sys_listen(TABLE, int fd, int backlog)
{
    return weft__sys_checked_int(listen(fd, backlog));
}

int weft__sys_accept4(TABLE, int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return weft__sys_checked_int(accept4(fd, address, len, flags));
}

int weft__sys_connect(TABLE, int fd, const struct sockaddr *address, socklen_t len)
{
    return weft__sys_checked_int(connect(fd, address, len));
}

ssize_t weft__sys_recvfrom(TABLE, int fd, void *buf, size_t len, int flags,
                           struct sockaddr *address, socklen_t *address_len)
{
    return weft__sys_checked(recvfrom(fd, buf, len, flags, address, address_len));
}

ssize_t weft__sys_sendto(TABLE, int fd, const void *buf, size_t len, int flags,
                         const struct sockaddr *address, socklen_t address_len)
{
    return weft__sys_checked(sendto(fd, buf, len, flags, address, address_len));
}

int weft__sys_shutdown(TABLE, int fd, int how)
{
    return weft__sys_checked_int(shutdown(fd, how));
}

int weft__sys_getsockname(TABLE, int fd, struct sockaddr *address, socklen_t *len)
{
    return weft__sys_checked_int(getsockname(fd, address, len));
}

int weft__sys_getpeername(TABLE, int fd, struct sockaddr *address, socklen_t *len)
{
    return weft__sys_checked_int(getpeername(fd, address, len));
}

int weft__sys_getsockopt(TABLE, int fd, int level, int option, void *value, socklen_t *len)
{
    return weft__sys_checked_int(getsockopt(fd, level, option, value, len));
}

int weft__sys_setsockopt(TABLE, int fd, int level, int option, const void *value, socklen_t len)
{
    return weft__sys_checked_int(setsockopt(fd, level, option, value, len));
}

ssize_t weft__sys_recvmsg(TABLE, int fd, struct msghdr *message, int flags)
{
    return weft__sys_checked(recvmsg(fd, message, flags));
}

ssize_t weft__sys_sendmsg(TABLE, int fd, const struct msghdr *message, int flags)
{
    return weft__sys_checked(sendmsg(fd, message, flags));
}

int weft__sys_recvmmsg(TABLE, int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return weft__sys_checked_int(recvmmsg(fd, messages, count, flags, NULL));
}

int weft__sys_sendmmsg(TABLE, int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return weft__sys_checked_int(sendmmsg(fd, messages, count, flags));
}
