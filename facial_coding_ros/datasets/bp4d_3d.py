# SPDX-License-Identifier: Apache-2.0
"""BP4D-Spontaneous in three dimensions: 83 points a frame, a neutral face chosen from the frames without action units.

Layout: files named F001_T1_0001.bndplus, or F001/T1/0001.bndplus, anywhere under the root, each 83 rows of points;
AU_OCC/F001_T1.csv, anywhere under the root, with a header "0,1,2,4,..." and rows "frame,0|1|9,...", 9 not coded.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from ..keypoints import BP4D83
from ..types import FloatArray
from .bu3dfe import frontal_neutrals, read_points, stable_points
from .expression_set import ExpressionSet, centred_and_scaled, laid_on, lower_lids
from .records import text_of

CLASSES = ("negative", "positive")
_FRAME = re.compile(r"([FM]\d{3})[_/](T\d)[_/](\d{1,5})\.bndplus$")
_NOT_CODED = 9


def neutral_frames(path: Path) -> set[int]:
    """Frames of one AU_OCC table in which every coded action unit is absent. Raises ValueError naming the line."""
    rows = list(csv.reader(text_of(path).splitlines()))
    if not rows or "".join(rows[0][:1]).strip() != "0":
        raise ValueError(f"{path} is no AU_OCC table: expected a first row '0,1,2,4,...'")
    frames = set()
    for number, row in enumerate(rows[1:], 2):
        try:
            frame, *codes = (int(word) for word in row)
        except ValueError:
            raise ValueError(f"{path}, line {number}: {','.join(row)!r}; expected whole numbers") from None
        coded = [code for code in codes if code != _NOT_CODED]
        if coded and not any(coded):
            frames.add(frame)
    return frames


def medoid(points: FloatArray) -> int:
    """Index of the face (n, k, 3) with the smallest sum of distances to the others."""
    flat = points.reshape(len(points), -1).astype(np.float64)
    flat -= flat.mean(0)
    squares = (flat**2).sum(1)
    total = np.zeros(len(flat))
    for start in range(0, len(flat), 1024):
        part = slice(start, start + 1024)
        total[part] = np.sqrt(np.maximum(squares[part, None] + squares - 2 * flat[part] @ flat.T, 0)).sum(1)
    return int(total.argmin())


def read_valence(path: Path) -> dict[str, int]:
    """Face id -> 0 negative or 1 positive, where 3 votes or more say so.

    CSV with the columns face, neutral, positive, negative (votes). Raises ValueError.
    """
    label = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if not {"face", "neutral", "positive", "negative"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{path}: columns {reader.fieldnames}; expected face, neutral, positive, negative")
        for row in reader:
            for index, name in enumerate(CLASSES):
                if int(row[name]) >= 3:
                    label[row["face"]] = index
    return label


def load_bp4d_3d(root: Path, valence: Path | None = None, every: int = 1) -> ExpressionSet:
    """Faces of all people under `root`, every n-th frame; labels, where `valence` has them, negative or positive.

    The neutral face of a person is the medoid of the frames that are coded and show no action unit. Poses are taken out
    by laying each face on that neutral (eye corners and nose).
    Raises ValueError when nothing is found, or a person has no such frame.
    """
    tasks: dict[str, list[tuple[str, int, Path]]] = {}
    for path in sorted(root.rglob("*.bndplus")):
        if match := _FRAME.search(path.as_posix()):
            tasks.setdefault(match[1], []).append((match[2], int(match[3]), path))
    if not tasks:
        raise ValueError(f"No BP4D points under {root}: expected files such as F001_T1_0001.bndplus")
    tables = {path.stem: path for path in root.rglob("*.csv") if path.parent.name == "AU_OCC"}
    labels = read_valence(valence) if valence else {}
    stable = stable_points(BP4D83)
    points, neutrals, person, ids = [], [], [], []
    for index, (name, frames) in enumerate(tasks.items()):
        quiet = {
            (task, frame)
            for task in {task for task, _, _ in frames}
            if f"{name}_{task}" in tables
            for frame in neutral_frames(tables[f"{name}_{task}"])
        }
        candidates = [path for task, frame, path in frames if (task, frame) in quiet]
        if not candidates:
            raise ValueError(
                f"{root}: person {name} has no frame in which all coded action units are absent "
                f"(looked in {', '.join(sorted(t for t in tables if t.startswith(name + '_'))) or 'no AU_OCC table'})"
            )
        faces = np.stack([read_points(path) for path in candidates])
        faces = laid_on(faces, frontal_neutrals(faces[:1], BP4D83)[0], stable)
        lids = lower_lids(faces, BP4D83)
        neutral = faces[medoid(centred_and_scaled(faces, lids))]
        own = laid_on(np.stack([read_points(path) for _, _, path in frames[::every]]), neutral, stable)
        points.append(centred_and_scaled(own, lids))
        neutrals.append(centred_and_scaled(neutral, lids))
        person += [index] * len(own)
        ids += [f"{name}_{task}_{frame:04d}" for task, frame, _ in frames[::every]]
    return ExpressionSet(
        name="bp4d-3d",
        keypoints=BP4D83.name,
        points=np.concatenate(points),
        neutrals=np.stack(neutrals),
        person=np.array(person),
        ids=tuple(ids),
        label=np.array([labels.get(name, -1) for name in ids]),
        degree=np.zeros(len(ids), np.int64),
        classes=CLASSES,
    )
