/* SPDX-License-Identifier: MIT */
/*
 * options.h: structs of options that were compiled somewhere else
 *
 * Every public struct of options begins with its size as the caller's header has it, so that later
 * versions may append fields: what the caller did not know of, or all of it where he gave NULL,
 * reads as zero.
 */
#ifndef WEFT_BASE_OPTIONS_H
#define WEFT_BASE_OPTIONS_H

#include <stddef.h>
#include <string.h>

/** Copies the struct at `given` (size 0: all of it; NULL: nothing) into one of `size` bytes whose
 *  rest is zero. */
static inline void weft__options_read(void *known, size_t size, const void *given)
{
    size_t given_size;
    memset(known, 0, size);
    if (!given)
        return;
    memcpy(&given_size, given, sizeof given_size);
    memcpy(known, given, given_size && given_size < size ? given_size : size);
}

#endif
