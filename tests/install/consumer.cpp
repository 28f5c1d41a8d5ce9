// SPDX-License-Identifier: MIT
//
// consumer.cpp: what consumer.c does, by a program in C++11
//
// The tasks are plain functions, and the typed starts work as in C. It is compiled by
// test_install.py, never by our own build.
#include <cstdint>
#include <iostream>
#include <weft/weft.h>

namespace
{
const std::intptr_t count = 10;

int produce(weft_queue *queue)
{
    int rc = 0;

    for (std::intptr_t i = 1; i <= count && rc == 0; i++) {
        rc = weft_sleep(WEFT_MS);
        if (rc == 0)
            rc = weft_queue_put(queue, reinterpret_cast<void *>(i));
    }
    weft_queue_close(queue, WEFT_CLOSE_DRAIN);
    return rc;
}
WEFT_TASK(produce, struct weft_queue *);

int consume(weft_queue *queue, std::intptr_t *sum)
{
    void *item;
    int rc;

    while ((rc = weft_queue_get(queue, &item)) == 0)
        *sum += reinterpret_cast<std::intptr_t>(item);
    return rc == -WEFT_ECLOSED ? 0 : rc;
}
WEFT_TASK(consume, struct weft_queue *, std::intptr_t *);

int program(void *arg)
{
    weft_queue_options options = weft_queue_options();
    weft_queue *queue;
    weft_scope scope;

    options.capacity = 2;
    int rc = weft_queue_new(weft_loop_current(), &options, &queue);
    if (rc < 0)
        return rc;
    weft_scope_enter(&scope, 30 * WEFT_SEC);
    weft_go(&scope, produce, queue);
    weft_go(&scope, consume, queue, static_cast<std::intptr_t *>(arg));
    rc = weft_scope_exit(&scope, 0);
    weft_queue_free(queue);
    return rc;
}
} // namespace

int main()
{
    std::intptr_t sum = 0;
    int rc = weft_main(program, &sum);

    std::cout << "weft " << WEFT_VERSION_MAJOR << '.' << WEFT_VERSION_MINOR << '.'
              << WEFT_VERSION_PATCH << ": " << sum << '\n';
    return rc != 0 || sum != count * (count + 1) / 2;
}
