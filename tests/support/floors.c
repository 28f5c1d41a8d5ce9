/* SPDX-License-Identifier: MIT */
/*
 * floors.c: reads the committed floors and compares
 *
 * The file is read with libc, line by line, at each call: there are a few dozen lines and a few
 * calls. Test programs run in the root of the tree, as their source names (tests/...) say; from
 * elsewhere the file is not found, and that is a failure, never a reason to skip. Figures go to
 * standard output with a mark by which the runner knows them.
 */
#include "floors.h"
#include "test.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void test_figure(const char *format, ...)
{
    va_list args;

    printf("# = ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

/* The floor of a name: 1 and *ret, or 0. */
static int find_floor(FILE *file, const char *name, uint64_t *ret)
{
    char line[256], found[128];

    while (fgets(line, sizeof line, file))
        if (line[0] != '#' && sscanf(line, "%127s %" SCNu64, found, ret) == 2 &&
            strcmp(found, name) == 0)
            return 1;
    return 0;
}

void test_floor(const char *path, const char *name, uint64_t value)
{
    FILE *file = fopen(path, "r");
    uint64_t floor;
    int found;

    if (!file)
        FAIL("%s cannot be read; tests run in the root of the tree", path);
    found = find_floor(file, name, &floor);
    fclose(file);
    if (!found)
        FAIL("%s has no floor for %s, which reached %" PRIu64, path, name, value);
    if (value < floor)
        FAIL("%s reached %" PRIu64 ", less than its floor of %" PRIu64 " in %s", name, value, floor,
             path);
}
