/* SPDX-License-Identifier: MIT */
/*
 * test_channel.c: channels
 *
 * Each test states one sentence of weft/thread.h about channels: first between tasks of one loop,
 * where the order is known, on every engine; then between loops and threads.
 */
#include "thread_test.h"

static struct weft_channel *channel_of(size_t capacity)
{
    struct weft_channel *channel = NULL;
    struct weft_channel_options options = {.capacity = capacity, .name = "tested"};
    CHECK_OK(weft_channel_new(&options, &channel));
    return channel;
}

static char a[] = "a", b[] = "b", c[] = "c";

/** A task that makes one call. */
struct party {
    /** The channel. */
    struct weft_channel *channel;
    /** What it sends, or got. */
    void *item;
    /** What the call gave. */
    int rc;
    /** What the next wait gave. */
    int next;
};

static int send_one(void *arg)
{
    struct party *p = arg;
    p->rc = weft_channel_send(p->channel, p->item);
    p->next = weft_yield();
    return 0;
}

static int receive_one(void *arg)
{
    struct party *p = arg;
    p->rc = weft_channel_receive(p->channel, &p->item);
    p->next = weft_yield();
    return 0;
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_yield(), 0);
}

/** Starts a party and lets it come to rest. */
static void start(struct weft_scope *scope, int (*fn)(void *arg), struct party *p,
                  struct weft_channel *channel, void *item)
{
    *p = (struct party){channel, item, NOT_RETURNED, NOT_RETURNED};
    CHECK_OK(weft_go_fn(scope, fn, p));
    settle();
}

THREAD_TEST(items_arrive_in_the_order_in_which_they_were_sent)
{
    struct weft_channel *channel = channel_of(3);
    void *item = NULL;
    CHECK_EQ(weft_channel_send(channel, a), 0);
    CHECK_EQ(weft_channel_send(channel, b), 0);
    CHECK_EQ(weft_channel_try_send(channel, c), 0);
    CHECK_EQ(weft_channel_count(channel), 3);
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "a");
    CHECK_EQ(weft_channel_try_receive(channel, &item), 0);
    CHECK_STR(item, "b");
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "c");
    weft_channel_unref(channel);
}

THREAD_TEST(a_send_waits_while_the_channel_is_full)
{
    struct weft_channel *channel = channel_of(1);
    struct party sender;
    struct weft_scope scope;
    void *item = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_channel_send(channel, a), 0);
    CHECK_ERR(weft_channel_try_send(channel, b), -EAGAIN);
    start(&scope, send_one, &sender, channel, b);
    CHECK_EQ(sender.rc, NOT_RETURNED);
    CHECK_EQ(weft_channel_count(channel), 1);
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "a");
    settle();
    CHECK_EQ(sender.rc, 0);
    CHECK_EQ(weft_channel_count(channel), 1);
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "b");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_channel_unref(channel);
}

THREAD_TEST(a_receive_waits_while_the_channel_is_empty)
{
    struct weft_channel *channel = channel_of(1);
    struct party first, second;
    struct weft_scope scope;
    void *item = c;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_channel_try_receive(channel, &item), -EAGAIN);
    CHECK(item == c);
    start(&scope, receive_one, &first, channel, NULL);
    start(&scope, receive_one, &second, channel, NULL);
    CHECK_EQ(weft_channel_try_send(channel, a), 0);
    CHECK_EQ(weft_channel_try_send(channel, b), 0);
    /* They are handed over: nothing is stored, and nobody overtakes. */
    CHECK_EQ(weft_channel_count(channel), 0);
    CHECK_ERR(weft_channel_try_receive(channel, &item), -EAGAIN);
    settle();
    CHECK_EQ(first.rc, 0);
    CHECK_STR(first.item, "a");
    CHECK_STR(second.item, "b");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_channel_unref(channel);
}

THREAD_TEST(without_capacity_a_send_waits_for_its_receiver)
{
    struct weft_channel *channel = channel_of(0);
    struct party sender;
    struct weft_scope scope;
    void *item = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_ERR(weft_channel_try_send(channel, a), -EAGAIN);
    start(&scope, send_one, &sender, channel, a);
    CHECK_EQ(sender.rc, NOT_RETURNED);
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "a");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(sender.rc, 0);
    weft_channel_unref(channel);
}

THREAD_TEST(a_cancelled_send_leaves_no_item_behind)
{
    struct weft_channel *channel = channel_of(0);
    struct party sender;
    struct weft_scope scope;
    void *item = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, send_one, &sender, channel, a);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(sender.rc, -ECANCELED);
    CHECK_ERR(weft_channel_try_receive(channel, &item), -EAGAIN);
    weft_channel_unref(channel);
}

THREAD_TEST(a_cancelled_receive_takes_nothing)
{
    struct weft_channel *channel = channel_of(1);
    struct party receiver;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, receive_one, &receiver, channel, NULL);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(receiver.rc, -ECANCELED);
    CHECK_EQ(weft_channel_try_send(channel, a), 0);
    CHECK_EQ(weft_channel_count(channel), 1);
    weft_channel_unref(channel);
}

