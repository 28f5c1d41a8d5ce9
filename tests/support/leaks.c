/* SPDX-License-Identifier: MIT */
/*
 * leaks.c: what a test leaves behind
 *
 * Before and after each test we look at four things: open descriptors (from /proc/self/fd), blocks
 * of memory, mapped bytes, and child processes. Test programs are linked with `--wrap` for the
 * allocator and for mmap and munmap (see Makefile), so that every such call of the library and of
 * the test itself passes here, whichever table of system calls the test chose, and whatever libc
 * does for its own purposes does not. Blocks are kept in a hash set by address: a block that libc
 * allocated for us (strdup, getaddrinfo) is not in it, and freeing it changes nothing. Each block
 * has a number; with WEFT_LEAK_BREAK=number the process stops in the debugger where that block is
 * allocated.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t len);

/** A live block of memory. */
struct block {
    /** Its address; 0 for a free place, 1 for one whose block is gone. */
    uintptr_t address;
    /** Its size as asked for. */
    size_t size;
    /** Its place in the order of all allocations. */
    uint64_t number;
};

enum { GONE = 1, DESCRIPTORS_MAX = 65536 };

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

/** The state at test_leaks_begin. */
static struct {
    /** Blocks numbered up to this one are none of the test's. */
    uint64_t number;
    /** Mapped bytes then. */
    int64_t mapped;
    /** One bit for each descriptor that was open. */
    unsigned char open[DESCRIPTORS_MAX / 8];
} before;

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&memory.lock, memory_order_acquire)) {
    }
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&memory.lock, memory_order_release);
}

/* --- The set of blocks
 * ---------------------------------------------------------------------------- */

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
    memory.places = __real_mmap(NULL, memory.capacity * sizeof *old, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory.places == MAP_FAILED)
        abort();
    memory.used = memory.live;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].address > GONE)
            *find_place(old[i].address) = old[i];
    }
    if (old)
        __real_munmap(old, old_capacity * sizeof *old);
}

static void note_block(void *p, size_t size)
{
    const char *stop;
    struct block *place;
    uint64_t number;

    if (!p)
        return;
    lock();
    make_room();
    number = ++memory.number;
    place = find_place((uintptr_t)p);
    /* It is there already when libc itself freed the earlier block, as getline does. */
    if (!place->address) {
        memory.used++;
        memory.live++;
    }
    *place = (struct block){(uintptr_t)p, size, number};
    unlock();
    stop = getenv("WEFT_LEAK_BREAK");
    if (stop && strtoull(stop, NULL, 10) == number)
        raise(SIGTRAP);
}

/* Takes a block out and returns what was known of it; address 0 when it was never noted. */
static struct block forget_block(const void *p)
{
    struct block found = {0, 0, 0};

    if (!p)
        return found;
    lock();
    if (memory.capacity) {
        struct block *place = find_place((uintptr_t)p);

        if (place->address) {
            found = *place;
            place->address = GONE;
            memory.live--;
        }
    }
    unlock();
    return found;
}

/* --- The wrapped calls
 * ------------------------------------------------------------------------------ */

void *__wrap_malloc(size_t size)
{
    void *p = __real_malloc(size);

    note_block(p, size);
    return p;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *p = __real_calloc(count, size);

    note_block(p, count * size);
    return p;
}

/** The calling thread gets no memory from realloc(3). */
static __thread bool out_of_memory;

void test_out_of_memory(bool out)
{
    out_of_memory = out;
}

/* Forgets the old address before libc can give it to another thread. */
void *__wrap_realloc(void *p, size_t size)
{
    if (out_of_memory && size > 0)
        return NULL;
    struct block old = forget_block(p);
    void *moved = __real_realloc(p, size);

    if (moved)
        note_block(moved, size);
    else if (old.address && size > 0)
        note_block(p, old.size);
    return moved;
}

void __wrap_free(void *p)
{
    forget_block(p);
    __real_free(p);
}

static int64_t whole_pages(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (int64_t)((len + page - 1) / page * page);
}

/* A mapping laid over an older one (MAP_FIXED) adds nothing: its bytes are counted already. */
void *__wrap_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset)
{
    void *p = __real_mmap(address, len, prot, flags, fd, offset);

    if (p != MAP_FAILED && !(flags & MAP_FIXED)) {
        lock();
        memory.mapped += whole_pages(len);
        unlock();
    }
    return p;
}

int __wrap_munmap(void *address, size_t len)
{
    int rc = __real_munmap(address, len);

    if (rc == 0) {
        lock();
        memory.mapped -= whole_pages(len);
        unlock();
    }
    return rc;
}

/* --- Before and after
 * ------------------------------------------------------------------------------- */

/* Calls `each` for every open descriptor but the one that reads the folder. */
static int for_each_descriptor(int (*each)(int fd))
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int total = 0;

    if (!folder)
        return 0;
    while ((entry = readdir(folder))) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] != '.' && fd != dirfd(folder) && fd < DESCRIPTORS_MAX)
            total += each(fd);
    }
    closedir(folder);
    return total;
}

static int mark_open(int fd)
{
    before.open[fd / 8] |= (unsigned char)(1u << (fd % 8));
    return 1;
}

static int report_if_new(int fd)
{
    char path[64], target[256];
    ssize_t len;

    if (before.open[fd / 8] & (1u << (fd % 8)))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    len = readlink(path, target, sizeof target);
    dprintf(STDERR_FILENO, "leak: descriptor %d (%.*s) is still open\n", fd, len > 0 ? (int)len : 0,
            target);
    return 1;
}

static int report_blocks(void)
{
    int found = 0;

    for (size_t i = 0; i < memory.capacity; i++) {
        const struct block *block = &memory.places[i];

        if (block->address <= GONE || block->number <= before.number)
            continue;
        if (++found <= 10)
            dprintf(STDERR_FILENO, "leak: memory block %llu of %zu bytes is not freed\n",
                    (unsigned long long)block->number, block->size);
    }
    if (found > 10)
        dprintf(STDERR_FILENO, "leak: %d memory blocks in all are not freed\n", found);
    return found;
}

static int report_mappings(void)
{
    if (memory.mapped == before.mapped)
        return 0;
    dprintf(STDERR_FILENO, "leak: mapping: %lld bytes more are mapped than before\n",
            (long long)(memory.mapped - before.mapped));
    return 1;
}

static int report_children(void)
{
    int status;
    pid_t child = waitpid(-1, &status, WNOHANG);

    if (child < 0)
        return 0;
    dprintf(STDERR_FILENO, "leak: a child process was not waited for\n");
    return 1;
}

void test_leaks_begin(void)
{
    memset(before.open, 0, sizeof before.open);
    for_each_descriptor(mark_open);
    before.number = memory.number;
    before.mapped = memory.mapped;
}

int test_leaks_end(void)
{
    return (test_report_tasks() > 0) + (for_each_descriptor(report_if_new) > 0) +
           (report_blocks() > 0) + (report_mappings() > 0) + (report_children() > 0);
}
