/* SPDX-License-Identifier: MIT */
/*
 * weft/sync.h: event, mutex, condition, semaphore, barrier
 *
 * For the tasks of one loop, to wait for each other. Each lies in place (a static variable, a
 * struct, a stack), is made by WEFT_X_INIT or weft_x_init without ever failing, and needs no end:
 * it may be forgotten when nobody waits on it.
 *
 *     static struct weft_mutex lock = WEFT_MUTEX_INIT(lock);
 *
 *     rc = weft_mutex_lock(&lock);
 *     if (rc < 0)
 *         return rc;
 *     ...
 *     weft_mutex_unlock(&lock);
 *
 * What holds for all of them
 *   - First come, first served: nobody who comes later overtakes one who waits.
 *   - Handing over is completion. What is given to a waiter (the mutex, a unit, its place in the
 *     barrier) is that waiter's from this instant, not from when its task runs: a cancellation that
 *     comes later, in the same turn too, changes nothing, and the task's next wait reports it.
 *   - A waiter that is cancelled first has left: nothing is given to it, so nothing is lost.
 *   - Waiting calls look for cancellation even when they need not wait, and then have no effect.
 *     Outside a task they are misuse (see weft_wait_begin).
 *   - Plain calls may also be made by callbacks of the loop, unless they need a current task.
 *   - All calls are for the thread of the loop whose tasks wait.
 *
 * The structs must stay in place until the waiting calls on them have returned. Their fields are
 * private.
 */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/types.h>
#include <weft/wait.h>

WEFT_BEGIN

/*
 * Event: a flag to wait for. It stays set until it is cleared, so that a wait that begins after the
 * set is not too late.
 */

/** A flag that tasks can wait for. */
struct weft_event {
    /** Who waits for the flag. */
    struct weft_waitq waiters;
    /** Nonzero when set. */
    uintptr_t set;
    /** Zero; room to grow. */
    void *spare;
};

/** An event that is not set: struct weft_event stop = WEFT_EVENT_INIT(stop); */
#define WEFT_EVENT_INIT(event)                                                                     \
    {                                                                                              \
        WEFT_WAITQ_INIT((event).waiters), 0, 0                                                     \
    }

/** Makes an event that is not set. Plain. */
WEFT_API void weft_event_init(struct weft_event *event);

/** Sets the event and wakes everyone who waits, also when it is cleared again before they run.
 *  Plain. Setting it twice does nothing more. */
WEFT_API void weft_event_set(struct weft_event *event);

/** Clears the event. Plain. Who was woken stays woken. */
WEFT_API void weft_event_clear(struct weft_event *event);

/** Nonzero when the event is set. Plain. */
WEFT_API int weft_event_is_set(const struct weft_event *event);

/** Waits until the event is set. Waiting: 0, or -ECANCELED. */
WEFT_API WEFT_MUST_CHECK int weft_event_wait(struct weft_event *event);

/*
 * Mutex: one owner at a time. As tasks switch only where they wait, it is needed only around code
 * that waits. Unlocking hands it to the first who waits.
 *
 * A task that ends while it owns a mutex leaves it locked: who waits for it goes on waiting until
 * its cancellation, and the dump names the owner ("to lock a mutex that task 7 holds").
 */

/** A lock with an owner. */
struct weft_mutex {
    /** Who waits for the lock. Empty while it is free. */
    struct weft_waitq waiters;
    /** Id of the task that owns it, see weft_task_id; 0 when it is free. */
    uint64_t owner;
    /** Zero; room to grow. */
    void *spare;
};

/** A free mutex: struct weft_mutex lock = WEFT_MUTEX_INIT(lock); */
#define WEFT_MUTEX_INIT(mutex)                                                                     \
    {                                                                                              \
        WEFT_WAITQ_INIT((mutex).waiters), 0, 0                                                     \
    }

/** Makes a free mutex. Plain. */
WEFT_API void weft_mutex_init(struct weft_mutex *mutex);

/**
 * Locks the mutex. Waiting: 0, the calling task owns it; -ECANCELED, it does not; -EDEADLK it owned
 * it already (it still does, once).
 */
