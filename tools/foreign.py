# SPDX-License-Identifier: MIT
"""foreign.py: what run_tests.py needs to know of machines other than the developer's own.

tests/foreign_skips.txt says which tests are left out there, which may skip themselves, and why. A
run with --machine holds the list to the truth in both directions: a test that skips itself for a
reason that is not listed fails, and so does a line that fits nothing in a run of all tests.
"""

import fnmatch
import os
import re
import struct

LIST = "tests/foreign_skips.txt"
# The first column of the list; `emulated` stands for what runs in qemu-user.
GROUPS = {"aarch64": ["aarch64", "emulated"], "riscv64": ["riscv64", "emulated"], "musl": ["musl"]}
LEFT_OUT = "left out: "  # how the test programs begin the reason of such a skip
ELF_MACHINES = {62: "x86-64", 183: "aarch64", 243: "riscv64"}


class Line:
    """One line of the list."""

    def __init__(self, kind, pattern, why):
        self.kind = kind  # "test": a name to leave out; "reason": a skip that a test may decide on
        self.pattern = pattern
        self.why = why
        self.used = False

    def fits(self, text):
        found = fnmatch.fnmatchcase(text, self.pattern)
        self.used = self.used or found
        return found


def read_list(machine, path=LIST):
    """The lines for a machine. A line that cannot be read is an error of whoever wrote it."""
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if not text.strip() or text.startswith("#"):
                continue
            fields = re.split(r"\s{2,}", text.strip(), maxsplit=3)
            if len(fields) != 4 or fields[1] not in ("test", "reason"):
                raise SystemExit(f"{path}:{number}: not 'machine  test|reason  pattern  why'")
            if fields[0] == "any" or fields[0] in GROUPS.get(machine, [machine]):
                lines.append(Line(*fields[1:]))
    return lines


def names_to_leave_out(lines):
    """For the variable TEST_SKIPS of the test programs: pattern, tab, reason; a line each."""
    return "\n".join(f"{line.pattern}\t{line.why}" for line in lines if line.kind == "test")


def unlisted(lines, skipped):
    """Of [(test, reason)], those that no line allows. Marks the lines that are in use."""
    found = []
    for test, reason in skipped:
        left_out = reason.startswith(LEFT_OUT)
        kind, text = ("test", test) if left_out else ("reason", reason)
        fitting = [line for line in lines if line.kind == kind and line.fits(text)]
        if not fitting:
            found.append((test, reason))
    return found


def unused(lines):
    return [f"{LIST}: {line.kind} {line.pattern}" for line in lines if not line.used]


def machine_of(program):
    """For which machine a program was compiled, from its ELF header."""
    try:
        with open(program, "rb") as file:
            header = file.read(20)
    except OSError:
        return "no program"
    return ELF_MACHINES.get(struct.unpack_from("<H", header, 18)[0], "unknown")


def describe(machine, wrapper, programs):
    """One line about where the programs ran."""
    kinds = sorted({machine_of(command[-1]) for name, command in programs
                    if name.endswith((".c", ".cpp"))})
    emulator = f" in {os.path.basename(wrapper[0])}" if wrapper else ""
    return f"{machine}, programs for {' and '.join(kinds)}{emulator}"
