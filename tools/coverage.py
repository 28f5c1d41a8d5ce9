#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py: which lines and branches of src the compiled tests run through.

    tools/coverage.py             run the tests of build/coverage, then report
    tools/coverage.py --no-run    report on the last run
    tools/coverage.py --missing FILE...    name the lines and branches that no test took

A line counts when the compiler made code for it, a branch when it made a jump that can go two ways;
what several objects have of one header is added up. Assertions are not counted, since their other
way must not be taken, and neither are lines that tests/coverage.txt excludes, with its reason.

An *error branch* is what the library does when a call of its loop's table of system calls, struct
weft_sys, fails. There is one for each place in src that makes such a call; it counts as reached
when the public fault table (<weft/testing.h>) failed a call made at that place in some test. Places
are found in the text. Freeing memory and asking the clock cannot fail and are none. Neither are
calls that no table of a loop sees: those that concern the whole process and go to weft_sys_default,
and what the simulated world and the fault table themselves call.

tests/coverage.txt has the floors, too: figures below them fail.
"""

import argparse
import glob
import gzip
import json
import os
import re
import subprocess
import sys

BUILD = "build/coverage"
SETTINGS = "tests/coverage.txt"


class Settings:
    """tests/coverage.txt: floors, and lines that do not count."""

    def __init__(self):
        self.floors = {}
        self.excluded = []
        with open(SETTINGS, encoding="utf-8") as file:
            for line in file:
                words = line.split("#")[0].split(" | ")[0].split(None, 2)
                if words and words[0] == "floor":
                    self.floors[words[1]] = float(words[2])
                elif words and words[0] == "exclude":
                    self.excluded.append((words[1], re.compile(words[2].strip())))

    def excludes(self, path, text):
        return any(path.startswith(where) and what.search(text) for where, what in self.excluded)


class Source:
    """What is known of one file."""

    def __init__(self, path, settings):
        self.path = path
        self.lines = {}
        self.branches = {}
        with open(path, encoding="utf-8") as file:
            self.text = [""] + file.read().split("\n")
        self.left_out = self.find_left_out(settings)

    def find_left_out(self, settings):
        """The lines that do not count, with those on which their statement goes on."""
        found, open_brackets = set(), 0
        for number, text in enumerate(self.text):
            if open_brackets > 0 or settings.excludes(self.path, text):
                found.add(number)
                open_brackets = max(0, open_brackets + text.count("(") - text.count(")"))
        return found

    def add(self, line):
        number = line["line_number"]
        if number in self.left_out:
            return
        self.lines[number] = self.lines.get(number, 0) + line["count"]
        counts = [branch["count"] for branch in line["branches"]]
        before = self.branches.get(number, [])
        if len(before) == len(counts):
            counts = [a + b for a, b in zip(before, counts)]
        if len(counts) >= len(before):
            self.branches[number] = counts

    def figures(self):
        """(lines taken, lines, branches taken, branches)"""
        branches = [count for counts in self.branches.values() for count in counts]
        return (sum(count > 0 for count in self.lines.values()), len(self.lines),
                sum(count > 0 for count in branches), len(branches))


def run_tests():
    """A clean account, then every compiled test."""
    for path in glob.glob(f"{BUILD}/obj/**/*.gcda", recursive=True) + glob.glob(f"{BUILD}/faults"):
        os.remove(path)
    done = subprocess.run([sys.executable, "tools/run_tests.py", "--build", BUILD, "--preset",
                           "coverage", "--binaries-only"], check=False)
    return done.returncode


def read_counts(settings):
    """{path: Source} of every file of src that has code."""
    sources = {}
    # A source that is gone leaves its object, and its account, behind.
    notes = [note for note in sorted(glob.glob(f"{BUILD}/obj/src/**/*.c.gcno", recursive=True))
             if os.path.exists(os.path.relpath(note, f"{BUILD}/obj").removesuffix(".gcno"))]
    os.makedirs(f"{BUILD}/gcov", exist_ok=True)
    for old in glob.glob(f"{BUILD}/gcov/*"):
        os.remove(old)
    subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--preserve-paths",
                    *[os.path.relpath(note, f"{BUILD}/gcov") for note in notes]],
                   cwd=f"{BUILD}/gcov", check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for path in sorted(glob.glob(f"{BUILD}/gcov/*.gcov.json.gz")):
        with gzip.open(path) as file:
            for entry in json.load(file)["files"]:
                name = os.path.normpath(entry["file"])
                if not name.startswith("src" + os.sep):
                    continue
                if name not in sources:
                    sources[name] = Source(name, settings)
                for line in entry["lines"]:
                    sources[name].add(line)
    return sources


TABLE_CALL = re.compile(r"->(\w+)\(\s*(?:\w+(?:->|\.))*sys\b"
                        r"|\bweft__sys_call\(\s*[\w.>-]+,\s*(\w+)")
# Where `sys` is no loop's table, or the call is of the table itself.
NOT_CALLERS = ("src/base/", "src/testing/", "src/loop/poller/sim/", "src/loop/poller_backend.h",
               "src/machine/overflow.c")


def end_of_call(text, start):
    """Where the brackets that open after `start` are closed."""
    depth = 0
    for at in range(text.index("(", start), len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return len(text)


def find_calls():
    """{(path, first line, last line): entry} of every place that calls the table and may fail."""
    with open("include/weft/sys.h", encoding="utf-8") as file:
        of_loops = file.read().split("Acts of the whole process")[0]
    entries = set(re.findall(r"\(\*(\w+)\)\(", of_loops)) - {"clock"}
    found = {}
    for path in sorted(glob.glob("src/**/*.[ch]", recursive=True)):
        if path.startswith(NOT_CALLERS):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for match in TABLE_CALL.finditer(text):
            end = end_of_call(text, match.start())
            entry = match[1] or match[2]
            frees = entry == "realloc" and text[:end].endswith(", 0")
            if entry in entries and not frees:
                lines = (text.count("\n", 0, match.start()) + 1, text.count("\n", 0, end) + 1)
                found[(path, *lines)] = entry
    return found


def read_faults():
    """{(path, line)} of the library's calls that the fault table failed."""
    traces = {}
    with open(f"{BUILD}/faults", encoding="utf-8") as file:
        for line in file:
            program, *addresses = line.split()
            traces.setdefault(program, set()).add(tuple(addresses))
    places = set()
    for program, found in traces.items():
        wanted = sorted({address for trace in found for address in trace})
        said = subprocess.run(["addr2line", "-e", program], input="\n".join(wanted), text=True,
                              capture_output=True, check=True).stdout.splitlines()
        where = {address: re.search(r"\b(src/[^:]*):(\d+)", text)
                 for address, text in zip(wanted, said)}
        for trace in found:
            for match in filter(None, (where[address] for address in trace)):
                if not match[1].startswith("src/testing/"):
                    places.add((match[1], int(match[2])))
                    break
    return places


