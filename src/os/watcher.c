/* SPDX-License-Identifier: MIT */
/*
 * watcher.c: files and directories that are watched
 *
 * The kernel's records (inotify(7)) are read into one buffer and handed out one by one, without a
 * copy: names of an event point into it. Only the two halves of a rename need a look ahead. When a
 * first half comes up and its second is not in the buffer, more is read behind it; when nothing
 * comes for a while, or there is no room for more, it has none.
 *
 *     buffer:   consumed │ FROM a │ CREATE │ TO b │ free
 *                          └── one event ───┘         MOVED a ▶ b, then CREATED
 *
 * A watcher that is closed while a task waits lives on until that task has gone: the kernel may
 * have the buffer.
 */
#include "base/assert.h"
#include "base/list.h"
#include "base/options.h"
#include "loop/poller.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/scope.h>
#include <weft/wait.h>
#include <weft/watch.h>

/** Room for records. */
#define RECORDS_SIZE ((size_t)64 << 10)
/** The longest record. */
#define RECORD_MAX (sizeof(struct inotify_event) + NAME_MAX + 1)

/** What all that can be asked for is to the kernel. */
#define EVERYTHING                                                                                 \
    (WEFT_WATCH_CREATED | WEFT_WATCH_REMOVED | WEFT_WATCH_MODIFIED | WEFT_WATCH_WRITTEN |          \
     WEFT_WATCH_ATTRIBUTES | WEFT_WATCH_MOVED)

/** One that was added. */
struct watched {
    /** Its place among the others. */
    struct weft_link link;
    /** The kernel's number for it. */
    int id;
    /** Its path as it was added. */
    char path[];
};

struct weft_watcher {
    /** Its place in the scope. */
    struct weft_deferred deferred;
    /** The loop. */
    struct weft_loop *loop;
    /** The world. */
    const struct weft_sys *sys;
    /** What is watched: struct watched. */
    struct weft_link all;
    /** One whose end was told; its path lives until the next call. */
    struct watched *gone;
    /** How long half a move waits. */
    weft_ns pair_wait;
    /** Until when the half at the front does; 0: it has not begun. */
    weft_ns pair_deadline;
    /** The half at the front has none. */
    bool alone;
    /** A task is in weft_watcher_next. */
    bool waiting;
    /** Closed, and that task frees it. */
    bool closed;
    /** The inotify descriptor; -1 when a close has it. */
    int fd;
    /** Where the next record begins. */
    size_t start;
    /** Where the last one ends. */
    size_t end;
    /** The records; aligned as they are. */
    _Alignas(struct inotify_event) char records[RECORDS_SIZE];
};

/* --- What is watched ------------------------------------------------------------------------- */

static struct watched *find_watched(const struct weft_watcher *watcher, int id)
{
    weft__list_each(link, &watcher->all)
    {
        struct watched *watched = weft__container(link, struct watched, link);
        if (watched->id == id)
            return watched;
    }
    return NULL;
}

static void free_watched(struct weft_watcher *watcher, struct watched *watched)
{
    if (watched)
        (void)weft_loop_realloc(watcher->loop, watched, 0);
}

static uint32_t kernel_mask(unsigned what)
{
    static const uint32_t bits[][2] = {
        {WEFT_WATCH_CREATED, IN_CREATE},
        {WEFT_WATCH_REMOVED, IN_DELETE},
        {WEFT_WATCH_MODIFIED, IN_MODIFY},
        {WEFT_WATCH_WRITTEN, IN_CLOSE_WRITE},
        {WEFT_WATCH_ATTRIBUTES, IN_ATTRIB},
        {WEFT_WATCH_MOVED, IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF},
        {WEFT_WATCH_NO_FOLLOW, IN_DONT_FOLLOW},
    };
    uint32_t mask = IN_DELETE_SELF | IN_MASK_CREATE;
    if ((what & EVERYTHING) == 0)
        what |= EVERYTHING;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (what & bits[i][0])
            mask |= bits[i][1];
    return mask;
}

int weft_watcher_add(struct weft_watcher *watcher, const char *path, unsigned what)
{
    size_t size = strlen(path) + 1;
    if (what &
        ~(unsigned)(EVERYTHING | WEFT_WATCH_NO_FOLLOW | WEFT_WATCH_MOVED_OUT | WEFT_WATCH_MOVED_IN |
                    WEFT_WATCH_MOVED_ITSELF | WEFT_WATCH_GONE | WEFT_WATCH_OVERFLOW))
        return -EINVAL;
    if (what & (WEFT_WATCH_MOVED_OUT | WEFT_WATCH_MOVED_IN | WEFT_WATCH_MOVED_ITSELF))
        what |= WEFT_WATCH_MOVED;
    struct watched *watched = weft_loop_realloc(watcher->loop, NULL, sizeof *watched + size);
    if (!watched)
        return -ENOMEM;
    int id = weft__sys_call(watcher->sys, inotify_add_watch, watcher->fd, path, kernel_mask(what));
    if (id < 0) {
        free_watched(watcher, watched);
        return id;
    }
    watched->id = id;
    memcpy(watched->path, path, size);
    weft__list_append(&watcher->all, &watched->link);
    return id;
}

