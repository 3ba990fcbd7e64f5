# SPDX-License-Identifier: Apache-2.0
"""Fusion of witnesses, a person's own resting appearance, and what small or hidden faces are told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facial_coding_ros.coding.expression import EXPRESSION_LABELS, ExpressionSettings
from facial_coding_ros.coding.expression.resting import MAX_SUBJECTS, MEMORY_S, RestingAppearance
from facial_coding_ros.coding.expression.witness_fusion import (
    ExpressionFusion,
    Witnesses,
    log_softmax,
    told_of,
)
from facial_coding_ros.types import Neutral, NeutralState, Registered, Visibility

SEEN = Visibility(1.0, 1.0, 1.0, 1.0)
NONE = Neutral(NeutralState.NONE, None, math.nan)
READY = Neutral(NeutralState.READY, Registered(np.zeros((68, 2)), np.zeros((468, 3))), 0.01)
SECOND = 1_000_000_000


def sure_of(label: str, share: float = 0.9) -> np.ndarray:
    shares = np.full(8, (1 - share) / 7, np.float32)
    shares[EXPRESSION_LABELS.index(label)] = share
    return np.log(shares)


def told(appearance, neutral=NONE, rest=None, rest_s=0.0, latent="neutral", visible=SEEN, size=150.0) -> Witnesses:
    shares = np.exp(sure_of(latent))
    aus = np.zeros(9, np.float32)
    aus[EXPRESSION_LABELS.index(latent)], aus[8] = 0.7, 0.3
    return Witnesses(
        appearance[None],
        (appearance if rest is None else rest)[None],
        np.array([rest_s], np.float32),
        shares[None],
        aus[None],
        [neutral],
        [visible],
        [size],
    )


@pytest.fixture(scope="module")
def fusion() -> ExpressionFusion:
    return ExpressionFusion.load()


def test_a_stranger_is_told_from_appearance_whatever_the_others_say(fusion):
    for label in ("neutral", "happy", "sad", "angry", "surprised"):
        answers = [fusion.probability(told(sure_of(label), latent=other))[0] for other in ("neutral", "angry")]
        assert answers[0].argmax() == EXPRESSION_LABELS.index(label)
        np.testing.assert_array_equal(answers[0], answers[1])
        assert answers[0].sum() == pytest.approx(1, abs=1e-5)


def test_somebody_who_looks_angry_at_rest_is_neutral_once_that_is_known(fusion):
    looks = sure_of("angry", 0.6)
    stranger = fusion.probability(told(looks))[0]
    known = fusion.probability(told(looks, READY, looks, rest_s=5.0))[0]
    assert stranger.argmax() == EXPRESSION_LABELS.index("angry")
    assert known.argmax() == 0 and known[0] > 0.5
    # What then changes is told, although it is the same face.
    smile = fusion.probability(told(sure_of("happy"), READY, looks, rest_s=5.0, latent="happy"))[0]
    assert smile.argmax() == EXPRESSION_LABELS.index("happy")


def test_hidden_and_small_faces_are_told_with_more_doubt(fusion):
    looks = sure_of("happy", 0.6)
    full = fusion.probability(told(looks)).max()
    small = fusion.probability(told(looks, size=16.0)).max()
    covered = fusion.probability(told(looks, visible=Visibility(0.6, 1.0, 1.0, 0.0))).max()
    assert small <= full and covered <= full
    assert min(small, covered) < full
    unseen = told_of(
        fusion.probability(told(looks)), [Visibility(0.0, 0, 0, 0)], ExpressionSettings(), np.zeros((1, 2))
    )
    assert unseen[0].label == "unsure" and unseen[0].unsure == pytest.approx(1)


def test_trust_falls_with_the_state_and_the_error_of_the_neutral(fusion):
    assert fusion.trust_of(NONE) == 0
    learning = Neutral(NeutralState.LEARNING, READY.registered, 0.01)
    doubtful = Neutral(NeutralState.READY, READY.registered, 0.1)
    assert 0 < fusion.trust_of(learning) <= fusion.trust_of(READY) <= 1
    assert fusion.trust_of(doubtful) < 0.5


def test_rest_is_learnt_at_rest_and_hardly_in_a_smile():
    resting = RestingAppearance()
    neutral, happy = log_softmax(sure_of("neutral")), log_softmax(sure_of("happy"))
    for i in range(20):  # two seconds at rest
        logits, seconds = resting.update("a", neutral, 0.004, READY, 1.0, i * SECOND // 10)
    assert seconds == pytest.approx(1.9 * 1.1, rel=0.05)
    np.testing.assert_allclose(logits, neutral, atol=1e-5)
    for i in range(20, 40):  # two of a smile
        logits, seconds = resting.update("a", happy, 0.08, READY, 1.0, i * SECOND // 10)
    assert logits.argmax() == 0 and seconds < 2.5


def test_rest_of_a_person_outlasts_the_face_and_goes_with_the_neutral():
    resting = RestingAppearance()
    looks = sure_of("angry")
    for i in range(10):
        resting.update("face", looks, 0.0, READY, 1.0, i * SECOND // 10)
    resting.adopt("face", "person")
    assert resting.update("person", looks, 0.0, READY, 1.0, SECOND)[1] > 0.8
    assert resting.update("face", looks, 0.0, READY, 1.0, SECOND)[1] == 0
    learning = Neutral(NeutralState.LEARNING, READY.registered, 0.05)
    assert resting.update("person", looks, 0.0, learning, 1.0, SECOND)[1] == 0  # reset_neutral
    assert resting.update("person", looks, 0.0, READY, 1.0, 0)[1] == 0  # a bag that begins again
    assert resting.update("person", looks, math.nan, NONE, 1.0, SECOND)[1] == 0


def test_rest_is_bounded():
    resting = RestingAppearance()
    for i in range(2 * MAX_SUBJECTS):
        resting.update(f"f{i}", sure_of("sad"), 0.0, READY, 1.0, i)
    assert len(resting._subjects) == MAX_SUBJECTS
    for i in range(2000):
        _, seconds = resting.update("x", sure_of("sad"), 0.0, READY, 1.0, i * SECOND // 10)
    assert seconds == MEMORY_S


def test_a_label_stays_while_it_is_likely_and_happy_and_neutral_need_less():
    settings = ExpressionSettings()
    assert settings.fused_unsure_below == 0.65

    def label(name, share, before=""):
        return told_of(np.exp(sure_of(name, share))[None], [SEEN], settings, np.zeros((1, 2)), [before])[0].label

    assert label("sad", 0.64) == "unsure" and label("sad", 0.66) == "sad"
    assert label("happy", 0.59) == "unsure" and label("happy", 0.61) == "happy"
    assert label("neutral", 0.51) == "neutral" and label("neutral", 0.49) == "unsure"
    assert label("happy", 0.41, "happy") == "happy" and label("happy", 0.39, "happy") == "unsure"
    assert label("sad", 0.45, "happy") == "unsure"
