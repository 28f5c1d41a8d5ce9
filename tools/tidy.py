#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tidy.py: the rules of the source tree that a machine can check.

    tools/tidy.py [--build build/dev]    check the tree and the library in that build folder
    tools/tidy.py --list                 name the rules
    tools/tidy.py --only RULE            check one
    tools/tidy.py --ran LOG              whether the tests that pages name are in the log of a run
    tools/tidy.py --self-test            plant one violation of each rule and see it reported
    tools/tidy.py --print-map            what src/weft.map must be for the headers as they are

Each rule is a function with the decorator @rule; it yields violations (path, line, sentence). What
a rule holds and why stands in its docstring, which --list prints. The output is TAP, one line for
each rule, with the violations below it. C is read by a small lexer that blanks comments and strings
and by counting braces; nothing beyond Python's library and `nm` is needed.
"""

import argparse
import ast
import os
import re
import subprocess
import sys

# Folder of src/ -> what its files may include besides public headers and their own folder. An
# engine that fills a folder of its own (loop/poller/<engine>) is under the law of loop/poller.
INCLUDE_LAW = {
    "base": [],
    "base/sys": ["base/"],
    "machine": ["machine/switch/", "base/"],
    "machine/switch": ["machine/", "base/"],
    "coro": ["machine/", "base/"],
    "loop": ["base/"],
    "loop/poller": ["loop/poller_backend.h", "base/"],
    "task": ["coro/", "loop/", "base/"],
    "run": ["task/", "coro/", "loop/", "base/"],
    "sync": ["base/"],
    "net": ["loop/poller.h", "base/"],
    "names": ["loop/poller.h", "base/"],
    "stream": ["loop/poller.h", "base/"],
    "serve": ["loop/poller.h", "base/"],
    "thread": ["loop/poller.h", "base/"],
    "transport": ["loop/poller.h", "base/"],
    "transport/subprocess": ["transport/", "loop/poller.h", "base/"],
    "os": ["loop/poller.h", "base/"],
    "os/process": ["loop/poller.h", "base/"],
    "os/terminal": ["loop/poller.h", "base/"],
    "testing": ["task/", "loop/", "loop/poller/sim/world.h",
                "loop/poller/io_uring/abi.h", "base/"],
    "testing/fault": ["testing/", "loop/", "loop/poller/io_uring/abi.h", "base/"],
}

FILES_IN_A_FOLDER = 12
LINES_IN_A_FILE = 1000
LINES_IN_A_FUNCTION = 70
COLUMNS = 100
HEAD_COMMENT_LINES = 5  # of a .c of the library
HEAD_COMMENT_LINES_ELSEWHERE = 3  # of other .c files: tests say the rest in their names
COMMENTED_FIELDS = 0.90

LICENSE_LINE = "SPDX-License-Identifier: MIT"
C_EXTENSIONS = (".c", ".h", ".S")
SCRIPT_EXTENSIONS = (".py", ".sh", ".mk")
# Not ours to lay out: outputs of other programs, and languages with rules of their own.
DATA_EXTENSIONS = (".txt", ".tsv", ".go", ".rs", ".toml", ".mod", ".sum", ".json", ".svg", ".png")
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}

RULES = []


def rule(function):
    RULES.append(function)
    return function


# --- Reading C ------------------------------------------------------------------------------------

C_TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def blank(text):
    """The same number of lines, and of columns, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One file: its text, and for C the text without comments and without strings."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        self.extension = os.path.splitext(path)[1]
        if os.path.basename(path) == "Makefile":
            self.extension = ".mk"
        elif not self.extension and self.text.startswith("#!"):
            self.extension = ".sh"
        self.is_c = self.extension in C_EXTENSIONS
        if self.is_c:
            self.code = C_TOKEN.sub(
                lambda m: blank(m[0]) if m[0][0] == "/" else m[0][0] + blank(m[0][1:-1]) + m[0][0],
                self.text)
            self.comments = [(self.line_of(m.start()), m[0])
                             for m in C_TOKEN.finditer(self.text) if m[0][0] == "/"]
        elif self.extension == ".md":
            self.comments = list(enumerate(self.lines, 1))
        else:
            self.comments = [(number, line[line.index("#"):])
                             for number, line in enumerate(self.lines, 1) if "#" in line]

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def without_directives(self):
        """The code with preprocessor lines blanked, continuation lines included."""
        directive = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
        return directive.sub(lambda m: blank(m[0]), self.code)

    def functions(self):
        """[(name, first line, last line, start of the head, end)] of every function defined."""
        code = self.without_directives()
        found, depth, opened, start = [], 0, None, 0
        for match in re.finditer(r"[{};]", code):
            if match[0] == "{":
                if depth == 0:
                    head = code[start:match.start()]
                    opened = self.function_head(head, start, match.start())
                depth += 1
            elif match[0] == "}":
                depth = max(0, depth - 1)
                if depth == 0 and opened:
                    name, line = opened
                    found.append((name, line, self.line_of(match.start()), start, match.end()))
                    opened = None
            if depth == 0:
                start = match.end()
        return found

    def function_head(self, head, start, end):
        """(name, line) when the text before a brace declares a function, else None."""
        plain = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda m: blank(m[0]), head, flags=re.S)
        match = re.search(r"(\w+)\s*\(", plain)
        if not match or not plain.rstrip().endswith(")") or "=" in plain[:match.start()]:
            return None
        return match[1], self.line_of(start + match.start(1))


