#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""man.py: makes the man pages from the comments of the public headers.

    tools/man.py [--out build/man]    writes man3/weft_*.3 and man7/weft_*.7
    tools/man.py --check              only looks for what a page would lack

The contract of a call is the comment above its declaration, and nothing else: the page in section
3 repeats it under a synopsis made from the declaration, so that the two cannot differ.
Declarations that follow one comment without a blank line share its page; a macro `weft_x` and the
function `weft_x_at` behind it are one call. Each header's head comment, with the comments of its
types and constants, is a page in section 7; a header may have parts in a folder of its name, which
are no headers to a program, and have no pages. --check reports public calls without a comment, and
comments that do not say whether the call is plain, waits or releases, itself or by naming the
call it is like.
"""

import argparse
import glob
import os
import re
import sys

import install

COMMENT = re.compile(r"/\*.*?\*/", re.S)
# Kind of a call -> the words that say so in a comment, and what its page says.
CALL_KINDS = {
    "plain": (r"\bPlain\b|\bplain calls\b|\bSignal-safe\b", "Plain: the call never waits."),
    "waiting": (r"\bWaiting\b|\bWaits?\b|\(waiting\)|\bMay let other tasks run\b|\bParks\b",
                "Waiting: other tasks run meanwhile, and cancellation is looked at on entry."),
    "releasing": (r"\b[Rr]eleasing\b",
                  "Releasing: the call is never refused and always releases, cancelled or not."),
    "running": (r"\bRuns (?:turns|program\(arg\))|\bOne turn\b",
                "Running: the call runs the loop, and is for outside of tasks."),
}
# A call is like another: "As weft_x", "See weft_x", "weft_x with ...", "For main: weft_x, ...".
LIKE = re.compile(r"(?:(?:^|\W)(?:[Aa]s|[Ss]ee|Returns as)\s+|\bFor main: |^)((?:weft_)?\w+)")


class Entry:
    """A comment and the declarations that follow it without a blank line."""

    def __init__(self, header, path, line, comment, section, declarations):
        self.header = header  # its name, "scope"
        self.path = path
        self.line = line
        self.text = strip_comment(comment)
        self.section = section
        self.declarations = declarations

    def calls(self):
        """Names of macros and functions that a program can call, in order."""
        names = []
        for declaration in self.declarations:
            match = re.match(r"#define (weft_\w+)\(", declaration) or \
                re.match(r"WEFT_TASK\b|#define (WEFT_TASK|WEFT_\w+_INIT)\b", declaration)
            if match and match[1]:
                names.append(match[1])
            elif "WEFT_API" in declaration:
                names.append(declared_name(declaration))
        return names

    def is_call(self):
        return bool(self.calls())

    def kinds(self):
        """What the comment says of waiting, or else the comment over this part of the header."""
        for text in (self.text, self.section):
            found = [kind for kind, (pattern, _) in CALL_KINDS.items() if re.search(pattern, text)]
            if found:
                return found
        return []


def strip_comment(comment):
    """The words of a comment, one line each, without its frame."""
    body = re.sub(r"^/\*+[ \t]*\n?|\s*\*/$", "", comment)
    lines = [re.sub(r"^[ \t]*\* ?", "", line) if re.match(r"[ \t]*\*", line) else
             re.sub(r"^ {4}", "", line) for line in body.split("\n")]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def declared_name(declaration):
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)|\bWEFT_[A-Z_]+\b(\([^()]*\))?", "", declaration)
    match = re.search(r"(\w+)\s*\(", text) or re.search(r"(\w+)\s*;", text)
    return match[1]


def split_declarations(text):
    """Macros, functions, structs and enums of a stretch of code, each as one string."""
    found, rest = [], text
    while rest.strip():
        rest = rest.lstrip()
        match = re.match(r"#(?:[^\n]*\\\n)*[^\n]*\n?", rest)
        if match:
            found.append(re.sub(r"\s*\\\n\s*", " ", match[0]).strip())
            rest = rest[match.end():]
            continue
        depth, end = 0, len(rest)
        for match in re.finditer(r"[{};]", COMMENT.sub(lambda m: " " * len(m[0]), rest)):
            depth += {"{": 1, "}": -1, ";": 0}[match[0]]
            if match[0] == ";" and depth == 0:
                end = match.end()
                break
        found.append(rest[:end].strip())
        rest = rest[end:]
    return found


class Header:
    """What a program includes: its name, its head comment, its entries and those of its parts."""

    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        folder = glob.escape(os.path.splitext(path)[0])
        self.paths = [path, *sorted(glob.glob(os.path.join(folder, "*.h")))]
        read = [read_file(self.name, each) for each in self.paths]
        self.head = read[0][0]
        self.entries = [entry for _, entries in read for entry in entries]


def read_file(header, path):
    """(head comment, [Entry]) of a file of that header."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    comments = list(COMMENT.finditer(text))
    head = strip_comment(comments[1][0])
    entries, section = [], ""
    for match in re.finditer(r"^/\*(\*?)(?:.*?)\*/", text, re.S | re.M):
        if not match[1]:
            # A plain comment opens a part of the header: "Waiting calls."
            section = strip_comment(match[0])
            continue
        code = text[match.end():].lstrip(" \t\n")
        # A struct or an enum may have comments and blank lines between its fields.
        if re.match(r"(?:typedef\s+)?(?:struct|enum|union)\b[^;()]*\{", code):
            code = code[:re.search(r"^\}[^\n]*;", code, re.M).end()]
        else:
            code = re.split(r"\n[ \t]*\n|^/\*", code, maxsplit=1, flags=re.M)[0]
        line = text.count("\n", 0, match.start()) + 1
        entries.append(Entry(header, path, line, match[0], section, split_declarations(code)))
    return head, entries


