/* SPDX-License-Identifier: MIT */
/*
 * order.c: which address is tried when
 *
 * An answer is sorted by libc (RFC 6724): the best first, and often all of one family before the
 * other. Where that family leads nowhere its addresses would all be waited for, so RFC 8305,
 * section 4, lets the families take turns:
 *
 *     answer                6a 6b 6c 4a 4b
 *     in turns, first 1     6a 4a 6b 4b 6c
 *     in turns, first 2     6a 6b 4a 6c 4b
 *
 * Within a family the order stays that of the answer. History of earlier connections is not kept.
 */
#include "names/internal.h"

/** The first address from `from` on that is of `family`, or is not; `count` when there is none. */
static size_t next_of(const struct weft_address *addresses, size_t count, size_t from,
                      sa_family_t family, bool same)
{
    while (from < count && (addresses[from].of.any.sa_family == family) != same)
        from++;
    return from;
}

void weft__addresses_interleave(const struct weft_address *addresses, size_t count, uint32_t first,
                                struct weft_address *ret)
{
    if (count == 0)
        return;
    sa_family_t family = addresses[0].of.any.sa_family;
    size_t next[2] = {next_of(addresses, count, 0, family, false), 0};
    bool preferred = true;
    for (size_t done = 0; done < count; done++) {
        /* A family that is used up leaves its turns to the other. */
        if (next[preferred] == count)
            preferred = !preferred;
        ret[done] = addresses[next[preferred]];
        next[preferred] = next_of(addresses, count, next[preferred] + 1, family, preferred);
        if (done + 1 >= (first ? first : 1))
            preferred = !preferred;
    }
}
