# SPDX-License-Identifier: Apache-2.0
"""The faces that are seen in one frame, each head once; who they are is told later, from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..types import ImageArray
from .interface import LandmarkSource
from .regions import Detection, Landmarks
from .same_face import DOUBTFUL, explains, same_box, turned_against
from .settings import TrackingSettings
from .shape import ShapeReader
from .tracks import Observation, same_head

BETTER = 0.1
"""By so much more presence have landmarks that replace doubtful ones."""
SURE = 0.5
"""Landmarks of a new face with less presence are sought once more."""
LEAST_INSIDE = 0.4
"""Share of a face's points that must lie in the image."""


class FrameObservations:
    """Collects the faces of one frame: landmarks of followed faces, then of detections that these do not explain.

    seen: the faces so far. landmarks_run: how many regions the landmark network was run on for detections.
    """

    def __init__(
        self, image: ImageArray, settings: TrackingSettings, source: LandmarkSource, shape: ShapeReader
    ) -> None:
        self._image, self._settings, self._source, self._shape = image, settings, source, shape
        self._upright = math.radians(settings.image_rotation)
        self.seen: list[Observation] = []
        self.landmarks_run = 0

    def add(self, landmarks: Landmarks | None, face_id: str = "") -> bool:
        """Takes landmarks unless they are none, poor, or on a head that is already there; whether they were taken.

        face_id: of the track in whose region they were found; empty for those of a detection.
        """
        if landmarks is None or landmarks.presence < self._settings.keep_score:
            return False
        height, width = self._image.shape[:2]
        if landmarks.size < self._settings.min_face_px or landmarks.share_inside(width, height) < LEAST_INSIDE:
            return False
        sources = [face_id] if face_id else []
        for index, other in enumerate(self.seen):
            against = turned_against(landmarks, other.landmarks)
            if against or same_head(landmarks, other.landmarks):
                other.sources.extend(sources)
                better = landmarks.presence > other.landmarks.presence + BETTER
                if (not face_id or against) and better and other.landmarks.presence < DOUBTFUL:
                    self.seen[index] = Observation(landmarks, self._shape, other.sources)
                return False
        self.seen.append(Observation(landmarks, self._shape, sources))
        return True

    def add_detected(self, detections: Sequence[Detection]) -> None:
        """Landmarks on detections that no seen face explains; turned and wide views only for what no other shows."""
        longer = max(self._image.shape[:2])
        usual = [one for one in detections if one.view_angle == self._upright and one.view_side <= longer]
        others = [one for one in detections if one.view_angle != self._upright or one.view_side > longer]
        for group in (usual, others):
            fresh: list[Detection] = []
            for detection in sorted(group, key=lambda one: -one.score):  # views overlap, the best view counts
                if any(explains(one, detection, group is others) for one in self.seen):
                    continue
                if not any(same_box(detection, one) for one in fresh):
                    fresh.append(detection)
            for landmarks in sorted(self._landmarks_of(fresh), key=lambda one: -one.size):
                self.add(landmarks)

    def _landmarks_of(self, detections: Sequence[Detection]) -> list[Landmarks]:
        """Of each detection; where the tilt of the eyes leads nowhere, as for small faces, upright in its view."""
        if not detections:
            return []
        found, _ = self._source.process(self._image, [detection.square for detection in detections])
        best = dict(enumerate(found))
        poor = [i for i, one in best.items() if one is None or one.presence < SURE]
        if poor:
            upright = [replace(detections[i].square, angle=detections[i].view_angle) for i in poor]
            for i, again in zip(poor, self._source.process(self._image, upright)[0], strict=True):
                earlier = best[i]
                if again is not None and (earlier is None or again.presence > earlier.presence):
                    best[i] = again
        self.landmarks_run += len(detections) + len(poor)
        # Landmarks that are only half sure in a turned view are those of a blurred face that stands upright.
        return [
            one
            for i, one in best.items()
            if one is not None and (detections[i].view_angle == self._upright or one.presence >= DOUBTFUL)
        ]
