#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""amalgamate.py: the whole core as two files, weft.h and weft.c.

    tools/amalgamate.py [--out build/amalgamation]

For programs that would rather take in two files than a library. weft.h is all public headers, each
before the first that includes it. weft.c is all sources of src/, layer by layer from the bottom,
with the internal headers before the first file that includes them, and the assembly of each machine
as an `__asm__` at file level.

The text stays that of the sources, comments too, but for three things. A name that two files have
for something of their own (a static function, a type) gets the file's name in front: `describe` of
event.c becomes `event_describe`. Macros of a .c file end with it. Notes that an assembly file makes
about its object are left out, since the compiler makes them for all of weft.c, from its own flags.
What cannot be carried over (a header of ours under #if, a macro with arguments in assembly) stops
the tool with a sentence.
"""

import argparse
import os
import re
import sys

import install
import tidy

ROOT = install.ROOT
LAYERS = ("base", "machine", "coro", "loop", "task", "sync", "net", "os")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">].*\n', re.M)
GUARD = re.compile(r"^#ifndef (\w+)\n#define \1\n(.*)^#endif[^\n]*\n\s*\Z", re.M | re.S)
SPDX = re.compile(r"^/\* SPDX-License-Identifier: MIT \*/\n", re.M)
WORD = re.compile(r"\b[A-Za-z_]\w*\b")

LICENSE = "/* SPDX-License-Identifier: MIT */\n"
HEADER_HEAD = LICENSE + """/*
 * weft.h: weft {version}, all public headers in one file
 *
 * Made by tools/amalgamate.py for programs that take in weft as two files; weft.c is the other. The
 * headers stand here whole, each before the first that includes it.
 */
#ifndef WEFT_AMALGAMATION_H
#define WEFT_AMALGAMATION_H
"""
SOURCE_HEAD = LICENSE + """/*
 * weft.c: weft {version}, all sources in one file
 *
 * Made by tools/amalgamate.py; weft.h is the other file. To build it:
 *
 *     cc -O2 -c weft.c
 *
 * and link with -pthread where the C library is older than glibc 2.34. In a shared library of your
 * own, -fvisibility=hidden keeps weft's internal names inside. -DWEFT_UCONTEXT=1 takes the switch
 * of the C library in place of ours; it must be used where shadow stacks are on, and then this file
 * may be compiled with -fcf-protection=return or full.
 *
 * Where two files had something of the same name for themselves, the name of the file has been put
 * in front.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "weft.h"

#ifdef __clang__
/* Inline functions that no source calls: here they stand in no header. */
#pragma clang diagnostic ignored "-Wunused-function"
#endif
"""


class Failed(Exception):
    """The sources have something that this tool cannot carry over."""


def banner(path):
    return f"\n/* {'=' * 96} */\n/* {path} */\n\n"


# --- Names that files have for themselves ---------------------------------------------------------


def outside_braces(code):
    """The code with all bodies blanked: what stands at file level."""
    kept, depth = [], 0
    for piece in re.split(r"([{}])", code):
        depth -= piece == "}"
        kept.append(piece if depth == 0 else re.sub(r"[^\n]", " ", piece))
        depth += piece == "{"
    return "".join(kept)


def macros_of(text):
    """Macros that a file defines, without those that stand in for what a system may lack."""
    names = re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M)
    spare = re.findall(r"^[ \t]*#[ \t]*ifndef[ \t]+(\w+)\n[ \t]*#[ \t]*define[ \t]+\1\b", text,
                       re.M)
    return [name for name in dict.fromkeys(names) if name not in spare]


def own_names(source):
    """{(kind, name)} of what a file defines without linkage to others; tags are a kind of name."""
    code = source.without_directives()
    level = outside_braces(code)
    names = {name for name, _, _, start, end in source.functions()
             if re.search(r"\bstatic\b", code[start:end].split("{")[0])}
    names.update(re.findall(r"^static\b[^;{}()=]*?(\w+)(?:\[[^\]]*\])*\s*[;={]", level, re.M))
    names.update(re.findall(r"\btypedef\b[^;{}]*?(\w+)\s*;", level))
    for body in re.findall(r"\benum\b\s*\w*\s*\{(.*?)\}", code, re.S):
        names.update(re.findall(r"(?:^|,)\s*(\w+)", body))
    tags = re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", code)
    return {("name", name) for name in names} | {("tag", name) for name in tags}


def new_name(path, name, paths, used):
    """A name with the file's in front: the stem, or the folder too where the stem is not enough."""
    stem = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.basename(os.path.dirname(path))
    alone = sum(os.path.basename(other) == f"{stem}.c" for other in paths) == 1
    for prefix in ([stem] if alone else []) + [folder, f"{folder}_{stem}"]:
        new = f"{prefix}_{name}"
        new = new.upper() if name.isupper() else new
        says_more = not name.startswith(prefix + "_") and (prefix != folder or
                                                           name.startswith(stem + "_"))
        if new not in used and says_more:
            return new
    raise Failed(f"{path}: no new name for {name}")


def choose_names(sources):
    """{path: {name: new name}} for the names that more than one .c file has for itself."""
    own = {source.path: own_names(source) for source in sources}
    used = set().union(*(WORD.findall(source.code) for source in sources))
    chosen = {}
    for path in filter(lambda path: path.endswith(".c"), own):
        others = set().union(*(own[other] for other in own if other != path))
        chosen[path] = {}
        for name in sorted({name for _, name in own[path] & others}):
            chosen[path][name] = new_name(path, name, own, used)
            used.add(chosen[path][name])
    return chosen


def is_field(code, start, end):
    """Whether a word names a member: behind a dot or an arrow, or declared inside a struct."""
    if re.search(r"(?:\.|->)\s*\Z", code[:start]):
        return True
    opened = 0
    for match in re.finditer(r"[{}]", code[:start][::-1]):
        opened += 1 if match[0] == "}" else -1
        if opened < 0:
            head = re.search(r"[^;{}]*\Z", code[:start - match.start() - 1])[0]
            inside = re.search(r"\b(?:struct|union)\b[^()=]*\Z", head)
            declared = re.match(r"\s*(?:[;,:]|\[)", code[end:])
            return bool(inside and declared)
    return False


def renamed(source, names):
    """A file's text with the names replaced, outside of comments, strings and members."""
    if not names:
        return source.text
    found = [match for match in WORD.finditer(source.code) if match[0] in names]
    text, end = [], 0
    for match in found:
        # Strings and comments are blank in source.code, so what was found stands in the code.
        if not is_field(source.code, match.start(), match.end()):
            text += [source.text[end:match.start()], names[match[0]]]
            end = match.end()
    return "".join(text) + source.text[end:]


# --- Assembly -------------------------------------------------------------------------------------


class Assembly:
    """Turns a .S file into C: strings in an `__asm__`, between the same #if lines."""

    COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

    def __init__(self, path, text):
        self.path = path
        self.out = []
        self.waiting = []  # comments and empty lines, which go with what follows them
        self.macros = {}
        self.depth = 0
        self.opened = None  # how deep in #if the __asm__ began that is open
        self.in_note = False
        # Strings are part of the code here, so only comments are blanked.
        code = self.COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else tidy.blank(m[0]), text)
        for line, whole in zip(code.split("\n"), text.split("\n")):
            line = line.rstrip()
            directive = re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif|define)\b(.*)", line)
            if directive:
                self.directive(directive[1], directive[2].strip(), whole)
            elif line:
                self.instruction(line, whole[len(line):].strip())
            else:
                self.waiting.append(whole)
        self.close()

    def directive(self, word, rest, whole):
        if word == "define":
            match = re.match(r"(\w+)\b(?!\()\s*(.*)", rest)
            if not match:
                raise Failed(f"{self.path}: a macro with arguments; .macro can be carried over")
            self.macros[match[1]] = match[2]
            return
        if word in ("endif", "elif", "else") and self.opened == self.depth:
            self.close()
        self.depth += {"endif": -1, "else": 0, "elif": 0}.get(word, 1)
        self.out += self.waiting + [whole]
        self.waiting = []

    def instruction(self, line, comment):
        if re.match(r"\s*#", line):
            raise Failed(f"{self.path}: {line.strip()}")
        if re.match(r"\s*\.(section|text|data)\b", line):
            self.in_note = bool(re.match(r"\s*\.section\s+\.note", line))
        if self.in_note:
            self.waiting = []
            return
        if self.opened is None:
            self.opened = self.depth
            self.out += ["__asm__(", '    "    .pushsection .text\\n"']
        for _ in range(8):
            line = WORD.sub(lambda match: self.macros.get(match[0], match[0]), line)
        if re.search(r"\bWEFT_\w+", line):
            raise Failed(f"{self.path}: a macro of a header in an instruction: {line.strip()}")
        line = line.replace("\\", "\\\\").replace('"', '\\"')
        self.out += self.waiting + [f'    "{line}\\n"' + (f" {comment}" if comment else "")]
        self.waiting = []

    def close(self):
        if self.opened is not None:
            self.out += ['    "    .popsection\\n");'] + self.waiting
            self.waiting = []
            self.opened = None

    def text(self):
        return "\n".join(self.out).rstrip("\n") + "\n"


