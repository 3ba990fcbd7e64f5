# SPDX-License-Identifier: Apache-2.0
"""The running node in a terminal, also over ssh: a line for each person with the state of their neutral, their
strongest action units, expression and attention; rates, age of the last image and skipped frames. Keys calibrate, reset
or forget the neutral of the person that is chosen."""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.live import Live

from ..errors import UserError
from ..viewing.keys import terminal_keys
from ..viewing.node_watch import NodeWatch
from ..viewing.terminal import screen

_UPDATES_A_SECOND = 8
_ASKS = {"c": "calibrate", "r": "reset", "f": "forget"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--node", default="/facial_coding", help="the node, with its namespace; default %(default)s")
    add("--once", action="store_true", help="print the lines once, when face codes have come, and end")
    add("--wait", type=float, default=5.0, help="seconds to wait for the node; default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    with NodeWatch(arguments.node) as watch:
        end = time.monotonic() + arguments.wait
        while not watch.node_there or (arguments.once and watch.watched.last_s is None):
            if time.monotonic() > end:
                there = "it sends no face codes: it gets no images" if watch.node_there else "nobody publishes them"
                raise UserError(
                    f"no {arguments.node.rstrip('/')}/face_codes for {arguments.wait:g} s: {there}. Start the node, "
                    "in the same ROS_DOMAIN_ID, or name it with --node"
                )
            watch.spin_once(0.1)
        if arguments.once:
            while not watch.settled(time.monotonic()):
                watch.spin_once(0.1)
            console = Console()
            console.print(screen(watch.watched, time.monotonic(), console.width))
            return 0
        _live(watch)
    return 0


def _live(watch: NodeWatch) -> None:
    drawn = 0.0
    with terminal_keys() as keys, Live(auto_refresh=False, screen=keys is not None) as live:
        while True:
            watch.spin_once(0.05)
            for key in keys.pressed() if keys is not None else []:
                if key in ("q", "\x04"):
                    return
                if key in ("up", "down", "k", "j"):
                    watch.watched.choose(-1 if key in ("up", "k") else 1)
                    watch.watched.said = ""
                elif key in _ASKS:
                    watch.ask(_ASKS[key])
            now = time.monotonic()
            if now - drawn > 1 / _UPDATES_A_SECOND:
                drawn = now
                live.update(screen(watch.watched, now, live.console.width), refresh=True)
