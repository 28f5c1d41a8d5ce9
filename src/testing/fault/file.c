/* SPDX-License-Identifier: MIT */
/*
 * file.c: files and directories that fail
 *
 * Files by path, transfers at a position of their own, directories and inotify: each call fails or
 * is passed on whole. In a storm reads and writes are cut short, which a kernel does as well where
 * a signal comes or a disk is full. Any thread may call these, since jobs of a pool use them. What
 * a call that failed would have made is not there, and what it would have removed still is.
 */
#define _GNU_SOURCE 1

#include "testing/fault/fault.h"

WEFT__FAULT_ENTRY(weft__fault_decide, int, OPENAT, openat,
                  (const struct weft_sys *sys, int dir_fd, const char *path, int flags,
                   unsigned mode),
                  (sys->inner, dir_fd, path, flags, mode));

WEFT__FAULT_ENTRY(weft__fault_decide, int, FSTATAT, fstatat,
                  (const struct weft_sys *sys, int dir_fd, const char *path, struct stat *ret,
                   int flags),
                  (sys->inner, dir_fd, path, ret, flags));

ssize_t weft__fault_pread(const struct weft_sys *sys, int fd, void *buf, size_t len, int64_t offset)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_PREAD);
    if (rc < 0)
        return rc;
    return sys->inner->pread(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), offset);
}

ssize_t weft__fault_pwrite(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                           int64_t offset)
{
    int rc = weft__fault_decide(sys, WEFT_TESTING_CALL_PWRITE);
    if (rc < 0)
        return rc;
    return sys->inner->pwrite(sys->inner, fd, buf, weft__fault_cut(sys, fd, len), offset);
}

WEFT__FAULT_ENTRY(weft__fault_decide, int64_t, LSEEK, lseek,
                  (const struct weft_sys *sys, int fd, int64_t offset, int whence),
                  (sys->inner, fd, offset, whence));

WEFT__FAULT_ENTRY(weft__fault_decide, int, FTRUNCATE, ftruncate,
                  (const struct weft_sys *sys, int fd, int64_t len), (sys->inner, fd, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, FSYNC, fsync,
                  (const struct weft_sys *sys, int fd, int data_only), (sys->inner, fd, data_only));

WEFT__FAULT_ENTRY(weft__fault_decide, ssize_t, GETDENTS64, getdents64,
                  (const struct weft_sys *sys, int fd, void *buf, size_t len),
                  (sys->inner, fd, buf, len));

WEFT__FAULT_ENTRY(weft__fault_decide, int, MKDIRAT, mkdirat,
                  (const struct weft_sys *sys, int dir_fd, const char *path, unsigned mode),
                  (sys->inner, dir_fd, path, mode));

WEFT__FAULT_ENTRY(weft__fault_decide, int, UNLINKAT, unlinkat,
                  (const struct weft_sys *sys, int dir_fd, const char *path, int flags),
                  (sys->inner, dir_fd, path, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, RENAMEAT2, renameat2,
                  (const struct weft_sys *sys, int old_dir_fd, const char *old_path, int new_dir_fd,
                   const char *new_path, unsigned flags),
                  (sys->inner, old_dir_fd, old_path, new_dir_fd, new_path, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, LINKAT, linkat,
                  (const struct weft_sys *sys, int old_dir_fd, const char *old_path, int new_dir_fd,
                   const char *new_path, int flags),
                  (sys->inner, old_dir_fd, old_path, new_dir_fd, new_path, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, SYMLINKAT, symlinkat,
                  (const struct weft_sys *sys, const char *target, int dir_fd, const char *path),
                  (sys->inner, target, dir_fd, path));

WEFT__FAULT_ENTRY(weft__fault_decide, int, FCHMODAT, fchmodat,
                  (const struct weft_sys *sys, int dir_fd, const char *path, unsigned mode,
                   int flags),
                  (sys->inner, dir_fd, path, mode, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, INOTIFY_INIT1, inotify_init1,
                  (const struct weft_sys *sys, int flags), (sys->inner, flags));

WEFT__FAULT_ENTRY(weft__fault_decide, int, INOTIFY_ADD_WATCH, inotify_add_watch,
                  (const struct weft_sys *sys, int fd, const char *path, uint32_t mask),
                  (sys->inner, fd, path, mask));

WEFT__FAULT_ENTRY(weft__fault_decide, int, INOTIFY_RM_WATCH, inotify_rm_watch,
                  (const struct weft_sys *sys, int fd, int watch), (sys->inner, fd, watch));
