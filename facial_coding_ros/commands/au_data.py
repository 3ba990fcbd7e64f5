# SPDX-License-Identifier: Apache-2.0
"""What the commands about image networks share: where their faces come from."""

from __future__ import annotations

from pathlib import Path

from ..datasets.records import DatasetError
from ..datasets.registry import au_images, find
from ..errors import UserError
from ..learning.au_networks.prepared import INDEX, PreparedFaces, TrackerLandmarker, prepare


def dataset_of(folder: Path) -> str:
    """Name of a data set with images of coded faces, or `prepared`. Raises UserError when it is neither."""
    if (folder / INDEX).is_file():
        return "prepared"
    readers = au_images()
    for name, reader in readers.items():
        if reader.mark(folder):
            return name
    known = ", ".join(f"of {reader.layout}" for reader in readers.values())
    raise UserError(f"{folder} is no folder {known} or of prepared faces (with {INDEX}).")


def open_faces(data: Path, kept: Path | None) -> PreparedFaces:
    """Prepared faces: those in `data`, those kept from an earlier run, or made now from the data set in `data`.

    Raises UserError.
    """
    name = dataset_of(data)
    try:
        if name == "prepared":
            return PreparedFaces.load(data)
        if kept is None:
            raise UserError(f"{data} holds {name}: say with --faces where its prepared faces are to be kept.")
        if not (kept / INDEX).is_file():
            print_card(prepare_dataset(data, kept))
        return PreparedFaces.load(kept)
    except DatasetError as error:
        raise UserError(str(error)) from None


def prepare_dataset(data: Path, kept: Path) -> dict[str, object]:
    """Prepares the faces of a data set; returns the card. Raises UserError or DatasetError."""
    name = dataset_of(data)
    if name == "prepared":
        raise UserError(f"{data} holds prepared faces already.")
    dataset = find(name)
    assert dataset is not None and dataset.au_images is not None  # as dataset_of found it
    landmarker = TrackerLandmarker()
    try:
        return prepare(
            dataset.au_images.read(data, dataset.aus),
            kept,
            landmarker,
            source=f"{name} read by facial_coding prepare au",
        )
    finally:
        landmarker.close()


def print_card(card: dict[str, object]) -> None:
    """What was prepared and what was left out, in one line."""
    print(
        f"{card['faces']} faces of {card['subjects']} people; left out: "
        f"{card['labelled_frames_without_image']} labelled frames without image, "
        f"{card['images_without_face']} images without face, {card['frames_without_any_code']} frames without any code."
    )
