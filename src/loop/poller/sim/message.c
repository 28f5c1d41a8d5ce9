/* SPDX-License-Identifier: MIT */
/*
 * message.c: transfers in several pieces, in a simulated world
 *
 * writev, recvmsg, sendmsg and their batches, made of the plain transfers of the world. On a byte
 * stream the pieces are transfers of their own, up to the first that is short; a datagram of
 * several pieces goes through one block of memory, because it goes whole or not at all. There is no
 * control data: none ever comes, and a message that has some is refused with -EINVAL, as by a
 * kernel that does not know its kind. splice and sendfile are -EINVAL too, and every caller has
 * another way.
 */
#define _GNU_SOURCE 1

#include "loop/poller/sim/world.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

static const struct weft_sys *const real = &weft_sys_default;

/** What is sent or received in one piece, and whether its memory is borrowed. */
struct flat {
    /** The bytes; NULL: none. */
    void *bytes;
    /** How many. */
    size_t len;
    /** `bytes` is a block of ours. */
    bool ours;
};

/** How many bytes the pieces hold; -EINVAL where a kernel says so. */
static ssize_t total_of(const struct iovec *vectors, size_t count)
{
    size_t total = 0;
    if (count > IOV_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (vectors[i].iov_len > (size_t)SSIZE_MAX - total)
            return -EINVAL;
        total += vectors[i].iov_len;
    }
    return (ssize_t)total;
}

/** One piece for all of them: that of the caller where there is only one. */
static int flatten(const struct iovec *vectors, size_t count, struct flat *ret)
{
    ssize_t total = total_of(vectors, count);
    if (total < 0)
        return (int)total;
    *ret = (struct flat){.bytes = count ? vectors[0].iov_base : NULL, .len = (size_t)total};
    if (count <= 1 || total == 0)
        return 0;
    ret->bytes = weft__sim_realloc(NULL, ret->len);
    ret->ours = true;
    return ret->bytes ? 0 : -ENOMEM;
}

static void gather(const struct flat *flat, const struct iovec *vectors, size_t count)
{
    char *at = flat->bytes;
    for (size_t i = 0; flat->ours && i < count; i++) {
        if (vectors[i].iov_len > 0)
            memcpy(at, vectors[i].iov_base, vectors[i].iov_len);
        at += vectors[i].iov_len;
    }
}

/** Hands `len` bytes out to the pieces. */
static void scatter(const struct flat *flat, const struct iovec *vectors, size_t count, size_t len)
{
    const char *at = flat->bytes;
    for (size_t i = 0; flat->ours && i < count && len > 0; i++) {
        size_t n = vectors[i].iov_len < len ? vectors[i].iov_len : len;
        if (n > 0)
            memcpy(vectors[i].iov_base, at, n);
        at += n;
        len -= n;
    }
}

static void drop(struct flat *flat)
{
    if (flat->ours)
        weft__sim_realloc(flat->bytes, 0);
}

/* --- Bytes ----------------------------------------------------------------------------------- */

static ssize_t sim_writev(const struct weft_sys *sys, int fd, const struct iovec *vectors,
                          int count)
{
    struct flat flat;
    if (fd < WEFT__SIM_FD_BASE)
        return real->writev(real, fd, vectors, count);
    int rc = count < 0 ? -EINVAL : flatten(vectors, (size_t)count, &flat);
    if (rc < 0)
        return rc;
    gather(&flat, vectors, (size_t)count);
    ssize_t n = sys->write(sys, fd, flat.bytes, flat.len);
    drop(&flat);
    return n;
}

/* RWF_NOWAIT changes nothing where nothing ever blocks. */
static ssize_t sim_writev_flags(const struct weft_sys *sys, int fd, const struct iovec *vectors,
                                int count, int flags)
{
    return fd < WEFT__SIM_FD_BASE ? real->writev_flags(real, fd, vectors, count, flags)
                                  : sim_writev(sys, fd, vectors, count);
}

static ssize_t sim_splice(const struct weft_sys *sys, int in_fd, int out_fd, size_t len,
                          unsigned flags)
{
    (void)sys;
    if (in_fd < WEFT__SIM_FD_BASE && out_fd < WEFT__SIM_FD_BASE)
        return real->splice(real, in_fd, out_fd, len, flags);
    return -EINVAL;
}