class Tree:
    """The files below one root, in order, and the build folder to look into."""

    def __init__(self, root, build):
        self.root = root
        self.build = os.path.join(root, build)
        self.paths = []
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
            for name in sorted(files):
                self.paths.append(os.path.relpath(os.path.join(folder, name), root))
        self.cache = {}

    def read(self, path):
        if path not in self.cache:
            self.cache[path] = Source(self.root, path)
        return self.cache[path]

    def sources(self, *folders, extensions=C_EXTENSIONS):
        for path in self.paths:
            inside = not folders or path.split(os.sep)[0] in folders
            if inside and self.read(path).extension in extensions:
                yield self.read(path)

    def texts(self):
        """Every text file that we write ourselves."""
        for path in self.paths:
            source = self.read(path)
            if source.extension not in DATA_EXTENSIONS and "\0" not in source.text:
                yield source

    def symbols(self, file, *options):
        """What `nm` prints of a file of the build: [(type letter, name)]."""
        path = os.path.join(self.build, file)
        if not os.path.exists(path):
            return None
        text = subprocess.run(["nm", "--defined-only", *options, path], capture_output=True,
                              text=True, check=True).stdout
        rows = [line.split() for line in text.splitlines()]
        return [(row[-2], row[-1].split("@")[0]) for row in rows if len(row) >= 2 and
                len(row[-2]) == 1]


# --- Layers ---------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def includes(source):
    for match in INCLUDE.finditer(source.text):
        yield source.line_of(match.start()), match[1], match[2]


@rule
def include_law(tree):
    """Each folder of src includes only what lies below it; see the table in ARCHITECTURE.md."""
    for source in tree.sources("src"):
        folder = os.path.dirname(source.path)[len("src/"):]
        row = "loop/poller" if folder.startswith("loop/poller/") else folder
        if row not in INCLUDE_LAW:
            yield source.path, 1, f"src/{folder} has no row in the include law"
            continue
        for line, quote, name in includes(source):
            own = "/" not in name or os.path.dirname(name) in (folder, row)
            allowed = any(name == entry or (entry.endswith("/") and name.startswith(entry) and
                                            "/" not in name[len(entry):])
                          for entry in INCLUDE_LAW[row])
            if quote == '"' and not own and not allowed:
                yield source.path, line, f'src/{folder} may not include "{name}"'


