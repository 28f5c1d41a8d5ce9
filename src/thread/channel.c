/* SPDX-License-Identifier: MIT */
/*
 * channel.c: items from thread to thread
 *
 * A ring, and two lists of those who wait, as in a queue of one loop, but behind a lock. An item
 * goes from a send to a waiting receiver without touching the ring, and a receive that makes room
 * takes in the first waiting sender's item in the same instant; so receivers wait only while
 * nothing is stored, and senders only while the ring is full.
 *
 * Whoever is served is taken off its list under the lock, and told outside it: by a wake in the
 * same loop, by a post to another one. From then on the news is on its way and decides; a
 * cancellation that finds its task still on a list takes it off, and nothing has happened.
 */
#include "thread/internal.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/thread.h>

/** A channel. */
struct weft_channel {
    /** Guards everything below. */
    pthread_mutex_t lock;
    /** How many hold it. */
    size_t holders;
    /** What it was made with. */
    struct weft_channel_options options;
    /** Who waits to send: struct party. */
    struct weft_link senders;
    /** Who waits to receive: struct party. */
    struct weft_link receivers;
    /** No more sends. */
    bool closed;
    /** Place of the first item. */
    size_t head;
    /** How many are stored. */
    size_t count;
    /** The ring. */
    void *ring[];
};

/** A task that waits at a channel, on its stack. */
struct party {
    /** How it hears. */
    struct weft__post post;
    /** Membership in one of the lists. */
    struct weft_link link;
    /** Its wait. */
    struct weft_wait wait;
    /** Its loop. */
    struct weft_loop *loop;
    /** The channel. */
    struct weft_channel *channel;
    /** What it sends, or has received. */
    void *item;
    /** What its call returns. */
    int rc;
    /** It receives. */
    bool receives;
};

int weft_channel_new(const struct weft_channel_options *asked, struct weft_channel **ret)
{
    struct weft_channel_options options;
    weft__options_read(&options, sizeof options, asked);
    struct weft_channel *channel;
    if (options.capacity > (SIZE_MAX - sizeof *channel) / sizeof *channel->ring)
        return -ENOMEM;
    channel = weft_sys_default.realloc(&weft_sys_default, NULL,
                                       sizeof *channel + options.capacity * sizeof *channel->ring);
    if (!channel)
        return -ENOMEM;
    *channel = (struct weft_channel){.holders = 1, .options = options};
    (void)pthread_mutex_init(&channel->lock, NULL);
    weft__list_init(&channel->senders);
    weft__list_init(&channel->receivers);
    *ret = channel;
    return 0;
}

struct weft_channel *weft_channel_ref(struct weft_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    channel->holders++;
    pthread_mutex_unlock(&channel->lock);
    return channel;
}

void weft_channel_unref(struct weft_channel *channel)
{
    if (!channel)
        return;
    pthread_mutex_lock(&channel->lock);
    bool last = --channel->holders == 0;
    pthread_mutex_unlock(&channel->lock);
    if (!last)
        return;
    weft_channel_close(channel, WEFT_CLOSE_NOW);
    (void)pthread_mutex_destroy(&channel->lock);
    (void)weft_sys_default.realloc(&weft_sys_default, channel, 0);
}

/* Who waits. */

/** The one who waits first, off the list; its news must follow. Under the lock. */
static struct party *take_first(struct weft_link *list, int rc)
{
    struct weft_link *link = weft__list_take(list);
    struct party *party = link ? weft__container(link, struct party, link) : NULL;
    if (party)
        party->rc = rc;
    return party;
}

/** Tells one who was taken off its list. Not under the lock. NULL is fine. */
static void tell(struct party *party)
{
    if (!party)
        return;
    if (party->loop == weft_loop_current())
        (void)weft_wake(&party->wait, party->rc);
    else
        weft__loop_post(party->loop, &party->post);
}

static int hear(struct weft__post *post)
{
    struct party *party = weft__container(post, struct party, post);
    (void)weft_wake(&party->wait, party->rc);
    return 0;
}

/** A loop is not freed before its tasks have ended, so that none of those meets this. */
static void never_dropped(struct weft__post *post)
{
    (void)post;
}

static enum weft_abort leave_list(struct weft_wait *wait)
{
    struct party *party = weft__container(wait, struct party, wait);
    pthread_mutex_lock(&party->channel->lock);
    bool listed = !weft__list_empty(&party->link);
    weft__list_remove(&party->link);
    pthread_mutex_unlock(&party->channel->lock);
    return listed ? WEFT_ABORT_DONE : WEFT_ABORT_LATER;
}

static void describe_party(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct party *party = weft__container(wait, struct party, wait);
    const char *name = party->channel->options.name;
    snprintf(buf, size, "to %s %s%s", party->receives ? "receive from" : "send into",
             name ? "channel " : "a channel", name ? name : "");
}

