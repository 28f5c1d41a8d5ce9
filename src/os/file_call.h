/* SPDX-License-Identifier: MIT */
/*
 * file_call.h: one system call on files, made off the loop's thread
 *
 *     struct weft__file_call call = {.code = WEFT__FILE_SYNC, .fd = fd};
 *     rc = (int)weft__file_run(&call);
 *
 * The call lies where the task waits; a thread, or the kernel, has it until weft__file_run returns.
 */
#ifndef WEFT_OS_FILE_CALL_H
#define WEFT_OS_FILE_CALL_H

#include "loop/poller.h"

#include <weft/file.h>

/** What a call does; the entry of the table that has this name does it. */
enum weft__file_code {
    WEFT__FILE_OPEN,
    WEFT__FILE_READ,
    WEFT__FILE_WRITE,
    WEFT__FILE_READ_AT,
    WEFT__FILE_WRITE_AT,
    WEFT__FILE_SYNC,
    WEFT__FILE_TRUNCATE,
    WEFT__FILE_STAT_FD,
    WEFT__FILE_STAT,
    WEFT__FILE_LIST,
    WEFT__FILE_MAKE_DIRECTORY,
    WEFT__FILE_REMOVE,
    WEFT__FILE_RENAME,
    WEFT__FILE_LINK,
    WEFT__FILE_SYMLINK,
    WEFT__FILE_READLINK,
    WEFT__FILE_CHMOD
};

/** A system call and its outcome. */
struct weft__file_call {
    /** enum weft__file_code. */
    enum weft__file_code code;
    /** The descriptor, of those that take one. */
    int fd;
    /** O_..., AT_..., RENAME_... */
    int flags;
    /** Permissions. */
    unsigned mode;
    /** The world; filled in by weft__file_run. */
    const struct weft_sys *sys;
    /** The path, or the old one. */
    const char *path;
    /** The new path of rename and link, the target of symlink. */
    const char *other;
    /** The caller's buffer; never written through for writes. */
    void *buf;
    /** Its length; the file's, of truncate. */
    size_t len;
    /** Where in the file. */
    int64_t offset;
    /** What stat tells. */
    struct stat *stat;
    /** What the call gives, negative errors. */
    ssize_t result;
};

/** Makes the call for the calling task and waits for it: its result, or why it was not made. */
ssize_t weft__file_run(struct weft__file_call *call);
/** Makes the call here and now; again when it was interrupted. Any thread. */
ssize_t weft__file_make(const struct weft__file_call *call);
/** Runs fn(arg) in the pool of files and waits; `name` for dumps. 0 it has ended, or why it did
 *  not run. */
int weft__file_offload(int (*fn)(void *arg), void *arg, const char *name);
/** A buffer that is only read, as one field says it. */
static inline void *weft__file_readable(const void *buf)
{
    return (void *)(uintptr_t)buf;
}

#endif
