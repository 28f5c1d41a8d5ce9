/* SPDX-License-Identifier: MIT */
/*
 * weft/testing/stream.h: does a kind of stream keep the rules?
 *
 * Part of the test kit; programs include weft/testing.h.
 *
 * One call runs a kind of stream, weft's or a program's own, through what weft/stream.h promises of
 * all of them.
 */
#ifndef WEFT_TESTING_STREAM_H
#define WEFT_TESTING_STREAM_H

#include <weft/stream.h>
#include <weft/types.h>

WEFT_BEGIN

/**
 * Makes two new streams of a kind: what is written to one is read from the other, both ways. They
 * are the caller's. 0, or negative with both untouched. May wait.
 */
typedef int weft_testing_pair_fn(void *arg, struct weft_stream **ret_a, struct weft_stream **ret_b);

/**
 * Runs a kind of stream through the rules of weft/stream.h, with a fresh pair for each: bytes come
 * whole and in order, alone and both ways at once, in vectors and one at a time; a read waits, and
 * what is cut loses nothing; a write waits when nobody reads; ends, half-closes, closes and resets
 * are told to the other side and to those who wait; every call looks for cancellation.
 *
 * Each rule that is broken is printed to stderr in one line:
 *
 *     weft: stream kind "xor": a cut read loses nothing: line 210 of conformance.c: n == 3
 *
 * Waiting: in a task, on any engine. A second or two of real time, where the clock is real, and up
 * to 20 for a rule that is broken. SIGPIPE must be ignored, as weft_run does, for kinds that may
 * raise it. How many rules are broken; what `make` gives when it fails; -ECANCELED.
 */
WEFT_API WEFT_MUST_CHECK int weft_testing_stream_conformance(weft_testing_pair_fn *make, void *arg);

WEFT_END

#endif