static void party_init(struct party *party, struct weft_channel *channel, bool receives)
{
    *party = (struct party){
        .post = {.run = hear, .drop = never_dropped},
        .loop = weft_loop_current(),
        .channel = channel,
        .receives = receives,
    };
    weft_wait_init(&party->wait, describe_party, channel);
    weft__list_init(&party->link);
}

/* What happens without waiting. */

static void store(struct weft_channel *channel, void *item)
{
    channel->ring[(channel->head + channel->count++) % channel->options.capacity] = item;
}

static void *take_stored(struct weft_channel *channel)
{
    void *item = channel->ring[channel->head];
    channel->head = (channel->head + 1) % channel->options.capacity;
    channel->count--;
    return item;
}

/** Sends if it can: 0, -EAGAIN or -WEFT_ECLOSED; *served is to be told. Under the lock. */
static int send_now(struct weft_channel *channel, void *item, struct party **served)
{
    if (channel->closed)
        return -WEFT_ECLOSED;
    *served = take_first(&channel->receivers, 0);
    if (*served)
        (*served)->item = item;
    else if (channel->count < channel->options.capacity)
        store(channel, item);
    else
        return -EAGAIN;
    return 0;
}

/** Receives if it can: as send_now. */
static int receive_now(struct weft_channel *channel, void **item, struct party **served)
{
    *served = NULL;
    if (channel->count == 0 && weft__list_empty(&channel->senders))
        return channel->closed ? -WEFT_ECLOSED : -EAGAIN;
    if (channel->count == 0) {
        *served = take_first(&channel->senders, 0);
        *item = (*served)->item;
        return 0;
    }
    *item = take_stored(channel);
    *served = take_first(&channel->senders, 0);
    if (*served)
        store(channel, (*served)->item);
    return 0;
}

int weft_channel_try_send(struct weft_channel *channel, void *item)
{
    struct party *served = NULL;
    pthread_mutex_lock(&channel->lock);
    int rc = send_now(channel, item, &served);
    pthread_mutex_unlock(&channel->lock);
    tell(served);
    return rc;
}

int weft_channel_try_receive(struct weft_channel *channel, void **item)
{
    struct party *served;
    pthread_mutex_lock(&channel->lock);
    int rc = receive_now(channel, item, &served);
    pthread_mutex_unlock(&channel->lock);
    tell(served);
    return rc;
}

/* Waiting. */

int weft_channel_send(struct weft_channel *channel, void *item)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct party *served = NULL, party;
    party_init(&party, channel, false);
    party.item = item;
    pthread_mutex_lock(&channel->lock);
    rc = send_now(channel, item, &served);
    if (rc == -EAGAIN)
        weft__list_append(&channel->senders, &party.link);
    pthread_mutex_unlock(&channel->lock);
    tell(served);
    return rc == -EAGAIN ? (int)weft_park(&party.wait, leave_list) : rc;
}

int weft_channel_receive(struct weft_channel *channel, void **item)
{
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    struct party *served, party;
    party_init(&party, channel, true);
    pthread_mutex_lock(&channel->lock);
    rc = receive_now(channel, &party.item, &served);
    if (rc == -EAGAIN)
        weft__list_append(&channel->receivers, &party.link);
    pthread_mutex_unlock(&channel->lock);
    tell(served);
    if (rc == -EAGAIN)
        rc = (int)weft_park(&party.wait, leave_list);
    if (rc == 0)
        *item = party.item;
    return rc;
}

/* Closing. */

/** Takes out what is to be told or dropped next: a party that waits, or with `now` an item. */
static bool take_remains(struct weft_channel *channel, bool now, struct party **party, void **item)
{
    pthread_mutex_lock(&channel->lock);
    channel->closed = true;
    bool stored = now && channel->count > 0;
    if (stored)
        *item = take_stored(channel);
    *party = take_first(&channel->senders, -WEFT_ECLOSED);
    if (!*party)
        *party = take_first(&channel->receivers, -WEFT_ECLOSED);
    pthread_mutex_unlock(&channel->lock);
    return stored;
}

void weft_channel_close(struct weft_channel *channel, enum weft_close_how how)
{
    struct party *party = NULL;
    bool stored;
    do {
        void *item = NULL;
        stored = take_remains(channel, how == WEFT_CLOSE_NOW, &party, &item);
        tell(party);
        if (stored && channel->options.drop)
            channel->options.drop(item);
    } while (party || stored);
}

int weft_channel_closed(struct weft_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    bool closed = channel->closed;
    pthread_mutex_unlock(&channel->lock);
    return closed;
}

size_t weft_channel_count(struct weft_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    size_t count = channel->count;
    pthread_mutex_unlock(&channel->lock);
    return count;
}
