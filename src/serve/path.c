/* SPDX-License-Identifier: MIT */
/*
 * path.c: Unix paths that servers leave behind
 *
 * A path outlives the socket that was bound to it. When a server ends in a hurry, the next one
 * finds the path taken, although nobody listens. It may be removed if it is ours: a socket, of the
 * user that we are, at which nobody listens (a connection is refused), and still the same file
 * right before it is removed.
 *
 * Two servers that start at the same instant must not take each other's path for stale: between
 * its bind and its listen a path refuses connections as a stale one does. So whoever opens a server
 * at a path holds a lock from before the bind until after the listen. The lock is an abstract name,
 * made of the folder's device and inode and of the path's last part: it needs no permission in the
 * folder, leaves no file about, and goes with the process that held it. It keeps nobody apart who
 * is in another network namespace, and as anybody may take such a name, we wait for it for a second
 * and then go on without it: a stranger can bring the race back, but keep no server from starting.
 *
 * When a server closes, the path may lead to its successor. The file is known by device and inode,
 * and no other one can have them, because the socket that is bound to it keeps the inode.
 *
 * In a simulated world a path is a name that goes with its socket, and no file.
 */
#include "serve/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/** How often the lock is tried, and how long it is waited for in between. */
#define LOCK_TRIES 1000
#define LOCK_PAUSE WEFT_MS

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

/* The lock. */

/** The name that stands for a path; false: its folder cannot be found. */
static bool lock_name(const char *path, struct weft_address *ret)
{
    const struct weft_sys *sys = weft__sys_current();
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    char folder[sizeof ret->of.un.sun_path];
    struct stat file;
    /* "" is this folder, and that of "/name" is "/". */
    snprintf(folder, sizeof folder, "%.*s.", (int)(last - path), path);
    if (sys->fstatat(sys, AT_FDCWD, folder, &file, 0) < 0)
        return false;
    memset(ret, 0, sizeof *ret);
    ret->of.un.sun_family = AF_UNIX;
    char *name = ret->of.un.sun_path + 1;
    /* A last part that is too long is cut: then two paths have one lock, which is no harm. */
    if (snprintf(name, sizeof ret->of.un.sun_path - 1, "weft-path/%llx/%llx/%s",
                 (unsigned long long)file.st_dev, (unsigned long long)file.st_ino, last) < 0)
        return false;
    ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return true;
}

/** Lets time pass, also where there is no loop: 0 or -ECANCELED. */
static int pause_for_lock(void)
{
    const struct weft_sys *sys = weft__sys_current();
    if (weft_current())
        return weft_sleep(LOCK_PAUSE);
    (void)sys->poll(sys, NULL, 0, LOCK_PAUSE);
    return 0;
}

int weft__path_lock(const struct weft_address *address, int *ret)
{
    const struct weft_sys *sys = weft__sys_current();
    const char *path = path_of(address);
    struct weft_address name;
    int rc = 0;
    *ret = -1;
    if (!path || !lock_name(path, &name))
        return 0;
    int fd = sys->socket(sys, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    int bound = sys->bind(sys, fd, &name.of.any, name.len);
    for (int i = 1; rc == 0 && bound == -EADDRINUSE && i < LOCK_TRIES; i++) {
        rc = pause_for_lock();
        bound = sys->bind(sys, fd, &name.of.any, name.len);
    }
    if (rc == 0 && bound == 0)
        *ret = fd;
    else
        (void)sys->close(sys, fd);
    return rc;
}

void weft__path_unlock(int lock)
{
    const struct weft_sys *sys = weft__sys_current();
    if (lock >= 0)
        (void)sys->close(sys, lock);
}

/* Binding and removing. */

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