# --- Pages ----------------------------------------------------------------------------------------


def escape(line):
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + line if line[:1] in (".", "'") else line


def paragraphs(text):
    """roff of a comment's text: paragraphs are filled, indented lines and pictures are kept."""
    out = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        picture = any(re.match(r" {2,}|.*[─│┌└├▶◀]|.*\w {3,}\w", line) for line in lines)
        out.append(".PP")
        if picture:
            out += [".nf"] + [escape(line) for line in lines] + [".fi"]
        else:
            out += [escape(line.strip()) for line in lines]
    return out


def title(name, section):
    return [f'.TH {name.upper()} {section} "" "weft {".".join(install.read_version())}" "weft"']


def first_sentence(text):
    flat = " ".join(text.split())
    return re.split(r"(?<=[.;:])\s", flat)[0].rstrip(".;:")


def synopsis(entry):
    out = [".SH SYNOPSIS", ".nf", f"#include <weft/{entry.header}.h>", ""]
    for declaration in entry.declarations:
        macro = re.match(r"#define (\w+(?:\([^)]*\))?)", declaration)
        if macro:
            out.append(f".B {escape(macro[1])}")
        elif "WEFT_API" in declaration:
            plain = " ".join(re.sub(r"\bWEFT_(API|MUST_CHECK|NORETURN)\b|\bextern\b", "",
                                    declaration).split())
            out.append(f".B {escape(plain)}")
    return out + [".fi"]


def call_page(entry, like):
    names = entry.calls()
    page = title(names[0], 3)
    page += [".SH NAME", escape(", ".join(names)) + " \\- " + escape(first_sentence(entry.text))]
    page += synopsis(entry) + [".SH DESCRIPTION"] + paragraphs(entry.text)[1:]
    kinds = entry.kinds() or (like.kinds() if like else [])
    if kinds:
        page += [".SH WAITING AND RELEASING"]
        page += [line for kind in kinds for line in (".PP", escape(CALL_KINDS[kind][1]))][1:]
    others = sorted(set(re.findall(r"\bweft_[a-z_]+\b", entry.text)) - set(names))
    page += [".SH SEE ALSO"] + [f".BR {escape(name)} (3)," for name in others]
    return page + [f".BR {escape('weft_' + entry.header)} (7)"]


def header_page(header):
    name = "weft_" + header.name
    lines = header.head.split("\n")
    page = title(name, 7) + [".SH NAME", escape(name) + " \\- " +
                             escape(re.sub(r"^\S+:\s*", "", lines[0]))]
    page += [".SH DESCRIPTION"] + paragraphs("\n".join(lines[1:]).strip("\n"))[1:]
    data = [entry for entry in header.entries if not entry.is_call() and entry.declarations]
    if data:
        page += [".SH TYPES AND CONSTANTS"]
    for entry in data:
        page += paragraphs(entry.text) + [".PP", ".nf"]
        for declaration in entry.declarations:
            page += [escape(line) for line in declaration.split("\n")]
        page += [".fi"]
    calls = [name for entry in header.entries for name in entry.calls()]
    if calls:
        page += [".SH CALLS", escape(", ".join(f"{call}(3)" for call in calls))]
    return page


def write(out, section, name, lines):
    folder = os.path.join(out, f"man{section}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.{section}"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


# --- Check ----------------------------------------------------------------------------------------


def find_like(entry, by_name):
    """The entry whose rules hold for this one too: "As weft_x", "See weft_x", "As x" of its kin."""
    seen = []
    while entry and entry not in seen and not entry.kinds():
        seen.append(entry)
        kin = re.match(r"weft_[a-z]+_", entry.calls()[0])
        names = LIKE.findall(entry.text)
        names += [kin[0] + name for name in names if kin]
        entry = next((by_name[name] for name in names if name in by_name), None)
    return entry if entry not in seen else None


def entries_by_name(headers):
    return {name: entry for header in headers for entry in header.entries
            for name in entry.calls()}


def complaints(headers):
    """["file:line: sentence"] for each public call whose page would lack something."""
    found = []
    documented = entries_by_name(headers)
    for path in (path for header in headers for path in header.paths):
        with open(path, encoding="utf-8") as file:
            text = COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), file.read())
        text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), text,
                      flags=re.M)
        for match in re.finditer(r"\bWEFT_API\b[^;{]*;", text):
            name = declared_name(match[0])
            if name not in documented:
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path}:{line}: {name} has no comment of its own")
    for name, entry in sorted(documented.items()):
        is_object = all("(" not in declaration for declaration in entry.declarations)
        if name.startswith("weft_") and not is_object and not find_like(entry, documented):
            found.append(f"{entry.path}:{entry.line}: {name} does not say whether it is plain, "
                         "waits or releases")
    return found


def main():
    parser = argparse.ArgumentParser(description="makes the man pages from the headers")
    parser.add_argument("--out", default="build/man")
    parser.add_argument("--include", default="include/weft", help="the folder of the headers")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    headers = [Header(path) for path in
               sorted(glob.glob(os.path.join(glob.escape(options.include), "*.h")))]
    if options.check:
        found = complaints(headers)
        print("\n".join(found) if found else "every public call has its page")
        return 1 if found else 0
    by_name = entries_by_name(headers)
    count = 0
    for header in headers:
        write(options.out, 7, "weft_" + header.name, header_page(header))
        for entry in filter(Entry.is_call, header.entries):
            names = entry.calls()
            write(options.out, 3, names[0], call_page(entry, find_like(entry, by_name)))
            for alias in names[1:]:
                write(options.out, 3, alias, [f".so man3/{names[0]}.3"])
            count += len(names)
    print(f"{count} calls and {len(headers)} headers have pages in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
