/* SPDX-License-Identifier: MIT */
/*
 * internal.h: for the files of stream
 *
 *     stream.c       making, closing, names: the hub
 *     bytes.c        a buffer: a stretch of bytes that grows at its end and is taken at its start
 *     read.c         the reading calls
 *     write.c        the writing calls
 *     copy.c         from one stream to another
 *     descriptor.c   the kinds that have a descriptor
 *     splice.c       the same between descriptors, in the kernel
 *     passing.c      descriptors that travel over Unix sockets
 *     file.c         an open file into a stream
 *     memory.c       the pair in memory
 *     conformance.c  the rules that every kind keeps, as a program
 *
 * A kind knows nothing of buffers and of who may call: it moves bytes. stream.c, read.c and write.c
 * see to it that at most one task reads and one writes, and that nobody is inside when a kind is
 * freed. The layer stands on what every extension has, and on weft__sys_current for what a
 * descriptor is.
 */
#ifndef WEFT_STREAM_INTERNAL_H
#define WEFT_STREAM_INTERNAL_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/stream.h>
#include <weft/wait.h>

/** How many bytes a buffer has at least; reads of as many need none. */
#define WEFT__STREAM_CHUNK 4096
/** How many bytes a buffer may have without being asked why: an empty one of more is freed. */
#define WEFT__STREAM_LARGE ((size_t)64 << 10)

/** Bytes that were added and not taken. */
struct weft__bytes {
    /** The memory; NULL: none yet. */
    char *at;
    /** Where they begin. */
    size_t start;
    /** Where they end. */
    size_t end;
    /** How much memory there is; one byte more than may be filled. */
    size_t size;
};

/** How many bytes there are. */
static inline size_t weft__bytes_count(const struct weft__bytes *bytes)
{
    return bytes->end - bytes->start;
}

/** How many bytes fit behind them, the place for a final 0 left out. */
static inline size_t weft__bytes_room(const struct weft__bytes *bytes)
{
    return bytes->size ? bytes->size - bytes->end - 1 : 0;
}

/** Makes room for `room` more bytes; may move those that are there. 0 or -ENOMEM. */
int weft__bytes_reserve(struct weft_loop *loop, struct weft__bytes *bytes, size_t room);
/** Adds a copy; there must be room. */
void weft__bytes_add(struct weft__bytes *bytes, const void *buf, size_t len);
/** Forgets the first `len`. */
void weft__bytes_take(struct weft__bytes *bytes, size_t len);
/** Gives the memory back. */
void weft__bytes_free(struct weft_loop *loop, struct weft__bytes *bytes);

/** Where the write side stands. */
enum weft__stream_writing {
    /** Writes are possible. Next: SHUT, BROKEN. */
    WEFT__STREAM_OPEN,
    /** The end was sent. */
    WEFT__STREAM_SHUT,
    /** A write was cut after its first byte. */
    WEFT__STREAM_BROKEN
};

struct weft_stream {
    /** Its loop. */
    struct weft_loop *loop;
    /** What its kind does. */
    const struct weft_stream_ops *ops;
    /** What the kind's functions get. */
    void *self;
    /** Received and not read. */
    struct weft__bytes in;
    /** Put and not sent. */
    struct weft__bytes out;
    /** The task that closes and waits for the others to leave; NULL: none. */
    struct weft_wait *closer;
    /** Longest piece. */
    size_t limit;
    /** When a put waits. */
    size_t high_water;
    /** When it goes on. */
    size_t low_water;
    /** The place of `in` where a 0 stands instead of `held`; 0: none. */
    size_t held_at;
    /** What read will return from now on, when `ended`. */
    int end;
    /** enum weft__stream_writing. */
    unsigned char writing_state;
    /** The byte that a final 0 took the place of. */
    char held;
    /** Nothing more will come. */
    bool ended;
    /** A task is in a reading call. */
    bool reading;
    /** A task is in a writing call. */
    bool writing;
    /** A task is in weft_stream_abort. */
    bool aborting;
    /** The kind was closed. */
    bool closed;
};

/** Whether the kind has an optional entry; a table that was compiled with an older header ends
 *  before those that it does not know. */
#define weft__stream_has(stream, entry)                                                            \
    (offsetof(struct weft_stream_ops, entry) < (stream)->ops->size && (stream)->ops->entry)

