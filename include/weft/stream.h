/* SPDX-License-Identifier: MIT */
/*
 * weft/stream.h: streams of bytes
 *
 * One type over TCP and Unix sockets, pipes, terminals, standard input and output, a pair in
 * memory, and what a program makes itself (struct weft_stream_ops). Reading is buffered; writing
 * goes out at once, or through a buffer when it is put.
 *
 *     struct weft_stream *stream;
 *     char *line;
 *     rc = weft_stream_connect(&address, NULL, &stream);
 *     rc = weft_stream_printf(stream, "GET %s\r\n", path);
 *     rc = weft_stream_flush(stream);
 *     while ((n = weft_stream_read_line(stream, &line)) > 0)
 *         ...
 *     weft_stream_close(stream);
 *
 *     read, read_line ... ◀── buffer, up to `limit` ◀──┐            ┌── network, pipe,
 *     write_all ──────────────────────────────────────▶│  ops, self │   terminal, memory,
 *     put, printf ──▶ buffer, up to `high_water` ─────▶└────────────┘   your own
 *
 * Rules
 *   - One task may read and one may write at the same time. A second one of a kind gets -EBUSY.
 *   - A cut read loses nothing: what came stays in the stream's buffer for the next read. A cut
 *     flush keeps what it has not sent. A write that is cut after its first byte cannot be taken
 *     up again: the write side is then broken, and every later write gives -EPIPE.
 *   - Limits are errors and never cut data. Each has a default, see struct weft_stream_options.
 *   - An end, or a failure of the connection, comes after what was buffered before it, and is given
 *     again by each later read.
 *   - After weft_stream_abort, and when another task closes the stream: -WEFT_ECLOSED.
 *   - Nothing is sent behind the program's back: what was put lies in the buffer until a flush, a
 *     write, a shutdown or a close, or until the buffer is full.
 *   - A write to a pipe that nobody reads any more gives -EPIPE and raises SIGPIPE, unless that is
 *     ignored, as it is under weft_run. Sockets do not raise it.
 *
 * Beside those, every waiting call may give -ECANCELED, -ENOMEM, and what the system says of the
 * connection (-ECONNRESET, -EPIPE, -ETIMEDOUT ...). All calls are for the thread of the stream's
 * loop; in another one those that read and write are misuse (abort in debug builds, else -EPERM).
 */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <sys/uio.h>
#include <weft/error.h>
#include <weft/net.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_stream;

/** Leave Nagle's algorithm on: small TCP segments wait for each other. */
#define WEFT_STREAM_DELAY 1u
/** The descriptor stays open when the stream is closed, and its flags are left alone. */
#define WEFT_STREAM_BORROW 2u
/** Unix sockets: descriptors that come with the bytes are kept for weft_stream_recv_fd, up to 64 at
 *  a time; without this flag they are closed unseen. */
#define WEFT_STREAM_PASS_FDS 4u

/** How to make a stream; NULL, or zero everywhere, is the default. */
struct weft_stream_options {
    /** sizeof(struct weft_stream_options), or 0 for that of this header. */
    size_t size;
    /** The longest line or piece that read_line and read_until give; 0: 64 KiB. */
    size_t limit;
    /** A put waits while more bytes than this are unsent; also how many a pair in memory holds in
     *  each direction. 0: 64 KiB. */
    size_t high_water;
    /** A put that waited goes on when no more than this are unsent. 0: a quarter of high_water. */
    size_t low_water;
    /** WEFT_STREAM_... */
    unsigned flags;
    /** TCP: how many keep-alive probes go unanswered before the connection is dropped; 0: as the
     *  system has it (9). */
    unsigned keepalive_count;
    /** TCP: the silence after which keep-alive probes begin, in whole seconds, rounded up; 0: no
     *  keep-alive. */
    weft_ns keepalive_idle;
    /** TCP: the time between two probes; 0: as the system has it (75 s). */
    weft_ns keepalive_interval;
};

/* Making one. */

/**
 * A stream over a descriptor that reads and writes: socket, pipe, terminal, file. Looks what it is,
 * and sets what the options say. The descriptor is the stream's from now on. Plain. *ret and the
 * descriptor's owner are untouched on failure. -EBADF; -ENOMEM; -EPERM no loop runs; -EINVAL a low
 * mark above the high one; -EPROTOTYPE a socket that is no stream.
 */
