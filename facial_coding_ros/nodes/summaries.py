# SPDX-License-Identifier: Apache-2.0
"""The service `~/summarize`: what somebody did between two moments."""

from __future__ import annotations

from typing import Any

from facial_coding_msgs.srv import Summarize
from rclpy.node import Node

from ..events import History, summarize
from . import messages
from .demand import clients_of

_NOT_CODED = "images are not coded now, as nobody listens; keep a client of ~/summarize open, and ask again later"


class SummaryService:
    """Answers from the node's history. Made and destroyed with the node; refuses while it is not active."""

    def __init__(self, node: Node, lock: Any) -> None:
        self._lock = lock
        self._history: History | None = None
        self._coded = True
        self._coded_from_ns: int | None = None
        self._node, self._service = node, node.create_service(Summarize, "~/summarize", self._on_summarize)

    def clients(self) -> int:
        """Who may ask for a summary."""
        return clients_of(self._node, self._service.srv_name)

    def activate(self, history: History) -> None:
        self._history, self._coded, self._coded_from_ns = history, True, None

    def saw(self, stamp_ns: int, coded: bool) -> None:
        """An image, and whether it was coded: what nobody listens to is not, and not remembered."""
        if coded and not self._coded:
            self._coded_from_ns = stamp_ns
        self._coded = coded

    def deactivate(self) -> None:
        self._history = None

    def _on_summarize(self, request: Summarize.Request, response: Summarize.Response) -> Summarize.Response:
        try:
            with self._lock:
                start_ns, end_ns = self._span(request)
                if request.face_id and request.person_id:
                    raise ValueError("name a face_id or a person_id, not both")
                found = summarize(self._known, start_ns, end_ns, request.person_id or request.face_id)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        response.success = True
        response.summaries = [messages.summary(one) for one in found]
        response.text = " ".join(one.text for one in found) or "Nobody was in view."
        if found and (begin_ns := min(one.start_ns for one in found)) > start_ns:
            response.message = f"only the last {(found[0].end_ns - begin_ns) / 1e9:.1f} s of the span are remembered"
        if not self._coded:
            response.message = f"this is of the time before: {_NOT_CODED}"
        elif self._coded_from_ns is not None and start_ns < self._coded_from_ns <= end_ns:
            coded_s = (end_ns - self._coded_from_ns) / 1e9
            response.message = (
                f"coded only in the last {coded_s:.1f} s of the span, as nobody listened before; keep a client of "
                "~/summarize open"
            )
        return response

    @property
    def _known(self) -> History:
        """Raises ValueError while the node is not active."""
        if self._history is None:
            raise ValueError("the node is not active")
        return self._history

    def _span(self, request: Summarize.Request) -> tuple[int, int]:
        """Of the request, in nanoseconds of image time. Raises ValueError."""
        start_ns, end_ns = messages.nanoseconds(request.start), messages.nanoseconds(request.end)
        newest_ns = self._known.last_ns
        if newest_ns is None:
            raise ValueError("no image has come yet" if self._coded else f"nothing is remembered: {_NOT_CODED}")
        if start_ns == 0 and end_ns == 0:
            if not 0 < request.seconds < 1e6:
                raise ValueError(f"seconds is {request.seconds:g}; a number above 0 is expected, or a start and an end")
            return newest_ns - round(request.seconds * 1e9), newest_ns
        return start_ns, end_ns or newest_ns
