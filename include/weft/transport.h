/* SPDX-License-Identifier: MIT */
/*
 * weft/transport.h: transports and protocols, the callback tier of connections
 *
 * A transport moves bytes; a protocol is told what came. Nothing needs a task: a loop and callbacks
 * are enough, but for two calls that tasks make, weft_transport_connect_host and
 * weft_subprocess_exec. The model is asyncio's, and so is the order of callbacks:
 *
 *     connection_made ─▶ data_received* ─▶ eof_received? ─▶ connection_lost
 *                        (or get_buffer, buffer_updated)     once, always, last
 *                        pause_writing, resume_writing in turns
 *
 *   - Callbacks run on the loop's own stack, never inside a call of this header but for one:
 *     pause_writing is called by the write that passes the high-water mark (or by the call that
 *     moves the mark). Reading starts when connection_made has returned.
 *   - connection_lost(0) follows a close, an abort, or the peer's end; connection_lost(code) an
 *     error. It comes from the loop, never from inside write, close or abort.
 *   - A callback that returns a negative code ends its connection: what is to be written is
 *     dropped and connection_lost gets that code.
 *   - One read of at most 256 KiB is made each time a descriptor is ready, so that a connection
 *     that never pauses does not starve the others.
 *
 * A transport lives from its making until connection_lost has returned; who wants to look at it
 * later holds a reference. Its descriptor is its own: weft_loop_add_reader, raw waits and all other
 * users of that descriptor get -EBUSY. Loops that are freed close the descriptors of what is left,
 * without a callback.
 *
 * Limits, and their defaults: pause_writing above 64 KiB to be written, resume_writing at 16 KiB,
 * -ENOBUFS above 16 MiB. A read is at most 256 KiB, a backlog 100, and after a lack of descriptors
 * or memory a server accepts nothing for a second.
 */
#ifndef WEFT_TRANSPORT_H
#define WEFT_TRANSPORT_H

#include <sys/uio.h>
#include <weft/error.h>
#include <weft/future.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/types.h>

WEFT_BEGIN

struct weft_connect_options;
struct weft_stream;
struct weft_stream_options;

/** A connection, a datagram socket, or one end of a pipe. */
struct weft_transport;

/** At most so many bytes are read each time a descriptor is ready. */
#define WEFT_TRANSPORT_READ_SIZE 262144
/** pause_writing is called when more than so many bytes are to be written. */
#define WEFT_TRANSPORT_HIGH 65536
/** resume_writing is called when so many are left. */
#define WEFT_TRANSPORT_LOW (WEFT_TRANSPORT_HIGH / 4)
/** A write that would leave more than so many is refused. */
#define WEFT_TRANSPORT_HARD 16777216
/** What a datagram counts for beside its bytes, so that empty ones count too. */
#define WEFT_TRANSPORT_DATAGRAM_COST 8

/**
 * What a protocol wants to be told. Each callback gets `self`, the protocol's own, and the
 * transport; NULL: not interested. Constant, static in most programs.
 */
