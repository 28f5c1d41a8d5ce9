/* SPDX-License-Identifier: MIT */
/*
 * weft/weft.h: everything
 *
 * Reading order for a newcomer: task.h, scope.h, net.h, stream.h, serve.h, sync.h, queue.h,
 * group.h; then wait.h and loop.h for those who extend weft, and sys.h for those who test with it.
 */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <weft/datagram.h>
#include <weft/error.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/offload.h>
#include <weft/process.h>
#include <weft/queue.h>
#include <weft/resolve.h>
#include <weft/run.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/serve.h>
#include <weft/signal.h>
#include <weft/stream.h>
#include <weft/sync.h>
#include <weft/sys.h>
#include <weft/task.h>
#include <weft/thread.h>
#include <weft/terminal.h>
#include <weft/transport.h>
#include <weft/types.h>
#include <weft/wait.h>
#include <weft/watch.h>

#endif
