"""What the commands about image networks share: where their faces come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..au_networks.specs import BP4D_AUS, DISFA_AUS
from ..datasets import bp4d, disfa
from ..datasets.records import AuSequence, DatasetError
from ..errors import UserError
from ..learning.au_networks.prepared import INDEX, PreparedFaces, TrackerLandmarker, prepare

Reader = Callable[[Path, tuple[int, ...]], Iterable[AuSequence]]
READERS: dict[str, tuple[str, Reader, tuple[int, ...]]] = {
    "bp4d": ("AUCoding", bp4d.read_sequences, BP4D_AUS),
    "disfa": ("ActionUnit_Labels", disfa.read_sequences, DISFA_AUS),
}
"""Data set -> the folder by which it is known, its reader, the action units of the published comparisons."""


def dataset_of(folder: Path) -> str:
    """`bp4d`, `disfa` or `prepared`. Raises UserError when it is neither."""
    if (folder / INDEX).is_file():
        return "prepared"
    for name, (mark, _, _) in READERS.items():
        if (folder / mark).is_dir():
            return name
    raise UserError(
        f"{folder} is no folder of BP4D (with AUCoding), of DISFA (with ActionUnit_Labels) or of prepared faces "
        f"(with {INDEX})."
    )


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
    _, read, aus = READERS[name]
    landmarker = TrackerLandmarker()
    try:
        return prepare(read(data, aus), kept, landmarker, source=f"{name} read by facial_coding prepare au")
    finally:
        landmarker.close()


def print_card(card: dict[str, object]) -> None:
    """What was prepared and what was left out, in one line."""
    print(
        f"{card['faces']} faces of {card['subjects']} people; left out: "
        f"{card['labelled_frames_without_image']} labelled frames without image, "
        f"{card['images_without_face']} images without face, {card['frames_without_any_code']} frames without any code."
    )
