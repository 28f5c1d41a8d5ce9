/* SPDX-License-Identifier: MIT */
/*
 * weft/testing.h: the test kit
 *
 * What weft's own tests are written with, for programs built on weft. It is part of the library and
 * costs nothing where it is not used; weft.h does not include it. Programs include this header; its
 * parts stand in weft/testing/:
 *
 *     world.h       a simulated kernel with a clock of its own, as a table of system calls; the
 *                   clock jumps when all are blocked, or moves by hand
 *     faults.h      a table that fails what it is told to
 *     sweep.h       every call of a piece of work fails in turn
 *     seeds.h       a program under many schedules; the line that replays one
 *     leaks.h       descriptors, loops, tasks and memory, before and after
 *     sequencer.h   steps of several tasks in a fixed order
 *     look.h        was that call a wait point?
 *     stream.h      does a kind of stream keep the rules?
 *
 *     ┌ program ──── loop ──── faults ──── world ┐     every layer is a struct weft_sys, and each
 *     │  tasks      schedule   n-th call   clock │     can be left out: a fault table may stand
 *     └──────────── by seed ── fails ───── pipes ┘     over the real kernel, too
 *
 * The kit needs no framework: its calls return codes, and what it finds it prints to stderr in one
 * sentence. All calls are for the thread of the loop in question, unless they say otherwise.
 */
#ifndef WEFT_TESTING_H
#define WEFT_TESTING_H

#include <weft/testing/faults.h>
#include <weft/testing/leaks.h>
#include <weft/testing/look.h>
#include <weft/testing/seeds.h>
#include <weft/testing/sequencer.h>
#include <weft/testing/stream.h>
#include <weft/testing/sweep.h>
#include <weft/testing/world.h>

#endif
