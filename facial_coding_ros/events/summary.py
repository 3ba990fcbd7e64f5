# SPDX-License-Identifier: Apache-2.0
"""What somebody did in a span of time: shares, trends, events, and a sentence."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .event import Event, Phase
from .history import History, Sample
from .wording import described

LOOKING_FROM = 0.5
"""Attention from which somebody counts as looking at the robot."""
_LONGEST_STEP_S = 0.5
_SMILE, _FROWN, _TALK = "smile", "frown", "talks"


@dataclass(frozen=True)
class Summary:
    """What one person did; see PersonSummary.msg, whose fields these are. Figures are NaN where the face was not seen.

    shares of expression: by label, with "unsure".
    """

    person_id: str
    face_ids: tuple[str, ...]
    start_ns: int
    end_ns: int
    seen_share: float
    confidence: float
    smiling_share: float
    frowning_share: float
    looking_share: float
    talking_share: float
    valence_mean: float
    valence_trend: float
    arousal_mean: float
    arousal_trend: float
    expressions: dict[str, float]
    events: tuple[Event, ...]
    text: str

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def summarize(history: History, start_ns: int, end_ns: int, who: str = "") -> list[Summary]:
    """Of one person (who: person or face id) or of everybody seen in the span, longest seen first.

    Raises ValueError, with what to do, for a span that ends before it begins or lies outside of what is remembered, and
    for somebody who was never seen.
    """
    if history.last_ns is None:
        raise ValueError("no image has come yet")
    if end_ns < start_ns:
        raise ValueError(f"the span ends at {_said(end_ns)}, before it begins at {_said(start_ns)}")
    oldest_ns = history.last_ns - round(history.seconds * 1e9)
    if start_ns > history.last_ns or end_ns < oldest_ns:
        raise ValueError(
            f"the span, {_said(start_ns)} to {_said(end_ns)}, lies outside of what is remembered, "
            f"{_said(oldest_ns)} to {_said(history.last_ns)}"
        )
    if who:
        try:
            people: Sequence[str] = [history.key_of(who)]
        except KeyError:
            known = ", ".join(history.people) or "nobody"
            raise ValueError(f"{who!r} was not seen in the last {history.seconds:g} s; seen: {known}") from None
    else:
        people = history.people
    start_ns, end_ns = max(start_ns, oldest_ns), min(end_ns, history.last_ns)
    found = [_of_one(history, key, start_ns, end_ns) for key in people]
    if not who:
        found = [one for one in found if one.face_ids]
    return sorted(found, key=lambda one: -one.seen_share)


def _said(stamp_ns: int) -> str:
    return f"{stamp_ns / 1e9:.2f} s"


def _of_one(history: History, key: str, start_ns: int, end_ns: int) -> Summary:
    samples, events = history.samples(key, start_ns, end_ns), history.events(key, start_ns, end_ns)
    weights = _seconds_of(samples)
    seen_s, span_s = float(weights.sum()), max((end_ns - start_ns) / 1e9, 1e-9)
    face_ids = tuple(dict.fromkeys(sample.face_id for sample in samples))
    person_id = key if key not in face_ids else ""
    expressions = Counter[str]()
    for sample, weight in zip(samples, weights.tolist(), strict=True):
        expressions[sample.expression] += weight
    if not face_ids:
        face_ids = tuple(dict.fromkeys(event.face_id for event in events))
        person_id = next((event.person_id for event in events if event.person_id), "")
    valence, valence_trend = _mean_and_trend(samples, weights, [sample.valence for sample in samples])
    arousal, arousal_trend = _mean_and_trend(samples, weights, [sample.arousal for sample in samples])
    speech_known = any(not math.isnan(sample.talking) for sample in samples)
    figures = {
        "seen_share": min(seen_s / span_s, 1.0),
        "confidence": _mean(weights, [sample.confidence for sample in samples], 0.0),
        "smiling_share": _share_of(events, _SMILE, start_ns, end_ns, seen_s),
        "frowning_share": _share_of(events, _FROWN, start_ns, end_ns, seen_s),
        "looking_share": _mean(weights, [_at_least(sample.attention, LOOKING_FROM) for sample in samples]),
        "talking_share": _share_of(events, _TALK, start_ns, end_ns, seen_s) if speech_known else math.nan,
        "valence_mean": valence,
        "valence_trend": valence_trend,
        "arousal_mean": arousal,
        "arousal_trend": arousal_trend,
    }
    total = sum(expressions.values())
    shares = {label: weight / total for label, weight in expressions.most_common()} if total > 0 else {}
    face_id = face_ids[-1] if face_ids else ""
    text = described(person_id, face_id, span_s, seen_s, figures, shares, events, len(samples))
    return Summary(
        person_id, face_ids, start_ns, end_ns, **figures, expressions=shares, events=tuple(events), text=text
    )


def _seconds_of(samples: Sequence[Sample]) -> np.ndarray:
    """(n,) what each sample stands for: until the next one; the last one as long as the one before."""
    steps = [(b.stamp_ns - a.stamp_ns) / 1e9 for a, b in itertools.pairwise(samples)]
    steps = [step if step <= _LONGEST_STEP_S else 0.0 for step in steps]
    last = next((step for step in reversed(steps) if step > 0), 0.0)
    return np.array([*steps, last] if samples else [], np.float64)


def _at_least(value: float, least: float) -> float:
    return math.nan if math.isnan(value) else float(value >= least)


def _mean(weights: np.ndarray, values: Sequence[float], otherwise: float = math.nan) -> float:
    numbers = np.array(values, np.float64)
    known = np.isfinite(numbers) & (weights > 0) if len(numbers) else np.zeros(0, bool)
    if not known.any():
        return otherwise
    return float(np.average(numbers[known], weights=weights[known]))


def _mean_and_trend(samples: Sequence[Sample], weights: np.ndarray, values: Sequence[float]) -> tuple[float, float]:
    """Mean, and change over the samples' time by a straight line."""
    mean = _mean(weights, values)
    if math.isnan(mean) or len(samples) < 3:
        return mean, math.nan if math.isnan(mean) else 0.0
    numbers = np.array(values, np.float64)
    seconds = np.array([(sample.stamp_ns - samples[0].stamp_ns) / 1e9 for sample in samples])
    known = np.isfinite(numbers)
    if known.sum() < 3 or np.ptp(seconds[known]) <= 0:
        return mean, 0.0
    slope = float(np.polyfit(seconds[known], numbers[known], 1)[0])
    return mean, slope * float(np.ptp(seconds[known]))


def _share_of(events: Sequence[Event], kind: str, start_ns: int, end_ns: int, seen_s: float) -> float:
    """Share of the time seen that events of a kind took."""
    if seen_s <= 0:
        return math.nan
    spans = [
        (max(event.start_ns, start_ns), min(event.end_ns or end_ns, end_ns))
        for event in events
        if event.kind == kind and event.phase in (Phase.BEGIN, Phase.END)
    ]
    return min(sum(max(end - begin, 0) for begin, end in spans) / 1e9 / seen_s, 1.0)
