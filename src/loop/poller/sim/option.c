/* SPDX-License-Identifier: MIT */
/*
 * option.c: the options of simulated sockets
 *
 * What follows from the socket itself is answered from it, whatever was set. SO_LINGER with no time
 * makes a close a reset, and sizes of buffers are accepted and change nothing. All others are kept
 * and given back as they were set, because programs ask for what they have set; one that never was
 * reads as zero. Those of UDP are unknown: no segments are joined or split in a world.
 */
#include "loop/poller/sim/world.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/** The options that follow from what the socket is: 1 with *ret set, or 0. */
static int known_option(struct weft__sim_file *file, int option, int *ret)
{
    bool stream = file->kind == WEFT__SIM_STREAM;
    switch (option) {
    case SO_ERROR:
        *ret = -weft__sim_take_error(file);
        return 1;
    case SO_TYPE:
        *ret = stream ? SOCK_STREAM : SOCK_DGRAM;
        return 1;
    case SO_DOMAIN:
        *ret = file->domain;
        return 1;
    case SO_PROTOCOL:
        *ret = file->domain == AF_UNIX ? 0 : stream ? IPPROTO_TCP : IPPROTO_UDP;
        return 1;
    case SO_ACCEPTCONN:
        *ret = file->state == WEFT__SIM_LISTENING;
        return 1;
    case SO_SNDBUF:
    case SO_RCVBUF:
        *ret = WEFT__SIM_BUFFER;
        return 1;
    default:
        return 0;
    }
}

static struct weft__sim_option *find_option(struct weft__sim_file *file, int level, int option)
{
    for (size_t i = 0; i < file->option_count; i++)
        if (file->options[i].level == level && file->options[i].option == option)
            return &file->options[i];
    return NULL;
}

/** Copies a value of `len` bytes out, cut at what the caller has room for. */
static void copy_option(void *value, socklen_t *value_len, const void *from, socklen_t len)
{
    *value_len = len < *value_len ? len : *value_len;
    memcpy(value, from, *value_len);
}

int weft__sim_getsockopt(struct weft__sim_file *file, int level, int option, void *value,
                         socklen_t *len)
{
    int answer = 0;
    const struct weft__sim_option *found = find_option(file, level, option);
    if (level == IPPROTO_UDP)
        return -ENOPROTOOPT; /* no segments are joined or split here */
    if (level == SOL_SOCKET && known_option(file, option, &answer))
        found = NULL;
    if (found)
        copy_option(value, len, found->value, found->len);
    else
        copy_option(value, len, &answer, sizeof answer);
    return 0;
}

/** Remembers an option that changes nothing here. */
static int keep_option(struct weft__sim_file *file, int level, int option, const void *value,
                       socklen_t len)
{
    struct weft__sim_option *place = find_option(file, level, option);
    if (len < sizeof(int) || len > sizeof place->value)
        return -EINVAL;
    if (!place) {
        if (file->option_count == WEFT__SIM_OPTIONS)
            return -ENOPROTOOPT;
        place = &file->options[file->option_count++];
    }
    place->level = level;
    place->option = option;
    place->len = len;
    memcpy(place->value, value, len);
    return 0;
}

int weft__sim_setsockopt(struct weft__sim_file *file, int level, int option, const void *value,
                         socklen_t len)
{
    if (level == SOL_SOCKET && option == SO_LINGER) {
        struct linger linger;
        if (len < sizeof linger)
            return -EINVAL;
        memcpy(&linger, value, sizeof linger);
        file->reset_on_close = linger.l_onoff && linger.l_linger == 0;
    }
    if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF))
        return 0; /* accepted; a stream holds what it holds */
    if (level == IPPROTO_UDP)
        return -ENOPROTOOPT;
    return keep_option(file, level, option, value, len);
}
