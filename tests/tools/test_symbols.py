#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_symbols.py: what the library asks of the world.

Everything that reaches the kernel, the clock or the allocator goes through the table of system
calls, so that a test can replace it: libc's functions for that may be used in src/base/sys/
alone. Each object of the build is asked for its undefined symbols; what is not ours must stand in
libc_symbols.txt with a reason. Of the shared library we check that it needs libc and nothing
else.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import tap  # noqa: E402, pylint: disable=wrong-import-position

BUILD = os.environ.get("WEFT_BUILD", "build/dev")
PRESET = os.environ.get("WEFT_PRESET", "dev")
SANITIZED = PRESET in ("asan", "tsan")
COMPILER = os.environ.get("CC", "gcc").split()
DOOR = "src/base/sys/"
LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libc_symbols.txt")
# What the compiler adds for a sanitizer, and what machine/sanitizer.h calls.
SANITIZER = re.compile(r"__(asan|lsan|tsan|ubsan|sanitizer|odr_asan)_|_?_?(Annotate|tsan)")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read_list():
    """{symbol: where} of the allow-list; each line must give a reason."""
    allowed = {}
    with open(LIST, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                symbol, where, reason = line.split(None, 2)
                assert reason.strip(), f"{symbol} has no reason"
                allowed[symbol] = where
    return allowed


def undefined_symbols(path):
    return sorted(line.split()[-1] for line in output_of("nm", "-u", path).splitlines())


def forbidden(path, source, allowed):
    """Undefined symbols of an object that its source may not use."""
    if source.startswith(DOOR):
        return []
    return [symbol for symbol in undefined_symbols(path)
            if not symbol.startswith("weft_") and
            not (SANITIZED and SANITIZER.match(symbol)) and
            allowed.get(symbol) not in ("anywhere", source)]


def test_only_the_table_reaches_the_kernel():
    if PRESET == "amalgamation":
        return "all sources are one object"
    allowed = read_list()
    folder = os.path.join(BUILD, "obj")
    objects = sorted(glob.glob(os.path.join(glob.escape(folder), "src/**/*.o"), recursive=True))
    complaints = []
    for path in objects:
        source = os.path.relpath(path, folder)[:-len(".o")]
        # An object whose source is gone is no part of the library.
        if os.path.exists(source):
            complaints += [f"{source} uses {symbol}" for symbol in forbidden(path, source, allowed)]
    if len(objects) < 5:
        complaints.append(f"only {len(objects)} objects in {folder}")
    return complaints


def test_a_planted_call_is_seen():
    with tempfile.TemporaryDirectory() as folder:
        source, path = os.path.join(folder, "planted.c"), os.path.join(folder, "planted.o")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int open(const char *, int);\nint weft__planted(void);\n"
                       "int weft__planted(void) { return open(\"x\", 0); }\n")
        output_of(*COMPILER, "-c", source, "-o", path)
        found = forbidden(path, "src/base/planted.c", read_list())
        at_the_door = forbidden(path, DOOR + "planted.c", read_list())
    return [] if found == ["open"] and not at_the_door else [f"found {found}, {at_the_door}"]


def dynamic_section():
    return output_of("readelf", "-dW", os.path.join(BUILD, "libweft.so.0"))


def test_shared_library_needs_libc_alone():
    needed = re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic_section())
    return [] if len(needed) == 1 and needed[0].startswith("libc.") else [f"NEEDED {needed}"]


def test_shared_library_has_its_name():
    names = re.findall(r"\(SONAME\).*\[(.*?)\]", dynamic_section())
    return [] if names == ["libweft.so.0"] else [f"SONAME {names}"]


def test_shared_library_has_no_writable_code():
    program = output_of("readelf", "-lW", os.path.join(BUILD, "libweft.so.0"))
    complaints = ["text relocations"] if "TEXTREL" in dynamic_section() else []
    if not re.search(r"GNU_STACK.*\bRW\b ", program):
        complaints.append("the stack is executable")
    return complaints


def main():
    tap.run("tools/test_symbols", [(name[len("test_"):], function)
                                   for name, function in globals().items()
                                   if name.startswith("test_")])


if __name__ == "__main__":
    main()
