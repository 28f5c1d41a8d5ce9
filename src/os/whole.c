/* SPDX-License-Identifier: MIT */
/*
 * whole.c: files as a whole
 *
 * Replacing, copying and making something temporary take many steps that belong together, so each
 * is one job of the pool of files: the steps follow one another without a way back to the loop, and
 * what was begun is taken back in the same place. Between steps the job looks whether its task was
 * cancelled. Reading is made of single calls, because its memory comes from the loop.
 *
 *     replace:   create beside it ─▶ write ─▶ fsync ─▶ rename ─▶ fsync of the directory
 *                        └── failed, cancelled ──▶ unlink
 */
#include "os/file_call.h"

#include <stdio.h>
#include <string.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/offload.h>
#include <weft/scope.h>

/* Without _GNU_SOURCE the headers hide it; this is its value on every architecture of ours. */
#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

/** Room for the first bytes of a file that tells no size. */
#define FIRST_ROOM 4096

/** How much is written or copied between two looks at cancellation. */
#define CHUNK ((size_t)1 << 20)

/* --- Names that nobody can guess ------------------------------------------------------------- */

/** Random letters at the end of such a name. */
#define LETTERS 16

/** Writes the name `prefix` + random letters into `directory`: 0, -ENAMETOOLONG, or an error. */
static int make_name(const struct weft_sys *sys, const char *directory, size_t directory_len,
                     char *path, size_t size)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz012345";
    unsigned char random[LETTERS];
    char letters[LETTERS + 1];
    int rc = weft__sys_call(sys, random, random, sizeof random);
    if (rc < 0)
        return rc;
    for (int i = 0; i < LETTERS; i++)
        letters[i] = alphabet[random[i] % 32];
    letters[LETTERS] = '\0';
    int len =
        snprintf(path, size, "%.*s%s.weft-%s", (int)directory_len, directory,
                 directory_len > 0 && directory[directory_len - 1] != '/' ? "/" : "", letters);
    return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

/* --- Calls in a job -------------------------------------------------------------------------- */

static int cancelled(void)
{
    return weft_offload_cancelled() ? -ECANCELED : 0;
}

static int open_in_job(const struct weft_sys *sys, const char *path, int flags, unsigned mode)
{
    struct weft__file_call call = {
        .code = WEFT__FILE_OPEN, .sys = sys, .path = path, .flags = flags, .mode = mode};
    return (int)weft__file_make(&call);
}

static int sync_in_job(const struct weft_sys *sys, int fd)
{
    struct weft__file_call call = {.code = WEFT__FILE_SYNC, .sys = sys, .fd = fd};
    return (int)weft__file_make(&call);
}

