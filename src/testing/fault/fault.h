/* SPDX-License-Identifier: MIT */
/*
 * fault.h: the table that fails calls, as its files share it
 *
 *     faults.c        making a table, planning, asking     errors.c        what each call can give
 *     decide.c        whether a call fails                 ring.c          requests of io_uring
 *     memory.c, descriptor.c, socket.c, engine.c, file.c, host.c           the entries by subject
 *
 * An entry is a function weft__fault_NAME. Most do nothing but ask and pass on: those are one line,
 * WEFT__FAULT_ENTRY. A new entry needs its enumerator in weft/testing/faults.h, a line in
 * WEFT__TESTING_CALLS, its function, and its errors.
 */
#ifndef WEFT_TESTING_FAULT_FAULT_H
#define WEFT_TESTING_FAULT_FAULT_H

#include "testing/fault/ring.h"
#include "testing/internal.h"

#include <errno.h>

#define DECLARE(upper, lower) __typeof__(*((struct weft_sys *)0)->lower) weft__fault_##lower;
WEFT__TESTING_CALLS(DECLARE)
#undef DECLARE

/** Defines the entry `lower`, of `parameters` with sys first: fails as `decide` says, or gives the
 * wrapped table's result with `arguments`, of which the first is sys->inner. Ends with a ";". */
#define WEFT__FAULT_ENTRY(decide, type, upper, lower, parameters, arguments)                       \
    type weft__fault_##lower parameters                                                            \
    {                                                                                              \
        int rc = decide(sys, WEFT_TESTING_CALL_##upper);                                           \
        return rc < 0 ? rc : sys->inner->lower arguments;                                          \
    }                                                                                              \
    struct weft_sys

/** The faults of their table. */
static inline struct weft_testing_faults *weft__fault_self(const struct weft_sys *sys)
{
    return (struct weft_testing_faults *)(uintptr_t)sys;
}

/** The ring's state, in the room that the public struct has for it. */
static inline struct weft__fault_ring *weft__fault_ring_of(const struct weft_sys *sys)
{
    _Static_assert(sizeof(struct weft__fault_ring) <= sizeof weft__fault_self(sys)->ring,
                   "room for the ring");
    return (void *)weft__fault_self(sys)->ring;
}

/* host.c */

/** Puts what is no fault point into a table: it counts nothing, or gives back. */
void weft__fault_pass_process(struct weft_sys *sys);

/* decide.c */

/** Counts a call that is no fault point. */
void weft__fault_count(const struct weft_sys *sys, enum weft_testing_call call);
/** Counts a call that can fail; the negative code that the plan has for it, or 0. */
int weft__fault_planned(const struct weft_sys *sys, enum weft_testing_call call);
/** As planned, with the failures of a storm. */
int weft__fault_decide(const struct weft_sys *sys, enum weft_testing_call call);
/** As decide, for calls that wait for something: storms interrupt them. */
int weft__fault_decide_slow(const struct weft_sys *sys, enum weft_testing_call call);
/** As decide, for transfers: storms interrupt them or say -EAGAIN. */
int weft__fault_decide_transfer(const struct weft_sys *sys, enum weft_testing_call call);
/** SOCK_STREAM ...; 0 for what is no socket. */
int weft__fault_socket_type(const struct weft_sys *sys, int fd);
/** A shorter length for a stream, if the storm says so. What has bounds of its own is left whole.
 */
size_t weft__fault_cut(const struct weft_sys *sys, int fd, size_t len);
/** A smaller batch of messages, at least one, if the storm says so. */
unsigned weft__fault_cut_batch(const struct weft_sys *sys, unsigned count);

#endif
