/* SPDX-License-Identifier: MIT */
/*
 * weft/process.h: other programs
 *
 * A process belongs to a scope, like a task: it is looked after until it has ended, and it does not
 * outlive the scope. One call runs a program and collects what it says; the others talk with it
 * while it runs.
 *
 *     const char *arguments[] = {"sort", "-u", NULL};
 *     struct weft_process_run_options options = {.input = text, .input_len = len};
 *     rc = weft_within(5 * WEFT_SEC, weft_process_run(arguments, &options, &result));
 *     if (rc == 0 && weft_exit_ok(&result.exit))
 *         use(result.output, result.output_len);
 *     weft_process_result_free(&result);
 *
 *       spawn ──▶ RUNNING ──exits──▶ ENDED (its status stays) ──close, end of the scope──▶ gone
 *                    └─ cancelled, closed, end of the scope:
 *                         SIGTERM to its group ──▶ grace, 5 s ──▶ SIGKILL to its group ──▶ ENDED
 *
 * Rules
 *   - The end of a scope ends its processes: when its body and its tasks have ended, or when it is
 *     cancelled, whichever is first. To let one come to its own end, wait for it.
 *   - A process leads a group of its own, and it is the group that is ended: what it has started is
 *     ended with it, unless that left the group. What has ended its main process, but left others
 *     in the group, is ended with the scope as well. See enum weft_process_group for other choices;
 *     one that shares our group is ended alone. What has got SIGKILL is waited for: the process for
 *     as long as it takes, others of its group for up to 5 s (the kernel may be busy with one).
 *   - A process that we may not signal, because it has become another user (sudo), cannot be ended:
 *     its pipes are closed at the end of the scope, and it is waited for.
 *   - It gets no descriptor but those that are asked for. Without a word about them, 0 is /dev/null
 *     and 1 and 2 are ours. Signal dispositions are at their defaults (but an ignored SIGHUP stays
 *     ignored, for nohup) and no signal is blocked.
 *   - A failure to start is told with its step and path, as an error of the spawn: a process that
 *     was spawned has run its program.
 *   - A pipe that nobody reads fills up, after 64 KiB, and then the process waits in its write for
 *     ever, and whoever waits for the process with it. Read what you ask for, or ask for
 *     WEFT_PROCESS_NULL; weft_process_run reads both at once. The dump says when a pipe is full.
 *   - A write to a pipe that nobody reads any more gives -EPIPE under weft_run. A program that runs
 *     its loop otherwise ignores SIGPIPE first, as for any pipe (weft/net.h).
 *
 * How it is done, and what that asks of the program. Processes are made by clone(2) with borrowed
 * memory and exec at once, never by a copy of ours: rings, locks and heaps of the parent have no
 * second life. Do not fork(2) without exec in a program with a running loop: weft's loops are inert
 * in the child (-EOWNERDEAD), but a ring is not. The thread of the loop rests while the kernel
 * loads the program, some 100 us from a local disk. The end is seen by a pidfd: there is no
 * handler of SIGCHLD, its disposition is left alone, and no child that weft did not make is waited
 * for. Somebody who waits for all children of the process (waitpid(-1), a SIGCHLD that is ignored)
 * takes our status away: that is -ECHILD, with a note. Where the kernel has no pidfds, the end is
 * looked for again and again, at most 50 ms apart.
 *
 * Any loop's thread may spawn; a process belongs to the loop that spawned it. In a simulated world
 * there are no processes: -ENOTSUP.
 */
#ifndef WEFT_PROCESS_H
#define WEFT_PROCESS_H

#include <weft/error.h>
#include <weft/stream.h>
#include <weft/types.h>

WEFT_BEGIN

/** A process that was spawned. */
struct weft_process;

/* What it is given. */

/** What a descriptor of the process is. */
enum weft_process_what {
    /** Ours of the same number. */
    WEFT_PROCESS_INHERIT = 1,
    /** A copy of our `fd`. */
    WEFT_PROCESS_FD,
    /** The same as its own descriptor `fd`, which stands before it in the list ("2>&1"). */
    WEFT_PROCESS_SAME_AS,
    /** The null device: nothing to read, and what is written is dropped. */
    WEFT_PROCESS_NULL,
    /** A pipe that it reads from; weft_process_stream gives the other end. */
    WEFT_PROCESS_PIPE_IN,
    /** A pipe that it writes to; weft_process_stream gives the other end. */
    WEFT_PROCESS_PIPE_OUT,
    /** The file `path`, to read. Files are opened by us, relative to our directory. */
    WEFT_PROCESS_READ,
    /** The file `path`, to write; made with mode 0666 and emptied before. */
    WEFT_PROCESS_WRITE,
    /** The file `path`, to write at its end; made with mode 0666. */
    WEFT_PROCESS_APPEND,
    /** Closed: for 0, 1 and 2, which are open otherwise. */
    WEFT_PROCESS_CLOSED
};

