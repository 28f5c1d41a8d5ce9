/* SPDX-License-Identifier: MIT */
/*
 * file.c: system calls on files, made off the loop's thread
 *
 * A call is a struct that says which system call and with what, so that there is one way for all of
 * them: to the engine, where it has an operation for it (opening, reading, writing and syncing on
 * io_uring), else to a thread of the loop's pool of files. Running jobs are waited for, so that the
 * struct, the buffer and the paths may lie on the stack of the task. The exception is an open on a
 * thread, which may wait for the other end of a FIFO for ever: it owns what it needs and is
 * abandoned when its task is cancelled; what it opens after all is closed.
 *
 * The pool is made at the first call and hangs on its loop; work on files never waits behind names
 * that are looked up, or behind the program's own jobs.
 */
#include "os/file_call.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/loop.h>
#include <weft/offload.h>
#include <weft/wait.h>

/* --- Making calls ---------------------------------------------------------------------------- */

/** Calls that have a descriptor. */
static ssize_t make_on_fd(const struct weft__file_call *call)
{
    const struct weft_sys *sys = call->sys;
    switch (call->code) {
    case WEFT__FILE_READ:
        return sys->read(sys, call->fd, call->buf, call->len);
    case WEFT__FILE_WRITE:
        return sys->write(sys, call->fd, call->buf, call->len);
    case WEFT__FILE_READ_AT:
        return sys->pread(sys, call->fd, call->buf, call->len, call->offset);
    case WEFT__FILE_WRITE_AT:
        return sys->pwrite(sys, call->fd, call->buf, call->len, call->offset);
    case WEFT__FILE_SYNC:
        return sys->fsync(sys, call->fd, call->flags);
    case WEFT__FILE_TRUNCATE:
        return sys->ftruncate(sys, call->fd, call->offset);
    case WEFT__FILE_STAT_FD:
        return sys->fstat(sys, call->fd, call->stat);
    case WEFT__FILE_LIST:
        return sys->getdents64(sys, call->fd, call->buf, call->len);
    default:
        return -EINVAL;
    }
}

/** Calls that have a path. */
static ssize_t make_on_path(const struct weft__file_call *call)
{
    const struct weft_sys *sys = call->sys;
    switch (call->code) {
    case WEFT__FILE_OPEN:
        return sys->openat(sys, AT_FDCWD, call->path, call->flags | O_CLOEXEC, call->mode);
    case WEFT__FILE_STAT:
        return sys->fstatat(sys, AT_FDCWD, call->path, call->stat, call->flags);
    case WEFT__FILE_MAKE_DIRECTORY:
        return sys->mkdirat(sys, AT_FDCWD, call->path, call->mode);
    case WEFT__FILE_REMOVE:
        return sys->unlinkat(sys, AT_FDCWD, call->path, call->flags);
    case WEFT__FILE_RENAME:
        return sys->renameat2(sys, AT_FDCWD, call->path, AT_FDCWD, call->other,
                              (unsigned)call->flags);
    case WEFT__FILE_LINK:
        return sys->linkat(sys, AT_FDCWD, call->path, AT_FDCWD, call->other, 0);
    case WEFT__FILE_SYMLINK:
        return sys->symlinkat(sys, call->other, AT_FDCWD, call->path);
    case WEFT__FILE_READLINK:
        return sys->readlink(sys, call->path, call->buf, call->len);
    case WEFT__FILE_CHMOD:
        return sys->fchmodat(sys, AT_FDCWD, call->path, call->mode, 0);
    default:
        return make_on_fd(call);
    }
}

ssize_t weft__file_make(const struct weft__file_call *call)
{
    ssize_t rc;
    do
        rc = make_on_path(call);
    while (rc == -EINTR);
    return rc;
}

/* --- The pool -------------------------------------------------------------------------------- */

/** Under which a loop keeps its pool of files. */
static const char pool_key;

static void free_pool(void *pool)
{
    weft_pool_free(pool);
}