struct weft_protocol {
    /** sizeof(struct weft_protocol), also when 0: what a smaller one lacks reads as NULL. */
    size_t size;
    /** First, once: the transport can be used. A negative code ends the connection. */
    int (*connection_made)(void *self, struct weft_transport *transport);
    /** Bytes came; they are valid during the call. A negative code ends the connection. */
    int (*data_received)(void *self, struct weft_transport *transport, const void *data,
                         size_t len);
    /** Instead of data_received: where to read to. *ret_len, at first the most that is read at
     *  once, gets the room there is. NULL or no room: the connection ends with -ENOBUFS. */
    void *(*get_buffer)(void *self, struct weft_transport *transport, size_t *ret_len);
    /** So many bytes were read to where get_buffer said. A negative code ends the connection. */
    int (*buffer_updated)(void *self, struct weft_transport *transport, size_t len);
    /** The peer sends no more, at most once. 1: our side goes on writing; 0 (and NULL): the
     *  transport is closed; a negative code ends the connection. */
    int (*eof_received)(void *self, struct weft_transport *transport);
    /** Last, once: 0, or the error that ended it. The descriptor is closed after it. */
    void (*connection_lost)(void *self, struct weft_transport *transport, int code);
    /** More than the high-water mark is to be written. */
    void (*pause_writing)(void *self, struct weft_transport *transport);
    /** What is to be written fell to the low-water mark. */
    void (*resume_writing)(void *self, struct weft_transport *transport);
    /** A datagram came, possibly an empty one; `from` has len 0 when it has no name. `len` is what
     *  was received of it. A negative code ends the transport. */
    int (*datagram_received)(void *self, struct weft_transport *transport, const void *data,
                             size_t len, const struct weft_address *from);
    /** A datagram could not be sent, or an earlier one was refused (-ECONNREFUSED); the transport
     *  goes on. */
    void (*error_received)(void *self, struct weft_transport *transport, int code);
};

/**
 * Gives a connection its protocol: the callbacks to *ret_protocol, what they get as `self` to
 * *ret_self (NULL before). A negative code: the connection is closed, nobody is told of it again
 * but who asked for it.
 */
typedef int weft_protocol_factory(void *arg, const struct weft_protocol **ret_protocol,
                                  void **ret_self);

/** How connections and servers are made; NULL, or zero everywhere, is the default. */
struct weft_transport_options {
    /** sizeof(struct weft_transport_options), also when 0: what a smaller one lacks reads as zero.
     */
    size_t size;
    /** create_connection: where the connection is to come from; NULL: the kernel chooses. */
    const struct weft_address *local;
    /** Streams over TCP: leave Nagle's algorithm on. Default: TCP_NODELAY. */
    int delay;
    /** Streams: SO_KEEPALIVE. */
    int keepalive;
    /** Servers and datagrams: SO_REUSEPORT. */
    int reuse_port;
    /** Datagrams: SO_BROADCAST. */
    int broadcast;
    /** Servers: connections that may wait to be accepted; 0: 100. */
    int backlog;
    /** Servers: called when accepting failed for lack of descriptors or memory and pauses for a
     *  second; NULL: a line on stderr. */
    void (*accept_failed)(void *arg, int code);
    /** Its argument. */
    void *accept_failed_arg;
};

/* Connecting. */

/**
 * Connects to a TCP or Unix address; by name: weft_transport_connect_host. When that is done, the
 * factory is called, then the protocol's connection_made, then *ret finishes with the transport as
 * its value; or with the error, and the factory was not called. The future's reference is the
 * caller's; cancelling it ends the attempt, or the connection if it was just made. `options` NULL:
 * defaults. Plain. -ENOMEM, -EMFILE, -ENFILE, -EAFNOSUPPORT; errors of bind(2) for
 * `options->local`.
 */
WEFT_API int weft_loop_create_connection(struct weft_loop *loop, const struct weft_address *address,
                                         const struct weft_transport_options *options,
                                         weft_protocol_factory *factory, void *arg,
                                         struct weft_future **ret);

/**
 * Connects by name, for tasks: looks the host up, tries its addresses and takes the first that
 * answers, as weft_tcp_connect_host, then does what weft_loop_create_connection does. When it
 * returns, connection_made has been called, and *ret (which may be NULL) is the transport. `how`
 * and `options` NULL: defaults; `options->local` is not looked at, `how` has several. Waiting: 0,
 * or with *ret untouched: the error of the look-up, of connecting, or of the factory; -ENOMEM; what
 * connection_lost gets, in the place of 0 -WEFT_ECLOSED, when the connection is over already;
 * -ECANCELED, the attempt was ended, or the connection closed that was just made.
 */
