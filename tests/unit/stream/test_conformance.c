/* SPDX-License-Identifier: MIT */
/*
 * test_conformance.c: every kind of stream keeps the rules, and the suite sees who does not
 *
 * The public conformance suite over our kinds and over one that a program brings (a stream around
 * another one that turns every bit), on every engine; then over kinds that break a rule each.
 */
#include "stream_test.h"

#include <weft/testing.h>

static int make_of_kind(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b)
{
    const struct stream_kind *kind = arg;
    struct weft_stream *ends[2];
    kind->make(NULL, ends);
    *ret_a = ends[0];
    *ret_b = ends[1];
    return 0;
}

static void conform(void (*make)(const struct weft_stream_options *, struct weft_stream *ends[2]))
{
    struct stream_kind kind = {"", make};
    CHECK_EQ(weft_testing_stream_conformance(make_of_kind, &kind), 0);
}

TASK_TEST(memory_conforms)
{
    conform(make_memory);
}

TASK_TEST(tcp_conforms)
{
    conform(make_tcp);
}

TASK_TEST(unix_sockets_conform)
{
    conform(make_unix);
}

TASK_TEST(blocking_sockets_conform)
{
    conform(make_foreign);
}

TASK_TEST(two_pipes_conform)
{
    conform(make_pipes);
}

/* A kind of our own: every bit is turned on its way out, and back on its way in. */

/** What a wrapper does wrong. */
enum fault { GOOD, SWALLOWS, SWAPS, NEVER_WAITS, NEVER_ENDS, NOT_REFUSED };

/** A wrapper. */
struct wrapper {
    /** The stream inside. */
    struct weft_stream *inside;
    /** What it does wrong. */
    enum fault fault;
};

static ssize_t wrapper_read(void *self, void *buf, size_t len)
{
    struct wrapper *wrapper = self;
    unsigned char *bytes = buf;
    if (wrapper->fault == NOT_REFUSED && weft_stream_buffered(wrapper->inside) == 0 &&
        weft_cancelled())
        return 1;
    ssize_t n = weft_stream_read(wrapper->inside, buf, len);
    if (n == 0 && wrapper->fault == NEVER_ENDS)
        return weft_sleep(WEFT_FOREVER);
    for (ssize_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)~bytes[i];
    return n == 3 && wrapper->fault == SWALLOWS ? 2 : n;
}

static ssize_t wrapper_writev(void *self, const struct iovec *vectors, int count)
{
    struct wrapper *wrapper = self;
    unsigned char bytes[512];
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        const struct iovec *vector = &vectors[wrapper->fault == SWAPS ? count - 1 - i : i];
        for (size_t j = 0; j < vector->iov_len && len < sizeof bytes; j++)
            bytes[len++] = (unsigned char)~((const unsigned char *)vector->iov_base)[j];
    }
    if (wrapper->fault == NEVER_WAITS)
        return weft_yield() < 0 ? -ECANCELED : (ssize_t)len;
    return weft_stream_write(wrapper->inside, bytes, len);
}

static int wrapper_shutdown(void *self)
{
    struct wrapper *wrapper = self;
    return weft_stream_shutdown(wrapper->inside);
}

static int wrapper_close(void *self)
{
    struct wrapper *wrapper = self;
    return weft_stream_close(wrapper->inside);
}

static void wrapper_abort(void *self)
{
    struct wrapper *wrapper = self;
    weft_stream_abort(wrapper->inside);
}

static void wrapper_free(void *self)
{
    free(self);
}

static const struct weft_stream_ops wrapper_ops = {
    .size = sizeof wrapper_ops,
    .kind = "wrapper",
    .read = wrapper_read,
    .writev = wrapper_writev,
    .shutdown = wrapper_shutdown,
    .close = wrapper_close,
    .free = wrapper_free,
    .abort = wrapper_abort,
};

static int make_wrapped(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b)
{
    const enum fault *fault = arg;
    struct weft_stream *inside[2];
    struct weft_stream **ret[2] = {ret_a, ret_b};
    make_memory(NULL, inside);
    for (int i = 0; i < 2; i++) {
        struct wrapper *wrapper = malloc(sizeof *wrapper);
        CHECK(wrapper != NULL);
        *wrapper = (struct wrapper){inside[i], *fault};
        CHECK_EQ(weft_stream_new(&wrapper_ops, wrapper, NULL, ret[i]), 0);
    }
    return 0;
}

TASK_TEST(a_wrapper_of_our_own_conforms)
{
    enum fault fault = GOOD;
    CHECK_EQ(weft_testing_stream_conformance(make_wrapped, &fault), 0);
}

TASK_TEST(entries_beyond_the_size_of_a_table_are_not_there)
{
    struct weft_stream_ops old = wrapper_ops;
    struct weft_stream *inside[2];
    struct weft_stream *stream = NULL;
    struct wrapper wrapper = {.fault = GOOD};
    make_memory(NULL, inside);
    wrapper.inside = inside[0];
    old.size = offsetof(struct weft_stream_ops, shutdown);
    CHECK_EQ(weft_stream_new(&old, &wrapper, NULL, &stream), 0);
    CHECK_ERR(weft_stream_shutdown(stream), -ENOTSUP);
    CHECK_ERR(weft_stream_fd(stream), -ENOTSUP);
    CHECK_EQ(weft_stream_close(stream), 0);
    CHECK_EQ(weft_stream_close(inside[1]), 0);
    old.writev = NULL;
    CHECK_ERR(weft_stream_new(&old, &wrapper, NULL, &stream), -EINVAL);
}

/* Kinds that break a rule: what never happens is waited for in virtual time only. */

static int break_a_rule(void *arg)
{
    return weft_testing_stream_conformance(make_wrapped, arg);
}

static void expect_broken(enum fault fault)
{
    CHECK(weft_testing_run(NULL, break_a_rule, &fault) > 0);
}

TEST(the_suite_sees_bytes_that_are_lost)
{
    expect_broken(SWALLOWS);
}

TEST(the_suite_sees_vectors_out_of_order)
{
    expect_broken(SWAPS);
}

TEST(the_suite_sees_writes_that_never_wait)
{
    expect_broken(NEVER_WAITS);
}

TEST(the_suite_sees_ends_that_do_not_come)
{
    expect_broken(NEVER_ENDS);
}

TEST(the_suite_sees_calls_that_do_not_look_for_cancellation)
{
    expect_broken(NOT_REFUSED);
}

static int cannot_make(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b)
{
    (void)arg;
    (void)ret_a;
    (void)ret_b;
    return -EAFNOSUPPORT;
}

TASK_TEST(the_suite_gives_what_the_maker_gives)
{
    CHECK_ERR(weft_testing_stream_conformance(cannot_make, NULL), -EAFNOSUPPORT);
}
