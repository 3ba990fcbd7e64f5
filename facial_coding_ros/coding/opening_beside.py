# SPDX-License-Identifier: Apache-2.0
"""A coding graph that is opened in a thread of its own, while frames are coded by another one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ..inference import ModelError
from ..inference.model_files import one_line
from ..niceness import yield_to_others
from .coding_graph import CodingGraph

_log = logging.getLogger(__name__)


class OpeningBeside:
    """Opens a graph once it is asked for. make: gives it, ready to run. One thread at a time."""

    def __init__(self, make: Callable[[], CodingGraph]) -> None:
        self._make = make
        self._opening: Future[CodingGraph | None] | None = None

    def graph(self) -> CodingGraph | None:
        """The graph, as soon as it is open; None where it cannot be, which a warning says once. Waits for nothing."""
        if self._opening is None:
            thread = ThreadPoolExecutor(1, "opening", yield_to_others)
            self._opening = thread.submit(self._opened)
            thread.shutdown(wait=False)
        return self._opening.result() if self._opening.done() else None

    def _opened(self) -> CodingGraph | None:
        try:
            return self._make()
        except (ModelError, OSError) as error:
            _log.warning("%s; all that the joined graph gives is coded.", one_line(error))
            return None

    def close(self) -> None:
        """Waits for what is being opened, and closes it; a second call does nothing."""
        graph = self._opening.result() if self._opening is not None else None
        if graph is not None:
            graph.close()
