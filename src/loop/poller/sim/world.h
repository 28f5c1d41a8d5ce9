/* SPDX-License-Identifier: MIT */
/*
 * world.h: the simulated world, as its own files share it
 *
 * A world is a table of system calls whose clock, randomness and descriptors live in memory.
 * Nothing in it is concurrent, lost, reordered or late, unless its seed says so; the same seed
 * gives the same world again. The engine `sim` waits in it and moves its clock.
 *
 *     world.c       the table: a world's life, clock, randomness, who answers for a descriptor
 *     file.c        descriptor numbers, pipes, event counters, byte streams, what is ready
 *     socket.c      sockets: making, listening, connecting
 *     name.c        their names
 *     option.c      their options
 *     datagram.c    datagrams
 *     message.c     transfers in several pieces
 *     host.c        files, names, processes: what is real, and what is missing
 *     engine.c      the engine
 *
 *     descriptor 1048577 ──▶ file ──peer──▶ file ◀── descriptor 1048578
 *                              ▲ input        │ writes go into the peer's input
 *                              └──────────────┘
 *
 * Descriptors below WEFT__SIM_FD_BASE are real: calls on them pass through to weft_sys_default, so
 * that programs can print. Every simulated descriptor behaves as a non-blocking one. A name
 * (address, path) goes with its socket; paths make no files. IPv4 and IPv6 are separate, and every
 * address is ours: 10.1.2.3 can be bound and reached.
 */
#ifndef WEFT_LOOP_POLLER_SIM_WORLD_H
#define WEFT_LOOP_POLLER_SIM_WORLD_H

#include "base/list.h"
#include "loop/poller_backend.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/un.h>

/** What a simulated descriptor stands for. */
enum weft__sim_kind {
    /** The end of a pipe that is read. */
    WEFT__SIM_PIPE_READ,
    /** The end of a pipe that is written. */
    WEFT__SIM_PIPE_WRITE,
    /** An event counter. */
    WEFT__SIM_EVENT,
    /** A stream socket. */
    WEFT__SIM_STREAM,
    /** A datagram socket. */
    WEFT__SIM_DATAGRAM
};

/** Where a socket stands; datagram sockets know IDLE and CONNECTED alone. */
enum weft__sim_state {
    /** Neither listens nor is connected. Next: LISTENING, CONNECTING, CONNECTED. */
    WEFT__SIM_IDLE,
    /** Takes connections. Next: IDLE (shutdown). */
    WEFT__SIM_LISTENING,
    /** connect said -EINPROGRESS. Next: CONNECTED, FAILED. */
    WEFT__SIM_CONNECTING,
    /** Has a peer, or had one. Next: IDLE (datagrams). */
    WEFT__SIM_CONNECTED,
    /** The connection in progress failed; `error` says why. Next: IDLE (connect told). */
    WEFT__SIM_FAILED
};

/** `shut`: nothing more will come in. The values are those of 1 << SHUT_RD and 1 << SHUT_WR. */
#define WEFT__SIM_SHUT_IN 1u
/** `shut`: nothing more may go out. */
#define WEFT__SIM_SHUT_OUT 2u
/** `shut`: both. */
#define WEFT__SIM_SHUT_BOTH 3u

/** How many bytes a pipe or a stream holds that nobody has read. */
#define WEFT__SIM_BUFFER ((size_t)65536)
/** How many options beside the known ones a socket keeps. */
#define WEFT__SIM_OPTIONS 8

/** A socket's name. */
struct weft__sim_name {
    /** How many bytes of `of` count; 0: no name. */
    socklen_t len;
    /** The address. */
    union {
        /** Any family. */
        struct sockaddr any;
        /** IPv4. */
        struct sockaddr_in in;
        /** IPv6. */
        struct sockaddr_in6 in6;
        /** A path or an abstract name. */
        struct sockaddr_un un;
        /** Room for all of them. */
        struct sockaddr_storage storage;
    } of;
};

/** Bytes on their way: a ring that grows up to its limit. */
struct weft__sim_buffer {
    /** The ring; NULL before the first byte. */
    unsigned char *bytes;
    /** Its size, a power of two. */
    size_t room;
    /** Where the first byte is. */
    size_t start;
    /** How many bytes there are. */
    size_t len;
};

