/* SPDX-License-Identifier: MIT */
/*
 * last_words.c: what was going on when a signal ended the process
 *
 * A run among thousands that crashes or hangs must be told apart from the others. So before each of
 * them a sentence is made ready, and a signal whose default action would end the process writes it
 * first and then takes that action. Handlers are installed only where the disposition is the
 * default, and put back at the end; a debugger's or a sanitizer's are left alone. The sentence is
 * the process's, as signals are: two threads that sweep at once share it.
 */
#include "testing/internal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int signals[WEFT__LAST_SIGNALS] = {SIGABRT, SIGSEGV, SIGBUS, SIGALRM, SIGQUIT};

static char words[1024];

static const struct weft_sys *const real = &weft_sys_default;

/** The handler has been reset to the default action, which the raised signal takes on return. */
static void on_signal(int signal)
{
    (void)real->write(real, 2, words, strnlen(words, sizeof words));
    (void)real->raise(real, signal);
}

void weft__last_words_begin(struct weft__last_words *last)
{
    struct sigaction action, now;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND | SA_ONSTACK;
    for (int i = 0; i < WEFT__LAST_SIGNALS; i++) {
        memset(&now, 0, sizeof now);
        last->installed[i] = real->sigaction(real, signals[i], NULL, &now) == 0 &&
                             !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL &&
                             real->sigaction(real, signals[i], &action, NULL) == 0;
    }
}

void weft__last_words_end(const struct weft__last_words *last)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int i = 0; i < WEFT__LAST_SIGNALS; i++)
        if (last->installed[i])
            (void)real->sigaction(real, signals[i], &action, NULL);
}

void weft__last_words_set(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args);
    va_end(args);
}