def check_faults():
    """(reached, all) of the error branches; prints nothing. Also those that were not reached."""
    calls = find_calls()
    places = read_faults()
    missed = [(path, first, entry) for (path, first, last), entry in calls.items()
              if not any(path == name and first <= line <= last for name, line in places)]
    return len(calls) - len(missed), len(calls), missed


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def print_table(sources):
    """A row for each folder and one for all; returns the last one's percentages."""
    folders = {}
    for source in sources.values():
        for name in (os.path.dirname(source.path), "all of src"):
            folders[name] = [a + b for a, b in zip(folders.get(name, [0] * 4), source.figures())]
    print(f"{'':26} {'lines':>15} {'':>7} {'branches':>15}")
    for name in sorted(folders, key=lambda name: (name == "all of src", name)):
        lines, of_lines, branches, of_branches = folders[name]
        print(f"{name:26} {lines:7} / {of_lines:5} {percent(lines, of_lines):6.1f}% "
              f"{branches:7} / {of_branches:5} {percent(branches, of_branches):6.1f}%")
    return percent(lines, of_lines), percent(branches, of_branches)


def print_missing(sources, wanted):
    for path, source in sources.items():
        if not any(word in path for word in wanted):
            continue
        for number in sorted(source.lines):
            branches = source.branches.get(number, [])
            if source.lines[number] == 0:
                print(f"{path}:{number}: never run: {source.text[number].strip()}")
            elif 0 in branches:
                print(f"{path}:{number}: {branches.count(0)} of {len(branches)} branches never "
                      f"taken: {source.text[number].strip()}")


def check_floors(settings, figures):
    failed = 0
    for name, value in figures.items():
        floor = settings.floors[name]
        if value < floor:
            failed += 1
            print(f"FAILED   {name}: {value:.1f}% is less than the floor of {floor:.1f}%")
    print(f"{len(figures) - failed} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description="what of src the tests run through")
    parser.add_argument("--no-run", action="store_true", help="report on the last run")
    parser.add_argument("--missing", nargs="+", metavar="FILE", help="name what no test took")
    options = parser.parse_args()
    status = 0 if options.no_run or options.missing else run_tests()
    settings = Settings()
    sources = read_counts(settings)
    reached, of_calls, missed = check_faults()
    if options.missing:
        print_missing(sources, options.missing)
        for path, line, entry in missed:
            if any(word in path for word in options.missing):
                print(f"{path}:{line}: no fault injected into {entry}")
        return 0
    lines, branches = print_table(sources)
    faults = percent(reached, of_calls)
    print(f"error branches reached by an injected fault: {reached} / {of_calls} {faults:.1f}%")
    failed = check_floors(settings, {"lines": lines, "branches": branches, "faults": faults})
    return 1 if failed or status else 0


if __name__ == "__main__":
    sys.exit(main())
