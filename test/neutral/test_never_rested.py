# SPDX-License-Identifier: Apache-2.0
"""A neutral learnt from somebody who never rested does not stay, and what is hidden does not enter it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facial_coding_ros import FaceCode, Frame, Pipeline
from facial_coding_ros.learning.studies.demo_clip import portraits
from facial_coding_ros.learning.synthesis.portrait import PortraitFrame, Turn
from facial_coding_ros.neutral import NeutralKeeper
from facial_coding_ros.neutral.contradiction import HeldLook, improbability, unlikeliness
from facial_coding_ros.neutral.hidden_regions import SeenRegions, hidden
from facial_coding_ros.neutral.prior import FacePrior
from facial_coding_ros.neutral.vectors import DENSE_SIZE, to_vector
from facial_coding_ros.types import NeutralState, Visibility

from .test_neutral import Actor, a_face, dense_size, run

FPS = 10
CRYING = {1: 0.5, 4: 0.7, 6: 0.6, 7: 0.5, 9: 0.8, 10: 0.4, 15: 0.5, 17: 0.4, 20: 0.3, 25: 0.3}
LAUGHING = {6: 0.8, 12: 0.9, 25: 0.9, 26: 0.5}


def covered(frame: PortraitFrame) -> np.ndarray:
    """The frame with a hand, seen from its back, over the mouth."""
    image, mesh = frame.image.copy(), frame.mesh[:, :2]
    unit = float(np.linalg.norm(mesh[[33, 133]].mean(0) - mesh[[263, 362]].mean(0)))
    skin = np.median([image[int(y), int(x)] for x, y in mesh[[50, 280, 205, 425]]], axis=0) * 0.9
    x, y = (mesh[13] + (0, 0.15 * unit)).astype(int).tolist()
    size = round(0.7 * unit), round(0.42 * unit)
    cv2.ellipse(image, (x, y), size, 8, 0, 360, skin.tolist(), -1, cv2.LINE_AA)
    return image


def cries_and_laughs() -> Iterator[np.ndarray]:
    """10 s of crying behind a hand, then 4 s of laughter."""
    portrait = portraits()[1]
    rng = np.random.default_rng(0)
    turns = [Turn(yaw, pitch, roll) for yaw, pitch, roll in rng.normal(0, (2, 1.5, 1), (4, 3)).tolist()]

    def pictures(units: dict[int, float], behind_hand: bool = False) -> list[np.ndarray]:
        frames = [
            portrait.frame({code: share * v for code, v in units.items()}, turn=turn)
            for turn, share in zip(turns, (1.0, 0.85, 0.7, 0.85), strict=True)
        ]
        return [covered(frame) if behind_hand else frame.image for frame in frames]

    for shown, seconds in ((pictures(CRYING, True), 10), (pictures(LAUGHING), 4)):
        for number in range(seconds * FPS):
            image = shown[number // 3 % len(shown)]
            yield np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def codes() -> dict[float, FaceCode]:
    """What is said of them, by seconds."""
    with closing(Pipeline()) as pipeline:
        found = [
            (number / FPS, pipeline.process(Frame(image, round(number / FPS * 1e9))))
            for number, image in enumerate(cries_and_laughs())
        ]
    return {seconds: faces[0] for seconds, faces in found if faces}


def test_laughter_after_crying_behind_a_hand_is_no_disgust(codes: dict[float, FaceCode]) -> None:
    laughing = [code for seconds, code in codes.items() if 10.5 <= seconds < 14]
    assert len(laughing) == 35
    assert max(code.aus[9] for code in laughing) < 0.2
    assert np.mean([code.aus[12] for code in laughing]) > 0.5


def cries(t: float) -> dict[str, float]:
    jaw, brow, smile = (math.sin(rate * t) for rate in (5, 3, 4))
    return {"jaw": 0.5 + 0.15 * jaw, "brow": 0.8 + 0.2 * brow, "smile": 0.8 + 0.1 * smile}


@pytest.mark.parametrize("number", range(3))
def test_a_neutral_of_crying_is_given_up_within_two_seconds_of_calm(number: int) -> None:
    """Somebody who cries in a way of their own, which the shapes explain badly, and then rests."""
    keeper, actor = NeutralKeeper(), Actor(number, own=1.2)
    smile = dense_size(actor.show(smile=1.0), actor.neutral)
    crying, t = run(keeper, actor, cries, 10.0)
    assert dense_size(crying.registered, actor.neutral) > 0.5 * smile
    calm, t = run(keeper, actor, lambda t: {}, 2.0, start=t)
    assert calm.state is NeutralState.LEARNING
    assert dense_size(calm.registered, actor.neutral) < 0.1 * smile
    known, _ = run(keeper, actor, lambda t: {}, 1.5, start=t)
    assert known.state is NeutralState.READY


@pytest.mark.parametrize("number", range(3))
def test_the_neutral_of_somebody_who_rested_survives_crying_and_a_held_smile(number: int) -> None:
    keeper, actor = NeutralKeeper(), Actor(number, own=1.2)
    smile = dense_size(actor.show(smile=1.0), actor.neutral)
    _, t = run(keeper, actor, lambda t: {}, 5.0)
    for script in (cries, lambda t: {"smile": 1.0}, lambda t: {"brow": 0.8}):
        neutral, t = run(keeper, actor, script, 10.0, start=t)
        assert neutral.state is NeutralState.READY
        assert dense_size(neutral.registered, actor.neutral) < 0.1 * smile


def test_raised_brows_do_not_become_the_neutral_of_somebody_who_rested() -> None:
    """Raised and lowered brows are opposites: either explains the other, and the raise is even the likelier neutral."""
    keeper, actor = NeutralKeeper(), Actor(24, own=0.6)
    smile = dense_size(actor.show(smile=1.0), actor.neutral)
    _, t = run(keeper, actor, lambda t: {}, 6.0, fps=10)
    for _ in range(3):
        _, t = run(keeper, actor, lambda t: {"brow": 0.5, "frown": -0.5}, 1.5, start=t, fps=10)
        neutral, t = run(keeper, actor, lambda t: {}, 2.5, start=t, fps=10)
        assert neutral.state is NeutralState.READY
        assert dense_size(neutral.registered, actor.neutral) < 0.05 * smile


@pytest.mark.parametrize("number", range(3))
def test_a_smile_from_the_first_frame_is_no_rest_however_long_beside_other_expressions(number: int) -> None:
    keeper, actor = NeutralKeeper(), Actor(number, own=0.6)
    smile = dense_size(actor.show(smile=1.0), actor.neutral)
    script = lambda t: {"smile": 1.0, "brow": float(t % 3 > 2), "blink": float(t % 2 > 1.7)}  # noqa: E731
    neutral, _ = run(keeper, actor, script, 12.0)
    assert dense_size(neutral.registered, actor.neutral) < 0.6 * smile


def test_a_held_look_is_still_and_straight() -> None:
    actor, prior = Actor(3), FacePrior.load()
    rest, smile = (to_vector(actor.show(smile=value)) for value in (0, 1))

    def held_for(shown: list[np.ndarray], weight: float = 1.0) -> float:
        look = HeldLook(prior)
        for number, vector in enumerate(shown):
            if look.observe(vector, weight, 0.05):
                return (number + 1) * 0.05
        return float("inf")

    assert held_for([rest] * 60) == pytest.approx(1.25, abs=0.05)
    assert held_for([rest] * 60, weight=0.05) == float("inf")
    assert held_for([smile if number // 8 % 2 else rest for number in range(60)]) == float("inf")


@pytest.mark.parametrize("number", range(5))
def test_a_smile_is_an_expression_of_rest_and_rest_none_of_a_smile(number: int) -> None:
    actor, prior = Actor(number), FacePrior.load()
    rest, smile = (
        (to_vector(actor.show(smile=value, noise=0.003)) - prior.mean) @ prior.coordinates for value in (0, 1)
    )
    assert improbability(rest, smile[None], prior) < improbability(smile, rest[None], prior)
    assert unlikeliness(rest, prior) < min(1.0, unlikeliness(smile, prior))


def test_a_neutral_that_was_set_is_not_given_up() -> None:
    keeper, actor = NeutralKeeper(), Actor(2)
    keeper.set_neutral("f", actor.show(smile=1.0, brow=1.0))
    neutral, _ = run(keeper, actor, lambda t: {}, 5.0)
    assert neutral.state is NeutralState.READY


def a_visibility(brows: float = 1.0, eyes: float = 1.0, lower_face: float = 1.0) -> Visibility:
    return Visibility((brows + eyes + lower_face) / 3, brows, eyes, lower_face)


def test_a_region_is_hidden_where_others_are_seen() -> None:
    assert hidden(a_visibility(lower_face=0.1)) == {"lower_face"}
    assert hidden(a_visibility(eyes=0.0, brows=0.2)) == {"brows", "eyes"}
    assert not hidden(a_visibility(0.1, 0.12, 0.1))  # far away: all is seen badly, nothing hidden
    assert not hidden(a_visibility(lower_face=0.6))


def test_what_was_never_seen_is_the_mean_persons() -> None:
    regions, actor = SeenRegions(), Actor(1)
    assert not regions.come_to_sight(frozenset({"lower_face"}), 0.1)
    filled = regions.filled(to_vector(actor.show(jaw=1.0)), None)
    points, mean = filled[:DENSE_SIZE].reshape(-1, 3), FacePrior.load().mean[:DENSE_SIZE].reshape(-1, 3)
    own = actor.show(jaw=1.0).dense
    np.testing.assert_array_equal(points[[14, 17, 152]], mean[[14, 17, 152]])
    np.testing.assert_allclose(points[[33, 105, 263]], own[[33, 105, 263]], atol=1e-6)
    # A single frame in which a patterned hand looks like a mouth changes nothing; half a second does.
    assert not regions.come_to_sight(frozenset(), 0.1)
    assert [regions.come_to_sight(frozenset(), 0.1) for _ in range(3)].count(True) == 1
    assert regions.usable(frozenset()) and not regions.usable(frozenset({"lower_face"}))


def test_a_hand_before_the_mouth_does_not_move_a_neutral() -> None:
    keeper, actor = NeutralKeeper(), Actor(6)
    before, t = run(keeper, actor, lambda t: {}, 5.0)
    behind_hand = replace(a_face(), visibility=a_visibility(lower_face=0.0))
    after, _ = run(keeper, actor, lambda t: {"jaw": 1.0}, 5.0, start=t, face=behind_hand)
    assert dense_size(after.registered, before.registered) < 1e-6


def test_somebody_whose_eyes_are_never_seen_has_a_neutral() -> None:
    keeper, actor = NeutralKeeper(), Actor(7)
    sunglasses = replace(a_face(), visibility=a_visibility(eyes=0.0))
    neutral, _ = run(keeper, actor, lambda t: {}, 5.0, face=sunglasses)
    assert neutral.state is NeutralState.READY
    lips = [61, 291, 13, 14]
    apart = np.linalg.norm(neutral.registered.dense[lips] - actor.neutral.dense[lips], axis=1)
    assert apart.max() < 0.03
