/* SPDX-License-Identifier: MIT */
/*
 * internal.h: for the files of net
 *
 * `operation.c` is the way down: it fills in an engine's operation, submits it and parks.
 * Everything else here is arguments. net stands on the public headers and loop/poller.h alone: it
 * is the proof that those suffice.
 */
#ifndef WEFT_NET_INTERNAL_H
#define WEFT_NET_INTERNAL_H

#include "loop/poller.h"

#include <stdbool.h>
#include <weft/net.h>
#include <weft/task.h>
#include <weft/wait.h>

/** Runs an operation for the calling task: looks for cancellation, submits, waits. Its result. */
ssize_t weft__operation_run(struct weft__op *op);

#endif
