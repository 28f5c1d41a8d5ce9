/* SPDX-License-Identifier: MIT */
/*
 * local.c: task-locals
 *
 * A task's values stand in one small table that is shared with its children until somebody changes
 * it: a spawn costs a reference, a set costs a copy when others look on. Tables are searched from
 * the start: programs have a handful of keys. Values are not owned; keys are told apart by their
 * address, so that two libraries never meet.
 */
#include "task/internal.h"

/** One value. */
struct local_entry {
    /** Under which key. */
    const struct weft_local *key;
    /** The value. */
    void *value;
};

/** The values of one or more tasks. */
struct weft__locals {
    /** How many tasks use it. */
    size_t users;
    /** How many entries. */
    size_t count;
    /** The entries. */
    struct local_entry entries[];
};

struct weft__locals *weft__locals_ref(struct weft__locals *locals)
{
    if (locals)
        locals->users++;
    return locals;
}

void weft__locals_unref(struct weft__runtime *runtime, struct weft__locals *locals)
{
    if (locals && --locals->users == 0)
        runtime->loop->sys->realloc(runtime->loop->sys, locals, 0);
}

static struct local_entry *find(struct weft__locals *locals, const struct weft_local *key)
{
    for (size_t i = 0; locals && i < locals->count; i++)
        if (locals->entries[i].key == key)
            return &locals->entries[i];
    return NULL;
}

/** A copy of the task's table that only it uses, with room for one more. */
static struct weft__locals *copy(struct weft_task *task)
{
    const struct weft_sys *sys = task->runtime->loop->sys;
    size_t count = task->locals ? task->locals->count : 0;
    struct weft__locals *locals =
        sys->realloc(sys, NULL, sizeof *locals + (count + 1) * sizeof(struct local_entry));
    if (!locals)
        return NULL;
    locals->users = 1;
    locals->count = count;
    for (size_t i = 0; i < count; i++)
        locals->entries[i] = task->locals->entries[i];
    return locals;
}

int weft_local_set(const struct weft_local *key, void *value)
{
    struct weft_task *task = weft__task_current;
    if (!task)
        return -EPERM;
    struct local_entry *entry = find(task->locals, key);
    if (!entry || task->locals->users > 1) {
        struct weft__locals *locals = copy(task);
        if (!locals)
            return -ENOMEM;
        weft__locals_unref(task->runtime, task->locals);
        task->locals = locals;
        entry = find(locals, key);
        if (!entry)
            entry = &locals->entries[locals->count++];
    }
    entry->key = key;
    entry->value = value;
    return 0;
}

void *weft_local_get(const struct weft_local *key)
{
    struct weft_task *task = weft__task_current;
    struct local_entry *entry = task ? find(task->locals, key) : NULL;
    return entry ? entry->value : NULL;
}
