#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_foreign.py: the list of what is not tested on other machines is held to the truth.

Each case is a list and a test program in a folder of its own, run by tools/run_tests.py for a
machine named `other`: a skip must have its line, a line must fit a skip, both with their reasons.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import tap  # noqa: E402, pylint: disable=wrong-import-position

RUNNER = os.path.join(ROOT, "tools", "run_tests.py")
SKIPS = "echo '1..1'; echo 'ok 1 - a # SKIP no rings'"
# What tests/support/main.c does with the variable.
LEAVES_OUT = ("echo '1..1'; test \"$TEST_SKIPS\" = \"a*\tbecause\" && "
              "echo 'ok 1 - abc # SKIP left out: because'")

# (name, list, script, exit status, last line, part of the output)
CASES = [
    ("a_skip_without_a_line_fails", "", SKIPS, 1, "0 passed, 1 failed, 1 skipped",
     "a: skipped without a line"),
    ("a_listed_reason_may_be_given", "other  reason  no *  why\n", SKIPS, 0,
     "0 passed, 0 failed, 1 skipped", "machine  other, "),
    ("a_line_of_another_machine_allows_nothing", "musl  reason  no *  why\n", SKIPS, 1,
     "0 passed, 1 failed, 1 skipped", "a: skipped without a line"),
    ("a_line_that_fits_nothing_fails", "any  reason  no *  why\nany  test  b  why\n", SKIPS, 1,
     "0 passed, 1 failed, 1 skipped", "test b: fits nothing"),
    ("a_listed_test_is_left_out_with_its_reason", "other  test  a*  because\n", LEAVES_OUT, 0,
     "0 passed, 0 failed, 1 skipped", "skipped  abc: left out: because"),
    ("a_line_without_a_reason_is_refused", "other  test  a*\n", SKIPS, 1, None, None),
    ("tests_run_and_skipped_are_counted", "any  reason  no*  why\n",
     "echo '1..3'; echo 'ok 1 - a'; echo 'ok 2 - b'; echo 'ok 3 - c # SKIP no'", 0,
     "2 passed, 0 failed, 1 skipped", ": 2 tests run, 1 skipped\n"),
]


def check_case(skips, script, status, last_line, part):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "tests"))
        for name, text in (("foreign_skips.txt", skips), ("test_case.sh", script + "\n")):
            with open(os.path.join(folder, "tests", name), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, RUNNER, "--build", ".", "--machine", "other"],
                              capture_output=True, text=True, check=False, cwd=folder)
    lines = done.stdout.splitlines() or [""]
    right = done.returncode == status and (part is None or
                                           (lines[-1] == last_line and part in done.stdout))
    return [] if right else [f"exit status {done.returncode}, output:\n{done.stdout}{done.stderr}"]


def main():
    tap.run("tools/test_foreign", [(name, lambda case=case: check_case(*case))
                                   for name, *case in CASES])


if __name__ == "__main__":
    main()
