/* SPDX-License-Identifier: MIT */
/*
 * row_4a.c: "Async IO from Ground Up", the bakery and the coffee shop
 *
 * Two programs with the same customers. The bakery is a task that waits for each order in a row;
 * the coffee shop takes all orders at once and calls the name by callback when one is ready.
 *
 *     row_4a bakery [name seconds]...
 *     row_4a coffee [name seconds]...
 */
#include "seed.h"
#include <string.h>

#define MOST 16

/** A customer. */
struct customer {
    /** Whom the barista calls. */
    const char *name;
    /** How long the order takes. */
    weft_ns delay;
};

/** Who comes to the place. */
struct customers {
    /** In their order; the one after the last has no name. */
    struct customer of[MOST + 1];
};

static int bakery(void *arg)
{
    const struct customers *customers = arg;
    weft_ns start = weft_clock();
    int rc = 0;

    for (const struct customer *customer = customers->of; customer->name && rc == 0; customer++) {
        printf("%s orders a veg puff\n", customer->name);
        printf("%s waits until it is ready\n", customer->name);
        rc = weft_sleep(customer->delay);
        if (rc == 0)
            printf("%s takes it and walks away\n", customer->name);
    }
    print_seconds_since(start);
    return rc;
}

static void ready(void *arg)
{
    const struct customer *customer = arg;

    printf("the barista calls %s and gives the coffee\n", customer->name);
}

static int take_orders(struct weft_loop *loop, struct customers *customers)
{
    int rc = 0;

    for (struct customer *customer = customers->of; customer->name && rc == 0; customer++) {
        printf("%s orders black coffee\n", customer->name);
        rc = weft_loop_call_later(loop, customer->delay, ready, customer, NULL);
        printf("%s sits and reads about asyncio\n", customer->name);
    }
    return rc < 0 ? rc : weft_loop_run(loop);
}

static int coffee(struct customers *customers)
{
    struct weft_loop *loop;
    int rc = weft_loop_create(NULL, &loop);

    if (rc < 0)
        return rc;
    weft_ns start = weft_loop_now_fresh(loop).ns;
    rc = take_orders(loop, customers);
    printf("%.6f\n", (double)(weft_loop_now_fresh(loop).ns - start) / 1e9);
    int free_rc = weft_loop_free(loop);
    return rc < 0 ? rc : free_rc;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc, argv};
    struct customers customers = {
        {{"X", 3 * WEFT_SEC}, {"Y", WEFT_SEC}, {"Z", 2 * WEFT_SEC}, {NULL, 0}}};

    for (int i = 0; i < MOST && 2 * i + 3 < argc; i++) {
        customers.of[i].name = argv[2 * i + 2];
        customers.of[i].delay = argument_number(&arguments, 2 * i + 3, 0) * WEFT_SEC;
        customers.of[i + 1].name = NULL;
    }
    if (strcmp(argument_text(&arguments, 1, "bakery"), "bakery") == 0)
        return weft_main(bakery, &customers);
    return exit_status(coffee(&customers));
}