WEFT_API WEFT_MUST_CHECK int weft_mutex_lock(struct weft_mutex *mutex);

/** Locks the mutex if it is free. Plain: 0; -EBUSY somebody owns it, the caller perhaps; -EPERM
 *  outside a task. */
WEFT_API WEFT_MUST_CHECK int weft_mutex_try_lock(struct weft_mutex *mutex);

/**
 * Unlocks the mutex, or hands it to the first who waits, who owns it from now on. Releasing, and it
 * never waits. 0; -EPERM the calling task does not own it (the mutex stays as it was; the note says
 * who does).
 */
WEFT_API int weft_mutex_unlock(struct weft_mutex *mutex);

/** Id of the task that owns the mutex, 0 when it is free. Plain. */
WEFT_API uint64_t weft_mutex_owner(const struct weft_mutex *mutex);

/*
 * Condition: waiting, with a mutex given up meanwhile, until another task says that something
 * changed.
 *
 *     rc = weft_mutex_lock(&lock);
 *     if (rc < 0)
 *         return rc;
 *     while (rc == 0 && !something)
 *         rc = weft_condition_wait(&changed, &lock);
 *     if (rc == 0)
 *         ... something holds, and the mutex is ours
 *     weft_mutex_unlock(&lock);
 *
 *       waits in the condition ──notify──▶ waits in the mutex ──handed over──▶ returns 0
 *                │                                 │
 *                └─cancel─▶ waits in the mutex     └─cancel─▶ the notification goes to the next,
 *                              └──▶ -ECANCELED                still waits here ──▶ -ECANCELED
 *
 * A notification moves the waiter to the end of the mutex's queue, it does not wake it to queue up
 * there by itself. Passing on may notify a task that began to wait after the notify; so the
 * question belongs in a loop, as above.
 */

/** Where tasks wait for a change of what a mutex guards. */
struct weft_condition {
    /** Who waits for a notification. */
    struct weft_waitq waiters;
    /** The mutex of those who wait; NULL when nobody ever waited. */
    struct weft_mutex *mutex;
    /** Zero; room to grow. */
    void *spare;
};

/** A condition: struct weft_condition changed = WEFT_CONDITION_INIT(changed); */
#define WEFT_CONDITION_INIT(condition)                                                             \
    {                                                                                              \
        WEFT_WAITQ_INIT((condition).waiters), 0, 0                                                 \
    }

/** Makes a condition. Plain. */
WEFT_API void weft_condition_init(struct weft_condition *condition);

/**
 * Unlocks the mutex, waits for a notification, and locks the mutex again, which is never refused:
 * whatever this call returns, the mutex is the caller's as it was before. Waiting: 0 notified;
 * -ECANCELED, and a notification that this call had got went to the next waiter; -EPERM the calling
 * task does not own the mutex; -EINVAL others wait here with another mutex.
 */
WEFT_API WEFT_MUST_CHECK int weft_condition_wait(struct weft_condition *condition,
                                                 struct weft_mutex *mutex);

/**
 * Notifies the task that waits longest. The caller owns the mutex; the notified task gets it in its
 * turn after the unlock. Plain. Returns how many were notified, 1 or 0; -EPERM the calling task
 * does not own the mutex of those who wait.
 */
WEFT_API int weft_condition_notify(struct weft_condition *condition);

/** Notifies all, in the order in which they wait. Returns how many; see weft_condition_notify. */
WEFT_API int weft_condition_notify_all(struct weft_condition *condition);

/*
 * Semaphore: a number of units. Who finds none waits; a release gives its unit to the first who
 * waits. Units have no owner: any task or callback may release.
 */

/** A number of units to take and give back. */
struct weft_semaphore {
    /** Who waits for a unit. Empty while there are units. */
    struct weft_waitq waiters;
    /** Units that can be taken. */
    size_t count;
    /** A release beyond this many is refused. */
    size_t max;
    /** Zero; room to grow. */
    void *spare;
};

