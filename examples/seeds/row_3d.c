/* SPDX-License-Identifier: MIT */
/*
 * row_3d.c: "An introduction to Asyncio", close, throw, broadcast
 *
 * A broadcaster sends every number to all printers. An error thrown in is what the pending yield
 * returns, so a printer can take it and go on; a close is -WEFT_ECLOSED, after which it says its
 * last word and returns.
 *
 *     row_3d [stop [name]...]
 */
#include "seed.h"

#define MOST 16

/** Whom a broadcaster sends to. */
struct audience {
    /** The printers. */
    struct weft_gen *gens[MOST];
    /** How many. */
    int count;
};

static int printer(struct weft_gen *gen, void *arg)
{
    const char *name = arg;
    void *sent;

    for (;;) {
        int rc = weft_gen_yield(gen, NULL, &sent);

        if (rc == -EINVAL)
            printf("%s: caught bad value\n", name);
        else if (rc < 0)
            return printf("%s: closing\n", name), rc;
        else
            printf("%s: %ld\n", name, as_number(sent));
    }
}

static int broadcast(struct weft_gen *gen, void *arg)
{
    const struct audience *audience = arg;
    void *sent;
    int rc;

    while ((rc = weft_gen_yield(gen, NULL, &sent)) == 0)
        for (int i = 0; i < audience->count; i++) {
            rc = weft_gen_send(audience->gens[i], sent, NULL);
            if (rc < 0)
                return rc;
        }
    return rc;
}

static int talk(struct weft_gen *everyone, const struct audience *audience, long stop)
{
    int rc = weft_gen_prime(everyone);

    for (int i = 0; i < audience->count && rc >= 0; i++)
        rc = weft_gen_prime(audience->gens[i]);
    for (long number = 0; number < stop && rc >= 0; number++)
        rc = weft_gen_send(everyone, as_value(number), NULL);
    for (int i = 0; i < audience->count && rc >= 0; i++)
        rc = weft_gen_throw(audience->gens[i], -EINVAL, NULL);
    return rc < 0 ? rc : weft_gen_send(everyone, as_value(stop), NULL);
}

static int run(char **names, int count, long stop)
{
    struct audience audience = {{NULL}, 0};
    struct weft_gen *everyone = NULL;
    int rc = weft_gen_new(broadcast, &audience, &everyone);

    for (; audience.count < count && rc == 0; audience.count++)
        rc = weft_gen_new(printer, names[audience.count], &audience.gens[audience.count]);
    rc = rc < 0 ? rc : talk(everyone, &audience, stop);
    int close_rc = weft_gen_close(everyone);
    for (int i = 0; i < audience.count; i++)
        close_rc = weft_gen_close(audience.gens[i]);
    if (rc >= 0)
        puts("nobody listens any more");
    return rc < 0 ? rc : close_rc;
}

int main(int argc, char **argv)
{
    static char left[] = "left", right[] = "right";
    char *tutorial[] = {left, right};
    struct arguments arguments = {argc, argv};
    int count = argc > 2 ? argc - 2 : 2;

    return exit_status(run(argc > 2 ? argv + 2 : tutorial, count > MOST ? MOST : count,
                           argument_number(&arguments, 1, 3)));
}
