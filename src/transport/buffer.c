/* SPDX-License-Identifier: MIT */
/*
 * buffer.c: what a transport has yet to write
 *
 * One piece of memory with a start that moves: writes append, the kernel takes from the front. The
 * bytes move to the beginning only when that makes the room a write needs and is at least half of
 * the memory, so that a byte moves once on the average. An empty buffer has no memory: that is what
 * most connections are most of the time.
 */
#include "transport/internal.h"

#include <string.h>

/** The first piece of memory. */
#define FIRST_ROOM 4096u

/** Makes room for `len` bytes behind those that are kept. */
static int make_room(struct weft__write_buffer *buffer, const struct weft_sys *sys, size_t len)
{
    if (buffer->room - buffer->start - buffer->count >= len)
        return 0;
    if (buffer->start >= buffer->room / 2 && buffer->room - buffer->count >= len) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->count);
        buffer->start = 0;
        return 0;
    }
    size_t room = buffer->room ? buffer->room : FIRST_ROOM;
    while (room - buffer->start - buffer->count < len)
        room *= 2;
    char *bytes = sys->realloc(sys, buffer->bytes, room);
    if (!bytes)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->room = room;
    return 0;
}

int weft__write_buffer_append(struct weft__write_buffer *buffer, const struct weft_sys *sys,
                              const void *data, size_t len)
{
    int rc = len > 0 ? make_room(buffer, sys, len) : 0;
    if (rc < 0 || len == 0)
        return rc;
    memcpy(buffer->bytes + buffer->start + buffer->count, data, len);
    buffer->count += len;
    return 0;
}

void weft__write_buffer_take(struct weft__write_buffer *buffer, const struct weft_sys *sys,
                             size_t count)
{
    weft__assert(count <= buffer->count);
    buffer->start += count;
    buffer->count -= count;
    if (buffer->count == 0)
        weft__write_buffer_clear(buffer, sys);
}

void weft__write_buffer_clear(struct weft__write_buffer *buffer, const struct weft_sys *sys)
{
    if (buffer->bytes)
        sys->realloc(sys, buffer->bytes, 0);
    memset(buffer, 0, sizeof *buffer);
}
