/* SPDX-License-Identifier: MIT */
/*
 * table.c: libc and the kernel, as a table
 *
 * weft_sys_default is the only door of the library to the outside: each entry is one system call,
 * or one function of libc, with its error as a negative errno value. The entries stand beside this
 * file by subject, and entries.h lists them. There is no policy behind the door: nothing is retried
 * (except random bytes, which come whole), nothing is logged, and nothing is kept but one bit, that
 * the kernel lacks epoll_pwait2.
 */
#include "base/sys/entries.h"

const struct weft_sys weft_sys_default = {.size = sizeof(struct weft_sys),
#define ENTRY(name) .name = weft__sys_##name,
                                          WEFT__SYS_ENTRIES(ENTRY)
#undef ENTRY
};
