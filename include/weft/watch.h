/* SPDX-License-Identifier: MIT */
/*
 * weft/watch.h: watching files and directories
 *
 * A watcher tells what happens to the files and directories that were added to it: a queue of
 * events, fed by the kernel (inotify), that belongs to a scope.
 *
 *     rc = weft_watcher_open(&scope, NULL, &watcher);
 *     id = weft_watcher_add(watcher, "/etc/app", 0);
 *     while ((rc = weft_watcher_next(watcher, &event)) == 0)
 *         if (event.what == WEFT_WATCH_WRITTEN || event.what == WEFT_WATCH_MOVED_IN)
 *             reload(event.path, event.name);
 *
 * What to expect
 *   - A directory tells of the names in it, a file of itself. Many programs save by renaming a new
 *     file over the old one: who watches a *file* then sees the old one end (WEFT_WATCH_GONE), who
 *     watches its *directory* sees WEFT_WATCH_MOVED_IN or WEFT_WATCH_MOVED. Watch directories.
 *   - A rename within what is watched is one event, WEFT_WATCH_MOVED. Its two halves need not come
 *     together from the kernel: half a move waits up to `pair_wait` for the other half, and is
 *     then a WEFT_WATCH_MOVED_OUT. The events behind it wait with it: order is kept.
 *   - Nothing is lost without a word: when the kernel's queue overflows (fs.inotify.
 *     max_queued_events, 16,384), the next event after those that fit is WEFT_WATCH_OVERFLOW, and
 *     the program looks for itself. Equal events in a row may come as one.
 *   - An event says that something happened, not that it is still so.
 *   - Not recursive. Between the making of a directory and the watch on it things happen unseen, so
 *     who needs a tree adds each directory first and lists it then (weft_directory_next), and does
 *     that again for each WEFT_WATCH_CREATED and WEFT_WATCH_MOVED_IN of a directory: names can then
 *     come twice, and none is missed. Which directories are worth a watch, the program knows.
 *   - What changes a file without this kernel (the other side of a network file system) is not
 *     seen, nor are writes through a mapping.
 *   - Under sim there is nothing to watch: -ENOSYS.
 *
 * Limits are those of the user: fs.inotify.max_user_instances watchers (-EMFILE), and
 * fs.inotify.max_user_watches files and directories (-ENOSPC). A watcher has 64 KiB for events on
 * their way; while it is not asked for the next, they wait in the kernel.
 */
#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

/** How long half a move waits for the other half when nothing else is said. */
#define WEFT_WATCH_PAIR_WAIT (10 * WEFT_MS)

/** What happened; also, as bits, what weft_watcher_add asks for. */
enum weft_watch_what {
    /** A name was made in the directory. */
    WEFT_WATCH_CREATED = 1,
    /** A name was removed from the directory. */
    WEFT_WATCH_REMOVED = 2,
    /** Bytes were written, or the file was cut. */
    WEFT_WATCH_MODIFIED = 4,
    /** One who had it open for writing has closed it. */
    WEFT_WATCH_WRITTEN = 8,
    /** Permissions, times, owner or number of links changed. */
    WEFT_WATCH_ATTRIBUTES = 16,
    /** Renamed within what is watched, from `from_path`, `from_name`. */
    WEFT_WATCH_MOVED = 32,
    /** Renamed to where nobody looks. Asked for by WEFT_WATCH_MOVED. */
    WEFT_WATCH_MOVED_OUT = 64,
    /** Renamed from where nobody looks. Asked for by WEFT_WATCH_MOVED. */
    WEFT_WATCH_MOVED_IN = 128,
    /** What was added itself was renamed, and goes on being watched; `path` may be wrong from now
     *  on. Asked for by WEFT_WATCH_MOVED. */
    WEFT_WATCH_MOVED_ITSELF = 256,
    /** What was added itself was removed, or its file system unmounted: its watch has ended, and
     *  its id with it. Always told. */
    WEFT_WATCH_GONE = 512,
    /** Events were lost: look for yourself. It has no watch. Always told. */
    WEFT_WATCH_OVERFLOW = 1024
};

/** An event. Its texts live until the next call on the watcher. */
struct weft_watch_event {
    /** What happened. */
    enum weft_watch_what what;
    /** The id of what was added; 0 of an overflow. */
    int watch;
    /** Its path as it was added; "" of an overflow. */
    const char *path;
    /** The name in that directory; "" for what was added itself. */
    const char *name;
    /** Nonzero when it is a directory. */
    int is_directory;
    /** Of a WEFT_WATCH_MOVED: the id of where it came from; else 0. */
    int from_watch;
    /** Likewise the path, or NULL. */
    const char *from_path;
    /** Likewise the name there, or NULL. */
    const char *from_name;
};

/** How to watch; NULL, or zero everywhere, is the default. */
struct weft_watcher_options {
    /** sizeof(struct weft_watcher_options), also when 0. */
    size_t size;
    /** How long half a move waits for the other; 0: WEFT_WATCH_PAIR_WAIT. */
    weft_ns pair_wait;
};

/** A queue of events. */
struct weft_watcher;

/**
 * Makes a watcher in *ret for the tasks of the running loop; the end of `scope` closes it; NULL:
 * only weft_watcher_close does. `options` NULL: defaults. Plain. *ret is untouched on failure.
 * -EMFILE, -ENFILE, -ENOMEM; -EPERM outside a loop; -EINVAL the scope has ended; -ENOSYS.
 */
WEFT_API int weft_watcher_open(struct weft_scope *scope, const struct weft_watcher_options *options,
                               struct weft_watcher **ret);

/** weft_watcher_add: of a symbolic link itself. */
#define WEFT_WATCH_NO_FOLLOW 0x10000u

/**
 * Adds a file or directory; `what` is a set of enum weft_watch_what (0: all) and
 * WEFT_WATCH_NO_FOLLOW. Returns its id, above 0. Plain; looks the path up at once. -ENOENT;
 * -EACCES; -ENOSPC too many are watched; -EEXIST this file is watched by this watcher already;
 * -EINVAL; -ENOMEM.
 */
WEFT_API int weft_watcher_add(struct weft_watcher *watcher, const char *path, unsigned what);

/** Takes one away: no event of it comes any more. Plain. 0; -EINVAL no such id (it may be gone). */
WEFT_API int weft_watcher_remove(struct weft_watcher *watcher, int watch);

/**
 * The next event into *ret. Waiting: 0; -ECANCELED, and no event was taken; -WEFT_ECLOSED it was
 * closed meanwhile; -EBUSY another task waits already. *ret is untouched unless it returns 0.
 */
WEFT_API WEFT_MUST_CHECK int weft_watcher_next(struct weft_watcher *watcher,
                                               struct weft_watch_event *ret);

/** Ends all watches and frees. Who waits gets -WEFT_ECLOSED. NULL is fine. Releasing, and it never
 *  waits. */
WEFT_API void weft_watcher_close(struct weft_watcher *watcher);

WEFT_END

#endif