/** One datagram on its way. */
struct weft__sim_datagram {
    /** Membership in the receiver's queue. */
    struct weft_link link;
    /** Who sent it. */
    struct weft__sim_name from;
    /** Its length; 0 is one too. */
    size_t len;
    /** Its bytes. */
    unsigned char bytes[];
};

/** An option that was set and is only remembered. */
struct weft__sim_option {
    /** SOL_SOCKET, IPPROTO_TCP ... */
    int level;
    /** SO_REUSEADDR ... */
    int option;
    /** How many bytes of the value count. */
    socklen_t len;
    /** Its value: an int, a struct timeval, a struct linger. */
    unsigned char value[16];
};

/** What a descriptor stands for; also the server's side of a connection not yet accepted. */
struct weft__sim_file {
    /** Membership in the world's list of bound sockets. */
    struct weft_link bound;
    /** Membership in a listener's backlog. */
    struct weft_link waiting;
    /** What it is. */
    enum weft__sim_kind kind;
    /** Where it stands. */
    enum weft__sim_state state;
    /** AF_INET ...; AF_UNSPEC for what is no socket. */
    int domain;
    /** Tells lives of one number apart. */
    unsigned serial;
    /** WEFT__SIM_SHUT_... */
    unsigned shut;
    /** O_NONBLOCK as F_GETFL shows it; nothing depends on it. */
    int status_flags;
    /** FD_CLOEXEC. */
    int descriptor_flags;
    /** A pending error, positive; SO_ERROR takes it. */
    int error;
    /** The connection was made in the background and the next connect says 0. */
    bool announce;
    /** SO_LINGER with time 0: close resets. */
    bool reset_on_close;
    /** The end of the stream was read once. */
    bool end_seen;
    /** An event counter that counts down by one. */
    bool semaphore;
    /** The other end; NULL: gone, or never there. */
    struct weft__sim_file *peer;
    /** Its own name. */
    struct weft__sim_name name;
    /** Its peer's name. */
    struct weft__sim_name peer_name;
    /** Bytes that came and were not read. */
    struct weft__sim_buffer input;
    /** Datagrams that came and were not read. */
    struct weft_link datagrams;
    /** Their bytes. */
    size_t datagram_bytes;
    /** Connections not yet accepted. */
    struct weft_link backlog;
    /** How many. */
    size_t backlog_len;
    /** How many there may be. */
    size_t backlog_limit;
    /** The count of an event counter; other threads write it. */
    _Atomic uint64_t count;
    /** Options set. */
    struct weft__sim_option options[WEFT__SIM_OPTIONS];
    /** How many. */
    size_t option_count;
};

/** Numbers of one chunk of the descriptor table. */
#define WEFT__SIM_CHUNK 256
/** Chunks: as many descriptors as a process may have by default on a big server. */
#define WEFT__SIM_CHUNKS 256

/** Streams of random numbers, apart so that a program's use of one does not change the others. */
enum weft__sim_stream {
    /** sys->random. */
    WEFT__SIM_RANDOM_PROGRAM,
    /** The order among what is ready. */
    WEFT__SIM_RANDOM_ORDER,
    /** Which connections take their time. */
    WEFT__SIM_RANDOM_CONNECT,
    /** How many streams there are. */
    WEFT__SIM_RANDOM_STREAMS
};

/** A world. */
struct weft__sim {
    /** The table; first, so that its address is the world's. */
    struct weft_sys sys;
    /** The clock. Any thread reads it. */
    _Atomic weft_ns now;
    /** What it was made with; 0: no surprises. */
    uint64_t seed;
    /** States of the streams of random numbers. */
    uint64_t random[WEFT__SIM_RANDOM_STREAMS];
    /** The descriptor table, in chunks that never move: another thread may write to an event. */
    struct weft__sim_file **chunks[WEFT__SIM_CHUNKS];
    /** How many descriptors are open. */
    size_t open;
    /** No number below this one is free. */
    size_t lowest;
    /** Numbers the files. */
    unsigned serial;
    /** Sockets with names, oldest first. */
    struct weft_link bound;
    /** The next ephemeral port. */
    unsigned next_port;
    /** The next name of an unnamed Unix socket that asks for one. */
    unsigned next_name;
    /** Bytes, datagrams, connections and ends that moved: tells whether anything happens. */
    uint64_t moves;
    /** Jobs in the real world: the clock stands still while there are any. */
    size_t held;
    /** The clock moves only by weft__sim_advance. Any thread. */
    atomic_bool manual;
    /** Names that the test gave it, in that order. */
    struct weft_link hosts;
};