@rule
def public_includes(tree):
    """Public headers, extensions, examples and benches include public headers only."""
    for source in tree.sources("include", "ext", "examples", "bench"):
        for line, quote, name in includes(source):
            beside = os.path.join(tree.root, os.path.dirname(source.path), name)
            inside = source.path.startswith("include/") or not os.path.exists(beside)
            if quote == '"' and inside:
                yield source.path, line, f'"{name}" is not a public header'


@rule
def files_per_folder(tree):
    """A folder of src holds at most 12 files, so that its listing can be read at a glance."""
    count = {}
    for source in tree.sources("src"):
        folder = os.path.dirname(source.path)
        count[folder] = count.get(folder, 0) + 1
    for folder, files in sorted(count.items()):
        if files > FILES_IN_A_FOLDER:
            yield folder, 0, f"{files} files, more than {FILES_IN_A_FOLDER}"


@rule
def engine_conditionals(tree):
    """No #if on an engine outside src/loop/poller: engines are chosen at run time, by a table."""
    engine = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b.*"
                        r"(?:EPOLL|IO_?URING|(?:BACKEND|HAVE|USE)_(?:POLL|SIM)\b)", re.M)
    for source in tree.sources("src", "include"):
        if source.path.startswith("src/loop/poller/"):
            continue
        for match in engine.finditer(source.code):
            yield source.path, source.line_of(match.start()), "#if on an engine: " + \
                match[0].strip()


# --- Sizes ----------------------------------------------------------------------------------------


@rule
def file_length(tree):
    """A file has at most 1000 lines."""
    for source in tree.sources(extensions=C_EXTENSIONS + SCRIPT_EXTENSIONS):
        if len(source.lines) - 1 > LINES_IN_A_FILE:
            yield source.path, 0, f"{len(source.lines) - 1} lines, more than {LINES_IN_A_FILE}"


@rule
def function_length(tree):
    """A function has at most 70 lines, in C and in Python."""
    for source in tree.sources():
        for name, first, last, _, _ in source.functions():
            if last - first + 1 > LINES_IN_A_FUNCTION:
                yield source.path, first, f"{name} has {last - first + 1} lines, more than " \
                    f"{LINES_IN_A_FUNCTION}"
    for source in tree.sources(extensions=(".py",)):
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = node.end_lineno - node.lineno + 1
                if lines > LINES_IN_A_FUNCTION:
                    yield source.path, node.lineno, f"{node.name} has {lines} lines, more than " \
                        f"{LINES_IN_A_FUNCTION}"


@rule
def layout(tree):
    """No tabs, no trailing blanks, at most 100 columns, a newline at the end (the rest: format)."""
    for source in tree.texts():
        tabs = source.extension == ".mk"
        wide = source.extension in C_EXTENSIONS + SCRIPT_EXTENSIONS
        if source.text and not source.text.endswith("\n"):
            yield source.path, len(source.lines), "no newline at the end of the file"
        for number, line in enumerate(source.lines, 1):
            if "\t" in line and not tabs:
                yield source.path, number, "a tab"
            if line.rstrip() != line:
                yield source.path, number, "blanks at the end of the line"
            if wide and len(line) > COLUMNS:
                yield source.path, number, f"{len(line)} columns, more than {COLUMNS}"


# --- Comments -------------------------------------------------------------------------------------


def explaining_lines(source):
    """Lines of three words or more in the comments before the first code (the licence left out)."""
    if source.extension in C_EXTENSIONS:
        head = re.match(r"(?:\s*(?:/\*.*?\*/|//[^\n]*))*", source.text, re.S)[0]
    elif source.extension == ".py":
        head = ast.get_docstring(ast.parse(source.text)) or ""
    else:
        head = re.match(r"(?:#[^\n]*\n|\n)*", source.text)[0]
    return sum(len(re.findall(r"[A-Za-z]{2,}", line)) >= 3 for line in head.split("\n")
               if LICENSE_LINE not in line and not line.startswith("#!"))


