# SPDX-License-Identifier: Apache-2.0
"""BU-3DFE: 100 people, six posed expressions in four degrees and a neutral face, 83 points in three dimensions.

Layout: anywhere under the root, files such as F0001_AN01WH_F3D.bnd: person, expression (NE AN DI FE HA SA SU), degree
00 to 04, two letters for ancestry. 83 rows "vertex  x y z", the mesh's axes: y up, z towards the viewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..coding.expression.labels import BASIC_LABELS
from ..face_model.ict import IctFaces
from ..keypoints import BU3DFE83, Scheme
from ..types import FloatArray
from .expression_set import ExpressionSet, centred_and_scaled, laid_on, lower_lids
from .labelled import LabelledSequence, sequence
from .records import text_of

POINTS = 83
EXPRESSIONS = {
    "NE": "neutral",
    "HA": "happy",
    "SA": "sad",
    "AN": "angry",
    "SU": "surprised",
    "DI": "disgusted",
    "FE": "scared",
}
_NAME = re.compile(r"([FM]\d{4})_(NE|AN|DI|FE|HA|SA|SU)(0[0-4])[A-Z]{2}_F3D$")


def read_points(path: Path) -> FloatArray:
    """(83, 3) of a .bnd or .bndplus file, as written; a vertex number at the start of the rows is dropped.

    Raises ValueError naming the file, what was found and what is expected.
    """
    try:
        lines = text_of(path).replace(",", " ").splitlines()
        points = np.array([[float(word) for word in line.split()] for line in lines if line.strip()], np.float64)
    except ValueError as error:
        raise ValueError(f"{path} is no list of points: {error}") from None
    if points.ndim != 2 or len(points) != POINTS or points.shape[1] not in (3, 4):
        raise ValueError(f"{path} holds {points.shape} numbers; {POINTS} rows 'x y z' or 'vertex x y z' are expected")
    if not np.isfinite(points).all():
        raise ValueError(f"{path} holds numbers that are not finite")
    return points[:, -3:].astype(np.float32)


def frontal_neutrals(neutrals: FloatArray, scheme: Scheme) -> FloatArray:
    """Raw neutrals (n, 83, 3) turned to frontal: x to the person's left, y down, z away from the viewer.

    The middles of eyes, brows, nose and mouth are laid on those of the mean ICT face, so nothing hangs on the order of
    the points inside a part.
    """
    parts = ("right_eye", "left_eye", "right_brow", "left_brow", "nose", "outer_lips")
    template = scheme.from_mesh(IctFaces.load().neutral)
    anchored, target = (
        np.concatenate([*(points[:, list(scheme.parts[p])].mean(1, keepdims=True) for p in parts), points], 1)
        for points in (neutrals, template[None])
    )
    return laid_on(anchored, target[0], tuple(range(len(parts))))[:, len(parts) :]


def stable_points(scheme: Scheme) -> tuple[int, ...]:
    """Points that expressions hardly move: the eyes' corners and the nose."""
    eyes = [scheme.parts[p] for p in ("right_eye", "left_eye")]
    return (*(eye[i] for eye in eyes for i in (0, 4)), *scheme.parts["nose"])


def load_bu3dfe(root: Path) -> ExpressionSet:
    """All people under `root`; each face turned onto the person's own neutral, then preprocessed as the paper does.

    Raises ValueError when nothing is found, a person has no neutral face, or a file is damaged.
    """
    matched = ((_NAME.fullmatch(path.stem), path) for path in root.rglob("*.bnd"))
    found = sorted((match.groups(), path) for match, path in matched if match)
    if not found:
        raise ValueError(f"No BU-3DFE points under {root}: expected files such as F0001/F0001_AN01WH_F3D.bnd")
    names = sorted({person for (person, _, _), _ in found})
    raw_neutral = {person: path for (person, code, _), path in found if code == "NE"}
    without = [name for name in names if name not in raw_neutral]
    if without:
        raise ValueError(f"{root}: no neutral face (NE00) of {', '.join(without)}; M1 and M2 need one a person")
    neutrals = frontal_neutrals(np.stack([read_points(raw_neutral[name]) for name in names]), BU3DFE83)
    stable = stable_points(BU3DFE83)
    person = np.array([names.index(who) for (who, _, _), _ in found])
    raw = np.stack([read_points(path) for _, path in found])
    points = np.concatenate([laid_on(raw[person == i], neutrals[i], stable) for i in range(len(names))])
    lids = lower_lids(neutrals, BU3DFE83)
    return ExpressionSet(
        name="bu3dfe",
        keypoints=BU3DFE83.name,
        points=centred_and_scaled(points, lids),
        neutrals=centred_and_scaled(neutrals, lids),
        person=person,
        ids=tuple(path.stem[: -len("_F3D")] for _, path in found),
        label=np.array([BASIC_LABELS.index(EXPRESSIONS[code]) for (_, code, _), _ in found]),
        degree=np.array([int(degree) for (_, _, degree), _ in found]),
        classes=BASIC_LABELS,
    )


def read_recordings(root: Path) -> Iterator[LabelledSequence]:
    """Each face as a recording of one frame. Raises ValueError."""
    faces = load_bu3dfe(root)
    for number, name in enumerate(faces.ids):
        label = faces.classes[faces.label[number]]
        rest = int(label == "neutral")
        points = faces.points[number][None]
        yield sequence(
            "bu3dfe", name.split("_")[0], name, [0], [0.0], expression=[label], neutral=[rest], points=points
        )
