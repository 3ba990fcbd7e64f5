# SPDX-License-Identifier: Apache-2.0
"""The registry of data sets, through which every command finds its readers.

A data set has a name and a reader for each kind of content that it holds. A new one is a module with its readers and a
call of `register`; the commands that read its kinds of content then know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ..au_networks.specs import BP4D_AUS, DISFA_AUS
from . import (
    bp4d,
    bp4d_3d,
    bp4d_landmarks,
    bu3dfe,
    ck_plus,
    ck_plus_labels,
    coded_frames,
    disfa,
    disfa_landmarks,
    disfa_plus,
    ict_people,
    image_folder,
    labels_csv,
    landmark_files,
)
from .coded_frames import CodedFrames
from .expression_set import ExpressionSet
from .labelled import LabelledSequence
from .motions import Motions
from .records import AuSequence, DatasetError


class RecordingsReader(Protocol):
    """Labelled recordings, for `datasets check` and `evaluate`. Raises DatasetError or ValueError."""

    def __call__(self, path: Path, /) -> Iterable[LabelledSequence]: ...


class AuImagesReader(Protocol):
    """Recordings with images and the presence of these action units, for `prepare au`, `train au` and `evaluate au`.

    Raises DatasetError.
    """

    def __call__(self, root: Path, aus: Sequence[int], /) -> Iterable[AuSequence]: ...


class CodedFramesReader(Protocol):
    """The coded frames of one recording, for `evaluate facs codes`. Raises DatasetError or OSError."""

    def __call__(self, path: Path, /) -> CodedFrames: ...


class MotionsReader(Protocol):
    """Keypoint motions, for `train dfecs` and `evaluate dfecs`. Raises MotionError."""

    def __call__(self, path: Path, /) -> Motions: ...


class ExpressionsReader(Protocol):
    """Faces with expressions beside their neutrals, for `train perceptual`. Raises ValueError or FileNotFoundError."""

    def __call__(self, root: Path, /) -> ExpressionSet: ...


ReadFunction = TypeVar("ReadFunction")


def _asked_by_name(path: Path) -> bool:
    return False


@dataclass(frozen=True)
class DatasetReader(Generic[ReadFunction]):
    """read: what reads it. layout: in words, what is expected at the path. mark: what recognises it; by default it is
    never recognised, but asked for by name.
    """

    read: ReadFunction
    layout: str
    mark: Callable[[Path], bool] = _asked_by_name


@dataclass(frozen=True)
class Dataset:
    """A data set and its readers; None for a kind of content that it does not hold.

    present_from: intensity, A 1 .. E 5, from which the release has a unit as present. aus, folds: action units and
    subjects of each fold in published comparisons. shares: of people in training, validation and test, for sets of
    expressions.
    """

    name: str
    title: str
    recordings: DatasetReader[RecordingsReader] | None = None
    au_images: DatasetReader[AuImagesReader] | None = None
    coded_frames: DatasetReader[CodedFramesReader] | None = None
    motions: DatasetReader[MotionsReader] | None = None
    expressions: DatasetReader[ExpressionsReader] | None = None
    present_from: float = 2.0
    aus: tuple[int, ...] = ()
    folds: tuple[tuple[str, ...], ...] = ()
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)


_DATASETS: dict[str, Dataset] = {}


def register(dataset: Dataset) -> Dataset:
    """Makes a data set known to all commands. Of several that recognise a path, the one registered first reads it.

    Raises ValueError when the name is taken.
    """
    if dataset.name in _DATASETS:
        raise ValueError(f"a data set {dataset.name!r} is registered already")
    _DATASETS[dataset.name] = dataset
    return dataset


def unregister(name: str) -> None:
    """Takes a data set out again. Raises KeyError for an unknown one."""
    del _DATASETS[name]


def find(name: str) -> Dataset | None:
    """The data set of a name or, in any case, a title, such as ck_plus or CK+; None when there is none."""
    by_title = {dataset.title.lower(): dataset for dataset in _DATASETS.values()}
    return _DATASETS.get(name) or by_title.get(name.lower())


def recordings() -> dict[str, DatasetReader[RecordingsReader]]:
    """Readers of labelled recordings, by name."""
    return {one.name: one.recordings for one in _DATASETS.values() if one.recordings}


def au_images() -> dict[str, DatasetReader[AuImagesReader]]:
    """Readers of images with coded action units, by name."""
    return {one.name: one.au_images for one in _DATASETS.values() if one.au_images}


def coded_recordings() -> dict[str, DatasetReader[CodedFramesReader]]:
    """Readers of one recording's coded frames, by name."""
    return {one.name: one.coded_frames for one in _DATASETS.values() if one.coded_frames}


def motion_sets() -> dict[str, DatasetReader[MotionsReader]]:
    """Readers of keypoint motions, by name."""
    return {one.name: one.motions for one in _DATASETS.values() if one.motions}


def expression_sets() -> dict[str, DatasetReader[ExpressionsReader]]:
    """Readers of faces with expressions, by name."""
    return {one.name: one.expressions for one in _DATASETS.values() if one.expressions}


