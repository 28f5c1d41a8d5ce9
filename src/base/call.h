/* SPDX-License-Identifier: MIT */
/*
 * call.h: calling the world through a table that may be incomplete
 *
 * A simulated world has no entry for what it does not simulate (epoll, io_uring); that reads as a
 * call that the kernel does not know. Tables that users make are complete, see weft/sys.h.
 */
#ifndef WEFT_BASE_CALL_H
#define WEFT_BASE_CALL_H

#include <errno.h>
#include <weft/sys.h>

/** Calls an entry of the system table; one that is not there gives -ENOSYS. */
#define weft__sys_call(sys, entry, ...) ((sys)->entry ? (sys)->entry((sys), __VA_ARGS__) : -ENOSYS)

#endif
