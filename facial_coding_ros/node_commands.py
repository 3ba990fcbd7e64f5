"""The programs of the nodes, as `ros2 run` starts them: without ROS they say so in one line."""

from __future__ import annotations

import importlib
import sys

from .errors import missing_module


def facial_coding_node() -> int:
    return _run("facial_coding")


def annotator() -> int:
    return _run("annotator")


def clip_player() -> int:
    return _run("clip_player")


def _run(module: str) -> int:
    try:
        return int(importlib.import_module(f"{__package__}.nodes.{module}").main())
    except ModuleNotFoundError as error:
        print(f"{module}: {missing_module(error)}", file=sys.stderr)
        return 1
