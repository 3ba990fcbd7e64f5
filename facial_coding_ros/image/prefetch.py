# SPDX-License-Identifier: Apache-2.0
"""Prefetching: the next items of an iterator are made in a thread while the last one is worked on."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Item = TypeVar("Item")

_DEPTH = 4
_SWITCH_S = 0.0001
_intervals_s: list[float] = []
"""One for each `quick_thread_switches` block that is open; the first is the interval before all of them."""
_intervals_lock = threading.Lock()


@contextmanager
def prefetch(items: Iterator[Item], depth: int = _DEPTH) -> Iterator[Iterator[Item]]:
    """The same items in the same order, made by a thread that is at most `depth` of them ahead and ends with the block.
    What the making raises is raised where the item would have come."""
    waiting: queue.Queue[Item | BaseException | None] = queue.Queue(depth)
    over = threading.Event()

    def put(item: Item | BaseException | None) -> bool:
        while not over.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001  handed on, not swallowed
            put(error)

    def taken() -> Iterator[Item]:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=make, name="prefetch", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        over.set()
        thread.join()
        with suppress(queue.Full):
            waiting.put_nowait(None)  # whoever still waits, waits for nothing


@contextmanager
def quick_thread_switches() -> Iterator[None]:
    """Lets a thread that mostly waits outside of Python have the interpreter sooner than after 5 ms.

    The setting is the process's; it is put back when the last of several overlapping blocks ends.
    """
    with _intervals_lock:
        _intervals_s.append(sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        with _intervals_lock:
            before_s = _intervals_s[0]
            _intervals_s.pop()
            if not _intervals_s:
                sys.setswitchinterval(before_s)
