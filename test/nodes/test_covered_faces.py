# SPDX-License-Identifier: Apache-2.0
"""REP-155's action units of a face with a mask: 72 for the lower face, and none of its units."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_ros import PipelineSettings
from facial_coding_ros.action_units import ACTION_UNITS
from facial_coding_ros.learning.synthesis.coverings import cover
from facial_coding_ros.learning.tracking.scenes import portrait
from facial_coding_ros.nodes.messages import facs, header_of
from facial_coding_ros.pipeline import Pipeline
from facial_coding_ros.still_coder import still_settings
from facial_coding_ros.types import Frame


def test_units_of_a_masked_face() -> None:
    image = portrait("collins")
    with closing(Pipeline(still_settings(PipelineSettings()))) as pipeline:
        (bare,) = pipeline.process(Frame(image, 0))
        pipeline.reset()
        masked = cover(image, bare.face.mesh, "mask", np.random.default_rng(2)).image
        (hidden,) = pipeline.process(Frame(masked, 0))
    lower = [unit.code for unit in ACTION_UNITS if unit.region == "lower_face"]
    brows = [unit.code for unit in ACTION_UNITS if unit.region == "brows"]
    shown, covered = facs(header_of(0, "camera"), bare), facs(header_of(0, "camera"), hidden)
    assert all(shown.confidence[unit] > 0 for unit in (*lower, *brows)) and shown.intensity[72] == 0
    assert not any(covered.confidence[unit] for unit in lower) and covered.intensity[72] > 0.7
    assert all(covered.confidence[unit] > 0 for unit in brows) and covered.intensity[70] == 0
