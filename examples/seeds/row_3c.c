/* SPDX-License-Identifier: MIT */
/*
 * row_3c.c: "An introduction to Asyncio", a pipeline that pulls and one that pushes
 *
 * Pulled, each part asks the one before; pushed, each part sends to the next. weft_gen_prime runs
 * a part to its first wait for a value: nobody writes the send(None) that the tutorial warns not
 * to forget. A failure anywhere in the pushed pipeline comes back to whoever drives it, and
 * closing ends each part in order.
 *
 *     row_3c [stop [factor]]
 */
#include "seed.h"

/** One part of a pipeline. */
struct part {
    /** The part before it (pull) or after it (push); NULL at the end. */
    struct weft_gen *other;
    /** Where numbers end, or the factor. */
    long number;
};

static int pull_range(struct weft_gen *gen, void *arg)
{
    const struct part *part = arg;
    int rc = 0;

    for (long i = 0; i < part->number && rc == 0; i++)
        rc = weft_gen_yield(gen, as_value(i), NULL);
    return rc;
}

static int pull_odd(struct weft_gen *gen, void *arg)
{
    const struct part *part = arg;
    int rc = 0;

    weft_gen_each(part->other, value) if (as_number(value) % 2 == 1 &&
                                          (rc = weft_gen_yield(gen, value, NULL)) < 0) return rc;
    return rc;
}

static int pull_mul(struct weft_gen *gen, void *arg)
{
    const struct part *part = arg;
    int rc = 0;

    weft_gen_each(part->other,
                  value) if ((rc = weft_gen_yield(gen, as_value(as_number(value) * part->number),
                                                  NULL)) < 0) return rc;
    return rc;
}

static int push_odd(struct weft_gen *gen, void *arg)
{
    const struct part *part = arg;
    void *sent;
    int rc;

    while ((rc = weft_gen_yield(gen, NULL, &sent)) == 0)
        if (as_number(sent) % 2 == 1 && (rc = weft_gen_send(part->other, sent, NULL)) < 0)
            break;
    return rc;
}

static int push_mul(struct weft_gen *gen, void *arg)
{
    const struct part *part = arg;
    void *sent;
    int rc;

    while ((rc = weft_gen_yield(gen, NULL, &sent)) == 0) {
        rc = weft_gen_send(part->other, as_value(as_number(sent) * part->number), NULL);
        if (rc < 0)
            break;
    }
    return rc;
}

static int push_print(struct weft_gen *gen, void *arg)
{
    void *sent;
    int rc;

    (void)arg;
    while ((rc = weft_gen_yield(gen, NULL, &sent)) == 0)
        printf("%ld\n", as_number(sent));
    return rc;
}

/* Makes three parts; each but the first knows the one made before it. */
static int make_all(weft_gen_fn *const fns[3], struct part parts[3], struct weft_gen *gens[3])
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        parts[i].other = i > 0 ? gens[i - 1] : NULL;
        rc = weft_gen_new(fns[i], &parts[i], &gens[i]);
    }
    return rc;
}

static int close_all(struct weft_gen *gens[3], int rc)
{
    for (int i = 2; i >= 0; i--) {
        int close_rc = weft_gen_close(gens[i]);
        rc = rc < 0 ? rc : close_rc;
    }
    return rc;
}

static int pull(long stop, long factor)
{
    static weft_gen_fn *const fns[3] = {pull_range, pull_odd, pull_mul};
    struct part parts[3] = {{NULL, stop}, {NULL, 0}, {NULL, factor}};
    struct weft_gen *gens[3] = {NULL, NULL, NULL};
    int rc = make_all(fns, parts, gens);

    if (rc == 0)
        weft_gen_each(gens[2], value) printf("%ld\n", as_number(value));
    return close_all(gens, rc);
}

static int push(long stop, long factor)
{
    static weft_gen_fn *const fns[3] = {push_print, push_mul, push_odd};
    struct part parts[3] = {{NULL, 0}, {NULL, factor}, {NULL, 0}};
    struct weft_gen *gens[3] = {NULL, NULL, NULL};
    int rc = make_all(fns, parts, gens);

    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = weft_gen_prime(gens[i]);
    for (long i = 0; i < stop && rc >= 0; i++)
        rc = weft_gen_send(gens[2], as_value(i), NULL);
    return close_all(gens, rc);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    long stop = argument_number(&arguments, 1, 10);
    long factor = argument_number(&arguments, 2, 2);

    puts("pull");
    int rc = pull(stop, factor);
    puts("push");
    return exit_status(rc < 0 ? rc : push(stop, factor));
}
