/* SPDX-License-Identifier: MIT */
/*
 * main.c: the list of a program's tests, its command line, its report
 *
 * Constructors fill the list before main runs, in the order of the source. Each test becomes one
 * run, or one for each engine, and is reported in TAP: a plan, then "ok", "not ok" or "ok # SKIP"
 * with the full name, then a comment with the counts. What a failed test wrote follows its line,
 * each line marked with "# ". Exit status: 0 when nothing failed, 1 when something did, 2 for a
 * wrong option. A test is named after its file and its function:
 * unit/loop/test_timer/never_early[epoll]. TEST_SKIPS in the environment names tests to leave out,
 * a line each: a pattern, a tab, the reason.
 */
#include "internal.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** The command line. */
struct options {
    /** Only names that contain this text or match it as a pattern; NULL for all. */
    const char *only;
    /** Print the names and run nothing. */
    bool list;
    /** Run in this process, for a debugger. */
    bool no_fork;
};

/** What has happened so far. */
struct counts {
    /** Runs reported. */
    int done;
    /** Runs that failed or hung. */
    int failed;
    /** Runs that were skipped. */
    int skipped;
};

static struct test_case *first;
static struct test_case **last = &first;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

/* "tests/unit/loop/test_timer.c" and "never_early" become "unit/loop/test_timer/never_early". */
static void full_name(const struct test_case *test, const char *engine, char *buf, size_t size)
{
    const char *file = strncmp(test->file, "tests/", 6) == 0 ? test->file + 6 : test->file;
    const char *end = strrchr(file, '.');
    int len = end ? (int)(end - file) : (int)strlen(file);

    snprintf(buf, size, "%.*s/%s%s%s%s", len, file, test->name, engine ? "[" : "",
             engine ? engine : "", engine ? "]" : "");
}

static bool name_matches(const char *name, const char *pattern)
{
    return !pattern || !*pattern || strstr(name, pattern) || fnmatch(pattern, name, 0) == 0;
}

/* Why the environment leaves a test out; false when it does not. */
static bool left_out(const char *name, char *reason, size_t size)
{
    const char *line = getenv("TEST_SKIPS");
    char pattern[512];

    while (line && *line) {
        size_t len = strcspn(line, "\t\n");

        snprintf(pattern, sizeof pattern, "%.*s", (int)len, line);
        line += len + (line[len] == '\t');
        snprintf(reason, size, "left out: %.*s", (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
        line += *line == '\n';
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

/* Figures ("# = ...") are shown always, what else a test wrote only when it failed. */
static void print_kept_output(int fd, bool failed)
{
    char buf[65536];
    char *line, *rest = buf;

    test_read_output(fd, buf, sizeof buf);
    while ((line = strsep(&rest, "\n")) && (rest || *line)) {
        if (strncmp(line, "# = ", 4) == 0)
            puts(line);
        else if (failed)
            printf("# %s\n", line);
    }
}

static void report(const char *name, const struct test_verdict *verdict, struct counts *counts)
{
    int number = ++counts->done;

    if (verdict->result == TEST_PASSED) {
        printf("ok %d - %s\n", number, name);
        print_kept_output(verdict->output_fd, false);
    } else if (verdict->result == TEST_SKIPPED) {
        counts->skipped++;
        printf("ok %d - %s # SKIP %s\n", number, name, verdict->reason);
    } else {
        counts->failed++;
        printf("not ok %d - %s # %s\n", number, name, verdict->reason);
        print_kept_output(verdict->output_fd, true);
    }
    fflush(stdout);
}

/* One test on one engine: leave it out, list it, or run and report it. Returns 1 when it counts. */
static int take(const struct test_case *test, const char *engine, const struct options *options,
                struct counts *counts)
{
    struct test_run run = {test->function, engine, false};
    struct test_verdict verdict;
    char name[512];

    full_name(test, engine, name, sizeof name);
    if (!name_matches(name, options->only) || (engine && !test_engine_wanted(engine)))
        return 0;
    if (options->list) {
        puts(name);
    } else if (counts && options->no_fork) {
        fprintf(stderr, "running %s in this process\n", name);
        test_run_here(&run);
    } else if (counts && left_out(name, verdict.reason, sizeof verdict.reason)) {
        verdict.result = TEST_SKIPPED;
        report(name, &verdict, counts);
    } else if (counts) {
        test_run_forked(&run, &verdict);
        report(name, &verdict, counts);
        close(verdict.output_fd);
    }
    return 1;
}

/* Takes every run in order; with `counts` NULL it only counts (or lists) them. */
static int take_all(const struct options *options, struct counts *counts)
{
    int total = 0;

    for (const struct test_case *test = first; test; test = test->next) {
        if (test->kind == TEST_ONCE) {
            total += take(test, NULL, options, counts);
            continue;
        }
        for (int i = 0; test_engines[i]; i++)
            total += take(test, test_engines[i], options, counts);
    }
    return total;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--list] [--only text] [--no-fork]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = {getenv("TEST"), false, false};
    struct counts counts = {0, 0, 0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            options.list = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            options.no_fork = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            options.only = argv[++i];
        else
            return usage(argv[0]);
    }
    int total = take_all(&options, NULL);
    if (options.list)
        return 0;
    if (options.no_fork && total != 1) {
        fprintf(stderr, "--no-fork runs one test; --only must name it (%d match)\n", total);
        return 2;
    }
    if (options.no_fork) {
        take_all(&options, &counts);
        return 0;
    }
    printf("1..%d\n", total);
    fflush(stdout);
    take_all(&options, &counts);
    printf("# %d passed, %d failed, %d skipped\n", counts.done - counts.failed - counts.skipped,
           counts.failed, counts.skipped);
    return counts.failed ? 1 : 0;
}
