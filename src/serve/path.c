/* SPDX-License-Identifier: MIT */
/*
 * path.c: Unix paths that servers leave behind
 *
 * A path outlives the socket that was bound to it. When a server ends in a hurry, the next one
 * finds the path taken, although nobody listens. It may be removed if it is ours: a socket, of the
 * user that we are, at which nobody listens (a connection is refused), and still the same file
 * right before it is removed. Two servers that start at the same instant over the same stale path
 * may still both succeed; the earlier one then has no path. Nothing short of a lock file keeps them
 * apart, and we leave none about.
 *
 * When a server closes, the path may lead to its successor. The file is known by device and inode,
 * and no other one can have them, because the socket that is bound to it keeps the inode.
 *
 * In a simulated world a path is a name that goes with its socket, and no file.
 */
#include "serve/internal.h"

#include <fcntl.h>

/** The path; NULL: an abstract name, another family, no files here. */
static const char *path_of(const struct weft_address *address)
{
    const struct weft_sys *sys = weft__sys_current();
    bool simulated = sys->flags & WEFT_SYS_VIRTUAL_CLOCK;
    if (address->of.any.sa_family != AF_UNIX || simulated)
        return NULL;
    return address->of.un.sun_path[0] ? address->of.un.sun_path : NULL;
}

/** What is at the path, links not followed: 0 when there is something. */
static int look(const char *path, struct stat *ret)
{
    const struct weft_sys *sys = weft__sys_current();
    return sys->fstatat(sys, AT_FDCWD, path, ret, AT_SYMLINK_NOFOLLOW);
}

static bool same_file(const struct stat *file, const struct weft__path_id *id)
{
    return file->st_dev == id->device && file->st_ino == id->inode;
}

/** Whether nobody listens at the address. */
static bool is_dead(const struct weft_address *address)
{
    const struct weft_sys *sys = weft__sys_current();
    int fd = sys->socket(sys, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int rc = sys->connect(sys, fd, &address->of.any, address->len);
    (void)sys->close(sys, fd);
    return rc == -ECONNREFUSED;
}

/** Removes a path that a server of ours left; `fd` is a socket of ours. */
static bool remove_stale(int fd, const struct weft_address *address, const char *path)
{
    const struct weft_sys *sys = weft__sys_current();
    struct stat file, own;
    if (look(path, &file) < 0 || !S_ISSOCK(file.st_mode))
        return false;
    /* The file of a socket belongs to the user who made the socket. */
    if (sys->fstat(sys, fd, &own) < 0 || own.st_uid != file.st_uid || !is_dead(address))
        return false;
    const struct weft__path_id id = {file.st_dev, file.st_ino};
    return look(path, &file) == 0 && same_file(&file, &id) &&
           sys->unlinkat(sys, AT_FDCWD, path, 0) == 0;
}

int weft__path_bind(int fd, const struct weft_address *address,
                    const struct weft_serve_options *options, struct weft__path_id *ret)
{
    const struct weft_sys *sys = weft__sys_current();
    const char *path = path_of(address);
    bool keep = options->flags & WEFT_SERVE_KEEP_PATH;
    int rc = weft_bind(fd, address);
    if (rc == -EADDRINUSE && path && !keep && remove_stale(fd, address, path))
        rc = weft_bind(fd, address);
    if (rc < 0 || !path)
        return rc;
    weft__path_know(address, ret);
    /* Nobody can connect before listen(2), so nobody comes in between. */
    if (options->unix_mode)
        rc = sys->fchmodat(sys, AT_FDCWD, path, options->unix_mode, 0);
    if (rc < 0)
        weft__path_remove(address, ret);
    else if (keep)
        *ret = (struct weft__path_id){0, 0};
    return rc;
}

void weft__path_know(const struct weft_address *address, struct weft__path_id *ret)
{
    const char *path = path_of(address);
    struct stat file;
    if (path && look(path, &file) == 0)
        *ret = (struct weft__path_id){file.st_dev, file.st_ino};
}

void weft__path_remove(const struct weft_address *address, const struct weft__path_id *id)
{
    const struct weft_sys *sys = weft__sys_current();
    struct stat file;
    if (!id->inode)
        return;
    if (look(address->of.un.sun_path, &file) == 0 && same_file(&file, id))
        (void)sys->unlinkat(sys, AT_FDCWD, address->of.un.sun_path, 0);
}
