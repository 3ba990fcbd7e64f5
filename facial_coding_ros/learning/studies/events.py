# SPDX-License-Identifier: Apache-2.0
"""How well events are found: scripted people with known times, through the node's pipeline.

    standalone/env python -m facial_coding_ros.learning.studies.events PORTRAITS --ict FOLDER --out OUT

PORTRAITS: folder of photographs, NAME_neutral.jpg; --ict: ICT-FaceKit, for the rendered people whose gaze is known.
Thresholds were chosen on the people of TUNED; the table is of the people of JUDGED. What was coded is kept in --work,
so that a change of the rules is judged within minutes. A short run of all of it, to see that it works:
`--seconds 12 --pairs 1 --long-people 1 --long-seconds 12`.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from tqdm import tqdm

from ...events import Event
from ...types import ImageArray
from ..events import false_events
from ..events.coded_performances import (
    ALONE,
    TOGETHER,
    ZERO_NS,
    by_side,
    events_of,
    pair_paths,
    read,
    record,
    record_pair,
)
from ..events.event_scores import KindScore, found_events, percentile, score_kind
from ..events.false_events import FalseEvents
from ..events.rendered_gaze import FPS as GAZE_FPS
from ..events.rendered_gaze import gaze_script, geometry_of, rendered_gaze
from ..events.scripts import SECONDS, Act, Script, lively
from ..synthesis.render_head import HeadModel

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TUNED = (("london_003", "canada_008f"), ("london_013", "canada_110m"))
JUDGED = (("london_005", "canada_098m"), ("london_030", "canada_116m"), ("canada_020f", "london_018"))
SEEDS = {name: 100 + number for number, name in enumerate(
    ("london_003", "london_005", "canada_008f", "canada_098m", "london_013", "canada_020f", "london_018", "canada_110m",
     "london_030", "canada_116m"))}  # fmt: skip
WORDS = {"30": "120 px, 30 fps", "15": "120 px, 15 fps", "60px": "60 px, 30 fps", TOGETHER: "Two people, 30 fps",
         "gaze": "Rendered heads, 15 fps"}  # fmt: skip
KINDS = (
    "smile", "brow_raise", "frown", "nose_wrinkle", "lip_press", "mouth_open_wide", "blink", "eyes_closed", "nod",
    "shake", "tilt", "talks", "lean_in",
)  # fmt: skip
"""look_away is judged on rendered people: the eyes of these portraits do not turn rightly."""
GAZE_SEEDS, GAZE_SECONDS = range(4, 8), 14.0
"""Others than those on whom the widths of eyes were chosen, 0 to 3."""
SMALL = 27 / 65
"""Of a rendered head whose face is then 60 px wide."""


@dataclass
class Scores:
    """By condition and kind; and of all scripts, events that were none, by what the person was doing."""

    kinds: dict[str, dict[str, KindScore]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(KindScore)))
    acting: dict[str, FalseEvents] = field(default_factory=lambda: defaultdict(FalseEvents))

    def add(self, script: Script, events: list[Event], condition: str) -> None:
        """One person's events."""
        for kind in KINDS:
            self.kinds[condition][kind].add(score_kind(script.acts, events, kind, ZERO_NS))
        for doing, spans in false_events.spans_of(script).items():
            self.acting[doing].add(script.acts, events, spans, false_events.UNCOUNTED_WHILE_ACTING)


def others(portraits: Path) -> list[str]:
    """The people of the long recordings: all that are neither TUNED nor JUDGED, in a fixed order."""
    names = sorted(path.stem.removesuffix("_neutral") for path in portraits.glob("*_neutral.jpg"))
    rest = [name for name in names if name not in SEEDS]
    random.Random(0).shuffle(rest)
    return rest


def judge_pair(
    portraits: Path, work: Path, pair: tuple[str, str], seconds: float, scores: Scores, *, kept: bool
) -> list[Event]:
    """Adds two people, each alone and both together; the first one's events at 30 fps."""
    scripts = {name: lively(SEEDS[name], seconds) for name in pair}
    paths = pair_paths(work, pair, seconds)
    if not kept:
        record_pair(portraits, paths, scripts)
    shown: list[Event] = []
    for (name, condition), path in paths.items():
        if not path.exists():
            continue
        recording = read(path)
        events = events_of(recording)
        if condition == TOGETHER:
            for one, own in zip(pair, by_side(events, recording), strict=True):
                scores.add(scripts[one], own, condition)
        else:
            scores.add(scripts[name], events, condition)
        if (name, condition) == (pair[0], ALONE[0]):
            shown = events
    return shown


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


def gaze_scores(ict: Path, work: Path, *, kept: bool) -> Mapping[str, KindScore]:
    """look_away of rendered people, at 150 px and at 60 px."""
    found = {"look_away": KindScore(), "look_away at 60 px": KindScore()}
    geometry = None if kept else geometry_of(HeadModel.load(ict))
    for seed in GAZE_SEEDS:
        moves = gaze_script(seed, GAZE_SECONDS)
        for kind, factor in zip(found, (1.0, SMALL), strict=True):
            path = work / f"gaze_{seed}@{factor:.2f}.pkl"

            def images(seed: int = seed, moves=moves, factor: float = factor) -> Iterator[ImageArray]:  # type: ignore[no-untyped-def]
                assert geometry is not None
                for image in rendered_gaze(geometry, seed, moves, GAZE_SECONDS):
                    yield cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8)

            if not kept:
                record(path, images(), GAZE_FPS)
            if path.exists():
                acts = [move.act() for move in moves if move.away]
                found[kind].add(score_kind(acts, events_of(read(path)), "look_away", ZERO_NS))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit; without it gaze is not judged")
    parser.add_argument("--work", type=Path, default=Path("events_work"), help="where what was coded is kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results/events"))
    parser.add_argument("--tuned", action="store_true", help="the people on whom thresholds are chosen, instead")
    parser.add_argument("--kept", action="store_true", help="only what --work holds already; nothing is rendered")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each script")
    parser.add_argument("--pairs", type=int, default=len(JUDGED), help="of people who perform scripts")
    parser.add_argument("--long-people", type=int, default=8, help="who rest, talk and turn the head for long")
    parser.add_argument(
        "--long-seconds", type=float, nargs="+", default=[75.0], help="for which each of them does each"
    )
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    scores = Scores()
    pairs = (TUNED if arguments.tuned else JUDGED)[: arguments.pairs]
    for pair in tqdm(pairs, "scripts"):
        events = judge_pair(arguments.portraits, arguments.work, pair, arguments.seconds, scores, kept=arguments.kept)
        if pair == pairs[0]:
            acts = lively(SEEDS[pair[0]], arguments.seconds).acts
            plot_timeline(acts, events, arguments.out / "timeline.png", arguments.seconds)
    if arguments.ict is not None:
        scores.kinds["gaze"] = dict(gaze_scores(arguments.ict, arguments.work, kept=arguments.kept))
    people = others(arguments.portraits)[: arguments.long_people]
    found = false_events.false_events(
        arguments.portraits, arguments.work, people, arguments.long_seconds, kept=arguments.kept
    )
    text = (
        f"{table(scores)}\n### False events\n\nOf those who rest, talk and turn the head for long:\n\n"
        f"{false_events.table(found)}\nOf those who perform the scripts above, in what they do besides:\n\n"
        f"{false_events.table(scores.acting)}"
    )
    (arguments.out / "table.md").write_text(text, encoding="utf-8")
    plot_delays(scores, arguments.out / "delays.png")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
