/* SPDX-License-Identifier: MIT */
/*
 * host.c: what a simulated world has of the machine below it
 *
 * Files and processes are the real ones: a program in a simulated world reads its configuration and
 * sends signals as ever, and a simulated descriptor given to such a call gets the error of a socket
 * or a pipe. Names are those that the test gave the world, and those that need no look-up,
 * addresses in figures and "localhost", so that nothing depends on the network of the day. What an
 * engine would have to wait for outside of the world is missing (-ENOSYS): threads, inotify,
 * pidfds. Callers have another way, as on old kernels.
 */
#include "loop/poller/sim/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

/* Not in POSIX; both libraries answer with it all the same. */
#ifndef EAI_NODATA
#define EAI_NODATA -5
#endif

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

/* --- Threads -------------------------------------------------------------------------------- */

static int sim_thread_create(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                             void *arg, uintptr_t *ret)
{
    (void)sys, (void)stack_size, (void)fn, (void)arg, (void)ret;
    return -ENOSYS;
}

/* --- Names ----------------------------------------------------------------------------------- */

/** An entry of an answer with what it points at; lists of them are freed one by one. */
struct answer {
    /** What the caller sees. */
    struct addrinfo info;
    /** The address. */
    struct sockaddr_storage address;
    /** The canonical name. */
    char canonical[];
};

static void sim_freeaddrinfo(const struct weft_sys *sys, struct addrinfo *list)
{
    (void)sys;
    while (list) {
        struct addrinfo *next = list->ai_next;
        weft__sim_realloc(list, 0);
        list = next;
    }
}

/** Appends an entry of ours that is like `info`; `name` NULL: without a canonical name. */
static int append(struct addrinfo **list, const struct addrinfo *info, const char *name)
{
    size_t size = name ? strlen(name) + 1 : 0;
    struct answer *answer = weft__sim_realloc(NULL, sizeof *answer + size);
    if (!answer)
        return -ENOMEM;
    memset(answer, 0, sizeof *answer);
    answer->info = *info;
    answer->info.ai_next = NULL;
    answer->info.ai_addr = (struct sockaddr *)(void *)&answer->address;
    memcpy(&answer->address, info->ai_addr, info->ai_addrlen);
    answer->info.ai_canonname = name ? memcpy(answer->canonical, name, size) : NULL;
    while (*list)
        list = &(*list)->ai_next;
    *list = &answer->info;
    return 0;
}

/** Appends what libc says of an address in figures, or of "localhost". */
static int append_figures(struct addrinfo **list, const char *host, const char *service,
                          const struct addrinfo *hints, const char *canonical)
{
    struct addrinfo figures = hints ? *hints : (struct addrinfo){.ai_family = AF_UNSPEC};
    struct addrinfo *found;
    figures.ai_flags |= AI_NUMERICHOST;
    /* No host at all is libc's word for the loopback addresses; it needs a service then. */
    if (host && strcmp(host, "localhost") == 0) {
        figures.ai_flags &= ~(AI_PASSIVE | AI_CANONNAME);
        host = NULL;
        service = service ? service : "0";
    }
    int rc = real->getaddrinfo(real, host, service, &figures, &found);
    if (rc != 0)
        return rc;
    for (const struct addrinfo *info = found; info && rc == 0; info = info->ai_next)
        rc = append(list, info, *list ? NULL : canonical ? canonical : info->ai_canonname);
    real->freeaddrinfo(real, found);
    return rc;
}

/** Appends what the world knows of an address of a name. */
static int append_host(struct addrinfo **list, const struct weft__sim_host *known,
                       const char *service, const struct addrinfo *hints)
{
    char figures[INET6_ADDRSTRLEN];
    const struct weft__sim_name *address = &known->address;
    sa_family_t family = address->of.any.sa_family;
    bool named = hints && hints->ai_flags & AI_CANONNAME;
    if (known->error != 0)
        return known->error;
    if (hints && hints->ai_family != AF_UNSPEC && hints->ai_family != family)
        return 0;
    const void *bytes = family == AF_INET ? (const void *)&address->of.in.sin_addr
                                          : (const void *)&address->of.in6.sin6_addr;
    inet_ntop(family, bytes, figures, sizeof figures);
    return append_figures(list, figures, service, hints, named ? known->name : NULL);
}