WEFT_API WEFT_MUST_CHECK int
weft_transport_connect_host(const char *host, const char *port,
                            const struct weft_connect_options *how,
                            const struct weft_transport_options *options,
                            weft_protocol_factory *factory, void *arg, struct weft_transport **ret);

/**
 * Makes a transport of a stream socket that is connected already. connection_made is scheduled.
 * `ret` may be NULL. The descriptor is the transport's if this returns 0, else the caller's. Its
 * flags are left as found. Plain. -EBADF, -ENOTSOCK, -EBUSY a task or callback waits on it,
 * -ENOMEM; what the factory returns.
 */
WEFT_API int weft_loop_connect_accepted_socket(struct weft_loop *loop, int fd,
                                               const struct weft_transport_options *options,
                                               weft_protocol_factory *factory, void *arg,
                                               struct weft_transport **ret);

/**
 * Makes a transport of the reading end of a pipe, of a stream socket, or of a character device such
 * as a terminal; at the end the protocol gets eof_received, then connection_lost(0).
 * connection_made is scheduled. `ret` may be NULL. The descriptor is the transport's if this
 * returns 0, else the caller's. Its flags are left as found. Plain. -EINVAL another kind of file;
 * -EBADF, -EBUSY, -ENOMEM; what the factory returns.
 */
WEFT_API int weft_loop_connect_read_pipe(struct weft_loop *loop, int fd,
                                         weft_protocol_factory *factory, void *arg,
                                         struct weft_transport **ret);

/**
 * The same of the writing end. When its reader is gone, connection_lost comes without a write: with
 * -EPIPE if something was kept, else with 0 (a character device does not tell). The process must
 * ignore SIGPIPE, as weft_main does. As weft_loop_connect_read_pipe.
 */
WEFT_API int weft_loop_connect_write_pipe(struct weft_loop *loop, int fd,
                                          weft_protocol_factory *factory, void *arg,
                                          struct weft_transport **ret);

/**
 * Makes a transport of a datagram socket: bound to `local`, connected to `remote`; either may be
 * NULL, not both. With the option `broadcast` it is not connected: `remote` only gives the family.
 * connection_made is scheduled; the transport in *ret can be used already. Plain. -EINVAL no
 * address; the errors of socket(2), bind(2), connect(2); -ENOMEM; what the factory returns.
 */
WEFT_API int weft_loop_create_datagram_endpoint(struct weft_loop *loop,
                                                const struct weft_address *local,
                                                const struct weft_address *remote,
                                                const struct weft_transport_options *options,
                                                weft_protocol_factory *factory, void *arg,
                                                struct weft_transport **ret);

/* Transports. Plain calls of the loop's thread. */

/** One more reference; returns `transport`. After connection_lost only the calls that say so may be
 *  made with it, and every reference goes back before the loop is freed. Plain. */
WEFT_API struct weft_transport *weft_transport_ref(struct weft_transport *transport);

/** One reference less. NULL is fine. Plain. */
WEFT_API void weft_transport_unref(struct weft_transport *transport);

/**
 * Sends what the kernel takes at once and keeps the rest, copied. 0; -ENOBUFS the hard limit would
 * be passed: nothing was taken; -EPIPE after weft_transport_write_eof; -ENOTSUP it cannot be
 * written to, or takes datagrams; -WEFT_ECLOSED it is closing or lost. An error of the connection
 * itself is told by connection_lost alone: 0 means no more than "taken". Plain.
 */
WEFT_API int weft_transport_write(struct weft_transport *transport, const void *data, size_t len);

/** As weft_transport_write of all vectors in their order, with one system call where that goes.
 *  Plain. */
WEFT_API int weft_transport_writelines(struct weft_transport *transport,
                                       const struct iovec *vectors, int count);

