# SPDX-License-Identifier: Apache-2.0
"""A run against labels: every figure with its interval over people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coding.expression import EXPRESSION_LABELS
from ..datasets.labelled import LEVELS, LabelledSequence
from ..datasets.records import UNKNOWN
from .align import TOLERANCE_S, Aligned, align, left_out, pair
from .onsets import onset_delays
from .runs import RunRecording
from .statistics import DRAWS, Statistic, agreement, detection, ratio, summed
from .timing import summary_ms
from .tracking_score import coverage, track_score

BLOCK_S = 5.0
MOST_BLOCKS = 120
CALIBRATION_BINS = 10
MEANS = ("f1", "accuracy", "balanced_accuracy", "auc", "icc31", "pearson", "mae")
LOWER_IS_BETTER = ("mae", "calibration_error", "delay_s", "missed", "switches", "at_rest", "until_ready_s")


@dataclass(frozen=True)
class Options:
    """tolerance_s: between a label and its frame. threshold: intensity from which a unit counts as said, NaN: half a
    level under the one from which labels count as present (present_from, 1 = A). draws: of the bootstrap.
    """

    tolerance_s: float = TOLERANCE_S
    threshold: float = math.nan
    present_from: float = 2.0
    draws: int = DRAWS
    seed: int = 0

    @property
    def said_from(self) -> float:
        return (self.present_from - 0.5) / LEVELS if math.isnan(self.threshold) else self.threshold


@dataclass(frozen=True)
class Evaluation:
    """figures: name such as au/12/f1 -> Statistic; au/mean/* are means over units and not in it. units: what was drawn
    anew, and their names. facts: name -> number without an interval. confusion: truth by answer, the last one unsure.
    left_out: labels of recordings that the run does not have.
    """

    figures: Mapping[str, Statistic]
    unit: str
    units: tuple[str, ...]
    facts: Mapping[str, float]
    confusion: NDArray[np.float64]
    aligned: tuple[Aligned, ...]
    options: Options
    notes: tuple[str, ...] = field(default=())
    left_out: tuple[LabelledSequence, ...] = ()


def evaluate(
    run: Sequence[RunRecording], labels: Sequence[LabelledSequence], options: Options | None = None
) -> Evaluation:
    """Raises LabelError when labels and run are not of the same recordings."""
    options = options or Options()
    pairs = pair(labels, run) if labels else []
    aligned = [align(one, recording, options.tolerance_s) for one, recording in pairs]
    others = [one for one in labels if not any(one is paired for paired, _ in pairs)]
    unit, names, of = _units(aligned)
    figures: dict[str, Statistic] = {}
    if aligned:
        figures |= _action_units(aligned, of, len(names), options)
        figures |= _expressions(aligned, of, len(names))
        figures |= _neutral(aligned, of, len(names))
        figures |= _tracking(aligned, of, len(names))
    few = f"{len(names)} {unit}: intervals say little" if 0 < len(names) < 5 else ""
    notes = tuple(note for note in (left_out(others, run), few) if note)
    confusion = (
        figures["expression/macro_f1"].sums["confusion"].sum(0)
        if "expression/macro_f1" in figures
        else np.zeros((0, 0))
    )
    facts = _facts(run, aligned) | ({"labels_without_recording": float(sum(map(len, others)))} if labels else {})
    return Evaluation(figures, unit, names, facts, confusion, tuple(aligned), options, notes, tuple(others))


def _units(aligned: Sequence[Aligned]) -> tuple[str, tuple[str, ...], list[NDArray[np.intp]]]:
    """What is drawn anew: people; with one person recordings; with one recording stretches of time.

    Returns its word, the names, and for each aligned sequence the unit of each label.
    """
    people = [one.labels.subject for one in aligned]
    recordings = [one.recording.name for one in aligned]
    for word, keys in (("people", people), ("recordings", recordings)):
        names = tuple(sorted(set(keys)))
        if len(names) > 1:
            return word, names, [np.full(len(o.labels), names.index(k)) for o, k in zip(aligned, keys, strict=True)]
    if not aligned:
        return "people", (), []
    seconds = [one.recording.seconds[np.maximum(one.frame, 0)] for one in aligned]
    longest = max(float(s.max(initial=0)) for s in seconds)
    block_s = max(BLOCK_S, longest / MOST_BLOCKS)
    count = int(longest // block_s) + 1
    return f"stretches of {block_s:g} s", tuple(f"{i * block_s:g} s" for i in range(count)), [
        (s // block_s).astype(int) for s in seconds
    ]  # fmt: skip


def _action_units(
    aligned: Sequence[Aligned], of: Sequence[NDArray[np.intp]], units: int, options: Options
) -> dict[str, Statistic]:
    figures: dict[str, Statistic] = {}
    for au in sorted({au for one in aligned for au in one.labels.aus if au in one.recording.aus}):
        parts = [_au_part(one, unit, au) for one, unit in zip(aligned, of, strict=True) if au in one.labels.aus]
        present, level, said, chance, unit, answered = (np.concatenate([part[i] for part in parts]) for i in range(6))
        coded = present != UNKNOWN
        known = coded & answered
        figures[f"au/{au}/answered"] = ratio(answered[coded], np.ones(coded.sum()), unit[coded], units)
        if known.any():
            probable = np.isfinite(chance[known]).all()
            score = chance[known] if probable else said[known]
            yes = score >= 0.5 if probable else score >= options.said_from
            found = detection(yes, present[known] == 1, score, unit[known], units)
            figures |= {f"au/{au}/{name}": statistic for name, statistic in found.items()}
        rated = np.isfinite(level) & answered
        if rated.any():
            found = agreement(level[rated] / LEVELS, said[rated], unit[rated], units)
            figures |= {f"au/{au}/{name}": statistic for name, statistic in found.items()}
        delays = [
            onset_delays(one, au, options.said_from)
            for one in aligned
            if au in one.labels.aus and au in one.recording.aus
        ]
        units_of = [
            int(u[0]) for one, u in zip(aligned, of, strict=True) if au in one.labels.aus and au in one.recording.aus
        ]
        figures |= _onsets(au, delays, units_of, units)
    return figures


def _au_part(one: Aligned, unit: NDArray[np.intp], au: int) -> tuple[NDArray[Any], ...]:
    """Of the labels that have a face: presence, level 0..5, intensity said, probability said, unit, whether said."""
    seen = one.row >= 0
    rows = one.row[seen]
    column = one.labels.aus.index(au)
    said = one.recording.number(f"au{au:02d}")[rows]
    confidence = one.recording.number(f"au{au:02d}_confidence")[rows]
    chance = one.recording.number(f"au{au:02d}_presence")[rows]
    # Confidence 0: the face code has no answer, because the neutral is not known or the part is not seen.
    answered = np.isfinite(said) & ~(confidence == 0)
    return one.labels.present[seen, column], one.labels.intensity[seen, column], said, chance, unit[seen], answered


def _onsets(
    au: int, delays: Sequence[NDArray[np.float64]], units_of: Sequence[int], units: int
) -> dict[str, Statistic]:
    if not any(len(found) for found in delays):
        return {}
    every = np.concatenate(delays)
    unit = np.concatenate(
        [np.full(len(found), unit_of) for found, unit_of in zip(delays, units_of, strict=True)]
    ).astype(int)
    seen = np.isfinite(every)
    figures = {f"au/{au}/onsets_missed": ratio(~seen, np.ones(len(every)), unit, units)}
    if seen.any():
        figures[f"au/{au}/onset_delay_s"] = ratio(every[seen], np.ones(seen.sum()), unit[seen], units)
    return figures


def _expressions(aligned: Sequence[Aligned], of: Sequence[NDArray[np.intp]], units: int) -> dict[str, Statistic]:
    truth, said, stated, unit = [], [], [], []
    classes = list(EXPRESSION_LABELS)
    for one, own in zip(aligned, of, strict=True):
        known = (one.row >= 0) & (one.labels.expression != "")
        rows = one.row[known]
        answers = one.recording.words("expression")[rows]
        truth.append([classes.index(label) for label in one.labels.expression[known]])
        said.append([classes.index(label) if label in classes else len(classes) for label in answers])
        stated.append(one.recording.number("expression_confidence")[rows])
        unit.append(own[known])
    t, s, c, u = (np.concatenate(parts).astype(float) for parts in (truth, said, stated, unit))
    if not len(t):
        return {}
    t, s, u = t.astype(int), s.astype(int), u.astype(int)
    sure = s < len(classes)
    confusion = np.zeros((units, len(classes), len(classes) + 1))
    np.add.at(confusion, (u, t, s), 1)
    bins = np.clip((c * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    flat = u[sure] * CALIBRATION_BINS + bins[sure]
    right = (t == s)[sure]
    sums = {
        name: summed(values, flat, units * CALIBRATION_BINS).reshape(units, CALIBRATION_BINS)
        for name, values in (("count", np.ones(sure.sum())), ("stated", c[sure]), ("right", right))
    }
    figures = {
        "expression/accuracy": ratio(t == s, np.ones(len(t)), u, units),
        "expression/macro_f1": Statistic("macro_f1", {"confusion": confusion}),
        "expression/answered": ratio(sure, np.ones(len(t)), u, units),
    }
    if sure.any():
        figures["expression/accuracy_when_sure"] = ratio(right, np.ones(len(right)), u[sure], units)
        figures["expression/calibration_error"] = Statistic("calibration_error", sums)
    return figures


def _neutral(aligned: Sequence[Aligned], of: Sequence[NDArray[np.intp]], units: int) -> dict[str, Statistic]:
    """What is said while a face rests, and how long its neutral takes to become ready."""
    ready, all_ready, activity, everything, waited, faces = (np.zeros(units) for _ in range(6))
    resting = 0
    for one, unit in zip(aligned, of, strict=True):
        seen = one.row >= 0
        rows = one.row[seen]
        states = one.recording.words("neutral_state")
        ready += summed(states[rows] == "ready", unit[seen], units)
        all_ready += summed(np.ones(seen.sum()), unit[seen], units)
        rest = (one.labels.neutral == 1) & seen
        resting += int(rest.sum())
        for au in one.recording.aus:
            values = one.recording.number(f"au{au:02d}")[one.row[rest]]
            known = np.isfinite(values) & ~(one.recording.number(f"au{au:02d}_confidence")[one.row[rest]] == 0)
            activity += summed(np.where(known, np.nan_to_num(values), 0), unit[rest], units)
            everything += summed(known, unit[rest], units)
        for face in np.unique(one.recording.words("face_id")[rows]):
            own = np.flatnonzero(one.recording.words("face_id") == face)
            became = own[states[own] == "ready"]
            if len(became):
                stamps = one.recording.stamp_ns[one.recording.at[[own[0], became[0]]]]
                waited[unit[0]] += (stamps[1] - stamps[0]) / 1e9
                faces[unit[0]] += 1
    figures = {"neutral/ready": Statistic("ratio", {"part": ready, "whole": all_ready})}
    if faces.any():
        figures["neutral/until_ready_s"] = Statistic("ratio", {"part": waited, "whole": faces})
    if resting:
        figures["neutral/intensity_at_rest"] = Statistic("ratio", {"part": activity, "whole": everything})
    return figures


def _tracking(aligned: Sequence[Aligned], of: Sequence[NDArray[np.intp]], units: int) -> dict[str, Statistic]:
    labelled, missed, switches, false = (np.zeros(units) for _ in range(4))
    boxed = True
    for name in dict.fromkeys(one.recording.name for one in aligned):
        chosen = [i for i, one in enumerate(aligned) if one.recording.name == name]
        score = track_score([aligned[i] for i in chosen])
        for i, person in zip(chosen, score.by_person, strict=True):
            unit = int(of[i][0])
            labelled[unit] += person.labelled
            missed[unit] += person.missed
            switches[unit] += person.switches
        boxed &= score.false_faces is not None
        false[int(of[chosen[0]][0])] += score.false_faces or 0
    figures = {
        "tracking/missed": Statistic("ratio", {"part": missed, "whole": labelled}),
        "tracking/switches": Statistic("ratio", {"part": 1000 * switches, "whole": labelled}),
    }
    if boxed:
        errors = missed + switches + false
        figures["tracking/mota"] = Statistic("ratio", {"part": labelled - errors, "whole": labelled})
    return figures


def _facts(run: Sequence[RunRecording], aligned: Sequence[Aligned]) -> dict[str, float]:
    frames = sum(len(recording.frame) for recording in run)
    seconds = sum(float(recording.seconds[-1]) for recording in run if len(recording.frame))
    steps = [np.diff(recording.stamp_ns) / 1e9 for recording in run if len(recording.frame) > 1]
    lost = sum(float(np.maximum(np.round(step / np.median(step)) - 1, 0).sum()) for step in steps)
    facts = {
        "recordings": float(len(run)),
        "frames": float(frames),
        "seconds": seconds,
        "rate_hz": sum(len(step) for step in steps) / seconds if seconds else math.nan,
        "frames_lost": lost,
        "faces": float(sum(len(np.unique(recording.words("face_id"))) for recording in run)),
        "frames_without_face": float(sum(len(r.frame) - len(np.unique(r.at)) for r in run)),
        "parts_left_out": float(sum(r.metadata.get("problems", {}).get("count", 0) for r in run)),
    }
    for name, value in summary_ms(np.concatenate([recording.latency_s for recording in run])).items():
        facts[f"latency_{name}_ms"] = value
    processing = [
        r.metadata["timing"]["processing_ms"] for r in run if r.metadata.get("timing", {}).get("processing_ms")
    ]
    for name in ("mean", "p95", "max"):
        if processing:
            facts[f"processing_{name}_ms"] = max(entry[name] for entry in processing)
    if aligned:
        seen, no_face, no_frame = (sum(counts) for counts in zip(*(coverage(one) for one in aligned), strict=True))
        facts |= {"labels": float(seen + no_face + no_frame), "labels_without_face": float(no_face)}
        facts["labels_without_frame"] = float(no_frame)
    return facts


def parts_of(figures: Mapping[str, Statistic], name: str) -> list[Statistic]:
    """The action units' own figures that au/mean/<name> is the mean of."""
    return [s for key, s in figures.items() if key.startswith("au/") and key.endswith(f"/{name}")]


def lower_is_better(name: str) -> bool:
    return any(word in name.rsplit("/", 1)[-1] for word in LOWER_IS_BETTER)
