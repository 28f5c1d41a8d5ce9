/* SPDX-License-Identifier: MIT */
/*
 * row_4h.c: "Async IO from Ground Up", generator-based coroutines, and what am I
 *
 * Python marks a generator with types.coroutine before one may await it, and tells kinds of
 * functions apart by code flags. C needs neither: any function may wait, so there is one kind of
 * function. What differs is who runs it, and weft_running_kind says that at the place itself.
 *
 *     row_4h [length of the range [number]]
 */
#include "interweave.h"

/** What the squares need. */
struct task {
    /** The length of the range that each square delegates to. */
    long length;
    /** The number. */
    long number;
};

static int range(struct weft_gen *gen, void *arg)
{
    int rc = 0;

    for (long i = 0; i < as_number(arg) && rc == 0; i++)
        rc = weft_gen_yield(gen, as_value(i), NULL);
    return rc;
}

static int square(struct weft_gen *gen, long length, long x)
{
    struct weft_gen *inner;
    int rc = weft_gen_new(range, as_value(length), &inner);

    if (rc < 0)
        return rc;
    rc = weft_gen_delegate(gen, inner);
    int close_rc = weft_gen_close(inner);
    return rc < 0 ? rc : close_rc < 0 ? close_rc : (int)(x * x);
}

static int one_square(struct weft_gen *gen, void *arg)
{
    const struct task *task = arg;

    return square(gen, task->length, task->number);
}

static int sum_of_squares(struct weft_gen *gen, void *arg)
{
    const struct task *task = arg;
    int first = square(gen, task->length, task->number);
    int second = first < 0 ? first : square(gen, task->length, task->number + 1);

    return second < 0 ? second : first + second;
}

static int count_steps(weft_gen_fn *fn, struct task *task)
{
    struct weft_gen *gen;
    int steps = 0;
    int rc = weft_gen_new(fn, task, &gen);

    if (rc < 0)
        return rc;
    weft_gen_each(gen, value) steps++;
    rc = weft_gen_result(gen);
    if (rc >= 0)
        printf("%d steps, result %d\n", steps, rc);
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

static const char *what_am_i(void)
{
    static const char *const names[] = {
        [WEFT_KIND_PLAIN] = "plain call",
        [WEFT_KIND_TASK] = "task",
        [WEFT_KIND_GENERATOR] = "generator",
    };

    return names[weft_running_kind()];
}

static int in_generator(struct weft_gen *gen, void *arg)
{
    (void)gen;
    printf("%s %s\n", (const char *)arg, what_am_i());
    return 0;
}

static int ask_generator(char *where)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(in_generator, where, &gen);

    return rc < 0 ? rc : run(gen);
}

static int in_task(void *arg)
{
    printf("from a task: %s\n", what_am_i());
    return ask_generator(arg);
}

int main(int argc, char **argv)
{
    static char outside[] = "from a generator:", inside[] = "from a generator in a task:";
    struct arguments arguments = {argc, argv};
    struct task task = {argument_number(&arguments, 1, 10), argument_number(&arguments, 2, 3)};
    int rc = count_steps(one_square, &task);

    rc = rc < 0 ? rc : count_steps(sum_of_squares, &task);
    printf("plainly called: %s\n", what_am_i());
    rc = rc < 0 ? rc : ask_generator(outside);
    return rc < 0 ? exit_status(rc) : weft_main(in_task, inside);
}
