# SPDX-License-Identifier: Apache-2.0
"""How well events are found: scripted people with known times, through the node's pipeline.

    standalone/env python -m facial_coding_ros.learning.studies.events PORTRAITS --ict FOLDER --out docs/results/events

PORTRAITS: folder of photographs, NAME_neutral.jpg; --ict: ICT-FaceKit, for the rendered people whose gaze is known.
Thresholds were chosen on the people of TUNED; the table is of the people of JUDGED. What was coded is kept in --work,
so that a change of the rules is judged within a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from tqdm import tqdm

from ...coding.temporal import TemporalStage
from ...events import Event, standard_detectors
from ...pipeline import Pipeline, PipelineSettings
from ...tracking import TrackingSettings
from ...types import FaceCode, Frame, ImageArray
from ..events.event_scores import KindScore, found_events, percentile, score_kind
from ..events.performances import FPS, performed, portrait
from ..events.rendered_gaze import FPS as GAZE_FPS
from ..events.rendered_gaze import gaze_script, geometry_of, rendered_gaze
from ..events.scripts import Act, lively
from ..synthesis.render_head import HeadModel

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TUNED = ("london_003", "canada_008f", "london_013")
JUDGED = ("london_005", "canada_098m", "london_030", "canada_116m", "canada_020f", "london_018")
SEEDS = {name: 100 + number for number, name in enumerate(
    ("london_003", "london_005", "canada_008f", "canada_098m", "london_013", "canada_020f", "london_018", "canada_110m",
     "london_030", "canada_116m"))}  # fmt: skip
PAIRS = (("london_005", "canada_098m"), ("london_030", "canada_116m"))
CONDITIONS = ("30", "15", "60px", "two")
WORDS = {"30": "120 px, 30 fps", "15": "120 px, 15 fps", "60px": "60 px, 30 fps", "two": "two people, 30 fps"}
KINDS = (
    "smile", "brow_raise", "frown", "nose_wrinkle", "lip_press", "mouth_open_wide", "blink", "eyes_closed", "nod",
    "shake", "tilt", "talks", "lean_in",
)  # fmt: skip
GAZE_SEEDS, GAZE_SECONDS = range(4), 14.0
ZERO_NS = 10**12
Coded = list[tuple[int, tuple[FaceCode, ...]]]


@dataclass
class Scores:
    """By condition and kind; and false events by what the person was doing, with the seconds of it."""

    kinds: dict[str, dict[str, KindScore]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(KindScore)))
    false_events: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def small(image: ImageArray) -> ImageArray:
    """The picture at half the size in a larger one, so that the face is 60 px wide."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    canvas = np.full((240, 320, 3), 110, np.uint8)
    canvas[30 : 30 + half.shape[0], 70 : 70 + half.shape[1]] = half
    return canvas


def coded(images: Iterable[ImageArray], fps: float) -> Coded:
    """Face codes before the temporal stage, so that its rules can be tried without tracking anew."""
    found: Coded = []
    with contextlib.closing(Pipeline(PipelineSettings(tracking=TrackingSettings(id_seed=1)))) as pipeline:
        pipeline.temporal.update = lambda codes, stamp_ns: tuple(codes)  # type: ignore[method-assign]
        for index, image in enumerate(images):
            stamp_ns = ZERO_NS + round(index * 1e9 / fps)
            found.append((stamp_ns, pipeline.process(Frame(np.ascontiguousarray(image), stamp_ns, index))))
    return found


def kept(path: Path, make: Iterator[Coded]) -> Coded:
    """From a file of an earlier run of this study (never of another origin: it is a pickle), else made and kept."""
    if not path.exists():
        found = next(make)
        path.with_suffix(".part").write_bytes(pickle.dumps(found))
        path.with_suffix(".part").replace(path)
    return [(stamp_ns, _plain(codes)) for stamp_ns, codes in pickle.loads(path.read_bytes())]


def _plain(codes: Iterable[FaceCode]) -> tuple[FaceCode, ...]:
    return tuple(
        FaceCode(c.face, c.neutral_state, c.neutral_uncertainty, c.aus, c.expression, c.dfecs, c.latent) for c in codes
    )


def events_of(recording: Coded) -> list[Event]:
    """What the temporal stage and the detectors make of it."""
    temporal, detectors, events = TemporalStage(), standard_detectors(), []
    for stamp_ns, codes in recording:
        events += detectors.update(temporal.update(codes, stamp_ns), stamp_ns)
    return events


