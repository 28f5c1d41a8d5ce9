/* SPDX-License-Identifier: MIT */
/*
 * slot.c: the names under which operations are known to the kernel
 *
 * An operation lies on its task's stack. Its address must not be what comes back with a result: one
 * result too many would be written through it. So the kernel gets a name: a slot's number and how
 * many times the slot was used. Slots are reserved when an operation is submitted, which may fail,
 * and taken when its request is made, which may not.
 *
 *     name:   63 .. 56   55 .. 32      31 .. 0
 *             kind       generation    slot
 */
#include "base/assert.h"
#include "loop/poller/io_uring/engine.h"

#include <errno.h>
#include <string.h>

/** So many bits of a slot's generation are part of its name. */
#define GENERATION_MASK 0xffffffu

void weft__uring_slots_init(struct weft__uring *engine)
{
    engine->slots = NULL;
    engine->slot_count = engine->free_slot = 0;
}

void weft__uring_slots_fini(struct weft__uring *engine)
{
    if (engine->slots)
        engine->poller.sys->realloc(engine->poller.sys, engine->slots, 0);
    weft__uring_slots_init(engine);
}

int weft__uring_slots_reserve(struct weft__uring *engine, size_t count)
{
    if (count <= engine->slot_count)
        return 0;
    const struct weft_sys *sys = engine->poller.sys;
    size_t room = engine->slot_count ? engine->slot_count : 32;
    while (room < count)
        room *= 2;
    if (room > UINT32_MAX)
        return -ENOMEM;
    struct weft__uring_slot *slots = sys->realloc(sys, engine->slots, room * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    uint32_t before = engine->slot_count;
    memset(slots + before, 0, (room - before) * sizeof *slots);
    for (uint32_t i = before; i < room; i++)
        slots[i].next_free = i + 1;
    /* The chain of the old free slots ends at the old count, which is the first new one. */
    engine->slots = slots;
    engine->slot_count = (uint32_t)room;
    return 0;
}

uint64_t weft__uring_slot_name(const struct weft__uring *engine, const struct weft__op *op)
{
    const struct weft__uring_slot *slot = &engine->slots[op->engine_slot];
    weft__assert(slot->op == op);
    return (uint64_t)(slot->generation & GENERATION_MASK) << 32 | op->engine_slot;
}

uint64_t weft__uring_slot_take(struct weft__uring *engine, struct weft__op *op)
{
    weft__assert(engine->free_slot < engine->slot_count);
    op->engine_slot = engine->free_slot;
    struct weft__uring_slot *slot = &engine->slots[op->engine_slot];
    engine->free_slot = slot->next_free;
    slot->op = op;
    slot->generation++;
    return weft__uring_slot_name(engine, op);
}

struct weft__op *weft__uring_slot_find(const struct weft__uring *engine, uint64_t name)
{
    uint32_t index = (uint32_t)name;
    if (index >= engine->slot_count)
        return NULL;
    const struct weft__uring_slot *slot = &engine->slots[index];
    uint32_t generation = (uint32_t)(name >> 32) & GENERATION_MASK;
    return (slot->generation & GENERATION_MASK) == generation ? slot->op : NULL;
}

void weft__uring_slot_free(struct weft__uring *engine, struct weft__op *op)
{
    struct weft__uring_slot *slot = &engine->slots[op->engine_slot];
    weft__assert(slot->op == op);
    slot->op = NULL;
    slot->next_free = engine->free_slot;
    engine->free_slot = op->engine_slot;
}
