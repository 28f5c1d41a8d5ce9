/* SPDX-License-Identifier: MIT */
/*
 * 03_gather.c: several calls at once, results in order
 *
 * weft_gather makes all calls, each in a task of its own, and comes back when all have ended. The
 * results lie where the calls were written down, whatever the order in which they ended. When one
 * fails, the others are cancelled at once: the second gather takes one second, not three. What the
 * failing task had to say arrives with the code, as the note of whoever gathered.
 */
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

/** Sleeps that many seconds and returns the number; 1 fails. */
static int sleep_for(void *arg)
{
    int seconds = (int)(intptr_t)arg;
    int rc = weft_sleep(seconds * WEFT_SEC);

    if (rc < 0)
        return rc;
    return seconds == 1 ? weft_fail(-EDOM, "one second is too short") : seconds;
}

static int program(void *unused)
{
    struct weft_call good[] = {{.fn = sleep_for, .arg = (void *)3},
                               {.fn = sleep_for, .arg = (void *)2}};
    struct weft_call bad[] = {{.fn = sleep_for, .arg = (void *)3},
                              {.fn = sleep_for, .arg = (void *)1}};
    weft_ns start = weft_clock();
    int rc = weft_gather(good, 2);

    (void)unused;
    if (rc < 0)
        return rc;
    printf("%d, %d after %d s\n", good[0].result, good[1].result,
           (int)((weft_clock() - start) / WEFT_SEC));
    start = weft_clock();
    rc = weft_gather(bad, 2);
    printf("%s: %s after %d s; the other: %s\n", weft_strerrorname(rc), weft_note(),
           (int)((weft_clock() - start) / WEFT_SEC), weft_strerrorname(bad[0].result));
    return rc == -EDOM ? 0 : -EPROTO;
}

int main(void)
{
    return weft_main(program, NULL);
}
