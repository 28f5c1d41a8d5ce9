#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every step of the tutorial builds, runs, prints what its page says, and is what its page quotes.

The page step_N.md belongs to the program step_N.c: its ```c blocks are pieces of the program,
letter by letter, and its ```text block is the program's output. Programs run under virtual time,
except those that call read(2) and write(2) themselves or start other programs.
"""

import pathlib
import re
import tempfile

import pages

FOLDER = "docs/tutorial"
ON_A_REAL_ENGINE = {8, 11}


def steps():
    return sorted(int(re.search(r"\d+", path.name)[0])
                  for path in (pages.ROOT / FOLDER).glob("step_*.c"))


def check_step(tap, number, folder):
    page, source = f"{FOLDER}/step_{number}.md", f"{FOLDER}/step_{number}.c"
    program = pathlib.Path(folder) / f"step_{number}"
    code = pages.read(source)
    for block in pages.blocks(page):
        if block.language == "c":
            tap.check(f"quoted/{block.place}", block.text in code, "is not a piece of " + source)
    complaint = pages.build(source, program)
    tap.check(f"builds/{source}", not complaint, complaint)
    if complaint:
        return
    expected = "".join(block.text for block in pages.blocks(page) if block.language == "text")
    status, text = pages.run([program], None if number in ON_A_REAL_ENGINE else "sim")
    tap.same(f"runs/{source}", f"{text}exit status {status}", f"{expected}exit status 0")


def main():
    tap = pages.Tap("docs")
    with tempfile.TemporaryDirectory() as folder:
        for number in steps():
            check_step(tap, number, folder)
    index = re.findall(r"`(step_\d+\.c)`", pages.read(f"{FOLDER}/README.md"))
    tap.same("tutorial/index", index, [f"step_{number}.c" for number in steps()])
    tap.end()


if __name__ == "__main__":
    main()
