#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C program of every seed row prints what the tutorial's Python printed.

Runs `tools/seeds.py compare` on the build that $WEFT_BUILD names. With $ENGINE the rows on real
time run on the first of its engines that is real; those on virtual time always run on `sim`.
"""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    real = [name for name in os.environ.get('ENGINE', '').split(',') if name not in ('', 'sim')]
    if real:
        os.environ['WEFT_BACKEND'] = real[0]
    programs = ROOT / os.environ.get('WEFT_BUILD', 'build/dev') / 'examples' / 'seeds'
    os.execv(sys.executable, [sys.executable, '-B', str(ROOT / 'tools' / 'seeds.py'), 'compare',
                              '--programs', str(programs)])


if __name__ == '__main__':
    main()