def _performed(portraits: Path, name: str, condition: str) -> Iterator[Coded]:
    person = portrait(portraits / f"{name}_neutral.jpg")
    images = (image for image, _ in tqdm(performed(person, lively(SEEDS[name])), name, leave=False))
    if condition == "60px":
        yield coded(map(small, images), FPS)
    elif condition == "15":
        yield coded((image for index, image in enumerate(images) if index % 2 == 0), FPS / 2)
    else:
        yield coded(images, FPS)


def _both(portraits: Path, pair: tuple[str, str]) -> Iterator[Coded]:
    streams = [performed(portrait(portraits / f"{name}_neutral.jpg"), lively(SEEDS[name])) for name in pair]
    yield coded((np.hstack([a, b]) for (a, _), (b, _) in zip(*streams, strict=True)), FPS)


def by_side(events: list[Event], recording: Coded) -> list[list[Event]]:
    """Events of the person on the left of the picture, and of the one on the right."""
    left = {c.face.face_id for _, codes in recording for c in codes if c.face.region.xmax < 0.55}
    return [[e for e in events if (e.face_id in left) is side] for side in (True, False)]


def judge(acts: tuple[Act, ...], events: list[Event], condition: str, scores: Scores, seconds: float) -> None:
    """Adds one person's events. look_away is judged on rendered people: these portraits' eyes do not turn rightly."""
    for kind in KINDS:
        scores.kinds[condition][kind].add(score_kind(acts, events, kind, ZERO_NS))
    if condition != "30":
        return
    spans = {"talking": [], "moving the head": [], "at rest": []}  # type: dict[str, list[tuple[float, float]]]
    for act in acts:
        doing = {"talks": "talking", "nod": "moving the head", "shake": "moving the head", "tilt": "moving the head",
                 "look_away": "moving the head", "lean_in": "moving the head"}.get(act.kind)  # fmt: skip
        if doing:
            spans[doing].append((act.start_s, act.start_s + act.length_s))
    busy = sorted((act.start_s, act.start_s + act.length_s) for act in acts if act.kind != "blink")
    for (_, end), (begin, _) in zip(busy, [*busy[1:], (seconds, seconds)], strict=True):
        spans["at rest"].append((end, begin))
    spans["at rest"].append((0.0, busy[0][0]))
    for doing, times in spans.items():
        scores.seconds[doing] += sum(max(end - begin, 0.0) for begin, end in times)
        for kind in KINDS:
            own = [act for act in acts if act.kind == kind]
            for event in found_events(events, kind, ZERO_NS)[0]:
                inside = any(begin <= event.start_s < end for begin, end in times)
                true = any(a.onset_s - 0.5 <= event.start_s <= a.end_s + 0.5 for a in own)
                scores.false_events[doing][kind] += inside and not true


def table(scores: Scores) -> str:
    lines = []
    for condition, kinds in scores.kinds.items():
        lines += [f"### {WORDS.get(condition, condition)}", ""]
        lines.append("| kind | scripted | precision | recall | delay, median | delay, 90 % | start | end | withdrawn |")
        lines.append("|---|---|---|---|---|---|---|---|---|")
        for kind, score in kinds.items():
            if score.scripted or score.found:
                times = (percentile(score.delays_s, 50), percentile(score.delays_s, 90), percentile(score.starts_s, 50),
                         percentile(score.ends_s, 50))  # fmt: skip
                ms = " | ".join("" if np.isnan(t) else f"{1000 * t:.0f} ms" for t in times)
                figures = " | ".join("" if np.isnan(v) else f"{v:.2f}" for v in (score.precision, score.recall))
                lines.append(f"| {kind} | {score.scripted} | {figures} | {ms} | {score.withdrawn} |")
        lines.append("")
    return "\n".join(lines)


def false_table(scores: Scores) -> str:
    lines = ["| while | minutes | false events in that time | an hour, of the worst kind |", "|---|---|---|---|"]
    for doing, seconds in scores.seconds.items():
        counts = {kind: n for kind, n in scores.false_events[doing].items() if n}
        worst = max(counts.values(), default=0) * 3600 / max(seconds, 1e-9)
        said = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items(), key=lambda one: -one[1])) or "none"
        lines.append(f"| {doing} | {seconds / 60:.1f} | {said} | {worst:.0f} |")
    return "\n".join(lines) + "\n"


