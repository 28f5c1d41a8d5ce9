# SPDX-License-Identifier: MIT
"""tidy_selftest.py: plants one violation of each rule of tidy.py and sees that it is reported.

A small tree that keeps every rule is written to a folder of its own, with a library compiled from
it. Then, for each rule, the tree is changed in one way that breaks it, and the rule must yield a
violation that names the place; with the change taken back it must yield none. A rule without such
a case fails the self-test, so that no rule can be added that was never seen to work.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tempfile

import tidy

C_HEAD = """/* SPDX-License-Identifier: MIT */
/*
 * {name}: a file of the tree that the self-test makes
 *
 * It has a head comment of five lines, since each file of C
 * must explain itself in as many: what it is for, which idea
 * it follows, and what it leaves to other files.
 * Nothing in it is ever run.
 */
"""

HEADER_HEAD = """/* SPDX-License-Identifier: MIT */
/* A header of the tree that the self-test makes. */
"""

CLEAN_TREE = {
    "include/weft/thing.h": HEADER_HEAD + """#define WEFT_API __attribute__((visibility("default")))
/** A thing. */
struct weft_thing {
    /** What it counts. */
    int count;
    int width; /**< How wide. */
};
/** Makes a thing. */
WEFT_API __attribute__((nonnull)) int weft_thing_make(struct weft_thing *ret);
/** The default thing. */
extern WEFT_API const struct weft_thing weft_thing_default;
""",
    "src/weft.map": "WEFT_0 {\n    global:\n        weft_thing_make;\n"
                    "        weft_thing_default;\n    local:\n        *;\n};\n",
    "src/base/sys/sys.c": C_HEAD.format(name="sys.c") + """#include <errno.h>
#include "base/list.h"
#include <weft/thing.h>
const struct weft_thing weft_thing_default = {0, 0};
int weft_thing_make(struct weft_thing *ret)
{
    ret->count = errno; /* see `list.h` */
    return 0;
}
""",
    "src/base/list.h": HEADER_HEAD + "/** A link. */\nstruct weft__link;\n",
    "src/loop/loop.c": C_HEAD.format(name="loop.c") + """#include "base/list.h"
struct weft__op {
    /* Where it stands. */
    int state;
};
void weft__op_set_state(struct weft__op *op, int state);
void weft__op_set_state(struct weft__op *op, int state)
{
    op->state = state;
}
""",
    "src/loop/poller/epoll.c": C_HEAD.format(name="epoll.c") + """#ifdef HAVE_EPOLL
#endif
""",
    "examples/seeds/row_0a.c": C_HEAD.format(name="row_0a.c") + """#include <weft/thing.h>
