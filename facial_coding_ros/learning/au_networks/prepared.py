# SPDX-License-Identifier: Apache-2.0
"""Faces prepared for training: cut out of a data set's images once, with their 68 landmarks and labels.

A prepared folder holds `index.npz`, `prepared.yaml` (where it comes from, what was left out) and `faces/*.jpg`. It
holds pictures of people: the data set's licence holds for it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from ...datasets.records import AuSequence, DatasetError, Labels
from ...image.decoding import read_picture
from ...keypoints.schemes import SPARSE
from ...npz import open_npz
from ...tracking import TrackingSettings, make_tracker
from ...types import FloatArray, Frame, ImageArray

INDEX, CARD, FACES = "index.npz", "prepared.yaml", "faces"
MARGIN = 1.0
"""Kept around the landmarks, as a share of the face's size; every alignment fits into it."""
STORED_SIDE = 400
"""Larger faces are stored at this side, in pixels."""


class Landmarker(Protocol):
    """Finds the face of one recording after the other."""

    def __call__(self, image: ImageArray, stamp_ns: int) -> FloatArray | None:
        """Landmarks (68, 2) in pixels of the image; None where there is no face."""

    def reset(self) -> None:
        """Another recording begins."""


@dataclass(frozen=True)
class PreparedFaces:
    """files, subjects, sequences: (n,) str. frames: (n,). labels: (n, len(aus)) 1, 0 or -1. landmarks: (n, 68, 2) in
    pixels of the stored picture.
    """

    root: Path
    dataset: str
    aus: tuple[int, ...]
    files: NDArray[np.str_]
    subjects: NDArray[np.str_]
    sequences: NDArray[np.str_]
    frames: NDArray[np.int64]
    labels: Labels
    landmarks: FloatArray

    def __len__(self) -> int:
        return len(self.files)

    @classmethod
    def load(cls, root: Path | str) -> PreparedFaces:
        """Raises DatasetError when the folder is not a prepared one, or is incomplete."""
        root = Path(root)
        try:
            with open_npz(root / INDEX) as arrays:
                dataset, aus = str(arrays["dataset"]), tuple(int(au) for au in arrays["aus"])
                columns = {name: arrays[name] for name in ("files", "subjects", "sequences", "frames")}
                labels, landmarks = arrays["labels"], arrays["landmarks"]
        except FileNotFoundError:
            raise DatasetError(f"{root} has no {INDEX}: no prepared faces, or their preparation was cut off.") from None
        except (KeyError, ValueError, OSError) as error:
            raise DatasetError(f"{root / INDEX} cannot be used: {error}") from None
        count = len(columns["files"])
        if labels.shape != (count, len(aus)) or landmarks.shape != (count, 68, 2):
            raise DatasetError(f"{root / INDEX}: labels {labels.shape} and landmarks {landmarks.shape} do not fit.")
        return cls(root, dataset, aus, **columns, labels=labels, landmarks=landmarks)

    def image(self, index: int) -> ImageArray:
        """The stored picture, RGB. Raises DatasetError when it is missing or damaged."""
        path = self.root / FACES / str(self.files[index])
        picture = read_picture(path)
        if picture is None:
            raise DatasetError(f"{path} is missing or no picture; prepare the faces again.")
        return picture

    def rows(self, subjects: Iterable[str]) -> NDArray[np.int64]:
        """Rows of these subjects."""
        return np.flatnonzero(np.isin(self.subjects, list(subjects)))

    def columns(self, aus: Iterable[int]) -> Labels:
        """Labels (n, len(aus)) of some of the action units. Raises DatasetError naming those that are not there."""
        wanted = tuple(aus)
        if missing := [au for au in wanted if au not in self.aus]:
            raise DatasetError(f"{self.root} has no labels of AU {missing}; it has {list(self.aus)}.")
        return self.labels[:, [self.aus.index(au) for au in wanted]]


@dataclass
class _Rows:
    """Grows while faces are prepared."""

    files: list[str]
    subjects: list[str]
    sequences: list[str]
    frames: list[int]
    labels: list[Labels]
    landmarks: list[FloatArray]


