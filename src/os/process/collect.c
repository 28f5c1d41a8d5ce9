/* SPDX-License-Identifier: MIT */
/*
 * collect.c: a program's run to its end
 *
 * A scope holds the process and two tasks: one feeds the input, one reads the errors; the output is
 * read by the caller himself. So no pipe fills up while another is waited for, and the first
 * failure, a cancellation or a deadline ends the tasks and the process alike.
 *
 * That the program does not read all of its input is its own affair: -EPIPE is no failure here.
 */
#include "os/process/process.h"

#include "base/options.h"

#include <string.h>

/** The smallest room that output is read into. */
#define PIECE ((size_t)4096)

/** A run. */
struct run {
    /** Where memory comes from. */
    struct weft_loop *loop;
    /** The process. */
    struct weft_process *process;
    /** What was asked. */
    struct weft_process_run_options options;
};

/** What comes from one pipe. */
struct collector {
    /** The run. */
    struct run *run;
    /** The pipe. */
    int child_fd;
    /** What came, and a 0 behind it. */
    char *bytes;
    /** How much. */
    size_t len;
    /** For how much there is room. */
    size_t room;
};

static int feed(void *arg)
{
    struct run *run = arg;
    struct weft_stream *stream = weft_process_stream(run->process, 0);
    int rc = weft_stream_write_all(stream, run->options.input, run->options.input_len);
    int closed = weft_process_close_stream(run->process, 0);
    if (rc == 0)
        rc = closed;
    return rc == -EPIPE ? 0 : rc;
}

static int make_room(struct collector *collector)
{
    if (collector->room - collector->len > PIECE)
        return 0;
    size_t room = collector->room ? 2 * collector->room : 2 * PIECE;
    char *bytes = weft_loop_realloc(collector->run->loop, collector->bytes, room);
    if (!bytes)
        return -ENOMEM;
    collector->bytes = bytes;
    collector->room = room;
    return 0;
}

/** Reads to the end. One byte more than the limit is a failure. */
static int collect(void *arg)
{
    struct collector *collector = arg;
    struct weft_stream *stream = weft_process_stream(collector->run->process, collector->child_fd);
    for (;;) {
        int rc = make_room(collector);
        if (rc < 0)
            return rc;
        ssize_t len = weft_stream_read(stream, collector->bytes + collector->len,
                                       collector->room - collector->len - 1);
        if (len <= 0) {
            collector->bytes[collector->len] = 0;
            return (int)len;
        }
        collector->len += (size_t)len;
        if (collector->len > collector->run->options.limit)
            return weft_fail(-EMSGSIZE, "more than %zu bytes came from descriptor %d",
                             collector->run->options.limit, collector->child_fd);
    }
}

static int spawn(struct run *run, struct weft_scope *scope, const char *const *arguments)
{
    bool merge = run->options.flags & WEFT_PROCESS_MERGE;
    struct weft_process_options options;
    const struct weft_process_fd *asked;
    weft__options_read(&options, sizeof options, run->options.process);
    asked = options.fds;
    size_t count = options.fd_count;
    struct weft_process_fd *fds = weft_loop_realloc(run->loop, NULL, (count + 3) * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    fds[0] = (struct weft_process_fd){.child_fd = 0, .what = WEFT_PROCESS_PIPE_IN};
    fds[1] = (struct weft_process_fd){.child_fd = 1, .what = WEFT_PROCESS_PIPE_OUT};
    fds[2] = (struct weft_process_fd){.child_fd = 2, .what = WEFT_PROCESS_PIPE_OUT};
    options.fd_count = 3;
    for (size_t i = 0; i < count; i++)
        if (asked[i].child_fd > 2)
            fds[options.fd_count++] = asked[i];
    if (run->options.input_len == 0)
        fds[0].what = WEFT_PROCESS_NULL;
    if (merge)
        fds[2].what = WEFT_PROCESS_SAME_AS, fds[2].fd = 1;
    options.fds = fds;
    int rc = weft_process_spawn(scope, arguments, &options, &run->process);
    (void)weft_loop_realloc(run->loop, fds, 0);
    return rc;
}

static int talk(struct run *run, struct weft_scope *scope, struct collector *output,
                struct collector *errors, struct weft_exit *ret)
{
    int rc = 0;
    if (run->options.input_len > 0)
        rc = weft_go_fn(scope, feed, run);
    if (rc == 0 && !(run->options.flags & WEFT_PROCESS_MERGE))
        rc = weft_go_fn(scope, collect, errors);
    if (rc == 0)
        rc = collect(output);
    if (rc == 0)
        rc = weft_process_wait(run->process, ret);
    return rc;
}

int weft_process_run(const char *const *arguments, const struct weft_process_run_options *options,
                     struct weft_process_result *ret)
{
    struct run run = {.loop = weft_loop_current()};
    struct collector output = {.run = &run, .child_fd = 1}, errors = {.run = &run, .child_fd = 2};
    struct weft_scope scope;
    struct weft_exit how = {0, 0, 0};
    int rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    weft__options_read(&run.options, sizeof run.options, options);
    if (run.options.limit == 0)
        run.options.limit = WEFT_PROCESS_LIMIT;
    weft_scope_enter(&scope, WEFT_FOREVER);
    rc = spawn(&run, &scope, arguments);
    if (rc == 0)
        rc = talk(&run, &scope, &output, &errors, &how);
    rc = weft_scope_exit(&scope, rc);
    struct weft_process_result result = {how,          output.bytes, output.len,
                                         errors.bytes, errors.len,   run.loop};
    if (rc < 0)
        weft_process_result_free(&result);
    else
        *ret = result;
    return rc;
}

int weft_process_shell(const char *command, const struct weft_process_run_options *options,
                       struct weft_process_result *ret)
{
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    return weft_process_run(arguments, options, ret);
}

void weft_process_result_free(struct weft_process_result *result)
{
    if (result->loop) {
        (void)weft_loop_realloc(result->loop, result->output, 0);
        (void)weft_loop_realloc(result->loop, result->errors, 0);
    }
    memset(result, 0, sizeof *result);
}
