# SPDX-License-Identifier: MIT
"""pages.py: what the tests of the documentation share.

Reading pages (their blocks of code, the comments before them, their links and headings), building
a C text against the library of the build under test, running a program, and hiding what differs
from run to run. The build comes from the environment, as tools/run_tests.py sets it: WEFT_BUILD,
WEFT_PRESET, CC, ENGINE.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from tap import Tap  # noqa: E402, pylint: disable=wrong-import-position,unused-import

BUILD = os.environ.get("WEFT_BUILD", "build/dev")
PRESET = os.environ.get("WEFT_PRESET", "dev")
COMPILER = os.environ.get("CC", "gcc").split()
SANITIZERS = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]

FENCE = re.compile(r"^```(\S*)(?: (.*))?$")
COMMENT = re.compile(r"^<!-- ?(.*?) ?-->$")
LINK = re.compile(r"\]\(([^)\s]+)\)")

# What differs from run to run, machine to machine, or with the engine under test.
VARYING = (
    (r"engine \w+ \([^)]*\)", "engine E (WHY)"),
    (r"\b\d+\.\d+ s\b", "T s"),
    (r"\bturn \d+", "turn N"),
    (r"\bdescriptor \d+", "descriptor N"),
    (r"\b\d+ timers?, \d+ operations?", "N timers, N operations"),
    (r"\b\d+ KiB\b", "N KiB"),
    (r"\b\d+ lost, \d+ sent again\b", "N lost, N sent again"),
    (r" +", " "),
)


class Block:
    """A fenced block of a page."""

    def __init__(self, page, line, language, comment):
        self.page, self.line, self.language, self.comment = page, line, language, comment
        self.lines = []

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def all_pages():
    """Every page of the tree, as paths from its root."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in {".git", "build", "__pycache__"})
        found += [os.path.relpath(os.path.join(folder, name), ROOT)
                  for name in sorted(files) if name.endswith(".md")]
    return found


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page):
    """The fenced blocks of a page, each with the HTML comment on the line above it, if any."""
    found, open_block, before = [], None, ""
    for number, line in enumerate(read(page).split("\n"), 1):
        fence = FENCE.match(line)
        if open_block and line == "```":
            found.append(open_block)
            open_block = None
        elif open_block:
            open_block.lines.append(line)
        elif fence:
            comment = COMMENT.match(before)
            open_block = Block(page, number, fence[1], comment[1] if comment else "")
        if line.strip():
            before = line
    return found


def without_blocks(page):
    """The page's text with its fenced blocks and its `code` left out."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """The names by which the headings of a page can be linked."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def without_comments(text):
    """C with its comments gone and then its blank lines, which is how lines are counted."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    return [line for line in text.split("\n") if line.strip()]


def after_head(text):
    """A C file from its first code on."""
    return re.sub(r"^(?:\s*/\*.*?\*/\s*\n)+", "", text, flags=re.S)


def build(source, program):
    """Compiles and links a C file with the library under test; the compiler's complaint or ""."""
    command = COMPILER + ["-std=gnu11", "-O1", "-g", *WARNINGS, *SANITIZERS.get(PRESET, []),
                          "-Iinclude", str(source), f"{BUILD}/libweft.a", "-pthread",
                          "-o", str(program)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True).stdout


def compile_only(text):
    """Compiles a C text without linking; the compiler's complaint or ""."""
    command = COMPILER + ["-std=gnu11", *WARNINGS, "-Wno-unused-function", "-Wno-unused-variable",
                          "-Iinclude", "-fsyntax-only", "-xc", "-"]
    return subprocess.run(command, cwd=ROOT, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


def environment(backend=None):
    """The environment for a program: on that engine, else on the first real one of $ENGINE."""
    chosen = dict(os.environ)
    if not backend:
        real = [e for e in os.environ.get("ENGINE", "").split(",") if e not in ("", "sim")]
        backend = real[0] if real else None
    if backend:
        chosen["WEFT_BACKEND"] = backend
    else:
        chosen.pop("WEFT_BACKEND", None)
    return chosen


def send_signal(process, number):
    """Sends a signal to a program that sleeps: ThreadSanitizer keeps one back that comes between
    two system calls, and the sleep that follows would be a long one."""
    while process.poll() is None:
        state = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "S":
            break
        time.sleep(0.001)
    process.send_signal(number)


def run(command, backend=None, timeout=120):
    """Runs a program from the root of the tree: (exit status, everything it printed). One that
    hangs is asked for a dump, which SIGQUIT prints in weft_run, and ended with its children."""
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=environment(backend),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        text = process.communicate(timeout=timeout)[0]
        return process.returncode, text
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGQUIT)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
        return f"none in {timeout} s", process.communicate()[0]


def masked(text):
    """A text with all that varies replaced by names."""
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