WEFT_API int weft_stream_from_fd(int fd, const struct weft_stream_options *options,
                                 struct weft_stream **ret);

/** A stream that reads from one descriptor and writes to another: two pipes of a child. A shutdown
 *  closes `out_fd`. Plain. See weft_stream_from_fd. */
WEFT_API int weft_stream_from_fds(int in_fd, int out_fd, const struct weft_stream_options *options,
                                  struct weft_stream **ret);

/** A connection to a numeric or Unix address. Waiting. See weft_tcp_connect; failed or cancelled,
 *  nothing stays open. By name: weft/resolve.h. */
WEFT_API WEFT_MUST_CHECK int weft_stream_connect(const struct weft_address *address,
                                                 const struct weft_stream_options *options,
                                                 struct weft_stream **ret);

/** Two connected streams in memory: what is written to one is read from the other. A write waits
 *  while `high_water` bytes are on their way, until `low_water` are. Plain. -ENOMEM, -EPERM,
 *  -EINVAL as weft_stream_from_fd. */
WEFT_API int weft_stream_pair(const struct weft_stream_options *options, struct weft_stream **ret_a,
                              struct weft_stream **ret_b);

/** Standard input. Flags of the descriptor, which others share, are left alone, and a close leaves
 *  it open. Plain. See weft_stream_from_fd. */
WEFT_API int weft_stream_stdin(const struct weft_stream_options *options, struct weft_stream **ret);
/** Standard output; see weft_stream_stdin. Plain. */
WEFT_API int weft_stream_stdout(const struct weft_stream_options *options,
                                struct weft_stream **ret);
/** Standard error; see weft_stream_stdin. Plain. */
WEFT_API int weft_stream_stderr(const struct weft_stream_options *options,
                                struct weft_stream **ret);

/* Waiting calls that read. */

/** Up to `len` bytes, as soon as there are any; 0 at the end. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_stream_read(struct weft_stream *stream, void *buf,
                                                  size_t len);

/** Exactly `len` bytes, however many: 0. -WEFT_EINCOMPLETE the stream ended before; what there was
 *  stays buffered, and `buf` holds nothing that counts. */
WEFT_API WEFT_MUST_CHECK int weft_stream_read_exactly(struct weft_stream *stream, void *buf,
                                                      size_t len);

/**
 * What comes up to the next separator, with it: how many bytes, in *ret, followed by a 0 that does
 * not count. The bytes lie in the stream's buffer and may be written to; they are good until the
 * next reading call. 0 at the end, with *ret untouched. -EMSGSIZE more than `limit` bytes hold no
 * separator, -WEFT_EINCOMPLETE the stream ended before one: the bytes stay buffered. -EINVAL the
 * separator is empty.
 */
WEFT_API WEFT_MUST_CHECK ssize_t weft_stream_read_until(struct weft_stream *stream,
                                                        const void *separator, size_t separator_len,
                                                        char **ret);

/** A line with its "\n", as weft_stream_read_until, except that the last one may lack it. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_stream_read_line(struct weft_stream *stream, char **ret);

/** Waits until something is buffered, and gives all that is, in *ret, without taking it: how many
 *  bytes; 0 at the end. They are good until the next reading call. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_stream_peek(struct weft_stream *stream, char **ret);

/** How many bytes were received and not read. Plain. */
WEFT_API size_t weft_stream_buffered(const struct weft_stream *stream);

/* Waiting calls that write. What was put goes out before. */

/** At least one of `len` bytes, possibly fewer; how many. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_stream_write(struct weft_stream *stream, const void *buf,
                                                   size_t len);

/** All `len` bytes, handed to the system when it returns 0. */
WEFT_API WEFT_MUST_CHECK int weft_stream_write_all(struct weft_stream *stream, const void *buf,
                                                   size_t len);

/** All bytes of `count` vectors, in as few system calls as the system allows. 0. -EINVAL a negative
 *  count. */
WEFT_API WEFT_MUST_CHECK int weft_stream_writev_all(struct weft_stream *stream,
                                                    const struct iovec *vectors, int count);

/**
 * Takes a copy of `len` bytes into the buffer, to be sent later: 0. Waits only while more than
 * `high_water` bytes are unsent, and then sends until no more than `low_water` are, before it takes
 * anything. Any other result: nothing was taken. The buffer holds at most `high_water` and the last
 * put.
 */
