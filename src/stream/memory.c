/* SPDX-License-Identifier: MIT */
/*
 * memory.c: the pair in memory
 *
 * Two channels, one for each direction; an end writes into one and reads from the other. A channel
 * holds up to its high mark; once that is reached it takes nothing more before the reader has
 * brought it down to the low mark, so that the two do not take turns for every byte. Its answers to
 * closing, half-closing and resetting are those of a TCP connection, without the network: a program
 * that is tested on it meets the same codes.
 */
#include "stream/internal.h"

#include <stdio.h>
#include <string.h>

/** One direction. */
struct channel {
    /** What is on its way. */
    struct weft__bytes bytes;
    /** Who waits to read: one task at most. */
    struct weft_waitq reader;
    /** Who waits to write: one task at most. */
    struct weft_waitq writer;
    /** The high mark was reached, and the low one not yet. */
    bool full;
    /** No more will be written. */
    bool ended;
    /** No more will be read. */
    bool deaf;
    /** An end was aborted. */
    bool reset;
};

struct pair;

/** What a stream of this kind is. */
struct memory_end {
    /** Both ends and what is between. */
    struct pair *pair;
    /** The channel that it reads from: 0 or 1. */
    int in;
    /** It was closed. */
    bool closed;
};

/** Both ends. */
struct pair {
    /** The loop. */
    struct weft_loop *loop;
    /** When a channel is full. */
    size_t high_water;
    /** When it is so no more. */
    size_t low_water;
    /** The directions. */
    struct channel channels[2];
    /** The ends. */
    struct memory_end ends[2];
    /** How many of them were not freed. */
    int alive;
};

static struct channel *channel_in(const struct memory_end *end)
{
    return &end->pair->channels[end->in];
}

static struct channel *channel_out(const struct memory_end *end)
{
    return &end->pair->channels[!end->in];
}

static void describe_reader(const struct weft_wait *wait, char *buf, size_t size)
{
    (void)wait;
    snprintf(buf, size, "to read from a stream in memory");
}

static void describe_writer(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct channel *channel = wait->object;
    snprintf(buf, size, "to write to a stream in memory, %zu bytes are unread",
             weft__bytes_count(&channel->bytes));
}

/** What a read gives without bytes: 0 the end, negative; 1 it must wait. */
static int reader_state(const struct memory_end *end)
{
    const struct channel *channel = channel_in(end);
    if (end->closed)
        return -EBADF;
    if (channel->reset)
        return -ECONNRESET;
    return channel->ended ? 0 : 1;
}

static ssize_t take(struct memory_end *end, void *buf, size_t len)
{
    struct channel *channel = channel_in(end);
    size_t count = weft__bytes_count(&channel->bytes);
    size_t n = len < count ? len : count;
    memcpy(buf, channel->bytes.at + channel->bytes.start, n);
    weft__bytes_take(&channel->bytes, n);
    if (channel->full && count - n <= end->pair->low_water) {
        channel->full = false;
        (void)weft_waitq_wake_all(&channel->writer, 0);
    }
    return (ssize_t)n;
}

static ssize_t memory_read(void *self, void *buf, size_t len)
{
    struct memory_end *end = self;
    struct channel *channel = channel_in(end);
    ssize_t rc = weft_wait_begin();
    while (rc == 0) {
        if (!end->closed && weft__bytes_count(&channel->bytes) > 0)
            return take(end, buf, len);
        int state = reader_state(end);
        if (state <= 0)
            return state;
        struct weft_wait wait;
        weft_wait_init(&wait, describe_reader, channel);
        rc = weft_waitq_park(&channel->reader, &wait);
    }
    return rc;
}

/** What a write gives that cannot be: negative; 1 it must wait, 0 it can. */
static int writer_state(const struct memory_end *end)
{
    const struct channel *channel = channel_out(end);
    if (end->closed)
        return -EBADF;
    if (channel->reset)
        return -ECONNRESET;
    return channel->deaf || channel->ended ? -EPIPE : channel->full;
}

