/* SPDX-License-Identifier: MIT */
/*
 * overflow.c: the SIGSEGV handler that recognises guard pages
 *
 * When a stack overflows there is no room on it for a signal frame: without an alternate stack the
 * kernel kills the process and nobody learns why. With one, the handler looks the address up among
 * the guard pages (stack_slab.h) and lets the layer above name the task. It never recovers: after
 * the description the fault goes to the previous handler, and if that returns or there is none, the
 * default action is restored and the instruction faults again.
 *
 * Dispositions and alternate stacks are set through the table of the loop that runs; the handler,
 * which belongs to the process, acts through weft_sys_default. Nothing here runs unless a layer
 * above installs it.
 */
#include "machine/overflow.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"

/** Room for the kernel's frame (11 KiB with the largest register sets) and for printing. */
#define ALTERNATE_STACK_SIZE ((size_t)64 << 10)

/** Held while the handler is installed or taken back. */
static atomic_flag changing = ATOMIC_FLAG_INIT;
/** How many times it was installed. */
static unsigned installs;
/** What SIGSEGV did before. */
static struct sigaction previous;
/** The layer above. */
static weft__overflow_describe *_Atomic describe_hit;

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&changing, memory_order_acquire)) {
    }
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&changing, memory_order_release);
}

/** Gives the fault to whoever handled it before us; says whether there was anybody. */
static bool pass_on(int signal, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, info, context);
        return true;
    }
    if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)
        return false;
    previous.sa_handler(signal);
    return true;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    weft__overflow_describe *describe = atomic_load(&describe_hit);
    struct weft__stack_hit hit;
    /* A signal that was sent (si_code <= 0) has no address. */
    bool overflow = info->si_code > 0 && weft__stack_find(info->si_addr, &hit);

    if (overflow && describe)
        describe(&hit, STDERR_FILENO);
    /* A previous handler may have mended another fault, but nobody can mend this one. */
    if (!pass_on(signal, info, context) || overflow)
        weft__last_default(signal, info);
}

/** The first install. */
static int install(const struct weft_sys *sys, weft__overflow_describe *describe)
{
    struct sigaction action = {0};
    int rc;

    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    /* Before the handler can run. */
    atomic_store(&describe_hit, describe);
    rc = sys->sigaction(sys, SIGSEGV, NULL, &previous);
    if (rc == 0)
        rc = sys->sigaction(sys, SIGSEGV, &action, NULL);
    return rc;
}

int weft__overflow_install(const struct weft_sys *sys, weft__overflow_describe *describe)
{
    int rc = 0;

    lock();
    if (installs == 0)
        rc = install(sys, describe);
    if (rc == 0)
        installs++;
    unlock();
    return rc;
}

void weft__overflow_restore(const struct weft_sys *sys)
{
    struct sigaction now;

    lock();
    weft__assert(installs > 0);
    if (--installs == 0 && sys->sigaction(sys, SIGSEGV, NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
        (void)sys->sigaction(sys, SIGSEGV, &previous, NULL);
    unlock();
}

/* --- A thread's alternate stack -------------------------------------------------------------- */

/** Whether the thread has an alternate stack already, other than `ours`. */
static bool has_another(const struct weft_sys *sys, const void *ours)
{
    stack_t now;

    if (sys->sigaltstack(sys, NULL, &now) < 0)
        return false;
    return !(now.ss_flags & SS_DISABLE) && now.ss_sp != ours;
}

int weft__overflow_thread_enter(const struct weft_sys *sys, struct weft__overflow_thread *ret)
{
    stack_t stack = {.ss_size = ALTERNATE_STACK_SIZE};
    int rc;

    *ret = (struct weft__overflow_thread){.sys = sys};
    if (has_another(sys, NULL))
        return 0;
    rc = sys->mmap(sys, ALTERNATE_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0, &stack.ss_sp);
    if (rc < 0)
        return -ENOMEM;
    rc = sys->sigaltstack(sys, &stack, NULL);
    if (rc < 0)
        sys->munmap(sys, stack.ss_sp, ALTERNATE_STACK_SIZE);
    else
        ret->stack = stack.ss_sp;
    return rc;
}

void weft__overflow_thread_leave(struct weft__overflow_thread *thread)
{
    const struct weft_sys *sys = thread->sys;
    stack_t none = {.ss_flags = SS_DISABLE};

    if (!thread->stack)
        return;
    int rc = 0;
    if (!has_another(sys, thread->stack))
        rc = sys->sigaltstack(sys, &none, NULL);
    /* One that the kernel still has in use stays: better lost than a handler without a stack. */
    if (rc == 0)
        sys->munmap(sys, thread->stack, ALTERNATE_STACK_SIZE);
    thread->stack = NULL;
}
