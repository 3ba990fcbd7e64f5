# SPDX-License-Identifier: Apache-2.0
"""Newest item only: one thread works, whatever waits longer than the next arrival is dropped and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class LatestWorker(Generic[Item]):
    """Calls `work` in a thread of its own with the newest item offered.

    An exception in `work` ends the thread and stands in `failure`; whoever owns the worker decides what to do.
    """

    def __init__(self, work: Callable[[Item], None], name: str = "worker") -> None:
        self._work = work
        self._waiting: Item | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name)
        self.skipped = 0
        self.failure: BaseException | None = None
        self._thread.start()

    def offer(self, item: Item) -> None:
        """Leaves the newest item; the one it replaces was never worked on."""
        with self._changed:
            self.skipped += self._waiting is not None
            self._waiting = item
            self._changed.notify()

    def stop(self) -> None:
        """Ends the thread after the work under way; what waits is dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._work(item)
        except BaseException as error:  # noqa: BLE001  kept for the owner, who is in another thread
            self.failure = error

    def _next(self) -> Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiting is not None)
            if self._stopping:
                return None
            item, self._waiting = self._waiting, None
            return item
