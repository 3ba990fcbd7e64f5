# SPDX-License-Identifier: Apache-2.0
"""The one record that every data set of labelled faces is read as, and what its readers share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..image.decoding import read_picture
from ..types import FloatArray, ImageArray
from .records import UNKNOWN, DatasetError, ImageReader, Labels, text_of

LEVELS = 5.0
"""FACS intensities are 1 (A) to 5 (E); 0 is absent."""

EXPRESSION_WORDS = {
    "neutral": ("neutral", "ne", "rest"),
    "happy": ("happy", "happiness", "joy", "ha"),
    "sad": ("sad", "sadness", "sa"),
    "angry": ("angry", "anger", "an"),
    "surprised": ("surprised", "surprise", "su"),
    "disgusted": ("disgusted", "disgust", "di"),
    "scared": ("scared", "fear", "afraid", "fe"),
    "contempt": ("contempt", "contemptuous"),
}
_WORDS = {word: label for label, words in EXPRESSION_WORDS.items() for word in words}


def no_images(frames: Sequence[int]) -> Iterator[ImageArray | None]:
    """Of a release without images."""
    return iter([None] * len(frames))


@dataclass(frozen=True)
class LabelledSequence:
    """One person in one recording; n frames that are labelled, the others unknown.

    name: of the recording. frames: (n,) as the release counts them, rising, from first_frame. seconds: (n,) since the
    recording's first frame. aus: action units. present: (n, len(aus)) 1, 0 or UNKNOWN. intensity: (n, len(aus)) 0..5,
    NaN unknown. expression: (n,) labels of coding.expression, "" unknown. neutral: (n,) 1 where the face is at rest, 0
    where it is not, UNKNOWN. region: (n, 4) xmin, ymin, xmax, ymax in 0..1 of the image, NaN unknown. points:
    (n, k, 2 or 3), None without. images: as AuSequence's. absolute: `seconds` are the stamps themselves.
    """

    dataset: str
    subject: str
    name: str
    frames: NDArray[np.int64]
    seconds: NDArray[np.float64]
    aus: tuple[int, ...]
    present: Labels
    intensity: FloatArray
    expression: NDArray[np.str_]
    neutral: Labels
    region: FloatArray
    points: FloatArray | None = None
    images: ImageReader = field(default=no_images, compare=False)
    absolute: bool = False

    def __len__(self) -> int:
        return len(self.frames)


def sequence(
    dataset: str,
    subject: str,
    name: str,
    frames: Sequence[int] | NDArray[np.int64],
    seconds: Sequence[float] | NDArray[np.float64],
    aus: Sequence[int] = (),
    present: Labels | None = None,
    intensity: FloatArray | None = None,
    expression: Sequence[str] | None = None,
    neutral: Sequence[int] | None = None,
    region: FloatArray | None = None,
    points: FloatArray | None = None,
    images: ImageReader = no_images,
    absolute: bool = False,
) -> LabelledSequence:
    """A record; what is not given is unknown."""
    n, units = len(frames), len(aus)
    return LabelledSequence(
        dataset,
        subject,
        name,
        np.asarray(frames, np.int64),
        np.asarray(seconds, np.float64),
        tuple(aus),
        np.full((n, units), UNKNOWN, np.int8) if present is None else np.asarray(present, np.int8),
        np.full((n, units), np.nan, np.float32) if intensity is None else np.asarray(intensity, np.float32),
        np.array([""] * n if expression is None else list(expression), dtype=np.str_),
        np.full(n, UNKNOWN, np.int8) if neutral is None else np.asarray(neutral, np.int8),
        np.full((n, 4), np.nan, np.float32) if region is None else np.asarray(region, np.float32),
        points,
        images,
        absolute,
    )


def presence(intensity: FloatArray, present_from: float) -> Labels:
    """1, 0 or UNKNOWN from intensities 0..5: present from this one on."""
    known = np.isfinite(intensity)
    return np.where(known, np.nan_to_num(intensity) >= present_from, UNKNOWN).astype(np.int8)


def expression_of(word: str, where: str) -> str:
    """Label of coding.expression for a word such as "happiness"; "" for none. Raises DatasetError for another word."""
    text = word.strip().lower()
    if text in ("", "9", "unknown", "nan"):
        return ""
    if text not in _WORDS:
        known = ", ".join(sorted(_WORDS))
        raise DatasetError(f"{where}: expression {word!r}; one of {known} is expected, empty for unknown")
    return _WORDS[text]


class ImageFiles:
    """Images by frame number."""

    def __init__(self, files: dict[int, Path]) -> None:
        self.files = files

    def __call__(self, frames: Sequence[int]) -> Iterator[ImageArray | None]:
        for frame in frames:
            yield read_picture(self.files[frame]) if frame in self.files else None


def rows_of_numbers(path: Path, columns: int, form: str) -> NDArray[np.float64]:
    """(n, columns) of a text file with finite numbers parted by blanks or commas.

    Raises DatasetError naming file, line and the expected form.
    """
    rows = []
    for number, line in enumerate(text_of(path).replace("\x80", " ").splitlines(), start=1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            values = []
        if len(values) != columns or not np.isfinite(values).all():
            raise DatasetError(f"{path}, line {number}: {line.strip()!r}; {form} is expected")
        rows.append(values)
    return np.array(rows, np.float64).reshape(-1, columns)