/** A semaphore of `count` units: struct weft_semaphore slots = WEFT_SEMAPHORE_INIT(slots, 10); */
#define WEFT_SEMAPHORE_INIT(semaphore, count)                                                      \
    WEFT_SEMAPHORE_INIT_BOUNDED(semaphore, count, SIZE_MAX)

/** A semaphore that refuses to hold more than `max` units. */
#define WEFT_SEMAPHORE_INIT_BOUNDED(semaphore, count, max)                                         \
    {                                                                                              \
        WEFT_WAITQ_INIT((semaphore).waiters), (count), (max), 0                                    \
    }

/** Makes a semaphore of `count` units. Plain. */
WEFT_API void weft_semaphore_init(struct weft_semaphore *semaphore, size_t count);

/** Makes a semaphore of `count` units that refuses to hold more than `max`. Plain. A count above
 *  `max` is cut to it. */
WEFT_API void weft_semaphore_init_bounded(struct weft_semaphore *semaphore, size_t count,
                                          size_t max);

/** Takes a unit. Waiting: 0; -ECANCELED, no unit was taken. */
WEFT_API WEFT_MUST_CHECK int weft_semaphore_acquire(struct weft_semaphore *semaphore);

/** Takes a unit if there is one and nobody waits. Plain: 0, or -EAGAIN. */
WEFT_API WEFT_MUST_CHECK int weft_semaphore_try_acquire(struct weft_semaphore *semaphore);

/** Gives a unit back, to the first who waits. Releasing, and it never waits. 0; -EOVERFLOW it holds
 *  all that it may hold (it stays as it was). */
WEFT_API int weft_semaphore_release(struct weft_semaphore *semaphore);

/** Units that can be taken without waiting. Plain. */
WEFT_API size_t weft_semaphore_count(const struct weft_semaphore *semaphore);

/*
 * Barrier: `parties` tasks wait until all of them have come; then all go on, and the next round may
 * begin at once.
 *
 *       FILLING ──the last one comes──▶ FILLING, all released
 *          │  ▲
 *        abort reset
 *          ▼  │
 *       BROKEN     every wait gives -WEFT_EBROKEN
 */

/** Where a number of tasks meet. */
struct weft_barrier {
    /** Who has come, in that order. */
    struct weft_waitq waiters;
    /** How many must come. */
    size_t parties;
    /** How many have come in this round. */
    size_t waiting;
    /** Nonzero after weft_barrier_abort. */
    uintptr_t broken;
    /** Zero; room to grow. */
    void *spare;
};

/** A barrier for `parties` tasks, at least 1. */
#define WEFT_BARRIER_INIT(barrier, parties)                                                        \
    {                                                                                              \
        WEFT_WAITQ_INIT((barrier).waiters), (parties), 0, 0, 0                                     \
    }

/** Makes a barrier for `parties` tasks; 0 counts as 1. Plain. */
WEFT_API void weft_barrier_init(struct weft_barrier *barrier, size_t parties);

/**
 * Comes to the barrier and waits until all have come. Waiting: 0 to parties - 1, the order of
 * coming, each number once in a round; -ECANCELED, the caller does not count any more;
 * -WEFT_EBROKEN the barrier was broken or reset meanwhile, or is broken.
 */
WEFT_API WEFT_MUST_CHECK int weft_barrier_wait(struct weft_barrier *barrier);

/** Sends those who wait away with -WEFT_EBROKEN and begins anew, unbroken. Plain. */
WEFT_API void weft_barrier_reset(struct weft_barrier *barrier);

/** Breaks the barrier: who waits and who comes gets -WEFT_EBROKEN, until weft_barrier_reset.
 *  Plain. */
WEFT_API void weft_barrier_abort(struct weft_barrier *barrier);

/** How many must come. Plain. */
WEFT_API size_t weft_barrier_parties(const struct weft_barrier *barrier);

/** How many have come in this round. Plain. */
WEFT_API size_t weft_barrier_waiting(const struct weft_barrier *barrier);

/** Nonzero when the barrier is broken. Plain. */
WEFT_API int weft_barrier_broken(const struct weft_barrier *barrier);

WEFT_END

#endif
