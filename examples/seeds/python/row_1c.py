# SPDX-License-Identifier: MIT
"""Row 1c, after "asyncio": iterator, generator, yield from; generators in a row and interleaved.

Patches: constants (the count, and a word for each generator of the second half, which prints it
letter by letter, come from the command line).
"""
import collections
import sys

stop = int(sys.argv[1]) if len(sys.argv) > 1 else 3
words = sys.argv[2:] or ['ABC', 'XYZ']


class MyIterator:
    def __iter__(self):
        self.i = 0
        return self

    def __next__(self):
        if self.i == stop:
            raise StopIteration
        j = self.i
        self.i += 1
        return j


def my_subgenerator():
    i = 0
    while True:
        if i == stop:
            return
        yield i
        i += 1


def my_generator():
    yield from my_subgenerator()


for title, iterator in (('iterator', MyIterator()), ('generator', my_subgenerator()),
                        ('yield from', my_generator())):
    print(title)
    for item in iterator:
        print(item)


def spell(word):
    print(word[0])
    for letter in word[1:]:
        yield
        print(letter)


def run_in_a_row(iterators):
    for iterator in iterators:
        for _ in iterator:
            pass


def run_interleaved(iterators):
    ready = collections.deque(iterators)
    while ready:
        iterator = ready.popleft()
        try:
            next(iterator)
            ready.append(iterator)
        except StopIteration:
            pass


print('in a row')
run_in_a_row([spell(word) for word in words])
print('interleaved')
run_interleaved([spell(word) for word in words])