/**
 * Sends one datagram, possibly empty; one that the kernel has no room for is kept and sent later,
 * after those before it. `to` NULL: the peer it is connected to. 0 sent or kept; -ENOBUFS the hard
 * limit would be passed; -EDESTADDRREQ nobody to send to; -EINVAL another address than that of the
 * peer; -ENOTSUP not a datagram transport; -WEFT_ECLOSED; else the kernel's answer to this one
 * (-EMSGSIZE), which error_received tells only where it comes later. Plain.
 */
WEFT_API int weft_transport_sendto(struct weft_transport *transport, const void *data, size_t len,
                                   const struct weft_address *to);

/** No more will be written: what is kept is sent, then the peer sees the end. Reading goes on.
 *  Idempotent; nothing when closing. 0 or -ENOTSUP. Plain. */
WEFT_API int weft_transport_write_eof(struct weft_transport *transport);

/** Nonzero when weft_transport_write_eof can be done. Plain. */
WEFT_API int weft_transport_can_write_eof(const struct weft_transport *transport);

/** Stops reading, sends what is kept, then connection_lost(0) and the end. Idempotent. Plain. */
WEFT_API void weft_transport_close(struct weft_transport *transport);

/** As close, with what is kept dropped. Also while closing. Plain. */
WEFT_API void weft_transport_abort(struct weft_transport *transport);

/** Nonzero from close, abort, the peer's end or an error on; after connection_lost too. Plain. */
WEFT_API int weft_transport_is_closing(const struct weft_transport *transport);

/** Reads no more until weft_transport_resume_reading; what the peer sends stays in the kernel.
 *  Idempotent; nothing when closing. Plain. */
WEFT_API void weft_transport_pause_reading(struct weft_transport *transport);

/** Goes on reading. Idempotent; nothing when closing. Plain. */
WEFT_API void weft_transport_resume_reading(struct weft_transport *transport);

/** Nonzero unless paused, closing or at the end. Plain. */
WEFT_API int weft_transport_is_reading(const struct weft_transport *transport);

/** The three limits of what is to be written, in bytes. */
struct weft_transport_limits {
    /** More than so many: pause_writing. 0: whenever there are any. */
    size_t high;
    /** So many or fewer: resume_writing. At most `high`. */
    size_t low;
    /** A write that would pass this is refused. At least `high`. */
    size_t hard;
};

/** Sets all three; takes effect at once. -EINVAL unless low <= high <= hard. Plain. */
WEFT_API int weft_transport_set_write_buffer_limits(struct weft_transport *transport,
                                                    const struct weft_transport_limits *limits);

/** The limits in force. Plain. */
WEFT_API void weft_transport_get_write_buffer_limits(const struct weft_transport *transport,
                                                     struct weft_transport_limits *ret);

/** Bytes to be written; each datagram counts WEFT_TRANSPORT_DATAGRAM_COST more. Plain. */
WEFT_API size_t weft_transport_get_write_buffer_size(const struct weft_transport *transport);

/** Changes the protocol; the next event goes to the new one, which is not told connection_made.
 *  Plain. */
WEFT_API void weft_transport_set_protocol(struct weft_transport *transport,
                                          const struct weft_protocol *protocol, void *self);

/** The protocol; its `self` goes to *ret_self unless that is NULL. NULL after connection_lost.
 *  Plain. */
WEFT_API const struct weft_protocol *
weft_transport_get_protocol(const struct weft_transport *transport, void **ret_self);

/** Its loop. Plain. After connection_lost too. */
WEFT_API struct weft_loop *weft_transport_loop(const struct weft_transport *transport);

/** Its descriptor, to look at and to set options of; it stays the transport's. -EBADF after
 *  connection_lost. Plain. */
WEFT_API int weft_transport_fd(const struct weft_transport *transport);

/** The name of our end. *ret untouched on failure. -ENOTSOCK of a pipe; -EBADF after
 *  connection_lost. Plain. */
WEFT_API int weft_transport_local_address(const struct weft_transport *transport,
                                          struct weft_address *ret);