# --- Putting together -----------------------------------------------------------------------------


class Writer:
    """One file in the making: what was included once is not included again."""

    def __init__(self, tree, head):
        self.tree = tree
        self.parts = [head]
        self.done = set()

    def resolve(self, path, name, folders):
        for folder in (os.path.dirname(path), *folders):
            found = os.path.normpath(os.path.join(folder, name))
            if found in self.tree.paths:
                return found
        return None

    def check_plain(self, path, text):
        """Headers of ours are moved up, so nothing before their lines may change what they say."""
        opened = re.findall(r"^[ \t]*#[ \t]*(if|define|undef)", text, re.M)
        closed = re.findall(r"^[ \t]*#[ \t]*endif", text, re.M)
        if len(opened) != len(closed):
            raise Failed(f"{path}: #if or #define before a header of ours")

    def add(self, path, text, find):
        """Adds a file's text, after the headers of ours that it includes; `find` gives their paths,
        or "" for what is there already, or None for what is not ours. Assembly becomes C."""
        self.done.add(path)
        text = without_guard(text)
        kept, start = [], 0
        for match in INCLUDE.finditer(text):
            target = find(path, match[2], match[1])
            if target is None:
                continue
            self.check_plain(path, text[:match.start()])
            kept.append(text[start:match.start()])
            start = match.end()
            if target and target not in self.done:
                self.add(target, self.tree.read(target).text, find)
        text = "".join(kept) + text[start:]
        self.parts += [banner(path), Assembly(path, text).text() if path.endswith(".S") else text]

    def write(self, path):
        text = SPDX.sub("", "".join(self.parts[1:]))
        text = re.sub(r"\n{3,}", "\n\n", self.parts[0] + text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def without_guard(text):
    return GUARD.sub(lambda match: match[2], text)


def make_header(tree, version):
    writer = Writer(tree, HEADER_HEAD.format(version=version))

    def public(path, name, _quote):
        return writer.resolve(path, name, ("include",)) if name.startswith("weft/") else None

    for path in [path for path in tree.paths if path.startswith("include/weft/")]:
        if path not in writer.done:
            writer.add(path, tree.read(path).text, public)
    writer.parts.append("\n#endif\n")
    return writer


def layer_of(path):
    """Sorts by layer, then a folder's own files before those of the folders in it."""
    folder = os.path.dirname(path)[len("src/"):]
    layer = folder.split("/")[0]
    return (LAYERS.index(layer) if layer in LAYERS else len(LAYERS), folder, path)


def make_source(tree, version):
    writer = Writer(tree, SOURCE_HEAD.format(version=version))
    files = sorted((source for source in tree.sources("src")), key=lambda s: layer_of(s.path))
    names = choose_names(files)

    def internal(path, name, quote):
        if name.startswith("weft/"):
            return ""
        return writer.resolve(path, name, ("src",)) if quote == '"' else None

    for source in files:
        if source.path.endswith(".S"):
            writer.add(source.path, source.text, internal)
        elif source.path.endswith(".c"):
            text = renamed(source, names[source.path])
            text = re.sub(r"^#define _GNU_SOURCE.*\n", "", text, flags=re.M)
            writer.add(source.path, text, internal)
            writer.parts += ["\n"] + [f"#undef {name}\n" for name in macros_of(text)]
    return writer


def main():
    parser = argparse.ArgumentParser(description="makes weft.h and weft.c")
    parser.add_argument("--out", default="build/amalgamation")
    parser.add_argument("--root", default=ROOT, help="the tree to make them from")
    options = parser.parse_args()
    tree = tidy.Tree(options.root, "build/dev")
    version = ".".join(install.read_version(options.root))
    os.makedirs(options.out, exist_ok=True)
    try:
        make_header(tree, version).write(os.path.join(options.out, "weft.h"))
        make_source(tree, version).write(os.path.join(options.out, "weft.c"))
    except Failed as failure:
        print(f"amalgamate.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
