# SPDX-License-Identifier: MIT
"""The sequence, the search and the scheduler of "AsyncIO Study Note" (rows 2a to 2f).

Patches:
  errors by id  the scheduler fills failed_task_errors, which the tutorial declares and leaves
                empty.
  constants     fib takes its first two values.
"""
from collections import deque


def fib(a=2, b=1):
    yield a
    while True:
        yield b
        a, b = b, a + b


def search(iterable, predicate):
    for item in iterable:
        if predicate(item):
            return item
    raise ValueError("Not found")


def async_search(iterable, predicate):
    print('initializing generator')
    call_counter = 0
    for item in iterable:
        call_counter += 1
        print(f'async_search - called {call_counter} times')
        if predicate(item):
            print('async_search - predicate returned True')
            return item
        yield
    raise ValueError("Not found")


def has_digits(count):
    return lambda x: len(str(x)) >= count


class Task:
    next_id = 0

    def __init__(self, routine):
        self.id = Task.next_id
        self.routine = routine
        Task.next_id += 1


class Scheduler:
    def __init__(self):
        self.runnable_tasks = deque()
        self.completed_task_result = {}
        self.failed_task_errors = {}

    def add(self, routine):
        task = Task(routine)
        self.runnable_tasks.append(task)
        return task.id

    def run_to_completion(self):
        while len(self.runnable_tasks) != 0:
            task = self.runnable_tasks.popleft()
            print(f"Running task {task.id}")
            self.run_step(task)

    def run_step(self, task):
        try:
            yielded = next(task.routine)
        except StopIteration as stopped:
            print(f"----------------------\nTask {task.id} completed with result: {stopped.value}")
            self.completed_task_result[task.id] = stopped.value
        except Exception as e:
            print(f"Failed with exception: {e}")
            self.failed_task_errors[task.id] = e                   # patch "errors by id"
        else:
            assert yielded is None
            self.runnable_tasks.append(task)
