/* SPDX-License-Identifier: MIT */
/*
 * step_11.c: programs and threads
 *
 * Work that is not a task's: another program is run, fed and read, and ended together with its
 * children when it takes too long; a function that computes for long is handed to a thread. Both
 * are calls that wait, so the task beside them goes on.
 */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

/** Runs a program and prints what it makes of three lines. */
static int sort_words(void)
{
    static const char *const arguments[] = {"sort", NULL};
    static const char words[] = "weft\nloom\nyarn\n";
    struct weft_process_run_options options = {.input = words, .input_len = strlen(words)};
    struct weft_process_result result;
    int rc = weft_process_run(arguments, &options, &result);

    if (rc < 0)
        return rc;
    if (weft_exit_ok(&result.exit))
        printf("sorted: %s", result.output);
    weft_process_result_free(&result);
    return 0;
}

/** Gives a program, and the one that it starts, a tenth of a second. */
static int lose_patience(void)
{
    struct weft_process_result result;
    int rc = weft_within(WEFT_SEC / 10, weft_process_shell("sleep 100 | cat", NULL, &result));

    if (rc == -ETIMEDOUT)
        puts("sleep and cat took too long, and are gone");
    else if (rc == 0)
        weft_process_result_free(&result);
    return rc == -ETIMEDOUT ? 0 : rc;
}

/** Computes for a while; on a thread, so it may. */
static int count_primes(void *arg)
{
    int count = 0;

    for (long n = 2; n < *(long *)arg && !weft_offload_cancelled(); n++) {
        long divisor = 2;
        while (divisor * divisor <= n && n % divisor != 0)
            divisor++;
        count += divisor * divisor > n;
    }
    return count;
}

/** Goes on whatever the others do. */
static int tick(int *ticks)
{
    int rc;

    while ((rc = weft_sleep(WEFT_MS)) == 0)
        ++*ticks;
    return rc;
}
typedef int *int_ref;
WEFT_TASK(tick, int_ref);

static int program(void *unused)
{
    struct weft_scope scope;
    long limit = 1000 * 1000;
    int rc, primes = 0, ticks = 0;

    (void)unused;
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_go(&scope, tick, &ticks);
    rc = sort_words();
    if (rc == 0)
        rc = lose_patience();
    if (rc == 0)
        rc = weft_offload(count_primes, &limit, &primes);
    weft_scope_cancel(&scope, 0);
    rc = weft_scope_exit(&scope, rc);
    printf("%d primes below %ld; %s\n", primes, limit,
           ticks > 0 ? "the other task never stood still" : "the other task stood still");
    return rc;
}

int main(void)
{
    return weft_main(program, NULL);
}