THREAD_TEST(what_was_handed_over_before_the_cancellation_is_not_lost)
{
    struct weft_channel *channel = channel_of(0);
    struct party receiver;
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, receive_one, &receiver, channel, NULL);
    CHECK_EQ(weft_channel_try_send(channel, a), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(receiver.rc, 0);
    CHECK_STR(receiver.item, "a");
    CHECK_ERR(receiver.next, -ECANCELED);
    weft_channel_unref(channel);
}

THREAD_TEST(a_cancelled_task_neither_sends_nor_receives)
{
    struct weft_channel *channel = channel_of(2);
    struct weft_scope scope;
    void *item = b;
    CHECK_EQ(weft_channel_send(channel, a), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, 0);
    CHECK_ERR(weft_channel_send(channel, c), -ECANCELED);
    CHECK_ERR(weft_channel_receive(channel, &item), -ECANCELED);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK(item == b);
    CHECK_EQ(weft_channel_count(channel), 1);
    weft_channel_unref(channel);
}

THREAD_TEST(closing_sends_those_who_wait_away_and_leaves_what_is_stored)
{
    struct weft_channel *channel = channel_of(1), *empty = channel_of(1);
    struct party sender, receiver;
    struct weft_scope scope;
    void *item = NULL;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_channel_send(channel, a), 0);
    start(&scope, send_one, &sender, channel, b);
    start(&scope, receive_one, &receiver, empty, NULL);
    CHECK(!weft_channel_closed(channel));
    weft_channel_close(channel, WEFT_CLOSE_DRAIN);
    weft_channel_close(channel, WEFT_CLOSE_DRAIN);
    weft_channel_close(empty, WEFT_CLOSE_DRAIN);
    CHECK(weft_channel_closed(channel));
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(sender.rc, -WEFT_ECLOSED);
    CHECK_ERR(receiver.rc, -WEFT_ECLOSED);
    CHECK_ERR(weft_channel_send(channel, c), -WEFT_ECLOSED);
    CHECK_EQ(weft_channel_receive(channel, &item), 0);
    CHECK_STR(item, "a");
    CHECK_ERR(weft_channel_receive(channel, &item), -WEFT_ECLOSED);
    CHECK_ERR(weft_channel_try_receive(channel, &item), -WEFT_ECLOSED);
    weft_channel_unref(channel);
    weft_channel_unref(empty);
}

static char dropped[16];

static void drop(void *item)
{
    strcat(dropped, item);
}

THREAD_TEST(the_last_to_let_go_drops_what_is_left)
{
    struct weft_channel *channel = NULL;
    struct weft_channel_options options = {.capacity = 4, .drop = drop};
    CHECK_OK(weft_channel_new(&options, &channel));
    CHECK(weft_channel_ref(channel) == channel);
    CHECK_EQ(weft_channel_send(channel, a), 0);
    CHECK_EQ(weft_channel_send(channel, b), 0);
    weft_channel_unref(channel);
    CHECK_STR(dropped, "");
    weft_channel_unref(channel);
    CHECK_STR(dropped, "ab");
    weft_channel_unref(NULL);
}

THREAD_TEST(closing_at_once_drops_what_is_stored)
{
    struct weft_channel *channel = NULL;
    struct weft_channel_options options = {.capacity = 4, .drop = drop};
    void *item = NULL;
    CHECK_OK(weft_channel_new(&options, &channel));
    CHECK_EQ(weft_channel_send(channel, a), 0);
    weft_channel_close(channel, WEFT_CLOSE_DRAIN);
    weft_channel_close(channel, WEFT_CLOSE_NOW);
    CHECK_STR(dropped, "a");
    CHECK_ERR(weft_channel_try_receive(channel, &item), -WEFT_ECLOSED);
    weft_channel_unref(channel);
}

TEST(a_channel_that_is_too_large_is_refused)
{
    struct weft_channel *channel = NULL;
    struct weft_channel_options options = {.capacity = SIZE_MAX};
    CHECK_ERR(weft_channel_new(&options, &channel), -ENOMEM);
    CHECK(channel == NULL);
}

TEST(a_channel_without_memory_is_not_made)
{
    struct weft_channel *channel = NULL;
    test_out_of_memory(true);
    int rc = weft_channel_new(NULL, &channel);
    test_out_of_memory(false);
    CHECK_ERR(rc, -ENOMEM);
    CHECK(channel == NULL);
}

/* Between threads. */

enum { ITEMS = 2000 };

/** A pair of channels, and what has come through. */
struct pipeline {
    /** From here to there. */
    struct weft_channel *there;
    /** And back. */
    struct weft_channel *back;
};

/** A task of another loop: sends back what it gets, until the channel is closed. */
static int echo_items(void *arg)
{
    struct pipeline *p = arg;
    void *item;
    int rc;
    while ((rc = weft_channel_receive(p->there, &item)) == 0)
        CHECK_EQ(weft_channel_send(p->back, item), 0);
    CHECK_ERR(rc, -WEFT_ECLOSED);
    weft_channel_close(p->back, WEFT_CLOSE_DRAIN);
    return 0;
}

