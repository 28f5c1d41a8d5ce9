/* SPDX-License-Identifier: MIT */
/*
 * sequencer.c: steps of several tasks in a fixed order
 *
 *     next ─▶ 3, running        waiting: step 5 (task a), step 4 (task b)
 *                 end(3) ─▶ next 4, handed to b
 *
 * The end of a step hands the next one over to the task that waits for it, if it has come already.
 * A mistake in the plan (a step taken twice, one that can never come because its task was
 * cancelled) would leave the others waiting for good, so it breaks the sequencer: everybody who
 * waits and everybody who comes is told, with the reason in the note.
 */
#include "base/assert.h"
#include "base/list.h"
#include "testing/internal.h"

#include <stdio.h>

/** A task that waits for its step. */
struct step_wait {
    /** The task's wait; its object is the sequencer. */
    struct weft_wait wait;
    /** The step. */
    unsigned step;
    /** Where it was asked for. */
    const char *site;
};

static struct step_wait *step_of(const struct weft_wait *wait)
{
    return weft__container(wait, struct step_wait, wait);
}

void weft_testing_sequencer_init(struct weft_testing_sequencer *sequencer)
{
    *sequencer = (struct weft_testing_sequencer)WEFT_TESTING_SEQUENCER_INIT(*sequencer);
}

static int tell_broken(const struct weft_testing_sequencer *sequencer, unsigned step,
                       const char *site)
{
    return weft_fail_at(-WEFT_EBROKEN, site, "step %u: the sequencer is broken: step %u %s", step,
                        sequencer->broken_step, sequencer->broken);
}

/** Ends the plan; only the first reason counts. */
static void break_plan(struct weft_testing_sequencer *sequencer, unsigned step, const char *why)
{
    if (sequencer->broken)
        return;
    sequencer->broken = why;
    sequencer->broken_step = step;
    (void)weft_waitq_wake_all(&sequencer->waiting, -WEFT_EBROKEN);
}

static enum weft_abort step_abort(struct weft_wait *wait)
{
    weft__list_remove(&wait->link);
    break_plan(wait->object, step_of(wait)->step, "was cancelled before it began");
    return WEFT_ABORT_DONE;
}

static void step_describe(const struct weft_wait *wait, char *buf, size_t size)
{
    const struct weft_testing_sequencer *sequencer = wait->object;
    snprintf(buf, size, "for step %u of a sequencer, where step %u %s%s", step_of(wait)->step,
             sequencer->next, sequencer->running ? "runs since " : "has not come",
             sequencer->running ? sequencer->site : "");
}

/** Who waits for a step; NULL: nobody. */
static struct step_wait *find_waiter(struct weft_testing_sequencer *sequencer, unsigned step)
{
    weft__list_each(link, &sequencer->waiting.waits)
    {
        struct step_wait *waiter = step_of(weft__container(link, struct weft_wait, link));
        if (waiter->step == step)
            return waiter;
    }
    return NULL;
}

static bool is_taken(struct weft_testing_sequencer *sequencer, unsigned step)
{
    return step < sequencer->next || (step == sequencer->next && sequencer->running) ||
           find_waiter(sequencer, step);
}

static void begin_step(struct weft_testing_sequencer *sequencer, const char *site)
{
    sequencer->running = 1;
    sequencer->site = site;
}

static int wait_for_step(struct weft_testing_sequencer *sequencer, unsigned step, const char *site)
{
    struct step_wait waiter = {.step = step, .site = site};
    weft_wait_init(&waiter.wait, step_describe, sequencer);
    weft__list_append(&sequencer->waiting.waits, &waiter.wait.link);
    int rc = (int)weft_park(&waiter.wait, step_abort);
    return rc == -WEFT_EBROKEN ? tell_broken(sequencer, step, site) : rc;
}

int weft_testing_sequencer_begin_at(struct weft_testing_sequencer *sequencer, unsigned step,
                                    const char *site)
{
    int rc = weft_wait_begin();
    if (rc < 0) {
        break_plan(sequencer, step, "was cancelled before it began");
        return rc;
    }
    if (!sequencer->broken && is_taken(sequencer, step))
        break_plan(sequencer, step, "was taken twice");
    if (sequencer->broken)
        return tell_broken(sequencer, step, site);
    if (step > sequencer->next)
        return wait_for_step(sequencer, step, site);
    begin_step(sequencer, site);
    return 0;
}

void weft_testing_sequencer_end(struct weft_testing_sequencer *sequencer, unsigned step)
{
    if (!sequencer->running || step != sequencer->next) {
        (void)weft__misuse(-EINVAL, "step %u of a sequencer is ended, but step %u %s", step,
                           sequencer->next, sequencer->running ? "runs" : "has not begun");
        return;
    }
    sequencer->running = 0;
    sequencer->next++;
    struct step_wait *waiter = find_waiter(sequencer, sequencer->next);
    if (!waiter)
        return;
    weft__list_remove(&waiter->wait.link);
    begin_step(sequencer, waiter->site);
    (void)weft_wake(&waiter->wait, 0);
}
