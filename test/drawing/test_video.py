# SPDX-License-Identifier: Apache-2.0
"""Videos with drawings: they play as fast as their images were taken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.drawing.video import LONGEST_GAP_S, VideoWriter

FPS = 10.0


def shades(path: Path) -> list[int]:
    """Mean grey level of each image of a video."""
    capture = cv2.VideoCapture(str(path))
    levels = []
    while (read := capture.read())[0]:
        levels.append(round(float(read[1].mean())))
    return levels


def written(path: Path, stamps_s: list[float]) -> list[int]:
    """Images of 20, 60, 100 ... grey levels at these stamps: which of them each image of the video is."""
    with VideoWriter(path, FPS) as video:
        for number, stamp_s in enumerate(stamps_s):
            video.write(np.full((48, 64, 3), 20 + 40 * number, np.uint8), round(stamp_s * 1e9))
    return [round((level - 20) / 40) for level in shades(path)]


@pytest.mark.parametrize(
    ("stamps_s", "images"),
    [
        ([5.0, 5.1, 5.2], [0, 1, 2]),
        ([5.0, 5.104, 5.197, 5.3], [0, 1, 2, 3]),  # stamps of a real camera
        ([5.0, 5.1, 5.5, 5.6], [0, 1, 1, 1, 1, 2, 3]),  # images that were not coded
        ([5.0, 5.02, 5.04, 5.4], [0, 1, 2, 2, 3]),  # none is left out, and time is caught up
        ([5.0, 5.1, 5.1 + 2 * LONGEST_GAP_S, 5.2 + 2 * LONGEST_GAP_S], [0, 1, 2, 3]),
        ([5.0, 5.1, 1.0, 1.1, 1.3], [0, 1, 2, 3, 3, 4]),  # a recording that starts anew
    ],
)
def test_time_is_kept(tmp_path: Path, stamps_s: list[float], images: list[int]) -> None:
    assert written(tmp_path / "video.webm", stamps_s) == images


def test_nothing_is_left_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "video.webm", FPS) as video:
        video.write(np.zeros((48, 64, 3), np.uint8), 0)
        raise RuntimeError
    assert not list(tmp_path.iterdir())
