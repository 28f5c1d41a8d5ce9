/* SPDX-License-Identifier: MIT */
/*
 * weft/net.h: sockets and plain descriptors
 *
 * The raw calls have the names and arguments of POSIX, work on plain descriptors, blocking and
 * non-blocking alike, and let other tasks run while they wait. The flags of a descriptor are left
 * as found (above all those of 0, 1 and 2, which the shell shares).
 *
 * Waiting calls: refused with -ECANCELED on entry, before any side effect; cancelled while waiting
 * means that nothing happened: no byte was taken or sent, no connection accepted. What was done
 * when the cancellation came wins and is returned. -EBADF when the descriptor was closed by
 * weft_close meanwhile. Waits on one descriptor and direction are served first-in first-out; -EBUSY
 * when a callback watches that direction (weft_loop_add_reader). The buffer must stay in place
 * until the call returns, and it does: it belongs to the waiting frame. Errors beside these are
 * those of the system call, negative. Interrupted calls are repeated.
 *
 * Descriptors that weft makes are close-on-exec, non-blocking, and *owned*: registered with the
 * engine until weft_close, which must be the one to close them. Any other descriptor is armed anew
 * for each wait, and nothing about it is remembered between calls. If such a descriptor is closed
 * behind weft's back while a task waits on it, that wait ends at its cancellation or deadline, or
 * with -EBADF when the number is used again with weft, whichever is first; it never gets data of
 * the new one.
 *
 * Where the kernel leaves no better way
 *   - Blocking terminals and listeners that other processes read or accept from as well, engines
 *     epoll and poll: a call may find that another was faster, and then holds the loop.
 *   - connect on a blocking socket, engines epoll and poll: holds the loop for up to one tick of
 *     the kernel's clock (some ms), once. SO_SNDTIMEO is changed for that time.
 *   - Regular files, engines epoll and poll: weft_read and weft_write hold the loop for as long as
 *     the disk takes. The calls of weft/file.h do not.
 *   - A write to a pipe that nobody reads any more gives -EPIPE, but the kernel raises SIGPIPE as
 *     well, whose default action ends the program. weft_run and weft_main ignore it; a program that
 *     runs its loop otherwise (weft_loop_run_task) calls signal(SIGPIPE, SIG_IGN) first. Sockets do
 *     not raise it, whichever call writes to them.
 *   - connect to a Unix listener whose queue is full: -EAGAIN, nothing tells when there is room.
 *   - sendto on an unconnected Unix datagram socket to a receiver whose queue is full: the kernel
 *     calls the sender ready all the same, so that it is tried again in each turn, without a pause.
 *     Connected sockets wait quietly.
 */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <weft/error.h>
#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/* Addresses: values. */

/** An address of any family. */
struct weft_address {
    /** How many bytes of `of` count. */
    socklen_t len;
    /** The address; `any.sa_family` tells which. */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } of;
};

/** Room for the longest text of an address. */
#define WEFT_ADDRESS_TEXT_SIZE 128

/**
 * Reads a numeric address: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "*:80" (any IPv4 address),
 * "unix:/path", "unix:@name" (abstract). Never asks a resolver: for names see weft/resolve.h.
 * Plain. -EINVAL with a note that says what is wrong; *ret untouched. Any thread.
 */
WEFT_API int weft_address_parse(const char *text, struct weft_address *ret);

/**
 * Writes an address as weft_address_parse reads it, so that it comes back equal; cut at `size`. An
 * abstract name that has a zero byte inside has no such text: it is written up to there. Returns
 * buf. Plain. Any thread.
 */
WEFT_API const char *weft_address_format(const struct weft_address *address, char *buf,
                                         size_t size);

/** The port of an IPv4 or IPv6 address in host order, 0 for others. Plain. Any thread. */
WEFT_API unsigned weft_address_port(const struct weft_address *address);

/** Nonzero when equal, scope id of IPv6 included. Plain. Any thread. */
WEFT_API int weft_address_equal(const struct weft_address *a, const struct weft_address *b);

/* Making descriptors: plain calls, results owned by weft. */

/** socket(2), owned. Returns the descriptor. Plain. */
WEFT_API int weft_socket(int domain, int type, int protocol);
/** socketpair(2), owned. Plain. */
WEFT_API int weft_socketpair(int domain, int type, int protocol, int fds[2]);
/** pipe(2), owned: fds[0] reads, fds[1] writes. Plain. */
WEFT_API int weft_pipe(int fds[2]);
/** bind(2). Plain. */
WEFT_API int weft_bind(int fd, const struct weft_address *address);
/** listen(2). Plain. */
WEFT_API int weft_listen(int fd, int backlog);
/** getsockname(2). Plain. *ret untouched on failure. */
WEFT_API int weft_local_address(int fd, struct weft_address *ret);
/** getpeername(2). Plain. *ret untouched on failure. */
WEFT_API int weft_peer_address(int fd, struct weft_address *ret);
/** setsockopt(2) with an int. Plain. */
WEFT_API int weft_set_option(int fd, int level, int option, int value);
/** shutdown(2). Plain. */
WEFT_API int weft_shutdown(int fd, int how);

