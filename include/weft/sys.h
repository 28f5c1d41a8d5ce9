/* SPDX-License-Identifier: MIT */
/*
 * weft/sys.h: the one table between weft and the world
 *
 * The clock, randomness, memory and every system call that a loop makes go through one constant
 * table of functions, which is a parameter of the loop. `weft_sys_default` is libc and the kernel.
 * Other tables own time, fail any call in turn, or simulate a network: that is how weft is tested,
 * and how programs built on it can be.
 *
 *     loop ── sys ──┬── weft_sys_default    libc and the kernel
 *                   ├── a fault table       counts calls, fails the n-th
 *                   └── the simulator       virtual clock, descriptors in memory
 *
 * Rules of the table
 *   1. Every entry takes the table itself first, so that a table may be the first member of a
 * larger struct and keep its state there. The table must stay in place as long as a loop uses it.
 *   2. Results are the kernel's, with errors as negative errno values; `errno` is not used.
 *   3. Entries are called on the loop's thread, except `clock` and `write` (the wake-up), which any
 *      thread may call, and those that say "Any thread": jobs of a pool use them.
 *   4. A table is made by copying weft_sys_default and replacing entries; none may be NULL. `size`
 *      is the size of the struct that its maker was compiled with; entries are only ever appended,
 *      and those beyond it are never called.
 *
 * What concerns the whole process (signal handlers, fork hooks) stands after the mark below.
 */
#ifndef WEFT_SYS_H
#define WEFT_SYS_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <weft/types.h>

WEFT_BEGIN

struct addrinfo;
struct epoll_event;
struct mmsghdr;
struct sigaction;
struct termios;

/** A descriptor that a new process gets. */
struct weft_sys_spawn_fd {
    /** Its number there. */
    int child_fd;
    /** What it is a copy of. */
    int fd;
};

/** A session of its own. */
#define WEFT_SYS_SPAWN_SESSION 1u
/** The process group `group`. */
#define WEFT_SYS_SPAWN_GROUP 2u
/** `terminal_fd` is its controlling terminal. */
#define WEFT_SYS_SPAWN_TERMINAL 4u
/** `uid`, `gid`, `groups`, `umask`, `nice` count. */
#define WEFT_SYS_SPAWN_UID 8u
#define WEFT_SYS_SPAWN_GID 16u
#define WEFT_SYS_SPAWN_GROUPS 32u
#define WEFT_SYS_SPAWN_UMASK 64u
#define WEFT_SYS_SPAWN_NICE 128u

/** The steps of a spawn, in their order. */
enum weft_sys_spawn_step {
    /** Making the process. */
    WEFT_SYS_SPAWN_AT_CLONE,
    /** Its session or process group. */
    WEFT_SYS_SPAWN_AT_GROUP,
    /** Its descriptors. */
    WEFT_SYS_SPAWN_AT_DESCRIPTORS,
    /** Its controlling terminal. */
    WEFT_SYS_SPAWN_AT_TERMINAL,
    /** Its working directory. */
    WEFT_SYS_SPAWN_AT_DIRECTORY,
    /** Its priority. */
    WEFT_SYS_SPAWN_AT_NICE,
    /** Its supplementary groups. */
    WEFT_SYS_SPAWN_AT_GROUPS,
    /** Its group. */
    WEFT_SYS_SPAWN_AT_GID,
    /** Its user. */
    WEFT_SYS_SPAWN_AT_UID,
    /** The program itself. */
    WEFT_SYS_SPAWN_AT_EXEC
};

/**
 * A process to be made. It gets no descriptor but those of `fds`, an empty signal mask, and every
 * disposition at its default (an ignored SIGHUP stays ignored, for nohup).
 */
struct weft_sys_spawn {
    /** Files to try in this order, NULL at the end; the next where one is missing or may not be
     * run. */
    const char *const *paths;
    /** The arguments, NULL at the end. */
    const char *const *arguments;
    /** The environment, NULL at the end; NULL: ours. */
    const char *const *environment;
    /** The working directory; NULL: ours. */
    const char *directory;
    /** Its descriptors. */
    const struct weft_sys_spawn_fd *fds;
    /** How many. */
    size_t fd_count;
    /** WEFT_SYS_SPAWN_... */
    unsigned flags;
    /** The process group; 0: one of its own. */
    pid_t group;
    /** The number, in the child, of its terminal. */
    int terminal_fd;
    /** The user. */
    uid_t uid;
    /** The group. */
    gid_t gid;
    /** The supplementary groups. Without WEFT_SYS_SPAWN_GROUPS, a change of user or group leaves
     * ours behind where that is allowed. */
    const gid_t *groups;
    /** How many. */
    size_t group_count;
    /** The file mode creation mask. */
    mode_t umask;
    /** Added to the priority's nice value. */
    int nice;
};