static ssize_t sim_sendfile(const struct weft_sys *sys, int out_fd, int in_fd, int64_t *offset,
                            size_t len)
{
    (void)sys;
    if (in_fd < WEFT__SIM_FD_BASE && out_fd < WEFT__SIM_FD_BASE)
        return real->sendfile(real, out_fd, in_fd, offset, len);
    return -EINVAL;
}

/* --- Messages -------------------------------------------------------------------------------- */

/** The whole length is asked for, so that a message that was cut is known. */
static ssize_t receive_flat(const struct weft_sys *sys, int fd, struct flat *flat,
                            struct msghdr *message, int flags)
{
    struct weft__sim_file *file = weft__sim_file(weft__sim_world(sys), fd);
    bool whole = file && file->kind == WEFT__SIM_DATAGRAM;
    ssize_t n = sys->recvfrom(sys, fd, flat->bytes, flat->len, whole ? flags | MSG_TRUNC : flags,
                              message->msg_name, message->msg_name ? &message->msg_namelen : NULL);
    if (n < 0)
        return n;
    message->msg_controllen = 0;
    message->msg_flags = whole && (size_t)n > flat->len ? MSG_TRUNC : 0;
    return whole && !(flags & MSG_TRUNC) && (size_t)n > flat->len ? (ssize_t)flat->len : n;
}

static ssize_t sim_recvmsg(const struct weft_sys *sys, int fd, struct msghdr *message, int flags)
{
    struct flat flat;
    if (fd < WEFT__SIM_FD_BASE)
        return real->recvmsg(real, fd, message, flags);
    int rc = flatten(message->msg_iov, message->msg_iovlen, &flat);
    if (rc < 0)
        return rc == -EINVAL ? -EMSGSIZE : rc;
    ssize_t n = receive_flat(sys, fd, &flat, message, flags);
    if (n > 0)
        scatter(&flat, message->msg_iov, message->msg_iovlen,
                (size_t)n < flat.len ? (size_t)n : flat.len);
    drop(&flat);
    return n;
}

static ssize_t sim_sendmsg(const struct weft_sys *sys, int fd, const struct msghdr *message,
                           int flags)
{
    struct flat flat;
    if (fd < WEFT__SIM_FD_BASE)
        return real->sendmsg(real, fd, message, flags);
    if (message->msg_controllen > 0)
        return -EINVAL;
    int rc = flatten(message->msg_iov, message->msg_iovlen, &flat);
    if (rc < 0)
        return rc == -EINVAL ? -EMSGSIZE : rc;
    gather(&flat, message->msg_iov, message->msg_iovlen);
    ssize_t n = sys->sendto(sys, fd, flat.bytes, flat.len, flags, message->msg_name,
                            message->msg_name ? message->msg_namelen : 0);
    drop(&flat);
    return n;
}

static int sim_recvmmsg(const struct weft_sys *sys, int fd, struct mmsghdr *messages,
                        unsigned count, int flags)
{
    if (fd < WEFT__SIM_FD_BASE)
        return real->recvmmsg(real, fd, messages, count, flags);
    for (unsigned i = 0; i < count; i++) {
        ssize_t n = sim_recvmsg(sys, fd, &messages[i].msg_hdr, flags & ~MSG_WAITFORONE);
        if (n < 0)
            return i > 0 ? (int)i : (int)n;
        messages[i].msg_len = (unsigned)n;
    }
    return (int)count;
}

static int sim_sendmmsg(const struct weft_sys *sys, int fd, struct mmsghdr *messages,
                        unsigned count, int flags)
{
    if (fd < WEFT__SIM_FD_BASE)
        return real->sendmmsg(real, fd, messages, count, flags);
    for (unsigned i = 0; i < count; i++) {
        ssize_t n = sim_sendmsg(sys, fd, &messages[i].msg_hdr, flags);
        if (n < 0)
            return i > 0 ? (int)i : (int)n;
        messages[i].msg_len = (unsigned)n;
    }
    return (int)count;
}

void weft__sim_add_messages(struct weft_sys *sys)
{
    sys->writev = sim_writev;
    sys->writev_flags = sim_writev_flags;
    sys->splice = sim_splice;
    sys->sendfile = sim_sendfile;
    sys->recvmsg = sim_recvmsg;
    sys->sendmsg = sim_sendmsg;
    sys->recvmmsg = sim_recvmmsg;
    sys->sendmmsg = sim_sendmmsg;
}
