# SPDX-License-Identifier: Apache-2.0
"""Scenes of portraits: what they show and say they show, and that the pipeline tells what is recorded of them."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

pytest.importorskip("mediapipe", reason="the mesh of a portrait is MediaPipe's")

from facial_coding_ros.coding.expression.appearance import AppearanceHead
from facial_coding_ros.coding.expression.witness_fusion import ExpressionFusion
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import InferenceSettings
from facial_coding_ros.learning.expression.face_covers import hand_over, mask_over
from facial_coding_ros.learning.expression.portrait_scenes import (
    BETWEEN,
    RATE_HZ,
    RESTING,
    SCENE_S,
    SMILING,
    TALKING,
    SceneFrame,
    draw_script,
    portrait_scene,
)
from facial_coding_ros.learning.expression.watched_scenes import watch
from facial_coding_ros.learning.synthesis.portrait import measured_mesh
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.types import Frame

from ...conftest import CLIP

LOWER_FACE, FOREHEAD = [17, 199, 84, 314], [9, 108, 337]


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """The left half of the demo clip."""
    image = next(open_source(CLIP).frames()).image
    return np.ascontiguousarray(image[:, : image.shape[1] // 2])


def test_scripts_show_all_and_begin_with_any() -> None:
    scripts = [draw_script(np.random.default_rng(seed), smile=True) for seed in range(60)]
    assert all(SCENE_S <= sum(one.seconds for one in script) < SCENE_S + 2.5 for script in scripts)
    segments = [one for script in scripts for one in script]
    assert {one.label for one in segments} == set(range(8))
    assert {RESTING, SMILING, TALKING} <= {one.kind for one in segments}
    assert all(one.label == 0 for one in segments if one.kind in (RESTING, TALKING))
    assert any(one.hand for one in segments) and any(abs(one.turn.yaw_deg) > 15 for one in segments)
    assert {0, 1} <= {script[0].label for script in scripts}


def test_covers_lie_on_the_lower_face(portrait: np.ndarray) -> None:
    mesh = measured_mesh(portrait)
    at = mesh[:, :2].round().astype(int)
    masked = mask_over(portrait, mesh, (240, 240, 240))
    hidden, free = (np.array([masked[y, x] for x, y in at[points]], int) for points in (LOWER_FACE, FOREHEAD))
    assert (abs(hidden - 240) < 40).all()
    np.testing.assert_array_equal(free, [portrait[y, x] for x, y in at[FOREHEAD]])
    hands = [hand_over(portrait, mesh, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(hands[0], hands[1])
    assert (hands[0] != hands[2]).any()
    changed = (hands[0] != portrait).any(2)
    assert changed[at[:, 1].min() :, :].any() and changed.mean() < 0.5


def test_frames_say_what_they_show(portrait: np.ndarray) -> None:
    shown = list(islice(portrait_scene(portrait, None, np.random.default_rng(1)), 40))
    assert [frame.stamp_ns for frame in shown] == [round(i / RATE_HZ * 1e9) for i in range(40)]
    assert shown[0].label != BETWEEN
    labels = {frame.label for frame in shown}
    assert len(labels - {BETWEEN}) > 1


def test_what_is_recorded_of_a_scene_is_what_the_pipeline_tells(portrait: np.ndarray) -> None:
    settings = PipelineSettings(inference=InferenceSettings(backend="onnxruntime"))
    images = [frame.image for frame in islice(open_source(CLIP).frames(), 12)]
    images = [np.ascontiguousarray(image[:, : image.shape[1] // 2]) for image in images]
    stamps = [40_000_000 * i for i in range(len(images))]
    watched = watch(SceneFrame(image, 0, RESTING, False, stamp) for image, stamp in zip(images, stamps, strict=True))
    assert watched is not None and len(watched) > 5
    again = watched.retold(
        PerceptualCoder(inference=settings.inference), FacsEstimator.load(inference=settings.inference)
    )
    np.testing.assert_allclose(again.latent, watched.latent, atol=1e-4)
    np.testing.assert_allclose(again.aus, watched.aus, atol=1e-4)
    assert (again.latent > 0).any() and again.aus.std(0).max() > 0
    head = AppearanceHead.load(inference=settings.inference)
    points = watched.points.astype(np.float32).reshape(len(watched), -1, 3)
    told = ExpressionFusion.load().probability(watched.witnesses(head.logits(watched.features, points)))
    pipeline = Pipeline(settings)
    live = {}
    for image, stamp in zip(images, stamps, strict=True):
        for code in pipeline.process(Frame(image, stamp)):
            live[stamp] = code.expression.probability
    pipeline.close()
    assert list(live) == watched.stamp_ns.tolist()
    shares = np.stack(list(live.values()))
    shares = shares / shares.sum(1, keepdims=True)  # without what parts that are hardly seen leave unsure
    np.testing.assert_allclose(told, shares, atol=0.01)  # features are kept in half precision
