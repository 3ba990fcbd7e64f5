# SPDX-License-Identifier: Apache-2.0
"""Images and their labels in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..image.conversion import natural_key
from ..image.sources import DEFAULT_FPS, IMAGE_SUFFIXES
from . import labels_csv
from .labelled import ImageFiles, LabelledSequence
from .records import DatasetError


def read(folder: Path) -> Iterator[LabelledSequence]:
    """Images and labels.csv in one folder; the labels' frame is the image's place in natural order, from 0."""
    images = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES), key=lambda f: natural_key(f.name)
    )
    if not images:
        raise DatasetError(f"{folder} holds labels.csv, but no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    files = ImageFiles(dict(enumerate(images)))
    for labels in labels_csv.read(folder / "labels.csv", DEFAULT_FPS):
        outside = labels.frames[(labels.frames < 0) | (labels.frames >= len(images))]
        if len(outside):
            raise DatasetError(
                f"{folder}/labels.csv labels frame {outside[0]}; the folder has images 0 to {len(images) - 1}"
            )
        yield LabelledSequence(**{**vars(labels), "dataset": "images", "name": folder.name, "images": files})
