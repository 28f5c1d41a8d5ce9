/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c: descriptors of any kind in the default table
 *
 * Reading and writing in all their forms, with one buffer and with several, at the descriptor's own
 * position; what passes bytes on without looking at them; pipes, event counters, flags and modes.
 * Calls that glibc 2.31 or musl do not wrap are made by number. A descriptor is taken as it is:
 * nothing here makes one non-blocking, repeats a short transfer or retries an interrupted one.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

int weft__sys_close(TABLE, int fd)
{
    return weft__sys_checked_int(close(fd));
}

ssize_t weft__sys_read(TABLE, int fd, void *buf, size_t len)
{
    return weft__sys_checked(read(fd, buf, len));
}

ssize_t weft__sys_write(TABLE, int fd, const void *buf, size_t len)
{
    return weft__sys_checked(write(fd, buf, len));
}

/* An offset of -1, in both halves of the argument, is the file's own position. */
ssize_t weft__sys_read_flags(TABLE, int fd, void *buf, size_t len, int flags)
{
    struct iovec vector = {.iov_base = buf, .iov_len = len};
    return weft__sys_checked(syscall(SYS_preadv2, fd, &vector, 1L, -1L, -1L, flags));
}

ssize_t weft__sys_write_flags(TABLE, int fd, const void *buf, size_t len, int flags)
{
    struct iovec vector = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    return weft__sys_checked(syscall(SYS_pwritev2, fd, &vector, 1L, -1L, -1L, flags));
}

int weft__sys_fcntl(TABLE, int fd, int command, long arg)
{
    return weft__sys_checked_int(fcntl(fd, command, arg));
}

int weft__sys_fstat(TABLE, int fd, struct stat *ret)
{
    return weft__sys_checked_int(fstat(fd, ret));
}

int weft__sys_pipe2(TABLE, int fds[2], int flags)
{
    return weft__sys_checked_int(pipe2(fds, flags));
}

int weft__sys_eventfd(TABLE, unsigned value, int flags)
{
    return weft__sys_checked_int(eventfd(value, flags));
}

ssize_t weft__sys_writev(TABLE, int fd, const struct iovec *vectors, int count)
{
    return weft__sys_checked(writev(fd, vectors, count));
}

ssize_t weft__sys_writev_flags(TABLE, int fd, const struct iovec *vectors, int count, int flags)
{
    return weft__sys_checked(syscall(SYS_pwritev2, fd, vectors, (long)count, -1L, -1L, flags));
}

ssize_t weft__sys_splice(TABLE, int in_fd, int out_fd, size_t len, unsigned flags)
{
    return weft__sys_checked(splice(in_fd, NULL, out_fd, NULL, len, flags));
}

ssize_t weft__sys_sendfile(TABLE, int out_fd, int in_fd, int64_t *offset, size_t len)
{
    off_t at = offset ? (off_t)*offset : 0;
    ssize_t n = weft__sys_checked(sendfile(out_fd, in_fd, offset ? &at : NULL, len));
    if (n >= 0 && offset)
        *offset = at;
    return n;
}

int weft__sys_ioctl(TABLE, int fd, unsigned long request, void *arg)
{
    return weft__sys_checked_int(ioctl(fd, request, arg));
}

int weft__sys_tcgetattr(TABLE, int fd, struct termios *ret)
{
    return weft__sys_checked_int(tcgetattr(fd, ret));
}

int weft__sys_tcsetattr(TABLE, int fd, int when, const struct termios *modes)
{
    return weft__sys_checked_int(tcsetattr(fd, when, modes));
}
