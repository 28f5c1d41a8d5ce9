#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_run_tests.py: tools/run_tests.py sees what goes wrong in the programs it runs.

Each case is a script that prints what a test program might; the last line and the exit status of
run_tests.py must say what happened: a failed test, a program that broke off, that printed no plan,
that hung, that was skipped for a reason that CI refuses. Figures are added up for each folder and
tests counted for each engine; what the programs printed in full lies in a file.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import tap  # noqa: E402, pylint: disable=wrong-import-position

RUNNER = os.path.join(ROOT, "tools", "run_tests.py")
ABSENCE = "not: "  # before a part that the output must not have
ABSENT = "echo '1..1'; echo 'ok 1 - a # SKIP absent peer program: nc'"

# (name, script, CI, exit status, last line, part of the output)
CASES = [
    ("what_passed_is_counted", "echo '1..2'; echo 'ok 1 - a'; echo 'ok 2 - b'", "", 0,
     "2 passed, 0 failed, 0 skipped", ""),
    ("a_failure_is_printed_with_its_details",
     "echo '1..1'; echo 'not ok 1 - a # signal 6'; echo '# the sentence'; exit 1", "", 1,
     "0 passed, 1 failed, 0 skipped", "FAILED   a: signal 6\n         | the sentence"),
    ("a_program_that_broke_off_fails", "echo '1..3'; echo 'ok 1 - a'", "", 1,
     "1 passed, 1 failed, 0 skipped", "after 1 of 3 tests"),
    ("a_program_without_a_plan_fails", "echo 'ok 1 - a'", "", 1,
     "1 passed, 1 failed, 0 skipped", "no TAP plan"),
    ("an_exit_status_without_a_failed_test_fails", "echo '1..1'; echo 'ok 1 - a'; exit 9", "", 1,
     "1 passed, 1 failed, 0 skipped", "exit status 9, though no test failed"),
    ("a_hang_fails", "echo '1..1'; sleep 60", "", 1,
     "0 passed, 1 failed, 0 skipped", "still running after 1 s"),
    ("a_skip_is_printed_with_its_reason", "echo '1..1'; echo 'ok 1 - a # SKIP no IPv6'", "true", 0,
     "0 passed, 0 failed, 1 skipped", "skipped  a: no IPv6"),
    ("an_absent_peer_is_skipped", ABSENT, "", 0, "0 passed, 0 failed, 1 skipped", "nc"),
    ("an_absent_peer_fails_in_ci", ABSENT, "true", 1, "0 passed, 1 failed, 0 skipped", "CI=true"),
    ("a_figure_is_shown", "echo '1..1'; echo 'ok 1 - a'; echo '# = as fast as can be'", "", 0,
     "1 passed, 0 failed, 0 skipped", "test_case.sh: as fast as can be"),
    ("figures_of_a_folder_are_added_up",
     "echo '1..1'; echo 'ok 1 - a'; echo '# = a: 1300 seeds, 3 distinct schedules'; "
     "echo '# = b: 40 seeds, 2 distinct schedules'; echo '# = a/poll: 7 fault points'", "", 0,
     "1 passed, 0 failed, 0 skipped",
     ": 2 scenarios, 1,340 seeds, 5 distinct schedules\nreached  FOLDER: 1 scenario, "
     "7 fault points\n"),
    ("added_up_figures_are_not_shown_one_by_one",
     "echo '1..1'; echo 'ok 1 - a'; echo '# = one: 3 fault points'", "", 0,
     "1 passed, 0 failed, 0 skipped", ABSENCE + "one: 3"),
    ("tests_are_counted_for_each_engine_in_force",
     "echo '1..5'; echo 'ok 1 - a[epoll]'; echo 'ok 2 - a[sim]'; echo 'ok 3 - b[epoll]'; "
     "echo 'ok 4 - b[sim] # SKIP no'; echo 'ok 5 - c'", "", 0, "4 passed, 0 failed, 1 skipped",
     "engines  epoll 2, sim 1, and 1 test that names none\n"),
    ("the_engine_of_a_failed_test_counts", "echo '1..1'; echo 'not ok 1 - a[poll] # no'; exit 1",
     "", 1, "0 passed, 1 failed, 0 skipped", "engines  poll 1\n"),
    ("nothing_run_is_a_failure", None, "", 1, "0 passed, 0 failed, 0 skipped", "no test ran"),
]


def run_case(script, ci):
    """The exit status, what was printed with the folder's name masked, and what the file has."""
    with tempfile.TemporaryDirectory() as folder:
        if script:
            with open(os.path.join(folder, "test_case.sh"), "w", encoding="utf-8") as file:
                file.write(script + "\n")
        environment = dict(os.environ, CI=ci)
        done = subprocess.run([sys.executable, RUNNER, "--folder", folder, "--build", folder,
                               "--timeout", "1" if script and "sleep" in script else "60"],
                              capture_output=True, text=True, check=False, env=environment)
        with open(os.path.join(folder, "tests.log"), encoding="utf-8") as file:
            log = file.read()
    return done.returncode, done.stdout.replace(folder, "FOLDER"), log.replace(folder, "FOLDER")


def is_in(part, output):
    """Whether a case finds its part of the output, or rightly does not find it."""
    if part.startswith(ABSENCE):
        return part[len(ABSENCE):] not in output
    return part in output


def check_log():
    """The file has every line of every program."""
    _, output, log = run_case("echo '1..1'; echo 'ok 1 - a'; echo '# = one: 3 fault points'", "")
    expected = "=== FOLDER/test_case.sh\n1..1\nok 1 - a\n# = one: 3 fault points\n"
    named = "every line of theirs is in FOLDER/tests.log" in output
    return [] if log == expected and named else [f"printed:\n{output}in the file:\n{log}"]


def check_case(script, ci, status, last_line, part):
    returned, output, _ = run_case(script, ci)
    right = returned == status and output.splitlines()[-1] == last_line and is_in(part, output)
    return [] if right else [f"exit status {returned}, output:\n{output}"]


def main():
    tests = [(name, lambda case=case: check_case(*case)) for name, *case in CASES]
    tap.run("tools/test_run_tests", tests + [("the_file_has_every_line", check_log)])


if __name__ == "__main__":
    main()
