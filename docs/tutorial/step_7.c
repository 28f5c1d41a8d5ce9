/* SPDX-License-Identifier: MIT */
/*
 * step_7.c: generators
 *
 * Bytes come from a pipe in whatever pieces the kernel likes; the program wants lines. The body of
 * a generator reads and cuts, and gives a line whenever it has one, in a plain loop with local
 * variables. When it waits for bytes, the task that asked for the line waits. A second generator
 * numbers the lines of the first: generators can be put in a row.
 */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

/** Yields the lines that come from the descriptor at `arg`. */
static int lines(struct weft_gen *gen, void *arg)
{
    const int *fd = arg;
    char text[256];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof text && (n = weft_read(*fd, text + len, sizeof text - len)) > 0) {
        char *newline;

        len += (size_t)n;
        while ((newline = memchr(text, '\n', len))) {
            *newline = '\0';
            int rc = weft_gen_yield(gen, text, NULL);
            if (rc < 0)
                return rc;
            len -= (size_t)(newline + 1 - text);
            memmove(text, newline + 1, len);
        }
    }
    return len < sizeof text ? (int)n : -EMSGSIZE;
}

/** Yields what the generator at `arg` yields, with numbers. */
static int numbered(struct weft_gen *gen, void *arg)
{
    char text[300];
    int number = 0, rc = 0;

    weft_gen_each(arg, line)
    {
        snprintf(text, sizeof text, "%2d  %s", ++number, (char *)line);
        rc = weft_gen_yield(gen, text, NULL);
        if (rc < 0)
            return rc;
    }
    rc = weft_gen_result(arg);
    return rc < 0 ? rc : number;
}

static int send_pieces(int fd)
{
    static const char *const pieces[] = {"first li", "ne\nsecond line\nth", "ird line\n"};
    int rc = 0;

    for (size_t i = 0; i < 3 && rc == 0; i++) {
        rc = weft_write_all(fd, pieces[i], strlen(pieces[i]));
        if (rc == 0)
            rc = weft_sleep(1 * WEFT_SEC);
    }
    int close_rc = weft_close(fd);
    return rc < 0 ? rc : close_rc;
}
WEFT_TASK(send_pieces, int);

/** Prints the lines from fd; how many there were. */
static int print_lines(int fd)
{
    struct weft_gen *source, *numbers;
    int rc = weft_gen_new(lines, &fd, &source);

    if (rc < 0)
        return rc;
    rc = weft_gen_new(numbered, source, &numbers);
    if (rc == 0) {
        weft_gen_each(numbers, line) puts(line);
        rc = weft_gen_result(numbers);
        (void)weft_gen_close(numbers);
    }
    (void)weft_gen_close(source);
    return rc;
}

static int program(void *unused)
{
    struct weft_scope scope;
    int fds[2], rc = weft_pipe(fds);

    (void)unused;
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, send_pieces, fds[1]);
    rc = weft_scope_exit(&scope, print_lines(fds[0]));
    (void)weft_close(fds[0]);
    if (rc >= 0)
        printf("%d lines\n", rc);
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