static void *run_echo(void *arg)
{
    CHECK_EQ(run_program(echo_items, arg), 0);
    return NULL;
}

static int send_items(void *arg)
{
    struct pipeline *p = arg;
    for (uintptr_t i = 1; i <= ITEMS; i++)
        CHECK_EQ(weft_channel_send(p->there, (void *)i), 0);
    weft_channel_close(p->there, WEFT_CLOSE_DRAIN);
    return 0;
}

static void through_another_loop(size_t capacity)
{
    struct pipeline p = {channel_of(capacity), channel_of(capacity)};
    struct weft_scope scope;
    pthread_t thread;
    void *item;
    uintptr_t next = 1;
    CHECK_EQ(pthread_create(&thread, NULL, run_echo, &p), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_OK(weft_go_fn(&scope, send_items, &p));
    int rc;
    while ((rc = weft_channel_receive(p.back, &item)) == 0)
        CHECK_EQ((uintptr_t)item, next++);
    CHECK_ERR(rc, -WEFT_ECLOSED);
    CHECK_EQ(next, ITEMS + 1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_channel_unref(p.there);
    weft_channel_unref(p.back);
}

THREAD_TEST(items_go_to_another_loop_and_back)
{
    test_needs_another_thread();
    through_another_loop(0);
    through_another_loop(1);
    through_another_loop(64);
}

/** A thread without a loop: sends by trying. */
static void *try_to_send(void *arg)
{
    struct weft_channel *channel = arg;
    for (uintptr_t i = 1; i <= ITEMS;) {
        int rc = weft_channel_try_send(channel, (void *)i);
        CHECK(rc == 0 || rc == -EAGAIN);
        if (rc == 0)
            i++;
        else
            usleep(10);
    }
    weft_channel_close(channel, WEFT_CLOSE_DRAIN);
    weft_channel_unref(channel);
    return NULL;
}

THREAD_TEST(a_thread_without_a_loop_can_send)
{
    struct weft_channel *channel = channel_of(8);
    pthread_t thread;
    void *item;
    uintptr_t next = 1;
    test_needs_another_thread();
    CHECK_EQ(pthread_create(&thread, NULL, try_to_send, weft_channel_ref(channel)), 0);
    while (weft_channel_receive(channel, &item) == 0)
        CHECK_EQ((uintptr_t)item, next++);
    CHECK_EQ(next, ITEMS + 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_channel_unref(channel);
}

/** A receiver that is cancelled again and again while another thread sends. */
static void receive_in_bits(struct weft_channel *channel, uintptr_t *next)
{
    void *item;
    int rc = 0;
    while (rc != -WEFT_ECLOSED) {
        rc = (int)weft_within(50 * WEFT_US, weft_channel_receive(channel, &item));
        CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -WEFT_ECLOSED);
        if (rc == 0)
            CHECK_EQ((uintptr_t)item, (*next)++);
    }
}

THREAD_TEST(cancellation_loses_no_item_that_another_thread_sends)
{
    struct weft_channel *channel = channel_of(0);
    pthread_t thread;
    uintptr_t next = 1;
    test_needs_another_thread();
    CHECK_EQ(pthread_create(&thread, NULL, try_to_send, weft_channel_ref(channel)), 0);
    receive_in_bits(channel, &next);
    CHECK_EQ(next, ITEMS + 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_channel_unref(channel);
}

static void *send_a(void *arg)
{
    CHECK_EQ(weft_channel_try_send(arg, a), 0);
    return NULL;
}

static void *receive_a(void *arg)
{
    void *item = NULL;
    CHECK_EQ(weft_channel_try_receive(arg, &item), 0);
    CHECK_STR(item, "a");
    return NULL;
}

THREAD_TEST(who_was_served_by_another_thread_before_the_cancellation_has_been_served)
{
    struct weft_channel *channel = channel_of(0);
    struct party sender, receiver;
    struct weft_scope scope;
    pthread_t thread;
    test_needs_another_thread();
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, receive_one, &receiver, channel, NULL);
    /* The news is on its way, and the loop does not turn before the cancellation. */
    CHECK_EQ(pthread_create(&thread, NULL, send_a, channel), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(receiver.rc, 0);
    CHECK_STR(receiver.item, "a");
    CHECK_ERR(receiver.next, -ECANCELED);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, send_one, &sender, channel, a);
    CHECK_EQ(pthread_create(&thread, NULL, receive_a, channel), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(sender.rc, 0);
    CHECK_ERR(sender.next, -ECANCELED);
    weft_channel_unref(channel);
}

THREAD_TEST(a_dump_says_which_channel_a_task_waits_at)
{
    struct weft_channel *channel = channel_of(0);
    struct party sender;
    struct weft_scope scope;
    char said[4096];
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    start(&scope, send_one, &sender, channel, a);
    weft_dump(weft_loop_current(), fds[1]);
    close(fds[1]);
    size_t used = 0;
    ssize_t n;
    while ((n = read(fds[0], said + used, sizeof said - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(fds[0]);
    CHECK_CONTAINS(said, "to send into channel tested");
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    weft_channel_unref(channel);
}
