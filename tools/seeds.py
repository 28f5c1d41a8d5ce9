#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The seed rows: expected outputs, made by Python, and the C programs compared with them.

    tools/seeds.py make                      run examples/seeds/python/row_XX.py for both sets of
                                             arguments, write examples/seeds/expected/XX.SET.txt
    tools/seeds.py check                     make them again and compare with the committed files
    tools/seeds.py compare --preset dev      run build/dev/examples/seeds/row_XX and compare

`--rows 0a,1f` restricts any of them. The rows, their arguments and their clocks stand in
examples/seeds/rows.tsv. Output is TAP; the last line counts. A row whose C program is missing has
failed. For rows on virtual time the set `default` runs without arguments and must print what the
set `tutorial` prints: the programs' defaults are the tutorial's values.

Masks, applied to what Python prints and to what C prints alike:
    0x7f64a73c8eb8   0xADDRESS   an address
    23:59:14         HH:MM:SS    a time of day
    2.0017           <2 s>       a duration: a decimal number that ends a line, alone or after ": ".
                                 Whole seconds are kept, so a program may be up to 0.95 s late, and
                                 never early; a second more or less is seen.
Where threads or processes decide the order (`sorted` in the table), the lines are sorted after
masking. stderr must be empty and the exit status 0.
"""
import argparse
import collections
import concurrent.futures
import difflib
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = ROOT / 'examples' / 'seeds'
SECONDS_ALLOWED = {'virtual': 60, 'real': 120}
SETS = ('tutorial', 'other')

Row = collections.namedtuple('Row', 'name clock order tutorial other against')


def read_rows(path):
    """The table of rows, in its order."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != '#']
    return [Row(*line.split('\t')) for line in lines]


def runs_of(row, set_name):
    """The argument lists of a set, one for each run."""
    if set_name == 'default':
        return [[]]
    return [shlex.split(run) for run in getattr(row, set_name).split(' ; ')]


def mask_duration(match):
    return f'<{int(float(match[0]) + 0.05)} s>'


def mask(text):
    """The text with addresses, times of day and durations masked."""
    text = re.sub(r'\b0x[0-9a-f]+\b', '0xADDRESS', text)
    text = re.sub(r'\b\d\d:\d\d:\d\d\b', 'HH:MM:SS', text)
    return re.sub(r'(?m)(?:^|(?<=: ))\d+\.\d+$', mask_duration, text)


def normal_form(row, text):
    """What is stored and compared: masked, and sorted where the order is undetermined."""
    lines = mask(text).splitlines()
    if row.order == 'sorted':
        lines.sort()
    return ''.join(line + '\n' for line in lines)


def output_of(row, command, set_name, environment):
    """What `command` prints for a set, in normal form; RuntimeError if it fails."""
    text = ''
    for arguments in runs_of(row, set_name):
        try:
            done = subprocess.run([*command, *arguments], env=environment, capture_output=True,
                                  text=True, timeout=SECONDS_ALLOWED[row.clock], check=False,
                                  stdin=subprocess.DEVNULL)
        except (OSError, UnicodeDecodeError) as error:
            raise RuntimeError(str(error)) from None
        except subprocess.TimeoutExpired:
            raise RuntimeError(f'no end after {SECONDS_ALLOWED[row.clock]} s') from None
        if done.returncode or done.stderr:
            raise RuntimeError(f'exit status {done.returncode}\n{done.stdout}{done.stderr}')
        text += done.stdout
    return normal_form(row, text)


def python_output(row, set_name):
    """What the row's Python program prints."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE='1')
    program = SEEDS / 'python' / f'row_{row.name}.py'
    return output_of(row, [sys.executable, str(program)], set_name, environment)


def c_output(row, set_name, programs):
    """What the row's C program prints."""
    environment = dict(os.environ)
    if row.clock == 'virtual':
        environment['WEFT_BACKEND'] = 'sim'
    return output_of(row, [str(programs / f'row_{row.name}')], set_name, environment)


def expected_path(row, set_name):
    """The committed file for a set; the default arguments are the tutorial's."""
    file_set = 'tutorial' if set_name == 'default' else set_name
    return SEEDS / 'expected' / f'{row.name}.{file_set}.txt'


def difference(row, set_name, get_output):
    """'' if the output is as committed, else why not."""
    path = expected_path(row, set_name)
    if not path.exists():
        return f'{path.relative_to(ROOT)} is missing'
    try:
        got = get_output(row, set_name)
    except RuntimeError as error:
        return str(error)
    return '\n'.join(difflib.unified_diff(path.read_text().splitlines(), got.splitlines(),
                                          'expected', 'printed', lineterm=''))


def make(rows, executor):
    """Write the expected outputs."""
    jobs = [(row, set_name) for row in rows for set_name in SETS]
    for (row, set_name), text in zip(jobs, executor.map(lambda job: python_output(*job), jobs)):
        expected_path(row, set_name).write_text(text)
    print(f'{len(jobs)} files written')
    return 0


def report(rows, executor, get_output):
    """Compare every set of every row with the committed files; TAP and an exit status."""
    jobs = [(row, set_name) for row in rows for set_name in (*SETS, 'default')
            if set_name != 'default' or (row.clock == 'virtual' and ' ; ' not in row.tutorial)]
    print(f'1..{len(jobs)}')
    failed = 0
    reasons = executor.map(lambda job: difference(*job, get_output), jobs)
    for number, ((row, set_name), reason) in enumerate(zip(jobs, reasons), 1):
        print(f'{"not ok" if reason else "ok"} {number} - seed row {row.name}, {set_name}')
        for line in reason.splitlines():
            print('#', line)
        failed += bool(reason)
    print(f'{len(jobs) - failed} passed, {failed} failed')
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=('make', 'check', 'compare'))
    parser.add_argument('--preset', default='dev', help='which build compare looks at')
    parser.add_argument('--programs', type=pathlib.Path, help='another folder of row_XX programs')
    parser.add_argument('--rows', help='only these, parted by commas')
    options = parser.parse_args()
    rows = read_rows(SEEDS / 'rows.tsv')
    if options.rows:
        rows = [row for row in rows if row.name in options.rows.split(',')]
    programs = options.programs or ROOT / 'build' / options.preset / 'examples' / 'seeds'
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as executor:
        if options.what == 'make':
            return make(rows, executor)
        if options.what == 'check':
            return report(rows, executor, python_output)
        return report(rows, executor, lambda row, set_name: c_output(row, set_name, programs))


if __name__ == '__main__':
    sys.exit(main())
