# SPDX-License-Identifier: Apache-2.0
"""Fewer images than the camera gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.image.rate import RateLimit
from facial_coding_ros.image.settings import ImageSettings
from facial_coding_ros.image.sources import open_source


def _taken(stamps_s: list[float], max_rate_hz: float) -> list[float]:
    limit = RateLimit(max_rate_hz)
    return [stamp_s for stamp_s in stamps_s if limit.takes(round(stamp_s * 1e9))]


@pytest.mark.parametrize("camera_hz", [15.0, 25.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("max_rate_hz", [1.0, 7.0, 10.0, 12.5, 20.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.004])
def test_the_mean_rate_is_kept(camera_hz: float, max_rate_hz: float, jitter_s: float) -> None:
    """Whether or not it divides the camera's, and though a camera's stamps are not even."""
    noise = np.random.default_rng(0)
    stamps = np.arange(0, 20, 1 / camera_hz)
    stamps += noise.uniform(-jitter_s, jitter_s, len(stamps))
    taken = _taken(list(1.7e9 + stamps), max_rate_hz)
    assert len(taken) == pytest.approx(20 * min(max_rate_hz, camera_hz), rel=0.02, abs=1)
    if max_rate_hz < camera_hz:
        assert np.diff(taken).max() < 1 / max_rate_hz + 1 / camera_hz + 2 * jitter_s


def test_all_are_taken_by_default_and_at_the_cameras_own_rate() -> None:
    stamps = [index / 30 + (0.002 if index % 2 else 0) for index in range(60)]
    assert _taken(stamps, 0) == stamps == _taken(stamps, 30) == _taken(stamps, 60)


def test_after_a_gap_and_in_a_new_time_it_goes_on_at_once() -> None:
    assert _taken([0.0, 0.03, 5.0, 5.03, 5.1], 10) == [0.0, 5.0, 5.1]
    assert _taken([100.0, 100.05, 1.0, 1.05, 1.1], 10) == [100.0, 1.0, 1.1]


def test_the_rate_may_change_while_it_runs() -> None:
    limit = RateLimit(1.0)
    assert limit.takes(0) and not limit.takes(500_000_000)
    limit.max_rate_hz = 0
    assert limit.takes(510_000_000)
    limit.max_rate_hz = 10
    assert limit.takes(520_000_000) and not limit.takes(560_000_000) and limit.takes(620_000_000)


def test_a_recording_is_read_at_that_rate(tmp_path: Path) -> None:
    for index in range(12):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), np.full((8, 8, 3), index, np.uint8))
    source = open_source(tmp_path, fps=30, settings=ImageSettings(max_rate_hz=10))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 3, 6, 9]
    assert (source.fps, source.count) == (10, 4)
