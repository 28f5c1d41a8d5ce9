/* SPDX-License-Identifier: MIT */
/*
 * copy.c: from one stream to another
 *
 * The bytes go through the buffer of the stream that is read, and leave it when the other stream
 * has taken them: a copy that is cut has lost nothing that the other side did not get. Both sides
 * are held during the whole copy, so that nobody else's bytes get between.
 *
 * The same call serves for a stream and itself, since its two sides know nothing of each other.
 */
#include "stream/internal.h"

/** Sends some of up to `len` buffered bytes on; how many, or negative. */
static ssize_t pass_on(struct weft_stream *from, struct weft_stream *to, int64_t len)
{
    size_t count = weft__bytes_count(&from->in);
    if ((uint64_t)len < count)
        count = (size_t)len;
    ssize_t n = weft__stream_send(to, from->in.at + from->in.start, count);
    if (n > 0)
        weft__bytes_take(&from->in, (size_t)n);
    return n;
}

static int64_t copy(struct weft_stream *from, struct weft_stream *to, int64_t len)
{
    int64_t total = 0;
    while (total < len) {
        ssize_t n = 1;
        if (weft__bytes_count(&from->in) == 0)
            n = weft__stream_fill(from);
        if (n > 0)
            n = pass_on(from, to, len - total);
        if (n <= 0)
            return n < 0 ? n : total;
        total += n;
    }
    return total;
}

int64_t weft_stream_copy(struct weft_stream *from, struct weft_stream *to, int64_t len)
{
    int rc = weft__stream_enter_read(from);
    if (rc < 0)
        return rc;
    rc = weft__stream_enter_write(to);
    int64_t total = rc;
    if (rc == 0) {
        rc = weft__stream_drain(to, 0);
        total = rc < 0 ? rc : copy(from, to, len);
        weft__stream_leave_write(to);
    }
    weft__stream_leave_read(from);
    return total;
}
