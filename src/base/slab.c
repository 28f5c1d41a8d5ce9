/* SPDX-License-Identifier: MIT */
/*
 * slab.c: where a slab's objects come from
 *
 * Objects that were never used are cut off the newest chunk one by one rather than strung onto the
 * free list at once, so that memory is first touched when it is first needed. Chunks double from
 * about a page up to 64 KiB; larger ones would only make the last, half-empty one more expensive.
 * The fast paths of alloc and free are inline, in slab.h.
 */
#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/** What every object and every chunk is aligned to. */
#define ALIGNMENT ((size_t)16)
/** Objects of whole cache lines are not split over one more. */
#define CACHE_LINE ((size_t)64)
/** Powers of two less some room for malloc's own head. */
#define CHUNK_SIZE_FIRST ((size_t)4096 - 64)
#define CHUNK_SIZE_MAX ((size_t)16 * CHUNK_SIZE_FIRST)
/** A chunk of large objects holds a few, however large. */
#define CHUNK_OBJECTS_MIN 4

/** The head of a chunk; its objects follow. */
struct weft__slab_chunk {
    /** The next older one. */
    struct weft__slab_chunk *older;
    /** Bytes, this head included. */
    size_t size;
} __attribute__((aligned(16)));

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

void weft__slab_init(struct weft__slab *slab, const struct weft_sys *sys, size_t object_size,
                     size_t kept)
{
    size_t link_offset = round_up(kept, sizeof(void *));
    size_t size = link_offset + sizeof(void *);
    weft__assert(kept <= object_size);
    *slab = (struct weft__slab){
        .link_offset = link_offset,
        .object_size = round_up(size > object_size ? size : object_size, ALIGNMENT),
        .kept = kept,
        .chunk_size = CHUNK_SIZE_FIRST,
        .sys = sys,
    };
}

void weft__slab_fini(struct weft__slab *slab)
{
    struct weft__slab_chunk *chunk = slab->chunks;
    while (chunk) {
        struct weft__slab_chunk *older = chunk->older;
        weft__unpoison(chunk, chunk->size);
        (void)slab->sys->realloc(slab->sys, chunk, 0);
        chunk = older;
    }
    weft__slab_init(slab, slab->sys, slab->object_size, slab->kept);
}

/** Where in a chunk the first object lies. */
static size_t first_offset(const struct weft__slab *slab, const struct weft__slab_chunk *chunk)
{
    uintptr_t start = (uintptr_t)(chunk + 1);
    uintptr_t beyond_line = start % CACHE_LINE;
    if (slab->object_size % CACHE_LINE != 0 || beyond_line == 0)
        return sizeof *chunk;
    return sizeof *chunk + CACHE_LINE - beyond_line;
}

/** Starts a new chunk; what was left of the one before has been given out. */
static bool add_chunk(struct weft__slab *slab)
{
    size_t least = CACHE_LINE + CHUNK_OBJECTS_MIN * slab->object_size;
    size_t size = least > slab->chunk_size ? least : slab->chunk_size;
    struct weft__slab_chunk *chunk = slab->sys->realloc(slab->sys, NULL, size);
    if (!chunk)
        return false;
    *chunk = (struct weft__slab_chunk){.older = slab->chunks, .size = size};
    size_t head = first_offset(slab, chunk), room = size - head;
    slab->chunks = chunk;
    slab->fresh = (char *)chunk + head;
    slab->fresh_end = slab->fresh + room - room % slab->object_size;
    slab->chunk_size = slab->chunk_size < CHUNK_SIZE_MAX ? slab->chunk_size * 2 : CHUNK_SIZE_MAX;
    weft__poison(slab->fresh, room);
    return true;
}

void *weft__slab_alloc_fresh(struct weft__slab *slab)
{
    if (slab->fresh == slab->fresh_end && !add_chunk(slab))
        return NULL;
    char *object = slab->fresh;
    slab->fresh += slab->object_size;
    slab->outstanding++;
    weft__unpoison(object, slab->object_size);
    memset(object, 0, slab->kept);
    return object;
}
