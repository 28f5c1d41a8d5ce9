/* SPDX-License-Identifier: MIT */
/*
 * read.c: the reading calls
 *
 * Every call but a large read goes through the stream's buffer, so that one that is cut leaves
 * there what it had got. The end and a failure are remembered, because a kind may tell them once
 * only (a reset socket gives its error and then an end) while calls that took what was buffered
 * have yet to hear of it.
 *
 * The text that read_until and read_line give ends in a 0, which stands in the place of the byte
 * after it; that byte is put back when the next call begins.
 */
#include "stream/internal.h"

#include <string.h>

int weft__stream_enter_read(struct weft_stream *stream)
{
    int rc = weft__stream_check_loop(stream);
    if (rc == 0)
        rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (stream->closed)
        return -WEFT_ECLOSED;
    if (stream->reading)
        return -EBUSY;
    stream->reading = true;
    if (stream->held_at > 0)
        stream->in.at[stream->held_at] = stream->held;
    stream->held_at = 0;
    return 0;
}

void weft__stream_leave_read(struct weft_stream *stream)
{
    /* What a large read_exactly needed is not kept. */
    if (stream->in.size > WEFT__STREAM_LARGE && stream->in.size / 4 > stream->limit &&
        weft__bytes_count(&stream->in) == 0 && stream->held_at == 0)
        weft__bytes_free(stream->loop, &stream->in);
    stream->reading = false;
    weft__stream_left(stream);
}

ssize_t weft__stream_note_read(struct weft_stream *stream, ssize_t result)
{
    ssize_t n = weft__stream_result(stream, result);
    /* A refusal says nothing of the connection. */
    if (n <= 0 && n != -ECANCELED && n != -ENOMEM && n != -EBUSY) {
        stream->ended = true;
        stream->end = (int)n;
    }
    return n;
}

/** One read of the kind. */
static ssize_t receive(struct weft_stream *stream, void *buf, size_t len)
{
    if (stream->ended)
        return stream->end;
    return weft__stream_note_read(stream, stream->ops->read(stream->self, buf, len));
}

ssize_t weft__stream_fill(struct weft_stream *stream)
{
    int rc = weft__bytes_reserve(stream->loop, &stream->in, 1);
    if (rc < 0)
        return rc;
    ssize_t n = receive(stream, stream->in.at + stream->in.end, weft__bytes_room(&stream->in));
    if (n > 0)
        stream->in.end += (size_t)n;
    return n;
}

size_t weft__stream_take(struct weft_stream *stream, void *buf, size_t len)
{
    size_t count = weft__bytes_count(&stream->in);
    if (len > count)
        len = count;
    if (len > 0)
        memcpy(buf, stream->in.at + stream->in.start, len);
    weft__bytes_take(&stream->in, len);
    return len;
}

static ssize_t read_some(struct weft_stream *stream, void *buf, size_t len)
{
    if (len == 0)
        return 0;
    if (weft__bytes_count(&stream->in) == 0) {
        if (len >= WEFT__STREAM_CHUNK)
            return receive(stream, buf, len);
        ssize_t n = weft__stream_fill(stream);
        if (n <= 0)
            return n;
    }
    return (ssize_t)weft__stream_take(stream, buf, len);
}

ssize_t weft_stream_read(struct weft_stream *stream, void *buf, size_t len)
{
    int rc = weft__stream_enter_read(stream);
    if (rc < 0)
        return rc;
    ssize_t n = read_some(stream, buf, len);
    weft__stream_leave_read(stream);
    return n;
}

static int read_exactly(struct weft_stream *stream, void *buf, size_t len)
{
    size_t count = weft__bytes_count(&stream->in);
    /* Memory for all of it first: a call that is cut must not lose bytes for want of some. */
    int rc = len > count ? weft__bytes_reserve(stream->loop, &stream->in, len - count) : 0;
    if (rc < 0)
        return rc;
    while (weft__bytes_count(&stream->in) < len) {
        ssize_t n = weft__stream_fill(stream);
        if (n <= 0)
            return n == 0 ? -WEFT_EINCOMPLETE : (int)n;
    }
    (void)weft__stream_take(stream, buf, len);
    return 0;
}

