# SPDX-License-Identifier: MIT
"""tap.py: how the tests that are written in Python say what they have found.

`run` has functions, each of which returns what is wrong as a list of lines, or a sentence why it
was skipped. `Tap` is for a program that goes its own way and checks one thing after the other.
Both print TAP line by line, so that of a program which hangs it can be seen how far it came.
"""

import sys


class Failed(Exception):
    """A test of `run` cannot go on; the text says what is wrong."""


class Tap:
    """Prints checks as TAP; the plan comes at the end unless it is known in the beginning."""

    def __init__(self, folder, planned=None):
        self.folder, self.planned = folder, planned
        self.count, self.failed = 0, 0
        if planned is not None:
            print(f"1..{planned}", flush=True)

    def line(self, verdict, name, after=""):
        self.count += 1
        print(f"{verdict} {self.count} - {self.folder}/{name}{after}", flush=True)

    def report(self, name, complaints):
        """One test: the lines that say what is wrong, or a sentence why it was skipped."""
        if isinstance(complaints, str):
            self.skip(name, complaints)
            return
        self.failed += bool(complaints)
        self.line("not ok" if complaints else "ok", name)
        for line in "\n".join(complaints).splitlines():
            print(f"# {line.rstrip()}")

    def check(self, name, good, detail=""):
        self.report(name, [] if good else [str(detail).strip()])

    def same(self, name, got, expected):
        self.check(name, got == expected, f"expected:\n{expected}\ngot:\n{got}")

    def skip(self, name, reason):
        self.line("ok", name, f" # SKIP {reason}")

    def end(self):
        """Ends the process."""
        if self.planned is None:
            print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def run(folder, tests, *given, skip=None):
    """Runs test(*given) for each function, or each (name, function), and ends the process; `skip`:
    why none of them runs."""
    tests = [test if isinstance(test, tuple) else (test.__name__, test) for test in tests]
    tap = Tap(folder, len(tests))
    for name, test in tests:
        try:
            tap.report(name, skip or test(*given))
        except Failed as failure:
            tap.report(name, [str(failure)])
    tap.end()
