/* SPDX-License-Identifier: MIT */
/*
 * What the benches of callbacks share: when a crowd of callbacks has run often enough, and a thread
 * that hands the loop one callback after the other.
 *
 * A system says only how it schedules a callback. The poster posts, waits on a semaphore until the
 * callback has run in the loop's thread, and posts again: each round pays for one wake-up of the
 * loop and one of the poster, in every system. Nothing of weft is used here.
 */
#ifndef BENCH_CALLBACKS_H
#define BENCH_CALLBACKS_H

#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

/* Callbacks that are scheduled at the same time; each schedules itself again. */
enum { CALLBACKS = 1000 };

/* A thread that hands callbacks to the loop. */
struct poster {
    /* Schedules `answer` in the loop's thread; called in the poster's. */
    void (*post)(struct poster *poster);
    /* What post needs. */
    void *arg;
    /* What the program waits for, where it does not stop the loop. */
    void *done;
    /* Callbacks to hand over. */
    long count;
    /* Of these, how many have run. Touched only by the loop's thread. */
    long answered;
    /* Posted by each callback. */
    sem_t ran;
    /* The thread. */
    pthread_t thread;
};

static inline void *poster_thread(void *arg)
{
    struct poster *poster = (struct poster *)arg;

    for (long i = 0; i < poster->count; i++) {
        poster->post(poster);
        while (sem_wait(&poster->ran))
            ;
    }
    return NULL;
}

/* Starts the thread; nonzero when there is none. */
static inline int poster_start(struct poster *poster)
{
    return sem_init(&poster->ran, 0, 0) ||
           pthread_create(&poster->thread, NULL, poster_thread, poster);
}

/* The callback's body. True when it was the last one: the loop may stop. */
static inline int poster_answer(struct poster *poster)
{
    int last = ++poster->answered == poster->count;

    sem_post(&poster->ran);
    return last;
}

/* Waits for the thread and prints the figure. */
static inline void poster_report(struct poster *poster, int64_t begun)
{
    pthread_join(poster->thread, NULL);
    report("callbacks", "thread", "per_callback",
           (double)(cpu_ns() - begun) / (double)poster->count);
    sem_destroy(&poster->ran);
}

#endif
