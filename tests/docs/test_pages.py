#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pages are true: their code compiles, their links lead somewhere, their outputs are real.

A ```c block is a whole program or declarations, and is compiled as it stands, below the includes
that most programs have. After a comment <!-- given: declarations --> it is the inside of a function
that finds those declarations. After <!-- output of: command --> a block is what that command
prints, with times and counts masked ($BUILD is the build under test). The blocks of the tutorial
are cut from its programs instead, see test_tutorial.py.
"""

import os
import pathlib
import re
import subprocess
import tempfile

import pages

PRELUDE = "".join(f"#include <{name}>\n" for name in (
    "stdint.h", "stdio.h", "stdlib.h", "string.h", "weft/weft.h"))


def as_file(block):
    """A block as a C file."""
    given = re.match(r"given: (.*)", block.comment)
    if not given:
        return PRELUDE + f'#line {block.line + 1} "{block.page}"\n' + block.text
    return (f"{PRELUDE}int block(void);\nint block(void)\n{{\n{given[1]}\n"
            f'#line {block.line + 1} "{block.page}"\n{block.text}return 0;\n}}\n')


def check_code(tap):
    for page in pages.all_pages():
        if page.startswith("docs/tutorial/"):
            continue
        for block in pages.blocks(page):
            if block.language == "c":
                complaint = pages.compile_only(as_file(block))
                tap.check(f"compiles/{block.place}", not complaint, complaint)


def check_links(tap):
    bad = []
    for page in pages.all_pages():
        for link in pages.LINK.findall(pages.without_blocks(page)):
            if re.match(r"\w+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not (pages.ROOT / target).exists():
                bad.append(f"{page}: {link} does not exist")
            elif anchor and anchor not in pages.anchors(target):
                bad.append(f"{page}: {link} has no such heading")
    tap.check("links", not bad, "\n".join(bad))


def output_of(command):
    """What a command of a page prints, with the build under test named as in the pages."""
    environment = dict(pages.environment(), BUILD=pages.BUILD)
    done = subprocess.run(["sh", "-c", "exec " + command], cwd=pages.ROOT, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.stdout.replace(pages.BUILD + "/", "build/dev/")


def check_outputs(tap):
    for page in pages.all_pages():
        for block in pages.blocks(page):
            command = re.match(r"output of: (.*)", block.comment)
            if not command:
                continue
            name = f"output/{block.place}"
            if "07_overflow" in command[1] and pages.PRESET in pages.SANITIZERS:
                tap.skip(name, "the sanitizer reports overflows in its own way")
            else:
                tap.same(name, pages.masked(output_of(command[1])), pages.masked(block.text))


def check_readme(tap):
    found = pages.blocks("README.md")
    programs = [block for block in found if block.language == "c"]
    commands = next(block for block in found if block.language == "sh")
    for block, example, most in zip(programs, ("echo", "01_hello"), (15, 20)):
        text = pages.after_head(pages.read(f"examples/{example}.c"))
        tap.same(f"readme/program_is_{example}", block.text, text)
        count = len(pages.without_comments(block.text))
        tap.check(f"readme/program_of_{most}_lines", count <= most, f"{count} lines")
    tap.check("readme/first_screen", programs[0].line < 15, f"line {programs[0].line}")
    tap.check("readme/commands", [line.split("#")[0].strip() for line in commands.lines] == [
        "apt-get update && apt-get install -y git make", "make demo", "make test"], commands.text)


def check_compile_line(tap):
    """The line that says how to build a program, with the build under test."""
    line = re.search(r"^cc -I.* hello\.c [^#]*", pages.read("README.md"), re.M)[0]
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "hello"
        words = line.split()
        words[0:1] = pages.COMPILER + pages.SANITIZERS.get(pages.PRESET, [])
        words = ["examples/01_hello.c" if word == "hello.c" else word for word in words]
        words = [word.replace("build/release", pages.BUILD) for word in words]
        words[-1] = str(program)
        done = subprocess.run(words, cwd=pages.ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        status, text = pages.run([program], "sim") if done.returncode == 0 else (1, done.stdout)
        tap.check("readme/compile_line", (status, text) == (0, "hello\nworld\n"), text)


def main():
    tap = pages.Tap("docs")
    check_readme(tap)
    check_compile_line(tap)
    check_code(tap)
    check_links(tap)
    check_outputs(tap)
    tap.end()


if __name__ == "__main__":
    main()
