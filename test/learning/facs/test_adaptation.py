# SPDX-License-Identifier: Apache-2.0
"""A network says with another registration what it said with the one it was learnt with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from facial_coding_ros.keypoints import Registration
from facial_coding_ros.learning.facs.adaptation import AdaptationOptions, adapt
from facial_coding_ros.learning.facs.disturbances import neutral_errors
from facial_coding_ros.learning.facs.motion_sets import load_motions
from facial_coding_ros.learning.facs.network import from_onnx
from facial_coding_ros.models import model_path

from .test_training import rendered  # noqa: F401


def test_it_says_what_it_said_though_motions_are_registered_otherwise(rendered: Path) -> None:  # noqa: F811
    first = from_onnx(model_path("facs.onnx").read_bytes())
    before = load_motions([rendered], Registration())
    before = before.take(np.arange(0, len(before.motion), 5))
    # Faces of the set do not turn, so that the other registration is put into the motions themselves: they are wider.
    anew = replace(before, motion=before.motion * np.array([1.5, 1, 1], np.float32))
    errors = neutral_errors(50, np.random.default_rng(0))
    options = AdaptationOptions(steps=60, batch=(256,))
    turns = errors[:20], errors[:20] * np.array([1.5, 1, 1], np.float32)
    further = adapt(first, [(before, anew)], turns, errors, options)
    wanted, exchanged, learnt = (
        network.sides(data) for network, data in ((first, before), (first, anew), (further, anew))
    )
    assert np.abs(exchanged - wanted).mean() > 0.005
    assert ((learnt - wanted) ** 2).mean() < 0.6 * ((exchanged - wanted) ** 2).mean()
    np.testing.assert_array_equal(further.threshold, first.threshold)
    np.testing.assert_array_equal(further.projection.weights, first.projection.weights)
