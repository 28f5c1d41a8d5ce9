/* SPDX-License-Identifier: MIT */
/*
 * datagram.c: datagrams, one or many at a time
 *
 * Receiving hands the caller's buffers to recvmsg or recvmmsg, with MSG_TRUNC, so that the true
 * length of a cut datagram is known. One datagram is an operation that io_uring does whole; a batch
 * is tried, and waits for readiness when there is none (poller_backend.h).
 *
 * Sending turns datagrams into messages. A run of segments is a message with UDP_SEGMENT for as
 * many segments as the kernel takes at once; if it does not know that, or the device cannot do it,
 * which shows only then, each segment is a message of its own. Where the sending stands is a place
 * in the caller's array, and a batch that went in part is taken up from the place of the first
 * message that did not go. Nothing is copied and nothing is allocated.
 */
#define _GNU_SOURCE 1

#include "base/options.h"
#include "net/internal.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <weft/datagram.h>

/* Linux 4.18 and 5.0; older headers lack them. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/** As many segments as every kernel takes in one message (UDP_MAX_SEGMENTS, once 64). */
#define RUN_SEGMENTS 64
/** And as many bytes: the largest UDP payload over IPv4. */
#define RUN_BYTES 65507u

/* --- Sockets --------------------------------------------------------------------------------- */

/** An option that is set when a flag asks for it. */
struct choice {
    /** WEFT_DATAGRAM_... */
    unsigned flag;
    /** SO_... */
    int option;
};

static const struct choice choices[] = {{WEFT_DATAGRAM_REUSE_ADDRESS, SO_REUSEADDR},
                                        {WEFT_DATAGRAM_REUSE_PORT, SO_REUSEPORT},
                                        {WEFT_DATAGRAM_BROADCAST, SO_BROADCAST}};

static int apply_options(int fd, int family, const struct weft_datagram_options *options)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof choices / sizeof *choices && rc == 0; i++)
        if (options->flags & choices[i].flag)
            rc = weft_set_option(fd, SOL_SOCKET, choices[i].option, 1);
    if (rc == 0 && options->receive_buffer)
        rc = weft_set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    if (rc == 0 && options->send_buffer)
        rc = weft_set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    /* Said either way, because the system's own default can be changed. */
    if (rc == 0 && family == AF_INET6)
        rc = weft_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                             (options->flags & WEFT_DATAGRAM_ONLY_IPV6) != 0);
    if (options->flags & WEFT_DATAGRAM_JOIN && family != AF_UNIX)
        (void)weft_set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
    return rc;
}

/** Closes what was made, with a note of the step that failed. */
static int give_up_opening(int fd, int rc, const char *step, const struct weft_address *address)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    (void)weft_close(fd);
    return weft_fail_at(rc, "", "%s %s: %s", step, weft_address_format(address, text, sizeof text),
                        weft_strerror(rc));
}

/* connect of a datagram socket only notes the address: it need not wait for an engine. */
static int connect_now(int fd, const struct weft_address *peer)
{
    const struct weft_sys *sys = weft__sys_current();
    int rc;
    do
        rc = sys->connect(sys, fd, &peer->of.any, peer->len);
    while (rc == -EINTR);
    return rc;
}

int weft_datagram_open(const struct weft_address *local, const struct weft_address *peer,
                       const struct weft_datagram_options *asked)
{
    const struct weft_address *any = local ? local : peer;
    struct weft_datagram_options options;
    weft__options_read(&options, sizeof options, asked);
    if (!any || (peer && peer->of.any.sa_family != any->of.any.sa_family))
        return -EINVAL;
    int fd = weft_socket(any->of.any.sa_family, SOCK_DGRAM, 0);
    if (fd < 0)
        return fd;
    int rc = apply_options(fd, any->of.any.sa_family, &options);
    if (rc < 0)
        return give_up_opening(fd, rc, "set the options of", any);
    rc = local ? weft_bind(fd, local) : 0;
    if (rc < 0)
        return give_up_opening(fd, rc, "bind to", local);
    rc = peer ? connect_now(fd, peer) : 0;
    return rc < 0 ? give_up_opening(fd, rc, "connect to", peer) : fd;
}

int weft_datagram_abilities(int fd)
{
    const struct weft_sys *sys = weft__sys_current();
    int value, abilities = 0;
    socklen_t len = sizeof value;
    if (sys->getsockopt(sys, fd, IPPROTO_UDP, UDP_SEGMENT, &value, &len) == 0)
        abilities |= WEFT_DATAGRAM_CAN_SPLIT;
    len = sizeof value;
    if (sys->getsockopt(sys, fd, IPPROTO_UDP, UDP_GRO, &value, &len) == 0)
        abilities |= WEFT_DATAGRAM_CAN_JOIN;
    return abilities;
}

