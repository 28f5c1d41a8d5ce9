#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mutants.py: builds weft with one planted bug at a time, and sees that a test catches it.

A planted bug stands in the source behind `#ifdef WEFT_MUTANT_name` and in tests/mutants.txt, a
line each: its name, the test program that must notice (a path below tests, without .c), the text
that the test's name has, and what the bug is; the four parted by " | ". The bug is caught when
that program, built with it, reports a failed or hung test, and the same test passes without it. A
bug that stands in only one of the two places is a failure too.

    tools/mutants.py --list          name them
    tools/mutants.py --only NAME     build and test those whose name has this text
"""

import argparse
import os
import re
import subprocess
import sys

LIST = "tests/mutants.txt"


def read_list():
    """[(name, program, pattern, sentence)]"""
    rows = []
    with open(LIST, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                rows.append(tuple(part.strip() for part in line.split(" | ", 3)))
    return rows


def names_in_source():
    names = set()
    for folder, _, files in os.walk("src"):
        for file in files:
            with open(os.path.join(folder, file), encoding="utf-8") as source:
                names.update(re.findall(r"\bWEFT_MUTANT_(\w+)", source.read()))
    return names


def build(folder, program, options, *flags):
    """Builds one test program; returns None or the end of make's output."""
    command = ["make", "-s", f"-j{options.jobs}", f"CC={options.cc}", *flags]
    made = subprocess.run(command + [f"{folder}/tests/{program}"], capture_output=True, text=True,
                          check=False)
    return None if made.returncode == 0 else made.stderr[-2000:]


def run(folder, program, pattern, limit):
    """(tests that passed, tests that did not); `limit` is how many seconds make a hang"""
    environment = dict(os.environ, TEST=pattern, WEFT_TEST_LIMIT=str(limit))
    text = subprocess.run([f"{folder}/tests/{program}"], capture_output=True, text=True,
                          errors="replace", check=False, env=environment).stdout
    return (re.findall(r"^ok \d+ - (?!.*# SKIP)(.*)$", text, re.M),
            re.findall(r"^not ok \d+ - (.*)$", text, re.M))


def try_mutant(name, program, pattern, options, suffix):
    """None when the bug is caught, else what is wrong."""
    clean, mutant = f"build/dev{suffix}", f"build/dev{suffix}-mutant-{name}"
    problem = build(clean, program, options) or build(mutant, program, options, f"MUTANT={name}")
    if problem:
        return f"does not build: {problem}"
    passed, failed = run(clean, program, pattern, 60)
    if failed or not passed:
        return f"without the bug, {len(passed)} tests pass and {len(failed)} fail"
    _, failed = run(mutant, program, pattern, 5)
    if not failed:
        return f"not caught by {program}, tests with {pattern!r}"
    print(f"# {name}: caught by {failed[0]}")
    return None


def main():
    parser = argparse.ArgumentParser(description="sees that planted bugs are caught")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rows = read_list()
    if options.list:
        for name, program, pattern, sentence in rows:
            print(f"{name:24} {sentence} (must be seen by {program}, {pattern})")
        return 0
    suffix = "" if options.cc in ("gcc", "cc") else "-" + os.path.basename(options.cc)
    failed = 0
    chosen = [row for row in rows if options.only in row[0]]
    print(f"1..{len(chosen) + 1}")
    for number, (name, program, pattern, sentence) in enumerate(chosen, 1):
        problem = try_mutant(name, program, pattern, options, suffix)
        failed += bool(problem)
        print(f"{'not ok' if problem else 'ok'} {number} - mutants/{name}: {sentence}")
        if problem:
            print(f"# {problem}")
        sys.stdout.flush()
    stray = names_in_source() ^ {row[0] for row in rows}
    failed += bool(stray)
    print(f"{'not ok' if stray else 'ok'} {len(chosen) + 1} - mutants/source_and_list_agree")
    for name in sorted(stray):
        print(f"# {name} stands in only one of src and {LIST}")
    print(f"{len(chosen) + 1 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
