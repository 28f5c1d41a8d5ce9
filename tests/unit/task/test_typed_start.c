/* SPDX-License-Identifier: MIT */
/*
 * test_typed_start.c: functions with no to eight parameters of all sorts arrive with their values
 *
 * The variables below have the names that a program is likely to have itself, and macros of one
 * letter stand before the header: what WEFT_TASK generates may neither shadow nor expand them (the
 * tests are compiled with -Wshadow, warnings being errors in CI).
 */
#define A 1
#define N 2

#include "task_test.h"

static int a, b, c, d, e, f, g, h, n;
static int scope, ret, flags, site, fn, call, names, seen;

struct triple {
    int x[3];
};

static int none(void)
{
    a = 1;
    return 0;
}
WEFT_TASK(none);

static int one(int first)
{
    b = first;
    return 0;
}
WEFT_TASK(one, int);

static int two(int first, const char *second)
{
    c = first + second[1];
    return 0;
}
WEFT_TASK(two, int, __typeof__(const char *));

static int twice(int number)
{
    return number * 2;
}

static int three(struct triple first, __typeof__(int (*)(int)) second, double third)
{
    d = second(first.x[2]) + (int)third;
    return 0;
}
WEFT_TASK(three, struct triple, __typeof__(int (*)(int)), double);

static int four(char first, short second, long third, unsigned char fourth)
{
    e = first + second + (int)third + fourth;
    return 0;
}
WEFT_TASK(four, char, short, long, unsigned char);

static int five(int first, int second, int third, int fourth, int fifth)
{
    f = first * 10000 + second * 1000 + third * 100 + fourth * 10 + fifth;
    return 0;
}
WEFT_TASK(five, int, int, int, int, int);

static int six(int first, int second, int third, int fourth, int fifth, int sixth)
{
    g = first * 100000 + second * 10000 + third * 1000 + fourth * 100 + fifth * 10 + sixth;
    return 0;
}
WEFT_TASK(six, int, int, int, int, int, int);

static int seven(int first, int second, int third, int fourth, int fifth, int sixth, int *seventh)
{
    h = first * 100000 + second * 10000 + third * 1000 + fourth * 100 + fifth * 10 + sixth;
    *seventh = 1;
    return 0;
}
WEFT_TASK(seven, int, int, int, int, int, int, int *);

static int eight(int first, int second, int third, int fourth, int fifth, int sixth, double seventh,
                 struct triple eighth)
{
    n = first * 100000 + second * 10000 + third * 1000 + fourth * 100 + fifth * 10 + sixth;
    return n + (int)seventh + eighth.x[0];
}
WEFT_TASK(eight, int, int, int, int, int, int, double, struct triple);

TASK_TEST(every_number_of_parameters_arrives_in_order)
{
    struct triple values = {{4, 5, 6}};
    struct weft_task *last = NULL;
    struct weft_scope s;
    int result = 0;

    weft_scope_enter(&s, WEFT_FOREVER);
    CHECK_EQ(weft_go(&s, none), 0);
    CHECK_EQ(weft_go(&s, one, 7), 0);
    CHECK_EQ(weft_go(&s, two, 3, "ab"), 0);
    CHECK_EQ(weft_go(&s, three, values, twice, 0.5), 0);
    CHECK_EQ(weft_go(&s, four, 'a', 2, 3L, 255), 0);
    CHECK_EQ(weft_go_now(&s, five, 1, 2, 3, 4, 5), 0);
    CHECK_EQ(weft_go(&s, six, 1, 2, 3, 4, 5, 6), 0);
    CHECK_EQ(weft_go(&s, seven, 1, 2, 3, 4, 5, 6, &seen), 0);
    CHECK_EQ(weft_spawn(&s, &last, eight, 1, 2, 3, 4, 5, 6, 2.0, values), 0);
    /* Arguments are copied: what becomes of ours later is nobody's business. */
    values.x[0] = values.x[2] = 0;
    CHECK_EQ(weft_join(last, &result), 0);
    CHECK_EQ(weft_scope_exit(&s, 0), 0);
    CHECK_EQ(a, 1);
    CHECK_EQ(b, 7);
    CHECK_EQ(c, 3 + 'b');
    CHECK_EQ(d, 12);
    CHECK_EQ(e, 'a' + 2 + 3 + 255);
    CHECK_EQ(f, 12345);
    CHECK_EQ(g, 123456);
    CHECK_EQ(h, 123456);
    CHECK_EQ(seen, 1);
    CHECK_EQ(n, 123456);
    CHECK_EQ(result, 123456 + 2 + 4);
    CHECK_EQ(scope + ret + flags + site + fn + call + names, 0);
}
