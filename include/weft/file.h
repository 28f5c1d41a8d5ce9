/* SPDX-License-Identifier: MIT */
/*
 * weft/file.h: files and directories
 *
 * A disk can take its time, and no kernel tells when a file is "ready". So these calls go to
 * threads, to a pool of their own in each loop, or to the kernel whole where the engine can do that
 * (io_uring); the task waits, and the others of its loop go on.
 *
 *     int fd = weft_file_open("data", O_RDONLY, 0);
 *     n = weft_file_read_at(fd, buf, sizeof buf, 0);
 *     weft_close(fd);
 *
 *       task ──▶ engine that can (io_uring) ──▶ kernel
 *           └──▶ job in the pool of files ────▶ thread ──▶ kernel
 *
 * Descriptors are plain ones, close-on-exec, and the caller's, who closes them with weft_close;
 * weft_read and weft_write work on them as well, but hold up the loop for the length of the call on
 * engines epoll and poll. A relative path means what it means when the call runs.
 *
 * Cancellation. Every call is a waiting one, refused on entry. What has not begun is withdrawn: it
 * gives -ECANCELED and did not happen. What has begun is waited for, because a disk's work cannot
 * be cut short, and gives its result (io_uring gives some of it back, as if it had not begun); the
 * cancellation then meets the task at its next wait.
 * Buffers and paths stay in use until the call returns, and not longer. Only an open is let go
 * (opening a FIFO waits for its other end): it gives -ECANCELED at once, and what it opens after
 * all is closed. The calls that make many steps (copy, replace, read_all) also look between them.
 *
 * Errors are those of the system call, negative. Interrupted calls are repeated. Limits: 8 threads
 * in each loop, 1,024 queued calls, more wait for a place. Under sim files are the real ones; a
 * call takes no virtual time, and one that waits (a FIFO) holds the loop.
 */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <weft/error.h>
#include <weft/types.h>

WEFT_BEGIN

/** So many threads of a loop work on files at once. */
#define WEFT_FILE_THREADS 8u

/** What weft_file_read_all reads at most when it is given no limit: 64 MiB. */
#define WEFT_FILE_LIMIT ((size_t)64 << 20)

/* One file. */

/** open(2), close-on-exec; `mode` is used when O_CREAT or O_TMPFILE is in `flags`. Returns the
 *  descriptor. Waiting. Cancelled while it runs, what it opened after all is closed. */
WEFT_API WEFT_MUST_CHECK int weft_file_open(const char *path, int flags, unsigned mode);

/** read(2) at the file's own position: up to `len` bytes, 0 at the end. Waiting. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_file_read(int fd, void *buf, size_t len);

/** write(2) at the file's own position: at least one byte, possibly fewer than `len`. Waiting. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_file_write(int fd, const void *buf, size_t len);

/** pread(2): at `offset`, without moving the file's position; several tasks may at once. Waiting.
 */
WEFT_API WEFT_MUST_CHECK ssize_t weft_file_read_at(int fd, void *buf, size_t len, int64_t offset);

/** pwrite(2): at `offset`, without moving the file's position. Waiting. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_file_write_at(int fd, const void *buf, size_t len,
                                                    int64_t offset);

/** fsync(2), or fdatasync(2) when `data_only` is not 0. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_sync(int fd, int data_only);

/** ftruncate(2). Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_truncate(int fd, int64_t len);

/** fstat(2). Waiting. *ret is untouched on failure. */
WEFT_API WEFT_MUST_CHECK int weft_file_stat_fd(int fd, struct stat *ret);

/* Names. */

/** stat(2). Waiting. *ret is untouched on failure. */
WEFT_API WEFT_MUST_CHECK int weft_file_stat(const char *path, struct stat *ret);

/** lstat(2): of a symbolic link itself. Waiting. *ret is untouched on failure. */
WEFT_API WEFT_MUST_CHECK int weft_file_stat_link(const char *path, struct stat *ret);

/** mkdir(2). Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_make_directory(const char *path, unsigned mode);

/** unlink(2); a directory gives -EISDIR. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_remove(const char *path);

/** rmdir(2). Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_remove_directory(const char *path);

/** weft_file_rename: -EEXIST instead of replacing what has the new name. */
#define WEFT_RENAME_NO_REPLACE 1u
/** weft_file_rename: both names exist and change places. */
#define WEFT_RENAME_EXCHANGE 2u