int main(void)
{
    struct weft_thing thing;
    return weft_thing_make(&thing);
}
""",
    "tools/help.py": '# SPDX-License-Identifier: MIT\n"""help.py: a script of the tree."""\n',
    "Makefile": "# SPDX-License-Identifier: MIT\n# The make file of the tree.\nall:\n\ttrue\n",
    "tools/setup": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n# A script without a suffix.\n",
    "README.md": "A page that names `loop.c`.\n",
}


def append(text):
    return lambda old: old + text


def replace(old_part, new_part):
    def change(old):
        assert old_part in old, old_part
        return old.replace(old_part, new_part)
    return change


LONG_FUNCTION = "static int long_one(void)\n{\n" + "    (void)0;\n" * 70 + "    return 0;\n}\n"
MANY_LINES = "/* filler */\n" * 1000
MACRO = "#define LEAVE(x) do { if (x) \\\n        return; } while (0)\n"
BARE_FIELDS = "struct weft__bare {\n    int first;\n    int second;\n};\n"

# (rule, path, what to do with its text, part of the sentence that must be reported)
PLANTED = [
    ("include_law", "src/base/list.h", append('#include "loop/ready.h"\n'), "loop/ready.h"),
    ("include_law", "src/loop/poller/epoll.c", append('#include "loop/ready.h"\n'), "loop/ready.h"),
    ("include_law", "src/loop/loop.c", append('#include "task/task.h"\n'), "task/task.h"),
    ("include_law", "src/odd/odd.c", append(""), "no row"),
    ("public_includes", "examples/seeds/row_0a.c", append('#include "base/list.h"\n'),
     "not a public header"),
    ("public_includes", "include/weft/thing.h", append('#include "base/list.h"\n'),
     "not a public header"),
    ("engine_conditionals", "src/loop/loop.c", append("#if defined(HAVE_EPOLL)\n#endif\n"),
     "#if on an engine"),
    ("file_length", "src/loop/loop.c", append(MANY_LINES), "lines, more than 1000"),
    ("function_length", "src/loop/loop.c", append(LONG_FUNCTION), "long_one has 74 lines"),
    ("function_length", "tools/help.py", append("def long_one():\n" + "    pass\n" * 70),
     "long_one has 71 lines"),
    ("layout", "src/loop/loop.c", append("\tint x;\n"), "a tab"),
    ("layout", "README.md", append("blanks \n"), "blanks at the end"),
    ("layout", "README.md", append("no newline"), "no newline"),
    ("layout", "src/loop/loop.c", append("/* " + "x" * 100 + " */\n"), "106 columns"),
    ("head_comment", "src/loop/loop.c", replace(" * it follows, and what it leaves to", " *"),
     "4 explaining lines"),
    ("layout", "Makefile", append("# " + "x" * 100 + "\n"), "102 columns"),
    ("license_line", "tools/setup", replace("SPDX-License", "License"), "no line with SPDX"),
    ("head_comment", "tools/help.py", replace('"""help.py: a script of the tree."""\n', ""),
     "0 explaining lines"),
    ("license_line", "src/base/list.h", replace("SPDX-License", "License"), "no line with SPDX"),
    ("field_comments", "src/loop/loop.c", append(BARE_FIELDS), "field without a comment"),
    ("named_files", "README.md", replace("`loop.c`", "`gone.c`"), "`gone.c` does not exist"),
    ("named_files", "src/base/sys/sys.c", replace("`list.h`", "`ring.h`"),
     "`ring.h` does not exist"),
    ("named_tests", "README.md", append("`unit/base/test_gone/it_was`\n"), "there is no test unit"),
    ("unfinished", "src/loop/loop.c", append("/* TO" + "DO: more */\n"), "unfinished"),
    ("unfinished", "README.md", append("<" * 7 + " HEAD\n"), "unfinished"),
    ("host_paths", "README.md", append("cd /ho" + "me/somebody/weft\n"), "path of one machine"),
    ("errno_use", "src/loop/loop.c", append("int weft__last(void) { return errno; }\n"),
     "errno outside"),
    ("state_changes", "src/loop/loop.c",
     append("void weft__op_finish(struct weft__op *op)\n{\n    op->state = 1;\n}\n"),
     "->state is assigned"),
    ("macro_control_flow", "src/loop/loop.c", append(MACRO), "return in a macro"),
    ("seed_programs", "examples/seeds/row_0a.c",
     replace("weft_thing_make(&thing)", "0; /* weft_thing_make() */"), "no call of weft"),
    ("symbol_prefixes", "src/loop/loop.c",
     append("int stray(void);\nint stray(void) { return 0; }\n"),
     "global symbol stray"),
    ("exported_symbols", "src/weft.map", replace("        weft_thing_default;\n", ""),
     "libweft.so exports and src/weft.map lists it not"),
    ("exported_symbols", "include/weft/thing.h",
     append("/** Gone. */\nWEFT_API void weft_thing_gone(void);\n"), "weft_thing_gone"),
]

# Planted in other ways than by one file's text.
PLANTED_OTHERWISE = {"files_per_folder"}


class Nursery:
    """A folder with the clean tree in it, its library included."""

    def __init__(self, root):
        self.root = root
        for path, text in CLEAN_TREE.items():
            self.write(path, text)
        self.build()

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def build(self):
        """Compiles src into build/dev/libweft.a and .so.0, as the makefile would."""
        shutil.rmtree(os.path.join(self.root, "build"), ignore_errors=True)
        folder = os.path.join(self.root, "build", "dev")
        os.makedirs(folder)
        compiler = os.environ.get("CC", "gcc").split()
        objects = []
        for source in ("src/base/sys/sys.c", "src/loop/loop.c"):
            objects.append(os.path.join(folder, os.path.basename(source) + ".o"))
            subprocess.run(compiler + ["-fPIC", "-fvisibility=hidden", "-w", "-Iinclude", "-Isrc",
                                       "-c", source, "-o", objects[-1]], cwd=self.root, check=True)
        subprocess.run(["ar", "rcs", os.path.join(folder, "libweft.a")] + objects, check=True)
        subprocess.run(compiler + ["-shared", "-Wl,--version-script=src/weft.map", "-o",
                                   os.path.join(folder, "libweft.so.0")] + objects,
                       cwd=self.root, check=True)

    def violations(self, name):
        rule = next(r for r in tidy.RULES if r.__name__ == name)
        found = list(rule(tidy.Tree(self.root, "build/dev")))
        return [f"{path}:{line}: {sentence}" for path, line, sentence in found]


def plant(nursery, name, path, change, sentence):
    """Plants one violation; returns what is wrong with the report, or None."""
    clean = CLEAN_TREE.get(path)
    nursery.write(path, change(clean or ""))
    symbols = name in ("symbol_prefixes", "exported_symbols")
    if symbols:
        nursery.build()
    found = nursery.violations(name)
    if clean is None:
        shutil.rmtree(os.path.dirname(os.path.join(nursery.root, path)))
    else:
        nursery.write(path, clean)
    if symbols:
        nursery.build()
    if not any(sentence in violation for violation in found):
        return f"{sentence!r} was not reported, but {found}"
    left = nursery.violations(name)
    return f"reported without a reason: {left}" if left else None


def plant_crowded_folder(nursery):
    for number in range(12):
        nursery.write(f"src/base/crowd_{number}.h", HEADER_HEAD)
    found = nursery.violations("files_per_folder")
    for number in range(12):
        os.unlink(os.path.join(nursery.root, f"src/base/crowd_{number}.h"))
    if found != ["src/base:0: 13 files, more than 12"]:
        return f"13 files were not reported, but {found}"
    return None


def plant_missing_library(nursery):
    shutil.rmtree(os.path.join(nursery.root, "build"))
    found = nursery.violations("symbol_prefixes") + nursery.violations("exported_symbols")
    nursery.build()
    return None if len(found) == 2 else f"a library that is not built was not reported: {found}"


def see_what_ran(nursery):
    """A page names three tests: one passed, one was skipped, one is in no list."""
    page = "".join(f"`unit/base/test_it/{name}`\n" for name in ("passes", "skips", "is_absent"))
    nursery.write("page.md", page)
    nursery.write("ran.txt", "ok 1 - unit/base/test_it/passes[epoll]\n"
                             "ok 2 - unit/base/test_it/skips # SKIP no\n"
                             "not ok 3 - unit/base/test_it/is_absent\n")
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        absent = tidy.check_ran(tidy.Tree(nursery.root, "build"),
                                os.path.join(nursery.root, "ran.txt"))
    for name in ("page.md", "ran.txt"):
        os.unlink(os.path.join(nursery.root, name))
    wanted = "# page.md:3: unit/base/test_it/is_absent did not pass in this run"
    return None if absent == 1 and wanted in text.getvalue() else text.getvalue()


def cases(nursery):
    """[(name, function)]: each function returns a complaint, or None."""
    for rule in tidy.RULES:
        yield f"a_clean_tree_passes_{rule.__name__}", lambda r=rule: \
            (lambda found: f"{found}" if found else None)(nursery.violations(r.__name__))
    for number, planted in enumerate(PLANTED):
        yield f"{planted[0]}_is_reported_{number}", lambda p=planted: plant(nursery, *p)
    yield "files_per_folder_is_reported", lambda: plant_crowded_folder(nursery)
    yield "a_named_test_that_did_not_run_is_reported", lambda: see_what_ran(nursery)
    yield "a_library_that_is_not_built_is_reported", lambda: plant_missing_library(nursery)

    def unplanted():
        planted = {case[0] for case in PLANTED} | PLANTED_OTHERWISE
        missing = [r.__name__ for r in tidy.RULES if r.__name__ not in planted]
        return f"rules without a planted violation: {missing}" if missing else None
    yield "every_rule_has_a_planted_violation", unplanted


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as root:
        todo = list(cases(Nursery(root)))
        print(f"1..{len(todo)}")
        for number, (name, function) in enumerate(todo, 1):
            complaint = function()
            failed += bool(complaint)
            print(f"{'not ok' if complaint else 'ok'} {number} - tidy_selftest/{name}")
            if complaint:
                print(f"# {complaint}")
    print(f"{len(todo) - failed} passed, {failed} failed")
    return 1 if failed else 0
