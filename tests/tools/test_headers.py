#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_headers.py: the public headers in other people's programs, and POSIX alone.

Each header is included first and alone, by C and by C++ of each standard, with warnings that our
own build does not have, as errors: a program may use them all. The compiler is CC and its C++
sibling, so `make test CC=clang` tries the others. Then the engine `poll` and what it stands on are
compiled with what POSIX.1-2008 promises and no more, since it is the one for systems that we do not
know. The headers are the same in all presets, so only PRESET=dev does this.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import tap  # noqa: E402, pylint: disable=wrong-import-position

CC = os.environ.get("CC", "gcc").split()
CXX = CC[:-1] + [re.sub(r"clang", "clang++", CC[-1]) if "clang" in CC[-1] else
                 re.sub(r"gcc|cc$", "g++", CC[-1])]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
STANDARDS = ("c99", "c11", "c17", "c++98", "c++11", "c++14", "c++17", "c++20")

# Macros that nobody has expanded show nothing: a program of each language that uses them.
TYPED_START = """#include <weft/weft.h>
int add(int a, int *b);
int none(void);
WEFT_TASK(add, int, int *);
WEFT_TASK(none);
int start(struct weft_scope *scope, struct weft_task **task, int *b);
int start(struct weft_scope *scope, struct weft_task **task, int *b)
{
    int rc = weft_go(scope, add, 1, b);
    if (rc == 0)
        rc = weft_spawn(scope, task, none);
    return rc < 0 ? weft_fail(rc, "no task %d", 1) : rc;
}
"""

POLL_ENGINE = ("src/loop/poller/poll.c", "src/loop/poller/readiness.c", "src/loop/poller/try.c",
               "src/loop/descriptor.c")


def compile_text(standard, text, *options, include="include"):
    """What the compiler says of a program, "" when all is well."""
    plus = "++" in standard
    command = (CXX if plus else CC) + [
        "-x", "c++" if plus else "c", f"-std={standard}", *WARNINGS, *options, "-I", include,
        "-fsyntax-only", "-"]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, cwd=ROOT, check=False)
    return done.stdout if done.returncode or done.stdout else ""


def headers_in(folder):
    return sorted(os.path.relpath(path, folder)
                  for path in glob.glob(os.path.join(folder, "**", "*.h"), recursive=True))


def each_header_alone(standard, include=os.path.join(ROOT, "include")):
    complaints = []
    for name in headers_in(os.path.join(include, "weft")):
        said = compile_text(standard, f"#include <weft/{name}>\n", include=include)
        complaints += [f"{name}: {line}" for line in said.splitlines()[:5]]
    return complaints


def the_typed_start(standard):
    return compile_text(standard, TYPED_START).splitlines()


def a_planted_header_is_reported():
    """One that stands on another's include, and one that converts in silence."""
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "weft"))
        for name, text in (("alone.h", "struct weft_time { uint64_t ns; };\n"),
                           ("silent.h", "static inline char weft_cut(int i) { return i; }\n")):
            with open(os.path.join(folder, "weft", name), "w", encoding="utf-8") as file:
                file.write(text)
        found = "\n".join(each_header_alone("c99", folder))
    return [] if "alone.h: " in found and "silent.h: " in found else [found]


def poll_engine_needs_posix_alone():
    complaints = []
    for source in POLL_ENGINE:
        command = CC + ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror",
                        "-Iinclude", "-Isrc", "-fsyntax-only", source]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd=ROOT, check=False)
        complaints += done.stdout.splitlines()
        # Nobody may open the door from within.
        with open(os.path.join(ROOT, source), encoding="utf-8") as file:
            complaints += [f"{source}: {line}" for line in file
                           if re.match(r"#\s*define\s+_\w+_SOURCE", line)]
    return complaints


def named_tests():
    for standard in STANDARDS:
        yield f"each_header_alone/{standard}", lambda standard=standard: each_header_alone(standard)
    for standard in ("c99", "c17", "c++11", "c++20"):
        yield f"typed_start/{standard}", lambda standard=standard: the_typed_start(standard)
    yield "a_planted_header_is_reported", a_planted_header_is_reported
    yield "poll_engine_needs_posix_alone", poll_engine_needs_posix_alone


def reason_to_skip():
    if os.environ.get("WEFT_PRESET", "dev") != "dev":
        return "headers are compiled alone with PRESET=dev"
    absent = [name for name in (CC[-1], CXX[-1]) if not shutil.which(name)]
    return f"absent peer program: {', '.join(absent)}" if absent else None


def main():
    tap.run("tools/test_headers", list(named_tests()), skip=reason_to_skip())


if __name__ == "__main__":
    main()
