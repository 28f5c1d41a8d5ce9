/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c: the kinds of streams that have a descriptor
 *
 * They differ in a word, in how a write is made (a socket must not raise SIGPIPE), and in what a
 * half-close is: a socket has one; where two descriptors are used, or one that only writes, it is a
 * close of that one; a terminal and a file have none.
 *
 * A borrowed descriptor (standard input) is duplicated, and the duplicate is used and closed: so a
 * close can wake who waits on the stream, and leaves the number, its flags, and whoever else waits
 * on it alone.
 */
#include "loop/poller.h"
#include "stream/internal.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <termios.h>
#include <unistd.h>

/** A stream of these kinds. */
struct file {
    /** The loop. */
    struct weft_loop *loop;
    /** What is read; -1: closed. */
    int in;
    /** What is written, often the same; -1: closed. */
    int out;
    /** `out` is a socket. */
    bool socket;
    /** `out` does nothing but write. */
    bool one_way;
    /** `out` never blocks by itself. */
    bool nonblocking;
    /** Descriptors that came; NULL: they are not wanted. */
    struct weft__passed *passed;
};

int weft__stream_poll(const int *fd, int events)
{
    int ready = weft_poll(*fd, events);
    if (ready < 0)
        return ready;
    return *fd < 0 ? -EBADF : 0;
}

static ssize_t file_read(void *self, void *buf, size_t len)
{
    const struct file *file = self;
    if (file->passed)
        return weft__passing_read(&file->in, file->passed, buf, len);
    return weft_read(file->in, buf, len);
}

static ssize_t file_writev(void *self, const struct iovec *vectors, int count)
{
    const struct file *file = self;
    if (count > 1)
        return weft_writev(file->out, vectors, count);
    if (file->socket)
        return weft_send(file->out, vectors->iov_base, vectors->iov_len, 0);
    return weft_write(file->out, vectors->iov_base, vectors->iov_len);
}

const int *weft__stream_raw(const struct weft_stream *stream, bool out)
{
    const struct file *file = stream->self;
    if (stream->ops->read != file_read || file->passed)
        return NULL;
    return out ? &file->out : &file->in;
}

/** Closes what is written: the reader of a pipe then comes to its end. */
static int close_out(struct file *file)
{
    int fd = file->out;
    if (file->in == fd)
        file->in = -1;
    file->out = -1;
    return fd >= 0 ? weft_close(fd) : 0;
}

static int file_shutdown(void *self)
{
    struct file *file = self;
    if (file->in != file->out || file->one_way)
        return close_out(file);
    return file->socket ? weft_shutdown(file->out, SHUT_WR) : -ENOTSUP;
}

static int file_close(void *self)
{
    struct file *file = self;
    int in = file->in == file->out ? -1 : file->in;
    int rc = close_out(file);
    file->in = -1;
    int rc_in = in >= 0 ? weft_close(in) : 0;
    return rc < 0 ? rc : rc_in;
}

