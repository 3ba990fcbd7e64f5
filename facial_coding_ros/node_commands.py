# SPDX-License-Identifier: Apache-2.0
"""The programs of the nodes, as `ros2 run` starts them: without ROS they say so in one line.

Told to stop while they still load, they end at once and quietly; `nodes.process.run_node` takes over from there. Before
`_run`, signals do what they do to any Python process: so this module imports nothing that takes time.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

from .nodes.stop_signals import STOP_SIGNALS


def facial_coding_node() -> int:
    return _run("facial_coding")


def annotator() -> int:
    return _run("annotator")


def clip_player() -> int:
    return _run("clip_player")


def _run(module: str) -> int:
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as with nohup
            signal.signal(number, lambda _number, _frame: os._exit(0))  # nothing is begun that could be left half done
    try:
        return int(importlib.import_module(f"{__package__}.nodes.{module}").main())
    except ModuleNotFoundError as error:
        from .errors import missing_module

        print(f"{module}: {missing_module(error)}", file=sys.stderr)
        return 1
