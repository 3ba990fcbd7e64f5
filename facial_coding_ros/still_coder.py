# SPDX-License-Identifier: Apache-2.0
"""Face codes of pictures that have nothing to do with each other: each alone, without tracking, smoothing or a neutral
over time."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from .image.decoding import KEPT, ImageError, decoded
from .image.pixel_range import PixelRange
from .image.settings import ImageSettings
from .image.source import Source
from .image.sources import IMAGE_SUFFIXES
from .neutral import read_neutral
from .pipeline import Pipeline, PipelineSettings
from .types import FaceCode, Frame, ImageArray, Registered

_PERSON, _NEUTRAL, _PICTURES = "person", "neutral", "pictures"
"""Columns of a table of neutrals; the last one may be left out."""


def still_settings(settings: PipelineSettings) -> PipelineSettings:
    """Those of a picture alone: all are taken, a face counts at its first sight, nothing is filtered over time."""
    image = replace(settings.image, max_rate_hz=0.0)
    tracking = replace(settings.tracking, confirm_hits=1, smoothing=False, id_seed=settings.tracking.id_seed or 1)
    return replace(
        settings, image=image, tracking=tracking, expression=replace(settings.expression, latent_filter="none")
    )


def too_few_to_follow(source: Source, settings: PipelineSettings) -> str:
    """Why a single picture gives nothing as a recording; empty when the source is none, or one sight is enough."""
    needed = settings.tracking.confirm_hits
    if len(source.pictures) != 1 or needed == 1:
        return ""
    return (
        f"{source.name} holds 1 picture; in a recording a face counts when it was seen in {needed} frames "
        "(tracking.confirm_hits). To code each picture alone: --stills, in Python stills=True"
    )


@dataclass(frozen=True)
class _Person:
    """Who is in the pictures whose names fit the pattern, empty for everybody, with the neutral."""

    person_id: str
    pattern: str
    neutral: Registered

    def fits(self, picture: str) -> bool:
        if self.pattern:
            return fnmatchcase(picture, self.pattern)
        stem = Path(picture).stem
        return (
            not self.person_id
            or stem == self.person_id
            or re.match(rf"{re.escape(self.person_id)}[_\-. ]", stem) is not None
        )


class StillCoder:
    """Codes pictures one by one; the same picture gives the same codes, whatever was coded before. Close it when done.

    Parameters
    ----------
    settings : PipelineSettings
        Settings of all stages; `still_settings` applies.
    neutral_from : str or pathlib.Path, optional
        Where resting faces come from; without it from the prior, the mean face. A neutral that `facial_coding` wrote
        (.npz) or a picture with one face: for every face. A table (.csv) with the columns ``person`` and ``neutral``
        (a picture or .npz, relative to the table): for the pictures of this person, whose names are the person's or
        begin with it, followed by ``_``, ``-``, ``.`` or a space; or those that fit a pattern such as ``anna*.jpg`` in
        the column ``pictures``.

    Raises
    ------
    OSError, ValueError
        When a file is missing, damaged, or shows no face or several; the text names it.
    """

    def __init__(self, settings: PipelineSettings, neutral_from: Path | str = "") -> None:
        self._image = settings.image
        with ExitStack() as undo:
            self.pipeline = Pipeline(still_settings(settings))
            undo.callback(self.pipeline.close)
            self._people = self._read(Path(neutral_from)) if neutral_from else []
            undo.pop_all()

    def code(self, frame: Frame, picture: str = "") -> tuple[FaceCode, ...]:
        """Face codes of everybody in a picture. picture: the name of its file.

        Where a table says whose pictures these are, a picture with several faces has nobody's neutral: which of them
        is the person cannot be told.
        """
        person = self.person(picture)
        codes = self._code(frame, person.neutral if person else None)
        if person is None or not person.person_id:
            return codes
        if len(codes) > 1:
            return self._code(frame, None)
        return tuple(replace(code, face=replace(code.face, person_id=person.person_id)) for code in codes)

    def person(self, picture: str) -> _Person | None:
        """Whose neutral a picture gets: of several the one with the longest name."""
        return max((one for one in self._people if one.fits(picture)), key=lambda one: len(one.person_id), default=None)

    def close(self) -> None:
        """Frees what the pipeline holds."""
        self.pipeline.close()

    def _code(self, frame: Frame, neutral: Registered | None) -> tuple[FaceCode, ...]:
        self.pipeline.reset()
        self.pipeline.give_neutrals(everyone=neutral)
        return self.pipeline.process(frame)

    def _read(self, path: Path) -> list[_Person]:
        if path.suffix.lower() != ".csv":
            return [_Person("", "", self._neutral(path))]
        people: list[_Person] = []
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if missing := {_PERSON, _NEUTRAL} - set(rows.fieldnames or ()):
                raise ValueError(
                    f"{path} has no column {min(missing)!r}; person,neutral and maybe pictures are expected"
                )
            for number, row in enumerate(rows, 2):
                person, neutral = (row[_PERSON] or "").strip(), (row[_NEUTRAL] or "").strip()
                if not person or not neutral:
                    raise ValueError(f"{path}, line {number}: a person and a neutral picture are expected")
                try:
                    read = self._neutral(path.parent / neutral)
                except (OSError, ValueError) as error:
                    raise ValueError(f"{path}, line {number}: {error}") from None
                people.append(_Person(person, (row.get(_PICTURES) or "").strip(), read))
        if not people:
            raise ValueError(f"{path} has no row; a line for each person is expected")
        return people

    def _neutral(self, path: Path) -> Registered:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            return read_neutral(path)
        frame = Frame(read_still(path, self._image), 0)
        self.pipeline.reset()
        faces = self.pipeline.tracker.track(frame)
        if len(faces) != 1:
            raise ValueError(f"{path} shows {len(faces) or 'no'} faces; one face at rest is expected")
        return self.pipeline.registration.register([faces[0].mesh])[0]


def neutral_files(neutral_from: Path) -> tuple[Path, ...]:
    """The files that `neutral_from` of StillCoder stands for: itself, and those that a table names. Raises OSError."""
    if neutral_from.suffix.lower() != ".csv" or not neutral_from.is_file():
        return (neutral_from,)
    with neutral_from.open(newline="", encoding="utf-8-sig") as file:
        named = [(row.get(_NEUTRAL) or "").strip() for row in csv.DictReader(file)]
    return (neutral_from, *(neutral_from.parent / name for name in named if name))


def read_still(path: Path, settings: ImageSettings | None = None) -> ImageArray:
    """A picture file as an RGB array. Raises OSError, or ImageError, a ValueError, that names the file."""
    settings = settings or ImageSettings()
    try:
        return decoded(path.read_bytes(), KEPT, settings.max_megapixels, PixelRange(settings.mono16_range))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def pictures_of(source: Source) -> Mapping[int, str]:
    """Names of the pictures by the number of their frame. Raises ValueError where the source has none."""
    if not source.pictures:
        raise ValueError(f"{source.name} is no picture and no folder of pictures; stills are expected to be")
    return dict(enumerate(source.pictures))
