# SPDX-License-Identifier: Apache-2.0
"""Speech-like motion: syllables whose jaw opens and closes, and the truth that is measured on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from facial_coding_ros.learning.studies.speech_on_portraits import FPS, REST_S, TALK_S, talk, talking


def test_a_mouth_that_talks_opens_several_times_a_second() -> None:
    jaw = np.array([units.get(26, 0.0) for units in talk(np.random.default_rng(1))])
    assert len(jaw) == TALK_S * FPS
    opened = ((jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:])).sum()
    assert 2.5 < opened / TALK_S < 6
    assert jaw.min() == 0 and 0.5 < jaw.max() <= 1


def test_the_truth_is_of_the_drawn_mouth(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), skimage.data.astronaut()[5:305, 90:357, ::-1])
    shown = list(talking(path, np.random.default_rng(1)))
    parted, jaw = np.array([(apart, opened) for _, apart, opened in shown]).T
    resting = round(REST_S * FPS)
    assert np.isnan(parted[:resting]).all() and np.isfinite(parted[resting:]).all()
    assert np.corrcoef(parted[resting:], jaw[resting:])[0, 1] > 0.8
    assert shown[0][0].dtype == np.uint8 and 0.2 < parted[resting:].max() <= 1