/** rename(2), in one step. Waiting. -EINVAL a flag that the file system does not know. */
WEFT_API WEFT_MUST_CHECK int weft_file_rename(const char *from, const char *to, unsigned flags);

/** link(2): `to` becomes another name of the file. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_link(const char *from, const char *to);

/** symlink(2): `path` becomes a link to `target`. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_symlink(const char *target, const char *path);

/** readlink(2): the target with a final 0 into `buf`; returns its length. Waiting. -ENAMETOOLONG it
 *  has no room in `size` bytes. */
WEFT_API WEFT_MUST_CHECK ssize_t weft_file_readlink(const char *path, char *buf, size_t size);

/** chmod(2). Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_file_chmod(const char *path, unsigned mode);

/* Whole files. */

/**
 * Reads a whole file. Its bytes, with a 0 behind them, live in memory of the scope, until that
 * ends; *ret_len gets their number (NULL: not wanted). A file that is longer than `limit` (0:
 * WEFT_FILE_LIMIT) gives -EFBIG. Files that tell no size (those of /proc) are read as well.
 * Waiting. Both are untouched on failure. -ENOMEM.
 */
WEFT_API WEFT_MUST_CHECK int weft_file_read_all(struct weft_scope *scope, const char *path,
                                                size_t limit, char **ret, size_t *ret_len);

/**
 * Replaces a file by one with these bytes, in one step: others see the old or the new one, also
 * after a crash. They go to a temporary file beside it, which is brought to the disk and renamed;
 * then the directory is brought to the disk. The new file has `mode`, whatever the umask; a
 * symbolic link is replaced, not followed. Waiting. After a failure, or cancelled before the
 * rename, the old file is as it was and the temporary one is gone; only where the directory cannot
 * be brought to the disk (-EIO) the new file is in place all the same.
 */
WEFT_API WEFT_MUST_CHECK int weft_file_replace(const char *path, const void *buf, size_t len,
                                               unsigned mode);

/**
 * Copies a regular file's bytes and permissions to a new one; -EEXIST when there is a file of that
 * name. The kernel copies where it can. Waiting. After a failure, or cancelled, `to` is gone.
 */
WEFT_API WEFT_MUST_CHECK int weft_file_copy(const char *from, const char *to);

/* Temporary ones. */

/** Room for the path of something temporary. */
#define WEFT_FILE_PATH_SIZE 4096

/**
 * Makes a new file, for its owner alone, under a name that nobody can guess, and opens it for
 * reading and writing. `directory` NULL: $TMPDIR, or /tmp. Its path goes to `path` (NULL: the file
 * has no name, and is gone when it is closed), `size` bytes. Returns the descriptor. Waiting.
 * -ENAMETOOLONG no room.
 */
WEFT_API WEFT_MUST_CHECK int weft_file_temporary(const char *directory, char *path, size_t size);

/** Makes a new directory likewise, and gives its path. Waiting: 0; see weft_file_temporary. */
WEFT_API WEFT_MUST_CHECK int weft_file_temporary_directory(const char *directory, char *path,
                                                           size_t size);

/* Directories. */

/** An open directory. */
struct weft_directory;

/** One name in a directory. */
struct weft_directory_entry {
    /** The name, without its directory; lives until the next call on the directory. */
    const char *name;
    /** What it is, as in st_mode: S_IFREG, S_IFDIR, ...; 0: the file system does not tell, ask
     *  weft_file_stat_link. */
    unsigned type;
    /** Its inode. */
    uint64_t inode;
};

/** Opens a directory in *ret. Waiting. *ret is untouched on failure. -ENOTDIR, -ENOENT, -ENOMEM. */
WEFT_API WEFT_MUST_CHECK int weft_directory_open(const char *path, struct weft_directory **ret);

/**
 * The next name into *ret, "." and ".." left out, in no order. Names are read some hundred at a
 * time; those that appear or vanish meanwhile may be seen or not. Waiting: 1; 0 there are no more;
 * or an error, with *ret untouched. One task at a time.
 */
WEFT_API WEFT_MUST_CHECK int weft_directory_next(struct weft_directory *directory,
                                                 struct weft_directory_entry *ret);

/** Closes it. NULL is fine. Releasing. */
WEFT_API void weft_directory_close(struct weft_directory *directory);

WEFT_END

#endif
