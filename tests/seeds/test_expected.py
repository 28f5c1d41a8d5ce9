#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The committed outputs of the seed rows are what the tutorials' Python prints today.

Runs `tools/seeds.py check`. The Python programs need asyncio's TaskGroup and Runner, so an older
Python than 3.11 makes this a skipped test.
"""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    if sys.version_info < (3, 11):
        print('1..1\nok 1 - seed rows in Python # SKIP this Python is older than 3.11')
        return
    os.execv(sys.executable, [sys.executable, '-B', str(ROOT / 'tools' / 'seeds.py'), 'check'])


if __name__ == '__main__':
    main()
