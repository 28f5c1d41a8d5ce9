/* SPDX-License-Identifier: MIT */
/*
 * message.c: transfers in several pieces, with control data
 *
 * The raw calls writev, recvmsg and sendmsg as operations of the engines. The caller's vectors and
 * message go down as they are and are read again whenever the operation is tried, so they must stay
 * in place, which the calling frame sees to. What control data means is the kernel's business: the
 * batches and options of datagram.c and descriptors over Unix sockets are built on these calls.
 */
#define _GNU_SOURCE 1

#include "net/internal.h"

#include <errno.h>
#include <limits.h>

/* The engine never writes through op.buf of an outgoing message or of its vectors. */
static void *given(const void *p)
{
    return (void *)(uintptr_t)p;
}

ssize_t weft_writev(int fd, const struct iovec *vectors, int count)
{
    struct weft__op op = {.code = WEFT__OP_WRITEV,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .buf = given(vectors),
                          .len = (size_t)count};
    /* Longer ones are -EINVAL to write and -EMSGSIZE to send: so it is the same everywhere. */
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    return weft__operation_run(&op);
}

ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct weft__op op = {.code = WEFT__OP_RECVMSG, .fd = fd, .flags = flags, .buf = message};
    return weft__operation_run(&op);
}

ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct weft__op op = {.code = WEFT__OP_SENDMSG,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .flags = flags,
                          .buf = given(message)};
    return weft__operation_run(&op);
}
