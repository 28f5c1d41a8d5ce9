#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_tidy.py: runs the self-test of tools/tidy.py, which plants one violation of each rule."""

import os
import sys

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "tidy.py")
os.execv(sys.executable, [sys.executable, TIDY, "--self-test"])
