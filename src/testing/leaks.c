/* SPDX-License-Identifier: MIT */
/*
 * leaks.c: what was left behind
 *
 * Open descriptors are asked of the kernel with poll, which answers for many numbers at once and
 * says of each whether it is open; nothing is read, nothing changes. Where a limit forbids to ask
 * about so many at once, they are asked about one at a time.
 *
 * Blocks of memory are known only where the program's allocator tells (WEFT_TESTING_COUNT_MEMORY).
 * They are kept in a hash set by address: a block that libc allocated by itself is not in it, and
 * freeing it changes nothing. The set's own memory comes from mmap, which may be counted as well,
 * so a thread that is inside counts nothing.
 */
#define _GNU_SOURCE
#include "task/internal.h"
#include "testing/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** A live block of memory. */
struct block {
    /** Its address; 0 for a free place, 1 for one whose block is gone. */
    uintptr_t address;
    /** Its size as asked for. */
    size_t size;
    /** Its place in the order of all allocations. */
    uint64_t number;
};

enum {
    GONE = 1,
    DESCRIPTORS = 65536,
    AT_ONCE = 1024,    /* how many numbers one poll asks about */
    BLOCKS_NAMED = 10, /* the others are only counted */
};

/** The set of live blocks, an open-addressed hash, and the counts. One lock guards all of it. */
static struct {
    /** Held for a few instructions at a time. */
    atomic_flag lock;
    /** The places; their number is a power of two. */
    struct block *places;
    /** How many places there are. */
    size_t capacity;
    /** Places that are not free, blocks that are gone included. */
    size_t used;
    /** Live blocks. */
    size_t live;
    /** Allocations so far. */
    uint64_t number;
    /** Bytes mapped and not yet unmapped. */
    int64_t mapped;
} memory = {.lock = ATOMIC_FLAG_INIT};

struct weft_testing_leaks {
    /** Blocks numbered up to this one were there already. */
    uint64_t number;
    /** Mapped bytes then. */
    int64_t mapped;
    /** Loops then. */
    int loops;
    /** One bit for each descriptor that was open. */
    unsigned char open[DESCRIPTORS / 8];
};

static const struct weft_sys *const real = &weft_sys_default;

/** The set is being moved by this thread. Volatile: libc declares mmap a leaf, one that never calls
 *  back, and a compiler that sees it called from here leaves out a flag that only we would read. */
static WEFT__TLS volatile bool inside;

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&memory.lock, memory_order_acquire)) {
    }
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&memory.lock, memory_order_release);
}

/* --- The set of blocks ----------------------------------------------------------------------- */

/** New, empty places. Without memory for them nothing can be counted any more. */
static struct block *map_places(size_t capacity)
{
    void *places = NULL;
    inside = true;
    int rc = real->mmap(real, capacity * sizeof(struct block), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &places);
    inside = false;
    if (rc < 0)
        weft__assert_failed("out of memory for the set of blocks", "leaks.c");
    return places;
}

static void unmap_places(struct block *places, size_t capacity)
{
    inside = true;
    (void)real->munmap(real, places, capacity * sizeof *places);
    inside = false;
}

/* The place of `address`, or the free place where its search ends. */
static struct block *find_place(uintptr_t address)
{
    size_t i = (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20);

    for (;; i++) {
        struct block *place = &memory.places[i & (memory.capacity - 1)];

        if (place->address == address || place->address == 0)
            return place;
    }
}

/* Keeps the set at most half full; blocks that are gone are dropped on the way. */
static void make_room(void)
{
    struct block *old = memory.places;
    size_t old_capacity = memory.capacity;

    if (2 * (memory.used + 1) <= old_capacity)
        return;
    memory.capacity = 4096;
    while (memory.capacity < 4 * (memory.live + 1))
        memory.capacity *= 2;
    memory.places = map_places(memory.capacity);
    memory.used = memory.live;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].address > GONE)
            *find_place(old[i].address) = old[i];
    }
    if (old)
        unmap_places(old, old_capacity);
}

void weft_testing_note_block(const void *p, size_t size)
{
    if (!p || inside)
        return;
    lock();
    make_room();
    uint64_t number = ++memory.number;
    struct block *place = find_place((uintptr_t)p);
    /* It is there already when libc itself freed the earlier block, as getline does. */
    if (!place->address) {
        memory.used++;
        memory.live++;
    }
    *place = (struct block){(uintptr_t)p, size, number};
    unlock();
    const char *stop = real->getenv(real, "WEFT_LEAK_BREAK");
    if (stop && strtoull(stop, NULL, 10) == number)
        (void)real->raise(real, SIGTRAP);
}

int weft_testing_forget_block(const void *p, size_t *ret)
{
    int found = 0;
    if (!p || inside)
        return 0;
    lock();
    if (memory.capacity) {
        struct block *place = find_place((uintptr_t)p);
        found = place->address != 0;
        if (found) {
            *ret = place->size;
            place->address = GONE;
            memory.live--;
        }
    }
    unlock();
    return found;
}

