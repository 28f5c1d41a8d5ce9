/* SPDX-License-Identifier: MIT */
/*
 * write.c: the writing calls
 *
 * What was put and what is written now go out together, as one vectored write: the buffer first.
 * The bytes of the buffer are remembered until they are sent, so a cut there costs nothing. The
 * bytes of a write are the caller's and are not: once the first of them is out, a cut leaves the
 * other side with a part that nobody can complete, and the write side is broken.
 */
#include "stream/internal.h"

#include <stdarg.h>
#include <stdio.h>

/** How many vectors go into one call of the kind. */
#define WINDOW 64

int weft__stream_enter_write(struct weft_stream *stream)
{
    int rc = weft__stream_check_loop(stream);
    if (rc == 0)
        rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (stream->closed)
        return -WEFT_ECLOSED;
    if (stream->writing)
        return -EBUSY;
    if (stream->writing_state != WEFT__STREAM_OPEN)
        return -EPIPE;
    stream->writing = true;
    return 0;
}

void weft__stream_leave_write(struct weft_stream *stream)
{
    stream->writing = false;
    weft__stream_left(stream);
}

/** One write of the kind: what it takes of the buffer is taken out. How many bytes went beyond. */
static ssize_t send_some(struct weft_stream *stream, const struct iovec *vectors, int count)
{
    size_t unsent = weft__bytes_count(&stream->out);
    ssize_t n = weft__stream_result(stream, stream->ops->writev(stream->self, vectors, count));
    if (n < 0)
        return n;
    size_t sent = (size_t)n < unsent ? (size_t)n : unsent;
    weft__bytes_take(&stream->out, sent);
    return n - (ssize_t)sent;
}

/** The buffer as a vector: 1, or 0 when it is empty. */
static int buffer_vector(const struct weft_stream *stream, struct iovec *ret)
{
    if (weft__bytes_count(&stream->out) == 0)
        return 0;
    ret->iov_base = stream->out.at + stream->out.start;
    ret->iov_len = weft__bytes_count(&stream->out);
    return 1;
}

