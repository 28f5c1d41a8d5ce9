/* SPDX-License-Identifier: MIT */
/*
 * file.c: simulated descriptors, pipes, event counters and byte streams
 *
 * Numbers are given out as a kernel does, the lowest free one first, so that a number is used again
 * as soon as it can be: that is what makes mistakes with closed descriptors visible.
 *
 * A stream, be it a pipe, a Unix or a TCP socket, is two files that point at each other. Writing
 * puts bytes into the peer's input, up to a limit; reading takes them out. What a write finds when
 * the peer is gone differs by family and follows Linux:
 *
 *                                pipe     Unix     TCP
 *     peer closed                EPIPE    EPIPE    the first write is lost, then EPIPE
 *     peer closed, unread data   EPIPE    EPIPE    ECONNRESET once, then EPIPE
 *     reads then                 end      end; with unread data ECONNRESET once, then the end
 *
 * No SIGPIPE is raised, and nothing is ever blocked on: what cannot go on says -EAGAIN.
 */
#define _GNU_SOURCE 1

#include "loop/poller/sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>

/* --- Numbers --------------------------------------------------------------------------------- */

static struct weft__sim_file **slot(struct weft__sim *world, size_t number)
{
    struct weft__sim_file **chunk = world->chunks[number / WEFT__SIM_CHUNK];
    return chunk ? &chunk[number % WEFT__SIM_CHUNK] : NULL;
}

struct weft__sim_file *weft__sim_file(struct weft__sim *world, int fd)
{
    size_t number = (size_t)(fd - WEFT__SIM_FD_BASE);
    if (fd < WEFT__SIM_FD_BASE || number >= (size_t)WEFT__SIM_CHUNKS * WEFT__SIM_CHUNK)
        return NULL;
    struct weft__sim_file **place = slot(world, number);
    return place ? *place : NULL;
}

static int make_chunk(struct weft__sim *world, size_t number)
{
    size_t size = WEFT__SIM_CHUNK * sizeof(struct weft__sim_file *);
    struct weft__sim_file **chunk = weft__sim_realloc(NULL, size);
    if (!chunk)
        return -ENOMEM;
    memset(chunk, 0, size);
    world->chunks[number / WEFT__SIM_CHUNK] = chunk;
    return 0;
}

int weft__sim_number(struct weft__sim *world)
{
    for (size_t i = world->lowest; i < (size_t)WEFT__SIM_CHUNKS * WEFT__SIM_CHUNK; i++) {
        struct weft__sim_file **place = slot(world, i);
        if (place && *place)
            continue;
        world->lowest = i;
        int rc = place ? 0 : make_chunk(world, i);
        return rc < 0 ? rc : WEFT__SIM_FD_BASE + (int)i;
    }
    return -EMFILE;
}

void weft__sim_place(struct weft__sim *world, int fd, struct weft__sim_file *file, int flags)
{
    *slot(world, (size_t)(fd - WEFT__SIM_FD_BASE)) = file;
    file->status_flags |= flags & O_NONBLOCK;
    file->descriptor_flags = flags & O_CLOEXEC ? FD_CLOEXEC : 0;
    world->open++;
}

int weft__sim_install(struct weft__sim *world, struct weft__sim_file *file, int flags)
{
    if (!file)
        return -ENOMEM;
    int fd = weft__sim_number(world);
    if (fd < 0)
        weft__sim_file_end(world, file);
    else
        weft__sim_place(world, fd, file, flags);
    return fd;
}

int weft__sim_install_pair(struct weft__sim *world, struct weft__sim_file *first,
                           struct weft__sim_file *second, int flags, int fds[2])
{
    int one = weft__sim_install(world, first, flags);
    int two = weft__sim_install(world, second, flags);
    if (one >= 0 && two >= 0) {
        first->peer = second;
        second->peer = first;
        fds[0] = one;
        fds[1] = two;
        return 0;
    }
    if (one >= 0)
        (void)weft__sim_close(world, one);
    if (two >= 0)
        (void)weft__sim_close(world, two);
    return one < 0 ? one : two;
}

int weft__sim_close(struct weft__sim *world, int fd)
{
    struct weft__sim_file *file = weft__sim_file(world, fd);
    if (!file)
        return -EBADF;
    size_t number = (size_t)(fd - WEFT__SIM_FD_BASE);
    *slot(world, number) = NULL;
    if (number < world->lowest)
        world->lowest = number;
    world->open--;
    weft__sim_file_end(world, file);
    return 0;
}

/* --- Files ----------------------------------------------------------------------------------- */

