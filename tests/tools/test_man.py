#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_man.py: the man pages that tools/man.py makes.

Each exported symbol has a page, each page is understood by groff without a warning, and each
public call says in its header whether it is plain, waits or releases. A header that breaks the
last rule is planted, to see that it is reported.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path[0:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "support")]

import tap  # noqa: E402, pylint: disable=wrong-import-position
import tidy  # noqa: E402, pylint: disable=wrong-import-position

PLANTED = """/* SPDX-License-Identifier: MIT */
/* weft/planted.h: two calls, one of which says nothing */
/** Does it. Plain. */
WEFT_API int weft_planted_said(void);
/** Does it, too. */
WEFT_API int weft_planted_unsaid(void);

WEFT_API int weft_planted_bare(void);
"""


def man(*arguments):
    return subprocess.run([sys.executable, os.path.join(ROOT, "tools", "man.py"), *arguments],
                          capture_output=True, text=True, cwd=ROOT, check=False)


def every_exported_symbol_has_a_page(pages):
    names = tidy.declared_symbols(tidy.Tree(ROOT, "build/dev"))
    return [f"{name} has no page" for name in sorted(names)
            if not os.path.exists(os.path.join(pages, "man3", f"{name}.3"))]


def groff_takes_every_page(pages):
    if not shutil.which("groff"):
        return "groff is not installed"
    complaints = []
    for page in sorted(glob.glob(os.path.join(glob.escape(pages), "man*", "*"))):
        with open(page, encoding="utf-8") as file:
            if file.read().startswith(".so "):
                continue
        said = subprocess.run(["groff", "-k", "-man", "-Tutf8", "-ww", "-z", page],
                              capture_output=True, text=True, check=False).stderr
        complaints += said.splitlines()[:2]
    return complaints


def every_call_says_whether_it_waits(_pages):
    checked = man("--check")
    return [] if checked.returncode == 0 else checked.stdout.splitlines()


def a_call_that_does_not_say_is_reported(_pages):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "planted.h"), "w", encoding="utf-8") as file:
            file.write(PLANTED)
        said = man("--check", "--include", folder).stdout
    wanted = ("planted.h:5: weft_planted_unsaid does not say", "planted.h:8: weft_planted_bare has")
    return [said] if "weft_planted_said" in said or not all(w in said for w in wanted) else []


TESTS = (every_exported_symbol_has_a_page, groff_takes_every_page,
         every_call_says_whether_it_waits, a_call_that_does_not_say_is_reported)


def main():
    with tempfile.TemporaryDirectory() as pages:
        man("--out", pages)
        tap.run("tools/test_man", TESTS, pages)


if __name__ == "__main__":
    main()
