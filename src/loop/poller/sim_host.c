/* SPDX-License-Identifier: MIT */
/*
 * sim_host.c: what a simulated world has of the machine below it
 *
 * Files and processes are the real ones: a program in a simulated world reads its configuration and
 * sends signals as ever, and a simulated descriptor given to such a call gets the error of a socket
 * or a pipe. Names are those that need no look-up, addresses in figures and "localhost", so that
 * nothing depends on the network of the day. What an engine would have to wait for outside of the
 * world is missing (-ENOSYS): threads, inotify, pidfds. Callers have another way, as on old
 * kernels.
 */
#include "loop/poller/sim.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

static const struct weft_sys *const real = &weft_sys_default;

static bool is_simulated(int fd)
{
    return fd >= WEFT__SIM_FD_BASE;
}

/** The error of a call that no pipe and no socket knows: -EBADF for what is not even open. */
static int unfit(const struct weft_sys *sys, int fd, int rc)
{
    return weft__sim_file(weft__sim_world(sys), fd) ? rc : -EBADF;
}

/* --- Terminals and files --------------------------------------------------------------------- */

static int sim_ioctl(const struct weft_sys *sys, int fd, unsigned long request, void *arg)
{
    return is_simulated(fd) ? unfit(sys, fd, -ENOTTY) : real->ioctl(real, fd, request, arg);
}

static int sim_tcgetattr(const struct weft_sys *sys, int fd, struct termios *ret)
{
    return is_simulated(fd) ? unfit(sys, fd, -ENOTTY) : real->tcgetattr(real, fd, ret);
}

static int sim_tcsetattr(const struct weft_sys *sys, int fd, int when, const struct termios *modes)
{
    return is_simulated(fd) ? unfit(sys, fd, -ENOTTY) : real->tcsetattr(real, fd, when, modes);
}

static ssize_t sim_pread(const struct weft_sys *sys, int fd, void *buf, size_t len, int64_t offset)
{
    return is_simulated(fd) ? unfit(sys, fd, -ESPIPE) : real->pread(real, fd, buf, len, offset);
}

static ssize_t sim_pwrite(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                          int64_t offset)
{
    return is_simulated(fd) ? unfit(sys, fd, -ESPIPE) : real->pwrite(real, fd, buf, len, offset);
}

static int64_t sim_lseek(const struct weft_sys *sys, int fd, int64_t offset, int whence)
{
    return is_simulated(fd) ? unfit(sys, fd, -ESPIPE) : real->lseek(real, fd, offset, whence);
}

static int sim_ftruncate(const struct weft_sys *sys, int fd, int64_t len)
{
    return is_simulated(fd) ? unfit(sys, fd, -EINVAL) : real->ftruncate(real, fd, len);
}

static int sim_fsync(const struct weft_sys *sys, int fd, int data_only)
{
    return is_simulated(fd) ? unfit(sys, fd, -EINVAL) : real->fsync(real, fd, data_only);
}

static ssize_t sim_getdents64(const struct weft_sys *sys, int fd, void *buf, size_t len)
{
    return is_simulated(fd) ? unfit(sys, fd, -ENOTDIR) : real->getdents64(real, fd, buf, len);
}

static int sim_inotify_init1(const struct weft_sys *sys, int flags)
{
    (void)sys, (void)flags;
    return -ENOSYS;
}

/* --- Threads and names ----------------------------------------------------------------------- */

static int sim_thread_create(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                             void *arg, uintptr_t *ret)
{
    (void)sys, (void)stack_size, (void)fn, (void)arg, (void)ret;
    return -ENOSYS;
}

/* No host at all is libc's word for the loopback addresses; it needs a service then. */
static int sim_getaddrinfo(const struct weft_sys *sys, const char *host, const char *service,
                           const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo figures = {.ai_family = AF_UNSPEC};
    (void)sys;
    if (hints)
        figures = *hints;
    figures.ai_flags |= AI_NUMERICHOST;
    if (host && strcmp(host, "localhost") == 0) {
        figures.ai_flags &= ~(AI_PASSIVE | AI_CANONNAME);
        host = NULL;
        service = service ? service : "0";
    }
    return real->getaddrinfo(real, host, service, &figures, ret);
}

static int sim_getnameinfo(const struct weft_sys *sys, const struct sockaddr *address,
                           socklen_t len, char *host, size_t host_size, char *service,
                           size_t service_size, int flags)
{
    (void)sys;
    return real->getnameinfo(real, address, len, host, host_size, service, service_size,
                             flags | NI_NUMERICHOST | NI_NUMERICSERV);
}

static int sim_pidfd_open(const struct weft_sys *sys, pid_t pid, unsigned flags)
{
    (void)sys, (void)pid, (void)flags;
    return -ENOSYS;
}

static int sim_spawn(const struct weft_sys *sys, const struct weft_sys_spawn *how, pid_t *ret_pid,
                     int *ret_pidfd, int *ret_step)
{
    (void)sys, (void)how, (void)ret_pid, (void)ret_pidfd;
    *ret_step = WEFT_SYS_SPAWN_AT_CLONE;
    return -ENOTSUP;
}

/** Entries that look at no table and at no simulated descriptor: the real ones do. A path that is
 * relative to a simulated descriptor is -EBADF there. */
static void share_host(struct weft_sys *sys)
{
    sys->openat = real->openat;
    sys->fstatat = real->fstatat;
    sys->mkdirat = real->mkdirat;
    sys->unlinkat = real->unlinkat;
    sys->renameat2 = real->renameat2;
    sys->linkat = real->linkat;
    sys->symlinkat = real->symlinkat;
    sys->fchmodat = real->fchmodat;
    sys->inotify_add_watch = real->inotify_add_watch;
    sys->inotify_rm_watch = real->inotify_rm_watch;
    sys->thread_join = real->thread_join;
    sys->freeaddrinfo = real->freeaddrinfo;
    sys->pidfd_send_signal = real->pidfd_send_signal;
    sys->waitid = real->waitid;
    sys->kill = real->kill;
}

void weft__sim_add_host(struct weft_sys *sys)
{
    share_host(sys);
    sys->ioctl = sim_ioctl;
    sys->tcgetattr = sim_tcgetattr;
    sys->tcsetattr = sim_tcsetattr;
    sys->pread = sim_pread;
    sys->pwrite = sim_pwrite;
    sys->lseek = sim_lseek;
    sys->ftruncate = sim_ftruncate;
    sys->fsync = sim_fsync;
    sys->getdents64 = sim_getdents64;
    sys->inotify_init1 = sim_inotify_init1;
    sys->thread_create = sim_thread_create;
    sys->getaddrinfo = sim_getaddrinfo;
    sys->getnameinfo = sim_getnameinfo;
    sys->pidfd_open = sim_pidfd_open;
    sys->spawn = sim_spawn;
}