struct weft__sim_file *weft__sim_file_new(struct weft__sim *world, enum weft__sim_kind kind,
                                          int domain)
{
    struct weft__sim_file *file = weft__sim_realloc(NULL, sizeof *file);
    if (!file)
        return NULL;
    memset(file, 0, sizeof *file);
    file->kind = kind;
    file->domain = domain;
    file->serial = ++world->serial;
    file->status_flags = kind == WEFT__SIM_PIPE_READ    ? O_RDONLY
                         : kind == WEFT__SIM_PIPE_WRITE ? O_WRONLY
                                                        : O_RDWR;
    weft__list_init(&file->bound);
    weft__list_init(&file->waiting);
    weft__list_init(&file->datagrams);
    weft__list_init(&file->backlog);
    return file;
}

/** Tells the peer of a stream socket that this end is gone. */
static void hang_up(struct weft__sim_file *file, struct weft__sim_file *peer)
{
    bool reset = file->input.len > 0 || file->reset_on_close;
    peer->peer = NULL;
    if (reset)
        peer->error = ECONNRESET;
    if (reset || file->domain == AF_UNIX)
        peer->shut = WEFT__SIM_SHUT_BOTH;
    else
        peer->shut |= WEFT__SIM_SHUT_IN;
}

void weft__sim_file_end(struct weft__sim *world, struct weft__sim_file *file)
{
    if (file->kind == WEFT__SIM_STREAM && file->peer)
        hang_up(file, file->peer);
    else if (file->peer)
        file->peer->peer = NULL;
    weft__sim_drop_backlog(world, file);
    weft__sim_datagram_drop(file);
    weft__list_remove(&file->bound);
    weft__list_remove(&file->waiting);
    weft__sim_realloc(file->input.bytes, 0);
    weft__sim_realloc(file, 0);
}

int weft__sim_take_error(struct weft__sim_file *file)
{
    int error = file->error;
    file->error = 0;
    return -error;
}

int weft__sim_fcntl(struct weft__sim_file *file, int command, long arg)
{
    switch (command) {
    case F_GETFL:
        return file->status_flags;
    case F_SETFL:
        file->status_flags = (file->status_flags & O_ACCMODE) | ((int)arg & O_NONBLOCK);
        return 0;
    case F_GETFD:
        return file->descriptor_flags;
    case F_SETFD:
        file->descriptor_flags = (int)arg & FD_CLOEXEC;
        return 0;
    default:
        return -EINVAL;
    }
}

int weft__sim_fstat(const struct weft__sim_file *file, struct stat *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->st_ino = file->serial;
    ret->st_nlink = 1;
    if (file->kind == WEFT__SIM_STREAM || file->kind == WEFT__SIM_DATAGRAM)
        ret->st_mode = S_IFSOCK | 0777;
    else if (file->kind == WEFT__SIM_EVENT)
        ret->st_mode = 0600;
    else
        ret->st_mode = S_IFIFO | 0600;
    return 0;
}

/* --- Byte streams ---------------------------------------------------------------------------- */

/** Copies `len` bytes out from the start, without taking them. */
static void buffer_look(const struct weft__sim_buffer *buffer, unsigned char *to, size_t len)
{
    size_t start = buffer->start & (buffer->room - 1);
    size_t first = buffer->room - start < len ? buffer->room - start : len;
    memcpy(to, buffer->bytes + start, first);
    memcpy(to + first, buffer->bytes, len - first);
}

static int buffer_grow(struct weft__sim_buffer *buffer, size_t needed)
{
    size_t room = buffer->room ? buffer->room : 1024;
    while (room < needed)
        room *= 2;
    if (room == buffer->room)
        return 0;
    unsigned char *bytes = weft__sim_realloc(NULL, room);
    if (!bytes)
        return -ENOBUFS;
    if (buffer->len > 0)
        buffer_look(buffer, bytes, buffer->len);
    weft__sim_realloc(buffer->bytes, 0);
    buffer->bytes = bytes;
    buffer->room = room;
    buffer->start = 0;
    return 0;
}

static int buffer_put(struct weft__sim_buffer *buffer, const unsigned char *from, size_t len)
{
    int rc = buffer_grow(buffer, buffer->len + len);
    if (rc < 0)
        return rc;
    size_t end = (buffer->start + buffer->len) & (buffer->room - 1);
    size_t first = buffer->room - end < len ? buffer->room - end : len;
    memcpy(buffer->bytes + end, from, first);
    memcpy(buffer->bytes, from + first, len - first);
    buffer->len += len;
    return 0;
}

