/* SPDX-License-Identifier: MIT */
/*
 * list.c: lists of addresses
 *
 * A list is one block of memory: the struct that the program sees, the addresses, the canonical
 * name. The answer of libc is a linked list in memory of libc, with an entry for each kind of
 * socket and, where /etc/hosts says a thing twice, the same address again; here each is there once,
 * in the order of the answer, and only families that a socket address of ours can hold.
 */
#include "names/internal.h"

#include <string.h>
#include <weft/loop.h>

/** A list and what it points at. */
struct block {
    /** What the program sees. */
    struct weft_addresses list;
    /** The addresses, and behind them the canonical name. */
    struct weft_address at[];
};

struct weft_addresses *weft__addresses_new(struct weft_loop *loop, size_t count,
                                           const char *canonical)
{
    size_t head = sizeof(struct block) + count * sizeof(struct weft_address);
    size_t len = strlen(canonical) + 1;
    struct block *block = weft_loop_realloc(loop, NULL, head + len);
    if (!block)
        return NULL;
    char *name = (char *)block + head;
    memcpy(name, canonical, len);
    block->list =
        (struct weft_addresses){.count = count, .at = block->at, .canonical = name, .loop = loop};
    return &block->list;
}

struct weft_address *weft__addresses_room(struct weft_addresses *addresses)
{
    return ((struct block *)(void *)addresses)->at;
}

struct weft_addresses *weft__addresses_copy(const struct weft_addresses *addresses)
{
    struct weft_addresses *copy =
        weft__addresses_new(addresses->loop, addresses->count, addresses->canonical);
    if (copy)
        memcpy(weft__addresses_room(copy), addresses->at, addresses->count * sizeof *addresses->at);
    return copy;
}

void weft_addresses_free(struct weft_addresses *addresses)
{
    if (addresses)
        (void)weft_loop_realloc(addresses->loop, addresses, 0);
}

/** Puts an address behind the others unless it is among them. */
static void add(struct weft_addresses *list, const struct addrinfo *entry)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    address.len = entry->ai_addrlen;
    memcpy(&address.of, entry->ai_addr, entry->ai_addrlen);
    for (size_t i = 0; i < list->count; i++)
        if (weft_address_equal(&list->at[i], &address))
            return;
    weft__addresses_room(list)[list->count++] = address;
}

static bool is_usable(const struct addrinfo *entry)
{
    return (entry->ai_family == AF_INET || entry->ai_family == AF_INET6) && entry->ai_addr &&
           entry->ai_addrlen <= sizeof(struct sockaddr_storage);
}

int weft__addresses_take(struct weft_loop *loop, const struct addrinfo *answer, bool named,
                         struct weft_addresses **ret)
{
    /* musl gives one unasked. */
    const char *canonical = named && answer && answer->ai_canonname ? answer->ai_canonname : "";
    size_t count = 0;
    for (const struct addrinfo *entry = answer; entry; entry = entry->ai_next)
        count += is_usable(entry);
    if (count == 0)
        return -WEFT_EDNS_NODATA;
    struct weft_addresses *list = weft__addresses_new(loop, count, canonical);
    if (!list)
        return -ENOMEM;
    list->count = 0;
    for (const struct addrinfo *entry = answer; entry; entry = entry->ai_next)
        if (is_usable(entry))
            add(list, entry);
    *ret = list;
    return 0;
}
