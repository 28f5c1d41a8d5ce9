/* SPDX-License-Identifier: MIT */
/*
 * leaks.c: what a test leaves behind
 *
 * Before and after each test the test kit looks at descriptors, loops, blocks of memory and mapped
 * bytes; child processes are looked at here. Test programs are linked with `--wrap` for the
 * allocator and for mmap and munmap (see Makefile), so that every such call of the library and of
 * the test itself passes here, whichever table of system calls the test chose, and whatever libc
 * does for its own purposes does not.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/testing.h>

WEFT_TESTING_COUNT_MEMORY;

static struct weft_testing_leaks *before;

void test_out_of_memory(bool out)
{
    weft_testing_refuse_memory(out);
}

static int report_children(void)
{
    int status;
    pid_t child = waitpid(-1, &status, WNOHANG);

    if (child < 0)
        return 0;
    dprintf(STDERR_FILENO, "leak: a child process was not waited for\n");
    return 1;
}

void test_leaks_begin(void)
{
    CHECK_OK(weft_testing_leaks_begin(&before));
}

int test_leaks_end(void)
{
    return weft_testing_leaks_end(before) + (report_children() > 0);
}
