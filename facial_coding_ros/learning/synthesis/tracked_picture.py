# SPDX-License-Identifier: Apache-2.0
"""What the node's tracker makes of one picture: of a face just found, and of one that it has followed for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...tracking.mediapipe_graph import MediaPipeGraph
from ...tracking.regions import Landmarks, Square
from ...tracking.settings import TrackingSettings
from ...types import FloatArray, ImageArray

DETECTION_SCORE = 0.3
FRAMES = 3
"""About as many as the node's filter averages over a face at rest, at 15 to 30 images a second."""
SHIFT, SCALE, TILT_DEG = 0.007, 0.01, 0.7
"""Jitter of the region of interest for landmarks from frame to frame (standard deviations, of its side), from small
movements of the head and the landmarks' own noise. The landmarks' error depends on the square, so it averages out.
They are the same for all pictures; others for each change no figure (docs/design_notes/facs.md)."""


@dataclass(frozen=True)
class Seen:
    """Meshes (478, 3) in pixels. first: of a face just found. followed: mean over `FRAMES` jittered regions of
    interest."""

    first: FloatArray
    followed: FloatArray


class PictureTracker:
    """The detector and the landmark network of the node's tracker."""

    def __init__(self) -> None:
        import mediapipe

        self._graph = MediaPipeGraph(detection_score=DETECTION_SCORE, workers=1)
        self.name = f"mediapipe {mediapipe.__version__} face_landmark_with_attention, {FRAMES} squares"

    def __call__(self, image: ImageArray) -> Seen | None:
        """The best detected face of an RGB picture; None when no face is found. The same for the same picture."""
        _, detections = self._graph.process(image, [], [Square.around(image.shape[1], image.shape[0])])
        if not detections:
            return None
        first = self._landmarks(image, max(detections, key=lambda found: found.score).square)
        if first is None:
            return None
        rng = np.random.default_rng(0)
        seen, meshes = first, []
        for _ in range(FRAMES):
            following = self._landmarks(image, _jittered(seen.square, rng))
            if following is None:
                return None
            seen = following
            meshes.append(seen.mesh)
        return Seen(first.mesh, np.mean(meshes, 0, dtype=np.float32))

    def _landmarks(self, image: ImageArray, square: Square) -> Landmarks | None:
        found = self._graph.process(image, [square])[0][0]
        return None if found is None or found.presence < TrackingSettings().keep_score else found

    def close(self) -> None:
        """Ends the graph's threads."""
        self._graph.close()


def _jittered(square: Square, rng: np.random.Generator) -> Square:
    across, down, size, tilt = rng.standard_normal(4).tolist()
    moved = square.moved(SHIFT * square.side * across, SHIFT * square.side * down)
    return replace(moved, side=moved.side * math.exp(SCALE * size), angle=moved.angle + math.radians(TILT_DEG) * tilt)