/** What a read finds when there are no bytes. */
static ssize_t stream_end(struct weft__sim *world, struct weft__sim_file *file)
{
    if (file->error)
        return weft__sim_take_error(file);
    bool ended = file->kind == WEFT__SIM_STREAM ? file->shut & WEFT__SIM_SHUT_IN : !file->peer;
    if (!ended)
        return -EAGAIN;
    world->moves += !file->end_seen;
    file->end_seen = true;
    return 0;
}

ssize_t weft__sim_stream_get(struct weft__sim *world, struct weft__sim_file *file, void *buf,
                             size_t len, int flags)
{
    if (file->kind == WEFT__SIM_STREAM) {
        if (file->state == WEFT__SIM_CONNECTING)
            return -EAGAIN;
        if (file->state != WEFT__SIM_CONNECTED && !file->error)
            return file->domain == AF_UNIX ? -EINVAL : -ENOTCONN;
    }
    if (file->input.len == 0)
        return stream_end(world, file);
    size_t n = file->input.len < len ? file->input.len : len;
    buffer_look(&file->input, buf, n);
    if (flags & MSG_PEEK)
        return (ssize_t)n;
    file->input.start += n;
    file->input.len -= n;
    world->moves++;
    return (ssize_t)n;
}

/** Why a stream socket cannot be written: negative, or 0. */
static int stream_broken(struct weft__sim_file *file)
{
    bool is_unix = file->domain == AF_UNIX;
    if (file->state == WEFT__SIM_CONNECTING)
        return -EAGAIN;
    if (is_unix && file->state == WEFT__SIM_IDLE)
        return -ENOTCONN;
    if (is_unix && file->shut & WEFT__SIM_SHUT_OUT)
        return -EPIPE;
    if (file->error)
        return weft__sim_take_error(file);
    if (file->state != WEFT__SIM_CONNECTED || file->shut & WEFT__SIM_SHUT_OUT)
        return -EPIPE;
    return 0;
}

/** How many of `len` bytes go into the peer's input now. A pipe takes small writes whole. */
static size_t stream_room(const struct weft__sim_file *file, size_t len)
{
    size_t room = WEFT__SIM_BUFFER - file->peer->input.len;
    if (file->kind == WEFT__SIM_PIPE_WRITE && len <= PIPE_BUF && len > room)
        return 0;
    return len < room ? len : room;
}

ssize_t weft__sim_stream_put(struct weft__sim *world, struct weft__sim_file *file, const void *buf,
                             size_t len)
{
    int rc = 0;
    if (file->kind == WEFT__SIM_STREAM)
        rc = stream_broken(file);
    else if (!file->peer && len > 0)
        rc = -EPIPE;
    if (rc < 0 || len == 0)
        return rc;
    if (!file->peer) {
        /* The peer closed cleanly: these bytes meet nobody, and the answer is a reset. */
        file->error = EPIPE;
        file->shut = WEFT__SIM_SHUT_BOTH;
        world->moves++;
        return (ssize_t)len;
    }
    size_t n = stream_room(file, len);
    if (n == 0)
        return -EAGAIN;
    rc = buffer_put(&file->peer->input, buf, n);
    if (rc < 0)
        return rc;
    world->moves++;
    return (ssize_t)n;
}

/* --- Pipes and event counters ---------------------------------------------------------------- */

int weft__sim_pipe2(struct weft__sim *world, int fds[2], int flags)
{
    struct weft__sim_file *reads = weft__sim_file_new(world, WEFT__SIM_PIPE_READ, AF_UNSPEC);
    struct weft__sim_file *writes = weft__sim_file_new(world, WEFT__SIM_PIPE_WRITE, AF_UNSPEC);
    return weft__sim_install_pair(world, reads, writes, flags, fds);
}

int weft__sim_eventfd(struct weft__sim *world, unsigned value, int flags)
{
    struct weft__sim_file *file = weft__sim_file_new(world, WEFT__SIM_EVENT, AF_UNSPEC);
    if (file) {
        file->count = value;
        file->semaphore = flags & EFD_SEMAPHORE;
    }
    return weft__sim_install(world, file, flags & ~EFD_SEMAPHORE);
}

static ssize_t event_get(struct weft__sim *world, struct weft__sim_file *file, void *buf,
                         size_t len)
{
    if (len < sizeof(uint64_t))
        return -EINVAL;
    uint64_t count = atomic_load(&file->count);
    uint64_t taken;
    do {
        if (count == 0)
            return -EAGAIN;
        taken = file->semaphore ? 1 : count;
    } while (!atomic_compare_exchange_weak(&file->count, &count, count - taken));
    memcpy(buf, &taken, sizeof taken);
    world->moves++;
    return sizeof taken;
}

