/* SPDX-License-Identifier: MIT */
/*
 * weft/datagram.h: datagrams, one or many at a time
 *
 * Sockets of UDP and Unix datagrams, connected or not, with several datagrams in one system call,
 * runs of equal segments in one datagram of the kernel (GSO and GRO), and multicast.
 *
 *     char room[1500];
 *     struct weft_datagram d = {.buf = room, .size = sizeof room};
 *     fd = weft_datagram_open(&local, NULL, NULL);
 *     while ((rc = weft_datagram_recv(fd, &d)) == 0)
 *         rc = weft_datagram_send(fd, &d);            back to where it came from: d.address
 *     weft_close(fd);
 *
 * A datagram socket is a descriptor, owned by weft: weft_close ends it, and the calls of net.h
 * (weft_sendto, weft_recvfrom, weft_poll ...) work on it as well.
 *
 * Rules
 *   - A datagram goes and comes whole, or it says so: one that was larger than its room is cut, and
 *     has WEFT_DATAGRAM_CUT and its true length in `whole`.
 *   - One of no bytes is a datagram as any other, also in batches.
 *   - Nothing is queued here: what the socket has no room for waits in the sending call, and what
 *     nobody receives waits in the socket, or is dropped by the kernel.
 *   - An error that another host reports (-ECONNREFUSED: nobody is there) comes once, from the next
 *     call on a connected socket, and ends nothing: the socket goes on.
 *   - Cancelled while waiting, nothing was taken and nothing was sent.
 *
 * Beside those, a waiting call may give -ECANCELED, -EBADF, -ENOMEM, -EINVAL (a count below 1), and
 * what sendmsg(2) and recvmsg(2) give (-EMSGSIZE: too large; -ENETUNREACH ...), negative. SIGPIPE
 * is never raised. All calls are for the thread of the socket's loop.
 */
#ifndef WEFT_DATAGRAM_H
#define WEFT_DATAGRAM_H

#include <weft/net.h>
#include <weft/types.h>

WEFT_BEGIN

/* Sockets. */

/** Share the local address with other sockets that say so too. For receivers of multicast, each of
 *  which gets every datagram; of others the last one takes them all away from the rest. */
#define WEFT_DATAGRAM_REUSE_ADDRESS 1u
/** Share the local port with sockets of the same user, and the datagrams with them. */
#define WEFT_DATAGRAM_REUSE_PORT 2u
/** May send to broadcast addresses. */
#define WEFT_DATAGRAM_BROADCAST 4u
/** An IPv6 socket that IPv4 cannot reach. Without it "[::]" is reached by both. */
#define WEFT_DATAGRAM_ONLY_IPV6 8u
/** Let the kernel join segments of one sender into one datagram, see weft_datagram_segment. Where
 *  it cannot, they come one by one. */
#define WEFT_DATAGRAM_JOIN 16u

/** How to make a socket; NULL, or zero everywhere, is the default. */
struct weft_datagram_options {
    /** sizeof(struct weft_datagram_options), also when 0. */
    size_t size;
    /** WEFT_DATAGRAM_... */
    unsigned flags;
    /** Bytes that wait to be received, SO_RCVBUF; 0: as the system has it. */
    int receive_buffer;
    /** Bytes that wait to be sent, SO_SNDBUF; 0: as the system has it. */
    int send_buffer;
};

/**
 * A datagram socket, owned: bound to `local` (NULL: the system chooses when it sends), connected to
 * `peer` (NULL: to nobody). One of the two must be there, and both of one family: -EINVAL. A
 * connected one hears its peer alone. IPv4, IPv6 or Unix. Returns the descriptor, or the error of
 * the step that failed, with a note. `options` may be NULL. Plain.
 */
WEFT_API int weft_datagram_open(const struct weft_address *local, const struct weft_address *peer,
                                const struct weft_datagram_options *options);

/** The kernel sends a run of segments in one go. */
#define WEFT_DATAGRAM_CAN_SPLIT 1
/** The kernel joins segments that it receives. */
#define WEFT_DATAGRAM_CAN_JOIN 2

