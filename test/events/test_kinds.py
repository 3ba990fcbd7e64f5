# SPDX-License-Identifier: Apache-2.0
"""Kinds of events as data: what they find, what they leave alone, and what wrong settings say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.events import EventSettings, Phase, standard_detectors
from facial_coding_ros.events.kinds import read_kinds, rule_of
from facial_coding_ros.events.per_face import PerFace
from facial_coding_ros.types import FaceCode, Gaze

from .simulated import FRAME_NS, START_NS, face_code, played


def detector(kind: str, **settings: object) -> PerFace:
    """Of one kind of config/events.yaml, with other settings."""
    rules = {rule.kind: rule for rule in read_kinds()}
    rule = rules[kind]
    if settings:
        import dataclasses

        rule = dataclasses.replace(rule, **settings)  # type: ignore[arg-type]
    return PerFace(rule.kinds, rule.follower)


def seconds(stamp_ns: int | None) -> float:
    assert stamp_ns is not None
    return (stamp_ns - START_NS) / 1e9


def ramp(t: float, begin: float, end: float, rise: float = 0.2) -> float:
    return min(max(min((t - begin) / rise, (end - t) / rise), 0.0), 1.0)


@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_a_smile_is_said_when_it_begins_and_when_it_ends(fps: float) -> None:
    smile = lambda t: face_code({12: 0.8 * ramp(t, 1.0, 3.0)})  # noqa: E731
    begin, end = played(detector("smile"), smile, 4.0, fps)
    assert (begin.phase, end.phase) == (Phase.BEGIN, Phase.END) and begin.event_id == end.event_id
    assert seconds(begin.start_ns) == pytest.approx(1.05, abs=0.01), "when it rose through 0.2, between frames"
    assert seconds(begin.stamp_ns) - seconds(begin.start_ns) <= 0.15 and begin.end_ns is None
    assert seconds(end.end_ns) == pytest.approx(2.95, abs=1.1 / fps)
    assert end.peak == pytest.approx(0.8) and 0.6 < end.mean < 0.8 and end.confidence == pytest.approx(0.9)
    assert 1.2 <= seconds(end.apex_ns) <= 2.8 and begin.side == end.side == ""


def test_a_smile_that_trembles_is_one_and_of_one_side_says_which() -> None:
    trembling = lambda t: face_code({12: 0.1}, {12: (0.25 + 0.1 * math.sin(40 * t)) * (1 < t < 3) + 0.1})  # noqa: E731
    begin, end = played(detector("smile"), trembling, 4.0)
    assert begin.event_id == end.event_id and end.side == "left"


def test_what_is_not_trusted_or_too_weak_is_no_event() -> None:
    assert not played(detector("smile"), lambda t: face_code({12: 0.9 * (t > 1)}, confidence=0.1), 3.0)
    assert not played(detector("smile"), lambda t: face_code({12: 0.25 * (t > 1)}), 3.0)
    assert not played(detector("talks"), lambda t: face_code(), 3.0), "unknown is no speech"


def lids(*closures: tuple[float, float]) -> object:
    return lambda t: face_code({45: max((ramp(t, a, b, 0.08) for a, b in closures), default=0.0)})


def test_blink_and_closure_are_told_by_their_length() -> None:
    blinks = played(detector("blink"), lids((1.0, 1.25), (2.0, 3.2)), 4.0)  # type: ignore[arg-type]
    assert [event.phase for event in blinks] == [Phase.BEGIN, Phase.END, Phase.BEGIN, Phase.WITHDRAWN]
    assert seconds(blinks[0].stamp_ns) < 1.12, "said while the lids close"
    assert blinks[2].event_id == blinks[3].event_id and seconds(blinks[3].stamp_ns) == pytest.approx(2.55, abs=0.07)
    begin, end = played(detector("eyes_closed"), lids((1.0, 1.25), (2.0, 3.2)), 4.0)  # type: ignore[arg-type]
    assert seconds(begin.start_ns) == pytest.approx(2.03, abs=0.02) and seconds(end.end_ns) == pytest.approx(
        3.17, abs=0.04
    )


def test_nods_shakes_and_glances() -> None:
    nod = lambda t: face_code(pitch_deg=-8 * math.sin(math.pi * 1.6 * (t - 1)) ** 2 * (1 < t < 2.25))  # noqa: E731
    begin, end = played(detector("nod"), nod, 4.0)
    assert seconds(begin.stamp_ns) < 1.5 and seconds(begin.start_ns) == pytest.approx(1.0, abs=0.1)
    assert end.peak == pytest.approx(8, abs=0.3) and seconds(end.end_ns) == pytest.approx(2.25, abs=0.15)
    assert not played(detector("shake"), nod, 4.0)

    shake = lambda t: face_code(yaw_deg=9 * math.sin(2 * math.pi * 1.3 * (t - 1)) * (1 < t < 2.54))  # noqa: E731
    assert [event.phase for event in played(detector("shake"), shake, 4.0)] == [Phase.BEGIN, Phase.END]
    assert not played(detector("nod"), shake, 4.0)
    glance = lambda t: face_code(yaw_deg=20 * ramp(t, 1.0, 1.9, 0.4))  # noqa: E731
    assert not played(detector("shake"), glance, 4.0), "aside and back is no shake"
    twice = lambda t: face_code(yaw_deg=24 - 22 * ramp(t, 1.0, 2.4, 0.5))  # noqa: E731
    assert not played(detector("shake"), twice, 4.0), "a look at the camera between two glances aside is no shake"
    down = lambda t: face_code(pitch_deg=-15 * ramp(t, 1.0, 3.0, 0.4))  # noqa: E731
    assert not played(detector("nod"), down, 4.0), "looking down for two seconds is no nod"


def test_brows_that_only_seem_to_frown() -> None:
    frowning = lambda t: {4: 0.6 * ramp(t, 1.0, 2.5, 0.2)}  # noqa: E731
    frowns = lambda made: [e.phase for e in played(detector("frown"), made, 4.0)]  # noqa: E731
    assert frowns(lambda t: face_code(frowning(t))) == [Phase.BEGIN, Phase.END]
    assert not frowns(lambda t: face_code(frowning(t) | {9: 0.5 * ramp(t, 1.0, 2.5, 0.2)})), "a wrinkled nose"
    nods = lambda t: -9 * math.sin(math.pi * 1.5 * (t - 1)) ** 2 * (1 < t < 2.33)  # noqa: E731
    assert not frowns(lambda t: face_code({4: -nods(t) / 15}, pitch_deg=nods(t))), "a nod"
    blinks = lambda t: face_code(frowning(t) | {45: 0.9 * ramp(t, 1.6, 1.9, 0.08)})  # noqa: E731
    assert frowns(blinks) == [Phase.BEGIN, Phase.END], "a blink does not end it"
    always = lambda t: face_code({4: 0.8 * ramp(t, 1.0, 60.0, 0.2) - 0.7 * ramp(t, 30.0, 31.0, 0.2)})  # noqa: E731
    found = played(detector("frown"), always, 50.0)
    assert [e.phase for e in found] == [Phase.BEGIN, Phase.WITHDRAWN], "brows that stay low are how this face looks"
    assert seconds(found[1].stamp_ns) == pytest.approx(11.0, abs=0.2)


def test_brows_that_seem_to_rise_because_the_head_turns() -> None:
    def turning(t: float, raised_s: float) -> FaceCode:
        return face_code({1: 0.6 * ramp(t, raised_s, raised_s + 1.5)}, yaw_deg=25 * ramp(t, 1.0, 5.0, 0.4))

    assert not played(detector("brow_raise"), lambda t: turning(t, 1.1), 6.0), "they rise with the turn"
    begin, _ = played(detector("brow_raise"), lambda t: turning(t, 2.0), 6.0)
    assert 2.0 <= seconds(begin.start_ns) <= 2.15, "the head has turned before"


def test_looking_away_and_back() -> None:
    away = lambda t: face_code(gaze=Gaze(22 * ramp(t, 1.0, 2.5, 0.3), 0.0, 0.8))  # noqa: E731
    begin, end, back = played(detector("look_away"), away, 4.0)
    assert (begin.kind, end.kind, back.kind) == ("look_away", "look_away", "look_back")
    assert (
        back.phase is Phase.MOMENT
        and back.start_ns == end.end_ns
        and seconds(end.end_ns) == pytest.approx(2.35, abs=0.05)
    )


def test_a_tilt_is_against_how_the_head_is_usually_held() -> None:
    crooked = lambda t: face_code(roll_deg=9.0 + 12 * ramp(t, 3.0, 4.5, 0.3))  # noqa: E731
    begin, end = played(detector("tilt"), crooked, 6.0)
    assert begin.side == "left" and seconds(begin.start_ns) > 3.0 and end.peak == pytest.approx(12, abs=1.0)


def test_a_new_expression_after_its_dwell() -> None:
    (event,) = played(detector("expression"), lambda t: face_code(label="happy" if t >= 1 else "neutral"), 3.0)
    assert (
        event.label == "happy"
        and 1.25 < seconds(event.stamp_ns) < 1.4
        and seconds(event.start_ns) == pytest.approx(1.0, abs=0.05)
    )


def test_two_people_and_a_face_that_turns_out_to_be_a_person() -> None:
    def both(t: float) -> list[FaceCode]:
        person = "ada" if t > 1.5 else ""
        return [face_code({12: 0.8 * (1 < t < 2)}, face_id="a", person_id=person), face_code(face_id="b")]

    begin, end = played(detector("smile"), both, 3.0)
    assert begin.event_id == end.event_id and (begin.person_id, end.person_id) == ("", "ada")


def test_who_comes_leaves_and_returns() -> None:
    def scene(t: float) -> list[FaceCode]:
        if t < 1 or 3 < t < 4:
            return [face_code(face_id="a" if t < 1 else "c", person_id="ada")]
        return []

    presence = standard_detectors(EventSettings(gone_s=0.5))
    events = [e for e in played(presence, scene, 6.0) if e.kind in ("appears", "leaves", "returns")]
    assert [event.kind for event in events] == ["appears", "leaves", "returns", "leaves"]
    assert seconds(events[1].end_ns) == pytest.approx(1.0, abs=0.05), "when it was last seen"


def test_time_that_jumps_ends_what_went_on_where_it_was_seen_last() -> None:
    one = detector("smile")
    last_ns = START_NS + 20 * FRAME_NS
    for frame in range(21):
        events = one.update([face_code({12: 0.8})], START_NS + frame * FRAME_NS)
    for stamp_ns in (last_ns - 10**9, last_ns + 10**10):
        one = detector("smile")
        events = [e for frame in range(21) for e in one.update([face_code({12: 0.8})], START_NS + frame * FRAME_NS)]
        assert [event.phase for event in events] == [Phase.BEGIN]
        (end,) = one.update([face_code()], stamp_ns)
        assert end.phase is Phase.END and end.end_ns == last_ns and end.event_id == events[0].event_id


def test_own_kinds(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "kinds:\n  wink: {rule: level, measures: [au45_left], above: 0.5, below: 0.3, unless: {au45_right: 0.3}}\n"
        "  smile: {above: 0.6}\n  blink: false\n"
    )
    kinds = {rule.kind: rule for rule in read_kinds(path)}
    assert "blink" not in kinds and kinds["smile"].above == 0.6 and kinds["smile"].below == 0.2  # type: ignore[union-attr]
    found = standard_detectors(EventSettings(kinds_file=str(path)))
    wink = lambda t: face_code({45: 0.0}, {45: 0.9 * (1 < t < 1.4)})  # noqa: E731
    assert [event.kind for event in played(found, wink, 2.0) if event.phase is Phase.BEGIN] == ["wink"]
    both = lambda t: face_code({45: 0.9 * (1 < t < 1.4)})  # noqa: E731
    assert not [
        event
        for event in played(standard_detectors(EventSettings(kinds_file=str(path))), both, 2.0)
        if event.kind == "wink"
    ]


SMILE = {"rule": "level", "measures": ["au12"], "above": 0.4, "below": 0.2}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"rule": "magic"}, "rule is 'magic'; allowed: level, swings, expression"),
        ({"rule": "level", "measures": ["au12"], "below": 0.1}, "above is missing"),
        ({"rule": "level", "measures": ["au12"], "above": 0.2, "below": 0.4}, "`above` must lie above `below`"),
        ({"rule": "level", "measures": ["au12"], "above": 1.4, "below": 0.4}, "allowed for these measures: 0 to 1"),
        (SMILE | {"measures": ["happiness"]}, "'happiness' is no measure; there are au01"),
        (SMILE | {"hold_s": -1}, "hold_s is -1; allowed: 0 to 600"),
        (SMILE | {"above": "high"}, "above is 'high'; a number is expected"),
        (SMILE | {"wait": 1}, "there is no setting 'wait'"),
        (SMILE | {"still_deg": 100}, "still_deg is 100; allowed: 0 to 90"),
        ({"rule": "swings", "measure": "pitch_deg", "across": "yaw_deg", "least_deg": 0}, "allowed: above 0, to 90"),
    ],
)
def test_wrong_kinds_say_what_is_wrong(entry: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=r"own\.yaml: odd: ") as raised:
        rule_of("odd", entry, "own.yaml")
    assert words in str(raised.value)


def test_a_wrong_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    for text, words in (
        ("kinds: [", "is no YAML"),
        ("smile: {}", "a mapping `kinds:`"),
        ("kinds: {wave: false}", "'wave'"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"own\.yaml") as raised:
            standard_detectors(EventSettings(kinds_file=str(path)))
        assert words in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"none\.yaml does not exist; a YAML file"):
        standard_detectors(EventSettings(kinds_file=str(tmp_path / "none.yaml")))


def test_memory_is_bounded() -> None:
    one = detector("smile")
    for number in range(300):
        one.update([face_code({12: 0.8}, face_id=f"f{number}")], START_NS + number * FRAME_NS)
    assert len(one._faces) <= 64
    assert np.isfinite(START_NS)


def test_an_expression_cannot_be_held_for_longer_than_a_dwell_time_may_be() -> None:
    rule_of("mood", {"rule": "expression", "hold_s": 5}).follower()
    with pytest.raises(ValueError, match="mood: hold_s is 10; allowed for an expression: 0 to 5"):
        rule_of("mood", {"rule": "expression", "hold_s": 10})
