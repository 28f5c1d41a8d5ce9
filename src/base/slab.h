/* SPDX-License-Identifier: MIT */
/*
 * slab.h: many objects of one size, given out and taken back in a few instructions
 *
 *     struct weft__slab records;
 *     weft__slab_init(&records, sys, sizeof(struct record), sizeof(uint64_t));
 *
 *     struct record *r = weft__slab_alloc(&records);      NULL when out of memory
 *     weft__slab_free(&records, r);
 *     weft__slab_fini(&records);
 *
 * Objects are cut from chunks, and taken back last-in first-out, so that the next one is warm. A
 * chunk goes back only in fini: a stale pointer to an object stays readable, and a generation
 * number at the object's start tells that its owner has changed. For that purpose the first `kept`
 * bytes survive from one life to the next (zero before the first); under ASan and Valgrind all the
 * others are poisoned while the object is free.
 *
 *       object   | kept ...  | link to the next free one | ...
 *                  readable    unreadable while free
 *
 * One thread. Objects are aligned to 16 bytes, those of whole cache lines to a line, and not
 * cleared.
 */
#ifndef WEFT_BASE_SLAB_H
#define WEFT_BASE_SLAB_H

#include "base/assert.h"
#include "base/poison.h"

#include <weft/sys.h>

struct weft__slab_chunk;

/** A cache of objects of one size. */
struct weft__slab {
    /** The first free object, NULL when there is none. */
    char *free;
    /** Where a free object keeps the pointer to the next: right behind the kept bytes. */
    size_t link_offset;
    /** How many objects are in use. */
    size_t outstanding;
    /** Bytes of one object, rounded up. */
    size_t object_size;
    /** How many bytes at the start of an object outlive it. */
    size_t kept;
    /** The part of the newest chunk that was never given out. */
    char *fresh;
    /** Its end. */
    char *fresh_end;
    /** All chunks, newest first. */
    struct weft__slab_chunk *chunks;
    /** Bytes of the next chunk; grows, so that small programs stay small. */
    size_t chunk_size;
    /** Where chunks come from. */
    const struct weft_sys *sys;
};

/** An empty cache; nothing is allocated yet. `kept` may be 0. */
void weft__slab_init(struct weft__slab *slab, const struct weft_sys *sys, size_t object_size,
                     size_t kept);

/** Gives all memory back, also of objects still in use. The slab may be initialized again. */
void weft__slab_fini(struct weft__slab *slab);

/** The slow path of alloc: an object that was never used. NULL when out of memory. */
void *weft__slab_alloc_fresh(struct weft__slab *slab);

/** How many objects are in use. */
static inline size_t weft__slab_outstanding(const struct weft__slab *slab)
{
    return slab->outstanding;
}

/** An object, or NULL when out of memory. */
static inline void *weft__slab_alloc(struct weft__slab *slab)
{
    char *object = slab->free;
    if (weft__unlikely(!object))
        return weft__slab_alloc_fresh(slab);
    void **link = (void **)(void *)(object + slab->link_offset);
    weft__unpoison_written(link, sizeof *link);
    slab->free = *link;
    slab->outstanding++;
    weft__unpoison(object + slab->kept, slab->object_size - slab->kept);
    return object;
}

/** Takes an object back; it must come from this slab. */
static inline void weft__slab_free(struct weft__slab *slab, void *p)
{
    char *object = p;
    weft__assert(slab->outstanding > 0 && object != slab->free);
    *(void **)(void *)(object + slab->link_offset) = slab->free;
    slab->free = object;
    slab->outstanding--;
    weft__poison(object + slab->kept, slab->object_size - slab->kept);
}

#endif
