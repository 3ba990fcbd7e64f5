# SPDX-License-Identifier: Apache-2.0
"""Pictures of faces with one word for each expression: the forms in which such sets come."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...coding.expression.labels import EXPRESSION_LABELS
from ...errors import UserError
from ...types import ImageArray

WORDS = {
    "neutral": 0, "happy": 1, "happiness": 1, "sad": 2, "sadness": 2, "angry": 3, "anger": 3, "surprised": 4,
    "surprise": 4, "disgusted": 5, "disgust": 5, "scared": 6, "fear": 6, "fearful": 6, "contempt": 7,
}  # fmt: skip
"""Words of the sets for the labels, by their place in EXPRESSION_LABELS."""
RAF_DB = (4, 6, 5, 1, 2, 3, 0)
"""RAF-DB's numbers 1 to 7: surprise, fear, disgust, happiness, sadness, anger, neutral."""
AFFECTNET = (0, 1, 2, 4, 6, 5, 3, 7)
"""AffectNet's numbers 0 to 7: neutral, happy, sad, surprise, fear, disgust, anger, contempt; 8 to 10 are none."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True)
class Still:
    """One picture. label: place in EXPRESSION_LABELS. person: who, as far as the set says, else the picture itself."""

    name: str
    label: int
    person: str
    _read: Callable[[], bytes]

    def image(self) -> ImageArray:
        """(height, width, 3) uint8 RGB. Raises UserError when it cannot be read."""
        picture = cv2.imdecode(np.frombuffer(self._read(), np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise UserError(f"{self.name} is no picture that can be read")
        return np.ascontiguousarray(picture[..., ::-1])


def read_stills(folder: Path) -> list[Still]:
    """The pictures of a folder, whatever of these it is:

    - labels.csv (image, expression, person or without) beside the pictures or a zip file of them;
    - RAF-DB: EmoLabel/list_patition_label.txt and Image/aligned;
    - AffectNet: annotations/N_exp.npy and images/N.jpg;
    - as FER's: one folder of pictures for each expression.

    Raises UserError saying what is missing.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder}")
    if (folder / "labels.csv").is_file():
        stills = list(_labelled(folder))
    elif (folder / "EmoLabel").is_dir():
        stills = list(_raf_db(folder))
    elif (folder / "annotations").is_dir():
        stills = list(_affectnet(folder))
    else:
        stills = list(_by_class(folder))
    if not stills:
        raise UserError(
            f"{folder} holds no labelled pictures: labels.csv, or a folder for each expression, is expected"
        )
    return stills


def _labelled(folder: Path) -> Iterator[Still]:
    archives = sorted(folder.glob("*.zip"))
    archive = zipfile.ZipFile(archives[0]) if archives else None
    inside = set(archive.namelist()) if archive else set()
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"image", "expression"} <= set(rows.fieldnames or ()):
            raise UserError(
                f"{folder / 'labels.csv'} has the columns {rows.fieldnames}; image, expression are expected"
            )
        for row in rows:
            name, word = row["image"], row["expression"].strip().lower()
            if word not in WORDS:
                raise UserError(f"{folder / 'labels.csv'}: {name} is {word!r}; allowed: {', '.join(WORDS)}")
            if archive is not None and name in inside:
                read: Callable[[], bytes] = _from_archive(archive, name)
            else:
                read = (folder / name).read_bytes
            yield Still(name, WORDS[word], row.get("person") or name, read)


def _from_archive(archive: zipfile.ZipFile, name: str) -> Callable[[], bytes]:
    return lambda: archive.read(name)


def _raf_db(folder: Path) -> Iterator[Still]:
    listed = folder / "EmoLabel" / "list_patition_label.txt"
    if not listed.is_file():
        raise UserError(f"{listed} is missing; RAF-DB has it")
    for line in listed.read_text(encoding="utf-8").splitlines():
        name, _, number = line.partition(" ")
        aligned = folder / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg")
        path = aligned if aligned.is_file() else folder / "Image" / "original" / name
        yield Still(name, RAF_DB[int(number) - 1], name, path.read_bytes)


def _affectnet(folder: Path) -> Iterator[Still]:
    for path in sorted((folder / "annotations").glob("*_exp.npy")):
        number = int(np.load(path).item())
        if number < len(AFFECTNET):
            name = path.name.replace("_exp.npy", ".jpg")
            yield Still(name, AFFECTNET[number], name, (folder / "images" / name).read_bytes)


def _by_class(folder: Path) -> Iterator[Still]:
    for path in sorted(folder.iterdir()):
        word = path.name.lower()
        if path.is_dir() and word in WORDS:
            for picture in sorted(path.iterdir()):
                if picture.suffix.lower() in _SUFFIXES:
                    name = f"{path.name}/{picture.name}"
                    yield Still(name, WORDS[word], name, picture.read_bytes)


def counts(stills: list[Still]) -> dict[str, int]:
    """Pictures of each label."""
    return {label: sum(still.label == k for still in stills) for k, label in enumerate(EXPRESSION_LABELS)}
