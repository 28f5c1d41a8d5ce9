/* SPDX-License-Identifier: MIT */
/*
 * internal.h: the transport's own struct
 *
 * A transport is a descriptor that it holds (no other user is let in), a protocol, a buffer of what
 * is to be written, and a place in the ready ring. What it has to tell from the loop and not from
 * inside a call, connection_made and connection_lost, it marks as due and posts itself; `deliver`
 * in transport.c then tells both in their order.
 *
 *       OPEN ──close──▶ CLOSING ──all sent──▶ LOST ──connection_lost──▶ GONE
 *         └──abort, error────┴────────────────▲
 *
 * Files
 *   transport.c   its life and its callbacks       read.c       reading
 *   write.c       writing and flow control         buffer.c     what is to be written
 *   connection.c  stream sockets                   server.c     create_server
 *   datagram.c    datagrams                        pipe.c       pipes
 *   bridge.c      streams and transports           subprocess/  processes by callback
 */
#ifndef WEFT_TRANSPORT_INTERNAL_H
#define WEFT_TRANSPORT_INTERNAL_H

#include "base/assert.h"
#include "base/list.h"
#include "base/options.h"
#include "loop/poller.h"

#include <stdbool.h>
#include <weft/transport.h>

/** What a transport does its work with. */
enum weft__transport_kind {
    /** A stream socket: both directions. */
    WEFT__TRANSPORT_SOCKET,
    /** A datagram socket. */
    WEFT__TRANSPORT_DATAGRAM,
    /** The reading end of a pipe, or a character device. */
    WEFT__TRANSPORT_READ_PIPE,
    /** The writing end. */
    WEFT__TRANSPORT_WRITE_PIPE
};

/** Where a transport stands; see the picture above. Only weft__transport_set_state changes it. */
enum weft__transport_state {
    /** In use. Next: CLOSING, LOST. */
    WEFT__TRANSPORT_OPEN,
    /** close was called, something is to be sent first. Next: LOST. */
    WEFT__TRANSPORT_CLOSING,
    /** connection_lost is due. Next: GONE. */
    WEFT__TRANSPORT_LOST,
    /** connection_lost has returned, or the loop was freed. The end. */
    WEFT__TRANSPORT_GONE
};

/** What is to be written, in one piece of memory that is given back when it is empty. */
struct weft__write_buffer {
    /** The memory; NULL while empty. */
    char *bytes;
    /** Where what is to be written starts. */
    size_t start;
    /** How many bytes that is. */
    size_t count;
    /** Size of the memory. */
    size_t room;
};

/** A transport. */
struct weft_transport {
    /** Its loop. */
    struct weft_loop *loop;
    /** The descriptor; -1 when closed. */
    int fd;
    /** References: the loop's, until it is gone and closed, and those of users. */
    unsigned references;
    /** enum weft__transport_kind. */
    unsigned char kind;
    /** enum weft__transport_state. */
    unsigned char state;
    /** connection_made is due. */
    bool made_due;
    /** Stands in the ready ring. */
    bool posted;
    /** pause_reading was called. */
    bool paused;
    /** The peer's end was met. */
    bool ended;
    /** write_eof was called. */
    bool finished;
    /** pause_writing was called, resume_writing not yet. */
    bool writing_paused;
    /** The writing end of something that tells when its reader is gone. */
    bool hears_peer;
    /** The engine watches for reading. */
    bool watching_in;
    /** The engine watches for writing. */
    bool watching_out;
    /** What connection_lost gets. */
    int lost_code;
    /** The callbacks; NULL when gone. */
    const struct weft_protocol *protocol;
    /** What they get. */
    void *self;
    /** What is to be written. */
    struct weft__write_buffer buffer;
    /** What datagrams that are kept count for the limits; their records in `buffer` are larger. */
    size_t datagram_size;
    /** The limits. */
    struct weft_transport_limits limits;
    /** Called instead of connection_lost when the loop is freed first; NULL for none. */
    void (*dropped)(struct weft_transport *transport);
    /** Finishes when connection_made was called; NULL for none. */
    struct weft_future *waiter;
    /** The server that accepted it; NULL for none. */
    struct weft_protocol_server *server;
    /** Membership in the server's list. */
    struct weft_link link;
    /** Goes with the loop; its place in the ready ring. */
    struct weft__errand errand;
    /** The close of the descriptor. */
    struct weft__closing closing;
    /** The peer's name; len 0 for none. */
    struct weft_address peer;
};