@rule
def head_comment(tree):
    """A file begins by saying what it is for; a .c in three lines, one of the library in five."""
    for source in tree.sources(extensions=C_EXTENSIONS + SCRIPT_EXTENSIONS):
        wanted = 1
        if source.extension == ".c":
            library = source.path.startswith("src/")
            wanted = HEAD_COMMENT_LINES if library else HEAD_COMMENT_LINES_ELSEWHERE
        found = explaining_lines(source)
        if found < wanted:
            yield source.path, 1, f"{found} explaining lines at the head, fewer than {wanted}"


@rule
def license_line(tree):
    """The licence is one SPDX line among the first three."""
    for source in tree.sources(extensions=C_EXTENSIONS + SCRIPT_EXTENSIONS):
        if not any(LICENSE_LINE in line for line in source.lines[:3]):
            yield source.path, 1, f"no line with {LICENSE_LINE}"


FIELD_OPENER = re.compile(
    r"\b(?:struct|union)\b[^;(){}=]*(?:__attribute__\s*\(\(.*\)\)\s*)?$", re.S)


def fields(source):
    """[(line, text, commented)] of every field of a struct or union."""
    noted = set()
    for line, comment in source.comments:
        noted.update(range(line, line + comment.count("\n") + 1))
    code = source.without_directives()
    code_lines = code.split("\n")
    stack, start = [], 0
    for match in re.finditer(r"[{};]", code):
        piece = code[start:match.start()]
        if match[0] == "{":
            stack.append(bool(FIELD_OPENER.search(piece)))
        elif match[0] == "}":
            stack and stack.pop()
        elif stack and stack[-1] and piece.strip():
            first = source.line_of(start + len(piece) - len(piece.lstrip()))
            last = source.line_of(match.start())
            above = first - 1 in noted and not code_lines[first - 2].strip()
            here = any(line in noted for line in range(first, last + 1))
            yield first, " ".join(piece.split()), above or here
        start = match.end()


@rule
def field_comments(tree):
    """Nine fields of a struct in ten have a comment, on their line or just above."""
    bare, total = [], 0
    for source in tree.sources("src", "include"):
        for line, text, commented in fields(source):
            total += 1
            if not commented:
                bare.append((source.path, line, f"field without a comment: {text}"))
    if total and len(bare) > (1 - COMMENTED_FIELDS) * total:
        yield "src and include", 0, f"{total - len(bare)} of {total} fields have a comment"
        yield from bare