/** The table. Each entry behaves as the system call of its name; see the man page in section 2. */
struct weft_sys {
    /** sizeof(struct weft_sys) for the maker of the table. */
    size_t size;
    /** Flags: WEFT_SYS_... */
    unsigned flags;
    /** The table that this one wraps (a fault table over another one), or NULL. */
    const struct weft_sys *inner;

    /** The monotonic clock, in nanoseconds. Any thread. */
    weft_ns (*clock)(const struct weft_sys *sys);
    /** Fills `buf` with random bytes. */
    int (*random)(const struct weft_sys *sys, void *buf, size_t len);

    /** As realloc(3): `p` NULL allocates, `size` 0 frees and returns NULL. NULL when out of memory.
     */
    void *(*realloc)(const struct weft_sys *sys, void *p, size_t size);
    /** Anonymous private mapping with `flags` added; the address goes to `*ret`. */
    int (*mmap)(const struct weft_sys *sys, size_t len, int prot, int flags, int fd, int64_t offset,
                void **ret);
    /** munmap(2). */
    int (*munmap)(const struct weft_sys *sys, void *p, size_t len);
    /** mprotect(2). */
    int (*mprotect)(const struct weft_sys *sys, void *p, size_t len, int prot);
    /** madvise(2). */
    int (*madvise)(const struct weft_sys *sys, void *p, size_t len, int advice);

    /** close(2). */
    int (*close)(const struct weft_sys *sys, int fd);
    /** read(2). */
    ssize_t (*read)(const struct weft_sys *sys, int fd, void *buf, size_t len);
    /** write(2). Any thread. */
    ssize_t (*write)(const struct weft_sys *sys, int fd, const void *buf, size_t len);
    /** preadv2(2) with one vector at the file's own position and `flags` (RWF_NOWAIT). */
    ssize_t (*read_flags)(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags);
    /** pwritev2(2) with one vector at the file's own position and `flags` (RWF_NOWAIT). */
    ssize_t (*write_flags)(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                           int flags);
    /** fcntl(2) with an integer argument. */
    int (*fcntl)(const struct weft_sys *sys, int fd, int command, long arg);
    /** fstat(2). */
    int (*fstat)(const struct weft_sys *sys, int fd, struct stat *ret);
    /** pipe2(2). */
    int (*pipe2)(const struct weft_sys *sys, int fds[2], int flags);
    /** eventfd(2). */
    int (*eventfd)(const struct weft_sys *sys, unsigned value, int flags);

    /** socket(2). */
    int (*socket)(const struct weft_sys *sys, int domain, int type, int protocol);
    /** socketpair(2). */
    int (*socketpair)(const struct weft_sys *sys, int domain, int type, int protocol, int fds[2]);
    /** bind(2). */
    int (*bind)(const struct weft_sys *sys, int fd, const struct sockaddr *address, socklen_t len);
    /** listen(2). */
    int (*listen)(const struct weft_sys *sys, int fd, int backlog);
    /** accept4(2). */
    int (*accept4)(const struct weft_sys *sys, int fd, struct sockaddr *address, socklen_t *len,
                   int flags);
    /** connect(2). */
    int (*connect)(const struct weft_sys *sys, int fd, const struct sockaddr *address,
                   socklen_t len);
    /** recvfrom(2). */
    ssize_t (*recvfrom)(const struct weft_sys *sys, int fd, void *buf, size_t len, int flags,
                        struct sockaddr *address, socklen_t *address_len);
    /** sendto(2). */
    ssize_t (*sendto)(const struct weft_sys *sys, int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *address, socklen_t address_len);
    /** shutdown(2). */
    int (*shutdown)(const struct weft_sys *sys, int fd, int how);
    /** getsockname(2). */
    int (*getsockname)(const struct weft_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *len);
    /** getpeername(2). */
    int (*getpeername)(const struct weft_sys *sys, int fd, struct sockaddr *address,
                       socklen_t *len);
    /** getsockopt(2). */
    int (*getsockopt)(const struct weft_sys *sys, int fd, int level, int option, void *value,
                      socklen_t *len);
    /** setsockopt(2). */
    int (*setsockopt)(const struct weft_sys *sys, int fd, int level, int option, const void *value,
                      socklen_t len);