/** One descriptor of the process. */
struct weft_process_fd {
    /** Its number there. */
    int child_fd;
    /** What it is. */
    enum weft_process_what what;
    /** WEFT_PROCESS_FD: ours; WEFT_PROCESS_SAME_AS: one of its own. */
    int fd;
    /** The name of a file. */
    const char *path;
};

/** Which process group it is in. */
enum weft_process_group {
    /** One of its own, which is ended with it. The default. A program that reads from our terminal
     *  is stopped there (SIGTTIN), and Ctrl-C does not reach it. */
    WEFT_PROCESS_GROUP_OWN = 0,
    /** Ours: for programs that use our terminal. Then it is ended alone. */
    WEFT_PROCESS_GROUP_SHARED,
    /** A session of its own, away from our terminal, and in it a group, which is ended with it. */
    WEFT_PROCESS_GROUP_SESSION
};

/** Outlives its scope, its loop and us: nothing ends it. A session of its own. */
#define WEFT_PROCESS_DETACHED 1u
/** Descriptor 0, a terminal, is its controlling terminal. A session of its own. */
#define WEFT_PROCESS_TERMINAL 2u
/** `umask` counts. */
#define WEFT_PROCESS_UMASK 4u
/** The environment is `environment` alone, not ours changed by it. */
#define WEFT_PROCESS_CLEAN_ENVIRONMENT 8u

/** Stands for a user or group that does not change. */
#define WEFT_PROCESS_UNCHANGED ((unsigned)-1)

/** Who it is. */
struct weft_process_credentials {
    /** User; WEFT_PROCESS_UNCHANGED. */
    uid_t uid;
    /** Group; WEFT_PROCESS_UNCHANGED. */
    gid_t gid;
    /** Supplementary groups; NULL: none, where we may leave ours. */
    const gid_t *groups;
    /** How many. */
    size_t group_count;
};

/** The time between SIGTERM and SIGKILL, unless options say otherwise. */
#define WEFT_PROCESS_GRACE (5 * WEFT_SEC)

/** How to start a process; NULL, or zero everywhere, is the default. */
struct weft_process_options {
    /** sizeof(struct weft_process_options), or 0 for that of this header. */
    size_t size;
    /** The program; NULL: the first argument. Without a "/", it is looked for in the PATH that the
     *  process gets. A relative one is relative to `directory`. */
    const char *program;
    /** "NAME=value" is set, "NAME" alone taken out; NULL at the end. NULL: our environment. */
    const char *const *environment;
    /** Its working directory; NULL: ours. */
    const char *directory;
    /** Its descriptors; none: see the rules above. */
    const struct weft_process_fd *fds;
    /** How many. */
    size_t fd_count;
    /** Its process group. */
    enum weft_process_group group;
    /** WEFT_PROCESS_... */
    unsigned flags;
    /** Who it is; NULL: as we are. */
    const struct weft_process_credentials *credentials;
    /** The time between SIGTERM and SIGKILL; 0: WEFT_PROCESS_GRACE; negative: SIGKILL at once;
     *  WEFT_FOREVER: as long as it takes. */
    weft_ns grace;
    /** The file mode creation mask, with WEFT_PROCESS_UMASK. */
    mode_t umask;
    /** Added to our nice value. */
    int nice;
};

/* How it ended. */

/** The end of a process. */
struct weft_exit {
    /** The status that it exited with; -1: a signal ended it. */
    int status;
    /** The signal that ended it; 0: none. */
    int signal;
    /** Nonzero: the signal left a core file. */
    int core;
};

/** Nonzero when it exited with status 0. Plain. Any thread. */
WEFT_API int weft_exit_ok(const struct weft_exit *how);

/** Room for the longest text of weft_exit_format. */
#define WEFT_EXIT_TEXT_SIZE 64

/** Writes the end in words: "exited with status 3", "ended by signal 9 (core dumped)"; cut at
 *  `size`. Returns buf. Plain. Any thread. */
WEFT_API const char *weft_exit_format(const struct weft_exit *how, char *buf, size_t size);

/* Starting and talking. */

/**
 * Starts a program with `arguments`, NULL at the end, of which the first is its name, into a scope
 * of the calling thread's loop. The process goes to *ret, untouched on failure, and is good until
 * weft_process_close or the scope's end. Waiting: -ECANCELED, and nothing was started.
 *
 * Failures come with a note that names step and path, and nothing is left of the process: -ENOENT,
 * -EACCES, -ENOEXEC, -E2BIG ... the program cannot be run; of the directory, a file, the
 * descriptors (-EBADF), the credentials or the group what the system says; -EAGAIN too many
 * processes, -EMFILE, -ENFILE, -ENOMEM; -EINVAL no arguments, the scope has ended, a number twice;
 * -ENOTSUP in a simulated world.
 */