def plot_delays(scores: Scores, path: Path) -> None:
    """Delays of each kind, a dot for each event, and their median."""
    kinds = {**scores.kinds["30"], **scores.kinds.get("gaze", {})}
    shown = [kind for kind, score in kinds.items() if score.delays_s]
    figure, axes = plt.subplots(figsize=(7.5, 0.34 * len(shown) + 1.0), layout="constrained")
    for row, kind in enumerate(shown):
        delays = 1000 * np.array(kinds[kind].delays_s)
        axes.plot(delays, np.full(len(delays), row), "o", ms=4, alpha=0.35, mec="none", color="#4a7fb5")
        axes.plot([np.median(delays)] * 2, [row - 0.3, row + 0.3], color="#20242a", lw=2)
    axes.axvline(120, color="#d1495b", lw=1, ls="--")
    axes.set(yticks=range(len(shown)), yticklabels=shown, xlabel="from the scripted onset to the message (ms)")
    axes.set_xlim(-150, 900)
    axes.invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_timeline(acts: tuple[Act, ...], events: list[Event], path: Path, seconds: float) -> None:
    """One person: what was scripted (grey) and what was found (blue)."""
    figure, axes = plt.subplots(figsize=(11, 4.2), layout="constrained")
    for row, kind in enumerate(KINDS):
        for act in acts:
            if act.kind == kind:
                axes.plot([act.onset_s, act.end_s], [row - 0.15] * 2, lw=6, color="#c7cbd1", solid_capstyle="butt")
        for one in found_events(events, kind, ZERO_NS)[0]:
            end = max(one.end_s, one.start_s + 0.1)
            axes.plot([one.start_s, end], [row + 0.2] * 2, lw=4, color="#4a7fb5", solid_capstyle="butt")
    axes.set(yticks=range(len(KINDS)), yticklabels=KINDS, xlim=(0, seconds), xlabel="seconds")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def gaze_scores(ict: Path, work: Path) -> Mapping[str, KindScore]:
    """look_away of rendered people, at 150 px and at 60 px, and the error of the gaze."""
    found: dict[str, KindScore] = {"look_away": KindScore(), "look_away at 60 px": KindScore()}
    geometry = None
    for seed in GAZE_SEEDS:
        moves = gaze_script(seed, GAZE_SECONDS)
        acts = [move.act() for move in moves if move.away]
        for kind, factor in (("look_away", 1.0), ("look_away at 60 px", 27 / 65)):
            path = work / f"gaze_{seed}@{factor:.2f}.pkl"
            if not path.exists():
                geometry = geometry or geometry_of(HeadModel.load(ict))
            images: Iterable[ImageArray] = (
                cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8)
                for image in (rendered_gaze(geometry, seed, moves, GAZE_SECONDS) if geometry else ())
            )
            recording = kept(path, (coded(images, GAZE_FPS) for _ in range(1)))
            found[kind].add(score_kind(acts, events_of(recording), "look_away", ZERO_NS))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit; without it gaze is not judged")
    parser.add_argument("--work", type=Path, default=Path("events_work"), help="where what was coded is kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results/events"))
    parser.add_argument("--tuned", action="store_true", help="the people on whom thresholds are chosen, instead")
    parser.add_argument("--kept-only", action="store_true", help="only what --work holds already")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    scores, people = Scores(), TUNED if arguments.tuned else JUDGED
    split = "tune" if arguments.tuned else "judge"
    for name in people:
        script = lively(SEEDS[name])
        for condition in CONDITIONS[:3]:
            path = arguments.work / f"{split}_{name}@{condition}.pkl"
            if arguments.kept_only and not path.exists():
                continue
            events = events_of(kept(path, _performed(arguments.portraits, name, condition)))
            judge(script.acts, events, condition, scores, script.seconds)
            if condition == "30" and name == people[0]:
                plot_timeline(script.acts, events, arguments.out / "timeline.png", script.seconds)
    for pair in () if arguments.tuned else PAIRS:
        path = arguments.work / f"judge_{pair[0]}+judge_{pair[1]}@two.pkl"
        if arguments.kept_only and not path.exists():
            continue
        recording = kept(path, _both(arguments.portraits, pair))
        for name, events in zip(pair, by_side(events_of(recording), recording), strict=True):
            judge(lively(SEEDS[name]).acts, events, "two", scores, 0.0)
    if arguments.ict is not None:
        scores.kinds["gaze"] = dict(gaze_scores(arguments.ict, arguments.work))
    text = table(scores) + "\n### False events\n\n" + false_table(scores)
    (arguments.out / "table.md").write_text(text, encoding="utf-8")
    plot_delays(scores, arguments.out / "delays.png")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
