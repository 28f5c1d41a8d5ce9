/* SPDX-License-Identifier: MIT */
/*
 * bytes.c: a buffer
 *
 * A stretch of memory in which bytes are added at the end and taken at the start. When the end is
 * reached they move to the front, if that frees at least as much as it moves; else the memory
 * doubles. Either way each byte is moved a bounded number of times, whatever the sizes of the
 * additions. One byte is kept free for a final 0.
 *
 * Memory is taken when the first byte needs it and given back by the owner alone, so that a stream
 * that never buffers costs none. Whoever holds a pointer into it must not add meanwhile.
 */
#include "stream/internal.h"

#include <string.h>

/** The size that holds `wanted` bytes and the final 0. */
static size_t size_for(const struct weft__bytes *bytes, size_t wanted)
{
    size_t size = bytes->size ? bytes->size : WEFT__STREAM_CHUNK;
    while (size <= wanted && size <= SIZE_MAX / 2)
        size *= 2;
    return size;
}

int weft__bytes_reserve(struct weft_loop *loop, struct weft__bytes *bytes, size_t room)
{
    size_t count = weft__bytes_count(bytes);
    if (weft__bytes_room(bytes) >= room)
        return 0;
    if (room >= SIZE_MAX / 2 - count)
        return -ENOMEM;
    if (bytes->start >= count && bytes->size > count + room) {
        memmove(bytes->at, bytes->at + bytes->start, count);
    } else {
        size_t size = size_for(bytes, count + room);
        char *at = weft_loop_realloc(loop, NULL, size);
        if (!at)
            return -ENOMEM;
        if (count > 0)
            memcpy(at, bytes->at + bytes->start, count);
        (void)weft_loop_realloc(loop, bytes->at, 0);
        bytes->at = at;
        bytes->size = size;
    }
    bytes->start = 0;
    bytes->end = count;
    return 0;
}

void weft__bytes_add(struct weft__bytes *bytes, const void *buf, size_t len)
{
    if (len > 0)
        memcpy(bytes->at + bytes->end, buf, len);
    bytes->end += len;
}

void weft__bytes_take(struct weft__bytes *bytes, size_t len)
{
    bytes->start += len;
    if (bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
}

void weft__bytes_free(struct weft_loop *loop, struct weft__bytes *bytes)
{
    (void)weft_loop_realloc(loop, bytes->at, 0);
    *bytes = (struct weft__bytes){0};
}
