/* SPDX-License-Identifier: MIT */
/*
 * subprocess.h: a process by callback, as the files of this folder share it
 *
 *     subprocess.c   starting it, and what is done to it while it runs
 *     pipes.c        its pipes, as transports
 *     owner.c        the task that owns it, and what is told from the ready ring
 *
 *     made ─▶ pipe_data_received* ─▶ pipe_connection_lost (each) ─┐
 *                       process_exited (any time after made) ─────┴─▶ connection_lost
 */
#ifndef WEFT_TRANSPORT_SUBPROCESS_SUBPROCESS_H
#define WEFT_TRANSPORT_SUBPROCESS_SUBPROCESS_H

#include "transport/internal.h"

#include <weft/process.h>
#include <weft/wait.h>

/** How many pipes a process may have. */
#define WEFT__SUBPROCESS_PIPES 16
/** How many descriptors it may be given. */
#define WEFT__SUBPROCESS_DESCRIPTORS 64

/** One of its pipes. */
struct weft__subprocess_pipe {
    /** Whose. */
    struct weft_subprocess *owner;
    /** Its number in the process. */
    int child_fd;
    /** Our end; NULL when it is lost. */
    struct weft_transport *transport;
};

/** A process by callback. */
struct weft_subprocess {
    /** The loop. */
    struct weft_loop *loop;
    /** The callbacks. */
    const struct weft_subprocess_protocol *protocol;
    /** What they get. */
    void *self;
    /** The process; NULL when the owner has let go of it. */
    struct weft_process *process;
    /** Its number. */
    pid_t pid;
    /** How it ended. */
    struct weft_exit exit;
    /** It has ended, or is not looked after any more. */
    bool ended;
    /** connection_made is due. */
    bool made_due;
    /** process_exited is due. */
    bool exited_due;
    /** connection_lost has returned. */
    bool over;
    /** Stands in the ready ring. */
    bool posted;
    /** What connection_lost gets. */
    int code;
    /** Its pipes. */
    struct weft__subprocess_pipe pipes[WEFT__SUBPROCESS_PIPES];
    /** How many there were. */
    size_t pipe_count;
    /** How many of them are not lost. */
    size_t open;
    /** The owner, who waits for the end. */
    struct weft_waitq owner;
    /** The owner when it cannot be cut any more; NULL before. */
    struct weft_wait *last;
    /** Goes with the loop; its place in the ready ring. */
    struct weft__errand errand;
};

/** A callback of its protocol, NULL when that has none. */
#define weft__subprocess_callback(subprocess, member)                                              \
    (weft__protocol_has((subprocess)->protocol->size,                                              \
                        offsetof(struct weft_subprocess_protocol, member))                         \
         ? (subprocess)->protocol->member                                                          \
         : NULL)

/* pipes.c */

/** Pipes while they are made. */
struct weft__plumbing {
    /** What the process gets. */
    struct weft_process_fd fds[WEFT__SUBPROCESS_DESCRIPTORS];
    /** Ends of pipes: ours, and the process's; -1 closed. */
    int ours[WEFT__SUBPROCESS_PIPES];
    /** Which of them the process reads. */
    bool reads[WEFT__SUBPROCESS_PIPES];
    /** The process's ends. */
    int theirs[WEFT__SUBPROCESS_PIPES];
};

/** Makes the pipes that `options` ask for, and has these give the process its ends of them. What
 *  was made is open, also when it fails. */
int weft__subprocess_lay_pipes(struct weft_subprocess *subprocess, struct weft__plumbing *plumbing,
                               struct weft_process_options *options);
/** Our ends become transports. What did not, stays in plumbing->ours. */
int weft__subprocess_connect_pipes(struct weft_subprocess *subprocess,
                                   struct weft__plumbing *plumbing);
/** Takes back transports that nobody was told of. */
void weft__subprocess_disconnect_pipes(struct weft_subprocess *subprocess);
/** Closes all of plumbing->ours, or all of plumbing->theirs. */
void weft__subprocess_close_ends(const struct weft_subprocess *subprocess, int *ends);
/** Ends the transports: each gets its pipe_connection_lost. */
void weft__subprocess_abort_pipes(struct weft_subprocess *subprocess);

/* owner.c */

/** The owner's function; `arg` is the subprocess, which it frees. */
int weft__subprocess_own(void *arg);
/** Has the ready ring tell what is due. */
void weft__subprocess_post(struct weft_subprocess *subprocess);
/** connection_made, if it is due: it comes before every other callback. */
void weft__subprocess_tell_made(struct weft_subprocess *subprocess);
/** A callback failed: all is ended with its code. */
void weft__subprocess_fail(struct weft_subprocess *subprocess, int code);

#endif