def recognise(path: Path, readers: Mapping[str, DatasetReader[ReadFunction]]) -> str:
    """Name of the first reader that recognises what a path holds. Raises DatasetError saying what was looked for."""
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    for name, reader in readers.items():
        if reader.mark(path):
            return name
    looked = "\n".join(f"  {name}: {reader.layout}" for name, reader in readers.items())
    raise DatasetError(f"{path} has the layout of no data set known here; looked for\n{looked}")


def read_recordings(path: Path, name: str = "") -> Iterator[LabelledSequence]:
    """The labelled recordings of a data set; its name is recognised when empty. Raises DatasetError."""
    readers = recordings()
    name = name or recognise(path, readers)
    try:
        yield from readers[name].read(path)
    except (KeyError, IndexError) as error:
        raise DatasetError(f"{path} is not as {name} is released: {readers[name].layout} ({error!r})") from None
    except ValueError as error:
        raise DatasetError(str(error)) from None


def _has(pattern: str) -> Callable[[Path], bool]:
    return lambda root: root.is_dir() and any(root.glob(pattern))


register(
    Dataset(
        "disfa",
        "DISFA",
        recordings=DatasetReader(
            disfa.read_recordings, "ActionUnit_Labels/SN001/SN001_au1.txt", _has("ActionUnit_Labels/SN*")
        ),
        au_images=DatasetReader(disfa.read_sequences, "DISFA (with ActionUnit_Labels)", _has("ActionUnit_Labels")),
        coded_frames=DatasetReader(coded_frames.read_disfa, "DISFA's label folder of a subject", Path.is_dir),
        motions=DatasetReader(disfa_landmarks.read_motions, "DISFA's folder"),
        aus=DISFA_AUS,
        folds=disfa.FOLDS,
    )
)
register(
    Dataset(
        "disfa_plus",
        "DISFA+",
        recordings=DatasetReader(disfa_plus.read, "Labels/SN001/<trial>/AU1.txt", _has("Labels/SN*")),
    )
)
register(
    Dataset(
        "ck_plus",
        "CK+",
        recordings=DatasetReader(ck_plus_labels.read, "FACS/S005/001/S005_001_00000011_facs.txt", _has("FACS/S*")),
        motions=DatasetReader(ck_plus.read_motions, "CK+'s folder"),
        present_from=1.0,
    )
)
register(
    Dataset(
        "bp4d",
        "BP4D",
        recordings=DatasetReader(bp4d.read_recordings, "AUCoding/AU_OCC/F001_T1.csv", _has("AUCoding/AU_OCC")),
        au_images=DatasetReader(bp4d.read_sequences, "BP4D (with AUCoding)", _has("AUCoding")),
        coded_frames=DatasetReader(coded_frames.read_bp4d, "BP4D's occurrence CSV", coded_frames.is_bp4d),
        motions=DatasetReader(bp4d_landmarks.read_motions, "BP4D's folder"),
        expressions=DatasetReader(bp4d_3d.load_bp4d_3d, "F001_T1_0001.bndplus"),
        present_from=1.0,
        aus=BP4D_AUS,
        folds=bp4d.FOLDS,
        shares=(25, 8, 8),
    )
)
register(
    Dataset(
        "bu3dfe",
        "BU-3DFE",
        recordings=DatasetReader(bu3dfe.read_recordings, "F0001/F0001_AN01WH_F3D.bnd", _has("**/*_F3D.bnd")),
        expressions=DatasetReader(bu3dfe.load_bu3dfe, "F0001/F0001_AN01WH_F3D.bnd"),
    )
)
register(
    Dataset(
        "ict",
        "ICT-FaceKit",
        recordings=DatasetReader(ict_people.read, "a file as models/ict_mesh.npz", lambda path: path.suffix == ".npz"),
    )
)
register(
    Dataset(
        "images",
        "folder of images",
        recordings=DatasetReader(
            image_folder.read, "images and labels.csv in one folder", lambda path: (path / "labels.csv").is_file()
        ),
    )
)
register(
    Dataset(
        "openface_csv",
        "OpenFace",
        recordings=DatasetReader(
            labels_csv.read_openface,
            "OpenFace's CSV: frame, timestamp, x_0 .., X_0 .., AU01_r ..",
            labels_csv.is_openface,
        ),
    )
)
register(
    Dataset(
        "csv",
        "CSV of labels",
        recordings=DatasetReader(
            labels_csv.read_files,
            "CSV: frame, seconds or stamp_ns, and au12, au12_c, expression, neutral ...",
            lambda path: path.suffix.lower() == ".csv" or _has("*.csv")(path),
        ),
        coded_frames=DatasetReader(coded_frames.read_csv_columns, "CSV: frame, au12 ...", Path.is_file),
    )
)
register(
    Dataset(
        "landmarks",
        "CSV of keypoints",
        motions=DatasetReader(
            landmark_files.read_csv, "CSV of 68 keypoints: person, time_s, neutral, x0..x67, y0..y67"
        ),
    )
)
register(
    Dataset(
        "motions",
        "file of keypoint motions",
        motions=DatasetReader(
            Motions.load, "file of keypoint motions that `facial_coding train dfecs --keep-motions` wrote"
        ),
    )
)
