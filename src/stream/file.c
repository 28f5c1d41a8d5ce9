/* SPDX-License-Identifier: MIT */
/*
 * file.c: an open file into a stream
 *
 * Where the kind can, the kernel moves the bytes from the page cache into the socket (sendfile(2)),
 * and they are never copied through the program; else they are read into a buffer, piece by piece.
 * The position is the call's own, so one descriptor serves any number of senders at once. A piece
 * is bounded so that the loop has its turn between two, however fast the network is.
 */
#include "loop/poller.h"
#include "stream/internal.h"

/** How much is moved at a time. */
#define PIECE ((size_t)64 << 10)

/** A file on its way. */
struct sending {
    /** Where it goes. */
    struct weft_stream *stream;
    /** The file. */
    int fd;
    /** The next byte. */
    int64_t offset;
    /** Where to stop. */
    int64_t end;
    /** The buffer of one piece; NULL: not needed yet. */
    char *buf;
};

static size_t piece_of(const struct sending *sending)
{
    int64_t left = sending->end - sending->offset;
    return left < (int64_t)PIECE ? (size_t)left : PIECE;
}

/** Moves a piece through the buffer: how many bytes, 0 at the end of the file. */
static ssize_t send_read(struct sending *sending)
{
    const struct weft_sys *sys = weft__sys_current();
    if (!sending->buf)
        sending->buf = weft_loop_realloc(sending->stream->loop, NULL, PIECE);
    if (!sending->buf)
        return -ENOMEM;
    ssize_t n = sys->pread(sys, sending->fd, sending->buf, piece_of(sending), sending->offset);
    if (n <= 0)
        return n;
    struct iovec vector = {sending->buf, (size_t)n};
    int rc = weft__stream_send_all(sending->stream, &vector, 1);
    return rc < 0 ? rc : n;
}

/** Moves a piece, in the kernel if it may. */
static ssize_t send_piece(struct sending *sending)
{
    struct weft_stream *stream = sending->stream;
    if (!sending->buf && weft__stream_has(stream, send_file)) {
        ssize_t n =
            stream->ops->send_file(stream->self, sending->fd, sending->offset, piece_of(sending));
        if (n != -ENOSYS)
            return weft__stream_result(stream, n);
    }
    return send_read(sending);
}

static int send_file(struct sending *sending)
{
    int64_t start = sending->offset;
    int rc = weft__stream_drain(sending->stream, 0);
    while (rc == 0 && sending->offset < sending->end) {
        ssize_t n = send_piece(sending);
        if (n == 0)
            break;
        if (n < 0)
            rc = (int)n;
        else
            sending->offset += n;
    }
    /* Nobody can tell any more how far it got. */
    if (rc < 0 && sending->offset > start)
        sending->stream->writing_state = WEFT__STREAM_BROKEN;
    return rc;
}

/** Whether `fd` has positions: 0. */
static int check_file(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    struct stat status;
    int rc = sys->fstat(sys, fd, &status);
    return rc == 0 && !S_ISREG(status.st_mode) ? -ESPIPE : rc;
}

int64_t weft_stream_send_file(struct weft_stream *stream, int fd, int64_t offset, int64_t len)
{
    struct sending sending = {.stream = stream, .fd = fd, .offset = offset};
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    rc = offset < 0 || len < 0 ? -EINVAL : check_file(fd);
    if (rc == 0) {
        sending.end = len > INT64_MAX - offset ? INT64_MAX : offset + len;
        rc = send_file(&sending);
    }
    (void)weft_loop_realloc(stream->loop, sending.buf, 0);
    weft__stream_leave_write(stream);
    return rc < 0 ? rc : sending.offset - offset;
}
