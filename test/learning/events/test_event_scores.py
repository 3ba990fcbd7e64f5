# SPDX-License-Identifier: Apache-2.0
"""Scripts and scores: what counts as found, as false, and as neither."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.events import Event, Phase
from facial_coding_ros.learning.events.event_scores import score_kind
from facial_coding_ros.learning.events.false_events import FalseEvents, spans_of
from facial_coding_ros.learning.events.scripts import chewing, expression, lively, resting

ZERO_NS = 10**12


def said(kind: str, start_s: float, end_s: float, said_s: float) -> list[Event]:
    ns = [ZERO_NS + round(1e9 * s) for s in (start_s, end_s, said_s)]
    begin = Event(kind, "a", "", ns[2], f"{kind}-{ns[0]}", Phase.BEGIN, ns[0], ns[0])
    return [begin, Event(kind, "a", "", ns[1], begin.event_id, Phase.END, ns[0], ns[0], ns[1])]


def test_found_late_missed_and_false() -> None:
    acts = [expression("smile", at, (0.3, 1.0, 0.5), {12: 0.8}, 0.8) for at in (1.0, 5.0)]
    onset_s = acts[0].onset_s
    assert acts[0].start_s < onset_s < 1.15, "where the intensity passes 0.2"
    events = [*said("smile", onset_s + 0.05, 2.5, onset_s + 0.1), *said("smile", 8.0, 9.0, 8.1)]
    score = score_kind(acts, events, "smile", ZERO_NS)
    assert (score.scripted, score.found, score.right) == (2, 2, 1) and score.precision == score.recall == 0.5
    assert score.delays_s == [pytest.approx(0.1, abs=1e-6)] and score.starts_s == [pytest.approx(0.05, abs=1e-6)]


def test_what_another_act_shows_as_well_is_neither_right_nor_wrong() -> None:
    chews = chewing(2.0, 2.5, np.random.default_rng(0))
    events = said("lip_press", 2.8, 3.2, 2.9)
    score = score_kind([chews], events, "lip_press", ZERO_NS)
    assert (score.scripted, score.found, score.right) == (0, 0, 0), "who chews presses the lips"
    assert score_kind([chews], said("frown", 2.8, 3.2, 2.9), "frown", ZERO_NS).found == 1


def test_false_events_are_those_that_nobody_made() -> None:
    script = resting(3, 20.0)
    first = script.acts[0]
    events = [
        *said("blink", first.onset_s, first.end_s, first.onset_s + 0.05),
        *said("nod", 10.0, 10.5, 10.2),
        *said("appears", 0.0, 0.0, 0.0),
    ]
    found = FalseEvents()
    found.add(script.acts, events, [(0.0, 20.0)])
    assert +found.counts == {"nod": 1} and found.seconds == 20.0 and found.recordings == 1


def test_a_script_rests_between_its_acts() -> None:
    script = lively(1, 30.0)
    spans = spans_of(script)
    busy = sum(act.length_s for act in script.acts if act.kind != "blink")
    assert sum(end - begin for begin, end in spans["at rest"]) == pytest.approx(30.0 - busy)
    assert spans["turning the head"] and all(0 <= begin < end <= 30.0 for each in spans.values() for begin, end in each)


def test_a_script_is_the_same_for_the_same_seed() -> None:
    one, again, other = lively(1, 30.0), lively(1, 30.0), lively(2, 30.0)
    assert [act.start_s for act in one.acts] == [act.start_s for act in again.acts]
    assert [act.start_s for act in one.acts] != [act.start_s for act in other.acts]
    assert all(act.start_s + act.length_s <= 30.0 for act in one.acts)