int weft_watcher_remove(struct weft_watcher *watcher, int watch)
{
    struct watched *watched = find_watched(watcher, watch);
    if (!watched)
        return -EINVAL;
    /* Refused when the kernel has ended it already; records of unknown ids are passed over. */
    (void)weft__sys_call(watcher->sys, inotify_rm_watch, watcher->fd, watch);
    weft__list_remove(&watched->link);
    free_watched(watcher, watched);
    return 0;
}

/* --- Records --------------------------------------------------------------------------------- */

static struct inotify_event *record_at(struct weft_watcher *watcher, size_t place)
{
    return (struct inotify_event *)(void *)(watcher->records + place);
}

static size_t record_size(const struct inotify_event *record)
{
    return sizeof *record + record->len;
}

static const char *name_in(const struct inotify_event *record)
{
    return record->len > 0 ? record->name : "";
}

/** The other half of the move at the front, NULL when it has not come (yet). */
static struct inotify_event *other_half(struct weft_watcher *watcher,
                                        const struct inotify_event *half)
{
    size_t place = watcher->start + record_size(half);
    while (place < watcher->end) {
        struct inotify_event *record = record_at(watcher, place);
        if (record->mask & IN_MOVED_TO && record->cookie == half->cookie)
            return find_watched(watcher, record->wd) ? record : NULL;
        place += record_size(record);
    }
    return NULL;
}

static enum weft_watch_what what_of(uint32_t mask)
{
    static const uint32_t bits[][2] = {
        {IN_CREATE, WEFT_WATCH_CREATED},    {IN_DELETE, WEFT_WATCH_REMOVED},
        {IN_MODIFY, WEFT_WATCH_MODIFIED},   {IN_CLOSE_WRITE, WEFT_WATCH_WRITTEN},
        {IN_ATTRIB, WEFT_WATCH_ATTRIBUTES}, {IN_MOVED_FROM, WEFT_WATCH_MOVED_OUT},
        {IN_MOVED_TO, WEFT_WATCH_MOVED_IN}, {IN_MOVE_SELF, WEFT_WATCH_MOVED_ITSELF},
        {IN_DELETE_SELF, WEFT_WATCH_GONE},  {IN_UNMOUNT, WEFT_WATCH_GONE},
        {IN_IGNORED, WEFT_WATCH_GONE},
    };
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (mask & bits[i][0])
            return (enum weft_watch_what)bits[i][1];
    return 0;
}

static void fill_event(const struct watched *watched, const struct inotify_event *record,
                       struct weft_watch_event *ret)
{
    *ret = (struct weft_watch_event){
        .what = what_of(record->mask),
        .watch = watched->id,
        .path = watched->path,
        .name = name_in(record),
        .is_directory = (record->mask & IN_ISDIR) != 0,
    };
}

/** Makes one event of both halves; the second one is passed over when its turn comes. */
static void join_halves(struct weft_watcher *watcher, const struct watched *from,
                        const struct inotify_event *half, struct inotify_event *other,
                        struct weft_watch_event *ret)
{
    fill_event(find_watched(watcher, other->wd), other, ret);
    ret->what = WEFT_WATCH_MOVED;
    ret->from_watch = from->id;
    ret->from_path = from->path;
    ret->from_name = name_in(half);
    other->mask = 0;
}

/** The kernel has ended the watch: so do we, when its path is not needed any more. */
static void end_watched(struct weft_watcher *watcher, struct watched *watched)
{
    weft__list_remove(&watched->link);
    watcher->gone = watched;
}

/** The record at the front as an event: 1; 0 it is none; -EAGAIN it has to wait for its other half.
 */
static int take_record(struct weft_watcher *watcher, const struct inotify_event *record,
                       struct weft_watch_event *ret)
{
    struct watched *watched = find_watched(watcher, record->wd);
    if (record->mask & IN_Q_OVERFLOW) {
        *ret = (struct weft_watch_event){.what = WEFT_WATCH_OVERFLOW, .path = "", .name = ""};
        return 1;
    }
    if (!watched || !what_of(record->mask))
        return 0;
    struct inotify_event *other = NULL;
    if (record->mask & IN_MOVED_FROM)
        other = other_half(watcher, record);
    if (record->mask & IN_MOVED_FROM && !other && !watcher->alone)
        return -EAGAIN;
    if (other)
        join_halves(watcher, watched, record, other, ret);
    else
        fill_event(watched, record, ret);
    if (ret->what == WEFT_WATCH_GONE)
        end_watched(watcher, watched);
    return 1;
}