/* --- Receiving ------------------------------------------------------------------------------- */

/** Room for the length of the segments that were joined. */
union joined {
    /** Aligned as control data is. */
    struct cmsghdr header;
    /** An int in it. */
    char room[CMSG_SPACE(sizeof(int))];
};

/** A message that receives into a datagram. */
static struct msghdr message_into(struct weft_datagram *d, struct iovec *vector,
                                  union joined *control)
{
    *vector = (struct iovec){.iov_base = d->buf, .iov_len = d->size};
    return (struct msghdr){.msg_name = &d->address.of,
                           .msg_namelen = sizeof d->address.of,
                           .msg_iov = vector,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof *control};
}

/** The length of the segments that were joined; 0: none were. */
static size_t segment_of(struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control))
        if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(control), sizeof segment);
            return segment > 0 ? (size_t)segment : 0;
        }
    return 0;
}

static void fill_in(struct weft_datagram *d, struct msghdr *message, size_t whole)
{
    size_t segment = segment_of(message);
    d->whole = whole;
    d->len = whole < d->size ? whole : d->size;
    d->flags = whole > d->size ? WEFT_DATAGRAM_CUT : 0;
    d->segment = segment < whole ? segment : 0;
    d->address.len = message->msg_namelen;
}

int weft_datagram_recv(int fd, struct weft_datagram *d)
{
    struct iovec vector;
    union joined control;
    struct msghdr message = message_into(d, &vector, &control);
    ssize_t n = weft_recvmsg(fd, &message, MSG_TRUNC);
    if (n < 0)
        return (int)n;
    fill_in(d, &message, (size_t)n);
    return 0;
}

int weft_datagram_recv_batch(int fd, struct weft_datagram *d, int count)
{
    struct mmsghdr messages[WEFT_DATAGRAM_BATCH];
    struct iovec vectors[WEFT_DATAGRAM_BATCH];
    union joined controls[WEFT_DATAGRAM_BATCH];
    if (count < 1)
        return -EINVAL;
    if (count > WEFT_DATAGRAM_BATCH)
        count = WEFT_DATAGRAM_BATCH;
    for (int i = 0; i < count; i++)
        messages[i] = (struct mmsghdr){.msg_hdr = message_into(&d[i], &vectors[i], &controls[i])};
    struct weft__op op = {.code = WEFT__OP_RECVMMSG,
                          .fd = fd,
                          .flags = MSG_TRUNC,
                          .buf = messages,
                          .len = (size_t)count};
    int got = (int)weft__operation_run(&op);
    for (int i = 0; i < got; i++)
        fill_in(&d[i], &messages[i].msg_hdr, messages[i].msg_len);
    return got;
}

ssize_t weft_datagram_segment(const struct weft_datagram *d, size_t index, const void **ret)
{
    size_t segment = d->segment ? d->segment : d->len;
    size_t start = index * segment;
    if (index > 0 && (segment == 0 || index > d->len / segment || start >= d->len))
        return -ENOENT;
    *ret = (const char *)d->buf + start;
    return (ssize_t)(d->len - start < segment ? d->len - start : segment);
}

/* --- Sending --------------------------------------------------------------------------------- */

/** Messages of one call. Their frame lies on a task's stack: a page is enough for it. */
#define SEND_BATCH 24

/** Room for the length of the segments of a run. */
union run {
    /** Aligned as control data is. */
    struct cmsghdr header;
    /** A uint16_t in it. */
    char room[CMSG_SPACE(sizeof(uint16_t))];
};

/** Where a sending stands. */
struct place {
    /** The datagram. */
    int index;
    /** How many of its bytes are before this place. */
    size_t offset;
};

/** A batch that is being sent. */
struct sending {
    /** The caller's datagrams. */
    const struct weft_datagram *datagrams;
    /** How many. */
    int count;
    /** Runs go as such. */
    bool runs;
    /** How many messages there are now. */
    int ready;
    /** The place of each message, and the one behind the last. */
    struct place places[SEND_BATCH + 1];
    /** The messages. */
    struct mmsghdr messages[SEND_BATCH];
    /** Their bytes. */
    struct iovec vectors[SEND_BATCH];
    /** Their control data. */
    union run controls[SEND_BATCH];
};

/** How many of the `left` bytes of a datagram go in one message. */
static size_t portion(const struct sending *sending, const struct weft_datagram *d, size_t left)
{
    size_t most = d->segment;
    if (d->segment == 0 || left <= d->segment)
        return left;
    if (sending->runs && d->segment <= RUN_BYTES / 2) {
        size_t segments = RUN_BYTES / d->segment;
        most = d->segment * (segments < RUN_SEGMENTS ? segments : RUN_SEGMENTS);
    }
    return left < most ? left : most;
}