@rule
def named_files(tree):
    """A file named in back-quotes, in a comment or a page, exists."""
    name = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:c|h|S|py|sh|md|mk|map))`")
    for source in tree.texts():
        for line, comment in source.comments:
            for match in name.finditer(comment):
                if not any(path == match[1] or path.endswith("/" + match[1])
                           for path in tree.paths):
                    yield source.path, line, f"`{match[1]}` does not exist"


TEST_NAME = re.compile(r"`((?:unit/\w+|contract|fault|sim|tools)/test_\w+/\w+)`")


def pages_tests(tree):
    """(page, line, name) of each test that a page names in back-quotes."""
    for source in tree.sources(extensions=(".md",)):
        for number, line in enumerate(source.lines, 1):
            for match in TEST_NAME.finditer(line):
                yield source.path, number, match[1]


@rule
def named_tests(tree):
    """A test that a page names in back-quotes exists. See --ran for whether it ran."""
    defined = set()
    for source in tree.sources("tests", extensions=(".c",)):
        names = re.findall(r"^(?:\w*TEST\w*|SCENARIO)\((\w+)", source.text, re.M)
        defined.update(f"{source.path[len('tests/'):-len('.c')]}/{name}" for name in names)
    for page, line, name in pages_tests(tree):
        if name not in defined:
            yield page, line, f"there is no test {name}"


@rule
def unfinished(tree):
    """Nothing is left for later in the text: what is open is an issue. Nor half of a merge."""
    marks = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b"
                       r"|^(?:<{7}|\|{7}|>{7}) ")
    for source in tree.texts():
        for number, line in enumerate(source.lines, 1):
            if marks.search(line):
                yield source.path, number, "unfinished: " + line.strip()


@rule
def host_paths(tree):
    """No path of anybody's own machine."""
    path = re.compile(r"(?<![\w.$}>)])/(?:home|root|Users|work|workspace|mnt)/")
    for source in tree.texts():
        for number, line in enumerate(source.lines, 1):
            if path.search(line):
                yield source.path, number, "path of one machine: " + line.strip()


# --- Code -----------------------------------------------------------------------------------------


@rule
def errno_use(tree):
    """`errno` is read only beside the system calls: compilers keep its address across a switch."""
    for source in tree.sources("src", "include"):
        if source.path.startswith("src/base/sys/"):
            continue
        for match in re.finditer(r"\berrno\b", source.without_directives()):
            yield source.path, source.line_of(match.start()), "errno outside src/base/sys/"


@rule
def state_changes(tree):
    """A state is changed only by its one setter, which checks the transition, or by its maker."""
    for source in tree.sources("src"):
        allowed = [(start, end) for name, _, _, start, end in source.functions()
                   if "set_state" in name or name.endswith(("_init", "_new"))]
        for match in re.finditer(r"->\s*state\s*=(?!=)", source.without_directives()):
            if not any(start <= match.start() < end for start, end in allowed):
                yield source.path, source.line_of(match.start()), \
                    "->state is assigned outside ..._set_state, ..._init, ..._new"


def inside_own_function(text):
    """Whether `text`, cut off inside a macro, ends in the body of a function that it defines."""
    opened = []
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            opened.pop()
    head = re.sub(r"[\s\\]+", " ", text[:opened[0]] if opened else "").rstrip()
    if not head.endswith(")"):
        return bool(re.search(r"\w$", head)) and not re.search(r"\b(do|else)$", head)
    depth = 0
    for offset in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[offset], 0)
        if depth == 0:
            return not re.search(r"\b(if|for|while|switch)\s*$", head[:offset])
    return False


@rule
def macro_control_flow(tree):
    """A macro never leaves the function that uses it."""
    define = re.compile(r"^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*", re.M)
    for source in tree.sources():
        if source.path.startswith("tests/"):
            continue
        for match in define.finditer(source.code):
            for word in re.finditer(r"\b(return|goto)\b", match[0]):
                if not inside_own_function(match[0][:word.start()]):
                    yield source.path, source.line_of(match.start()), f"{word[0]} in a macro"


@rule
def seed_programs(tree):
    """A seed program shows weft: each calls it."""
    for source in tree.sources("examples", extensions=(".c",)):
        if source.path.startswith("examples/seeds/") and \
                not re.search(r"\bweft_\w+\s*\(", source.without_directives()):
            yield source.path, 1, "no call of weft in a seed program"


# --- Symbols --------------------------------------------------------------------------------------


@rule
def symbol_prefixes(tree):
    """Every global symbol of the library begins with weft_."""
    symbols = tree.symbols("libweft.a")
    if symbols is None:
        yield os.path.join(tree.build, "libweft.a"), 0, "is not built"
        return
    for kind, name in symbols:
        # A sanitizer of the compiler adds names of its own.
        if kind.isupper() and not name.startswith(("weft_", "__odr_asan")):
            yield "libweft.a", 0, f"global symbol {name}"


def declared_symbols(tree):
    """Names that the public headers mark with WEFT_API."""
    names = set()
    for source in tree.sources("include"):
        code = source.without_directives()
        for match in re.finditer(r"\bWEFT_API\b([^;{]*)", code):
            text = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", match[1])
            text = re.sub(r"\bWEFT_[A-Z_]+\b(\([^()]*\))?", "", text)
            found = re.search(r"(\w+)\s*\(", text) or \
                re.search(r"(\w+)\s*(?:\[[^\]]*\])?\s*$", text)
            if found:
                names.add(found[1])
    return names


def mapped_symbols(tree):
    """Names in the global: parts of src/weft.map."""
    text = re.sub(r"/\*.*?\*/|#[^\n]*", "", tree.read("src/weft.map").text, flags=re.S)
    names = set()
    for part in re.findall(r"global:(.*?)(?:local:|\})", text, re.S):
        names.update(re.findall(r"[\w*?]+", part))
    return names


@rule
def exported_symbols(tree):
    """What the headers declare, what src/weft.map lists and what libweft.so exports is the same."""
    symbols = tree.symbols("libweft.so.0", "-D")
    if symbols is None:
        yield os.path.join(tree.build, "libweft.so.0"), 0, "is not built"
        return
    sets = {"the headers declare": declared_symbols(tree),
            "libweft.so exports": {name for kind, name in symbols if kind != "A" and
                                   not name.startswith("__odr_asan")}}
    if "src/weft.map" in tree.paths:
        sets["src/weft.map lists"] = mapped_symbols(tree)
    for name in sorted(set.union(*sets.values())):
        lacking = [what for what, names in sets.items() if name not in names]
        having = [what for what, names in sets.items() if name in names]
        if lacking:
            yield name, 0, f"{' and '.join(having)} it, {' and '.join(lacking)} it not"


def check_ran(tree, log):
    """Whether each test that a page names passed, by the TAP lines of a run. One that was skipped
    on every engine, for the reason that the run gave, is counted apart. Prints TAP; returns how
    many did not run."""
    passed, skipped = set(), set()
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = re.match(r"ok \d+ - ([\w/]+)(?:\[\w+\])?( # SKIP)?", line)
            if match:
                (skipped if match[2] else passed).add(match[1])
    named = {name: (page, number) for page, number, name in pages_tests(tree)}
    absent = sorted(named.keys() - passed - skipped)
    print(f"1..1\n{'not ok' if absent else 'ok'} 1 - tidy/named_tests_ran")
    print(f"# = {len(named)} tests named in pages: {len(named.keys() & passed)} passed, "
          f"{len(named.keys() & skipped - passed)} skipped, {len(absent)} did not run")
    for name in absent:
        print(f"# {named[name][0]}:{named[name][1]}: {name} did not pass in this run")
    return len(absent)


def print_map(tree):
    text = tree.read("src/weft.map").text
    print(text[:text.index("global:")] + "global:")
    for name in sorted(declared_symbols(tree)):
        print(f"    {name};")
    print("local:\n    *;\n};")


# --- Report ---------------------------------------------------------------------------------------


def check(tree, rules):
    """Runs rules and prints TAP; returns how many failed."""
    failed = 0
    print(f"1..{len(rules)}")
    for number, function in enumerate(rules, 1):
        violations = list(function(tree))
        failed += bool(violations)
        print(f"{'not ok' if violations else 'ok'} {number} - tidy/{function.__name__}" +
              (f" # {len(violations)} violations" if violations else ""))
        for path, line, sentence in violations:
            print(f"# {path}{f':{line}' if line else ''}: {sentence}")
    print(f"{len(rules) - failed} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description="checks the rules of the source tree")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--root", default=os.path.dirname(here))
    parser.add_argument("--build", default="build/dev", help="the build folder, below the root")
    parser.add_argument("--only", action="append", help="check this rule only")
    parser.add_argument("--list", action="store_true", help="name the rules")
    parser.add_argument("--self-test", action="store_true", help="plant a violation of each rule")
    parser.add_argument("--ran", help="check that the tests named in pages passed, by this log")
    parser.add_argument("--print-map", action="store_true", help="print a new src/weft.map")
    options = parser.parse_args()
    if options.list:
        for function in RULES:
            print(f"{function.__name__:22} {' '.join(function.__doc__.split())}")
        return 0
    if options.self_test:
        import tidy_selftest
        return tidy_selftest.main()
    if options.print_map:
        print_map(Tree(options.root, options.build))
        return 0
    if options.ran:
        return 1 if check_ran(Tree(options.root, options.build), options.ran) else 0
    rules = [r for r in RULES if not options.only or r.__name__ in options.only]
    return 1 if check(Tree(options.root, options.build), rules) else 0


if __name__ == "__main__":
    sys.exit(main())
