/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c: transfers and descriptors that fail
 *
 * Reading and writing in all their forms. A transfer is cut short in a storm where a stream may do
 * so: a cut transfer in several pieces goes as its first piece, or a part of that. A close that is
 * told to fail has closed. Writes of eight bytes are left to the plan, because those are wake-ups,
 * which other threads make.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

#include <sys/stat.h>
#include <sys/uio.h>

int weft__fault_close(const struct weft_sys *sys, int fd)
{
    int chosen = weft__fault_decide(sys, WEFT_TESTING_CALL_CLOSE);
    int rc = sys->inner->close(sys->inner, fd);

    weft__fault_ring_closed(weft__fault_ring_of(sys), fd);
    return chosen < 0 ? chosen : rc;
}

ssize_t weft__fault_read(const struct weft_sys *sys, int fd, void *buf, size_t len)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_READ);
    return rc < 0 ? rc : sys->inner->read(sys->inner, fd, buf, weft__fault_cut(sys, fd, len));
}

/** Whether a write wakes a loop. The kernel never refuses that one, and a loop that is not woken
 *  waits for ever. An eventfd has no type of file. */
static bool wakes(const struct weft_sys *sys, int fd, size_t len)
{
    struct stat file;
    return len == sizeof(uint64_t) && sys->inner->fstat(sys->inner, fd, &file) == 0 &&
           (file.st_mode & S_IFMT) == 0;
}

ssize_t weft__fault_write(const struct weft_sys *sys, int fd, const void *buf, size_t len)
{
    if (wakes(sys, fd, len)) {
        weft__fault_count(sys, WEFT_TESTING_CALL_WRITE);
        return sys->inner->write(sys->inner, fd, buf, len);
    }
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_WRITE);
    return rc < 0 ? rc : sys->inner->write(sys->inner, fd, buf, weft__fault_cut(sys, fd, len));
}

ssize_t weft__fault_read_flags(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_READ_FLAGS);
    return rc < 0
               ? rc
               : sys->inner->read_flags(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), flags);
}

ssize_t weft__fault_write_flags(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                                int flags)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_WRITE_FLAGS);
    return rc < 0
               ? rc
               : sys->inner->write_flags(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), flags);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, FCNTL, fcntl,
                  (const struct weft_sys *sys, int fd, int command, long arg),
                  (sys->inner, fd, command, arg));

WEFT__FAULT_ENTRY(weft__fault_decide, int, FSTAT, fstat,
                  (const struct weft_sys *sys, int fd, struct stat *ret), (sys->inner, fd, ret));

WEFT__FAULT_ENTRY(weft__fault_decide, int, PIPE2, pipe2,
                  (const struct weft_sys *sys, int fds[2], int flags), (sys->inner, fds, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, EVENTFD, eventfd,
                  (const struct weft_sys *sys, unsigned value, int flags),
                  (sys->inner, value, flags));

/** One vector for a transfer that the storm makes shorter; false: it stays as it is. */
static bool cut_vector(const struct weft_sys *sys, int fd, const struct iovec *vectors, int count,
                       struct iovec *ret)
{
    if (count < 1)
        return false;
    *ret = vectors[0];
    ret->iov_len = weft__fault_cut(sys, fd, vectors[0].iov_len);
    return ret->iov_len < vectors[0].iov_len;
}

ssize_t weft__fault_writev(const struct weft_sys *sys, int fd, const struct iovec *vectors,
                           int count)
{
    struct iovec first;
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_WRITEV);
    if (rc < 0)
        return rc;
    if (cut_vector(sys, fd, vectors, count, &first))
        return sys->inner->writev(sys->inner, fd, &first, 1);
    return sys->inner->writev(sys->inner, fd, vectors, count);
}

ssize_t weft__fault_writev_flags(const struct weft_sys *sys, int fd, const struct iovec *vectors,
                                 int count, int flags)
{
    struct iovec first;
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_WRITEV_FLAGS);
    if (rc < 0)
        return rc;
    if (cut_vector(sys, fd, vectors, count, &first))
        return sys->inner->writev_flags(sys->inner, fd, &first, 1, flags);
    return sys->inner->writev_flags(sys->inner, fd, vectors, count, flags);
}

ssize_t weft__fault_splice(const struct weft_sys *sys, int in_fd, int out_fd, size_t len,
                           unsigned flags)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_SPLICE);
    if (rc < 0)
        return rc;
    return sys->inner->splice(sys->inner, in_fd, out_fd, weft__fault_cut(sys, out_fd, len), flags);
}

ssize_t weft__fault_sendfile(const struct weft_sys *sys, int out_fd, int in_fd, int64_t *offset,
                             size_t len)
{
    int rc = weft__fault_decide_transfer(sys, WEFT_TESTING_CALL_SENDFILE);
    if (rc < 0)
        return rc;
    len = weft__fault_cut(sys, out_fd, len);
    return sys->inner->sendfile(sys->inner, out_fd, in_fd, offset, len);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int, IOCTL, ioctl,
                  (const struct weft_sys *sys, int fd, unsigned long request, void *arg),
                  (sys->inner, fd, request, arg));
WEFT__FAULT_ENTRY(weft__fault_decide, int, TCGETATTR, tcgetattr,
                  (const struct weft_sys *sys, int fd, struct termios *ret), (sys->inner, fd, ret));
WEFT__FAULT_ENTRY(weft__fault_decide_slow, int, TCSETATTR, tcsetattr,
                  (const struct weft_sys *sys, int fd, int when, const struct termios *modes),
                  (sys->inner, fd, when, modes));
