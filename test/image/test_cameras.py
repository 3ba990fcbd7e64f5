# SPDX-License-Identifier: Apache-2.0
"""Cameras of this machine: there, not there, and gone."""

from __future__ import annotations

import itertools

import cv2
import pytest

from facial_coding_ros import code_recording
from facial_coding_ros.image import videos
from facial_coding_ros.image.sources import SourceError, camera_source

from ..conftest import CLIP

NUMBER = 63
"""Of the highest device that Linux numbers by default; no machine that runs tests has so many cameras."""


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that shows the clip, and is unplugged at its end."""
    opened = cv2.VideoCapture
    monkeypatch.setattr(videos, "_check_device", lambda _number: None)
    monkeypatch.setattr(videos.cv2, "VideoCapture", lambda what: opened(str(CLIP) if what == NUMBER else what))


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=f"^camera {NUMBER}: there is no /dev/video{NUMBER} \\(.+\\)$"):
        camera_source(NUMBER)


def test_images_have_the_time_at_which_they_came_and_the_end_is_said(plugged_in: None) -> None:
    source = camera_source(NUMBER)
    assert source.live
    frames = source.frames()
    seen = [next(frames) for _ in range(5)]
    assert [frame.index for frame in seen] == [0, 1, 2, 3, 4] and seen[0].stamp_ns == 0
    assert all(later.stamp_ns > frame.stamp_ns for frame, later in itertools.pairwise(seen))
    with pytest.raises(
        SourceError, match=rf"^camera {NUMBER} gives no more images, after \d\d+: is it still connected"
    ):
        list(frames)


def test_the_people_before_it_are_coded(plugged_in: None) -> None:
    coded = iter(code_recording(NUMBER))
    assert any(len(next(coded).faces) == 2 for _ in range(10))