static void file_abort(void *self)
{
    const struct file *file = self;
    const struct weft_sys *sys = weft__sys_current();
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (file->socket)
        (void)sys->setsockopt(sys, file->out, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void file_free(void *self)
{
    struct file *file = self;
    if (file->passed)
        weft__passed_close(file->passed);
    (void)weft_loop_realloc(file->loop, file->passed, 0);
    (void)weft_loop_realloc(file->loop, file, 0);
}

static int file_fd(const void *self)
{
    const struct file *file = self;
    return file->in >= 0 ? file->in : file->out >= 0 ? file->out : -EBADF;
}

static int file_detach(void *self)
{
    struct file *file = self;
    return file->in == file->out ? file->in : -ENOTSUP;
}

static int file_address(const void *self, int peer, struct weft_address *ret)
{
    const struct file *file = self;
    return peer ? weft_peer_address(file->out, ret) : weft_local_address(file->out, ret);
}

static ssize_t file_send_fds(void *self, const int *fds, size_t count, const void *buf, size_t len)
{
    const struct file *file = self;
    return weft__passing_send(&file->out, fds, count, buf, len);
}

static int file_take_fd(void *self)
{
    const struct file *file = self;
    return file->passed ? weft__passed_take(file->passed) : -ENOTSUP;
}

static ssize_t file_send_file(void *self, int fd, int64_t offset, size_t len)
{
    const struct file *file = self;
    const struct weft_sys *sys = weft__sys_current();
    if (!file->nonblocking || !weft__stream_sigpipe_harmless())
        return -ENOSYS;
    for (;;) {
        int ready = weft__stream_poll(&file->out, POLLOUT);
        if (ready < 0)
            return ready;
        int64_t at = offset;
        ssize_t n = sys->sendfile(sys, file->out, fd, &at, len);
        if (n == -EINVAL)
            return -ENOSYS;
        if (n != -EAGAIN && n != -EINTR)
            return n;
    }
}

#define FILE_OPS(word, address_fn)                                                                 \
    {                                                                                              \
        .size = sizeof(struct weft_stream_ops), .kind = (word), .read = file_read,                 \
        .writev = file_writev, .shutdown = file_shutdown, .close = file_close, .free = file_free,  \
        .abort = file_abort, .fd = file_fd, .detach = file_detach, .address = (address_fn),        \
        .send_file = file_send_file                                                                \
    }

static const struct weft_stream_ops tcp_ops = FILE_OPS("tcp", file_address);
static const struct weft_stream_ops unix_ops = {
    .size = sizeof unix_ops,
    .kind = "unix",
    .read = file_read,
    .writev = file_writev,
    .shutdown = file_shutdown,
    .close = file_close,
    .free = file_free,
    .abort = file_abort,
    .fd = file_fd,
    .detach = file_detach,
    .send_fds = file_send_fds,
    .take_fd = file_take_fd,
    .send_file = file_send_file,
    .address = file_address,
};
static const struct weft_stream_ops socket_ops = FILE_OPS("socket", file_address);
static const struct weft_stream_ops pipe_ops = FILE_OPS("pipe", NULL);
static const struct weft_stream_ops terminal_ops = FILE_OPS("terminal", NULL);
static const struct weft_stream_ops device_ops = FILE_OPS("device", NULL);
static const struct weft_stream_ops regular_ops = FILE_OPS("file", NULL);

/* What a descriptor is. */

static int socket_option(int fd, int option)
{
    const struct weft_sys *sys = weft__sys_current();
    int value = 0;
    socklen_t size = sizeof value;
    int rc = sys->getsockopt(sys, fd, SOL_SOCKET, option, &value, &size);
    return rc < 0 ? rc : value;
}

static int find_socket_kind(int fd, const struct weft_stream_ops **ret)
{
    int type = socket_option(fd, SO_TYPE);
    int domain = socket_option(fd, SO_DOMAIN);
    if (type < 0 || domain < 0)
        return type < 0 ? type : domain;
    if (type != SOCK_STREAM)
        return weft_fail_at(-EPROTOTYPE, "", "descriptor %d is a socket of datagrams", fd);
    if (domain == AF_UNIX)
        *ret = &unix_ops;
    else
        *ret = domain == AF_INET || domain == AF_INET6 ? &tcp_ops : &socket_ops;
    return 0;
}

static int find_kind(int fd, const struct weft_stream_ops **ret)
{
    const struct weft_sys *sys = weft__sys_current();
    struct stat status;
    struct termios modes;
    int rc = sys->fstat(sys, fd, &status);
    if (rc < 0)
        return rc;
    if (S_ISSOCK(status.st_mode))
        return find_socket_kind(fd, ret);
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (S_ISFIFO(status.st_mode))
        *ret = &pipe_ops;
    else if (S_ISREG(status.st_mode))
        *ret = &regular_ops;
    else
        *ret = sys->tcgetattr(sys, fd, &modes) == 0 ? &terminal_ops : &device_ops;
    return 0;
}

/** Notes how `out` was opened. */
static void note_flags(struct file *file)
{
    const struct weft_sys *sys = weft__sys_current();
    int flags = sys->fcntl(sys, file->out, F_GETFL, 0);
    if (flags < 0)
        return;
    file->nonblocking = file->socket && flags & O_NONBLOCK;
    file->one_way = !file->socket && file->in == file->out && (flags & O_ACCMODE) == O_WRONLY;
}

/* Options of TCP. */

static int whole_seconds(weft_ns duration)
{
    weft_ns seconds = duration / WEFT_SEC + (duration % WEFT_SEC > 0);
    return seconds > 32767 ? 32767 : (int)seconds;
}

static int set_tcp(int fd, const struct weft_stream_options *options)
{
    int rc = 0;
    if (!(options->flags & WEFT_STREAM_DELAY))
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc < 0 || options->keepalive_idle <= 0)
        return rc;
    rc = weft_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (rc == 0)
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(options->keepalive_idle));
    if (rc == 0 && options->keepalive_interval > 0)
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL,
                             whole_seconds(options->keepalive_interval));
    if (rc == 0 && options->keepalive_count > 0)
        rc = weft_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)options->keepalive_count);
    return rc;
}

