#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions of weft's own paths and compares them with those in instructions.txt.

    bench/instructions.py [--cc gcc] [--bin build/release/bench/count] [--only switch,deadline]
                          [--update]

Times on a shared machine cannot show that a path grew by three percent; instruction counts can,
and they are the same in every run. Each path of bench/weft/count.c runs under callgrind with two
numbers of operations, in the virtual time of the engine `sim`; the difference, divided, is what one
operation takes. The build is the release build, which has no annotations for Valgrind.

Another compiler makes other code, so the counts are kept by processor and compiler; where those of
this one are not in the file, every path is skipped, with the numbers shown. A path that takes more
than the file says, beyond the tolerance, fails; so does one that takes less, for then the file must
be brought up to date, or a later loss of that gain would go unseen.
"""
import argparse
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
FILE = os.path.join(HERE, "instructions.txt")
FEW, MANY = 2000, 12000
COLLECTED = re.compile(r"Collected : (\d+)")
PATHS = ("switch", "spawn_join", "scope_go", "queue_put_get", "queue_exchange", "callback",
         "timer_arm_cancel", "timer_fire", "deadline")


def compiler_key(cc):
    """Processor and compiler with its main version, for example x86_64-gcc-12."""
    words = subprocess.run([*cc.split(), "--version"], capture_output=True, text=True,
                           check=True).stdout
    version = subprocess.run([*cc.split(), "-dumpversion"], capture_output=True, text=True,
                             check=True).stdout.split(".", maxsplit=1)[0].strip()
    return f"{platform.machine()}-{'clang' if 'clang' in words else 'gcc'}-{version}"


def instructions(program, path, count):
    """Instructions of the whole program that runs a path `count` times."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, path,
               str(count)]
    env = dict(os.environ, WEFT_BACKEND="sim")
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    found = COLLECTED.search(done.stderr)
    if done.returncode or not found:
        sys.exit(f"{path} {count}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return int(found[1])


def stripped(program):
    """A copy without debug information: Valgrind stops at that of some versions of clang."""
    copy = program + ".stripped"
    subprocess.run(["strip", "-g", "-o", copy, program], check=True)
    return copy


def per_operation(program, path):
    """Instructions of one operation."""
    return (instructions(program, path, MANY) - instructions(program, path, FEW)) / (MANY - FEW)


def committed():
    """The file: its lines, the tolerance in percent, {(key, path): instructions}."""
    with open(FILE, encoding="utf-8") as file:
        lines = file.read().splitlines()
    tolerance, counts = None, {}
    for words in (line.split() for line in lines if line and not line.startswith("#")):
        if words[0] == "tolerance":
            tolerance = float(words[1].rstrip("%"))
        else:
            counts[words[0], words[1]] = float(words[2])
    return lines, tolerance, counts


def rewrite(lines, key, measured):
    """Puts the measured counts in the place of this compiler's; others stay as they are."""
    kept = [line for line in lines if line.split()[:1] != [key]]
    ours = {line.split()[1]: line for line in lines if line.split()[:1] == [key]}
    ours.update({path: f"{key} {path} {count:.1f}" for path, count in measured.items()})
    kept += [ours[path] for path in PATHS if path in ours]
    with open(FILE, "w", encoding="utf-8") as file:
        file.write("\n".join(kept) + "\n")


class Report:
    """The lines of the Test Anything Protocol and their sums."""

    def __init__(self):
        self.sums = {"passed": 0, "failed": 0, "skipped": 0}

    def line(self, path, verdict, text):
        """One path's line."""
        self.sums[verdict] += 1
        status = "not ok" if verdict == "failed" else "ok"
        skip = " # SKIP" if verdict == "skipped" else " #"
        print(f"{status} {sum(self.sums.values())} - instructions/{path}{skip} {text}", flush=True)

    def check(self, path, count, expected, tolerance):
        """Compares one count."""
        change = 100 * (count - expected) / expected
        text = f"{count:.1f}, committed {expected:.1f} ({change:+.1f} %)"
        if change > tolerance:
            self.line(path, "failed", text)
        elif change < -tolerance:
            self.line(path, "failed", f"{text}: better, so commit it: "
                                      "make instructions UPDATE=1")
        else:
            self.line(path, "passed", text)

    def end(self):
        """The sums; the exit status."""
        print(", ".join(f"{number} {name}" for name, number in self.sums.items()))
        return 1 if self.sums["failed"] else 0


def parsed():
    """The command line."""
    parser = argparse.ArgumentParser(description="Counts instructions of weft's paths.")
    parser.add_argument("--cc", default="gcc", help="the compiler that built the program")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bench/count"))
    parser.add_argument("--only", default="", help="paths, with commas (all)")
    parser.add_argument("--update", action="store_true", help="write the counts into the file")
    return parser.parse_args()


def main():
    """Counts, compares, prints."""
    options = parsed()
    paths = [path for path in PATHS if not options.only or path in options.only.split(",")]
    lines, tolerance, counts = committed()
    key = compiler_key(options.cc)
    report, measured, program = Report(), {}, stripped(options.bin)
    print(f"1..{len(paths)}")
    for path in paths:
        if not shutil.which("valgrind"):
            report.line(path, "skipped", "valgrind is not installed")
            continue
        measured[path] = count = per_operation(program, path)
        if options.update:
            report.line(path, "passed", f"{count:.1f}")
        elif (key, path) in counts:
            report.check(path, count, counts[key, path], tolerance)
        else:
            report.line(path, "skipped", f"{count:.1f}; nothing is committed for {key}")
    if options.update and measured:
        rewrite(lines, key, measured)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