/** A UDP socket bound to `address`, owned. Returns the descriptor. Plain. */
WEFT_API int weft_udp_bind(const struct weft_address *address);
/** A UDP socket connected to `address`, owned. Returns the descriptor. Plain. */
WEFT_API int weft_udp_connect(const struct weft_address *address);
/** A TCP or Unix listener (SO_REUSEADDR; backlog 0: 1,024), owned. Returns the descriptor. Plain.
 */
WEFT_API int weft_tcp_listen(const struct weft_address *address, int backlog);
/** A connected TCP or Unix stream (TCP_NODELAY), owned; waits until connected. Cancelled or failed,
 *  nothing stays open. Returns the descriptor. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_tcp_connect(const struct weft_address *address);

/**
 * Gives a descriptor into weft's keeping: registered once with the engine instead of for each wait;
 * from now on weft_close must close it. Its flags stay. Plain. -EBADF, -ENOMEM, -EPERM it cannot be
 * polled (a regular file).
 */
WEFT_API int weft_fd_own(int fd);

/* Waiting calls. */

/** read(2): up to `len` bytes; 0 at the end. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_read(int fd, void *buf, size_t len);
/** write(2): at least one byte, possibly fewer than `len`. -EPIPE nobody reads any more; a pipe
 *  then raises SIGPIPE, see above. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_write(int fd, const void *buf, size_t len);
/** Writes all `len` bytes, waiting as often as needed: 0. After a failure or cancellation an
 * unknown part was written. */
WEFT_API WEFT_MUST_CHECK int weft_write_all(int fd, const void *buf, size_t len);
/** recv(2). */
WEFT_API WEFT_MUST_CHECK ssize_t weft_recv(int fd, void *buf, size_t len, int flags);
/** send(2); SIGPIPE is never raised. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_send(int fd, const void *buf, size_t len, int flags);
/** recvfrom(2); `from` may be NULL and is untouched on failure. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_recvfrom(int fd, void *buf, size_t len, int flags,
                                               struct weft_address *from);
/** sendto(2); `to` NULL: the connected peer. SIGPIPE is never raised. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_sendto(int fd, const void *buf, size_t len, int flags,
                                             const struct weft_address *to);
/** writev(2): at least one byte, possibly fewer than all; `count` is at most IOV_MAX. As
 *  weft_write. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_writev(int fd, const struct iovec *vectors, int count);
/**
 * recvmsg(2), with its control data and its flags in `message`, which is untouched on failure. The
 * message and all it points at stay in place until the call returns, as buffers do. Descriptors
 * that arrive are not owned; MSG_CMSG_CLOEXEC among `flags` makes them close-on-exec.
 */
WEFT_API WEFT_MUST_CHECK ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags);
/** sendmsg(2), with its control data. SIGPIPE is never raised. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags);
/** accept(2): a new owned descriptor; `peer` may be NULL and is untouched on failure. */
WEFT_API WEFT_MUST_CHECK int weft_accept(int fd, struct weft_address *peer);
/** connect(2): 0 when connected. After a cancelled or failed connect only close is allowed. */
WEFT_API WEFT_MUST_CHECK int weft_connect(int fd, const struct weft_address *address);
/** Waits until one of the POLLIN, POLLOUT ... `events` holds; returns those that do (POLLERR and
 *  POLLHUP also unasked). A regular file is always ready. */
WEFT_API WEFT_MUST_CHECK int weft_poll(int fd, int events);

/* Readiness beside something else: for primitives that wait for several things. */

/** Which of the POLLIN, POLLOUT ... `events` hold now; 0 none. Plain. -EBADF. A regular file is
 * always ready. */
WEFT_API int weft_poll_now(int fd, int events);

/** A readiness wait that runs beside the task that started it. */
struct weft_poll;

/**
 * Wakes `wait` with the mask of events that hold once one does. Plain. The object in *ret must be
 * ended by weft_poll_stop, by the same task, before `wait` goes. -ENOMEM, -EBADF, -EBUSY.
 */
WEFT_API int weft_poll_start(int fd, int events, struct weft_wait *wait, struct weft_poll **ret);

/** Ends it, whether it woke or not; it will not wake any more. NULL is fine. Plain. */
WEFT_API void weft_poll_stop(struct weft_poll *poll);

/**
 * close(2). Releasing: never refused. Wakes every task that waits on the descriptor with -EBADF,
 * removes readers and writers, waits for the kernel to let go of operations in flight, then closes.
 * Also right for descriptors that weft does not own. Outside a task: use weft_loop_close_fd, or
 * this call when no loop runs in the thread.
 *
 * 0; -EBADF; what close(2) tells of bytes that could not be written (-EIO, -ENOSPC, -EDQUOT). The
 * number is free after any of them: never close it again. An interrupted close(2) is a 0: Linux has
 * freed the number by then. -EBUSY a transport has it (weft/transport.h), in a callback also
 * -ENOMEM, and it stays open.
 */
WEFT_API int weft_close(int fd);

WEFT_END

#endif
