# SPDX-License-Identifier: Apache-2.0
"""Face codes drawn onto the image, for people who watch: keypoints, action units, expression, neutral state."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from ..types import FaceCode, FloatArray, ImageArray, NeutralState

# RGB
_TEXT = (245, 245, 245)
_PANEL = (24, 26, 32)
_BAR = (66, 170, 255)
_TRACK = (58, 62, 72)
_POINT = (90, 255, 170)
NEUTRAL_COLOURS = {
    NeutralState.NONE: (150, 150, 150),
    NeutralState.LEARNING: (255, 190, 60),
    NeutralState.READY: (90, 220, 120),
    NeutralState.STALE: (230, 110, 90),
}
AU_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    43: "eyes closed",
    45: "blink",
}
_SHOWN_AUS = 5
_LEAST_SHOWN = 0.1
Box = tuple[int, int, int, int]
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: ImageArray, faces: Iterable[tuple[FaceCode, FloatArray]]) -> ImageArray:
    """A copy of the RGB image with every face drawn; each comes with its 70 landmarks (70, 2) in pixels."""
    canvas = image.copy()
    seen = list(faces)
    boxes = [_box(code, canvas) for code, _ in seen]
    taken = list(boxes)
    for (code, points), box in zip(seen, boxes, strict=True):
        _keypoints(canvas, points)
        cv2.rectangle(canvas, box[:2], box[2:], NEUTRAL_COLOURS[code.neutral_state], 1)
        taken.append(_panel(canvas, code, box, taken))
    return canvas


def _box(code: FaceCode, canvas: ImageArray) -> Box:
    height, width = canvas.shape[:2]
    region = code.face.region
    return (
        round(region.xmin * width),
        round(region.ymin * height),
        round(region.xmax * width),
        round(region.ymax * height),
    )


def _overlap(a: Box, b: Box) -> int:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def _place(box: Box, wide: int, tall: int, canvas: ImageArray, taken: list[Box]) -> Box:
    """Right of the face, left of it, below or above: where it covers least of faces and other panels."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = box
    middle_x, middle_y = (x0 + x1 - wide) // 2, (y0 + y1 - tall) // 2
    corners = [(x1 + 6, middle_y), (x0 - 6 - wide, middle_y), (middle_x, y1 + 6), (middle_x, y0 - 6 - tall)]
    inside = [(int(np.clip(x, 0, max(width - wide, 0))), int(np.clip(y, 0, max(height - tall, 0)))) for x, y in corners]
    places = [(x, y, x + wide, y + tall) for x, y in inside]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))


def _keypoints(canvas: ImageArray, points: FloatArray) -> None:
    size = float(np.linalg.norm(points[36] - points[45]))
    radius = 1 if size < 60 else 2
    for x, y in np.round(points[np.isfinite(points).all(1)] * 8).astype(int):
        cv2.circle(canvas, (x, y), radius * 8, _POINT, -1, cv2.LINE_AA, 3)


def _panel(canvas: ImageArray, code: FaceCode, face_box: Box, taken: list[Box]) -> Box:
    """A panel with what the face does; where it was put."""
    colour = NEUTRAL_COLOURS[code.neutral_state]
    scale = float(np.clip(canvas.shape[0] / 720, 0.62, 1.6))
    line = round(22 * scale)
    wide = round(232 * scale)
    units = zip(code.aus.intensity.tolist(), code.aus.codes, code.aus.confidence.tolist(), strict=True)
    known = [entry for entry in units if entry[0] >= _LEAST_SHOWN and entry[2] > 0]  # NaN is not
    shown = sorted(known, reverse=True)[:_SHOWN_AUS]
    tall = line * (3 + _SHOWN_AUS) + line // 2
    place = _place(face_box, wide, tall, canvas, taken)
    left, top = place[:2]
    box = canvas[top : top + tall, left : left + wide]
    box[:] = (box * 0.25 + np.array(_PANEL) * 0.75).astype(np.uint8)

    def text(row: float, content: str, tint: tuple[int, int, int] = _TEXT, size: float = 0.5) -> None:
        origin = (left + round(8 * scale), top + round(line * (row + 0.75)))
        cv2.putText(canvas, content, origin, _FONT, size * scale, tint, 1, cv2.LINE_AA)

    estimate = code.expression
    text(0, f"{code.face.person_id or code.face.face_id}  neutral: {code.neutral_state.name.lower()}", colour, 0.45)
    if estimate.labels:
        text(1, f"{estimate.label} {estimate.confidence:.0%}", _TEXT, 0.62)
        text(2, f"valence {estimate.valence:+.2f}   arousal {estimate.arousal:+.2f}", _TEXT, 0.42)
    for index, (intensity, au, confidence) in enumerate(shown):
        row = 3 + index
        y = top + round(line * row) + 2
        full = wide - round(16 * scale)
        start = left + round(8 * scale)
        cv2.rectangle(canvas, (start, y), (start + full, y + line - 5), _TRACK, -1)
        tint = tuple(round(c * (0.35 + 0.65 * float(confidence))) for c in _BAR)
        cv2.rectangle(canvas, (start, y), (start + round(full * min(float(intensity), 1.0)), y + line - 5), tint, -1)
        text(row - 0.08, f"AU{au} {AU_NAMES.get(au, '')}", _TEXT, 0.4)
    return place
