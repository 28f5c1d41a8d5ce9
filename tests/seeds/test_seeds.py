#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of tools/seeds.py: the masks hide what they should and nothing else, and a seed program
that prints something wrong, fails, complains or is missing is seen.

The stand-ins for C programs are shell scripts that run the Python program of a row and spoil its
output. Prints TAP; run it from anywhere.
"""
import pathlib
import shlex
import stat
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tools'))
sys.dont_write_bytecode = True

import seeds    # noqa: E402  (the path must be set first)

TESTS = []


def test(function):
    """Enters a function in the list of tests."""
    TESTS.append(function)
    return function


def equal(got, wanted):
    """A check that says what it saw."""
    if got != wanted:
        raise AssertionError(f'{got!r} is not {wanted!r}')


def compare_spoiled(row, script):
    """seeds.py compare for one row whose program is `script`, with $PYTHON the row's Python."""
    python = shlex.join([sys.executable, '-B', str(seeds.SEEDS / 'python' / f'row_{row}.py')])
    with tempfile.TemporaryDirectory() as folder:
        if script is not None:
            program = pathlib.Path(folder) / f'row_{row}'
            program.write_text(f'#!/bin/sh\nset -e\npython() {{ {python} "$@"; }}\n{script}\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run([sys.executable, '-B', str(ROOT / 'tools' / 'seeds.py'), 'compare',
                               '--rows', row, '--programs', folder],
                              capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@test
def an_address_is_masked():
    equal(seeds.mask('<generator object fib at 0x7f64a73c8eb8>'),
          '<generator object fib at 0xADDRESS>')


@test
def a_time_of_day_is_masked():
    equal(seeds.mask('started at 23:59:14'), 'started at HH:MM:SS')


@test
def a_duration_keeps_its_whole_seconds():
    equal(seeds.mask('2.0017\nthreaded: 1.9\nlate: 2.94\n'),
          '<2 s>\nthreaded: <1 s>\nlate: <2 s>\n')


@test
def a_duration_that_rounding_made_short_is_not_early():
    equal(seeds.mask('2.9999999\n'), '<3 s>\n')


@test
def numbers_that_are_no_duration_stay():
    text = '123\nup 4\nversion 1.5 is out\nsquare 3.5\n'
    equal(seeds.mask(text), text)


@test
def lines_are_sorted_only_where_the_table_says_so():
    rows = {row.name: row for row in seeds.read_rows(seeds.SEEDS / 'rows.tsv')}
    equal(seeds.normal_form(rows['0a'], 'b\na\n'), 'a\nb\n')
    equal(seeds.normal_form(rows['0c'], 'b\na\n'), 'b\na\n')


@test
def every_row_has_its_program_and_its_files():
    rows = seeds.read_rows(seeds.SEEDS / 'rows.tsv')
    equal(len(rows), 36)
    equal(sorted(path.name for path in (seeds.SEEDS / 'python').glob('row_*.py')),
          [f'row_{row.name}.py' for row in rows])
    equal(sorted(path.name for path in (seeds.SEEDS / 'expected').iterdir()),
          sorted(f'{row.name}.{name}.txt' for row in rows for name in seeds.SETS))


@test
def a_right_program_passes():
    status, output = compare_spoiled('0c', 'python "$@"')
    equal((status, output.splitlines()[-1]), (0, '3 passed, 0 failed'))


@test
def a_wrong_line_fails():
    status, output = compare_spoiled('0c', 'python "$@" | sed "s/Up 3/Up 33/"')
    equal((status, output.splitlines()[-1]), (1, '0 passed, 3 failed'))
    equal('# +Up 33' in output.splitlines(), True)


@test
def two_lines_exchanged_fail():
    status, _ = compare_spoiled('3e', 'python "$@" | sed "1{h;d};2G"')
    equal(status, 1)


@test
def a_second_more_fails():
    status, _ = compare_spoiled('1b', 'python "$@" | sed "s/3[.]0/4.0/;s/10[.]0/11.0/"')
    equal(status, 1)


@test
def arguments_that_are_ignored_fail():
    status, output = compare_spoiled('4g', 'python')
    equal((status, output.splitlines()[-1]), (1, '2 passed, 1 failed'))


@test
def other_defaults_than_the_tutorial_fail():
    status, output = compare_spoiled('4g', 'if [ $# = 0 ]; then python AB; else python "$@"; fi')
    equal((status, output.splitlines()[-1]), (1, '2 passed, 1 failed'))


@test
def a_bad_exit_status_fails():
    status, _ = compare_spoiled('4g', 'python "$@"; exit 3')
    equal(status, 1)


@test
def a_word_on_stderr_fails():
    status, _ = compare_spoiled('4g', 'python "$@"; echo leak >&2')
    equal(status, 1)


@test
def a_missing_program_fails_and_is_named():
    status, output = compare_spoiled('4g', None)
    equal((status, output.splitlines()[-1]), (1, '0 passed, 3 failed'))
    equal('not ok 1 - seed row 4g, tutorial' in output, True)


def main():
    print(f'1..{len(TESTS)}')
    failed = 0
    for number, function in enumerate(TESTS, 1):
        try:
            function()
            print(f'ok {number} - {function.__name__}')
        except AssertionError as error:
            failed += 1
            print(f'not ok {number} - {function.__name__}\n# {error}')
    print(f'{len(TESTS) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
