/* SPDX-License-Identifier: MIT */
/*
 * stream.c: making, closing and naming a stream
 *
 * A stream is two buffers around a kind. Closing is the one part with a race in it: other tasks may
 * be inside a read or a write when it comes. The kind's close makes their calls return; they leave;
 * the last one to leave wakes the closer, who frees:
 *
 *     close ──▶ flush what was put, unless that cannot be
 *           ──▶ closed = true; ops->close       who is inside gets an error: -WEFT_ECLOSED
 *           ──▶ wait until nobody is inside     no cancellation reaches this wait
 *           ──▶ ops->free, buffers, the stream
 */
#include "base/assert.h"
#include "base/options.h"
#include "stream/internal.h"

#include <stdio.h>
#include <weft/scope.h>
#include <weft/task.h>

#define DEFAULT_LIMIT ((size_t)64 << 10)

/* Making one. */

int weft__stream_options(const struct weft_stream_options *given, struct weft_stream_options *ret)
{
    struct weft_stream_options options;
    weft__options_read(&options, sizeof options, given);
    if (options.limit == 0)
        options.limit = DEFAULT_LIMIT;
    if (options.high_water == 0)
        options.high_water = options.low_water > DEFAULT_LIMIT ? options.low_water : DEFAULT_LIMIT;
    if (options.low_water == 0)
        options.low_water = options.high_water / 4;
    if (options.low_water > options.high_water)
        return weft_fail_at(-EINVAL, "", "low water %zu is above high water %zu", options.low_water,
                            options.high_water);
    *ret = options;
    return 0;
}

int weft_stream_new(const struct weft_stream_ops *ops, void *self,
                    const struct weft_stream_options *given, struct weft_stream **ret)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_stream_options options;
    int rc = loop ? weft__stream_options(given, &options) : -EPERM;
    if (rc == 0 && (!ops->read || !ops->writev || !ops->close))
        rc = -EINVAL;
    if (rc < 0)
        return rc;
    struct weft_stream *stream = weft_loop_realloc(loop, NULL, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    *stream = (struct weft_stream){
        .loop = loop,
        .ops = ops,
        .self = self,
        .limit = options.limit,
        .high_water = options.high_water,
        .low_water = options.low_water,
    };
    *ret = stream;
    return 0;
}

int weft__stream_check_loop(const struct weft_stream *stream)
{
    if (weft__likely(weft_loop_current() == stream->loop))
        return 0;
    return weft__misuse(-EPERM, "a %s stream was used by a thread that does not run its loop",
                        stream->ops->kind);
}

/* Ending one. */

static bool somebody_inside(const struct weft_stream *stream)
{
    return stream->reading || stream->writing || stream->aborting;
}

void weft__stream_left(struct weft_stream *stream)
{
    if (stream->closer && !somebody_inside(stream))
        (void)weft_wake(stream->closer, 0);
}

static void describe_leaving(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_stream *stream = wait->object;
    snprintf(buf, size, "for others to leave a closed %s stream", stream->ops->kind);
}

/** Waits until nobody is inside. */
static void wait_for_others(struct weft_stream *stream)
{
    struct weft_wait wait;
    if (!somebody_inside(stream))
        return;
    if (!weft_current()) {
        (void)weft__misuse(-EPERM, "a stream was closed outside a task while a task is using it");
        return;
    }
    weft_wait_init(&wait, describe_leaving, stream);
    stream->closer = &wait;
    /* Nobody wakes it but the last one who leaves. */
    ssize_t left = weft_park(&wait, NULL);
    weft__assert(left == 0);
    (void)left;
}

/** Ends the connection, once. */
static int end(struct weft_stream *stream, bool reset)
{
    if (stream->closed)
        return 0;
    stream->closed = true;
    if (reset && weft__stream_has(stream, abort))
        stream->ops->abort(stream->self);
    return stream->ops->close(stream->self);
}

/** Sends what was put before a close: 0, or negative when it was dropped. */
static int flush_last(struct weft_stream *stream)
{
    if (weft__bytes_count(&stream->out) == 0)
        return 0;
    if (weft_cancelled() || !weft_current())
        return -ECANCELED;
    stream->writing = true;
    int rc = weft__stream_drain(stream, 0);
    stream->writing = false;
    return rc;
}

/** Frees what nobody is inside of any more. */
static void dispose(struct weft_stream *stream)
{
    if (weft__stream_has(stream, free))
        stream->ops->free(stream->self);
    weft__bytes_free(stream->loop, &stream->in);
    weft__bytes_free(stream->loop, &stream->out);
    (void)weft_loop_realloc(stream->loop, stream, 0);
}

int weft_stream_close(struct weft_stream *stream)
{
    int flushed = 0;
    if (!stream)
        return 0;
    bool broken = stream->writing || stream->writing_state == WEFT__STREAM_BROKEN;
    if (!stream->closed && !broken)
        flushed = flush_last(stream);
    int closed = end(stream, broken || flushed < 0);
    wait_for_others(stream);
    dispose(stream);
    return flushed < 0 ? flushed : closed;
}

void weft_stream_abort(struct weft_stream *stream)
{
    if (stream->closed)
        return;
    /* It may wait for the kernel, and meanwhile another task closes the stream. */
    stream->aborting = true;
    (void)end(stream, true);
    stream->aborting = false;
    weft__stream_left(stream);
}

int weft_stream_detach(struct weft_stream *stream)
{
    if (stream->closed)
        return -WEFT_ECLOSED;
    if (stream->reading || stream->writing)
        return -EBUSY;
    if (weft__bytes_count(&stream->in) > 0 || weft__bytes_count(&stream->out) > 0)
        return weft_fail_at(-ENOTEMPTY, "", "detach: %zu bytes are unread and %zu unsent",
                            weft__bytes_count(&stream->in), weft__bytes_count(&stream->out));
    int fd = weft__stream_has(stream, detach) ? stream->ops->detach(stream->self) : -ENOTSUP;
    if (fd >= 0)
        dispose(stream);
    return fd;
}

/* What it is. */

const char *weft_stream_kind(const struct weft_stream *stream)
{
    return stream->ops->kind;
}

int weft_stream_fd(const struct weft_stream *stream)
{
    if (stream->closed)
        return -WEFT_ECLOSED;
    return weft__stream_has(stream, fd) ? stream->ops->fd(stream->self) : -ENOTSUP;
}

static int address(const struct weft_stream *stream, int peer, struct weft_address *ret)
{
    if (stream->closed)
        return -WEFT_ECLOSED;
    return weft__stream_has(stream, address) ? stream->ops->address(stream->self, peer, ret)
                                             : -ENOTSUP;
}

int weft_stream_local_address(const struct weft_stream *stream, struct weft_address *ret)
{
    return address(stream, 0, ret);
}

int weft_stream_peer_address(const struct weft_stream *stream, struct weft_address *ret)
{
    return address(stream, 1, ret);
}