/* world.c */

/** The world of a table. */
struct weft__sim *weft__sim_world(const struct weft_sys *sys);
/** The world at the bottom of wrapping tables, NULL when there is none. */
struct weft__sim *weft__sim_find(const struct weft_sys *sys);
/** The next number of a stream. */
uint64_t weft__sim_random(struct weft__sim *world, enum weft__sim_stream stream);
/** Moves the clock on. Any thread. */
void weft__sim_advance(struct weft__sim *world, weft_ns duration);
/** Counts a job in the real world (+1) and its end (-1). */
void weft__sim_hold(struct weft__sim *world, int jobs);
/** realloc of the world's own memory: real, and nobody's fault point. */
void *weft__sim_realloc(void *p, size_t size);

/* file.c */

/** A new file without a number; NULL out of memory. */
struct weft__sim_file *weft__sim_file_new(struct weft__sim *world, enum weft__sim_kind kind,
                                          int domain);
/** The lowest free number, -EMFILE or -ENOMEM. */
int weft__sim_number(struct weft__sim *world);
/** Puts a file under a number that weft__sim_number gave. `flags`: O_NONBLOCK, O_CLOEXEC. */
void weft__sim_place(struct weft__sim *world, int fd, struct weft__sim_file *file, int flags);
/** Gives a file a number: that, or an error with the file ended. A NULL file: -ENOMEM. */
int weft__sim_install(struct weft__sim *world, struct weft__sim_file *file, int flags);
/** Installs both, joined as each other's peer, or neither. */
int weft__sim_install_pair(struct weft__sim *world, struct weft__sim_file *first,
                           struct weft__sim_file *second, int flags, int fds[2]);
/** The file of a number, NULL when it is not open. */
struct weft__sim_file *weft__sim_file(struct weft__sim *world, int fd);
/** Ends a file: its peer hears of it, its memory is freed. */
void weft__sim_file_end(struct weft__sim *world, struct weft__sim_file *file);
/** close(2). */
int weft__sim_close(struct weft__sim *world, int fd);
/** read(2). */
ssize_t weft__sim_read(struct weft__sim *world, struct weft__sim_file *file, void *buf, size_t len);
/** write(2). */
ssize_t weft__sim_write(struct weft__sim *world, struct weft__sim_file *file, const void *buf,
                        size_t len);
/** fcntl(2): the flags. */
int weft__sim_fcntl(struct weft__sim_file *file, int command, long arg);
/** fstat(2): the kind. */
int weft__sim_fstat(const struct weft__sim_file *file, struct stat *ret);
/** pipe2(2). */
int weft__sim_pipe2(struct weft__sim *world, int fds[2], int flags);
/** eventfd(2). */
int weft__sim_eventfd(struct weft__sim *world, unsigned value, int flags);
/** All of POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP that hold. A connection in progress is
 * tried. */
unsigned weft__sim_ready(struct weft__sim *world, struct weft__sim_file *file);
/** recv of a byte stream; `flags` MSG_PEEK. */
ssize_t weft__sim_stream_get(struct weft__sim *world, struct weft__sim_file *file, void *buf,
                             size_t len, int flags);
/** send of a byte stream. */
ssize_t weft__sim_stream_put(struct weft__sim *world, struct weft__sim_file *file, const void *buf,
                             size_t len);
/** Takes the pending error: negative, or 0. */
int weft__sim_take_error(struct weft__sim_file *file);

/* socket.c */

/** socket(2). */
int weft__sim_socket(struct weft__sim *world, int domain, int type, int protocol);
/** socketpair(2). */
int weft__sim_socketpair(struct weft__sim *world, int domain, int type, int protocol, int fds[2]);
/** listen(2). */
int weft__sim_listen(struct weft__sim *world, struct weft__sim_file *file, int backlog);
/** accept4(2). */
int weft__sim_accept(struct weft__sim *world, struct weft__sim_file *file, struct sockaddr *address,
                     socklen_t *len, int flags);
