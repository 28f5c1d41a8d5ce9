/* SPDX-License-Identifier: MIT */
/*
 * cache.c: answers that are kept for a while
 *
 * A table of chains to find an answer, and a list in the order of their coming: as all live equally
 * long, the first of the list is the next that is too old, and the one that makes room when the
 * cache is full. An answer that is too old is dropped when somebody looks; no timer runs for it, so
 * a cache keeps no loop alive. Failures never come here.
 *
 * The age is the resolver's and not that of the name server's record, which getaddrinfo does not
 * tell; therefore a program asks for a cache and says how old an answer may be.
 */
#include "base/list.h"
#include "names/internal.h"

#include <string.h>
#include <weft/loop.h>

/** How many chains; for 1,024 answers they have four each. */
#define CHAINS 256

/** An answer that is kept. */
struct entry {
    /** Its place in the order of coming. */
    struct weft_link link;
    /** The next of its chain. */
    struct entry *next;
    /** From when on it is too old. */
    weft_ns until;
    /** The question; its texts lie behind the struct. */
    struct weft__question question;
    /** The answer. */
    struct weft_addresses *answer;
};

struct weft__cache {
    /** Whose memory and clock. */
    struct weft_loop *loop;
    /** How old an answer may be. */
    weft_ns age;
    /** How many are kept. */
    size_t size;
    /** How many there are. */
    size_t count;
    /** They, oldest first. */
    struct weft_link entries;
    /** And by their questions. */
    struct entry *chains[CHAINS];
};

/* --- Questions -------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_question(const struct weft__question *a, const struct weft__question *b)
{
    return a->family == b->family && a->type == b->type && a->flags == b->flags &&
           same_text(a->host, b->host) && same_text(a->service, b->service);
}

/** FNV-1a over the host's name. */
static size_t chain_of(const struct weft__question *question)
{
    uint32_t hash = 2166136261u;
    for (const char *at = question->host ? question->host : ""; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash % CHAINS;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* --- Life ------------------------------------------------------------------------------------- */

struct weft__cache *weft__cache_new(struct weft_loop *loop, weft_ns age, size_t size)
{
    struct weft__cache *cache = weft_loop_realloc(loop, NULL, sizeof *cache);
    if (!cache)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->loop = loop;
    cache->age = age;
    cache->size = size;
    weft__list_init(&cache->entries);
    return cache;
}

static void drop(struct weft__cache *cache, struct entry *entry)
{
    struct entry **place = &cache->chains[chain_of(&entry->question)];
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    weft__list_remove(&entry->link);
    cache->count--;
    weft_addresses_free(entry->answer);
    (void)weft_loop_realloc(cache->loop, entry, 0);
}

static struct entry *oldest(struct weft__cache *cache)
{
    struct weft_link *link = weft__list_first(&cache->entries);
    return link ? weft__container(link, struct entry, link) : NULL;
}

void weft__cache_clear(struct weft__cache *cache)
{
    for (struct entry *entry = oldest(cache); entry; entry = oldest(cache))
        drop(cache, entry);
}

void weft__cache_free(struct weft__cache *cache)
{
    if (!cache)
        return;
    weft__cache_clear(cache);
    (void)weft_loop_realloc(cache->loop, cache, 0);
}

size_t weft__cache_count(const struct weft__cache *cache)
{
    return cache->count;
}

/* --- Finding and keeping ---------------------------------------------------------------------- */

static void drop_old(struct weft__cache *cache)
{
    weft_ns now = weft_loop_now(cache->loop).ns;
    for (struct entry *entry = oldest(cache); entry && entry->until <= now; entry = oldest(cache))
        drop(cache, entry);
}

static struct entry *find(struct weft__cache *cache, const struct weft__question *question)
{
    struct entry *entry = cache->chains[chain_of(question)];
    while (entry && !same_question(&entry->question, question))
        entry = entry->next;
    return entry;
}

const struct weft_addresses *weft__cache_find(struct weft__cache *cache,
                                              const struct weft__question *question)
{
    drop_old(cache);
    const struct entry *entry = find(cache, question);
    return entry ? entry->answer : NULL;
}

/** An entry with its own copies of everything, in no list yet; NULL out of memory. */
static struct entry *entry_new(struct weft__cache *cache, const struct weft__question *question,
                               const struct weft_addresses *answer)
{
    size_t host = text_size(question->host), service = text_size(question->service);
    struct entry *entry = weft_loop_realloc(cache->loop, NULL, sizeof *entry + host + service);
    if (!entry)
        return NULL;
    entry->answer = weft__addresses_copy(answer);
    if (!entry->answer) {
        (void)weft_loop_realloc(cache->loop, entry, 0);
        return NULL;
    }
    char *text = (char *)(entry + 1);
    entry->question = *question;
    if (question->host)
        entry->question.host = memcpy(text, question->host, host);
    if (question->service)
        entry->question.service = memcpy(text + host, question->service, service);
    return entry;
}

void weft__cache_keep(struct weft__cache *cache, const struct weft__question *question,
                      const struct weft_addresses *answer)
{
    struct entry *known = find(cache, question);
    struct entry *entry = entry_new(cache, question, answer);
    if (!entry)
        return;
    if (known)
        drop(cache, known);
    if (cache->count == cache->size)
        drop(cache, oldest(cache));
    weft_ns now = weft_loop_now(cache->loop).ns;
    entry->until = cache->age < WEFT_FOREVER - now ? now + cache->age : WEFT_FOREVER;
    entry->next = cache->chains[chain_of(question)];
    cache->chains[chain_of(question)] = entry;
    weft__list_append(&cache->entries, &entry->link);
    cache->count++;
}
