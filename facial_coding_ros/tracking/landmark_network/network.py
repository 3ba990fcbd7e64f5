# SPDX-License-Identifier: Apache-2.0
"""Landmarks of all faces of an image in one batch, by the converted network, in either backend."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...inference.session import Session, expect
from ...types import MESH_POINTS, FloatArray, ImageArray
from ..regions import square_to_image
from .converter import FEATURE_COUNT, FEATURES, INPUT, MESH, PRESENCE, SIDE


class LandmarkNetwork:
    """478 points and the presence of a face, for turned squares of an image. One thread at a time.

    max_faces: most faces of a batch; more go through in several.
    """

    def __init__(self, session: Session, max_faces: int = 8) -> None:
        """Raises ModelError when the session is of another model."""
        answers = {MESH: (MESH_POINTS, 3), PRESENCE: (1,), FEATURES: (FEATURE_COUNT,)}
        expect(session, {INPUT: (SIDE, SIDE, 3)}, answers, pixels=(INPUT,))
        self.session = session
        self._max_faces = max_faces

    @property
    def backend(self) -> str:
        """What computes it and why."""
        return self.session.backend

    def locate(self, image: ImageArray, squares: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Meshes (n, 478, 3) in pixels of the image, presence (n,), the network's logit, and features (n, d).

        image: (height, width, 3) uint8, RGB. squares: (n, 4): x and y of the centre, side, all in pixels, and angle in
        radians, clockwise as seen. Presence beyond 0 is MediaPipe's own bound. Of arrays, only the answers are new; the
        meshes lie in memory as (n, 3, 478).
        """
        columns = np.empty((len(squares), 3, MESH_POINTS), np.float32)
        presence = np.empty(len(squares), np.float32)
        features = np.empty((len(squares), FEATURE_COUNT), np.float32)
        for start in range(0, len(squares), self._max_faces):
            part = squares[start : start + self._max_faces]
            binding = self.session.bind(len(part))
            for square, row in zip(part, binding.inputs[INPUT], strict=True):
                crop(image, square, row)
            binding.run()
            for index, square in enumerate(part):
                to_image(binding.outputs[MESH][index], square, columns[start + index])
            presence[start : start + len(part)] = binding.outputs[PRESENCE][:, 0]
            features[start : start + len(part)] = binding.outputs[FEATURES]
        return columns.transpose(0, 2, 1), presence, features

    def close(self) -> None:
        """Frees the network; a second call does nothing."""
        self.session.close()


def crop(image: ImageArray, square: Sequence[float] | FloatArray, out: ImageArray) -> ImageArray:
    """What the network sees of a square: (192, 192, 3) uint8 RGB, in `out`. Edges repeat, as in MediaPipe."""
    # Where OpenCV has Intel's IPP: it takes half of the time, and is nearer to the true interpolation than OpenCV's own
    # code (0.5 grey levels at most, against 2.8), from which it may differ only by leave. The leave is for this thread.
    usual = cv2.ipp.useIPP_NotExact()
    cv2.ipp.setUseIPP_NotExact(True)
    try:
        # The inverse map: of each pixel of the crop its place in the image.
        cv2.warpAffine(
            image,
            square_to_image(square, SIDE),
            (SIDE, SIDE),
            dst=out,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    finally:
        cv2.ipp.setUseIPP_NotExact(usual)
    return out


def to_image(mesh: FloatArray, square: Sequence[float] | FloatArray, out: FloatArray) -> None:
    """A mesh (478, 3) in pixels of the input, as x, y and depth (3, 478) in pixels of the image."""
    (a, b, x), (c, d, y) = square_to_image(square, SIDE).tolist()
    turn = np.array(((a, b, 0), (c, d, 0), (0, 0, float(square[2]) / SIDE)), np.float32)
    np.matmul(turn, mesh.T, out=out)
    out[0] += x
    out[1] += y
