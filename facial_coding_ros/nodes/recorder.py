# SPDX-License-Identifier: Apache-2.0
"""Records what the node says about the images it was sent: a table, and a video with the codes drawn on it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import rclpy
from facial_coding_msgs.msg import FaceCodeArray, FaceEvent
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ..drawing.video import VideoWriter
from ..face_codes.events_table import EventTableWriter
from ..face_codes.fields import event_of
from ..face_codes.table import TableWriter
from ..types import CodeForm
from .annotator import Matcher, annotate
from .messages import face_code_of, stamp_ns_of

OnPair = Callable[[int, Any, FaceCodeArray], None]
"""Takes an image's number, the image's message and its face codes."""


class Recorder:
    """Writes face_codes.csv, events.csv and annotated.webm into a folder while it is spun.

    They are whole when it is closed without an error. also: gets every image with its face codes too.
    """

    def __init__(self, folder: Path, fps: float, namespace: str, also: OnPair | None = None) -> None:
        self._folder, self._fps, self._namespace, self._also = folder, fps, namespace, also
        self._files = contextlib.ExitStack()
        self._table: TableWriter | None = None
        self.frames = 0
        self.faces = 0
        """Face codes written."""

    def __enter__(self) -> Recorder:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("recorder", namespace=self._namespace, context=self._context)
        # A recorder wants every image, also when it is late itself.
        every = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
        self._matcher = Matcher(self._node, False, "facial_coding/face_codes", self._on_pair, every)
        self._events = self._files.enter_context(EventTableWriter(self._folder / "events.csv"))
        self._node.create_subscription(FaceEvent, "facial_coding/events", self._on_event, every)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._video = self._files.enter_context(VideoWriter(self._folder / "annotated.webm", self._fps))
        return self

    @property
    def images(self) -> int:
        """Images seen so far, coded or not."""
        return self._matcher.images

    def hears(self, listeners: int) -> bool:
        """Whether the node's face codes and events reach this recorder, and its events as many listeners in all."""
        codes, events = (self._node.resolve_topic_name(f"facial_coding/{name}") for name in ("face_codes", "events"))
        published = self._node.count_publishers(codes) and self._node.count_publishers(events)
        return bool(published) and self._node.count_subscribers(events) >= listeners

    def spin_once(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)

    def spin_until_idle(self, seconds: float) -> None:
        """Until nothing has come for half a second, at most `seconds`."""
        end = time.monotonic() + seconds
        quiet = time.monotonic() + 0.5
        while time.monotonic() < min(end, quiet):
            before = self.frames
            self.spin_once(0.1)
            if self.frames > before:
                quiet = time.monotonic() + 0.5

    def _on_event(self, message: FaceEvent) -> None:
        self._events.write([event_of(message)])

    def _on_pair(self, number: int, image: Any, message: FaceCodeArray) -> None:
        codes = [face_code_of(face) for face in message.faces]
        if self._table is None and codes:
            first = codes[0]
            form = CodeForm(first.aus.codes, first.expression.labels, len(first.dfecs), len(first.latent))
            self._table = self._files.enter_context(TableWriter(self._folder / "face_codes.csv", form))
        stamp_ns = stamp_ns_of(message.header)
        if self._table is not None:
            self._table.write(number, stamp_ns, codes)
        self._video.write(annotate(image, message), stamp_ns)
        if self._also is not None:
            self._also(number, image, message)
        self.frames += 1
        self.faces += len(codes)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._table is None and kind is None:  # no face at all: an empty table says so
            self._files.enter_context(TableWriter(self._folder / "face_codes.csv", CodeForm((), ())))
        self._files.__exit__(kind, error, at)
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
