/* SPDX-License-Identifier: MIT */
/*
 * weft/serve.h: servers of streams
 *
 * A server listens, and runs a function in a task of its own for each connection. The function gets
 * a stream and need not close it.
 *
 *     static int echo(struct weft_stream *stream, void *arg)
 *     {
 *         int64_t n = weft_stream_copy(stream, stream, WEFT_STREAM_ALL);
 *         return n < 0 ? (int)n : 0;
 *     }
 *
 *     rc = weft_serve("*:7777", echo, NULL);             until it is cancelled
 *
 *     rc = weft_server_open(&scope, &options, echo, NULL, &server);       beside us
 *     ...
 *     weft_server_drain(server, 10 * WEFT_SEC);
 *     rc = weft_server_join(server);
 *
 * Where it listens
 *   "127.0.0.1:80", "[::1]:80"   one address; IPv6 without IPv4
 *   "*:80"                       every address of this machine, both families where it has both; a
 *                                port of 0 is the same one for both
 *   "unix:/path", "unix:@name"   see below
 *   "inherited", "inherited:web" sockets that were opened for us and passed as systemd does: all of
 *                                them, or those of that name (weft_inherited)
 *   Numbers only: nothing is looked up. A host name, as in "localhost:80", is -EINVAL with a note
 *   that says so. Who wants to serve a name resolves it (weft/resolve.h) and serves each address
 *   that comes, as text (weft_address_format).
 *
 * Its life
 *
 *     LISTENING ──close──▶ CLOSED ──────────last connection ended─────────▶ OVER
 *         │                  └──drain──▶ DRAINING ──last connection ended──▶ OVER
 *         └──drain──────────────────────────┘
 *
 *   - Closing ends the listening, at once: the addresses are free when the call returns. It touches
 *     no connection. Connections that had been accepted are served, those that had not are reset.
 *   - Draining also gives the connections a deadline. Those that are idle (weft_serve_idle) are
 *     cancelled at once, the rest when the grace is over.
 *   - A cancellation, or a deadline, of the scope that the server is in drains it with the grace of
 *     its options. That is what Ctrl-C does to weft_serve. Until its grace is over no connection
 *     sees the cancellation: this is the one place where work inside a cancelled scope goes on.
 *   - Join returns in the state OVER, in whichever order close, the last end and join come.
 *
 * What happens to others
 *   - A failing handler ends its own connection. The failure goes to the loop's failure handler
 *     (weft_loop_set_failure_handler; by default one line on stderr), and to the statistics.
 *   - When there are as many connections as allowed, no more are accepted: clients wait in the
 *     backlog, then in the network.
 *   - When descriptors or memory run out, accepting pauses until a connection of this server ends,
 *     at most for `pause`. This is reported to the failure handler, at most once a minute, and
 *     counted. The connections that exist do not notice.
 *
 * Unix sockets: a path that is in the way is removed only if it is a socket of our own user at
 * which nobody listens; else -EADDRINUSE. Of servers that start at the same time over one path, one
 * gets it (in one network namespace, and unless somebody holds the lock for longer than a second,
 * which is an abstract Unix name). When it closes, a server removes the path that it made, and only
 * if that still leads to its socket, so that a newer server's is left alone.
 *
 * All calls are for the thread of the server's loop; more processors are used by more loops
 * (weft_serve_loops). A server lives as long as the scope it was opened into.
 */
#ifndef WEFT_SERVE_H
#define WEFT_SERVE_H

#include <weft/net.h>
#include <weft/run.h>
#include <weft/scope.h>
#include <weft/stream.h>
#include <weft/types.h>

WEFT_BEGIN

/** A server. */
struct weft_server;

/** Serves one connection. The stream is closed when it returns; a negative result is a failure. */
typedef int weft_serve_fn(struct weft_stream *stream, void *arg);

/** How many connections may wait to be accepted, unless said otherwise. */
#define WEFT_SERVE_BACKLOG 1024
/** How many connections one server serves at once, unless said otherwise. */
#define WEFT_SERVE_CONNECTIONS 16384
/** How long connections may go on after a cancellation, unless said otherwise. */
#define WEFT_SERVE_GRACE (1 * WEFT_SEC)
/** How long accepting pauses when descriptors or memory run out, unless said otherwise. */
#define WEFT_SERVE_PAUSE (1 * WEFT_SEC)
/** How long a client may take for what was put when its handler has returned, unless said
 *  otherwise; then the connection is reset. */
#define WEFT_SERVE_CLOSE (10 * WEFT_SEC)

