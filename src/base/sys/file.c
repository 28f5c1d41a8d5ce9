/* SPDX-License-Identifier: MIT */
/*
 * file.c: files and directories of the default table
 *
 * Files by path relative to a directory, transfers at a position of their own, directories as the
 * kernel lists them, and inotify. All of it may take as long as the disk or the network behind a
 * mount takes: who calls on a loop's thread says so or has another thread do it. Calls that glibc
 * 2.31 or musl do not wrap are made by number. Paths go to the kernel as they are.
 */
#define _GNU_SOURCE 1

#include "base/sys/entries.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int weft__sys_openat(TABLE, int dir_fd, const char *path, int flags, unsigned mode)
{
    return weft__sys_checked_int(openat(dir_fd, path, flags, (mode_t)mode));
}

int weft__sys_fstatat(TABLE, int dir_fd, const char *path, struct stat *ret, int flags)
{
    return weft__sys_checked_int(fstatat(dir_fd, path, ret, flags));
}

ssize_t weft__sys_pread(TABLE, int fd, void *buf, size_t len, int64_t offset)
{
    return weft__sys_checked(pread(fd, buf, len, (off_t)offset));
}

ssize_t weft__sys_pwrite(TABLE, int fd, const void *buf, size_t len, int64_t offset)
{
    return weft__sys_checked(pwrite(fd, buf, len, (off_t)offset));
}

int64_t weft__sys_lseek(TABLE, int fd, int64_t offset, int whence)
{
    off_t at = lseek(fd, (off_t)offset, whence);
    return at < 0 ? -errno : (int64_t)at;
}

int weft__sys_ftruncate(TABLE, int fd, int64_t len)
{
    return weft__sys_checked_int(ftruncate(fd, (off_t)len));
}

int weft__sys_fsync(TABLE, int fd, int data_only)
{
    return weft__sys_checked_int(data_only ? fdatasync(fd) : fsync(fd));
}

ssize_t weft__sys_getdents64(TABLE, int fd, void *buf, size_t len)
{
    return weft__sys_checked(syscall(SYS_getdents64, fd, buf, len));
}

int weft__sys_mkdirat(TABLE, int dir_fd, const char *path, unsigned mode)
{
    return weft__sys_checked_int(mkdirat(dir_fd, path, (mode_t)mode));
}

int weft__sys_unlinkat(TABLE, int dir_fd, const char *path, int flags)
{
    return weft__sys_checked_int(unlinkat(dir_fd, path, flags));
}

/* Machines that came after it, as riscv64, have no other rename; flags 0 is the plain one. */
int weft__sys_renameat2(TABLE, int old_dir_fd, const char *old_path, int new_dir_fd,
                        const char *new_path, unsigned flags)
{
    return weft__sys_checked_int(
        (int)syscall(SYS_renameat2, old_dir_fd, old_path, new_dir_fd, new_path, flags));
}

int weft__sys_linkat(TABLE, int old_dir_fd, const char *old_path, int new_dir_fd,
                     const char *new_path, int flags)
{
    return weft__sys_checked_int(linkat(old_dir_fd, old_path, new_dir_fd, new_path, flags));
}

int weft__sys_symlinkat(TABLE, const char *target, int dir_fd, const char *path)
{
    return weft__sys_checked_int(symlinkat(target, dir_fd, path));
}

int weft__sys_fchmodat(TABLE, int dir_fd, const char *path, unsigned mode, int flags)
{
    return weft__sys_checked_int(fchmodat(dir_fd, path, (mode_t)mode, flags));
}

int weft__sys_inotify_init1(TABLE, int flags)
{
    return weft__sys_checked_int(inotify_init1(flags));
}

int weft__sys_inotify_add_watch(TABLE, int fd, const char *path, uint32_t mask)
{
    return weft__sys_checked_int(inotify_add_watch(fd, path, mask));
}

int weft__sys_inotify_rm_watch(TABLE, int fd, int watch)
{
    return weft__sys_checked_int(inotify_rm_watch(fd, watch));
}
