/* SPDX-License-Identifier: MIT */
/*
 * test_leaks.c: what the test kit says that was left behind
 *
 * The runner of these tests counts with the same code after every test (tests/tools/test_runner.c
 * has its tests). Here the calls are made as users make them, around one piece of work, and a leak
 * is mended afterwards, so that the runner finds nothing.
 */
#define _GNU_SOURCE
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/testing.h>
#include <weft/weft.h>

static struct weft_testing_leaks *before;

/* How many kinds of things `leak` leaves behind. */
static int leaks_of(void (*leak)(void))
{
    CHECK_OK(weft_testing_leaks_begin(&before));
    leak();
    return weft_testing_leaks_end(before);
}

static void *block;
static int sockets[2];
static struct weft_loop *loop;

static int give_seven(void *arg)
{
    (void)arg;
    return 7;
}

static void leak_nothing(void)
{
    free(malloc(100));
    close(dup(0));
    munmap(mmap(NULL, 100, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 100);
    CHECK_ERR(weft_testing_run(NULL, give_seven, NULL), 7);
}

static void leak_block(void)
{
    block = realloc(calloc(10, 10), 1234);
}

static void leak_mapping(void)
{
    block = mmap(NULL, 100, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void leak_sockets(void)
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
}

static int sleep_long(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_HOUR);
}

static void leak_loop(void)
{
    const struct weft_loop_options options = {.size = sizeof options, .backend = "poll"};

    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_OK(weft_go_fn(weft_root(loop), sleep_long, NULL));
}

TEST(what_is_given_back_is_no_leak)
{
    CHECK_EQ(leaks_of(leak_nothing), 0);
}

TEST(blocks_mappings_descriptors_and_loops_are_a_kind_each)
{
    CHECK_EQ(leaks_of(leak_block), 1);
    free(block);
    CHECK_EQ(leaks_of(leak_mapping), 1);
    munmap(block, 100);
    CHECK_EQ(leaks_of(leak_sockets), 1);
    close(sockets[0]);
    close(sockets[1]);
    /* A loop has memory, stacks and the descriptors of its wake-up besides. */
    CHECK_EQ(leaks_of(leak_loop), 4);
    CHECK_OK(weft_loop_free(loop));
}

TEST(what_was_there_before_is_no_leak)
{
    leak_block();
    leak_sockets();
    leak_loop();
    CHECK_EQ(leaks_of(leak_nothing), 0);
    CHECK_OK(weft_loop_free(loop));
    close(sockets[0]);
    close(sockets[1]);
    free(block);
}

static void leak_everything(void)
{
    leak_sockets();
    leak_loop();
}

static void print_leaks(void)
{
    CHECK_EQ(leaks_of(leak_block), 1);
    CHECK_EQ(leaks_of(leak_everything), 4);
    FAIL("as planned");
}

TEST(each_thing_is_named)
{
    struct test_outcome outcome;

    test_run_isolated(print_leaks, &outcome);
    CHECK_CONTAINS(outcome.output, "of 1234 bytes is not freed");
    CHECK_CONTAINS(outcome.output, " (socket:[");
    CHECK_CONTAINS(outcome.output, "leak: a loop with 1 living tasks is not freed");
    CHECK_CONTAINS(outcome.output, "task 1 sleep_long");
    CHECK_CONTAINS(outcome.output, "as planned");
}

TEST(descriptors_with_high_numbers_are_seen)
{
    CHECK_OK(weft_testing_leaks_begin(&before));
    int fd = dup2(0, 1000);
    CHECK_EQ(fd, 1000);
    CHECK_EQ(weft_testing_leaks_end(before), 1);
    close(fd);
}

/* A crowd of blocks, so that the set of them has to grow, and loses none. */
TEST(a_hundred_thousand_blocks_are_counted)
{
    enum { BLOCKS = 100000 };
    static void *blocks[BLOCKS];

    CHECK_OK(weft_testing_leaks_begin(&before));
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(1);
    for (int i = 1; i < BLOCKS; i++)
        free(blocks[i]);
    CHECK_EQ(weft_testing_leaks_end(before), 1);
    free(blocks[0]);
}

TEST(an_allocator_of_ones_own_can_tell)
{
    char bytes[10];
    size_t size = 0;

    CHECK_OK(weft_testing_leaks_begin(&before));
    weft_testing_note_block(bytes, sizeof bytes);
    CHECK_EQ(weft_testing_leaks_end(before), 1);
    CHECK_EQ(weft_testing_forget_block(bytes, &size), 1);
    CHECK_EQ(size, sizeof bytes);
    CHECK_EQ(weft_testing_forget_block(bytes, &size), 0);
    CHECK_EQ(weft_testing_forget_block(NULL, &size), 0);
}

TEST(a_thread_that_is_refused_memory_gets_none)
{
    /* A compiler may leave out an allocation that nobody uses, and take it for granted. */
    void *(*volatile take)(size_t) = malloc;
    void *(*volatile take_zeroed)(size_t, size_t) = calloc;
    void *(*volatile resize)(void *, size_t) = realloc;
    block = take(10);
    weft_testing_refuse_memory(1);
    CHECK(!take(10) && !take_zeroed(1, 10) && !resize(block, 20));
    free(block);
    weft_testing_refuse_memory(0);
    block = malloc(10);
    CHECK(block);
    free(block);
}
