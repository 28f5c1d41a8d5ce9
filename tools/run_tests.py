#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_tests.py: runs everything that tests weft, and adds up what it counted.

Three kinds of programs are run, two at a time: the compiled tests (build/dev/tests/.../test_*),
the scripts beside their sources (test_*.py and test_*.sh), and tools/tidy.py. Each prints TAP: a
plan "1..N", then "ok", "not ok" or "ok # SKIP reason". A program that ends with an error without
a failed line, that prints fewer lines than it planned, or that prints no plan, counts as one
failure more, so that a crash of the program itself cannot pass. Scripts find the build in the
environment: WEFT_BUILD (build/dev), WEFT_PRESET (dev), CC.

Each failed or skipped test is printed with its reason; then what was reached: the figures of all
scenarios of a folder added up, and how many tests ran on each engine; then the sum: "N passed, N
failed, N skipped". All lines of all programs are in tests.log in the folder of the build. The exit
status is 1 when something failed or nothing ran. With CI=true a test skipped for an absent peer
program counts as failed, since there the program should have been installed. With --machine the
list of tests/foreign_skips.txt holds (tools/foreign.py).
"""

import argparse
import collections
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

import foreign

TAP_LINE = re.compile(r"^(not )?ok\b\s*\d*\s*(?:- )?(.*?)(?:\s*# (.*))?$")
COMPILED = (".c", ".cpp")
NO_CPP = "print('1..1\\nok 1 - {} # SKIP Debian has no C++ library for musl')"
TAP_PLAN = re.compile(r"^1\.\.(\d+)")
# "a_scenario: 300 seeds, 299 distinct schedules": figures that can be added up.
FIGURES = re.compile(r"^\S+: (\d+ [a-z ]+(?:, \d+ [a-z ]+)*)$")
ENGINE = re.compile(r"\[(\w+)\]$")  # a test that runs on each engine ends with its name


class Result:
    """What one program reported."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = []  # (test, reason, lines of detail)
        self.skipped = []  # (test, reason)
        self.seconds = 0.0
        self.notes = []  # lines that begin with "# = ": figures the program wants shown
        self.engines = collections.Counter()  # tests that ran on each, "" for those that name none
        self.text = ""  # all that it printed

    def read_tap(self, text):
        """Counts the lines of TAP; returns how many the plan announced, or None without a plan."""
        plan = None
        for line in text.splitlines():
            match = TAP_PLAN.match(line)
            if match and plan is None:
                plan = int(match[1])
                continue
            match = TAP_LINE.match(line)
            if match:
                self.take(*match.groups())
            elif line.startswith("# = "):
                self.notes.append(line[4:].strip())
            elif line.startswith("# ") and self.failed and self.last_failed:
                self.failed[-1][2].append(line[2:])
        return plan

    last_failed = False

    def take(self, failed, test, comment):
        comment = comment or ""
        self.last_failed = bool(failed)
        if failed or not comment.upper().startswith("SKIP"):
            engine = ENGINE.search(test)
            self.engines[engine[1] if engine else ""] += 1
        if failed:
            self.failed.append((test, comment, []))
        elif comment.upper().startswith("SKIP"):
            self.skipped.append((test, comment[4:].strip() or "no reason given"))
        else:
            self.passed += 1

    def count(self):
        return self.passed + len(self.failed) + len(self.skipped)