int weft__stream_drain(struct weft_stream *stream, size_t target)
{
    while (weft__bytes_count(&stream->out) > target) {
        struct iovec buffer;
        ssize_t n = send_some(stream, &buffer, buffer_vector(stream, &buffer));
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/** A place in a list of vectors. */
struct place {
    /** The vectors from here on. */
    const struct iovec *vectors;
    /** How many. */
    int count;
    /** How much of the first is done. */
    size_t offset;
};

/** Goes on by `len` bytes, and past vectors that are empty. */
static void advance(struct place *place, size_t len)
{
    place->offset += len;
    while (place->count > 0 && place->offset >= place->vectors->iov_len) {
        place->offset -= place->vectors->iov_len;
        place->vectors++;
        place->count--;
    }
}

/** The vectors of one call: the buffer's and those from the place on. How many. */
static int window_at(const struct weft_stream *stream, const struct place *place,
                     struct iovec window[WINDOW])
{
    int count = buffer_vector(stream, window);
    for (int i = 0; i < place->count && count < WINDOW; i++, count++) {
        size_t offset = i == 0 ? place->offset : 0;
        window[count].iov_base = (char *)place->vectors[i].iov_base + offset;
        window[count].iov_len = place->vectors[i].iov_len - offset;
    }
    return count;
}

/** One call of the kind for the vectors from the place on, which moves; see send_some. */
static ssize_t send_from(struct weft_stream *stream, struct place *place)
{
    struct iovec window[WINDOW];
    ssize_t n = send_some(stream, window, window_at(stream, place, window));
    if (n > 0)
        advance(place, (size_t)n);
    return n;
}

int weft__stream_send_all(struct weft_stream *stream, const struct iovec *vectors, int count)
{
    struct place place = {vectors, count, 0};
    bool begun = false;
    advance(&place, 0);
    while (place.count > 0) {
        ssize_t n = send_from(stream, &place);
        if (n < 0) {
#ifdef WEFT_MUTANT_cut_write_forgotten
            begun = false;
#endif
            if (begun)
                stream->writing_state = WEFT__STREAM_BROKEN;
            return (int)n;
        }
        begun = begun || n > 0;
    }
    /* Of no bytes at all, what was put is sent nevertheless. */
    return weft__stream_drain(stream, 0);
}

/* C has no const in struct iovec; the kinds only read. */
static struct iovec vector_of(const void *buf, size_t len)
{
    union {
        const void *in;
        void *out;
    } pointer = {buf};
    return (struct iovec){pointer.out, len};
}

ssize_t weft__stream_send(struct weft_stream *stream, const void *buf, size_t len)
{
    struct iovec vector = vector_of(buf, len);
    struct place place = {&vector, 1, 0};
    ssize_t n = len > 0 ? 0 : weft__stream_drain(stream, 0);
    while (n == 0 && len > 0)
        n = send_from(stream, &place);
    return n;
}

ssize_t weft_stream_write(struct weft_stream *stream, const void *buf, size_t len)
{
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    ssize_t n = weft__stream_send(stream, buf, len);
    weft__stream_leave_write(stream);
    return n;
}

int weft_stream_writev_all(struct weft_stream *stream, const struct iovec *vectors, int count)
{
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    rc = count < 0 ? -EINVAL : weft__stream_send_all(stream, vectors, count);
    weft__stream_leave_write(stream);
    return rc;
}

int weft_stream_write_all(struct weft_stream *stream, const void *buf, size_t len)
{
    struct iovec vector = vector_of(buf, len);
    return weft_stream_writev_all(stream, &vector, 1);
}

/* Through the buffer. */

/** Sees to it that `len` bytes may be added: 0. */
static int make_room(struct weft_stream *stream, size_t len)
{
    int rc = 0;
    if (weft__bytes_count(&stream->out) > stream->high_water)
        rc = weft__stream_drain(stream, stream->low_water);
    return rc < 0 ? rc : weft__bytes_reserve(stream->loop, &stream->out, len);
}

int weft_stream_put(struct weft_stream *stream, const void *buf, size_t len)
{
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    rc = make_room(stream, len);
    if (rc == 0)
        weft__bytes_add(&stream->out, buf, len);
    weft__stream_leave_write(stream);
    return rc;
}

/** Formats into the buffer; a second time when the first showed that there is too little room. */
static int put_formatted(struct weft_stream *stream, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int rc = make_room(stream, WEFT__STREAM_CHUNK / 4);
    int len = rc;
    if (rc == 0) {
        size_t room = weft__bytes_room(&stream->out);
        len = vsnprintf(stream->out.at + stream->out.end, room + 1, format, arguments);
        if (len > 0 && (size_t)len > room) {
            rc = weft__bytes_reserve(stream->loop, &stream->out, (size_t)len);
            if (rc == 0)
                len = vsnprintf(stream->out.at + stream->out.end, (size_t)len + 1, format, again);
        }
    }
    va_end(again);
    if (rc < 0 || len < 0)
        return rc < 0 ? rc : -EINVAL;
    stream->out.end += (size_t)len;
    return len;
}

int weft_stream_printf(struct weft_stream *stream, const char *format, ...)
{
    va_list arguments;
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    va_start(arguments, format);
    rc = put_formatted(stream, format, arguments);
    va_end(arguments);
    weft__stream_leave_write(stream);
    return rc;
}

int weft_stream_flush(struct weft_stream *stream)
{
    int rc = weft__stream_enter_write(stream);
    if (rc < 0)
        return rc;
    rc = weft__stream_drain(stream, 0);
    weft__stream_leave_write(stream);
    return rc;
}

size_t weft_stream_unsent(const struct weft_stream *stream)
{
    return weft__bytes_count(&stream->out);
}

static int shut(struct weft_stream *stream)
{
    if (!weft__stream_has(stream, shutdown))
        return -ENOTSUP;
    int rc = weft__stream_drain(stream, 0);
    if (rc == 0)
        rc = (int)weft__stream_result(stream, stream->ops->shutdown(stream->self));
    if (rc == 0)
        stream->writing_state = WEFT__STREAM_SHUT;
    return rc;
}

int weft_stream_shutdown(struct weft_stream *stream)
{
    int rc = weft__stream_enter_write(stream);
    if (rc == -EPIPE && stream->writing_state == WEFT__STREAM_SHUT)
        return 0;
    if (rc < 0)
        return rc;
    rc = shut(stream);
    weft__stream_leave_write(stream);
    return rc;
}
