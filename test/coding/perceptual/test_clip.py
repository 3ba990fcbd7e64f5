# SPDX-License-Identifier: Apache-2.0
"""The shipped models on a real clip: neutral, smile, neutral, smile, neutral."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from facial_coding_ros.coding.expression import ExpressionDwell
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.pipeline import Pipeline

from ...conftest import REPOSITORY

CLIP = REPOSITORY.parent / "shared" / "data" / "clips" / "smile.mov"


@pytest.mark.slow
@pytest.mark.skipif(not CLIP.is_file(), reason=f"the clip {CLIP} is not there")
def test_smile_clip_goes_neutral_happy_neutral():
    pipeline, coder, dwell = Pipeline(), PerceptualCoder(), ExpressionDwell()
    stamps, labels, sent, valence = [], [], [], []
    for frame in open_source(CLIP).frames():
        faces = pipeline.tracker.track(frame)
        if not faces:
            continue
        face = faces[0]
        registered = pipeline.registration.register([face.mesh])
        neutral = pipeline.neutral.update(face.subject_key, registered[0], face, frame.stamp_ns)
        latents, expressions = coder.estimate(registered, [neutral], [face.subject_key], frame.stamp_ns)
        assert latents.shape == (1, 30) and np.isfinite(latents).all()
        stamps.append(frame.stamp_ns * 1e-9)
        labels.append(expressions[0].label)
        sent.append(dwell.update(face.subject_key, expressions[0], frame.stamp_ns))
        valence.append(expressions[0].valence)
    pipeline.close()
    pairs = zip(stamps, labels, strict=True)
    runs = [(label, [s for s, _ in group]) for label, group in groupby(pairs, lambda pair: pair[1])]
    held = [(label, times[-1] - times[0]) for label, times in runs]
    assert [label for label, seconds in held if seconds > 0.3] == ["neutral", "happy", "neutral", "happy", "neutral"]
    spoken = [label for label in sent if label]  # nothing is said in the first third of a second
    assert [label for label, _ in groupby(spoken)] == ["neutral", "happy", "neutral", "happy", "neutral"]
    mean = {name: np.mean([v for v, label in zip(valence, labels, strict=True) if label == name]) for name in labels}
    assert mean["happy"] > 0.3 and abs(mean["neutral"]) < 0.1
