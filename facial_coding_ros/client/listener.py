# SPDX-License-Identifier: Apache-2.0
"""FaceListener: what a dialogue manager needs of faces, in a few lines.

listener = FaceListener(node)
listener.on("smile", lambda event: print(event.person_id or event.face_id, "smiles"))
if listener.wait_for("nod", timeout_s=5.0):
    ...
print(listener.summarize(10.0))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from ..events import Event, EventDetectors, History, Phase, standard_detectors, summarize
from ..types import FaceCode
from .rep155_source import Rep155Source
from .snapshot import Snapshot

try:
    from .node_source import NodeSource, text_of
except ImportError:  # our messages are not built here: REP-155's topics do
    NodeSource = None  # type: ignore[assignment, misc]

ANY = "*"
_BEGINS = (Phase.BEGIN, Phase.MOMENT)


class Subscribed:
    """A callback of `FaceListener.on`; `cancel` ends it."""

    def __init__(self, listener: FaceListener, kind: str, phases: tuple[Phase, ...], callback: Callable[[Event], None]):
        self._listener, self.kind, self.phases, self.callback = listener, kind, phases, callback

    def cancel(self) -> None:
        """No further calls; a second time does nothing."""
        self._listener._forget(self)


class FaceListener:
    """Who is in view, what they do and what they did.

    Callbacks come in the thread that spins `node`. Where nobody spins it, `wait_for` and `summarize` do meanwhile.

    Parameters
    ----------
    node : rclpy.node.Node
        Whose subscriptions these are.
    source : str, default "facial_coding"
        The coding node: its name, in the namespace of `node`, or absolute as "/robot2/facial_coding".
    rep155_only : bool, default False
        Use nothing but REP-155's topics; so it is where facial_coding_msgs is not built. Events are then found here,
        from action units and expressions: no nod, shake, tilt, gaze or speech.
    stale_s : float, default 1.0
        A person last seen longer ago is not in `people()`.
    """

    def __init__(
        self, node: Node, source: str = "facial_coding", *, rep155_only: bool = False, stale_s: float = 1.0
    ) -> None:
        self.node, self._stale_s = node, stale_s
        self._name = node.resolve_topic_name(source)
        self._lock = threading.Lock()
        self._people: dict[str, Snapshot] = {}
        self._subscribed: list[Subscribed] = []
        self._detectors: EventDetectors = standard_detectors()
        self._history = History()
        self._source: Any
        if rep155_only or NodeSource is None:
            self._source = Rep155Source(node, self._on_faces)
        else:
            self._source = NodeSource(node, source, self._on_snapshots, self._on_event)
        self.rep155_only = isinstance(self._source, Rep155Source)

    # -- what comes in

    def _on_snapshots(self, snapshots: list[Snapshot], stamp_ns: int) -> None:
        with self._lock:
            self._people = {one.face_id: one for one in snapshots}

    def _on_faces(self, codes: list[FaceCode], stamp_ns: int) -> None:
        self._on_snapshots([Snapshot.of(code, stamp_ns) for code in codes], stamp_ns)
        with self._lock:  # summarize may be called in another thread
            events = self._detectors.update(codes, stamp_ns)
            self._history.update(codes, events, stamp_ns)
        for event in events:
            self._on_event(event)

    def _on_event(self, event: Event) -> None:
        with self._lock:
            concerned = [one for one in self._subscribed if one.kind in (event.kind, ANY) and event.phase in one.phases]
        for one in concerned:
            one.callback(event)

    # -- what is asked

    def people(self) -> list[Snapshot]:
        """Those in view now, by name; empty when nothing has come for `stale_s`, as when the node is away."""
        with self._lock:
            people = list(self._people.values())
        return sorted((one for one in people if one.age_s <= self._stale_s), key=lambda one: one.name)

    def on(self, kind: str, callback: Callable[[Event], None], *, ends: bool = False) -> Subscribed:
        """Calls back when an event of a kind begins or happens; "*": of any kind.

        Parameters
        ----------
        kind : str
            As in config/events.yaml, or one of one's own.
        callback : callable
            Given the Event.
        ends : bool, default False
            Call when it is over instead, with its final figures.

        Returns
        -------
        Subscribed
            With `cancel()`.

        Raises
        ------
        ValueError
            With REP-155 alone there is no such kind. Of a node a kind that is not in config/events.yaml may be its own:
            a warning says so.
        """
        self._check(kind)
        subscribed = Subscribed(self, kind, (Phase.END,) if ends else _BEGINS, callback)
        with self._lock:
            self._subscribed.append(subscribed)
        return subscribed

    def _check(self, kind: str) -> None:
        known = self._detectors.kinds
        if kind in (ANY, *known):
            return
        what = f"{kind!r} is no kind of event; there are {', '.join(known)}"
        if self.rep155_only:
            raise ValueError(what)
        self.node.get_logger().warning(f"{what}, and those of the node's events.kinds_file")

    def _forget(self, subscribed: Subscribed) -> None:
        with self._lock:
            if subscribed in self._subscribed:
                self._subscribed.remove(subscribed)

    def wait_for(self, kind: str, timeout_s: float, who: str = "") -> Event | None:
        """The next event of a kind; None when there is none in time. who: only of this person or face."""
        found: list[Event] = []
        happened = threading.Event()

        def take(event: Event) -> None:
            if not found and (not who or who in (event.person_id, event.face_id)):
                found.append(event)
                happened.set()

        subscribed = self.on(kind, take)
        try:
            self._spin_until(happened.is_set, happened.wait, timeout_s)
        finally:
            subscribed.cancel()
        return found[0] if found else None

    def summarize(self, seconds: float = 10.0, who: str = "", timeout_s: float = 2.0) -> str:
        """What one person (who: person or face id) or everybody did in the last seconds, in plain sentences.

        Raises
        ------
        ValueError
            Nobody of that id was seen, or the span is none.
        TimeoutError
            The node does not answer.
        """
        if self.rep155_only:
            with self._lock:
                newest_ns = self._history.last_ns
                if newest_ns is None:
                    raise ValueError("nobody has been seen yet")
                found = summarize(self._history, newest_ns - round(seconds * 1e9), newest_ns, who)
            return " ".join(one.text for one in found) or "Nobody was in view."
        return text_of(self._answer(seconds, who, timeout_s))[0]

    def summaries(self, seconds: float = 10.0, who: str = "", timeout_s: float = 2.0) -> list[Any]:
        """As `summarize`, as facial_coding_msgs/PersonSummary with all figures; only with our messages."""
        if self.rep155_only:
            raise ValueError("summaries need facial_coding_msgs and its node; summarize() gives the text without")
        return text_of(self._answer(seconds, who, timeout_s))[1]

    def _answer(self, seconds: float, who: str, timeout_s: float) -> Any:
        end = time.monotonic() + timeout_s
        future = self._source.summarize(seconds, who)
        while future is None and time.monotonic() < end:
            self._spin_until(lambda: False, lambda left: time.sleep(left), 0.05)
            future = self._source.summarize(seconds, who)
        if future is not None:
            done = threading.Event()
            future.add_done_callback(lambda _: done.set())
            self._spin_until(future.done, done.wait, end - time.monotonic())
        if future is None or not future.done():
            raise TimeoutError(f"no answer in {timeout_s:g} s; is the node {self._name} running and active?")
        return future.result()

    def _spin_until(self, ready: Callable[[], bool], wait: Callable[[float], object], timeout_s: float) -> None:
        """Waits, and spins the node meanwhile unless another executor does."""
        end = time.monotonic() + timeout_s
        other = self.node.executor  # of rclpy.spin_once it stays known after the node has left it
        if other is not None and self.node in other.get_nodes():
            wait(max(timeout_s, 0.0))
            return
        executor = SingleThreadedExecutor(context=self.node.context)
        executor.add_node(self.node)
        try:
            while not ready() and (left := end - time.monotonic()) > 0 and rclpy.ok(context=self.node.context):
                executor.spin_once(timeout_sec=min(left, 0.1))
        finally:
            executor.remove_node(self.node)
            executor.shutdown()

    def destroy(self) -> None:
        """Ends all subscriptions; the node stays."""
        self._source.destroy()