def prepare(
    sequences: Iterable[AuSequence], root: Path | str, landmarker: Landmarker, source: str = ""
) -> dict[str, Any]:
    """Cuts out the faces of all labelled frames and writes the prepared folder; returns its card.

    Frames without an image and frames without a face are counted, by sequence, and left out; so are those in which no
    action unit is coded. Raises DatasetError when nothing is left.
    """
    root = Path(root)
    (root / FACES).mkdir(parents=True, exist_ok=True)
    rows = _Rows([], [], [], [], [], [])
    no_image: dict[str, int] = {}
    no_face: dict[str, int] = {}
    uncoded = 0
    dataset, aus = "", ()
    for sequence in tqdm(sequences, desc="preparing", unit="sequence"):
        dataset, aus = sequence.dataset, sequence.aus
        landmarker.reset()
        coded = (sequence.present >= 0).any(1)
        uncoded += int((~coded).sum())
        for frame, labels, image in _labelled(sequence, coded):
            if image is None:
                no_image[sequence.name] = no_image.get(sequence.name, 0) + 1
                continue
            points = landmarker(image, round(frame / sequence.fps * 1e9))
            if points is None:
                no_face[sequence.name] = no_face.get(sequence.name, 0) + 1
                continue
            picture, points = _cut(image, points)
            name = f"{sequence.name}_{frame:05d}.jpg"
            if not cv2.imwrite(str(root / FACES / name), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
                raise DatasetError(f"{root / FACES / name} could not be written.")
            rows.files.append(name)
            rows.subjects.append(sequence.subject)
            rows.sequences.append(sequence.name)
            rows.frames.append(frame)
            rows.labels.append(labels)
            rows.landmarks.append(points)
    if not rows.files:
        raise DatasetError(
            f"No face was prepared: {sum(no_image.values())} labelled frames have no image, in {sum(no_face.values())}"
            " no face was found."
        )
    card = {
        "what": "faces cut out of a licensed data set, for training; personal data",
        "dataset": dataset,
        "source": source,
        "aus": list(aus),
        "faces": len(rows.files),
        "subjects": len(set(rows.subjects)),
        "labelled_frames_without_image": sum(no_image.values()),
        "images_without_face": sum(no_face.values()),
        "frames_without_any_code": uncoded,
        "without_image_by_sequence": no_image,
        "without_face_by_sequence": no_face,
    }
    (root / CARD).write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None))
    np.savez_compressed(
        root / INDEX,
        dataset=np.array(dataset),
        aus=np.array(aus, np.int64),
        files=np.array(rows.files),
        subjects=np.array(rows.subjects),
        sequences=np.array(rows.sequences),
        frames=np.array(rows.frames, np.int64),
        labels=np.stack(rows.labels).astype(np.int8),
        landmarks=np.stack(rows.landmarks).astype(np.float32),
    )
    return card


def _labelled(sequence: AuSequence, coded: NDArray[np.bool_]) -> Iterator[tuple[int, Labels, ImageArray | None]]:
    frames = [int(frame) for frame in sequence.frames[coded]]
    yield from zip(frames, sequence.present[coded], sequence.images(frames), strict=True)


def _cut(image: ImageArray, points: FloatArray) -> tuple[ImageArray, FloatArray]:
    """The face with its margin, shrunk when it is large."""
    low, high = points.min(0), points.max(0)
    size = float((high - low).max())
    height, width = image.shape[:2]
    x0, y0 = (int(max(v, 0)) for v in low - MARGIN * size)
    x1, y1 = int(min(high[0] + MARGIN * size, width)), int(min(high[1] + MARGIN * size, height))
    cut, points = image[y0:y1, x0:x1], points - np.array([x0, y0], np.float32)
    scale = min(1.0, STORED_SIDE / size)
    if scale < 1.0:
        width, height = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
        factor = np.array([width / cut.shape[1], height / cut.shape[0]])
        cut = np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        points = (points + 0.5) * factor - 0.5
    return np.ascontiguousarray(cut), points.astype(np.float32)


class TrackerLandmarker:
    """Landmarks from the face tracker: those of the largest face, not smoothed."""

    def __init__(self) -> None:
        self._tracker = make_tracker(TrackingSettings(smoothing=False, confirm_hits=1, max_faces=2, workers=1))

    def __call__(self, image: ImageArray, stamp_ns: int) -> FloatArray | None:
        faces = self._tracker.track(Frame(image, stamp_ns))
        if not faces:
            return None
        largest = max(faces, key=lambda face: float(np.ptp(face.mesh[:, 0])))
        return SPARSE.from_mesh(largest.mesh)[:, :2]

    def reset(self) -> None:
        self._tracker.reset()

    def close(self) -> None:
        self._tracker.close()
