# SPDX-License-Identifier: Apache-2.0
"""The colours of the curves, and a picture that says whose they are: beside the curves, it hides none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..drawing.overlay import AU_NAMES
from ..types import ImageArray
from .blueprint import SHOWN_AUS

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (72, 149, 220), (230, 80, 80), (80, 190, 90), (170, 125, 220), (255, 140, 40), (40, 200, 215), (175, 120, 105),
    (235, 135, 205), (200, 200, 60), (130, 135, 220),
)  # fmt: skip
EXPRESSION_COLOURS: dict[str, Colour] = {
    "neutral": (154, 160, 166), "happy": (242, 177, 52), "sad": (74, 127, 181), "angry": (209, 73, 91),
    "surprised": (163, 115, 204), "disgusted": (91, 150, 90), "scared": (90, 190, 190), "contempt": (176, 137, 104),
    "unsure": (110, 114, 120),
}  # fmt: skip
AFFECT_COLOURS: dict[str, Colour] = {"valence": PALETTE[0], "arousal": PALETTE[1], "attention": PALETTE[2]}
NEUTRAL_COLOUR: Colour = (90, 160, 105)
_GROUND, _WORDS = (28, 30, 36), (222, 224, 228)
_LINE_PX, _TEXT_PX, _EDGE_PX, _SWATCH_PX = 33, 27, 10, 30
_ROWS = 11


@dataclass(frozen=True)
class _Swatch:
    colour: Colour | None
    words: str
    is_event: bool = False


def colour_of_au(au: int) -> Colour:
    return PALETTE[(SHOWN_AUS.index(au) if au in SHOWN_AUS else au) % len(PALETTE)]


def colour_of_kind(kinds: Sequence[str], kind: str) -> Colour:
    """Of an event's kind; kinds: all that came, in their order."""
    return PALETTE[kinds.index(kind) % len(PALETTE)]


def picture_of_colours(kinds: Sequence[str] = ()) -> ImageArray:
    """(height, width, 3) RGB. kinds: of the events that came so far, marks between the lines of the neutral."""
    columns = [
        [_Swatch(colour_of_au(au), f"AU{au} {AU_NAMES.get(au, '')}") for au in SHOWN_AUS],
        [_Swatch(colour, label) for label, colour in EXPRESSION_COLOURS.items()],
    ]
    others = [_Swatch(colour, name) for name, colour in AFFECT_COLOURS.items()]
    others += [
        _Swatch(NEUTRAL_COLOUR, "neutral: 0 none"),
        *(_Swatch(None, words) for words in ("1 learning", "2 ready")),
    ]
    others += [_Swatch(None, "3 stale")]
    others += [_Swatch(colour_of_kind(kinds, kind), kind.replace("_", " "), is_event=True) for kind in kinds]
    columns += [others[first : first + _ROWS] for first in range(0, len(others), _ROWS)]
    return _drawn(columns)


def _drawn(columns: Sequence[Sequence[_Swatch]]) -> ImageArray:
    font = ImageFont.load_default(_TEXT_PX)
    widths = [_SWATCH_PX + 2 * _EDGE_PX + max(round(font.getlength(entry.words)) for entry in of) for of in columns]
    picture = Image.new("RGB", (sum(widths) + _EDGE_PX, _ROWS * _LINE_PX + 2 * _EDGE_PX), _GROUND)
    pen = ImageDraw.Draw(picture)
    left = _EDGE_PX
    for width, entries in zip(widths, columns, strict=True):
        for row, entry in enumerate(entries):
            y = _EDGE_PX + row * _LINE_PX + _LINE_PX // 2
            x, size = left + _SWATCH_PX // 2, _SWATCH_PX // 3
            if entry.colour is not None and entry.is_event:
                pen.polygon([(x - size, y), (x, y - size), (x + size, y), (x, y + size)], fill=entry.colour)
            elif entry.colour is not None:
                pen.line([(x - 12, y), (x + 12, y)], fill=entry.colour, width=6)
            pen.text((left + _SWATCH_PX + 8, y), entry.words, fill=_WORDS, font=font, anchor="lm")
        left += width
    return np.asarray(picture)