/** The name of the peer as it was when the connection was made. *ret untouched on failure.
 *  -ENOTCONN there is none. After connection_lost too. Plain. */
WEFT_API int weft_transport_peer_address(const struct weft_transport *transport,
                                         struct weft_address *ret);

/* Bridges between transports and streams (weft/stream.h). */

/**
 * Makes a stream of an open stream socket's transport, for tasks: what comes is kept until it is
 * read, with reading paused above 128 KiB of it, and writers wait while the transport asks for a
 * pause. The transport's protocol is replaced, and told nothing any more, connection_lost neither.
 * Called in connection_made, not a byte is missed. The transport is the stream's from now on;
 * closing that one closes it and waits until what is kept is sent. Plain. Failed, all is as before:
 * -ENOTSUP no stream socket, -WEFT_ECLOSED, -ENOMEM, -EPERM another loop runs.
 */
WEFT_API int weft_stream_from_transport(struct weft_transport *transport,
                                        const struct weft_stream_options *options,
                                        struct weft_stream **ret);

/**
 * Makes a transport of a stream over one socket, which it frees; see
 * weft_loop_connect_accepted_socket. `ret` may be NULL. Plain. Failed, the stream stays: -ENOTEMPTY
 * it holds bytes, -EBUSY a task uses it, -ENOTSUP it is no socket, -WEFT_ECLOSED, -ENOMEM; what the
 * factory returns, but a protocol that was given is not told of a failure that came after it.
 */
WEFT_API int weft_transport_from_stream(struct weft_stream *stream,
                                        const struct weft_transport_options *options,
                                        weft_protocol_factory *factory, void *arg,
                                        struct weft_transport **ret);

/* Servers. */

/** Accepts connections and makes a transport of each. */
struct weft_protocol_server;

/**
 * Listens at a TCP or Unix address, with SO_REUSEADDR (and only IPv6 at an IPv6 address); each
 * connection gets a protocol by the factory. Up to backlog + 1 are accepted in a turn. One
 * reference in *ret is the caller's; the server goes on listening without it. `options` NULL:
 * defaults. Plain. -EADDRINUSE and the other errors of socket(2), bind(2), listen(2); -ENOMEM.
 */
WEFT_API int weft_loop_create_server(struct weft_loop *loop, const struct weft_address *address,
                                     const struct weft_transport_options *options,
                                     weft_protocol_factory *factory, void *arg,
                                     struct weft_protocol_server **ret);

/** One more reference; returns `server`. Plain. */
WEFT_API struct weft_protocol_server *weft_protocol_server_ref(struct weft_protocol_server *server);

/** One reference less; every one goes back before the loop is freed. NULL is fine. Plain. */
WEFT_API void weft_protocol_server_unref(struct weft_protocol_server *server);

/** Where it listens, with the port that the kernel chose. *ret untouched on failure. -EBADF when
 *  closed. Plain. */
WEFT_API int weft_protocol_server_address(const struct weft_protocol_server *server,
                                          struct weft_address *ret);

/** Nonzero until closed. Plain. */
WEFT_API int weft_protocol_server_is_serving(const struct weft_protocol_server *server);

/** How many connections are open. Plain. */
WEFT_API size_t weft_protocol_server_connections(const struct weft_protocol_server *server);

/** Stops listening and closes the listening socket; connections stay. Idempotent. Plain. */
WEFT_API void weft_protocol_server_close(struct weft_protocol_server *server);

/** Closes every open connection (weft_transport_close). Plain. */
WEFT_API void weft_protocol_server_close_clients(struct weft_protocol_server *server);

/** Aborts every open connection (weft_transport_abort). Plain. */
WEFT_API void weft_protocol_server_abort_clients(struct weft_protocol_server *server);

/** A future that finishes with 0 when the server is closed and its last connection is lost, in
 *  either order. It is the server's: take a reference to keep it longer. Plain. */
WEFT_API struct weft_future *weft_protocol_server_wait_closed(struct weft_protocol_server *server);