static int find_pool(struct weft_loop *loop, struct weft_pool **ret)
{
    static const struct weft_pool_options options = {
        .size = sizeof options, .name = "files", .max_threads = WEFT_FILE_THREADS};
    struct weft_pool *pool = weft_loop_get_local(loop, &pool_key);
    int rc = pool ? 0 : weft_pool_new(loop, &options, &pool);
    if (rc < 0)
        return rc;
    if (!weft_loop_get_local(loop, &pool_key))
        rc = weft_loop_set_local(loop, &pool_key, pool, free_pool);
    if (rc < 0)
        weft_pool_free(pool);
    else
        *ret = pool;
    return rc;
}

int weft__file_offload(int (*fn)(void *arg), void *arg, const char *name)
{
    struct weft_offload_options options = {.size = sizeof options, .name = name};
    struct weft_loop *loop = weft_loop_current();
    int result, rc = loop ? find_pool(loop, &options.pool) : -EPERM;
    return rc < 0 ? rc : weft_offload_with(&options, fn, arg, &result);
}

/** The same for a job that owns its argument: a cancelled waiter goes at once. */
static int offload_owning(int (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                          const char *name)
{
    struct weft_offload_options options = {
        .size = sizeof options, .flags = WEFT_ABANDON, .drop = drop, .name = name};
    struct weft_loop *loop = weft_loop_current();
    int result, rc = loop ? find_pool(loop, &options.pool) : -EPERM;
    if (rc < 0) {
        drop(arg);
        return rc;
    }
    return weft_offload_with(&options, fn, arg, &result);
}

/* --- Running calls --------------------------------------------------------------------------- */

static int run_call(void *arg)
{
    struct weft__file_call *call = arg;
    call->result = weft__file_make(call);
    return 0;
}

static const char *const names[] = {
    [WEFT__FILE_OPEN] = "open",
    [WEFT__FILE_READ] = "read",
    [WEFT__FILE_WRITE] = "write",
    [WEFT__FILE_READ_AT] = "pread",
    [WEFT__FILE_WRITE_AT] = "pwrite",
    [WEFT__FILE_SYNC] = "fsync",
    [WEFT__FILE_TRUNCATE] = "ftruncate",
    [WEFT__FILE_STAT_FD] = "fstat",
    [WEFT__FILE_STAT] = "stat",
    [WEFT__FILE_LIST] = "getdents64",
    [WEFT__FILE_MAKE_DIRECTORY] = "mkdir",
    [WEFT__FILE_REMOVE] = "unlink",
    [WEFT__FILE_RENAME] = "rename",
    [WEFT__FILE_LINK] = "link",
    [WEFT__FILE_SYMLINK] = "symlink",
    [WEFT__FILE_READLINK] = "readlink",
    [WEFT__FILE_CHMOD] = "chmod",
};

/** An operation that the engine has, and the task that waits for it. */
struct native {
    /** The operation. */
    struct weft__file_op file;
    /** The wait. */
    struct weft_wait wait;
    /** The loop. */
    struct weft_loop *loop;
    /** The call. */
    const struct weft__file_call *call;
    /** It was asked for back. */
    bool cancelled;
};

static void native_done(struct weft__op *op)
{
    struct native *native = op->owner;
    ssize_t result = op->result;
    /* Given back unserved: to whom asked, it did not happen. */
    if (native->cancelled && result == -EINTR)
        result = -ECANCELED;
    (void)weft_wake(&native->wait, result);
}

static enum weft_abort native_abort(struct weft_wait *wait)
{
    struct native *native = weft__container(wait, struct native, wait);
    native->cancelled = true;
    (void)weft__loop_withdraw(native->loop, &native->file.op);
    return WEFT_ABORT_LATER;
}

static void native_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct native *native = weft__container(wait, struct native, wait);
    snprintf(buf, size, "for %s in the kernel%s", names[native->call->code],
             native->cancelled ? " (cancelled)" : "");
}

