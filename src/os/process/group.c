/* SPDX-License-Identifier: MIT */
/*
 * group.c: whether anybody in a process group still runs
 *
 * A signal of 0 tells that a group has members, but those who have ended and whom nobody has waited
 * for count, too. What the children of a process leave behind is init's to wait for, which may take
 * it a second, and the init of a container may never do it. So where the group has members, /proc
 * is asked which of them run. That costs a read for each process of the machine, and is done only
 * after a process has ended before others of its group.
 */
#include "os/process/process.h"

#include "loop/poller.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What getdents64(2) gives. */
struct entry {
    /** Inode. */
    uint64_t inode;
    /** Where the next one is. */
    int64_t offset;
    /** Bytes of this one. */
    unsigned short len;
    /** Its type. */
    unsigned char type;
    /** Its name. */
    char name[];
};

/** The line of /proc/PID/stat: "1 (sh) S 0 1 ...". A name may hold anything, so the last ")" is
 *  its end. */
static bool runs_in(const char *line, pid_t group)
{
    const char *end = strrchr(line, ')');
    char state = end && end[1] == ' ' ? end[2] : 0;
    if (!state || state == 'Z' || state == 'X')
        return false;
    char *rest;
    (void)strtol(end + 3, &rest, 10);
    return strtol(rest, NULL, 10) == group;
}

static bool is_member(const struct weft_sys *sys, int proc, const char *name, pid_t group)
{
    char path[48], line[512];
    if (name[0] < '1' || name[0] > '9' || strlen(name) > sizeof path - sizeof "/stat")
        return false;
    snprintf(path, sizeof path, "%.32s/stat", name);
    int fd = sys->openat(sys, proc, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    ssize_t len = sys->read(sys, fd, line, sizeof line - 1);
    (void)weft__close_now(sys, fd);
    line[len > 0 ? len : 0] = 0;
    return runs_in(line, group);
}

bool weft__process_group_runs(pid_t group)
{
    const struct weft_sys *sys = weft__sys_current();
    _Alignas(struct entry) char buf[2048];
    bool found = false;
    ssize_t len;
    int proc = sys->openat(sys, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (proc < 0)
        return true;
    while (!found && (len = sys->getdents64(sys, proc, buf, sizeof buf)) > 0)
        for (const char *at = buf; !found && at < buf + len;) {
            const struct entry *entry = (const struct entry *)(const void *)at;
            found = is_member(sys, proc, entry->name, group);
            at += entry->len;
        }
    (void)weft__close_now(sys, proc);
    return found;
}