/* Subprocesses. */

struct weft_exit;
struct weft_process_options;
struct weft_scope;

/** A process by callback; valid until its connection_lost has returned. */
struct weft_subprocess;

/**
 * What is told of a process. Callbacks run on the loop's stack; `child_fd` is the number that a
 * pipe has in the process. NULL: not interested.
 *
 *     connection_made ─▶ pipe_data_received* ─▶ pipe_connection_lost (each) ─┐
 *                        process_exited, once, at any time after made ───────┴─▶ connection_lost
 */
struct weft_subprocess_protocol {
    /** sizeof(struct weft_subprocess_protocol), also when 0: what a smaller one lacks reads as
     *  NULL. */
    size_t size;
    /** First, once. A negative code ends the process. */
    int (*connection_made)(void *self, struct weft_subprocess *subprocess);
    /** The process wrote; the bytes are valid during the call. A negative code ends the process. */
    int (*pipe_data_received)(void *self, struct weft_subprocess *subprocess, int child_fd,
                              const void *data, size_t len);
    /** A pipe is lost: 0 its end, or an error (-EPIPE: it did not read all that was kept). */
    void (*pipe_connection_lost)(void *self, struct weft_subprocess *subprocess, int child_fd,
                                 int code);
    /** More than the high-water mark is to be written to a pipe. */
    void (*pause_writing)(void *self, struct weft_subprocess *subprocess, int child_fd);
    /** What is to be written fell to the low-water mark. */
    void (*resume_writing)(void *self, struct weft_subprocess *subprocess, int child_fd);
    /** The process has ended; weft_subprocess_exit says how. */
    void (*process_exited)(void *self, struct weft_subprocess *subprocess);
    /** Last, once, when it has ended and all pipes are lost: 0; the code of a callback that failed;
     *  -ECANCELED its scope ended it, and process_exited was not called. */
    void (*connection_lost)(void *self, struct weft_subprocess *subprocess, int code);
};

/**
 * Starts a program whose pipes are transports: those that `options` ask for by WEFT_PROCESS_PIPE_IN
 * and WEFT_PROCESS_PIPE_OUT, at most 16, or, without any word about descriptors, 0, 1 and 2. It
 * belongs to the scope as any process does (weft/process.h): where the scope ends before it, it is
 * ended, and the last callback comes before the scope's exit returns. connection_made is scheduled.
 * `ret` may be NULL. Waiting: 0; -EINVAL too many pipes, or more than 64 descriptors; else as
 * weft_process_spawn.
 */
WEFT_API WEFT_MUST_CHECK int weft_subprocess_exec(struct weft_scope *scope,
                                                  const char *const *arguments,
                                                  const struct weft_process_options *options,
                                                  const struct weft_subprocess_protocol *protocol,
                                                  void *self, struct weft_subprocess **ret);

/** Its number. Plain. */
WEFT_API pid_t weft_subprocess_pid(const struct weft_subprocess *subprocess);

/** How it ended. Plain. *ret untouched on failure: -EAGAIN it runs; -ECHILD nobody knows. */
WEFT_API int weft_subprocess_exit(const struct weft_subprocess *subprocess, struct weft_exit *ret);

/** Our end of one of its pipes, to be written to, paused, closed; NULL when it is lost or there is
 *  none. It stays the subprocess's, and so does its protocol. Plain. */
WEFT_API struct weft_transport *weft_subprocess_pipe(const struct weft_subprocess *subprocess,
                                                     int child_fd);

/** Sends a signal to it. Plain. -ESRCH it has ended; see weft_process_signal. */
WEFT_API int weft_subprocess_signal(struct weft_subprocess *subprocess, int signal);

/** Aborts its pipes, and kills it if it runs. Idempotent. Plain. */
WEFT_API void weft_subprocess_close(struct weft_subprocess *subprocess);

WEFT_END

#endif