static void mark_as_run(struct msghdr *message, union run *control, size_t length)
{
    uint16_t segment = (uint16_t)length;
    memset(control, 0, sizeof *control);
    message->msg_control = control;
    message->msg_controllen = sizeof control->room;
    control->header.cmsg_level = IPPROTO_UDP;
    control->header.cmsg_type = UDP_SEGMENT;
    control->header.cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(&control->header), &segment, sizeof segment);
}

/** Makes the message number `i`, which begins at `at`; the place behind it. */
static struct place make_message(struct sending *sending, int i, struct place at)
{
    const struct weft_datagram *d = &sending->datagrams[at.index];
    struct msghdr *message = &sending->messages[i].msg_hdr;
    size_t len = portion(sending, d, d->len - at.offset);
    sending->vectors[i] = (struct iovec){.iov_base = (char *)d->buf + at.offset, .iov_len = len};
    *message = (struct msghdr){.msg_iov = &sending->vectors[i], .msg_iovlen = 1};
    if (d->address.len > 0) {
        message->msg_name = (void *)(uintptr_t)&d->address.of;
        message->msg_namelen = d->address.len;
    }
    if (d->segment && len > d->segment)
        mark_as_run(message, &sending->controls[i], d->segment);
    at.offset += len;
    return at.offset < d->len ? at : (struct place){.index = at.index + 1};
}

static void make_messages(struct sending *sending, struct place at)
{
    sending->ready = 0;
    sending->places[0] = at;
    while (sending->ready < SEND_BATCH && at.index < sending->count) {
        at = make_message(sending, sending->ready, at);
        sending->places[++sending->ready] = at;
    }
}

/** How many messages went, or an error of the first. One alone is left to io_uring whole. */
static int send_messages(struct sending *sending, int fd)
{
    struct weft__op op = {.code = WEFT__OP_SENDMMSG,
                          .direction = WEFT__DIRECTION_OUT,
                          .fd = fd,
                          .buf = sending->messages,
                          .len = (size_t)sending->ready};
    if (sending->ready > 1)
        return (int)weft__operation_run(&op);
    ssize_t n = weft_sendmsg(fd, &sending->messages[0].msg_hdr, 0);
    return n < 0 ? (int)n : 1;
}

/** Whether an error says that a run cannot go as one: unknown here, not with this device, or its
 * segments do not fit the network, which fragments them when they go by themselves. */
static bool refuses_runs(const struct sending *sending, int rc)
{
    return sending->runs && sending->messages[0].msg_hdr.msg_control &&
           (rc == -EINVAL || rc == -EIO || rc == -EMSGSIZE || rc == -ENOPROTOOPT ||
            rc == -EOPNOTSUPP);
}

/** Whether runs may go as such. It must be asked: older kernels, and Unix sockets, do not know the
 * control data and would send the run as one datagram. */
static bool takes_runs(int fd, const struct weft_datagram *d, int count)
{
    for (int i = 0; i < count; i++)
        if (d[i].segment && d[i].len > d[i].segment)
            return (weft_datagram_abilities(fd) & WEFT_DATAGRAM_CAN_SPLIT) != 0;
    return false;
}

int weft_datagram_send_batch(int fd, const struct weft_datagram *d, int count)
{
    struct sending sending;
    struct place at = {0};
    if (count < 1)
        return -EINVAL;
    sending.datagrams = d;
    sending.count = count;
    sending.runs = takes_runs(fd, d, count);
    while (at.index < count) {
        make_messages(&sending, at);
        int rc = send_messages(&sending, fd);
        if (rc > 0)
            at = sending.places[rc];
        else if (refuses_runs(&sending, rc))
            sending.runs = false;
        else
            return at.index > 0 ? at.index : rc;
    }
    return count;
}

/** One message and no segments: the common case needs no frame for a batch. */
static int send_whole(int fd, const struct weft_datagram *d)
{
    struct iovec vector = {.iov_base = d->buf, .iov_len = d->len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (d->address.len > 0) {
        message.msg_name = (void *)(uintptr_t)&d->address.of;
        message.msg_namelen = d->address.len;
    }
    ssize_t n = weft_sendmsg(fd, &message, 0);
    return n < 0 ? (int)n : 0;
}

int weft_datagram_send(int fd, const struct weft_datagram *d)
{
    if (d->segment == 0 || d->len <= d->segment)
        return send_whole(fd, d);
    int rc = weft_datagram_send_batch(fd, d, 1);
    return rc < 0 ? rc : 0;
}