int weft_stream_read_exactly(struct weft_stream *stream, void *buf, size_t len)
{
    int rc = weft__stream_enter_read(stream);
    if (rc < 0)
        return rc;
    rc = read_exactly(stream, buf, len);
    weft__stream_leave_read(stream);
    return rc;
}

/* Pieces. */

/** What ends a piece. */
struct separator {
    /** Its bytes. */
    const char *bytes;
    /** How many; not 0. */
    size_t len;
    /** The last piece may lack it. */
    bool optional;
};

/** Where a separator ends in `len` bytes, looking from `from` on; 0: nowhere. */
static size_t find(const char *bytes, size_t from, size_t len, const struct separator *separator)
{
    while (len - from >= separator->len) {
        const char *first =
            memchr(bytes + from, separator->bytes[0], len - from - separator->len + 1);
        if (!first)
            return 0;
        if (memcmp(first, separator->bytes, separator->len) == 0)
            return (size_t)(first - bytes) + separator->len;
        from = (size_t)(first - bytes) + 1;
    }
    return 0;
}

/** Gives out the first `len` bytes, with a 0 after them. */
static ssize_t give(struct weft_stream *stream, size_t len, char **ret)
{
    *ret = stream->in.at + stream->in.start;
    stream->held_at = stream->in.start + len;
    stream->held = stream->in.at[stream->held_at];
    stream->in.at[stream->held_at] = '\0';
    weft__bytes_take(&stream->in, len);
    return (ssize_t)len;
}

static ssize_t read_piece(struct weft_stream *stream, const struct separator *separator, char **ret)
{
    size_t looked = 0;
    for (;;) {
        size_t count = weft__bytes_count(&stream->in);
        size_t len = 0;
        if (count > 0)
            len = find(stream->in.at + stream->in.start, looked, count, separator);
        if (len > stream->limit || (len == 0 && count >= stream->limit))
            return -EMSGSIZE;
        if (len > 0)
            return give(stream, len, ret);
        looked = count >= separator->len ? count - separator->len + 1 : 0;
        ssize_t n = weft__stream_fill(stream);
        if (n == 0 && count > 0)
            return separator->optional ? give(stream, count, ret) : -WEFT_EINCOMPLETE;
        if (n <= 0)
            return n;
    }
}

static ssize_t read_until(struct weft_stream *stream, const struct separator *separator, char **ret)
{
    int rc = weft__stream_enter_read(stream);
    if (rc < 0)
        return rc;
    ssize_t n = separator->len > 0 ? read_piece(stream, separator, ret) : -EINVAL;
    weft__stream_leave_read(stream);
    return n;
}

ssize_t weft_stream_read_until(struct weft_stream *stream, const void *separator,
                               size_t separator_len, char **ret)
{
    const struct separator given = {separator, separator_len, false};
    return read_until(stream, &given, ret);
}

ssize_t weft_stream_read_line(struct weft_stream *stream, char **ret)
{
    static const struct separator newline = {"\n", 1, true};
    return read_until(stream, &newline, ret);
}

ssize_t weft_stream_peek(struct weft_stream *stream, char **ret)
{
    ssize_t n = weft__stream_enter_read(stream);
    if (n < 0)
        return n;
    if (weft__bytes_count(&stream->in) == 0)
        n = weft__stream_fill(stream);
    if (n >= 0)
        n = (ssize_t)weft__bytes_count(&stream->in);
    if (n > 0)
        *ret = stream->in.at + stream->in.start;
    weft__stream_leave_read(stream);
    return n;
}

size_t weft_stream_buffered(const struct weft_stream *stream)
{
    return weft__bytes_count(&stream->in);
}
