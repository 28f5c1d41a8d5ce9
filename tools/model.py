#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""model.py: the model of a waiting call against the code's own tables, searched by spin.

    tools/model.py            everything: both engines, longer calls, every planted bug
    tools/model.py --quick    both engines, without what takes more than some seconds

docs/design/model/operation.pml says who takes part. Its states and the transitions that are
allowed are made here out of the C sources (WEFT__OP_TRANSITIONS, WAIT_TRANSITIONS): a step of the
model that the code does not allow is an assertion that fails in the search. The other way round,
every transition of the tables must be taken by some run; which are, is noted by a function that is
linked to spin's program.

A search looks at every reachable state. It fails on an assertion, on a deadlock (a wake was lost,
something never ends), and, where it looks for cycles, on a run that goes on for ever: so every run
comes to its end, where everything must be over. Each bug of mutants.txt must make it fail.

The output is TAP, then the number of tests; a failed search is followed by how to see its trace.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

FOLDER = "docs/design/model"
BUILD = "build/model"

# Prefix in the model -> (file, name and prefix of the enumeration, file and name of the list of
# transitions).
TABLES = {
    "OP": ("src/loop/poller_backend.h", "weft__op_state", "WEFT__OP_",
           "src/loop/poller_backend.h", "WEFT__OP_TRANSITIONS"),
    "WAIT": ("include/weft/wait.h", "weft_wait_state", "WEFT_WAIT_",
             "src/task/wait.c", "WAIT_TRANSITIONS"),
}

ENGINES = {"readiness": [], "completion": ["-DCOMPLETION"]}

NOTE_C = """
#include <stdio.h>

static unsigned char taken[2][8][8];

void note_transition(int table, int from, int to);
void note_transition(int table, int from, int to)
{
    taken[table][from][to] = 1;
}

__attribute__((destructor)) static void tell(void)
{
    for (int table = 0; table < 2; table++)
        for (int from = 0; from < 8; from++)
            for (int to = 0; to < 8; to++)
                if (taken[table][from][to])
                    printf("transition %d %d %d\\n", table, from, to);
}
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_table(name):
    """(states in order, {(from, to)}) of one of the code's state machines."""
    enum_path, enum, prefix, list_path, list_name = TABLES[name]
    body = re.search(r"enum %s \{(.*?)\};" % enum, read(enum_path), re.S)[1]
    states = re.findall(r"\b%s(\w+)" % prefix, re.sub(r"/\*.*?\*/", "", body, flags=re.S))
    macro = re.search(r"#define %s\(X\)((?:.*\\\n)*.*\n)" % list_name, read(list_path))[1]
    return states, re.findall(r"X\((\w+), (\w+)\)", macro)


def write_table(path, tables):
    """The tables for the model's `#include`."""
    with open(path, "w", encoding="utf-8") as file:
        for name, (states, transitions) in tables.items():
            for number, state in enumerate(states):
                file.write(f"#define {name}_{state} {number}\n")
            allowed = " || ".join(f"(from == {name}_{a} && to == {name}_{b})"
                                  for a, b in transitions)
            file.write(f"#define {name}_MAY(from, to) ({allowed})\n")


def read_mutants():
    """[(name, engines, sentence)]; the same names must stand in the model."""
    rows = []
    for line in read(f"{FOLDER}/mutants.txt").splitlines():
        if line and not line.startswith("#"):
            name, engines, sentence = (part.strip() for part in line.split(" | "))
            rows.append((name, engines.split(), sentence))
    return rows


