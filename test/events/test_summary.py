# SPDX-License-Identifier: Apache-2.0
"""Histories and summaries: what is remembered, for how long, and what is said about it."""

from __future__ import annotations

import math

import pytest

from facial_coding_ros.events import History, standard_detectors, summarize
from facial_coding_ros.types import FaceCode, Gaze

from .simulated import START_NS, face_code

FPS = 20.0


def lived(made: object, seconds: float, history_s: float = 120.0) -> History:
    history, detectors = History(history_s), standard_detectors()
    for index in range(round(seconds * FPS)):
        stamp_ns = START_NS + round(index * 1e9 / FPS)
        codes = made(index / FPS)  # type: ignore[operator]
        history.update(codes, detectors.update(codes, stamp_ns), stamp_ns)
    return history


def ns(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def scene(t: float) -> list[FaceCode]:
    """ada smiles from 2 to 4 s, looks at the robot until 6 s and talks from 6.5 to 8.5 s, which shows
    0.25 s late and lasts 0.6 s too long; somebody else comes at 5 s."""
    looking = t < 6
    ada = face_code(
        {12: 0.8 * (2 <= t < 4)}, face_id="a" if t < 5 else "a2", person_id="ada", attention=0.9 * looking,
        gaze=Gaze(0.0 if looking else 25.0, 0.0, 0.8), talking=0.95 * (6.75 <= t < 9.1),
        valence=0.5 if 2 <= t < 4 else 0.0, label="happy" if 2 <= t < 4 else "neutral",
    )  # fmt: skip
    return [ada, face_code(face_id="b")] if t >= 5 else [ada]


def test_shares_events_and_words() -> None:
    first, second = summarize(lived(scene, 10.0), ns(0), ns(10))
    assert (first.person_id, first.face_ids) == ("ada", ("a", "a2")) and second.face_ids == ("b",)
    assert first.seen_share == pytest.approx(1, abs=0.02) and second.seen_share == pytest.approx(0.5, abs=0.02)
    assert first.smiling_share == pytest.approx(0.2, abs=0.02) and first.frowning_share == 0
    assert first.looking_share == pytest.approx(0.6, abs=0.02) and first.talking_share == pytest.approx(0.2, abs=0.03)
    assert first.expressions["happy"] == pytest.approx(0.2, abs=0.02) and sum(
        first.expressions.values()
    ) == pytest.approx(1)
    assert first.valence_mean == pytest.approx(0.1, abs=0.01) and first.valence_trend < 0
    assert [event.kind for event in first.events if event.kind in ("smile", "look_away", "talks")] == [
        "smile", "look_away", "talks",
    ]  # fmt: skip
    assert first.text.startswith("ada looked at the robot most of the time and talked for 2 s. They smiled once")
    assert second.text.startswith("Somebody (b) was in view for 5 of 10 s") and "did not talk" not in second.text


def test_a_part_of_it() -> None:
    history = lived(scene, 10.0)
    (smiling,) = summarize(history, ns(2.5), ns(3.5), "ada")
    assert smiling.smiling_share == pytest.approx(1, abs=0.1) and smiling.valence_mean == pytest.approx(0.5)
    assert [one.person_id for one in summarize(history, ns(0), ns(4))] == ["ada"], "the other one came later"
    (by_face,) = summarize(history, ns(0), ns(10), "a")
    assert by_face.person_id == "ada", "a face that is a person stands for the person"


def test_what_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="no image has come yet"):
        summarize(History(), 0, 1)
    history = lived(scene, 10.0)
    for begin, end, who, words in (
        (3.0, 2.0, "", "before it begins"),
        (20.0, 30.0, "", "outside of what is remembered"),
        (0.0, 10.0, "eve", "'eve' was not seen in the last 120 s; seen: ada, b"),
    ):
        with pytest.raises(ValueError, match=words):
            summarize(history, ns(begin), ns(end), who)
    (unseen,) = summarize(history, ns(0), ns(2), "b")
    assert unseen.seen_share == 0 and unseen.confidence == 0 and math.isnan(unseen.smiling_share)
    assert unseen.text == "Somebody was not in view in these 2 s."


def test_somebody_seen_in_single_images_was_in_view() -> None:
    history = History()
    for at_s, there in ((0.0, False), (1.0, True), (2.0, False), (4.0, False)):
        history.update([face_code(person_id="ada")] if there else [], [], ns(at_s))
    (ada,) = summarize(history, ns(0), ns(4))
    assert ada.text == "ada was seen in one image only in these 4 s, too little to say what they did."
    assert ada.seen_share == 0 and math.isnan(ada.looking_share)
    history.update([face_code(person_id="ada")], [], ns(5.0))
    (ada,) = summarize(history, ns(0), ns(5))
    assert "2 single images only" in ada.text


def test_memory_ends_after_its_time() -> None:
    history = lived(scene, 10.0, history_s=3.0)
    assert history.events("ada", ns(0), ns(10)) and all(e.kind != "smile" for e in history.events("ada", ns(0), ns(10)))
    (rest,) = summarize(history, ns(0), ns(10), "ada")
    assert rest.start_ns == pytest.approx(ns(6.95), abs=2e8) and rest.smiling_share == 0
    history.update([], [], ns(20))
    assert history.people == (), "who has gone is forgotten"
    history.update([face_code()], [], ns(1))
    assert history.people == ("abcde",), "time that goes back begins anew"


def smiling(history: History, begin_s: float, end_s: float, smiles: bool) -> None:
    """ada, for some seconds, as newly made detectors see her."""
    detectors = standard_detectors()
    for index in range(round((end_s - begin_s) * FPS)):
        stamp_ns = ns(begin_s) + round(index * 1e9 / FPS)
        codes = [face_code({12: 0.8 * smiles}, person_id="ada")]
        history.update(codes, detectors.update(codes, stamp_ns), stamp_ns)


def test_a_smile_that_nobody_saw_end_is_over_when_frames_are_missing() -> None:
    history = History()
    smiling(history, 0.0, 2.0, True)
    history.end_open_events()
    smiling(history, 60.0, 70.0, False)
    (then,) = summarize(history, ns(0), ns(2), "ada")
    (now,) = summarize(history, ns(60), ns(70), "ada")
    assert then.smiling_share > 0.8 and now.smiling_share == 0
    assert "smil" not in now.text, now.text


def test_events_of_the_time_before_stamps_went_back_are_not_told_again() -> None:
    history, detectors = History(), standard_detectors()
    for smiles in (True, False):  # a bag, played twice
        for index in range(round(4 * FPS)):
            stamp_ns = START_NS + round(index * 1e9 / FPS)
            codes = [face_code({12: 0.8 * (smiles and index > 2 * FPS)}, person_id="ada")]
            history.update(codes, detectors.update(codes, stamp_ns), stamp_ns)
    (second,) = summarize(history, ns(0), ns(4), "ada")
    assert second.smiling_share == 0 and "smile" not in {event.kind for event in second.events}