WEFT_API WEFT_MUST_CHECK int weft_process_spawn(struct weft_scope *scope,
                                                const char *const *arguments,
                                                const struct weft_process_options *options,
                                                struct weft_process **ret);

/** Its number; good as long as the handle. Plain. */
WEFT_API pid_t weft_process_pid(const struct weft_process *process);

/**
 * Our end of its pipe `child_fd` (WEFT_PROCESS_PIPE_...): a stream to write to what it reads, or to
 * read what it writes. It belongs to the process, and is closed with it. Plain. NULL: that is no
 * pipe, or it was closed.
 */
WEFT_API struct weft_stream *weft_process_stream(struct weft_process *process, int child_fd);

/** Closes our end of a pipe, so that the process comes to the end of its input. Releasing; see
 *  weft_stream_close. -EBADF that is no pipe, or it was closed. */
WEFT_API int weft_process_close_stream(struct weft_process *process, int child_fd);

/**
 * Waits until it has ended, and tells how in *ret (may be NULL), which is untouched otherwise.
 * Again gives the same; any number of tasks may wait. Waiting: 0; -ECANCELED, the process goes on;
 * -ECHILD somebody else has taken the status; -WEFT_ECLOSED the handle was closed meanwhile.
 */
WEFT_API WEFT_MUST_CHECK int weft_process_wait(struct weft_process *process, struct weft_exit *ret);

/** How it ended, without waiting. Plain: 0; -EAGAIN it runs; -ECHILD. */
WEFT_API int weft_process_try_wait(struct weft_process *process, struct weft_exit *ret);

/** Sends a signal to the process. Plain. -ESRCH it has ended (never another of the same number);
 *  -EPERM it has become somebody else; -EINVAL. */
WEFT_API int weft_process_signal(struct weft_process *process, int signal);

/** Sends a signal to its group, also when the process itself has ended. Plain. As
 *  weft_process_signal; -ENOTSUP it shares our group. */
WEFT_API int weft_process_signal_group(struct weft_process *process, int signal);

/**
 * Ends the process and its group (SIGTERM, grace, SIGKILL), unless it has ended or was detached,
 * closes our ends of its pipes, and frees the handle; who waits gets -WEFT_ECLOSED. NULL is fine.
 * Releasing: waits until the process has ended, also under cancellation.
 */
WEFT_API void weft_process_close(struct weft_process *process);

/* Running a program. */

/** What is written to standard error is output too, in the order in which it was written. */
#define WEFT_PROCESS_MERGE 1u

/** How much output a run takes, unless options say otherwise: 16 MiB from each. */
#define WEFT_PROCESS_LIMIT ((size_t)16 << 20)

/** How to run a program; NULL, or zero everywhere, is the default. */
struct weft_process_run_options {
    /** sizeof(struct weft_process_run_options), or 0 for that of this header. */
    size_t size;
    /** How it is started; NULL: defaults. Descriptors 0, 1 and 2 are the run's. */
    const struct weft_process_options *process;
    /** What it reads as standard input; one that does not read all of it is fine. */
    const void *input;
    /** How many bytes. */
    size_t input_len;
    /** How many bytes each of output and errors may be; 0: WEFT_PROCESS_LIMIT. */
    size_t limit;
    /** WEFT_PROCESS_MERGE. */
    unsigned flags;
};

/** What came of a run. */
struct weft_process_result {
    /** How it ended. */
    struct weft_exit exit;
    /** What it wrote to standard output, and a 0 behind that does not count. */
    char *output;
    /** How many bytes. */
    size_t output_len;
    /** What it wrote to standard error, and a 0 behind that does not count. */
    char *errors;
    /** How many bytes. */
    size_t errors_len;
    /** Whose memory it is; private. */
    struct weft_loop *loop;
};

/**
 * Runs a program to its end: feeds its input, reads output and errors at the same time, until all
 * of them have ended, and waits for it. 0 whatever it exited with; *ret, untouched otherwise, wants
 * weft_process_result_free. Waiting: -ECANCELED, and by weft_within -ETIMEDOUT: its group was ended
 * before this returns; -EMSGSIZE more output than the limit: likewise; -ENOMEM; all of
 * weft_process_spawn and weft_process_wait.
 */
WEFT_API WEFT_MUST_CHECK int weft_process_run(const char *const *arguments,
                                              const struct weft_process_run_options *options,
                                              struct weft_process_result *ret);

/** Runs a command of the shell, "/bin/sh -c". Never put text of others into it. As
 *  weft_process_run. */
WEFT_API WEFT_MUST_CHECK int weft_process_shell(const char *command,
                                                const struct weft_process_run_options *options,
                                                struct weft_process_result *ret);

/** Frees what a run gave, before its loop is freed; zero everywhere is fine. Plain. */
WEFT_API void weft_process_result_free(struct weft_process_result *result);

WEFT_END

#endif