/** What the kernel does for this socket: WEFT_DATAGRAM_CAN_... Without, all calls do the same one
 *  by one. Plain. */
WEFT_API int weft_datagram_abilities(int fd);

/* Datagrams. */

/** `flags`: it was larger than its room, and the rest is lost. */
#define WEFT_DATAGRAM_CUT 1u

/** A datagram, in memory of the caller. */
struct weft_datagram {
    /** Its bytes; read only when it is sent. */
    void *buf;
    /** Room in `buf`, for receiving. */
    size_t size;
    /** How many bytes there are: given to send, filled by receive. */
    size_t len;
    /** To send: 0, or `buf` is a run of datagrams of this length, of which the last may be shorter.
     *  Received: 0, or so many bytes each of the datagrams has that were joined here. */
    size_t segment;
    /** Received: its true length, more than `len` when it was cut. */
    size_t whole;
    /** Received: WEFT_DATAGRAM_CUT or 0. */
    unsigned flags;
    /** To send: where to; `len` 0: the connected peer. Received: whose it is; `len` 0 for a Unix
     *  socket without a name. */
    struct weft_address address;
};

/** How many datagrams one call receives at most. */
#define WEFT_DATAGRAM_BATCH 32

/** Receives one datagram into d->buf, and fills in the rest; d is untouched on failure. 0. Waiting.
 */
WEFT_API WEFT_MUST_CHECK int weft_datagram_recv(int fd, struct weft_datagram *d);

/**
 * Waits until there is a datagram, and receives those that are there, at most `count` and at most
 * WEFT_DATAGRAM_BATCH. How many: at least 1; those behind are untouched. Waiting.
 */
WEFT_API WEFT_MUST_CHECK int weft_datagram_recv_batch(int fd, struct weft_datagram *d, int count);

/** Sends one datagram, or with `segment` a run of them: 0. If a run fails, some of it may have
 *  gone. Waiting. */
WEFT_API WEFT_MUST_CHECK int weft_datagram_send(int fd, const struct weft_datagram *d);

/**
 * Sends `count` datagrams in order, waiting as often as needed. How many went: `count`, or fewer
 * when the next one met an error or a cancellation, which its own send will tell; negative only if
 * none went. Waiting.
 */
WEFT_API WEFT_MUST_CHECK int weft_datagram_send_batch(int fd, const struct weft_datagram *d,
                                                      int count);

/**
 * The datagrams of a received one, which joins several where `segment` is not 0: the bytes of the
 * `index`-th go to *ret, its length is returned; -ENOENT behind the last. Every received datagram
 * has at least one. Plain. Any thread.
 */
WEFT_API ssize_t weft_datagram_segment(const struct weft_datagram *d, size_t index,
                                       const void **ret);

/* Multicast, IPv4 and IPv6. An interface is the kernel's number of it, 0: the kernel chooses by its
 * routes. All plain. */

/** The number of the interface of that name; -ENODEV. Plain. */
WEFT_API int weft_interface_number(const char *name);

/** Receives what is sent to `group` over an interface, from `source` alone unless it is NULL.
 *  -EADDRINUSE when it does so already. Plain. */
WEFT_API int weft_multicast_join(int fd, const struct weft_address *group, int interface,
                                 const struct weft_address *source);
/** Ends what a join with the same arguments began; -EADDRNOTAVAIL when none did. Plain. */
WEFT_API int weft_multicast_leave(int fd, const struct weft_address *group, int interface,
                                  const struct weft_address *source);
/** The interface over which this socket sends to groups. Plain. */
WEFT_API int weft_multicast_set_interface(int fd, int interface);
/** How many routers a datagram to a group may pass, from 0 (this host) to 255; the default is 1,
 *  this network. Plain. */
WEFT_API int weft_multicast_set_hops(int fd, int hops);
/** Whether receivers on this host get what this socket sends to groups; they do by default. Plain.
 */
WEFT_API int weft_multicast_set_loop(int fd, int on);

WEFT_END

#endif
