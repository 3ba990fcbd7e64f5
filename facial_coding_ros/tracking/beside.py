# SPDX-License-Identifier: Apache-2.0
"""The search for new faces beside the following of known ones: begun on one frame, taken up on the next.

What the detector takes thus falls into the time between two frames, and no frame's answer waits for it. Which frame
takes an answer up depends on stamps alone, never on how long it took: a recording gives the numbers of the live run. So
that no frame waits for long either, a search of many views (tiles) is shared out over as many frames as it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from ..types import ImageArray
from .interface import LandmarkSource, SearchesBeside
from .regions import Detection, Square

LONGEST_STEP_NS = 55_000_000
"""From frames that are further apart (below 18 a second) people walk out of the places where they were found: at 15 a
second somebody who came out from behind another one was once taken for a stranger, with boxes a frame old."""

MOST_VIEWS = 3
"""Of one frame: 5 ms where a view takes 1.6, so that a processor six times slower has done them by the next frame."""


class BesideSearch:
    """The search under way, one at most. One thread at a time."""

    def __init__(self, source: LandmarkSource) -> None:
        self._source = source if isinstance(source, SearchesBeside) else None
        self._under_way: Future[list[Detection]] | None = None
        self._left: Sequence[Square] = ()

    def can_begin(self, step_ns: int) -> bool:
        """Whether the search of this frame may be taken up on the next one. step_ns: since the frame before."""
        return self._source is not None and step_ns <= LONGEST_STEP_NS

    def begin(self, image: ImageArray, views: Sequence[Square]) -> None:
        """Looks for faces in the first of these views, and keeps the others; the image may change as soon as this
        returns."""
        assert self._source is not None
        self._under_way = self._source.begin_search(image, views[:MOST_VIEWS])
        self._left = views[MOST_VIEWS:]

    def go_on(self, image: ImageArray) -> None:
        """The same in views that were kept, if there are any, on a later image."""
        if self._left:
            self.begin(image, self._left)

    def under_way(self, step_ns: int) -> bool:
        """Whether the frame before left a search that this one takes up; one that came too late is given up."""
        if self._under_way is not None and step_ns > LONGEST_STEP_NS:
            self.give_up()
        return self._under_way is not None

    def take(self) -> list[Detection]:
        """What it found; waits for it. Raises what the detector raised."""
        assert self._under_way is not None
        search, self._under_way = self._under_way, None
        return search.result()

    def give_up(self) -> None:
        """Waits for the search under way, if there is one, and forgets it and what is left of it."""
        self._left = ()
        if self._under_way is not None:
            self._under_way.exception()
            self._under_way = None