/** A callback of its protocol, NULL when that has none. */
#define weft__transport_callback(transport, member)                                                \
    ((transport)->protocol && weft__protocol_has((transport)->protocol->size,                      \
                                                 offsetof(struct weft_protocol, member))           \
         ? (transport)->protocol->member                                                           \
         : NULL)

/** Whether the maker of a protocol of that size knew of the callback at an offset. */
static inline bool weft__protocol_has(size_t size, size_t offset)
{
    return size == 0 || size >= offset + sizeof(void (*)(void));
}

/** Bytes that are only read, for a field that has no const. */
static inline void *weft__transport_bytes(const void *data)
{
    union {
        const void *given;
        void *taken;
    } bytes = {.given = data};
    return bytes.taken;
}

/* transport.c */

/**
 * Makes a transport of a descriptor, which it holds; the descriptor is the caller's on failure.
 * connection_made is posted by weft__transport_begin.
 */
int weft__transport_new(struct weft_loop *loop, int fd, enum weft__transport_kind kind,
                        struct weft_transport **ret);
/** Asks the factory for a protocol. 0 or negative. */
int weft__transport_introduce(struct weft_transport *transport, weft_protocol_factory *factory,
                              void *arg);
/** Posts connection_made. */
void weft__transport_begin(struct weft_transport *transport);
/** Frees one that nobody was told of; the descriptor stays open and is let go. */
void weft__transport_discard(struct weft_transport *transport);
/** Ends it with a code: what is kept is dropped, connection_lost is posted. */
void weft__transport_fail(struct weft_transport *transport, int code);
/** All was sent while CLOSING, or nothing was to be: connection_lost(0) is posted. */
void weft__transport_lose(struct weft_transport *transport, int code);
/** fail when a callback returned a negative code. */
void weft__transport_check(struct weft_transport *transport, int rc);
/** A socket of a transport to be: options of streams set. */
void weft__transport_set_options(struct weft_loop *loop, int fd, int family,
                                 const struct weft_transport_options *options);

/* read.c */

/** Watches for reading, or no longer, as the state asks. */
void weft__transport_watch_in(struct weft_transport *transport);

/* write.c */

/** Watches for writing while something is to be written, else not. */
void weft__transport_watch_out(struct weft_transport *transport);
/** Calls pause_writing or resume_writing if it is time. */
void weft__transport_flow(struct weft_transport *transport);
/** Whether a write may be taken: 0, -EPIPE, -WEFT_ECLOSED. */
int weft__transport_writable(const struct weft_transport *transport);
/** Sends what is kept: the watch's callback of streams and pipes. */
void weft__transport_send(void *arg);

/* buffer.c */

/** Appends: 0 or -ENOMEM. */
int weft__write_buffer_append(struct weft__write_buffer *buffer, const struct weft_sys *sys,
                              const void *data, size_t len);
/** Takes bytes off the front. */
void weft__write_buffer_take(struct weft__write_buffer *buffer, const struct weft_sys *sys,
                             size_t count);
/** Drops all. */
void weft__write_buffer_clear(struct weft__write_buffer *buffer, const struct weft_sys *sys);

/* datagram.c */

/** One datagram is to be read: the watch's callback. */
void weft__transport_receive(void *arg);
/** Sends what is kept. */
void weft__transport_send_datagrams(void *arg);

/* connection.c */

/** Makes a transport of a connected stream socket, with all it needs, and posts connection_made.
 *  The descriptor is the caller's on failure. */
int weft__transport_of_socket(struct weft_loop *loop, int fd, const struct weft_address *peer,
                              const struct weft_transport_options *options,
                              weft_protocol_factory *factory, void *arg,
                              struct weft_transport **ret);

/* server.c */

/** A connection of it is lost; those who wait for its end are told unless the loop is freed. */
void weft__protocol_server_detach(struct weft_transport *transport, bool tell);

#endif