/** Other sockets may listen on the same TCP address (SO_REUSEPORT); the kernel spreads connections
 *  over them. */
#define WEFT_SERVE_REUSE_PORT 1u
/** Unix paths stay when the server closes, and none is removed when it opens. */
#define WEFT_SERVE_KEEP_PATH 2u

/** How to serve; NULL, or zero everywhere, is the default. */
struct weft_serve_options {
    /** sizeof(struct weft_serve_options), or 0 for that of this header. */
    size_t size;
    /** Where to listen; NULL: nowhere, see `addresses` and `fds`. */
    const char *address;
    /** More addresses. */
    const char *const *addresses;
    /** How many. */
    size_t address_count;
    /** Sockets that listen already. They belong to the server once it is open, which makes them
     *  non-blocking. */
    const int *fds;
    /** How many. */
    size_t fd_count;
    /** WEFT_SERVE_... */
    unsigned flags;
    /** How many connections may wait to be accepted; 0: WEFT_SERVE_BACKLOG. */
    int backlog;
    /** How many are served at once; 0: WEFT_SERVE_CONNECTIONS. */
    size_t max_connections;
    /** How long connections may go on after a cancellation. 0: WEFT_SERVE_GRACE; negative: not at
     *  all; WEFT_FOREVER: as long as they like. */
    weft_ns grace;
    /** The longest pause when descriptors or memory run out; 0: WEFT_SERVE_PAUSE. */
    weft_ns pause;
    /** How long a client may take for what was put when its handler has returned; 0:
     *  WEFT_SERVE_CLOSE. */
    weft_ns close;
    /** Permissions of Unix paths; 0: what the umask leaves of 0777. */
    unsigned unix_mode;
    /** Bytes of stack for each handler; 0: as weft_task_options. */
    size_t stack_size;
    /** Of each stream; NULL: the defaults. */
    const struct weft_stream_options *stream;
};

/**
 * Serves one address until it is cancelled, or until accepting fails for good. Calls weft_ready()
 * when it listens. Waiting: -ECANCELED after the drain; -EINVAL the text is no address, or has a
 * host name in it, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and others of bind(2) and listen(2),
 * -ENOENT no such inherited socket, each with a note; else why accepting failed.
 */
#define weft_serve(address, fn, arg) weft_serve_at((address), (fn), (arg), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_serve_at(const char *address, weft_serve_fn *fn, void *arg,
                                           const char *site);

/** weft_serve with options. Waiting. -EINVAL they name nowhere to listen. */
#define weft_serve_with(options, fn, arg) weft_serve_with_at((options), (fn), (arg), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_serve_with_at(const struct weft_serve_options *options,
                                                weft_serve_fn *fn, void *arg, const char *site);

/**
 * One server on `count` loops, each on a thread of its own (weft_run_loops) and with listening
 * sockets of its own: TCP addresses by SO_REUSEPORT, so that the kernel spreads connections over
 * them; all others are one socket that the loops share. The handler runs on every thread, and what
 * its calls share needs locks or channels. The limits of the options are for each loop.
 *
 * Instead of weft_run: it blocks its thread until the first loop is cancelled (SIGINT, SIGTERM) or
 * one has failed; all then drain with their grace. Plain. Outside tasks. -ECANCELED; as weft_serve,
 * without a note, and then nothing was served; as weft_run_loops.
 */
#define weft_serve_loops(count, run, options, fn, arg)                                             \
    weft_serve_loops_at((count), (run), (options), (fn), (arg), WEFT_SITE)
WEFT_API int weft_serve_loops_at(unsigned count, const struct weft_run_options *run,
                                 const struct weft_serve_options *options, weft_serve_fn *fn,
                                 void *arg, const char *site);

/**
 * Opens a server whose tasks run in `scope`; it listens when the call returns. Either all addresses
 * are listened on or none. Waiting. Returns as weft_serve; *ret untouched on failure, and the
 * descriptors of options.fds are still the caller's. A later failure of accepting is one of the
 * scope. The server may be used until the scope's exit returns.
 */
#define weft_server_open(scope, options, fn, arg, ret)                                             \
    weft_server_open_at((scope), (options), (fn), (arg), (ret), WEFT_SITE)
WEFT_API WEFT_MUST_CHECK int weft_server_open_at(struct weft_scope *scope,
                                                 const struct weft_serve_options *options,
                                                 weft_serve_fn *fn, void *arg,
                                                 struct weft_server **ret, const char *site);