static ssize_t add(struct memory_end *end, const struct iovec *vectors, int count)
{
    struct channel *channel = channel_out(end);
    size_t total = 0;
    for (int i = 0; i < count && !channel->full; i++) {
        size_t room = end->pair->high_water - weft__bytes_count(&channel->bytes);
        size_t len = vectors[i].iov_len < room ? vectors[i].iov_len : room;
        if (weft__bytes_reserve(end->pair->loop, &channel->bytes, len) < 0)
            break;
        weft__bytes_add(&channel->bytes, vectors[i].iov_base, len);
        total += len;
        channel->full = len == room;
    }
    if (total == 0)
        return -ENOMEM;
    (void)weft_waitq_wake_all(&channel->reader, 0);
    return (ssize_t)total;
}

static ssize_t memory_writev(void *self, const struct iovec *vectors, int count)
{
    struct memory_end *end = self;
    struct channel *channel = channel_out(end);
    ssize_t rc = weft_wait_begin();
    while (rc == 0) {
        int state = writer_state(end);
        if (state <= 0)
            return state < 0 ? state : add(end, vectors, count);
        struct weft_wait wait;
        weft_wait_init(&wait, describe_writer, channel);
        rc = weft_waitq_park(&channel->writer, &wait);
    }
    return rc;
}

static void wake_both(struct channel *channel)
{
    (void)weft_waitq_wake_all(&channel->reader, 0);
    (void)weft_waitq_wake_all(&channel->writer, 0);
}

static int memory_shutdown(void *self)
{
    struct channel *channel = channel_out(self);
    channel->ended = true;
    wake_both(channel);
    return 0;
}

static int memory_close(void *self)
{
    struct memory_end *end = self;
    end->closed = true;
    channel_out(end)->ended = true;
    channel_in(end)->deaf = true;
    wake_both(channel_out(end));
    wake_both(channel_in(end));
    return 0;
}

static void memory_abort(void *self)
{
    const struct memory_end *end = self;
    for (int i = 0; i < 2; i++) {
        struct channel *channel = &end->pair->channels[i];
        channel->reset = true;
        weft__bytes_take(&channel->bytes, weft__bytes_count(&channel->bytes));
    }
}

static void memory_free(void *self)
{
    struct pair *pair = ((struct memory_end *)self)->pair;
    if (--pair->alive > 0)
        return;
    for (int i = 0; i < 2; i++)
        weft__bytes_free(pair->loop, &pair->channels[i].bytes);
    (void)weft_loop_realloc(pair->loop, pair, 0);
}

static const struct weft_stream_ops memory_ops = {
    .size = sizeof memory_ops,
    .kind = "memory",
    .read = memory_read,
    .writev = memory_writev,
    .shutdown = memory_shutdown,
    .close = memory_close,
    .free = memory_free,
    .abort = memory_abort,
};

static struct pair *make_pair(struct weft_loop *loop, const struct weft_stream_options *options)
{
    struct pair *pair = weft_loop_realloc(loop, NULL, sizeof *pair);
    if (!pair)
        return NULL;
    *pair = (struct pair){
        .loop = loop,
        .high_water = options->high_water,
        .low_water = options->low_water,
        .alive = 2,
    };
    for (int i = 0; i < 2; i++) {
        weft_waitq_init(&pair->channels[i].reader);
        weft_waitq_init(&pair->channels[i].writer);
        pair->ends[i] = (struct memory_end){.pair = pair, .in = i};
    }
    return pair;
}

int weft_stream_pair(const struct weft_stream_options *given, struct weft_stream **ret_a,
                     struct weft_stream **ret_b)
{
    struct weft_loop *loop = weft_loop_current();
    struct weft_stream_options options;
    struct weft_stream *a;
    struct weft_stream *b;
    int rc = loop ? weft__stream_options(given, &options) : -EPERM;
    if (rc < 0)
        return rc;
    struct pair *pair = make_pair(loop, &options);
    if (!pair)
        return -ENOMEM;
    rc = weft_stream_new(&memory_ops, &pair->ends[0], given, &a);
    if (rc < 0) {
        (void)weft_loop_realloc(loop, pair, 0);
        return rc;
    }
    rc = weft_stream_new(&memory_ops, &pair->ends[1], given, &b);
    if (rc < 0) {
        pair->alive = 1;
        (void)weft_stream_close(a);
        return rc;
    }
    *ret_a = a;
    *ret_b = b;
    return 0;
}