/** Begins a reading call: 0, and weft__stream_leave_read must follow; -ECANCELED, -EBUSY,
 *  -WEFT_ECLOSED. */
int weft__stream_enter_read(struct weft_stream *stream);
/** Ends it. */
void weft__stream_leave_read(struct weft_stream *stream);
/** Reads from the kind into the buffer's room, which is made if there is none: how many bytes, 0 at
 *  the end. The caller has entered. */
ssize_t weft__stream_fill(struct weft_stream *stream);
/** Copies up to `len` buffered bytes out; how many. */
size_t weft__stream_take(struct weft_stream *stream, void *buf, size_t len);

/** Begins a writing call: 0, and weft__stream_leave_write must follow; -ECANCELED, -EBUSY, -EPIPE,
 *  -WEFT_ECLOSED. */
int weft__stream_enter_write(struct weft_stream *stream);
/** Ends it. */
void weft__stream_leave_write(struct weft_stream *stream);
/** Sends put bytes until `target` are left: 0. The caller has entered. */
int weft__stream_drain(struct weft_stream *stream, size_t target);
/** Sends what was put, then some of `len` bytes: how many, not 0 unless len is. The caller has
 *  entered. */
ssize_t weft__stream_send(struct weft_stream *stream, const void *buf, size_t len);
/** Sends what was put, then all of the vectors: 0. The caller has entered. */
int weft__stream_send_all(struct weft_stream *stream, const struct iovec *vectors, int count);

/** What a read of the kind gave, remembered if it is an end; see weft__stream_result. */
ssize_t weft__stream_note_read(struct weft_stream *stream, ssize_t result);

/** The descriptor that a stream reads from, or writes to with `out`, if its bytes are the stream's
 *  and nothing else's; NULL: there is none. Becomes negative with a close. */
const int *weft__stream_raw(const struct weft_stream *stream, bool out);
/** Whether a write to a socket without a reader is an error and no more, for calls that cannot be
 *  told to raise no signal. */
bool weft__stream_sigpipe_harmless(void);
/** Whether weft__stream_splice may work between them. */
bool weft__stream_can_splice(const struct weft_stream *from, const struct weft_stream *to);
/** Moves up to `len` bytes in the kernel, both buffers being empty; `moved` grows. 0 all, or the
 *  end; negative; 1 it goes no further this way, or `from` has run dry. */
int weft__stream_splice(struct weft_stream *from, struct weft_stream *to, int64_t len,
                        uint64_t *moved);

/** weft_poll, for a system call right after it: 0 when it is time, or negative. A close while the
 *  task was on its way back made `*fd` negative, and its number may be another's by now. */
int weft__stream_poll(const int *fd, int events);

/** How many received descriptors may wait to be taken. */
#define WEFT__STREAM_PASSED 64

/** Descriptors that were received, the oldest first. */
struct weft__passed {
    /** They. */
    int fds[WEFT__STREAM_PASSED];
    /** How many. */
    unsigned count;
};

/** Reads from a Unix socket and keeps the descriptors that come: as read(2) that waits. `fd` is
 *  looked at again after a wait: a close makes it negative. */
ssize_t weft__passing_read(const int *fd, struct weft__passed *passed, void *buf, size_t len);
/** Writes to a Unix socket with descriptors: as write(2) that waits; see weft__passing_read. */
ssize_t weft__passing_send(const int *fd, const int *fds, size_t count, const void *buf,
                           size_t len);
/** Takes the oldest; -EAGAIN there is none. */
int weft__passed_take(struct weft__passed *passed);
/** Closes those that nobody took. */
void weft__passed_close(struct weft__passed *passed);

/** A result of the kind, as the caller of a stream sees it. */
static inline ssize_t weft__stream_result(const struct weft_stream *stream, ssize_t result)
{
    return result < 0 && result != -ECANCELED && stream->closed ? -WEFT_ECLOSED : result;
}

/** 0; misuse, with -EPERM, in a thread that does not run the stream's loop. */
int weft__stream_check_loop(const struct weft_stream *stream);

/** Wakes who waits to free the stream, when the last one has left. */
void weft__stream_left(struct weft_stream *stream);

/** The options with their defaults filled in: 0 or -EINVAL. */
int weft__stream_options(const struct weft_stream_options *given, struct weft_stream_options *ret);

#endif
