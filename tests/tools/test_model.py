#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_model.py: the model of a waiting call holds, and the code's tables are its own.

The searches that take some seconds; `make model` makes all of them, and plants bugs in the model.
Without spin it is skipped, as the test command installs no spin.
"""

import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

os.chdir(ROOT)
os.execv(sys.executable, [sys.executable, "tools/model.py", "--quick"])
