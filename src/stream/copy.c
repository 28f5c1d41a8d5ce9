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

#include <weft/scope.h>
#include <weft/task.h>

/** Reads more; a buffer that was filled to the brim is twice as large the next time. */
static ssize_t fill(struct weft_stream *from)
{
    size_t size = from->in.size;
    ssize_t n = weft__stream_fill(from);
    /* Without memory for more, what there is will do. */
    if (n > 0 && size > 0 && weft__bytes_room(&from->in) == 0 && size < WEFT__STREAM_LARGE)
        (void)weft__bytes_reserve(from->loop, &from->in, size);
    return n;
}

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

/** Whether the last read filled the largest buffer: more is likely to follow. */
static bool is_bulk(const struct weft_stream *from)
{
    return from->in.size >= WEFT__STREAM_LARGE && weft__bytes_room(&from->in) == 0;
}

/** Reads if nothing is buffered, and sends some of it on; 0 at the end, or negative. */
static ssize_t copy_some(struct weft_stream *from, struct weft_stream *to, int64_t len, bool *bulk)
{
    if (weft__bytes_count(&from->in) == 0) {
        ssize_t n = fill(from);
        if (n <= 0)
            return n;
        *bulk = is_bulk(from);
    }
    return pass_on(from, to, len);
}

/** Moves up to `len` bytes; `moved` grows. 0, or negative. */
static int copy(struct weft_stream *from, struct weft_stream *to, int64_t len, uint64_t *moved)
{
    bool bulk = false;
    while (len > 0) {
        uint64_t before = *moved;
        ssize_t n = copy_some(from, to, len, &bulk);
        if (n <= 0)
            return (int)n;
        *moved += (uint64_t)n;
        if (bulk && n < len && weft__bytes_count(&from->in) == 0 &&
            weft__stream_can_splice(from, to)) {
            int rc = weft__stream_splice(from, to, len - n, moved);
            if (rc <= 0)
                return rc;
        }
        len -= (int64_t)(*moved - before);
    }
    return 0;
}

/** copy, for the task that neither reads nor writes yet. */
static int enter_and_copy(struct weft_stream *from, struct weft_stream *to, int64_t len,
                          uint64_t *moved)
{
    int rc = weft__stream_enter_read(from);
    if (rc < 0)
        return rc;
    rc = weft__stream_enter_write(to);
    if (rc == 0) {
        rc = weft__stream_drain(to, 0);
        if (rc == 0)
            rc = copy(from, to, len, moved);
        weft__stream_leave_write(to);
    }
    weft__stream_leave_read(from);
    return rc;
}

int64_t weft_stream_copy(struct weft_stream *from, struct weft_stream *to, int64_t len)
{
    uint64_t moved = 0;
    int rc = enter_and_copy(from, to, len, &moved);
    return rc < 0 ? rc : (int64_t)moved;
}

/* Both ways. */

/** One direction of a relay. */
struct direction {
    /** Where the bytes come from. */
    struct weft_stream *from;
    /** Where they go to. */
    struct weft_stream *to;
    /** How many they were. */
    uint64_t *moved;
};

static int relay_one_way(void *arg)
{
    const struct direction *direction = arg;
    int rc = enter_and_copy(direction->from, direction->to, WEFT_STREAM_ALL, direction->moved);
    if (rc == 0)
        rc = weft_stream_shutdown(direction->to);
    return rc == -ENOTSUP ? 0 : rc;
}

int weft_stream_relay(struct weft_stream *a, struct weft_stream *b, uint64_t moved[2])
{
    uint64_t unseen[2] = {0, 0};
    uint64_t *counters = moved ? moved : unseen;
    struct direction there = {a, b, &counters[0]};
    struct direction back = {b, a, &counters[1]};
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = weft_go_fn(&scope, relay_one_way, &back);
    return weft_scope_exit(&scope, rc < 0 ? rc : relay_one_way(&there));
}
