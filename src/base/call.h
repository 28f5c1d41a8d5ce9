/* SPDX-License-Identifier: MIT */
/*
 * call.h: calling the world through a table
 *
 * Every table has what a loop calls (weft/sys.h): what a world cannot do, its entry says: -ENOSYS.
 */
#ifndef WEFT_BASE_CALL_H
#define WEFT_BASE_CALL_H

#include <errno.h>
#include <weft/sys.h>

/** Calls an entry of the system table. */
#define weft__sys_call(sys, entry, ...) ((sys)->entry((sys), __VA_ARGS__))

#endif
