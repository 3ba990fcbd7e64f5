# SPDX-License-Identifier: Apache-2.0
"""Events that nobody made: people who rest, talk and turn their heads for a long time, and how much is said of them.

To draw a picture takes three times as long as to code it, so each is seen by several cameras. What one of them sees
of a person is followed from its own first picture on; only what the person does is the same for all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ...events import Event
from ...types import ImageArray
from .coded_performances import ZERO_NS, events_of, pictures, read, record_views
from .event_scores import SLACK_S, UNITS, found_events, shown_by
from .scripts import Act, Script, looking_about, resting, talking

FPS, SIDE = 15.0, 240
"""Of these pictures; a face is about 80 px wide in them."""


def _mirrored(image: ImageArray) -> ImageArray:
    return np.ascontiguousarray(image[:, ::-1])


def _small(image: ImageArray) -> ImageArray:
    """Faces of 60 px."""
    return np.asarray(cv2.resize(image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA), np.uint8)


def _dark(image: ImageArray) -> ImageArray:
    """A third of the light, and noise for it."""
    noise = np.random.default_rng(int(image[::16, ::16].sum())).normal(0, 3, image.shape)
    return np.clip(image * 0.35 + noise + 0.5, 0, 255).astype(np.uint8)


def _compressed(image: ImageArray) -> ImageArray:
    """As JPEG of quality 60."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


CAMERAS: dict[str, Callable[[ImageArray], ImageArray]] = {
    "plain": lambda image: image,
    "mirrored": _mirrored,
    "small": _small,
    "dark": _dark,
    "compressed": _compressed,
    "mirrored_small": lambda image: _small(_mirrored(image)),
}
DOING: dict[str, Callable[[int, float], Script]] = {
    "at rest": resting,
    "talking": talking,
    "turning the head": looking_about,
}
NOT_COUNTED = frozenset({"appears", "leaves", "returns", "neutral_ready", "look_back", "stops_talking", "eye_contact"})
"""Kinds that are true of these people, or that another kind tells as well."""


UNCOUNTED_WHILE_ACTING = frozenset({"expression", "look_away", "duchenne_smile"})
"""Besides those, where people perform scripts: these are not scripted, but acts may well show them."""
_HEAD_MOVES = ("nod", "shake", "tilt", "look_away", "lean_in")
Spans = Sequence[tuple[float, float]]


def spans_of(script: Script) -> dict[str, Spans]:
    """When somebody who performs a script does nothing, talks, and moves the head."""
    busy = sorted((act.start_s, act.start_s + act.length_s) for act in script.acts if act.kind != "blink")
    ends = [0.0, *(end for _, end in busy)]
    begins = [*(begin for begin, _ in busy), script.seconds]
    return {
        "at rest": [(end, begin) for end, begin in zip(ends, begins, strict=True) if begin > end],
        "talking": [(a.start_s, a.start_s + a.length_s) for a in script.acts if a.kind == "talks"],
        "turning the head": [(a.start_s, a.start_s + a.length_s) for a in script.acts if a.kind in _HEAD_MOVES],
    }


@dataclass
class FalseEvents:
    """While people did one thing: for how long, and how many events of each kind were not so."""

    recordings: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self, acts: Sequence[Act], events: Sequence[Event], spans: Spans, uncounted: Collection[str] = frozenset()
    ) -> None:
        """One recording's events that begin in a span."""
        self.recordings, self.seconds = self.recordings + 1, self.seconds + sum(end - begin for begin, end in spans)
        for kind in {event.kind for event in events} - NOT_COUNTED - set(uncounted):
            own = [act for act in acts if act.kind == kind]
            others = [act for act in acts if act.kind != kind]
            for one in found_events(events, kind, ZERO_NS)[0]:
                inside = any(begin <= one.start_s < end for begin, end in spans)
                true = any(a.onset_s - SLACK_S <= one.end_s and one.start_s <= a.end_s + SLACK_S for a in own)
                self.counts[kind] += inside and not true and not shown_by(one, others, UNITS.get(kind, ()))


def false_events(
    portraits: Path, work: Path, names: Sequence[str], lengths_s: Sequence[float], *, kept: bool
) -> dict[str, FalseEvents]:
    """Of each person recordings of these lengths, of each before each camera; made where `work` does not hold them yet.

    kept: use only what it holds.
    """
    found = {doing: FalseEvents() for doing in DOING}
    for (number, name), seconds in itertools.product(enumerate(names), lengths_s):
        for doing, made in tqdm(DOING.items(), f"{name}, {seconds:g} s", leave=False):
            script = made(1000 + number, seconds)
            stem = f"{name}@{doing.replace(' ', '_')}_{seconds:g}s"
            views = {work / f"{stem}_{camera}.pkl": view for camera, view in CAMERAS.items()}
            if not kept:
                record_views(views, pictures(portraits, name, script, FPS, SIDE), FPS)
            for path in views:
                if path.exists():
                    found[doing].add(script.acts, events_of(read(path)), [(0.0, seconds)])
    return found


def table(found: dict[str, FalseEvents]) -> str:
    """Rows of each thing done; an hour, of each kind."""
    lines = ["| while | recordings | minutes | false events | an hour, of the worst kind |", "|---|---|---|---|---|"]
    for doing, one in found.items():
        said = ", ".join(f"{kind} {count}" for kind, count in one.counts.most_common() if count) or "none"
        worst = max(one.counts.values(), default=0) * 3600 / max(one.seconds, 1e-9)
        lines.append(f"| {doing} | {one.recordings} | {one.seconds / 60:.1f} | {said} | {worst:.1f} |")
    return "\n".join(lines) + "\n"
