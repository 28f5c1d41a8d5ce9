/* SPDX-License-Identifier: MIT */
/*
 * list.h: doubly linked lists, intrusive
 *
 * A list is a link that points at itself when it is empty; a member is a `struct weft_link` inside
 * the object. Nothing here allocates. A link that is in no list points at itself, so that removing
 * it twice is harmless.
 */
#ifndef WEFT_BASE_LIST_H
#define WEFT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/wait.h>

/** The object of `type` whose `member` is at `pointer`. */
#define weft__container(pointer, type, member)                                                     \
    ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

static inline void weft__list_init(struct weft_link *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool weft__list_empty(const struct weft_link *list)
{
    return list->next == list;
}

/** Puts `link` right before `place`; before the list's own link means at the end. */
static inline void weft__list_insert(struct weft_link *place, struct weft_link *link)
{
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}

static inline void weft__list_append(struct weft_link *list, struct weft_link *link)
{
    weft__list_insert(list, link);
}

static inline void weft__list_prepend(struct weft_link *list, struct weft_link *link)
{
    weft__list_insert(list->next, link);
}

static inline void weft__list_remove(struct weft_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    weft__list_init(link);
}

/** The first link, NULL when the list is empty. */
static inline struct weft_link *weft__list_first(const struct weft_link *list)
{
    return weft__list_empty(list) ? NULL : list->next;
}

/** The last link, NULL when the list is empty. */
static inline struct weft_link *weft__list_last(const struct weft_link *list)
{
    return weft__list_empty(list) ? NULL : list->prev;
}

/** Removes and returns the first link, NULL when the list is empty. */
static inline struct weft_link *weft__list_take(struct weft_link *list)
{
    struct weft_link *link = weft__list_first(list);
    if (link)
        weft__list_remove(link);
    return link;
}

/** Runs the statement for each link; the current one may be removed. */
#define weft__list_each(link, list)                                                                \
    for (struct weft_link *link = (list)->next, *link##_next = link->next; link != (list);         \
         link = link##_next, link##_next = link->next)

#endif
