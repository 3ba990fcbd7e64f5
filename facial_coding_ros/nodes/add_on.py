# SPDX-License-Identifier: Apache-2.0
"""Faces that another node tracks, for add-on mode."""

from __future__ import annotations

import threading
from typing import Any

from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from ..types import Region
from .humans import DEFAULT_NAMESPACE
from .ids import with_topics
from .latched import LatchedSubscription

MOST_FACES = 64
"""Faces listened to at once."""
LONGEST_SILENCE_NS = 2_000_000_000
"""Image time after which a box that was not published again says nothing any more: its publisher has ended."""
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class TrackedElsewhere:
    """Ids and newest regions of the faces that another node publishes under /humans/faces.

    REP-155 knows no time-out: a node that dies leaves its faces in the last `tracked`. So faces count for as long as
    their boxes come.
    """

    def __init__(self, node: Node, namespace: str = DEFAULT_NAMESPACE) -> None:
        faces = f"{namespace}/faces"
        self._roi = f"{faces}/{{}}/roi"
        self._node = node
        self._lock = threading.Lock()  # the worker reads, the executor writes
        self._regions: dict[str, Region] = {}
        self._came: set[str] = set()  # faces whose box came since the last image
        self._last_ns: dict[str, int] = {}  # stamp of the first image after each face's newest box
        self._faces: dict[str, Subscription[Any]] = {}
        self._tracked = LatchedSubscription(node, IdsList, f"{faces}/tracked", self._on_tracked)

    def regions(self, stamp_ns: int) -> dict[str, Region]:
        """Newest box of each face for the image of this stamp, by face id."""
        with self._lock:
            for face_id in self._regions:
                if face_id in self._came or stamp_ns < self._last_ns[face_id]:
                    self._last_ns[face_id] = stamp_ns
            self._came.clear()
            return {
                face_id: region
                for face_id, region in self._regions.items()
                if stamp_ns - self._last_ns[face_id] <= LONGEST_SILENCE_NS
            }

    def _on_tracked(self, message: IdsList) -> None:
        ids = with_topics(self._node, message.ids, self._roi, MOST_FACES)
        for face_id in ids - set(self._faces):
            self._faces[face_id] = self._node.create_subscription(
                NormalizedRegionOfInterest2D,
                self._roi.format(face_id),
                lambda box, face_id=face_id: self._on_roi(face_id, box),
                RELIABLE,
            )
        for face_id in set(self._faces) - ids:
            self._node.destroy_subscription(self._faces.pop(face_id))
            with self._lock:
                self._regions.pop(face_id, None)
                self._last_ns.pop(face_id, None)
                self._came.discard(face_id)

    def _on_roi(self, face_id: str, box: NormalizedRegionOfInterest2D) -> None:
        with self._lock:
            self._regions[face_id] = Region(box.xmin, box.ymin, box.xmax, box.ymax)
            self._came.add(face_id)

    def destroy(self) -> None:
        self._tracked.destroy()
        for subscription in self._faces.values():
            self._node.destroy_subscription(subscription)
        self._faces.clear()