def end_group(process):
    """Ends a program and its children; they share a process group of their own."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def run_program(name, command, environment, timeout):
    """Runs one program and judges what it printed."""
    result = Result(name)
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env=environment, start_new_session=True, text=True, errors="replace")
    hung = False
    try:
        text, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        hung = True
        end_group(process)
        text, _ = process.communicate()
    result.seconds = time.monotonic() - start
    result.text = text
    plan = result.read_tap(text)
    problem = None
    if hung:
        problem = f"still running after {timeout} s"
    elif plan is None:
        problem = f"exit status {process.returncode}, and no TAP plan in its output"
    elif result.count() != plan:
        problem = f"exit status {process.returncode} after {result.count()} of {plan} tests"
    elif process.returncode != 0 and not result.failed:
        problem = f"exit status {process.returncode}, though no test failed"
    if problem:
        result.failed.append((name, problem, text.splitlines()[-40:]))
    return result


def find_programs(options):
    """[(name, command)] of everything to run, in the order of their paths."""
    programs = []
    root = options.folder
    for folder, _, files in sorted(os.walk(root)):
        for file in sorted(files):
            source = os.path.join(folder, file)
            stem, extension = os.path.splitext(file)
            if not stem.startswith("test_"):
                continue
            if extension == ".cpp" and options.preset == "musl":
                programs.append((source, [sys.executable, "-c", NO_CPP.format(source)]))
            elif extension in COMPILED:
                binary = os.path.join(options.build, folder, stem)
                programs.append((source, options.wrapper + [binary]))
            elif extension == ".py" and not options.binaries_only:
                programs.append((source, [sys.executable, source]))
            elif extension == ".sh" and not options.binaries_only:
                programs.append((source, ["sh", source]))
    if root == "tests" and not options.binaries_only and os.path.exists("tools/tidy.py"):
        programs.append(("tools/tidy.py", [sys.executable, "tools/tidy.py", "--build",
                                           options.build]))
    if options.test:
        # The compiled tests choose by name; of the scripts, those run whose path has the text.
        programs = [p for p in programs if p[0].endswith(COMPILED) or options.test in p[0]]
    if options.program:
        programs = [p for p in programs if any(word in p[0] for word in options.program)]
    return programs


def make_environment(options):
    environment = dict(os.environ)
    environment.update(WEFT_BUILD=options.build, WEFT_PRESET=options.preset, CC=options.cc)
    for name, value in (("ENGINE", options.engine), ("TEST", options.test)):
        if value:
            environment[name] = value
        else:
            environment.pop(name, None)
    environment["TEST_SKIPS"] = foreign.names_to_leave_out(options.skips)
    return environment


def judge_skips(options, programs, results, totals):
    """On another machine: what ran there, and what is wrong with the list; returns the failures."""
    skipped = [skip for result in results for skip in result.skipped]
    failed = [f"{test}: skipped without a line in {foreign.LIST}: {reason}"
              for test, reason in foreign.unlisted(options.skips, skipped)]
    if not (options.test or options.program or options.engine or options.folder != "tests"):
        failed += [f"{line}: fits nothing" for line in foreign.unused(options.skips)]
    for line in failed:
        print(f"FAILED   {line}")
    print(f"machine  {foreign.describe(options.machine, options.wrapper, programs)}: "
          f"{totals[0] + totals[1]} tests run, {totals[2]} skipped")
    return len(failed)


def print_result(result, ci):
    """Prints what a person must see of one program; returns (passed, failed, skipped)."""
    failed = list(result.failed)
    skipped = {}
    for test, reason in result.skipped:
        if ci and reason.startswith("absent peer program"):
            failed.append((test, f"{reason} (skips like this fail under CI=true)", []))
        else:
            skipped.setdefault(reason, []).append(test)
    for reason, tests in skipped.items():
        print(f"skipped  {tests[0]}{f' and {len(tests) - 1} more' if tests[1:] else ''}: {reason}")
    for test, reason, details in failed:
        print(f"FAILED   {test}: {reason}")
        for line in details:
            print(f"         | {line}")
    for note in result.notes:
        if not FIGURES.match(note):
            print(f"note     {result.name}: {note}")
    sys.stdout.flush()
    return result.passed, len(failed), sum(len(tests) for tests in skipped.values())


def counted(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_reached(results):
    """Adds up the figures of each folder that speak of the same things; one line for each sum."""
    sums = {}  # (folder, what is counted) -> [scenarios, sum, sum, ...]
    for result in sorted(results, key=lambda result: result.name):
        for note in filter(None, map(FIGURES.match, result.notes)):
            pairs = [figure.split(" ", 1) for figure in note[1].split(", ")]
            key = (os.path.dirname(result.name), tuple(noun for _, noun in pairs))
            added = [1] + [int(number) for number, _ in pairs]
            sums[key] = [a + b for a, b in zip(sums.get(key, [0] * len(added)), added)]
    for (folder, nouns), (scenarios, *numbers) in sums.items():
        figures = [f"{number:,} {noun}" for number, noun in zip(numbers, nouns)]
        print(f"reached  {folder}: {counted(scenarios, 'scenario')}, {', '.join(figures)}")


def print_engines(results):
    """How many tests ran on which engine; each of them had made sure that it was in force."""
    engines = sum((result.engines for result in results), collections.Counter())
    others = engines.pop("", 0)
    if engines:
        named = ", ".join(f"{engine} {number}" for engine, number in engines.items())
        print(f"engines  {named}" +
              (f", and {counted(others, 'test')} that name{'s' * (others == 1)} none"
               if others else ""))


def write_log(results, build):
    """All that the programs printed, in a file that appears at once; returns its name."""
    path = os.path.join(build, "tests.log")
    os.makedirs(build, exist_ok=True)
    with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
        for result in sorted(results, key=lambda result: result.name):
            file.write(f"=== {result.name}\n{result.text}")
    os.replace(file.name, path)
    return path


def parse_arguments():
    parser = argparse.ArgumentParser(description="runs weft's tests")
    parser.add_argument("--build", default="build/dev", help="the folder of the build")
    parser.add_argument("--preset", default="dev")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--engine", default="", help="run engine tests on this engine only")
    parser.add_argument("--test", default="", help="run tests whose name has this text or pattern")
    parser.add_argument("--folder", default="tests", help="look for tests below this folder only")
    parser.add_argument("--program", action="append", help="run programs whose path has this text")
    parser.add_argument("--machine", default="", help="the machine that the binaries are for")
    parser.add_argument("--wrapper", default="", help="put this command before each binary")
    parser.add_argument("--binaries-only", action="store_true", help="leave the scripts out")
    parser.add_argument("--jobs", type=int, default=2, help="programs that run at once")
    parser.add_argument("--timeout", type=int, default=900, help="seconds for one program")
    parser.add_argument("--slowest", type=int, default=3, help="how many slow programs to name")
    options = parser.parse_args()
    options.wrapper = options.wrapper.split()
    options.skips = foreign.read_list(options.machine) if options.machine else []
    return options


def main():
    options = parse_arguments()
    ci = os.environ.get("CI") == "true"
    environment = make_environment(options)
    programs = find_programs(options)
    totals = [0, 0, 0]
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run_program, name, command, environment, options.timeout)
                for name, command in programs]
        for run in concurrent.futures.as_completed(runs):
            results.append(run.result())
            counts = print_result(results[-1], ci)
            totals = [a + b for a, b in zip(totals, counts)]
    print_reached(results)
    print_engines(results)
    log = write_log(results, options.build)
    if results:
        print(f"ran      {counted(len(results), 'program')}; every line of theirs is in {log}")
    if options.folder == "tests" and not (options.test or options.program or options.engine or
                                          options.machine):
        # Only a whole run can say that a test which a page names did not run.
        named = run_program("tools/tidy.py --ran", [sys.executable, "tools/tidy.py", "--ran", log],
                            environment, options.timeout)
        counts = print_result(named, ci)
        totals = [a + b for a, b in zip(totals, counts)]
    slow = sorted(results, key=lambda r: -r.seconds)[:options.slowest]
    if slow:
        print("slowest  " + ", ".join(f"{r.name} {r.seconds:.1f} s" for r in slow))
    if options.machine:
        totals[1] += judge_skips(options, programs, results, totals)
    if sum(totals) == 0:
        print("FAILED   no test ran" + (f" that matches {options.test!r}" if options.test else ""))
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] or sum(totals) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
