# SPDX-License-Identifier: Apache-2.0
"""Single keys of a terminal, without waiting for Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator

_ARROWS = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down"}


class Keys:
    """Keys pressed since the last look: characters, "up" and "down"."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pressed(self) -> list[str]:
        if not select.select([self._descriptor], [], [], 0)[0]:
            return []
        raw = os.read(self._descriptor, 64)
        found = []
        while raw:
            arrow = next((code for code in _ARROWS if raw.startswith(code)), None)
            found.append(_ARROWS[arrow] if arrow else chr(raw[0]))
            raw = raw[len(arrow) if arrow else 1 :]
        return found


@contextlib.contextmanager
def terminal_keys() -> Iterator[Keys | None]:
    """The keys of this terminal, which is as before afterwards; None where the input is no terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