    /** poll(2); the timeout is a duration and is never cut short by rounding. */
    int (*poll)(const struct weft_sys *sys, struct pollfd *fds, size_t count, weft_ns timeout);
    /** epoll_create1(2). */
    int (*epoll_create1)(const struct weft_sys *sys, int flags);
    /** epoll_ctl(2). */
    int (*epoll_ctl)(const struct weft_sys *sys, int epoll_fd, int op, int fd,
                     struct epoll_event *event);
    /** epoll_wait(2); the timeout is a duration and is never cut short by rounding. */
    int (*epoll_wait)(const struct weft_sys *sys, int epoll_fd, struct epoll_event *events,
                      int count, weft_ns timeout);
    /** io_uring_setup(2); `params` is a struct io_uring_params. */
    int (*io_uring_setup)(const struct weft_sys *sys, unsigned entries, void *params);
    /** io_uring_enter(2), with the extended argument when `flags` says so. */
    int (*io_uring_enter)(const struct weft_sys *sys, int fd, unsigned to_submit,
                          unsigned min_complete, unsigned flags, const void *arg, size_t arg_len);
    /** io_uring_register(2). */
    int (*io_uring_register)(const struct weft_sys *sys, int fd, unsigned opcode, void *arg,
                             unsigned count);

    /* Acts of the whole process, not of one world: a simulated one passes them on. raise, getpid
     * and getenv are always those of weft_sys_default. */

    /** sigaction(2). */
    int (*sigaction)(const struct weft_sys *sys, int signal, const struct sigaction *action,
                     struct sigaction *ret_old);
    /** sigaltstack(2); both point at a stack_t. */
    int (*sigaltstack)(const struct weft_sys *sys, const void *stack, void *ret_old);
    /** pthread_sigmask(3); both point at a sigset_t. */
    int (*thread_sigmask)(const struct weft_sys *sys, int how, const void *set, void *ret_old);
    /** raise(3). */
    int (*raise)(const struct weft_sys *sys, int signal);
    /** pthread_atfork(3). */
    int (*atfork)(const struct weft_sys *sys, void (*prepare)(void), void (*parent)(void),
                  void (*child)(void));
    /** getpid(2). */
    int (*getpid)(const struct weft_sys *sys);
    /** The value of an environment variable, or NULL; the text belongs to the environment. */
    const char *(*getenv)(const struct weft_sys *sys, const char *name);
    /** readlink(2): how many bytes, without a 0 at their end. */
    ssize_t (*readlink)(const struct weft_sys *sys, const char *path, char *buf, size_t len);

    /* Transfers in several pieces, and bytes that are passed on without being looked at. */

    /** writev(2). */
    ssize_t (*writev)(const struct weft_sys *sys, int fd, const struct iovec *vectors, int count);
    /** pwritev2(2) at the file's own position with `flags` (RWF_NOWAIT). */
    ssize_t (*writev_flags)(const struct weft_sys *sys, int fd, const struct iovec *vectors,
                            int count, int flags);
    /** recvmsg(2). */
    ssize_t (*recvmsg)(const struct weft_sys *sys, int fd, struct msghdr *message, int flags);
    /** sendmsg(2). */
    ssize_t (*sendmsg)(const struct weft_sys *sys, int fd, const struct msghdr *message, int flags);
    /** recvmmsg(2) without a timeout: how many messages came. */
    int (*recvmmsg)(const struct weft_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                    int flags);
    /** sendmmsg(2): how many messages went. */
    int (*sendmmsg)(const struct weft_sys *sys, int fd, struct mmsghdr *messages, unsigned count,
                    int flags);
    /** splice(2), both at their own positions. */
    ssize_t (*splice)(const struct weft_sys *sys, int in_fd, int out_fd, size_t len,
                      unsigned flags);
    /** sendfile(2); `offset` NULL: from the file's own position. */
    ssize_t (*sendfile)(const struct weft_sys *sys, int out_fd, int in_fd, int64_t *offset,
                        size_t len);
    /** ioctl(2) with a pointer. */
    int (*ioctl)(const struct weft_sys *sys, int fd, unsigned long request, void *arg);
    /** tcgetattr(3). */
    int (*tcgetattr)(const struct weft_sys *sys, int fd, struct termios *ret);
    /** tcsetattr(3). */
    int (*tcsetattr)(const struct weft_sys *sys, int fd, int when, const struct termios *modes);

    /* Files. Calls of other threads than the loop's come here too: each may take as long as a disk.
     * A simulated world has no files of its own and passes these on. */