static int write_in_job(const struct weft_sys *sys, int fd, const char *buf, size_t len)
{
    while (len > 0) {
        struct weft__file_call call = {.code = WEFT__FILE_WRITE,
                                       .sys = sys,
                                       .fd = fd,
                                       .buf = weft__file_readable(buf),
                                       .len = len < CHUNK ? len : CHUNK};
        ssize_t n = weft__file_make(&call);
        if (n >= 0 && cancelled() < 0)
            n = -ECANCELED;
        if (n < 0)
            return (int)n;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

/* --- Replacing ------------------------------------------------------------------------------- */

/** A replacement. */
struct replacement {
    /** The world. */
    const struct weft_sys *sys;
    /** The file. */
    const char *path;
    /** How much of `path` is its directory, with the slash. */
    size_t directory_len;
    /** Its new bytes. */
    const char *buf;
    /** How many. */
    size_t len;
    /** Its new permissions. */
    unsigned mode;
    /** The outcome. */
    int result;
    /** The file beside it. */
    char temporary[WEFT_FILE_PATH_SIZE];
};

/** Writes the temporary file and brings it to the disk. */
static int write_beside(const struct replacement *how)
{
    const struct weft_sys *sys = how->sys;
    int fd = open_in_job(sys, how->temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd;
    int rc = weft__sys_call(sys, fchmodat, AT_FDCWD, how->temporary, how->mode, 0);
    if (rc == 0)
        rc = write_in_job(sys, fd, how->buf, how->len);
    if (rc == 0)
        rc = sync_in_job(sys, fd);
    int closed = weft__close_now(sys, fd);
    if (rc == 0)
        rc = closed < 0 ? closed : cancelled();
    if (rc == 0)
        rc = weft__sys_call(sys, renameat2, AT_FDCWD, how->temporary, AT_FDCWD, how->path, 0);
    if (rc < 0)
        (void)weft__sys_call(sys, unlinkat, AT_FDCWD, how->temporary, 0);
    return rc;
}

/** The rename is on the disk when its directory is. Some file systems cannot, and need not. */
static int sync_directory(struct replacement *how)
{
    const struct weft_sys *sys = how->sys;
    memcpy(how->temporary, how->path, how->directory_len);
    memcpy(how->temporary + how->directory_len, ".", 2);
    int fd = open_in_job(sys, how->temporary, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int rc = sync_in_job(sys, fd);
    (void)weft__close_now(sys, fd);
    return rc == -EINVAL || rc == -EROFS ? 0 : rc;
}

static int run_replacement(void *arg)
{
    struct replacement *how = arg;
    how->result = write_beside(how);
    if (how->result == 0)
        how->result = sync_directory(how);
    return 0;
}

int weft_file_replace(const char *path, const void *buf, size_t len, unsigned mode)
{
    const char *slash = strrchr(path, '/');
    struct replacement how = {.sys = weft__sys_current(),
                              .path = path,
                              .directory_len = slash ? (size_t)(slash + 1 - path) : 0,
                              .buf = buf,
                              .len = len,
                              .mode = mode};
    int rc = make_name(how.sys, path, how.directory_len, how.temporary, sizeof how.temporary);
    if (rc == 0)
        rc = weft__file_offload(run_replacement, &how, "replace a file");
    return rc < 0 ? rc : how.result;
}

/* --- Copying --------------------------------------------------------------------------------- */

/** A copy. */
struct copying {
    /** The world. */
    const struct weft_sys *sys;
    /** The old file. */
    const char *from;
    /** The new file. */
    const char *to;
    /** The outcome. */
    int result;
};

/** Bytes through memory, where the kernel does not copy between these two. */
static ssize_t copy_some(const struct weft_sys *sys, int from, int to)
{
    char buf[16384];
    struct weft__file_call call = {
        .code = WEFT__FILE_READ, .sys = sys, .fd = from, .buf = buf, .len = sizeof buf};
    ssize_t n = weft__file_make(&call);
    int rc = n > 0 ? write_in_job(sys, to, buf, (size_t)n) : 0;
    return rc < 0 ? rc : n;
}

static int copy_bytes(const struct weft_sys *sys, int from, int to)
{
    ssize_t n;
    bool by_kernel = true;
    do {
        n = by_kernel ? weft__sys_call(sys, sendfile, to, from, NULL, CHUNK)
                      : copy_some(sys, from, to);
        if (by_kernel && (n == -EINVAL || n == -ENOSYS || n == -EOVERFLOW)) {
            by_kernel = false;
            n = 1;
        }
        if (n > 0 && cancelled() < 0)
            n = -ECANCELED;
    } while (n > 0 || n == -EINTR);
    return (int)n;
}

static int copy_into(const struct weft_sys *sys, int from, const char *path, unsigned mode)
{
    int to = open_in_job(sys, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (to < 0)
        return to;
    int rc = copy_bytes(sys, from, to);
    if (rc == 0)
        rc = weft__sys_call(sys, fchmodat, AT_FDCWD, path, mode, 0);
    int closed = weft__close_now(sys, to);
    if (rc == 0)
        rc = closed;
    if (rc < 0)
        (void)weft__sys_call(sys, unlinkat, AT_FDCWD, path, 0);
    return rc;
}

static int run_copying(void *arg)
{
    struct copying *how = arg;
    const struct weft_sys *sys = how->sys;
    struct stat file;
    /* Not a FIFO, whose open would wait. */
    int from = open_in_job(sys, how->from, O_RDONLY | O_NONBLOCK, 0);
    how->result = from < 0 ? from : weft__sys_call(sys, fstat, from, &file);
    if (how->result == 0 && !S_ISREG(file.st_mode))
        how->result = S_ISDIR(file.st_mode) ? -EISDIR : -EINVAL;
    if (how->result == 0)
        how->result = copy_into(sys, from, how->to, file.st_mode & 0777);
    if (from >= 0)
        (void)weft__close_now(sys, from);
    return 0;
}

int weft_file_copy(const char *from, const char *to)
{
    struct copying how = {.sys = weft__sys_current(), .from = from, .to = to};
    int rc = weft__file_offload(run_copying, &how, "copy a file");
    return rc < 0 ? rc : how.result;
}

/* --- Temporary ones -------------------------------------------------------------------------- */

/** Something temporary. */
struct temporary {
    /** The world. */
    const struct weft_sys *sys;
    /** Its path; empty for a file without one. */
    const char *path;
    /** The directory, for a file without a path. */
    const char *directory;
    /** The outcome: a descriptor, 0, or an error. */
    int result;
};

static int run_temporary_file(void *arg)
{
    struct temporary *how = arg;
    how->result = open_in_job(how->sys, how->path, O_RDWR | O_CREAT | O_EXCL, 0600);
    return 0;
}

static int run_temporary_directory(void *arg)
{
    struct temporary *how = arg;
    how->result = weft__sys_call(how->sys, mkdirat, AT_FDCWD, how->path, 0700);
    return 0;
}

/** Without a name from the beginning where the file system can, else its name is taken away. */
static int run_nameless(void *arg)
{
    struct temporary *how = arg;
    how->result = open_in_job(how->sys, how->directory, O_RDWR | O_TMPFILE, 0600);
    if (how->result != -EOPNOTSUPP && how->result != -EISDIR && how->result != -EINVAL)
        return 0;
    (void)run_temporary_file(arg);
    if (how->result >= 0)
        (void)weft__sys_call(how->sys, unlinkat, AT_FDCWD, how->path, 0);
    return 0;
}

static const char *temporary_place(const char *directory)
{
    const char *asked = directory;
    if (!asked)
        asked = weft_sys_default.getenv(&weft_sys_default, "TMPDIR");
    return asked && asked[0] ? asked : "/tmp";
}

/** Makes names until one is new. */
static int make_temporary(int (*job)(void *arg), const char *directory, char *path, size_t size)
{
    struct temporary how = {.sys = weft__sys_current(), .directory = temporary_place(directory)};
    char name[WEFT_FILE_PATH_SIZE];
    do {
        int rc = make_name(how.sys, how.directory, strlen(how.directory), name, sizeof name);
        if (rc == 0 && path && strlen(name) >= size)
            rc = -ENAMETOOLONG;
        how.path = name;
        if (rc == 0)
            rc = weft__file_offload(job, &how, "make something temporary");
        if (rc < 0)
            return rc;
    } while (how.result == -EEXIST);
    if (how.result >= 0 && path)
        memcpy(path, name, strlen(name) + 1);
    return how.result;
}

int weft_file_temporary(const char *directory, char *path, size_t size)
{
    return make_temporary(path ? run_temporary_file : run_nameless, directory, path, size);
}

int weft_file_temporary_directory(const char *directory, char *path, size_t size)
{
    return make_temporary(run_temporary_directory, directory, path, size);
}

/* --- Reading --------------------------------------------------------------------------------- */

/** The bytes of a file; they stay in place until the scope ends. */
struct contents {
    /** Its place in the scope. */
    struct weft_deferred deferred;
    /** The loop, whose memory this is. */
    struct weft_loop *loop;
    /** The bytes. */
    char bytes[];
};

static void free_contents(struct weft_deferred *deferred)
{
    struct contents *contents = weft__container(deferred, struct contents, deferred);
    (void)weft_loop_realloc(contents->loop, contents, 0);
}

/** Bytes that are read, in a block that grows. */
struct reading {
    /** The loop. */
    struct weft_loop *loop;
    /** The block, NULL before the first byte. */
    struct contents *contents;
    /** Room for bytes. */
    size_t room;
    /** Bytes. */
    size_t used;
};

static int make_room(struct reading *reading, size_t room)
{
    struct contents *grown =
        weft_loop_realloc(reading->loop, reading->contents, sizeof *grown + room);
    if (!grown)
        return -ENOMEM;
    reading->contents = grown;
    reading->room = room;
    return 0;
}

/** Reads up to the end. One byte more than the file has is asked for, so that its end shows. */
static int read_up(struct reading *reading, int fd, size_t limit, size_t expected)
{
    int rc = make_room(reading, expected > 0 ? expected + 1 : FIRST_ROOM);
    while (rc == 0) {
        size_t left = reading->room - reading->used;
        ssize_t n = weft_file_read(fd, reading->contents->bytes + reading->used, left);
        if (n < 0)
            return (int)n;
        reading->used += (size_t)n;
        if (reading->used > limit)
            return -EFBIG;
        if (n == 0 || (expected > 0 && reading->used == expected && (size_t)n < left))
            return 0;
        if (reading->used == reading->room)
            rc = make_room(reading, 2 * reading->room);
    }
    return rc;
}

/** The end of the bytes has a 0, for which there is always room. */
static int hand_over(struct reading *reading, struct weft_scope *scope, char **ret, size_t *ret_len)
{
    int rc = reading->used == reading->room ? make_room(reading, reading->used + 1) : 0;
    struct contents *contents = reading->contents;
    if (rc < 0)
        return rc;
    contents->loop = reading->loop;
    contents->bytes[reading->used] = '\0';
    rc = weft_scope_defer(scope, &contents->deferred, free_contents);
    if (rc < 0)
        return rc;
    *ret = contents->bytes;
    if (ret_len)
        *ret_len = reading->used;
    return 0;
}

static int read_file(struct reading *reading, const char *path, size_t limit)
{
    struct stat file;
    int fd = weft_file_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int rc = weft_file_stat_fd(fd, &file);
    size_t expected = rc == 0 && S_ISREG(file.st_mode) ? (size_t)file.st_size : 0;
    if (rc == 0 && expected > limit)
        rc = -EFBIG;
    if (rc == 0)
        rc = read_up(reading, fd, limit, expected);
    (void)weft_close(fd);
    return rc;
}

int weft_file_read_all(struct weft_scope *scope, const char *path, size_t limit, char **ret,
                       size_t *ret_len)
{
    struct reading reading = {.loop = weft_loop_current()};
    int rc = read_file(&reading, path, limit ? limit : WEFT_FILE_LIMIT);
    if (rc == 0)
        rc = hand_over(&reading, scope, ret, ret_len);
    if (rc < 0 && reading.contents)
        (void)weft_loop_realloc(reading.loop, reading.contents, 0);
    return rc;
}
