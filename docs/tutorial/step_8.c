/* SPDX-License-Identifier: MIT */
/*
 * step_8.c: callbacks and futures
 *
 * Below the tasks lies a loop that calls functions: soon, later, when a descriptor is ready, when a
 * signal comes. Libraries that work by callback live there. A callback must not wait, and a task
 * cannot be called back, so they meet in a future: the callback sets it, the task waits for it.
 * Here callbacks read a number from a pipe, a timer writes it digit by digit, and a task waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

/** A number on its way through a pipe, byte by byte. */
struct transfer {
    /** Where it runs. */
    struct weft_loop *loop;
    /** The pipe. */
    int fds[2];
    /** What is still to be written. */
    const char *left;
    /** The next write, while one is scheduled. */
    struct weft_handle *next;
    /** What has been read. */
    char text[16];
    /** How much that is. */
    size_t len;
    /** Becomes the number, or an error. */
    struct weft_future *number;
};

static void write_digit(void *arg)
{
    struct transfer *transfer = arg;
    int rc = write(transfer->fds[1], transfer->left++, 1) == 1 ? 0 : -EIO;

    transfer->next = NULL;
    if (rc == 0 && *transfer->left)
        rc = weft_loop_call_later(transfer->loop, 10 * WEFT_MS, write_digit, transfer,
                                  &transfer->next);
    if (rc < 0)
        (void)weft_future_set(transfer->number, rc, NULL);
}

static void read_digit(void *arg)
{
    struct transfer *transfer = arg;
    char byte;

    if (read(transfer->fds[0], &byte, 1) != 1 || transfer->len == sizeof transfer->text - 1)
        (void)weft_future_set(transfer->number, -EIO, NULL);
    else if (byte == '\n')
        (void)weft_future_set(transfer->number, atoi(transfer->text), NULL);
    else
        transfer->text[transfer->len++] = byte;
}

static int transfer_start(struct transfer *transfer)
{
    int rc = weft_loop_add_reader(transfer->loop, transfer->fds[0], read_digit, transfer);

    if (rc < 0)
        return rc;
    return weft_loop_call_soon(transfer->loop, write_digit, transfer, &transfer->next);
}

static void transfer_stop(struct transfer *transfer)
{
    (void)weft_loop_remove_reader(transfer->loop, transfer->fds[0]);
    weft_handle_cancel(transfer->next);
}

static int program(void *unused)
{
    struct transfer transfer = {.loop = weft_loop_current(), .left = "42\n"};
    int number = 0, rc = weft_pipe(transfer.fds);

    (void)unused;
    if (rc < 0)
        return rc;
    rc = weft_future_new(transfer.loop, &transfer.number);
    if (rc == 0) {
        rc = transfer_start(&transfer);
        if (rc == 0)
            rc = weft_future_wait(transfer.number, &number, NULL);
        transfer_stop(&transfer);
        weft_future_unref(transfer.number);
    }
    (void)weft_close(transfer.fds[0]);
    (void)weft_close(transfer.fds[1]);
    if (rc == 0 && number >= 0)
        printf("the number is %d\n", number);
    return rc < 0 ? rc : number;
}

int main(void)
{
    return weft_main(program, NULL);
}