/** connect(2). */
int weft__sim_connect(struct weft__sim *world, struct weft__sim_file *file,
                      const struct sockaddr *address, socklen_t len);
/** Makes a connected datagram socket an unconnected one. */
void weft__sim_disconnect(struct weft__sim_file *file);
/** Tries again to make a connection that is in progress. */
void weft__sim_settle(struct weft__sim *world, struct weft__sim_file *file);
/** Refuses what waits in a listener's backlog. */
void weft__sim_drop_backlog(struct weft__sim *world, struct weft__sim_file *file);
/** shutdown(2). */
int weft__sim_shutdown(struct weft__sim *world, struct weft__sim_file *file, int how);

/* name.c */

/** bind(2). */
int weft__sim_bind(struct weft__sim *world, struct weft__sim_file *file,
                   const struct sockaddr *address, socklen_t len);
/** Gives a socket a name: a free port where it has none, a free one where a Unix name is empty.
 *  0, -EADDRINUSE. */
int weft__sim_give_name(struct weft__sim *world, struct weft__sim_file *file,
                        struct weft__sim_name *name);
/** Binds to a free port of the address from which `target` is reached, if it has no name yet. */
int weft__sim_bind_any(struct weft__sim *world, struct weft__sim_file *file,
                       const struct weft__sim_name *target);
/** Once connected, a socket bound to any address knows the one it is reached at. */
void weft__sim_fix_source(struct weft__sim_file *file, const struct weft__sim_name *target);
/** The socket of that domain and kind to which `name` leads, NULL. */
struct weft__sim_file *weft__sim_lookup(struct weft__sim *world, const struct weft__sim_file *like,
                                        const struct weft__sim_name *name);
/** A name from the caller's bytes, "any address" made loopback; -EINVAL, -EAFNOSUPPORT. */
int weft__sim_target(const struct weft__sim_file *file, const struct sockaddr *address,
                     socklen_t len, struct weft__sim_name *ret);
/** Whether two names are the same. */
bool weft__sim_same_name(const struct weft__sim_name *a, const struct weft__sim_name *b);
/** Copies a name out as the kernel does: cut, with the whole length told. */
void weft__sim_copy_name(const struct weft__sim_file *file, const struct weft__sim_name *name,
                         struct sockaddr *address, socklen_t *len);

/* option.c */

/** getsockopt(2). */
int weft__sim_getsockopt(struct weft__sim_file *file, int level, int option, void *value,
                         socklen_t *len);
/** setsockopt(2). */
int weft__sim_setsockopt(struct weft__sim_file *file, int level, int option, const void *value,
                         socklen_t len);

/* datagram.c */

/** recvfrom(2) of a datagram socket. */
ssize_t weft__sim_datagram_get(struct weft__sim *world, struct weft__sim_file *file, void *buf,
                               size_t len, int flags, struct sockaddr *address,
                               socklen_t *address_len);
/** sendto(2) of a datagram socket; `address` NULL: the connected peer. */
ssize_t weft__sim_datagram_put(struct weft__sim *world, struct weft__sim_file *file,
                               const void *buf, size_t len, const struct sockaddr *address,
                               socklen_t address_len);
/** Whether a connected datagram socket may send now. */
bool weft__sim_datagram_room(struct weft__sim *world, struct weft__sim_file *file);
/** Drops what was not read. */
void weft__sim_datagram_drop(struct weft__sim_file *file);

/* message.c */

/** Puts writev, recvmsg, sendmsg and their kin into a world's table. */
void weft__sim_add_messages(struct weft_sys *sys);

/* host.c */

/** A name of a world, with one address or one error. */
struct weft__sim_host {
    /** Membership in the world's list. */
    struct weft_link link;
    /** What a look-up gives: 0, or as the entry getaddrinfo; then there is no address. */
    int error;
    /** The address, without a port. */
    struct weft__sim_name address;
    /** The name. */
    char name[];
};

/** Puts files, threads, names and processes into a world's table. */
void weft__sim_add_host(struct weft_sys *sys);
/** Gives a world one more address of a name, or the error of one. 0; -ENOMEM. */
int weft__sim_add_name(struct weft__sim *world, const char *name,
                       const struct weft__sim_name *address, int error);
/** Forgets all names. */
void weft__sim_forget_names(struct weft__sim *world);

#endif