    /** openat(2). Any thread. */
    int (*openat)(const struct weft_sys *sys, int dir_fd, const char *path, int flags,
                  unsigned mode);
    /** fstatat(2). Any thread. */
    int (*fstatat)(const struct weft_sys *sys, int dir_fd, const char *path, struct stat *ret,
                   int flags);
    /** pread(2). Any thread. */
    ssize_t (*pread)(const struct weft_sys *sys, int fd, void *buf, size_t len, int64_t offset);
    /** pwrite(2). Any thread. */
    ssize_t (*pwrite)(const struct weft_sys *sys, int fd, const void *buf, size_t len,
                      int64_t offset);
    /** lseek(2): the new position. Any thread. */
    int64_t (*lseek)(const struct weft_sys *sys, int fd, int64_t offset, int whence);
    /** ftruncate(2). Any thread. */
    int (*ftruncate)(const struct weft_sys *sys, int fd, int64_t len);
    /** fsync(2); `data_only` not 0: fdatasync(2). Any thread. */
    int (*fsync)(const struct weft_sys *sys, int fd, int data_only);
    /** getdents64(2). Any thread. */
    ssize_t (*getdents64)(const struct weft_sys *sys, int fd, void *buf, size_t len);
    /** mkdirat(2). Any thread. */
    int (*mkdirat)(const struct weft_sys *sys, int dir_fd, const char *path, unsigned mode);
    /** unlinkat(2). Any thread. */
    int (*unlinkat)(const struct weft_sys *sys, int dir_fd, const char *path, int flags);
    /** renameat2(2). Any thread. */
    int (*renameat2)(const struct weft_sys *sys, int old_dir_fd, const char *old_path,
                     int new_dir_fd, const char *new_path, unsigned flags);
    /** linkat(2). Any thread. */
    int (*linkat)(const struct weft_sys *sys, int old_dir_fd, const char *old_path, int new_dir_fd,
                  const char *new_path, int flags);
    /** symlinkat(2). Any thread. */
    int (*symlinkat)(const struct weft_sys *sys, const char *target, int dir_fd, const char *path);
    /** fchmodat(2). Any thread. */
    int (*fchmodat)(const struct weft_sys *sys, int dir_fd, const char *path, unsigned mode,
                    int flags);
    /** inotify_init1(2). */
    int (*inotify_init1)(const struct weft_sys *sys, int flags);
    /** inotify_add_watch(2). */
    int (*inotify_add_watch)(const struct weft_sys *sys, int fd, const char *path, uint32_t mask);
    /** inotify_rm_watch(2). */
    int (*inotify_rm_watch)(const struct weft_sys *sys, int fd, int watch);

    /* Threads, names and other processes. In a simulated world there are no threads (-ENOSYS), the
     * names are those that need no look-up, and processes are the real ones. */

    /** pthread_create(3) with signals blocked in the new thread, all but those of its own faults
     * (SIGSEGV, SIGABRT ...), and a stack of at least that size; 0: libc's choice. `ret` gets what
     * thread_join takes. */
    int (*thread_create)(const struct weft_sys *sys, size_t stack_size, void *(*fn)(void *arg),
                         void *arg, uintptr_t *ret);
    /** pthread_join(3). Any thread. */
    int (*thread_join)(const struct weft_sys *sys, uintptr_t thread);
    /** getaddrinfo(3): 0; a positive number, the code made positive (-EAI_NONAME), because libc's
     * codes are negative as well; or the negative errno in place of EAI_SYSTEM. Any thread. */
    int (*getaddrinfo)(const struct weft_sys *sys, const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **ret);
    /** freeaddrinfo(3). Any thread. What came for a look-up that was abandoned is freed by that of
     *  weft_sys_default instead, because the table may be gone by then. */
    void (*freeaddrinfo)(const struct weft_sys *sys, struct addrinfo *list);
    /** getnameinfo(3); results as those of getaddrinfo. Any thread. */
    int (*getnameinfo)(const struct weft_sys *sys, const struct sockaddr *address, socklen_t len,
                       char *host, size_t host_size, char *service, size_t service_size, int flags);
    /** pidfd_open(2). */
    int (*pidfd_open)(const struct weft_sys *sys, pid_t pid, unsigned flags);
    /** pidfd_send_signal(2) without further information. */
    int (*pidfd_send_signal)(const struct weft_sys *sys, int pidfd, int signal, unsigned flags);
    /** waitid(2); `ret` points at a siginfo_t. */
    int (*waitid)(const struct weft_sys *sys, int id_type, int id, void *ret, int options);
    /** kill(2). */
    int (*kill)(const struct weft_sys *sys, pid_t pid, int signal);
    /** A new process that runs a program: 0, its number and a pidfd (-1: this kernel has none), or
     * an error and the step that failed (enum weft_sys_spawn_step); then nothing is left of it. The
     * calling thread rests until the program runs. In a simulated world -ENOTSUP. */
    int (*spawn)(const struct weft_sys *sys, const struct weft_sys_spawn *how, pid_t *ret_pid,
                 int *ret_pidfd, int *ret_step);
};

/** The table's clock is virtual: the engine `sim` moves it, and no real time passes. */
#define WEFT_SYS_VIRTUAL_CLOCK 1u

/** libc and the kernel. Never changes. Any thread. */
extern WEFT_API const struct weft_sys weft_sys_default;

WEFT_END

#endif
