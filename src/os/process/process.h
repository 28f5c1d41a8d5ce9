/* SPDX-License-Identifier: MIT */
/*
 * process.h: for the files of processes
 *
 *     handle.c    waiting, signals, closing                 program.c    paths and environment
 *     spawn.c     what a process is given, and its start    collect.c    a run to its end
 *     guard.c     the task that looks after it              group.c      who is left of a group
 *
 * Each process has a task in its scope, in the background: the guard. It sees the end, tells those
 * who wait, ends the process when it is cancelled itself, and frees the handle last of all.
 */
#ifndef WEFT_OS_PROCESS_H
#define WEFT_OS_PROCESS_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/process.h>
#include <weft/scope.h>
#include <weft/sys.h>
#include <weft/task.h>
#include <weft/wait.h>

/** Our end of a pipe of a process. */
struct weft__process_pipe {
    /** The number of its end there. */
    int child_fd;
    /** Ours; NULL: closed. */
    struct weft_stream *stream;
};

/** A process that was spawned. */
struct weft_process {
    /** Frees the handle at the end of its scope, when no task there can have it any more. */
    struct weft_deferred deferred;
    /** Its loop. */
    struct weft_loop *loop;
    /** Its number; 0: it was not started. */
    pid_t pid;
    /** A descriptor for it; -1: the kernel has none, or the guard has ended. */
    int pidfd;
    /** It leads a group that is ended with it. */
    bool leads;
    /** The pidfd stands for the group, too, even when the process is gone. */
    bool group_by_pidfd;
    /** Nothing ends it. */
    bool detached;
    /** It has ended, and how is known or lost. */
    bool ended;
    /** Its number is free: the status was taken, by us or others. */
    bool reaped;
    /** 0, or why nobody knows how it ended. */
    int lost;
    /** How it ended. */
    struct weft_exit exit;
    /** Time between SIGTERM and SIGKILL. */
    weft_ns grace;
    /** Who waits for the end. */
    struct weft_waitq waiters;
    /** The task that looks after it. */
    struct weft_task *guard;
    /** The name of the program, cut. */
    char name[32];
    /** How many pipes there are. */
    size_t pipe_count;
    /** Our ends of them. */
    struct weft__process_pipe pipes[];
};

/* handle.c */

/** Looks whether it has ended, and if so notes how and tells who waits. */
void weft__process_look(struct weft_process *process);
/** Frees the handle of a process whose guard has ended, or never began. */
void weft__process_free(struct weft_process *process);
/** Sends a signal to its group, or to it alone if it leads none. */
int weft__process_signal_all(struct weft_process *process, int signal);

/* guard.c */

/** The guard's function; `arg` points at the pointer to the process. */
int weft__process_guard(void *arg);

/* group.c */

/** Whether somebody in a group that has members still runs; also when that cannot be known. */
bool weft__process_group_runs(pid_t group);

/* program.c */

/** The files to try for a program, and its environment. */
struct weft__program {
    /** The files, NULL at the end. */
    const char *const *paths;
    /** The environment, NULL at the end; NULL: ours. */
    const char *const *environment;
    /** Memory of the former. */
    void *paths_memory;
    /** Memory of the latter. */
    void *environment_memory;
};

/** Prepares both. 0 or -ENOMEM; nothing to free then. */
int weft__program_prepare(struct weft_loop *loop, const char *program,
                          const struct weft_process_options *options, struct weft__program *ret);
/** Frees them. */
void weft__program_free(struct weft_loop *loop, struct weft__program *program);

#endif
