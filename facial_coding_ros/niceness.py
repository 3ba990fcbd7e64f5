# SPDX-License-Identifier: Apache-2.0
"""Threads whose work has time, so that on a busy processor the code of the newest image goes first."""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 5
"""A third of the share of the others where they compete."""


def yield_to_others() -> None:
    """From here on this thread gives way to the other ones."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
