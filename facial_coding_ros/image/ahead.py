"""Reading ahead: the next frames are decoded while the last one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..types import Frame

_DEPTH = 4


@contextmanager
def ahead(frames: Iterator[Frame]) -> Iterator[Iterator[Frame]]:
    """The same frames in the same order, read by a thread that is at most a few of them ahead and ends with the block.
    What the reading raises is raised where the frame would have come."""
    waiting: queue.Queue[Frame | BaseException | None] = queue.Queue(_DEPTH)
    over = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        while not over.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for frame in frames:
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001  handed on, not swallowed
            put(error)

    def taken() -> Iterator[Frame]:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=read, name="reading ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        over.set()
        thread.join()