/** What of the engine's operations a call is: 1, 0 none of them. */
static int native_what(const struct weft__file_call *call, enum weft__file_what *ret)
{
    switch (call->code) {
    case WEFT__FILE_OPEN:
        *ret = WEFT__FILE_OP_OPEN;
        return 1;
    case WEFT__FILE_READ:
    case WEFT__FILE_READ_AT:
        *ret = WEFT__FILE_OP_READ;
        return 1;
    case WEFT__FILE_WRITE:
    case WEFT__FILE_WRITE_AT:
        *ret = WEFT__FILE_OP_WRITE;
        return 1;
    case WEFT__FILE_SYNC:
        *ret = WEFT__FILE_OP_SYNC;
        return 1;
    default:
        return 0;
    }
}

static void fill_native(struct native *native, const struct weft__file_call *call)
{
    bool opens = call->code == WEFT__FILE_OPEN;
    bool moves = call->code == WEFT__FILE_READ || call->code == WEFT__FILE_WRITE;
    struct weft__op *op = &native->file.op;
    op->fd = opens ? -1 : call->fd;
    op->flags = opens ? call->flags | O_CLOEXEC : call->flags;
    op->buf = opens ? weft__file_readable(call->path) : call->buf;
    op->len = call->len;
    op->done = native_done;
    op->owner = native;
    native->file.mode = call->mode;
    native->file.offset = moves ? -1 : call->offset;
}

/** Has the engine make the call: its result in *ret and 1; 0 the engine cannot; or why it was not
 *  made. */
static int run_native(const struct weft__file_call *call, ssize_t *ret)
{
    struct native native = {.loop = weft_loop_current(), .call = call};
    if (!native.loop || !weft__loop_takes_files(native.loop) ||
        !native_what(call, &native.file.what) || call->offset < 0)
        return 0;
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    fill_native(&native, call);
    weft_wait_init(&native.wait, native_describe, NULL);
    if (weft__loop_file(native.loop, &native.file) < 0)
        return 0;
    *ret = weft_park(&native.wait, native_abort);
    /* Unserved although nobody asked for that: another way is to be taken. */
    return native.cancelled || (*ret != -EINTR && *ret != -ECANCELED);
}

ssize_t weft__file_run(struct weft__file_call *call)
{
    ssize_t result;
    int native = run_native(call, &result);
    if (native != 0)
        return native < 0 ? native : result;
    call->sys = weft__sys_current();
    int rc = weft__file_offload(run_call, call, names[call->code]);
    return rc < 0 ? rc : call->result;
}

/** An open that its task may leave behind. */
struct opening {
    /** The call; its path is `path`. */
    struct weft__file_call call;
    /** A copy. */
    char path[];
};

/** The table of a loop that is gone cannot be used any more; this one lasts. */
static void *opening_memory(void *p, size_t size)
{
    return weft_sys_default.realloc(&weft_sys_default, p, size);
}

static int run_opening(void *arg)
{
    struct opening *opening = arg;
    return run_call(&opening->call);
}

static void drop_opening(void *arg)
{
    struct opening *opening = arg;
    if (opening->call.result >= 0)
        (void)weft_sys_default.close(&weft_sys_default, (int)opening->call.result);
    opening_memory(opening, 0);
}

/** On a thread, which its task may leave. */
static int open_by_job(const char *path, int flags, unsigned mode)
{
    size_t size = strlen(path) + 1;
    struct opening *opening = opening_memory(NULL, sizeof *opening + size);
    if (!opening)
        return -ENOMEM;
    memcpy(opening->path, path, size);
    opening->call = (struct weft__file_call){.code = WEFT__FILE_OPEN,
                                             .flags = flags,
                                             .mode = mode,
                                             .sys = weft__sys_current(),
                                             .path = opening->path,
                                             .result = -ECANCELED};
    int rc = offload_owning(run_opening, opening, drop_opening, names[WEFT__FILE_OPEN]);
    if (rc < 0)
        return rc;
    rc = (int)opening->call.result;
    opening_memory(opening, 0);
    return rc;
}

int weft_file_open(const char *path, int flags, unsigned mode)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_OPEN, .path = path, .flags = flags, .mode = mode};
    ssize_t result;
    int native = run_native(&call, &result);
    if (native == 0)
        return open_by_job(path, flags, mode);
    return native < 0 ? native : (int)result;
}

/* --- One file -------------------------------------------------------------------------------- */