static WEFT__TLS bool refused;

void weft_testing_refuse_memory(int refuse)
{
    refused = refuse != 0;
}

int weft_testing_memory_refused(void)
{
    return refused;
}

void weft_testing_note_mapped(size_t len, int sign)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (inside)
        return;
    lock();
    memory.mapped += sign * (int64_t)((len + page - 1) / page * page);
    unlock();
}

/* --- Descriptors ----------------------------------------------------------------------------- */

static void look_one_by_one(struct pollfd *fds)
{
    for (int i = 0; i < AT_ONCE; i++)
        fds[i].revents = real->fcntl(real, fds[i].fd, F_GETFD, 0) < 0 ? POLLNVAL : 0;
}

/** Calls `each` for every open descriptor below `limit`; the sum of what it gives. */
static int each_open(int limit, int (*each)(int fd, void *arg), void *arg)
{
    int total = 0;
    for (int first = 0; first < limit; first += AT_ONCE) {
        struct pollfd fds[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            fds[i] = (struct pollfd){.fd = first + i};
        if (real->poll(real, fds, AT_ONCE, 0) < 0)
            look_one_by_one(fds);
        for (int i = 0; i < AT_ONCE; i++)
            if (!(fds[i].revents & POLLNVAL))
                total += each(fds[i].fd, arg);
    }
    return total;
}

static int count(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return 1;
}

int weft__testing_open(const struct weft_sys *sys)
{
    /* A sweep asks thousands of times: it looks at the numbers that a program of ordinary size
     * has. */
    if (sys->flags & WEFT_SYS_VIRTUAL_CLOCK)
        return (int)weft_testing_world_open(sys);
    return each_open(AT_ONCE, count, NULL);
}

/** What a descriptor is, in the kernel's words: a path, or "socket:[1234]". */
static void name_of(int fd, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t len = real->readlink(real, path, buf, size - 1);
    buf[len > 0 ? len : 0] = '\0';
}

static int mark_open(int fd, void *arg)
{
    struct weft_testing_leaks *leaks = arg;
    leaks->open[fd / 8] |= (unsigned char)(1u << (fd % 8));
    return 1;
}

static int report_if_new(int fd, void *arg)
{
    const struct weft_testing_leaks *leaks = arg;
    if (leaks->open[fd / 8] & (1u << (fd % 8)))
        return 0;
    char name[256];
    name_of(fd, name, sizeof name);
    weft__report("leak: descriptor %d (%s) is still open", fd, name);
    return 1;
}

/* --- Before and after ------------------------------------------------------------------------ */

static int report_blocks(const struct weft_testing_leaks *leaks)
{
    int found = 0;
    lock(); /* a thread that nobody joins may just have freed its last one */
    for (size_t i = 0; i < memory.capacity; i++) {
        const struct block *block = &memory.places[i];
        if (block->address <= GONE || block->number <= leaks->number)
            continue;
        if (++found <= BLOCKS_NAMED)
            weft__report("leak: memory block %llu of %zu bytes is not freed",
                         (unsigned long long)block->number, block->size);
    }
    unlock();
    if (found > BLOCKS_NAMED)
        weft__report("leak: %d memory blocks in all are not freed", found);
    return found;
}

static int report_mappings(const struct weft_testing_leaks *leaks)
{
    if (memory.mapped == leaks->mapped)
        return 0;
    weft__report("leak: mapping: %lld bytes more are mapped than before",
                 (long long)(memory.mapped - leaks->mapped));
    return 1;
}

static int count_loops(void)
{
    int loops = 0;
    weft__list_each(link, &weft__runtimes) loops++;
    return loops;
}

/** Loops stand in the order in which they were made: the last ones are new. */
static int report_loops(const struct weft_testing_leaks *leaks)
{
    int place = 0;
    weft__list_each(link, &weft__runtimes)
    {
        struct weft__runtime *runtime = weft__container(link, struct weft__runtime, link);
        if (place++ < leaks->loops)
            continue;
        weft__report("leak: a loop with %zu living tasks is not freed", runtime->alive);
        if (runtime->alive > 0)
            weft_dump(runtime->loop, STDERR_FILENO);
    }
    return place - leaks->loops;
}

int weft_testing_leaks_begin(struct weft_testing_leaks **ret)
{
    struct weft_testing_leaks *leaks = real->realloc(real, NULL, sizeof *leaks);
    if (!leaks)
        return -ENOMEM;
    memset(leaks, 0, sizeof *leaks);
    each_open(DESCRIPTORS, mark_open, leaks);
    leaks->loops = count_loops();
    leaks->number = memory.number;
    leaks->mapped = memory.mapped;
    *ret = leaks;
    return 0;
}

int weft_testing_leaks_end(struct weft_testing_leaks *leaks)
{
    int kinds = (report_loops(leaks) > 0) + (each_open(DESCRIPTORS, report_if_new, leaks) > 0) +
                (report_blocks(leaks) > 0) + (report_mappings(leaks) > 0);
    real->realloc(real, leaks, 0);
    return kinds;
}
