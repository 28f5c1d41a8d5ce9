/* SPDX-License-Identifier: MIT */
/*
 * demo.h: what the parts of the demo know of each other
 *
 *     ../demo.c        the order of things, and the verdict
 *     report.c         rows and the line that moves
 *     server.c         servers as processes
 *     blocking.c       the server with one second of work; clients without weft
 *     crowd.c          the client and the server with weft
 *     echo_clients.c   the program examples/echo and those who talk to it
 *     proxy.c          the program examples/weft-proxy, restarted while it is in use
 */
#ifndef DEMO_H
#define DEMO_H

#include <sys/types.h>
#include <weft/weft.h>

/* report.c */

/** Begins a row that ends when `expected` answers have come. */
void row_begin(const char *name, int expected);

/** One answer more. Any thread. */
void row_answer(void);

/** How many answers the row has or had. */
int row_answers(void);

/** Ends the row: prints its name, the text, and the time it took. */
void row_end(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Nanoseconds of a clock that only runs forward; also where no loop is. */
weft_ns clock_now(void);

double seconds_since(weft_ns start);

/* server.c */

/** Room for a request or an answer. */
#define TEXT_SIZE 64

/** What comes before the request in its answer. */
#define ANSWER_PREFIX "response for "

/** At most this many processes in a server. */
#define SERVER_PROCESSES 3

/** A server. */
struct server {
    /** Where it listens. */
    struct weft_address address;
    /** How many processes it has. */
    int count;
    /** Their ids. */
    pid_t pids[SERVER_PROCESSES];
};

/** A socket on a free port of 127.0.0.1; the address goes to *ret. The descriptor or -errno. */
int bind_somewhere(int type, struct weft_address *ret);

/** fork; the child dies with its parent. */
pid_t fork_bound(void);

/** Starts `count` processes that run serve(fd, arg) on a UDP socket; negative is a failure. 0 or
 *  -errno. */
int server_start(struct server *server, int count, int (*serve)(int fd, void *arg), void *arg);

/** Ends it by SIGTERM. 0; -EPROTO when a process had failed. */
int server_stop(struct server *server);

/* blocking.c */

/** One call to the server, and what became of it. */
struct call {
    /** The server. */
    struct weft_address to;
    /** What is asked. */
    char request[TEXT_SIZE];
    /** What came back. */
    char answer[TEXT_SIZE];
    /** How often the request was sent. */
    int sent;
    /** 0, or what went wrong. */
    int rc;
    /** How long all attempts together may take; only client_weft looks at it. */
    weft_ns deadline;
};

/** A call numbered `number`. */
struct call call_make(const struct server *server, int number, weft_ns deadline);

/** Notes that an answer of `n` bytes has come, or the error in n. */
void call_end(struct call *call, ssize_t n);

/** Nonzero when the answer is there and right; says what is wrong. */
int call_is_right(const struct call *call);

/** A process of the server: takes a request, works for a second, answers, for ever. */
int serve_blocking(int fd, void *unused);

/** One call after the other. */
int client_sequential(struct call *calls, int count);

/** A thread for each call, at most SERVER_PROCESSES. */
int client_threads(struct call *calls, int count);

/* crowd.c */

/** What the server's process counts; in memory that both processes see. */
struct tally {
    /** Requests that it read. Only by the server, read after its end. */
    int received;
    /** Requests that it must still leave unread, to see the client ask again. */
    int lose;
};

/** The server's process. SIGTERM cancels what runs; that is its good end. */
int serve_crowd(int fd, void *tally);

/** All calls at once, in one thread. */
int client_weft(struct call *calls, int count);

/* echo_clients.c */

/** How much each client sends. */
#define ECHO_BYTES (64 << 10)

/** One client. */
struct echo_client {
    /** The server. */
    struct weft_address to;
    /** Which one; its bytes are not those of others. */
    unsigned number;
    /** Nonzero when the server may not listen yet. */
    int patient;
    /** Nonzero when all came back. */
    int right;
};

/** Runs the program of that name that lies beside this one; `arguments` end with NULL. Returns only
 *  when it cannot: -errno. */
int exec_beside(const char *name, char *const *arguments);

/**
 * Starts examples/echo on a free port, and returns a socket that reserves this port, or -errno: two
 * sockets with SO_REUSEADDR may have one address as long as only one listens, and nobody else is
 * given it.
 */
int echo_start(struct server *server);

/** All clients at once, and a task beside them (NULL: none). 0, or the first failure. */
int echo_by_weft(struct echo_client *clients, int count, int (*meanwhile)(void *arg), void *arg);

/** nc and socat, where installed. Returns how many of them got a wrong answer. */
int echo_by_others(const struct weft_address *to);

/* proxy.c */

/** Proxies that follow each other. */
struct proxy {
    /** Their processes, and where clients connect. */
    struct server server;
    /** The same as text, and where connections go. */
    char front[WEFT_ADDRESS_TEXT_SIZE], behind[WEFT_ADDRESS_TEXT_SIZE];
    /** Where each asks the one before it for the listening socket. */
    char control[64];
};

/** Starts the first one. Returns a socket as echo_start. */
int proxy_start(struct proxy *proxy, const struct weft_address *behind);

/** A task: lets the next ones follow while clients get their answers; `arg` is the struct proxy. */
int proxy_restart(void *arg);

#endif
