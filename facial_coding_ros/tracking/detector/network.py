# SPDX-License-Identifier: Apache-2.0
"""Faces in views of an image, all views in one batch, in either backend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from ...inference.session import Session, expect
from ...types import FloatArray, ImageArray
from ..regions import Detection, Square, square_to_image
from .boxes import CELLS, SIDE, VALUES, decode
from .detector_graph import BOXES, INPUT, LOGITS


class DetectorNetwork:
    """MediaPipe's full-range detector. One thread at a time. max_views: most views of a batch; more go in several."""

    def __init__(self, session: Session, max_views: int = 16) -> None:
        """Raises ModelError when the session is of another model."""
        answers = {BOXES: (VALUES, CELLS, CELLS), LOGITS: (1, CELLS, CELLS)}
        expect(session, {INPUT: (SIDE, SIDE, 3)}, answers, pixels=(INPUT,))
        self.session = session
        self._max_views = max_views
        self._crop = np.empty((SIDE, SIDE, 3), np.uint8)

    def find(self, image: ImageArray, views: Sequence[Square], least_score: float) -> list[Detection]:
        """Faces in each view, the surest of a view first; a face in several views is found in each of them.

        image: (height, width, 3) uint8, RGB. views: squares of the image, which may be turned or reach beyond it: a
        small one shows small faces, a turned one heads that lie on their side.
        """
        return self.find_in((shown(image, view, self._crop) for view in views), views, least_score)

    def find_in(self, pictures: Iterable[ImageArray], views: Sequence[Square], least_score: float) -> list[Detection]:
        """`find`, where the `pictures_of` the views are made already."""
        found: list[Detection] = []
        left = iter(pictures)
        for start in range(0, len(views), self._max_views):
            part = views[start : start + self._max_views]
            binding = self.session.bind(len(part))
            for row, picture in zip(binding.inputs[INPUT], left, strict=False):
                np.copyto(row, picture)
            binding.run()
            answers = zip(part, binding.outputs[BOXES], binding.outputs[LOGITS], strict=True)
            for view, boxes, logits in answers:
                places, scores = decode(boxes, logits, least_score)
                found += [_detection(view, place, score) for place, score in zip(places, scores.tolist(), strict=True)]
        return found

    def close(self) -> None:
        """Frees the network; a second call does nothing."""
        self.session.close()


def pictures_of(views: Sequence[Square], image: ImageArray) -> ImageArray:
    """What the network sees of each view: (n, 192, 192, 3) uint8 RGB."""
    seen = np.empty((len(views), SIDE, SIDE, 3), np.uint8)
    for view, picture in zip(views, seen, strict=True):
        shown(image, view, picture)
    return seen


def shown(image: ImageArray, view: Square, out: ImageArray) -> ImageArray:
    """What the network sees of a view: (192, 192, 3) uint8 RGB, in `out`; black outside of the image.

    By the same function of OpenCV as in MediaPipe's graph, so that a shrunk image has the same pixels: another way of
    rounding between them moves a box by up to 1.2 % of its width.
    """
    to_image = np.vstack([square_to_image(view.row, SIDE), (0, 0, 1)])
    cv2.warpPerspective(image, to_image, (SIDE, SIDE), dst=out, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return out


def _detection(view: Square, place: FloatArray, score: float) -> Detection:
    """In pixels of the image. In a turned view the box is upright there, around the same centre."""
    matrix = square_to_image(view.row, SIDE)
    middle = matrix[:, :2] @ ((place[:2] + place[2:4]) / 2) + matrix[:, 2]
    size = (place[2:4] - place[:2]) * (view.side / SIDE)
    eyes = place[4:8].reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    (xmin, ymin), (width, height) = (middle - size / 2).tolist(), size.tolist()
    return Detection(xmin, ymin, width, height, score, eyes.astype(np.float32), view.angle, view.side)
