/* SPDX-License-Identifier: MIT */
/*
 * row_1c.c: "asyncio", iterator, generator, yield from; generators in a row and interleaved
 *
 * An iterator keeps its place in a struct, a generator on its stack, and weft_gen_delegate is the
 * tutorial's `yield from`. Then a generator for each word spells it letter by letter: all letters
 * of one before the next, or one letter of each in turn. The generators may have any lengths.
 *
 *     row_1c [count [word]...]
 */
#include "seed.h"

#define MOST 16

/** The iterator: its place between two calls of next. */
struct iterator {
    /** The next number. */
    long i;
    /** Where it ends. */
    long stop;
};

static int iterator_next(struct iterator *iterator, long *ret)
{
    if (iterator->i == iterator->stop)
        return 0;
    *ret = iterator->i++;
    return 1;
}

static int sub_generator(struct weft_gen *gen, void *arg)
{
    int rc = 0;

    for (long i = 0; i < as_number(arg) && rc == 0; i++)
        rc = weft_gen_yield(gen, as_value(i), NULL);
    return rc;
}

static int generator(struct weft_gen *gen, void *arg)
{
    struct weft_gen *inner;
    int rc = weft_gen_new(sub_generator, arg, &inner);

    if (rc < 0)
        return rc;
    rc = weft_gen_delegate(gen, inner);
    int close_rc = weft_gen_close(inner);
    return rc < 0 ? rc : close_rc;
}

static int print_all(const char *title, weft_gen_fn *fn, long stop)
{
    struct weft_gen *gen;
    int rc = weft_gen_new(fn, as_value(stop), &gen);

    if (rc < 0)
        return rc;
    puts(title);
    weft_gen_each(gen, item) printf("%ld\n", as_number(item));
    rc = weft_gen_result(gen);
    int close_rc = weft_gen_close(gen);
    return rc < 0 ? rc : close_rc;
}

static int spell(struct weft_gen *gen, void *arg)
{
    const char *letter = arg;
    int rc = 0;

    while (rc == 0 && *letter) {
        printf("%c\n", *letter++);
        if (*letter)
            rc = weft_gen_yield(gen, NULL, NULL);
    }
    return rc;
}

/* One step of each in turn, or all steps of one before the next; ended ones are closed. */
static int run_all(struct weft_gen **gens, int count, int interleaved)
{
    int rc = 0;

    for (int left = count; left > 0;) {
        for (int i = 0; i < count; i++) {
            int step = gens[i] ? 1 : 0;

            while (step > 0 && (step = weft_gen_next(gens[i], NULL)) > 0 && !interleaved)
                ;
            if (gens[i] && step <= 0) {
                int close_rc = weft_gen_close(gens[i]);
                rc = step < 0 ? step : close_rc < 0 ? close_rc : rc;
                gens[i] = NULL;
                left--;
            }
        }
    }
    return rc;
}

static int spell_all(char **words, int count, int interleaved)
{
    struct weft_gen *gens[MOST];
    int made = 0, rc = 0;

    puts(interleaved ? "interleaved" : "in a row");
    while (made < count && (rc = weft_gen_new(spell, words[made], &gens[made])) == 0)
        made++;
    int run_rc = run_all(gens, made, interleaved);
    return rc < 0 ? rc : run_rc;
}

int main(int argc, char **argv)
{
    static char abc[] = "ABC", xyz[] = "XYZ";
    char *tutorial[] = {abc, xyz};
    struct arguments arguments = {argc, argv};
    char **words = argc > 2 ? argv + 2 : tutorial;
    int count = argc > 2 ? argc - 2 : 2;
    struct iterator iterator = {0, argument_number(&arguments, 1, 3)};
    long item;

    puts("iterator");
    while (iterator_next(&iterator, &item))
        printf("%ld\n", item);
    int rc = print_all("generator", sub_generator, iterator.stop);
    rc = rc < 0 ? rc : print_all("yield from", generator, iterator.stop);
    rc = rc < 0 ? rc : spell_all(words, count > MOST ? MOST : count, 0);
    rc = rc < 0 ? rc : spell_all(words, count > MOST ? MOST : count, 1);
    return exit_status(rc);
}
