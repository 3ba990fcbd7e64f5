# SPDX-License-Identifier: Apache-2.0
"""Curves of the placement guide, from pictures whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facial_coding_ros.action_units import CODES
from facial_coding_ros.learning.studies.camera_placement import (
    CANVAS,
    LABELS,
    Condition,
    MeasuredPicture,
    curves_of,
    draw,
    placed,
)


def test_curves_are_means_over_shown_units_and_found_faces(tmp_path: Path) -> None:
    truth, told = np.zeros(len(CODES), np.float32), np.zeros(len(CODES), np.float32)
    truth[CODES.index(12)], told[CODES.index(12)] = 0.8, 0.5
    told[CODES.index(4)] = 0.4  # not shown
    sure = np.full(len(CODES), 0.6, np.float32)
    rows = []
    for axis in LABELS:
        for value in (1.0, 2.0):
            rows += [
                MeasuredPicture(Condition(axis, value), truth, told, sure),
                MeasuredPicture(Condition(axis, value), truth, None, None),
            ]
    rows.append(MeasuredPicture(Condition("blur", 9.0), truth, None, None))
    curves = curves_of(rows)
    assert list(curves) == list(LABELS)
    assert curves["width"][0] == {
        "value": 1.0, "pictures": 2, "found": 0.5, "confidence": 0.3, "error": 0.3, "others": 1.0
    }  # fmt: skip
    assert curves["blur"][-1] == {
        "value": 9.0, "pictures": 1, "found": 0.0, "confidence": 0.0, "error": None, "others": None
    }  # fmt: skip
    draw(curves, tmp_path / "curves.svg")
    assert all(label in (tmp_path / "curves.svg").read_text() for label in LABELS.values())


def test_faces_have_the_width_asked_for() -> None:
    """A bright disc of 200 pixels, at a quarter and at one and a half of its size."""
    y, x = np.mgrid[:600, :500]
    image = np.zeros((600, 500, 3), np.uint8)
    image[np.hypot(x - 250, y - 300) < 100] = 255
    for scale in (0.25, 1.5):
        shown = placed(image, np.array((250.0, 300.0)), scale)[..., 0]
        assert shown.shape == (CANVAS[1], CANVAS[0])
        middle = shown[CANVAS[1] // 2]
        assert abs(np.count_nonzero(middle > 192) - 199 * scale) <= 2
        assert middle[CANVAS[0] // 2] == 255
