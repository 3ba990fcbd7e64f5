"""Every data set under one roof: how each is recognised, read as LabelledSequence records, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..face_model.ict import AU_SHAPES, IctFaces
from ..image.conversion import natural_key
from ..image.sources import DEFAULT_FPS, IMAGE_SUFFIXES
from . import bp4d, bu3dfe, ck_plus_labels, disfa, disfa_plus, labels_csv
from .labelled import ImageFiles, LabelledSequence, presence, rows_of_numbers, sequence
from .records import UNKNOWN, DatasetError

DISFA_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
BP4D_INTENSITY_AUS = (6, 10, 12, 14, 17)


@dataclass(frozen=True)
class Reader:
    """read: all records of a path; raises DatasetError or ValueError. mark: what recognises it. layout: in words."""

    read: Callable[[Path], Iterator[LabelledSequence]]
    mark: Callable[[Path], bool]
    layout: str


def _disfa(root: Path) -> Iterator[LabelledSequence]:
    for units in disfa.read_sequences(root, DISFA_AUS):
        _, intensity = disfa.read_intensities(root / "ActionUnit_Labels" / units.subject, DISFA_AUS)
        yield sequence(
            "disfa", units.subject, units.name, units.frames, (units.frames - 1) / disfa.FPS, units.aus,
            units.present, intensity.astype(np.float32), images=units.images,
        )  # fmt: skip


def _bp4d(root: Path) -> Iterator[LabelledSequence]:
    aus = bp4d.coded_units(root)
    for units in bp4d.read_sequences(root, aus):
        intensity = np.full(units.present.shape, np.nan, np.float32)
        for au in set(BP4D_INTENSITY_AUS) & set(aus):
            path = root / "AUCoding" / "AU_INT" / f"AU{au:02d}" / f"{units.name}_AU{au:02d}.csv"
            if path.is_file():
                table = {int(f): v for f, v in rows_of_numbers(path, 2, "frame,intensity")}
                values = np.array([table.get(int(frame), np.nan) for frame in units.frames])
                intensity[:, aus.index(au)] = np.where(values == labels_csv.UNCODED, np.nan, values)
        yield sequence(
            "bp4d", units.subject, units.name, units.frames, (units.frames - 1) / bp4d.FPS, aus, units.present,
            intensity, images=units.images,
        )  # fmt: skip


def _bu3dfe(root: Path) -> Iterator[LabelledSequence]:
    faces = bu3dfe.load_bu3dfe(root)
    for number, name in enumerate(faces.ids):
        label = faces.classes[faces.label[number]]
        rest = int(label == "neutral")
        points = faces.points[number][None]
        yield sequence(
            "bu3dfe", name.split("_")[0], name, [0], [0.0], expression=[label], neutral=[rest], points=points
        )


def _ict(path: Path) -> Iterator[LabelledSequence]:
    """Ten people of the model, each with every action unit by itself at full strength."""
    model = IctFaces.load(path)
    aus = tuple(AU_SHAPES)
    for number, person in enumerate(model.people(10, np.random.default_rng(0))):
        points = np.stack([person] + [person + model.au_offsets({au: 1.0}) for au in aus])
        intensity = np.vstack([np.zeros(len(aus)), np.eye(len(aus)) * 5]).astype(np.float32)
        yield sequence(
            "ict", f"person{number}", f"person{number}", range(len(points)), np.arange(len(points)) / DEFAULT_FPS, aus,
            presence(intensity, 1.0), intensity, neutral=[1] + [0] * len(aus), points=points.astype(np.float32),
        )  # fmt: skip


def _images(folder: Path) -> Iterator[LabelledSequence]:
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


def _csv(path: Path) -> Iterator[LabelledSequence]:
    files = [path] if path.is_file() else sorted(path.glob("*.csv"))
    for file in files:
        yield from labels_csv.read(file)


def _openface(path: Path) -> Iterator[LabelledSequence]:
    for labels in _csv(path):
        yield LabelledSequence(**{**vars(labels), "dataset": "openface_csv"})


def _has(pattern: str) -> Callable[[Path], bool]:
    return lambda root: root.is_dir() and any(root.glob(pattern))


def _is_openface(path: Path) -> bool:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = {name.strip() for name in file.readline().split(",")}
    return bool({"x_0", "X_0"} & names) or {"confidence", "success", "AU01_r"} <= names


READERS: dict[str, Reader] = {
    "disfa": Reader(_disfa, _has("ActionUnit_Labels/SN*"), "ActionUnit_Labels/SN001/SN001_au1.txt"),
    "disfa_plus": Reader(disfa_plus.read, _has("Labels/SN*"), "Labels/SN001/<trial>/AU1.txt"),
    "ck_plus": Reader(ck_plus_labels.read, _has("FACS/S*"), "FACS/S005/001/S005_001_00000011_facs.txt"),
    "bp4d": Reader(_bp4d, _has("AUCoding/AU_OCC"), "AUCoding/AU_OCC/F001_T1.csv"),
    "bu3dfe": Reader(_bu3dfe, _has("**/*_F3D.bnd"), "F0001/F0001_AN01WH_F3D.bnd"),
    "ict": Reader(_ict, lambda path: path.suffix == ".npz", "a file as models/ict_mesh.npz"),
    "images": Reader(_images, lambda path: (path / "labels.csv").is_file(), "images and labels.csv in one folder"),
    "openface_csv": Reader(_openface, _is_openface, "OpenFace's CSV: frame, timestamp, x_0 .., X_0 .., AU01_r .."),
    "csv": Reader(
        _csv,
        lambda path: path.suffix.lower() == ".csv" or _has("*.csv")(path),
        "CSV: frame, seconds or stamp_ns, and au12, au12_c, expression, neutral ...",
    ),
}


def recognise(path: Path) -> str:
    """Name of the data set a path holds. Raises DatasetError saying what was looked for."""
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    for name, reader in READERS.items():
        if reader.mark(path):
            return name
    looked = "\n".join(f"  {name}: {reader.layout}" for name, reader in READERS.items())
    raise DatasetError(f"{path} has the layout of no data set known here; looked for\n{looked}")


def read(path: Path, kind: str = "") -> Iterator[LabelledSequence]:
    """The records of a data set; `kind` a key of READERS, recognised when empty. Raises DatasetError."""
    kind = kind or recognise(path)
    try:
        yield from READERS[kind].read(path)
    except (KeyError, IndexError) as error:
        raise DatasetError(f"{path} is not as {kind} is released: {READERS[kind].layout} ({error!r})") from None
    except ValueError as error:
        raise DatasetError(str(error)) from None


@dataclass(frozen=True)
class Contents:
    """What a data set holds. coded: frames in which an action unit was coded, by unit, and in how many it was there."""

    kind: str
    people: int
    recordings: int
    frames: int
    images: int
    coded: dict[int, tuple[int, int]]
    expressions: dict[str, int]
    neutral: int
    points: int


def check(path: Path, kind: str = "") -> Contents:
    """Reads everything, and the first image of each recording. Raises DatasetError at the first thing that is wrong."""
    kind = kind or recognise(path)
    people: set[str] = set()
    recordings: set[str] = set()
    frames = images = neutral = points = 0
    coded: dict[int, tuple[int, int]] = {}
    expressions: dict[str, int] = {}
    for one in read(path, kind):
        people.add(one.subject)
        recordings.add(one.name)
        frames += len(one)
        images += len(one) > 0 and next(iter(one.images(one.frames[:1].tolist()))) is not None
        neutral += int((one.neutral == 1).sum())
        points += 0 if one.points is None else len(one.points)
        for column, au in enumerate(one.aus):
            known, there = coded.get(au, (0, 0))
            present = one.present[:, column]
            coded[au] = (known + int((present != UNKNOWN).sum()), there + int((present == 1).sum()))
        for label in one.expression[one.expression != ""]:
            expressions[str(label)] = expressions.get(str(label), 0) + 1
    if not frames:
        raise DatasetError(f"{path}: no labelled frame")
    return Contents(kind, len(people), len(recordings), frames, images, coded, expressions, neutral, points)