ssize_t weft_file_read(int fd, void *buf, size_t len)
{
    struct weft__file_call call = {.code = WEFT__FILE_READ, .fd = fd, .buf = buf, .len = len};
    return weft__file_run(&call);
}

ssize_t weft_file_write(int fd, const void *buf, size_t len)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_WRITE, .fd = fd, .buf = weft__file_readable(buf), .len = len};
    return weft__file_run(&call);
}

ssize_t weft_file_read_at(int fd, void *buf, size_t len, int64_t offset)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_READ_AT, .fd = fd, .buf = buf, .len = len, .offset = offset};
    return weft__file_run(&call);
}

ssize_t weft_file_write_at(int fd, const void *buf, size_t len, int64_t offset)
{
    struct weft__file_call call = {.code = WEFT__FILE_WRITE_AT,
                                   .fd = fd,
                                   .buf = weft__file_readable(buf),
                                   .len = len,
                                   .offset = offset};
    return weft__file_run(&call);
}

int weft_file_sync(int fd, int data_only)
{
    struct weft__file_call call = {.code = WEFT__FILE_SYNC, .fd = fd, .flags = data_only != 0};
    return (int)weft__file_run(&call);
}

int weft_file_truncate(int fd, int64_t len)
{
    struct weft__file_call call = {.code = WEFT__FILE_TRUNCATE, .fd = fd, .offset = len};
    return (int)weft__file_run(&call);
}

static int run_stat(struct weft__file_call *call, struct stat *ret)
{
    struct stat file;
    call->stat = &file;
    int rc = (int)weft__file_run(call);
    if (rc == 0)
        *ret = file;
    return rc;
}

int weft_file_stat_fd(int fd, struct stat *ret)
{
    struct weft__file_call call = {.code = WEFT__FILE_STAT_FD, .fd = fd};
    return run_stat(&call, ret);
}

/* --- Names ----------------------------------------------------------------------------------- */

int weft_file_stat(const char *path, struct stat *ret)
{
    struct weft__file_call call = {.code = WEFT__FILE_STAT, .path = path};
    return run_stat(&call, ret);
}

int weft_file_stat_link(const char *path, struct stat *ret)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_STAT, .path = path, .flags = AT_SYMLINK_NOFOLLOW};
    return run_stat(&call, ret);
}

int weft_file_make_directory(const char *path, unsigned mode)
{
    struct weft__file_call call = {.code = WEFT__FILE_MAKE_DIRECTORY, .path = path, .mode = mode};
    return (int)weft__file_run(&call);
}

int weft_file_remove(const char *path)
{
    struct weft__file_call call = {.code = WEFT__FILE_REMOVE, .path = path};
    return (int)weft__file_run(&call);
}

int weft_file_remove_directory(const char *path)
{
    struct weft__file_call call = {.code = WEFT__FILE_REMOVE, .path = path, .flags = AT_REMOVEDIR};
    return (int)weft__file_run(&call);
}

int weft_file_rename(const char *from, const char *to, unsigned flags)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_RENAME, .path = from, .other = to, .flags = (int)flags};
    return (int)weft__file_run(&call);
}

int weft_file_link(const char *from, const char *to)
{
    struct weft__file_call call = {.code = WEFT__FILE_LINK, .path = from, .other = to};
    return (int)weft__file_run(&call);
}

int weft_file_symlink(const char *target, const char *path)
{
    struct weft__file_call call = {.code = WEFT__FILE_SYMLINK, .path = path, .other = target};
    return (int)weft__file_run(&call);
}

ssize_t weft_file_readlink(const char *path, char *buf, size_t size)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_READLINK, .path = path, .buf = buf, .len = size};
    if (size == 0)
        return -ENAMETOOLONG;
    ssize_t n = weft__file_run(&call);
    /* A full buffer may be a part. */
    if (n >= 0 && (size_t)n == size)
        return -ENAMETOOLONG;
    if (n >= 0)
        buf[n] = '\0';
    return n;
}

int weft_file_chmod(const char *path, unsigned mode)
{
    struct weft__file_call call = {.code = WEFT__FILE_CHMOD, .path = path, .mode = mode};
    return (int)weft__file_run(&call);
}