/** Stops listening; connections stay. Releasing. 0, also the second time; what weft_close says. */
WEFT_API int weft_server_close(struct weft_server *server);

/**
 * Stops listening and gives the connections `grace` (see struct weft_serve_options, but 0 means
 * none at all); idle ones are cancelled at once. A later call may bring the deadline nearer and
 * nothing else. Releasing, and it does not wait for the connections. Returns as weft_server_close.
 */
WEFT_API int weft_server_drain(struct weft_server *server, weft_ns grace);

/** Drains without grace, and resets every connection: nothing that is unsent will be sent. See
 *  weft_server_drain. Releasing. */
WEFT_API int weft_server_abort(struct weft_server *server);

/** Waits until the server was closed and its last connection has ended. Several tasks may. Waiting:
 *  0; -ECANCELED; -EDEADLK called by one of its own handlers. */
WEFT_API WEFT_MUST_CHECK int weft_server_join(struct weft_server *server);

/** Where a server stands. */
enum weft_server_state {
    /** It listens. Next: CLOSED, DRAINING. */
    WEFT_SERVER_LISTENING,
    /** It does not listen any more; connections stay. Next: DRAINING, OVER. */
    WEFT_SERVER_CLOSED,
    /** Connections have a deadline. Next: OVER. */
    WEFT_SERVER_DRAINING,
    /** No connection is left. The end. */
    WEFT_SERVER_OVER
};

/** Where it stands. Plain. */
WEFT_API enum weft_server_state weft_server_state(const struct weft_server *server);

/** What a server counts. */
struct weft_server_stats {
    /** Connections accepted. */
    uint64_t accepted;
    /** Connections that are served now. */
    uint64_t active;
    /** The most that were served at once. */
    uint64_t peak;
    /** Handlers that returned 0 or more. */
    uint64_t succeeded;
    /** Handlers that returned a failure. */
    uint64_t failed;
    /** Handlers that were cancelled: by a drain, or because they were idle in one. */
    uint64_t cancelled;
    /** Connections that were accepted and dropped for want of memory. */
    uint64_t dropped;
    /** Connections that were gone before they were accepted. */
    uint64_t vanished;
    /** Times accepting paused for want of descriptors or memory. */
    uint64_t pauses;
    /** Times accepting waited because there were max_connections. */
    uint64_t full;
};

/** Fills *ret. Plain. */
WEFT_API void weft_server_get_stats(const struct weft_server *server,
                                    struct weft_server_stats *ret);

/** How many listening sockets it has, 0 once closed; the addresses of the first `count` go to
 *  `addresses`. Plain. */
WEFT_API size_t weft_server_addresses(const struct weft_server *server,
                                      struct weft_address *addresses, size_t count);

/**
 * How many listening sockets it has; the descriptors of the first `count` go to `fds`, to be passed
 * to another process. They stay the server's. Plain.
 */
WEFT_API size_t weft_server_fds(const struct weft_server *server, int *fds, size_t count);

/** Somebody else listens on its sockets now: Unix paths stay when it closes. Plain. */
WEFT_API void weft_server_keep_paths(struct weft_server *server);

/** Nobody else listens on its sockets any more: Unix paths go when it closes, those of sockets that
 *  were given to it too. Plain. */
WEFT_API void weft_server_take_paths(struct weft_server *server);

/* For handlers. They may be called by a handler's task and by those that it starts and waits for.
 */

/** The server whose connection the calling task serves; NULL elsewhere. Plain. */
WEFT_API struct weft_server *weft_serve_server(void);

/** Nonzero when that server does not listen any more: time to come to an end. Plain. */
WEFT_API int weft_serve_draining(void);

/**
 * Says that the connection is idle (nonzero: between two requests, so that nothing is lost with it)
 * or busy again (0, as each begins). A drain cancels it at once while it is idle. Plain.
 */
WEFT_API void weft_serve_idle(int idle);

/* Inherited sockets. */

/**
 * Sockets that were opened for this process and passed by LISTEN_FDS, LISTEN_PID and
 * LISTEN_FDNAMES, as sd_listen_fds(3) says: how many there are with this name (NULL: with any); the
 * first `count` descriptors go to `fds`, made close-on-exec. They belong to the caller. The
 * environment is left alone: programs that it starts have another process id. Plain. 0 when there
 * are none, or they are for another process; -EINVAL the variables make no sense, with a note.
 */
WEFT_API int weft_inherited(const char *name, int *fds, size_t count);

WEFT_END

#endif
