#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_run_tests.py: tools/run_tests.py sees what goes wrong in the programs it runs.

Each case is a script that prints what a test program might; the last line and the exit status of
run_tests.py must say what happened: a failed test, a program that broke off, that printed no plan,
that hung, that was skipped for a reason that CI refuses.
"""

import os
import subprocess
import sys
import tempfile

RUNNER = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                                       "tools", "run_tests.py"))
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
    ("a_figure_is_shown", "echo '1..1'; echo 'ok 1 - a'; echo '# = 300 schedules'", "", 0,
     "1 passed, 0 failed, 0 skipped", "300 schedules"),
    ("nothing_run_is_a_failure", None, "", 1, "0 passed, 0 failed, 0 skipped", "no test ran"),
]


def run_case(script, ci):
    with tempfile.TemporaryDirectory() as folder:
        if script:
            with open(os.path.join(folder, "test_case.sh"), "w", encoding="utf-8") as file:
                file.write(script + "\n")
        environment = dict(os.environ, CI=ci)
        done = subprocess.run([sys.executable, RUNNER, "--folder", folder, "--timeout",
                               "1" if script and "sleep" in script else "60"],
                              capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (name, script, ci, status, last_line, part) in enumerate(CASES, 1):
        returned, output = run_case(script, ci)
        right = returned == status and output.splitlines()[-1] == last_line and part in output
        failed += not right
        print(f"{'ok' if right else 'not ok'} {number} - tools/test_run_tests/{name}")
        if not right:
            print(f"# exit status {returned}, output:")
            for line in output.splitlines():
                print(f"# | {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
