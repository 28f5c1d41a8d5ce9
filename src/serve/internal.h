/* SPDX-License-Identifier: MIT */
/*
 * internal.h: for the files of serve
 *
 *     serve.c       the calls that wait until a server is over
 *     server.c      its life: open, close, drain, join, statistics
 *     loops.c       one server on several loops
 *     accept.c      a task for each listener; what happens when accepting fails
 *     connection.c  a task for each connection
 *     listener.c    from an address, or a descriptor that was given, to a listening socket
 *     path.c        Unix paths: which are stale, which are ours
 *     inherited.c   sockets that were opened for us
 *
 * The tasks of a server, and the scopes that they live in:
 *
 *     the caller's scope
 *       ├── server        waits for the acceptors; hears of a cancellation, and then drains
 *       │     └── a scope: acceptor, acceptor ...
 *       └── connections   a shield, whose deadline is that of the drain
 *             └── a supervising scope: connection, connection ...
 *
 * Two tasks, because one that is shielded does not hear of the cancellation that the other must act
 * upon.
 */
#ifndef WEFT_SERVE_INTERNAL_H
#define WEFT_SERVE_INTERNAL_H

#include "base/list.h"
#include "loop/poller.h"

#include <stdbool.h>
#include <weft/error.h>
#include <weft/net.h>
#include <weft/scope.h>
#include <weft/serve.h>
#include <weft/stream.h>
#include <weft/sync.h>
#include <weft/task.h>

/** A file, by what tells it from all others while it exists. */
struct weft__path_id {
    /** The device; both 0: no file. */
    dev_t device;
    /** The inode. */
    ino_t inode;
};

/** One listening socket. */
struct weft__listener {
    /** Its server. */
    struct weft_server *server;
    /** The socket; -1 once closed. */
    int fd;
    /** It was given to us: a failing open leaves it open. */
    bool given;
    /** How many clients that were gone it had in a row. */
    unsigned passed_over;
    /** Where it listens. */
    struct weft_address address;
    /** The Unix path that we made. */
    struct weft__path_id path;
};

/** A server; in the memory of the scope that it was opened into. */
struct weft_server {
    /** What was asked for, defaults filled in. Pointers to addresses and descriptors are NULL. */
    struct weft_serve_options options;
    /** Options of the streams. */
    struct weft_stream_options stream;
    /** Serves a connection. */
    weft_serve_fn *fn;
    /** Its argument. */
    void *arg;
    /** "file:line" of who opened it. */
    const char *site;
    /** Where it stands. */
    enum weft_server_state state;
    /** What it counts. */
    struct weft_server_stats stats;
    /** Set when it does not listen any more. */
    struct weft_event closed;
    /** Set when it is over. */
    struct weft_event over;
    /** Set when a connection has ended or the server was closed; cleared by who waits for it. */
    struct weft_event changed;
    /** Keeps cancellation from the connections until the drain's deadline. */
    struct weft_scope shield;
    /** Where the connections run. */
    struct weft_scope connections;
    /** The connections that are served: struct weft__connection. */
    struct weft_link served;
    /** When a shortage may be reported again. */
    struct weft_time quiet_until;
    /** The drain's deadline. */
    struct weft_time deadline;
    /** How many listeners there are. */
    size_t listener_count;
    /** The listeners. */
    struct weft__listener listeners[];
};

/** Makes a server that does nothing yet in `size` bytes, with room for listeners behind it. */
void weft__server_init(struct weft_server *server, size_t size,
                       const struct weft_serve_options *options);
/** How many bytes a server with so many listeners has. */
size_t weft__server_size(size_t listeners);

/** The task of an acceptor; `arg` is its struct weft__listener. */
int weft__accept_run(void *arg);

/** Starts the task of a connection, which owns `fd` from then on. As weft_start. */
int weft__connection_start(struct weft_server *server, int fd, const struct weft_address *peer);
/** Cancels the connections that are idle, or all. */
void weft__connections_cancel(struct weft_server *server, bool all);
/** Lets all connections end with a reset, whenever they do. */
void weft__connections_abort(struct weft_server *server);

/** At most how many listeners the options ask for; negative: no such inherited socket. */
ssize_t weft__listeners_count(const struct weft_serve_options *options);
/** Opens all that the options ask for into the server: 0, or nothing is open. */
int weft__listeners_open(struct weft_server *server, const struct weft_serve_options *options);
/** Opens listeners into `server` beside those of `like`: others on the same TCP addresses, the same
 *  ones otherwise. 0, or nothing is open. */
int weft__listeners_open_beside(struct weft_server *server, const struct weft_server *like);
/** Undoes the opening: closes what was opened, and leaves what was given to those who gave it. */
void weft__listeners_give_back(struct weft_server *server);
/** Closes a listener, and removes its path if it is still ours. The first failure. */
int weft__listener_close(struct weft__listener *listener);

/** Keeps others from opening a server at the same path until the unlock: 0, *ret is for that one,
 *  -1 where there is no path or no lock to be had; -ECANCELED, unlocked. Waits a second at most. */
int weft__path_lock(const struct weft_address *address, int *ret);
void weft__path_unlock(int lock);
/** bind(2) to a Unix address, over a stale path too; *ret is the path that came of it. */
int weft__path_bind(int fd, const struct weft_address *address,
                    const struct weft_serve_options *options, struct weft__path_id *ret);
/** Which file the path is now. Nothing changes when there is none, or it is no Unix address. */
void weft__path_know(const struct weft_address *address, struct weft__path_id *ret);
/** Removes the path if it is still the file of that id. */
void weft__path_remove(const struct weft_address *address, const struct weft__path_id *id);

/** More sockets than anybody passes. */
#define WEFT__INHERITED_MOST 256
/** Whether the text asks for inherited sockets; *ret is their name, NULL for all. */
bool weft__inherited_named(const char *text, const char **ret);

#endif