WEFT_API WEFT_MUST_CHECK int weft_stream_put(struct weft_stream *stream, const void *buf,
                                             size_t len);

/** Puts formatted text; see printf(3) and weft_stream_put. How many bytes it was. */
WEFT_API WEFT_MUST_CHECK int weft_stream_printf(struct weft_stream *stream, const char *format, ...)
    WEFT_PRINTF(2, 3);

/** Sends what was put: 0. Cut or failed, the rest stays unsent. */
WEFT_API WEFT_MUST_CHECK int weft_stream_flush(struct weft_stream *stream);

/** How many bytes were put and not sent. Plain. */
WEFT_API size_t weft_stream_unsent(const struct weft_stream *stream);

/** Sends what was put, then tells the other side that no more will come; reading goes on. Later
 *  writes give -EPIPE. 0, also the second time. -ENOTSUP the kind has no half-close. */
WEFT_API WEFT_MUST_CHECK int weft_stream_shutdown(struct weft_stream *stream);

/* Waiting calls that pass descriptors over Unix sockets. */

/**
 * Sends `count` descriptors, 1 to 253, with `len` bytes, at least one: 0. What was put goes out
 * before. They stay the caller's. -EINVAL a count or length out of range, -ENOTSUP no Unix socket,
 * -EBADF one of them is not open, -ETOOMANYREFS.
 */
WEFT_API WEFT_MUST_CHECK int weft_stream_send_fds(struct weft_stream *stream, const int *fds,
                                                  size_t count, const void *buf, size_t len);

/**
 * The next descriptor that was received, close-on-exec and the caller's. Reads on while none is
 * there; the bytes that come stay buffered. Needs WEFT_STREAM_PASS_FDS. -ENOTSUP it was not given;
 * -WEFT_EINCOMPLETE the stream ended; -EMSGSIZE `limit` bytes are buffered, and none came. When
 * more than 64 come that nobody took, they are all closed, and reading ends with -EMSGSIZE.
 */
WEFT_API WEFT_MUST_CHECK int weft_stream_recv_fd(struct weft_stream *stream);

/* Waiting calls from one stream to another. */

/** A length: to the end. */
#define WEFT_STREAM_ALL INT64_MAX

/**
 * Moves `len` bytes, or up to the end of `from` if that is before; how many. Both may be the same
 * stream. What `from` gave and `to` did not take stays buffered in `from`. Takes a buffer of up to
 * 64 KiB; between descriptors that never block, much is moved in the kernel (splice(2)), as long as
 * SIGPIPE is ignored or handled and two more descriptors can be had.
 */
WEFT_API WEFT_MUST_CHECK int64_t weft_stream_copy(struct weft_stream *from, struct weft_stream *to,
                                                  int64_t len);

/**
 * Sends `len` bytes of an open file from `offset` on, or up to its end if that is before; how many.
 * What was put goes out before. The kernel moves them where it can (a non-blocking socket, and
 * SIGPIPE is ignored or handled); else they are read in pieces of 64 KiB. Either way the loop
 * stands still while the disk is asked. Cut as weft_stream_write_all. -EINVAL a negative offset,
 * -ESPIPE not a regular file.
 */
WEFT_API WEFT_MUST_CHECK int64_t weft_stream_send_file(struct weft_stream *stream, int fd,
                                                       int64_t offset, int64_t len);

/**
 * Moves bytes both ways until both streams have ended; the end of one is told to the other by a
 * half-close, where its kind has one. `moved`, NULL or two counters that begin at any value, grows
 * as bytes are moved: [0] from `a` to `b`, [1] from `b` to `a`. 0, or the first failure of either
 * direction, which cuts the other one.
 */
WEFT_API WEFT_MUST_CHECK int weft_stream_relay(struct weft_stream *a, struct weft_stream *b,
                                               uint64_t moved[2]);

/* Ending one. */

/**
 * Closes and frees. Sends what was put before, which may take as long as the other side likes,
 * except under cancellation, when the write side is broken, or when another task is writing: what
 * is unsent is then dropped, and the connection is reset, so that the other side cannot take a part
 * for the whole. (Pipes and Unix sockets know no reset: there it is an end.) Tasks that read or
 * write get -WEFT_ECLOSED, and are waited for. Releasing: the stream is gone whatever it returns.
 * NULL is fine: 0. The first that failed of flush and close; -ECANCELED something was dropped for a
 * cancellation.
 */