/** Asks the names of the world: whether there is one; *ret_rc and the list have what it gives. */
static bool ask_world(struct weft__sim *world, const char *host, const char *service,
                      const struct addrinfo *hints, struct addrinfo **list, int *ret_rc)
{
    bool known = false;
    weft__list_each(link, &world->hosts)
    {
        const struct weft__sim_host *entry = weft__container(link, struct weft__sim_host, link);
        if (*ret_rc != 0 || !host || strcmp(entry->name, host) != 0)
            continue;
        known = true;
        *ret_rc = append_host(list, entry, service, hints);
    }
    if (known && *ret_rc == 0 && !*list)
        *ret_rc = -EAI_NODATA;
    return known;
}

static int sim_getaddrinfo(const struct weft_sys *sys, const char *host, const char *service,
                           const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo *list = NULL;
    bool figures = hints && hints->ai_flags & AI_NUMERICHOST;
    int rc = 0;
    if (figures || !ask_world(weft__sim_world(sys), host, service, hints, &list, &rc))
        rc = append_figures(&list, host, service, hints, NULL);
    if (rc == 0)
        *ret = list;
    else
        sim_freeaddrinfo(sys, list);
    return rc;
}

/** The name of an address that the world knows, NULL when there is none. */
static const char *name_of(struct weft__sim *world, const struct sockaddr *address)
{
    weft__list_each(link, &world->hosts)
    {
        const struct weft__sim_host *host = weft__container(link, struct weft__sim_host, link);
        const struct sockaddr_in *in = (const void *)address;
        const struct sockaddr_in6 *in6 = (const void *)address;
        if (host->error != 0 || host->address.of.any.sa_family != address->sa_family)
            continue;
        if (address->sa_family == AF_INET
                ? host->address.of.in.sin_addr.s_addr == in->sin_addr.s_addr
                : IN6_ARE_ADDR_EQUAL(&host->address.of.in6.sin6_addr, &in6->sin6_addr))
            return host->name;
    }
    return NULL;
}

static int sim_getnameinfo(const struct weft_sys *sys, const struct sockaddr *address,
                           socklen_t len, char *host, size_t host_size, char *service,
                           size_t service_size, int flags)
{
    const char *name = flags & NI_NUMERICHOST ? NULL : name_of(weft__sim_world(sys), address);
    if (!name && flags & NI_NAMEREQD)
        return -EAI_NONAME;
    if (!name || host_size == 0)
        return real->getnameinfo(real, address, len, host, host_size, service, service_size,
                                 (flags & ~NI_NAMEREQD) | NI_NUMERICHOST | NI_NUMERICSERV);
    if (strlen(name) >= host_size)
        return -EAI_OVERFLOW;
    memcpy(host, name, strlen(name) + 1);
    return service_size == 0 ? 0
                             : real->getnameinfo(real, address, len, NULL, 0, service, service_size,
                                                 flags | NI_NUMERICSERV);
}

int weft__sim_add_name(struct weft__sim *world, const char *name,
                       const struct weft__sim_name *address, int error)
{
    size_t size = strlen(name) + 1;
    struct weft__sim_host *host = weft__sim_realloc(NULL, sizeof *host + size);
    if (!host)
        return -ENOMEM;
    memset(host, 0, sizeof *host);
    host->error = error;
    if (address)
        host->address = *address;
    memcpy(host->name, name, size);
    weft__list_append(&world->hosts, &host->link);
    return 0;
}

void weft__sim_forget_names(struct weft__sim *world)
{
    for (struct weft_link *link = weft__list_take(&world->hosts); link;
         link = weft__list_take(&world->hosts))
        weft__sim_realloc(weft__container(link, struct weft__sim_host, link), 0);
}

/* --- Processes ------------------------------------------------------------------------------- */

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
    sys->freeaddrinfo = sim_freeaddrinfo;
    sys->getnameinfo = sim_getnameinfo;
    sys->pidfd_open = sim_pidfd_open;
    sys->spawn = sim_spawn;
}
