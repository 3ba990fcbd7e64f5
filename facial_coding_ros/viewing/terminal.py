# SPDX-License-Identifier: Apache-2.0
"""The lines of a terminal about a running node: one for each person in view, and one about the node."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..drawing.overlay import AU_NAMES
from ..types import UNSURE, FaceCode, NeutralState

MOST_AUS = 4
_LEAST_SHOWN = 0.1
_BAR = " ▏▎▍▌▋▊▉█"
_BAR_CELLS = 6
_STATES = {
    NeutralState.NONE: "bright_black",
    NeutralState.LEARNING: "yellow",
    NeutralState.READY: "green",
    NeutralState.STALE: "red",
}
_COLUMNS = (("", 1), ("person", 8), ("neutral", 8), ("action units", 0), ("expression", 14), ("attention", 9))
"""With their widths; the action units take what is left."""
_GAP = 2
_UNIT_CELLS, _NAME_CELLS = 10, 20
_MOST_CELLS = MOST_AUS * _UNIT_CELLS + _NAME_CELLS
_LONG_NAME = 16  # cells more for a person's, where there is room
_RATE_OVER_S = 3.0
SETTLED_S = 1.0
"""So long after the first message its rate is known."""
_OLD_S = 1.0
_REFUSED = "refused images"
KEYS = "↑ ↓ choose   c calibrate   r reset   f forget   q quit"


class Rate:
    """Messages a second, over the last few seconds; while fewer have passed since the first one, over these."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)
        self.first_s: float | None = None

    def tick(self, now_s: float) -> None:
        self.first_s = now_s if self.first_s is None else self.first_s
        self._times.append(now_s)

    def hz(self, now_s: float) -> float:
        while self._times and now_s - self._times[0] > _RATE_OVER_S:
            self._times.popleft()
        known_s = now_s - (now_s if self.first_s is None else self.first_s)
        return len(self._times) / min(max(known_s, SETTLED_S), _RATE_OVER_S)


@dataclass
class Watched:
    """What is known of the node, in the watcher's own seconds.

    faces: of the last message, by who they are, in the order in which they came. chosen: whose neutral the keys are
    about. health: the values of the node's diagnostics. said: what the last key brought.
    """

    node: str
    faces: OrderedDict[str, FaceCode] = field(default_factory=OrderedDict)
    rate: Rate = field(default_factory=Rate)
    last_s: float | None = None
    latency_s: float = math.nan
    health: dict[str, str] = field(default_factory=dict)
    health_text: str = ""
    chosen: str = ""
    said: str = ""

    def take(self, codes: Sequence[FaceCode], latency_s: float, now_s: float) -> None:
        """The face codes of one more image."""
        now = {code.face.subject_key: code for code in codes}
        kept = [key for key in self.faces if key in now]
        self.faces = OrderedDict((key, now[key]) for key in [*kept, *(key for key in now if key not in kept)])
        self.rate.tick(now_s)
        self.last_s, self.latency_s = now_s, latency_s
        if self.chosen not in self.faces:
            self.chosen = next(iter(self.faces), "")

    def choose(self, step: int) -> None:
        """The next person (1) or the one before (-1)."""
        keys = list(self.faces)
        if keys:
            place = keys.index(self.chosen) if self.chosen in keys else 0
            self.chosen = keys[(place + step) % len(keys)]


def screen(watched: Watched, now_s: float, width: int) -> RenderableType:
    """All lines, as they are now, for a terminal of so many columns."""
    old = watched.last_s is not None and now_s - watched.last_s > _OLD_S  # what is shown is no longer so
    table = Table(box=None, pad_edge=False, expand=False, header_style="bright_black", style="dim" if old else "")
    left = max(width - sum(cells for _, cells in _COLUMNS) - _GAP * (len(_COLUMNS) - 1), _UNIT_CELLS)
    units, to_spare = min(left, _MOST_CELLS), max(left - _MOST_CELLS, 0)
    for title, cells in _COLUMNS:  # as wide whatever is in them: nothing jumps
        cells += min(to_spare, _LONG_NAME) if title == "person" else 0
        table.add_column(title, no_wrap=True, overflow="ellipsis", width=cells or units)
    for key, code in watched.faces.items():
        table.add_row(*_row(key, code, key == watched.chosen, units))
    parts: list[RenderableType] = [_health(watched, now_s, width)]
    parts.append(table if watched.faces else Text("nobody in view", style="bright_black"))
    parts.append(Text(KEYS, style="bright_black", overflow="ellipsis", no_wrap=True))
    if watched.said:
        parts.append(Text(watched.said, style="cyan"))
    return Group(*parts)


def _row(key: str, code: FaceCode, chosen: bool, cells: int) -> tuple[RenderableType, ...]:
    estimate = code.expression
    expression = Text(UNSURE, style="bright_black")
    if estimate.label != UNSURE:
        expression = Text(f"{estimate.label} {estimate.confidence:.0%}", style="bold")
    state = Text(code.neutral_state.name.lower(), style=_STATES[code.neutral_state])
    return (
        Text("▶" if chosen else " ", style="cyan"),
        Text(key, style="bold" if chosen else ""),
        state,
        _units(code, cells),
        expression,
        Text("–" if math.isnan(code.attention) else f"{code.attention:.0%}"),
    )


def _units(code: FaceCode, cells: int) -> Text:
    """The strongest action units, as bars, and the name of the strongest where there is room for it."""
    known = zip(code.aus.codes, code.aus.intensity.tolist(), code.aus.confidence.tolist(), strict=True)
    strong = sorted(((i, au) for au, i, sure in known if i >= _LEAST_SHOWN and sure > 0), reverse=True)
    named = cells >= 3 * _UNIT_CELLS + _NAME_CELLS
    strong = strong[: min((cells - _NAME_CELLS * named) // _UNIT_CELLS, MOST_AUS)]
    text = Text()
    for intensity, au in strong:
        text.append(f"{au:>2} ", style="bright_black")
        text.append(bar(intensity), style="blue")
        text.append(" ")
    if strong and named:
        text.append(AU_NAMES.get(strong[0][1], ""), style="bright_black")
    return text


def bar(share: float) -> str:
    """0..1 as a bar of fixed width."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR_CELLS * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_BAR[part] if part else "")).ljust(_BAR_CELLS, "·")


def _health(watched: Watched, now_s: float, width: int) -> Text:
    """About the node; a narrow terminal breaks the line between two figures, not within one."""
    text = Text(watched.node, style="bold")
    if watched.last_s is None:
        return text.append("  waiting for face codes", style="yellow")
    age_s = now_s - watched.last_s
    figures = [(f"{watched.rate.hz(now_s):.1f} coded/s", "")]
    for name, shown in (("input rate (Hz)", "in/s"), ("skipped frames", "skipped")):
        if name in watched.health:
            figures.append((f"{watched.health[name]} {shown}", ""))
    figures.append((f"image {age_s:.1f} s old", "red" if age_s > _OLD_S else ""))
    if not math.isnan(watched.latency_s):
        figures.append((f"{1000 * watched.latency_s:.0f} ms each", ""))
    if watched.health.get(_REFUSED, "0") != "0":
        figures.append((f"{watched.health[_REFUSED]} refused", "red"))
    if watched.health_text:
        figures.append((watched.health_text, "yellow"))
    at = len(watched.node)
    for figure, style in figures:
        breaks = at + _GAP + len(figure) > width
        text.append("\n" if breaks else " " * _GAP).append(figure, style=style)
        at = len(figure) if breaks else at + _GAP + len(figure)
    return text
