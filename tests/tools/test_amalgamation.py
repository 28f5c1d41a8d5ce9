#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_amalgamation.py: the two files that tools/amalgamate.py makes.

They are written into an empty folder and compiled there by one command, without a flag that a user
might forget, and programs in C and C++ are built and run with them. That the library so made does
all that the other does is the business of `make test PRESET=amalgamation`, which runs all tests on
it. Small trees with names that collide, and with what the tool cannot carry over, show how it deals
with them.
"""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path[0:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "support")]

import tap  # noqa: E402, pylint: disable=wrong-import-position
import tidy  # noqa: E402, pylint: disable=wrong-import-position

CC = os.environ.get("CC", "gcc").split()
CXX = CC[:-1] + [re.sub(r"clang", "clang++", CC[-1]) if "clang" in CC[-1] else
                 re.sub(r"gcc|cc$", "g++", CC[-1])]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
VERSION = "".join(f"#define WEFT_VERSION_{part} 0\n" for part in ("MAJOR", "MINOR", "PATCH"))

# Two files that have the same names for things of their own, one of them also as a member.
COLLIDING = {
    "include/weft/types.h": VERSION,
    "src/base/one.h": "#ifndef ONE_H\n#define ONE_H\nint weft__one(int value);\n#endif\n",
    "src/base/one.c": """#define _GNU_SOURCE 1
#include "base/one.h"
#define STEP 1
struct record { int step; };
enum { FIRST = 10 };
static int step(int step_value) { struct record r = {.step = step_value}; return r.step + STEP; }
int weft__one(int value) { return step(value) + FIRST; /* a step, "step" */ }
""",
    "src/loop/two.c": """#include "base/one.h"
#define STEP 100
struct record { int count, step; };
enum { FIRST = 1000 };
static int step(const struct record *record) { return record->step + STEP; }
int main(void)
{
    struct record record = {0, weft__one(0)};
    return step(&record) + FIRST == 1111 ? 0 : 1;
}
""",
}


def output_of(*command, folder=ROOT):
    """(exit status, output) of a command."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=folder, check=False)
    return done.returncode, done.stdout


def amalgamate(out, root=ROOT):
    return output_of(sys.executable, os.path.join(ROOT, "tools", "amalgamate.py"), "--out", out,
                     "--root", root)


def write_tree(folder, files):
    for path, text in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def compiled(folder, *flags):
    """What the compiler says of weft.c, with no other file of ours in reach."""
    return output_of(*CC, "-c", *flags, "weft.c", folder=folder)[1].splitlines()


def one_command_compiles_it(folder):
    """Also makes the weft.o that the tests below use."""
    return compiled(folder, "-O2")


def no_warning_comes_of_it(folder):
    return compiled(folder, "-O2", "-S", *WARNINGS)


def the_portable_switch_is_in_it_too(folder):
    return compiled(folder, "-O0", "-S", "-DWEFT_UCONTEXT=1", *WARNINGS)


def program_with(folder, compiler, source):
    """Builds a consumer with the two files alone, and runs it."""
    with open(os.path.join(ROOT, "tests", "install", source), encoding="utf-8") as file:
        text = file.read().replace("#include <weft/weft.h>", '#include "weft.h"')
    write_tree(folder, {source: text})
    status, text = output_of(*compiler, *WARNINGS, source, "weft.o", "-pthread", "-o", "program",
                             folder=folder)
    if status == 0:
        status, text = output_of(os.path.join(folder, "program"))
    return [] if status == 0 and text.endswith(": 55\n") else text.splitlines()


def a_program_in_c_uses_them(folder):
    return program_with(folder, CC, "consumer.c")


def a_program_in_cpp_uses_them(folder):
    return program_with(folder, CXX, "consumer.cpp")


def every_source_is_in_them_once(folder):
    complaints = []
    for name, top in (("weft.h", "include/weft"), ("weft.c", "src")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read()
        for source in tidy.Tree(ROOT, "build/dev").sources(top.split("/", maxsplit=1)[0]):
            count = text.count(f"/* {source.path} */\n")
            if count != 1:
                complaints.append(f"{source.path} is in {name} {count} times")
        complaints += re.findall(r'#\s*include\s+(?:"(?!weft\.h")|<weft/).*', text)
    return complaints


def the_object_has_the_public_symbols(folder):
    _, table = output_of("nm", "--defined-only", "-g", "weft.o", folder=folder)
    found = {line.split()[-1] for line in table.splitlines()}
    wanted = tidy.declared_symbols(tidy.Tree(ROOT, "build/dev"))
    return [f"{name} is not defined" for name in sorted(wanted - found)] + \
        [f"{name} is not ours" for name in sorted(found) if not name.startswith("weft_")]


def notes_are_left_to_the_compiler(folder):
    """An assembly file may claim branch tracking for itself, but not for all of weft.c."""
    with open(os.path.join(folder, "weft.c"), encoding="utf-8") as file:
        return re.findall(r'^ *".*\.note\b.*', file.read(), re.M)


def equal_names_are_told_apart(_folder):
    with tempfile.TemporaryDirectory() as tree:
        write_tree(tree, COLLIDING)
        status, said = amalgamate(tree, tree)
        if status == 0:
            status, said = output_of(*CC, *WARNINGS, "weft.c", "-o", "program", folder=tree)
        if status == 0:
            status, said = output_of(os.path.join(tree, "program"))
        with open(os.path.join(tree, "weft.c"), encoding="utf-8") as file:
            text = file.read()
    complaints = [] if status == 0 else [f"status {status}: {said}"]
    # What is said of a step stays, and so does the member.
    complaints += [f"not in weft.c: {part}" for part in (
        "static int one_step(", "static int two_step(", 'a step, "step"', "struct one_record",
        ".step =", "int count, step;", "ONE_FIRST", "#undef STEP\n") if part not in text]
    return complaints


def what_cannot_be_carried_over_stops_it(_folder):
    conditional = '#if 1\n#include "base/one.h"\n#endif\nint weft__x;\n'
    macro = "#define SAVE(r) push r\n    SAVE(1)\n"
    complaints = []
    for path, text, sentence in (("src/base/x.c", conditional, "src/base/x.c: #if or #define"),
                                 ("src/base/x.S", macro, "src/base/x.S: a macro with arguments")):
        with tempfile.TemporaryDirectory() as tree:
            write_tree(tree, {**COLLIDING, path: text})
            status, said = amalgamate(tree, tree)
            if status == 0 or sentence not in said:
                complaints.append(f"{path}: status {status}, {said}")
    return complaints


TESTS = (one_command_compiles_it, no_warning_comes_of_it, the_portable_switch_is_in_it_too,
         a_program_in_c_uses_them, a_program_in_cpp_uses_them, every_source_is_in_them_once,
         the_object_has_the_public_symbols, notes_are_left_to_the_compiler,
         equal_names_are_told_apart, what_cannot_be_carried_over_stops_it)


def main():
    reason = None
    if os.environ.get("WEFT_PRESET", "dev") not in ("dev", "amalgamation"):
        reason = "the two files are compiled alone with PRESET=dev and PRESET=amalgamation"
    with tempfile.TemporaryDirectory() as folder:
        status, said = (0, "") if reason else amalgamate(folder)
        tests = [(test.__name__, lambda _: [f"status {status}", said]) for test in TESTS]
        tap.run("tools/test_amalgamation", tests if status else TESTS, folder, skip=reason)


if __name__ == "__main__":
    main()
