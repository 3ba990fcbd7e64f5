# SPDX-License-Identifier: Apache-2.0
"""Codes of faces that are turned in the image: those of the same faces upright."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from facial_coding_ros.image.sources import Span, open_source
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.types import FaceCode, Frame

from .conftest import CLIP

SETTINGS = PipelineSettings(tracking=TrackingSettings(id_seed=1))
ALONG = {0: (0, 1), 90: (1, 1), 180: (0, -1), 270: (1, -1)}
"""Axis and direction in the turned image of what is to the right in the upright one."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Two people who move their faces, every third frame of six seconds."""
    return list(open_source(CLIP, span=Span(4.0, 10.0)).frames())[::3]


def coded(frames: list[Frame], turn_deg: int) -> list[list[FaceCode]]:
    """Codes of each frame, turned clockwise; the person on the left of the upright image first."""
    axis, sign = ALONG[turn_deg]
    with closing(Pipeline(SETTINGS)) as pipeline:
        rows = []
        for frame in frames:
            image = np.ascontiguousarray(np.rot90(frame.image, -turn_deg // 90))
            codes = pipeline.process(replace(frame, image=image))
            rows.append(sorted(codes, key=lambda code: sign * float(code.face.mesh[:, axis].mean())))
        return rows


@pytest.fixture(scope="module")
def upright(frames: list[Frame]) -> list[list[FaceCode]]:
    return coded(frames, 0)


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_codes_of_turned_faces_are_those_of_upright_ones(
    frames: list[Frame], upright: list[list[FaceCode]], turn_deg: int
) -> None:
    turned = coded(frames, turn_deg)
    together = [(a, b) for a, b in zip(upright, turned, strict=True) if len(a) == len(b) == 2]
    pairs = [pair for one, other in together for pair in zip(one, other, strict=True)]
    assert len(pairs) > 0.9 * 2 * len(frames)

    def apart(name: str, part: str = "") -> np.ndarray:
        whose = [[getattr(code, name) for code in pair] for pair in pairs]
        values = np.array([[getattr(one, part) if part else one for one in pair] for pair in whose], float)
        return np.abs(values[:, 1] - values[:, 0])

    assert np.nanmean(apart("aus", "intensity")) < 0.02, "without the roll's correction: 0.03 to 0.07"
    assert np.nanmean(apart("dfecs")) < 0.03 and np.nanmean(apart("latent")) < 0.03
    assert apart("expression", "probability").mean() < 0.012
    assert np.nanmean(apart("gaze", "yaw_deg")) < 1 and np.nanmean(apart("gaze", "pitch_deg")) < 1
    poses = [(a.face.pose, b.face.pose) for a, b in pairs]
    assert max(abs(a.yaw_deg - b.yaw_deg) + abs(a.pitch_deg - b.pitch_deg) for a, b in poses) < 3
    rolls = np.array([b.roll_deg - a.roll_deg - turn_deg for a, b in poses])
    assert np.abs((rolls + 180) % 360 - 180).max() < 1.5
    assert all(-180 <= b.roll_deg <= 180 for _, b in poses)