WEFT_API int weft_stream_close(struct weft_stream *stream);

/** Drops what is buffered and resets the connection; tasks that read or write get -WEFT_ECLOSED.
 *  weft_stream_close must follow. Releasing. */
WEFT_API void weft_stream_abort(struct weft_stream *stream);

/**
 * Takes the descriptor out, open and still owned by the engine (weft_close must close it), and
 * frees the stream. Plain. The descriptor, or the stream stays: -EBUSY a task is using it,
 * -ENOTEMPTY bytes are buffered (see weft_stream_read, weft_stream_flush), -ENOTSUP there is not
 * exactly one, -WEFT_ECLOSED.
 */
WEFT_API int weft_stream_detach(struct weft_stream *stream);

/* What it is. */

/** The kind: "tcp", "unix", "pipe", "terminal", "file", "memory" ... Plain. Static. */
WEFT_API const char *weft_stream_kind(const struct weft_stream *stream);

/** The descriptor that it reads from, which stays the stream's. Plain. -ENOTSUP it has none,
 *  -WEFT_ECLOSED. */
WEFT_API int weft_stream_fd(const struct weft_stream *stream);

/** The name of this side. Plain. *ret untouched on failure. -ENOTSUP the kind has no names,
 *  -ENOTCONN, -WEFT_ECLOSED. */
WEFT_API int weft_stream_local_address(const struct weft_stream *stream, struct weft_address *ret);
/** The name of the other side; see weft_stream_local_address. Plain. */
WEFT_API int weft_stream_peer_address(const struct weft_stream *stream, struct weft_address *ret);

/* For extensions: kinds of streams of your own. */

/**
 * What a kind of stream does. The table must live as long as its streams; entries marked optional
 * may be NULL. At most one task is in `read` and one in `writev` or `shutdown`.
 * weft_testing_stream_conformance (weft/testing.h) runs a kind through the rules.
 */
struct weft_stream_ops {
    /** sizeof(struct weft_stream_ops); entries beyond it are not there. */
    size_t size;
    /** A word for weft_stream_kind. */
    const char *kind;
    /** Waiting: at least one byte, 0 at the end and each time after. Cancelled: nothing was taken.
     */
    ssize_t (*read)(void *self, void *buf, size_t len);
    /** Waiting: at least one byte of at least one, as writev(2). Cancelled: nothing was written. */
    ssize_t (*writev)(void *self, const struct iovec *vectors, int count);
    /** Waiting: the other side will read to the end. Optional: -ENOTSUP. */
    int (*shutdown)(void *self);
    /** Releasing: ends the connection; read and writev return with an error in whoever is in them.
     *  Called once. */
    int (*close)(void *self);
    /** Plain: frees `self`; called after close, when nobody is inside. Optional. */
    void (*free)(void *self);
    /** Plain: makes the close that follows at once a reset. Optional. */
    void (*abort)(void *self);
    /** Plain: the descriptor. Optional: -ENOTSUP. */
    int (*fd)(const void *self);
    /** Plain: gives the descriptor up; free follows, and no close. Optional: -ENOTSUP. */
    int (*detach)(void *self);
    /** Waiting: at least one byte, with descriptors, as writev. Optional: -ENOTSUP. */
    ssize_t (*send_fds)(void *self, const int *fds, size_t count, const void *buf, size_t len);
    /** Plain: a descriptor that came with the bytes of earlier reads. -EAGAIN none. Optional. */
    int (*take_fd)(void *self);
    /** Waiting: at least one byte of an open file, as writev. 0 at its end. -ENOSYS: it must be
     *  read and written. Optional. */
    ssize_t (*send_file)(void *self, int fd, int64_t offset, size_t len);
    /** Plain: the name of this side, or of the other with `peer`. Optional: -ENOTSUP. */
    int (*address)(const void *self, int peer, struct weft_address *ret);
};

/** A stream of a kind of your own; `self` is what its functions get, the stream's from now on.
 *  Plain. Failed, it stays the caller's: -ENOMEM, -EPERM, -EINVAL as weft_stream_from_fd, the last
 *  also without `read`, `writev` or `close`. */
WEFT_API int weft_stream_new(const struct weft_stream_ops *ops, void *self,
                             const struct weft_stream_options *options, struct weft_stream **ret);

WEFT_END

#endif
