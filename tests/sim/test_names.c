/* SPDX-License-Identifier: MIT */
/*
 * test_names.c: races for a connection, under many schedules
 *
 * A host has a handful of addresses, each of which refuses, keeps silent, or answers, at once or
 * after a while. Whoever wins, and whenever the race is cut: what is returned is a connection to an
 * address that answers, nothing else is open afterwards (the world is looked at when a seed ends),
 * and the report says of each address what became of it.
 */
#include "seeds.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

enum { ADDRESSES = 6 };

/** What an address does. */
enum manner { REFUSES, SILENT, ANSWERS, ANSWERS_LATE, MANNERS };

/** One address of the host. */
struct host {
    /** The address. */
    struct weft_address address;
    /** What it does. */
    enum manner manner;
    /** Its listener, or -1. */
    int listener;
    /** What fills the listener's queue, or -1. */
    int inside;
};

static struct host hosts[ADDRESSES];
static struct weft_address addresses[ADDRESSES];
static struct weft_attempt attempts[ADDRESSES];

static int listen_with(const struct weft_address *address, int backlog)
{
    int fd = weft_socket(address->of.any.sa_family, SOCK_STREAM, 0);
    EXPECT(fd >= 0);
    EXPECT_EQ(weft_bind(fd, address), 0);
    EXPECT_EQ(weft_listen(fd, backlog), 0);
    return fd;
}

static void open_host(int i)
{
    struct host *host = &hosts[i];
    char text[40];
    snprintf(text, sizeof text, seeds_dice(2) ? "10.0.0.%d:80" : "[2001:db8::%d]:80", i + 1);
    EXPECT_EQ(weft_address_parse(text, &host->address), 0);
    host->manner = (enum manner)seeds_dice(MANNERS);
    host->listener = host->inside = -1;
    addresses[i] = host->address;
    if (host->manner == REFUSES)
        return;
    host->listener = listen_with(&host->address, host->manner == ANSWERS ? 10 : 0);
    if (host->manner != ANSWERS)
        host->inside = weft_tcp_connect(&host->address);
}

/** Makes room in the queues of those that answer late. */
static int answer_late(void)
{
    int rc = weft_sleep((weft_ns)seeds_dice(2000) * WEFT_MS);
    for (int i = 0; i < ADDRESSES && rc == 0; i++)
        if (hosts[i].manner == ANSWERS_LATE) {
            int fd = weft_accept(hosts[i].listener, NULL);
            if (fd >= 0)
                (void)weft_close(fd);
        }
    return 0;
}
WEFT_TASK(answer_late);

static void close_hosts(void)
{
    for (int i = 0; i < ADDRESSES; i++) {
        if (hosts[i].inside >= 0)
            (void)weft_close(hosts[i].inside);
        if (hosts[i].listener >= 0)
            (void)weft_close(hosts[i].listener);
    }
}

static enum manner manner_of(const struct weft_address *address)
{
    for (int i = 0; i < ADDRESSES; i++)
        if (weft_address_equal(&hosts[i].address, address))
            return hosts[i].manner;
    return MANNERS;
}

static bool somebody_answers(void)
{
    for (int i = 0; i < ADDRESSES; i++)
        if (hosts[i].manner == ANSWERS || hosts[i].manner == ANSWERS_LATE)
            return true;
    return false;
}

/** The report: one winner if there is a connection, refusals only of those that refuse. */
static void look_at_report(int fd)
{
    int winners = 0;
    for (int i = 0; i < ADDRESSES; i++) {
        enum manner manner = manner_of(&attempts[i].address);
        EXPECT(manner != MANNERS);
        winners += attempts[i].code == 0;
        EXPECT(attempts[i].code != 0 || manner == ANSWERS || manner == ANSWERS_LATE);
        EXPECT(attempts[i].code != -ECONNREFUSED || manner == REFUSES);
    }
    EXPECT_EQ(winners, fd >= 0);
}

SCENARIO(one_address_that_answers_is_connected_to_and_nothing_else_stays_open)
{
    struct weft_connect_options options = {
        .attempts = attempts,
        .attempts_size = ADDRESSES,
        .interleave = seeds_dice(4),
        .delay = seeds_dice(2) ? 0 : (weft_ns)seeds_dice(500) * WEFT_MS,
    };
    struct weft_address peer;
    struct weft_scope scope;

    for (int i = 0; i < ADDRESSES; i++)
        open_host(i);
    weft_scope_enter(&scope, WEFT_FOREVER);
    EXPECT_EQ(weft_go(&scope, answer_late), 0);
    weft_ns patience = seeds_dice(3) ? WEFT_MIN : (weft_ns)seeds_dice(1500) * WEFT_MS;
    int fd = (int)weft_within(patience, weft_tcp_connect_any(addresses, ADDRESSES, &options));
    if (fd >= 0) {
        EXPECT_EQ(weft_peer_address(fd, &peer), 0);
        EXPECT(manner_of(&peer) == ANSWERS || manner_of(&peer) == ANSWERS_LATE);
        EXPECT_EQ(weft_close(fd), 0);
    } else {
        EXPECT(fd == -ETIMEDOUT || fd == -ECONNREFUSED);
        EXPECT(fd != -ETIMEDOUT || patience < WEFT_MIN || !somebody_answers());
    }
    if (fd != -ETIMEDOUT)
        look_at_report(fd);
    weft_scope_cancel(&scope, 0);
    int rc = weft_scope_exit(&scope, 0);
    close_hosts();
    return rc;
}
