#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_bench.py: what the benches say of numbers, of peers that are absent, of instruction counts.

Nothing is measured and nothing is run: the medians and ratios come from planted samples, the
absent peers from a machine that has no program at all, the instruction counts from a table.
"""

import contextlib
import io
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path[0:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "tests", "support")]
sys.dont_write_bytecode = True

import figures  # noqa: E402, pylint: disable=wrong-import-position
import instructions  # noqa: E402, pylint: disable=wrong-import-position
import run  # noqa: E402, pylint: disable=wrong-import-position
import systems  # noqa: E402, pylint: disable=wrong-import-position
import tap  # noqa: E402, pylint: disable=wrong-import-position


def measured():
    """Five rounds of two systems; another process disturbed the highest of weft's."""
    found = figures.Figures()
    for value, foreign in ((10, 0), (12, 1), (11, 0), (14, 2), (90, 60)):
        found.add("weft", f"R\tswitch\t\tround_trip\t{value}", foreign)
    for value in (22, 24, 23):
        found.add("go", f"R\tswitch\t\tround_trip\t{value}", 0)
    return found


def a_figure_is_the_median_with_its_range_and_its_ratio_to_weft():
    lines = measured().table(["weft", "go", "tokio"]).splitlines()
    rows = [line.split() for line in lines if line.startswith("  ")]
    return [] if rows == [["weft", "11.5", "10.0", "..", "14.0"],
                          ["go", "23.0", "22.0", "..", "24.0", "2.00x"]] else lines


def the_files_have_what_was_measured_and_nothing_else():
    with tempfile.TemporaryDirectory() as place:
        measured().write(place)
        with open(os.path.join(place, "results.tsv"), encoding="utf-8") as file:
            rows = file.read()
    wanted = "bench\tsystem\tvalue\tunit\nswitch\tweft\t11.5\tns\nswitch\tgo\t23\tns\n"
    return [] if rows == wanted else [rows]


def absent_peers_are_named_in_one_line_with_the_command_that_installs_them():
    kept = systems.shutil.which, systems.CRATES, systems.PYTHON
    systems.shutil.which = lambda name: None
    systems.CRATES = systems.PYTHON = os.path.join(HERE, "nothing-is-here")
    said = []
    try:
        found, failed = systems.find(list(systems.PEERS), "", tempfile.gettempdir(), said.append)
    finally:
        systems.shutil.which, systems.CRATES, systems.PYTHON = kept
    complaints = [f"{name} is not named: {said}" for name in systems.PEERS
                  if len(said) != 1 or f"{name} (" not in said[0]]
    if found or failed or not said or "make bench-setup" not in said[0]:
        complaints.append(f"found {found}, failed {failed}, said {said}")
    return complaints


def each_peer_takes_part_in_benches_that_exist_and_its_packages_are_listed():
    with open(os.path.join(ROOT, "tools", "packages.txt"), encoding="utf-8") as file:
        listed = " ".join(line for line in file if line.startswith("bench:")).split()
    known = {run.RUNS[name][0][0] for name in run.RUNS}
    complaints = [f"{name}: {bench} is no bench" for name, peer in systems.NATIVE.items()
                  for bench in peer.benches if bench not in known]
    return complaints + [f"tools/packages.txt lacks {peer.package}"
                         for peer in systems.NATIVE.values() if peer.package not in listed]


def verdicts(count, expected):
    """The line and the sums of one comparison with a tolerance of 3 percent."""
    report, said = instructions.Report(), io.StringIO()
    with contextlib.redirect_stdout(said):
        report.check("switch", count, expected, 3.0)
    return report.sums, said.getvalue()


def a_count_beyond_the_tolerance_fails_in_both_directions():
    complaints = []
    for count, verdict, hint in ((102, "passed", ""), (98, "passed", ""), (104, "failed", ""),
                                 (96, "failed", "make instructions UPDATE=1")):
        sums, said = verdicts(count, 100)
        if sums[verdict] != 1 or hint not in said:
            complaints.append(f"{count} against 100: {sums} {said}")
    return complaints


def every_path_has_a_committed_count():
    _, tolerance, counts = instructions.committed()
    keys = {key for key, _ in counts}
    complaints = [f"{key} lacks {path}" for key in keys for path in instructions.PATHS
                  if (key, path) not in counts]
    return complaints + ([] if keys and tolerance else ["no counts, or no tolerance"])


TESTS = (a_figure_is_the_median_with_its_range_and_its_ratio_to_weft,
         the_files_have_what_was_measured_and_nothing_else,
         absent_peers_are_named_in_one_line_with_the_command_that_installs_them,
         each_peer_takes_part_in_benches_that_exist_and_its_packages_are_listed,
         a_count_beyond_the_tolerance_fails_in_both_directions,
         every_path_has_a_committed_count)


def main():
    tap.run("tools/test_bench", TESTS)


if __name__ == "__main__":
    main()