/** Another thread may be here: nothing but the count is touched. */
static ssize_t event_put(struct weft__sim_file *file, const void *buf, size_t len)
{
    uint64_t added, count = atomic_load(&file->count);
    if (len != sizeof added)
        return -EINVAL;
    memcpy(&added, buf, sizeof added);
    if (added == UINT64_MAX)
        return -EINVAL;
    do {
        if (count + added < count || count + added == UINT64_MAX)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&file->count, &count, count + added));
    return sizeof added;
}

/* --- What all kinds have --------------------------------------------------------------------- */

ssize_t weft__sim_read(struct weft__sim *world, struct weft__sim_file *file, void *buf, size_t len)
{
    if (file->kind == WEFT__SIM_EVENT)
        return event_get(world, file, buf, len);
    if (file->kind == WEFT__SIM_PIPE_WRITE)
        return -EBADF;
    /* Unlike recv(2), which without room still takes a datagram, or waits for a byte. */
    if (len == 0)
        return 0;
    if (file->kind == WEFT__SIM_DATAGRAM)
        return weft__sim_datagram_get(world, file, buf, len, 0, NULL, NULL);
    return weft__sim_stream_get(world, file, buf, len, 0);
}

ssize_t weft__sim_write(struct weft__sim *world, struct weft__sim_file *file, const void *buf,
                        size_t len)
{
    switch (file->kind) {
    case WEFT__SIM_EVENT:
        return event_put(file, buf, len);
    case WEFT__SIM_DATAGRAM:
        return weft__sim_datagram_put(world, file, buf, len, NULL, 0);
    case WEFT__SIM_PIPE_READ:
        return -EBADF;
    default:
        return weft__sim_stream_put(world, file, buf, len);
    }
}

/** As Linux does for TCP: writable again when a third is free, so that writers do not crawl. */
static bool peer_has_room(const struct weft__sim_file *file)
{
    return !file->peer || (WEFT__SIM_BUFFER - file->peer->input.len) * 3 >= WEFT__SIM_BUFFER;
}

/** What follows from the directions that are shut. */
static unsigned shut_events(const struct weft__sim_file *file)
{
    unsigned in = file->shut & WEFT__SIM_SHUT_IN ? POLLIN | POLLRDHUP : 0;
    return file->shut == WEFT__SIM_SHUT_BOTH ? in | POLLHUP : in;
}

static unsigned stream_ready(struct weft__sim *world, struct weft__sim_file *file)
{
    weft__sim_settle(world, file);
    if (file->state == WEFT__SIM_LISTENING)
        return file->backlog_len > 0 ? POLLIN : 0;
    unsigned ready = shut_events(file);
    if (file->error)
        ready |= POLLERR | POLLIN | POLLOUT;
    if (file->state == WEFT__SIM_CONNECTING)
        return ready;
    if (file->state != WEFT__SIM_CONNECTED)
        return ready | POLLOUT | POLLHUP;
    if (file->input.len > 0)
        ready |= POLLIN;
    if (file->shut & WEFT__SIM_SHUT_OUT || peer_has_room(file))
        ready |= POLLOUT;
    return ready;
}

static unsigned datagram_ready(struct weft__sim *world, struct weft__sim_file *file)
{
    unsigned ready = shut_events(file);
    if (file->error)
        ready |= POLLERR | POLLIN;
    if (!weft__list_empty(&file->datagrams))
        ready |= POLLIN;
    return weft__sim_datagram_room(world, file) ? ready | POLLOUT : ready;
}

unsigned weft__sim_ready(struct weft__sim *world, struct weft__sim_file *file)
{
    switch (file->kind) {
    case WEFT__SIM_PIPE_READ:
        return (file->input.len > 0 ? POLLIN : 0u) | (file->peer ? 0u : POLLHUP);
    case WEFT__SIM_PIPE_WRITE:
        if (!file->peer)
            return POLLOUT | POLLERR;
        return WEFT__SIM_BUFFER - file->peer->input.len >= PIPE_BUF ? POLLOUT : 0;
    case WEFT__SIM_EVENT: {
        uint64_t count = atomic_load(&file->count);
        return (count > 0 ? POLLIN : 0u) | (count < UINT64_MAX - 1 ? POLLOUT : 0u);
    }
    case WEFT__SIM_STREAM:
        return stream_ready(world, file);
    default:
        return datagram_ready(world, file);
    }
}