/** The next event of the buffer: 1; 0 more has to be read. */
static int take_event(struct weft_watcher *watcher, struct weft_watch_event *ret)
{
    int rc = 0;
    while (rc == 0 && watcher->start < watcher->end) {
        const struct inotify_event *record = record_at(watcher, watcher->start);
        rc = take_record(watcher, record, ret);
        if (rc == -EAGAIN)
            return 0;
        watcher->start += record_size(record);
        watcher->alone = false;
        watcher->pair_deadline = 0;
    }
    return rc;
}

/* --- Reading --------------------------------------------------------------------------------- */

static ssize_t read_records(struct weft_watcher *watcher)
{
    return weft_read(watcher->fd, watcher->records + watcher->end, RECORDS_SIZE - watcher->end);
}

/** Reads on behind half a move, for as long as it may wait. */
static ssize_t read_other_half(struct weft_watcher *watcher)
{
    if (watcher->pair_deadline == 0)
        watcher->pair_deadline = weft_after(watcher->pair_wait).ns;
    ssize_t n = weft_within(watcher->pair_deadline - weft_clock(), read_records(watcher));
    if (n != -ETIMEDOUT)
        return n;
    watcher->alone = true;
    return 0;
}

static int read_more(struct weft_watcher *watcher)
{
    size_t left = watcher->end - watcher->start;
    memmove(watcher->records, watcher->records + watcher->start, left);
    watcher->start = 0;
    watcher->end = left;
    if (RECORDS_SIZE - left < RECORD_MAX) {
        watcher->alone = true;
        return 0;
    }
    ssize_t n = left > 0 ? read_other_half(watcher) : read_records(watcher);
    if (n > 0)
        watcher->end += (size_t)n;
    return n < 0 ? (int)n : 0;
}

static void free_watcher(struct weft_watcher *watcher);

static int next_event(struct weft_watcher *watcher, struct weft_watch_event *ret)
{
    int rc = 0;
    free_watched(watcher, watcher->gone);
    watcher->gone = NULL;
    while (rc == 0 && !watcher->closed) {
        rc = take_event(watcher, ret);
        if (rc > 0)
            return 0;
        rc = read_more(watcher);
    }
    return rc;
}

int weft_watcher_next(struct weft_watcher *watcher, struct weft_watch_event *ret)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    if (watcher->waiting)
        return -EBUSY;
    watcher->waiting = true;
    rc = next_event(watcher, ret);
    watcher->waiting = false;
    if (!watcher->closed)
        return rc;
    free_watcher(watcher);
    return -WEFT_ECLOSED;
}

/* --- Opening and closing --------------------------------------------------------------------- */

static void free_watcher(struct weft_watcher *watcher)
{
    struct weft_link *link;
    if (watcher->fd >= 0)
        (void)weft__close_now(watcher->sys, watcher->fd);
    while ((link = weft__list_take(&watcher->all)) != NULL)
        free_watched(watcher, weft__container(link, struct watched, link));
    free_watched(watcher, watcher->gone);
    (void)weft_loop_realloc(watcher->loop, watcher, 0);
}

void weft_watcher_close(struct weft_watcher *watcher)
{
    if (!watcher)
        return;
    weft_scope_undefer(&watcher->deferred);
    if (!watcher->waiting) {
        free_watcher(watcher);
        return;
    }
    watcher->closed = true;
    /* Wakes the one who waits, who frees. Without memory for it he wakes at the next event. */
    if (weft_loop_close_fd(watcher->loop, watcher->fd, NULL, NULL) != -ENOMEM)
        watcher->fd = -1;
}

static void close_with_its_scope(struct weft_deferred *deferred)
{
    weft_watcher_close(weft__container(deferred, struct weft_watcher, deferred));
}

static void init_watcher(struct weft_watcher *watcher, int fd,
                         const struct weft_watcher_options *options)
{
    memset(watcher, 0, offsetof(struct weft_watcher, records));
    weft__list_init(&watcher->deferred.link);
    weft__list_init(&watcher->all);
    watcher->loop = weft_loop_current();
    watcher->sys = weft__sys_current();
    watcher->pair_wait = options->pair_wait > 0 ? options->pair_wait : WEFT_WATCH_PAIR_WAIT;
    watcher->fd = fd;
}

int weft_watcher_open(struct weft_scope *scope, const struct weft_watcher_options *options,
                      struct weft_watcher **ret)
{
    struct weft_watcher_options asked;
    struct weft_loop *loop = weft_loop_current();
    weft__options_read(&asked, sizeof asked, options);
    if (!loop)
        return -EPERM;
    int fd = weft__sys_call(weft__sys_current(), inotify_init1, IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return fd;
    struct weft_watcher *watcher = weft_loop_realloc(loop, NULL, sizeof *watcher);
    if (!watcher) {
        (void)weft__close_now(weft__sys_current(), fd);
        return -ENOMEM;
    }
    init_watcher(watcher, fd, &asked);
    int rc = scope ? weft_scope_defer(scope, &watcher->deferred, close_with_its_scope) : 0;
    if (rc < 0)
        free_watcher(watcher);
    else
        *ret = watcher;
    return rc;
}
