# SPDX-License-Identifier: Apache-2.0
"""Faces from REP-155's topics alone, for robots where another node codes them or our messages are missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hri_msgs import msg as hri
from rclpy.node import Node
from rclpy.subscription import Subscription

from ..action_units import CODES
from ..nodes.ids import with_topics
from ..types import (
    UNSURE,
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    HeadPose,
    NeutralState,
    Region,
    Visibility,
)

FACES = "/humans/faces"
_NO_MESH = np.empty((0, 3), np.float32)
_NO_POSE = HeadPose(math.nan, math.nan, math.nan, np.full((3, 3), np.nan, np.float32))


class _Rep155Face:
    """The newest messages of one face, and their subscriptions."""

    def __init__(self, node: Node, face_id: str, heard: Callable[[], None]) -> None:
        self._face_id, self._heard = face_id, heard
        self._facs: hri.FacialActionUnits | None = None
        self._expression: hri.Expression | None = None
        self._roi: hri.NormalizedRegionOfInterest2D | None = None
        topic = f"{FACES}/{face_id}"
        self.subscriptions: list[Subscription[Any]] = [
            node.create_subscription(hri.FacialActionUnits, f"{topic}/facs", self._on_facs, 10),
            node.create_subscription(hri.Expression, f"{topic}/expression", self._on_expression, 10),
            node.create_subscription(hri.NormalizedRegionOfInterest2D, f"{topic}/roi", self._on_roi, 10),
        ]

    def _on_facs(self, message: hri.FacialActionUnits) -> None:
        self._facs = message
        self._heard()

    def _on_expression(self, message: hri.Expression) -> None:
        self._expression = message

    def _on_roi(self, message: hri.NormalizedRegionOfInterest2D) -> None:
        self._roi = message

    @property
    def stamp_ns(self) -> int:
        """Of the newest action units; 0 before the first."""
        if self._facs is None:
            return 0
        stamp = self._facs.header.stamp
        return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)

    def code(self) -> FaceCode:
        """What these topics tell: no head pose, no gaze, no sides."""
        facs, roi, expression = self._facs, self._roi, self._expression
        intensity = np.array([facs.intensity[code] if facs else np.nan for code in CODES], np.float32)
        confidence = np.array([facs.confidence[code] if facs else 0.0 for code in CODES], np.float32)
        seen = 1.0 if roi is None else float(roi.c)
        region = Region(math.nan, math.nan, math.nan, math.nan)
        if roi is not None:
            region = Region(roi.xmin, roi.ymin, roi.xmax, roi.ymax)
        labels: tuple[str, ...] = ()
        probability, label = np.empty(0, np.float32), UNSURE
        valence = arousal = math.nan
        if expression is not None and expression.expression:
            labels, label = (expression.expression,), expression.expression
            probability = np.array([expression.confidence], np.float32)
            valence, arousal = float(expression.valence), float(expression.arousal)
        unsure = 1.0 - float(probability.sum())
        no_sides = np.full(len(CODES), np.nan, np.float32)
        return FaceCode(
            Face(self._face_id, _NO_MESH, region, _NO_POSE, Visibility(seen, seen, seen, seen)),
            NeutralState.NONE,
            math.nan,
            ActionUnits(CODES, intensity, confidence, no_sides, no_sides),
            Expression(labels, probability, unsure, label, max(1.0 - unsure, 0.0), valence, arousal),
        )


class Rep155Source:
    """Calls `heard(codes, stamp_ns)` with all faces in view, whenever one of them has new action units.

    A face is in view exactly while the newest `tracked` names it.
    """

    def __init__(self, node: Node, heard: Callable[[list[FaceCode], int], None]) -> None:
        self._node, self._heard = node, heard
        self._faces: dict[str, _Rep155Face] = {}
        self._stamp_ns = 0
        self._tracked = node.create_subscription(hri.IdsList, f"{FACES}/tracked", self._on_tracked, 10)

    def _on_tracked(self, message: hri.IdsList) -> None:
        ids = with_topics(self._node, message.ids, f"{FACES}/{{}}/facs")
        for face_id in ids - set(self._faces):
            self._faces[face_id] = _Rep155Face(self._node, face_id, self._on_facs)
        for face_id in set(self._faces) - ids:
            self._destroy(self._faces.pop(face_id))
        if not ids:
            stamp = message.header.stamp
            self._heard([], int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec))

    def _on_facs(self) -> None:
        """Said once for each image, by the first face that has its action units."""
        newest_ns = max((face.stamp_ns for face in self._faces.values()), default=self._stamp_ns)
        if newest_ns != self._stamp_ns:
            self._stamp_ns = newest_ns
            self._heard([face.code() for face in self._faces.values() if face.stamp_ns], newest_ns)

    def _destroy(self, face: _Rep155Face) -> None:
        for subscription in face.subscriptions:
            self._node.destroy_subscription(subscription)

    def destroy(self) -> None:
        """Ends the subscriptions."""
        for face in self._faces.values():
            self._destroy(face)
        self._faces.clear()
        self._node.destroy_subscription(self._tracked)