class Search:
    """One search: the model with some definitions, built in a folder of its own."""

    def __init__(self, name, definitions, cycles=False):
        self.name = name
        self.definitions = definitions
        self.cycles = cycles
        self.folder = os.path.join(BUILD, re.sub(r"\W+", "_", name))

    def build(self, tables):
        os.makedirs(self.folder, exist_ok=True)
        shutil.copy(f"{FOLDER}/operation.pml", self.folder)
        write_table(f"{self.folder}/table.pml", tables)
        with open(f"{self.folder}/note.c", "w", encoding="utf-8") as file:
            file.write(NOTE_C)
        self.run(["spin", "-a", *self.definitions, "operation.pml"])
        kind = ["-DNP"] if self.cycles else ["-DSAFETY"]
        self.run([os.environ.get("CC", "gcc"), "-O1", "-w", "-DCOLLAPSE", *kind, "-o", "pan",
                  "pan.c", "note.c"])

    def run(self, command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def search(self, tables):
        """Builds and searches; sets errors, said, states and taken."""
        self.build(tables)
        text = self.run(["./pan", "-m100000", "-b", *(["-l"] if self.cycles else [])])
        self.errors = int(re.search(r"errors: (\d+)", text)[1])
        self.states = int(re.search(r"(\d+) states, stored", text)[1])
        self.said = "; ".join(re.findall(r"^pan:\d+: (.*)$", text, re.M))
        self.taken = {tuple(map(int, m)) for m in re.findall(r"^transition (.*) (.*) (.*)$", text,
                                                             re.M)}
        if not self.errors and "Search not completed" in text:
            raise RuntimeError(f"{self.name}: the search did not end")

    def trace(self):
        return f"cd {self.folder} && ./pan -r | less, or spin -t -p -g operation.pml"


class Report:
    """Prints TAP."""

    def __init__(self):
        self.count = self.failed = 0

    def tell(self, name, problem=None, details=()):
        self.count += 1
        self.failed += problem is not None
        print(f"{'not ok' if problem else 'ok'} {self.count} - model/{name}"
              + (f" # {problem}" if problem else ""))
        for line in details:
            print(f"# {line}")
        sys.stdout.flush()

    def end(self):
        print(f"1..{self.count}")
        print(f"{self.count - self.failed} passed, {self.failed} failed, 0 skipped")
        return 1 if self.failed else 0


def searches(quick):
    for engine, definitions in ENGINES.items():
        yield Search(engine, definitions)
        if not quick:
            yield Search(f"{engine}: no run goes on for ever", definitions, cycles=True)
            yield Search(f"{engine}: a second call", definitions + ["-DROUNDS=2"])


def check_sound(report, tables, quick):
    """The searches that must find nothing; returns the transitions that they took."""
    taken = set()
    for search in searches(quick):
        search.search(tables)
        taken |= search.taken
        problem = f"{search.said}; {search.trace()}" if search.errors else None
        report.tell(search.name, problem, [f"= {search.name}: {search.states} states"])
    return taken


def check_taken(report, tables, taken):
    for number, (name, (states, transitions)) in enumerate(tables.items()):
        missing = [f"{a} to {b}" for a, b in transitions
                   if (number, states.index(a), states.index(b)) not in taken]
        report.tell(f"every transition of {TABLES[name][4]} is taken",
                    f"not taken: {', '.join(missing)}" if missing else None)


def check_mutants(report, tables):
    rows = read_mutants()
    planted = set(re.findall(r"\bMUTANT_(?!name\b)(\w+)", read(f"{FOLDER}/operation.pml")))
    listed = {name for name, _, _ in rows}
    report.tell("the planted bugs are those of mutants.txt",
                f"only in one: {', '.join(planted ^ listed)}" if planted != listed else None)
    for name, engines, sentence in rows:
        for engine in engines:
            search = Search(f"{engine} with {name}",
                            ENGINES[engine] + [f"-DMUTANT_{name}"])
            search.search(tables)
            report.tell(search.name, None if search.errors else "the search finds nothing",
                        [f"{sentence}: {search.said}"])


def main():
    parser = argparse.ArgumentParser(description="searches the model of a waiting call")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    options = parser.parse_args()
    if not shutil.which("spin"):
        print("1..1\nok 1 - model/search # SKIP spin is not installed (tools/setup model)")
        return 0
    tables = {name: read_table(name) for name in TABLES}
    report = Report()
    taken = check_sound(report, tables, options.quick)
    check_taken(report, tables, taken)
    if not options.quick:
        check_mutants(report, tables)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