/* Making one. */

/** weft_fd_own, except that a file that cannot be polled is fine, too. */
static int own(int fd)
{
    int rc = weft_fd_own(fd);
    return rc == -EPERM ? 0 : rc;
}

/** Makes the queue for descriptors that come. */
static int want_fds(struct file *file)
{
    file->passed = weft_loop_realloc(file->loop, NULL, sizeof *file->passed);
    if (!file->passed)
        return -ENOMEM;
    file->passed->count = 0;
    return 0;
}

static int make(const struct file *file, const struct weft_stream_ops *ops,
                const struct weft_stream_options *options, struct weft_stream **ret)
{
    struct file *copy = weft_loop_realloc(file->loop, NULL, sizeof *copy);
    struct weft_stream *stream = NULL;
    if (!copy)
        return -ENOMEM;
    *copy = *file;
    int rc = weft_stream_new(ops, copy, options, &stream);
    if (rc == 0 && ops == &unix_ops && options->flags & WEFT_STREAM_PASS_FDS)
        rc = want_fds(copy);
    if (rc == 0)
        rc = own(file->in);
    if (rc == 0 && file->out != file->in)
        rc = own(file->out);
    if (rc < 0) {
        (void)weft_loop_realloc(file->loop, stream, 0);
        file_free(copy);
        return rc;
    }
    *ret = stream;
    return 0;
}

/** A stream over descriptors that it may own. */
static int from_own(int in, int out, const struct weft_stream_options *options,
                    struct weft_stream **ret)
{
    const struct weft_stream_ops *ops = NULL;
    struct file file = {.loop = weft_loop_current(), .in = in, .out = out};
    int rc = file.loop ? find_kind(in, &ops) : -EPERM;
    if (rc == 0 && out != in)
        rc = find_kind(out, &ops);
    if (rc == 0 && ops == &tcp_ops)
        rc = set_tcp(out, options);
    if (rc < 0)
        return rc;
    file.socket = ops == &tcp_ops || ops == &unix_ops || ops == &socket_ops;
    note_flags(&file);
    return make(&file, ops, options, ret);
}

static int duplicate(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->fcntl(sys, fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/** The same over duplicates. */
static int from_borrowed(int in, int out, const struct weft_stream_options *options,
                         struct weft_stream **ret)
{
    const struct weft_sys *sys = weft__sys_current();
    int own_in = duplicate(in);
    if (own_in < 0)
        return own_in;
    int own_out = out == in ? own_in : duplicate(out);
    int rc = own_out < 0 ? own_out : from_own(own_in, own_out, options, ret);
    if (rc < 0) {
        (void)sys->close(sys, own_in);
        if (own_out >= 0 && own_out != own_in)
            (void)sys->close(sys, own_out);
    }
    return rc;
}

int weft_stream_from_fds(int in_fd, int out_fd, const struct weft_stream_options *given,
                         struct weft_stream **ret)
{
    struct weft_stream_options options;
    int rc = weft__stream_options(given, &options);
    if (rc < 0)
        return rc;
    if (options.flags & WEFT_STREAM_BORROW)
        return from_borrowed(in_fd, out_fd, &options, ret);
    return from_own(in_fd, out_fd, &options, ret);
}

int weft_stream_from_fd(int fd, const struct weft_stream_options *options, struct weft_stream **ret)
{
    return weft_stream_from_fds(fd, fd, options, ret);
}

int weft_stream_connect(const struct weft_address *address,
                        const struct weft_stream_options *options, struct weft_stream **ret)
{
    int fd = weft_tcp_connect(address);
    if (fd < 0)
        return fd;
    int rc = weft_stream_from_fd(fd, options, ret);
    if (rc < 0)
        (void)weft_close(fd);
    return rc;
}

static int standard(int fd, const struct weft_stream_options *given, struct weft_stream **ret)
{
    struct weft_stream_options options;
    int rc = weft__stream_options(given, &options);
    if (rc < 0)
        return rc;
    options.flags |= WEFT_STREAM_BORROW;
    return weft_stream_from_fd(fd, &options, ret);
}

int weft_stream_stdin(const struct weft_stream_options *options, struct weft_stream **ret)
{
    return standard(STDIN_FILENO, options, ret);
}

int weft_stream_stdout(const struct weft_stream_options *options, struct weft_stream **ret)
{
    return standard(STDOUT_FILENO, options, ret);
}

int weft_stream_stderr(const struct weft_stream_options *options, struct weft_stream **ret)
{
    return standard(STDERR_FILENO, options, ret);
}
