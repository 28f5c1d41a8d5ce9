/* SPDX-License-Identifier: MIT */
/*
 * weft/error.h: errors
 *
 * Every call that can fail returns a negative code: -E... of errno, or one of weft's own below.
 * Beside the code each task keeps one *error note*: a sentence and the place that wrote it. Notes
 * are text for people; nothing ever needs one to decide.
 *
 *     return weft_fail(-EPROTO, "bad length %zu in header", length);
 *
 * The note of a failing child moves to its scope (weft_scope_failure), and callers may add
 * "while ..." to it, never replace it.
 */
#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

#include <errno.h>
#include <weft/types.h>

WEFT_BEGIN

/** weft's own codes lie above every errno value; each domain has 256 of them. */
#define WEFT_ERROR_BASE 20000
/** Closed from our side: a queue, a generator, a stream. */
#define WEFT_ECLOSED (WEFT_ERROR_BASE + 1)
/** A generator or an iteration is at its end; not a failure. */
#define WEFT_EDONE (WEFT_ERROR_BASE + 2)
/** Nothing is left that could ever wake the program. */
#define WEFT_EDEADLOCK (WEFT_ERROR_BASE + 3)
/** The other side of a barrier or of a lock broke. */
#define WEFT_EBROKEN (WEFT_ERROR_BASE + 4)
/** A stream ended in the middle of what was to be read. */
#define WEFT_EINCOMPLETE (WEFT_ERROR_BASE + 5)

/** Codes of looking names up. */
#define WEFT_EDNS_BASE (WEFT_ERROR_BASE + 256)
/** There is no such name. */
#define WEFT_EDNS_NONAME (WEFT_EDNS_BASE + 1)
/** The name is there, but has no address of the kind asked for. */
#define WEFT_EDNS_NODATA (WEFT_EDNS_BASE + 2)
/** No name server gave an answer; another time one may. */
#define WEFT_EDNS_AGAIN (WEFT_EDNS_BASE + 3)
/** A name server refused to answer, or its answer makes no sense. */
#define WEFT_EDNS_FAIL (WEFT_EDNS_BASE + 4)
/** There is no such service. */
#define WEFT_EDNS_SERVICE (WEFT_EDNS_BASE + 5)
/** Too many look-ups wait in line, or were abandoned and still run. */
#define WEFT_EDNS_BUSY (WEFT_EDNS_BASE + 6)

/** How many bytes of text a note keeps; longer ones are cut at the end. */
#define WEFT_NOTE_SIZE 512

/** What failed, in words. Strings belong to the note and live as long as it. */
struct weft_failure {
    /** The negative code; 0 when nothing failed. */
    int code;
    /** How many further failures came after this one. */
    unsigned more;
    /** The sentence of weft_fail, or "" when the code came without one. */
    const char *text;
    /** Name of the task that failed. */
    const char *task;
    /** "file:line" that spawned that task, or that entered the scope when the body failed. */
    const char *spawned_at;
    /** "file:line" of the weft_fail, or "". */
    const char *failed_at;
};

/**
 * The text of a code, negative or positive: "Connection reset by peer", "end of iteration".
 * Unknown codes give "unknown error N". Plain. The string is static or lives in thread-local
 * storage until the next call of this function in this thread. Any thread.
 */
WEFT_API const char *weft_strerror(int code);

/**
 * The name of a code: "ECONNRESET", "WEFT_ECLOSED"; "E?" when unknown. Plain. Static. Any thread.
 */
WEFT_API const char *weft_strerrorname(int code);

/**
 * Writes the task's note and returns `code`, so that a failing path is one line. `format` is
 * printf's. Plain; outside a task it only returns `code`. Replaces an older note of the task.
 */
#if WEFT_VARIADIC
#define weft_fail(code, ...) weft_fail_at((code), WEFT_SITE, __VA_ARGS__)
#endif
WEFT_API int weft_fail_at(int code, const char *site, const char *format, ...) WEFT_PRINTF(3, 4);

/**
 * Appends "; while ..." to the task's note if that note belongs to `code`; else starts a note with
 * it. Returns `code`. Plain.
 */
#if WEFT_VARIADIC
#define weft_fail_while(code, ...) weft_fail_while_at((code), WEFT_SITE, __VA_ARGS__)
#endif
WEFT_API int weft_fail_while_at(int code, const char *site, const char *format, ...)
    WEFT_PRINTF(3, 4);

/** The calling task's note as text, "" when there is none. Plain. Valid until the next note. */
WEFT_API const char *weft_note(void);

/** "file:line" of the place where it stands, one string constant. */
#define WEFT_SITE __FILE__ ":" WEFT_SITE_LINE(__LINE__)
#define WEFT_SITE_LINE(line) WEFT_SITE_TEXT(line)
#define WEFT_SITE_TEXT(line) #line

WEFT_END

#endif
