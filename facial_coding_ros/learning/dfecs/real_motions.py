# SPDX-License-Identifier: Apache-2.0
"""Keypoint motions that people made themselves: of stills at rest and otherwise, and of recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ...coding.expression.labels import EXPRESSION_LABELS
from ...datasets.motions import MotionError, Motions, kpm_of
from ...errors import UserError
from ...image.sources import SourceError
from ...keypoints import Registration
from ...keypoints.registration import Rotation
from ...types import FloatArray, ImageArray
from ..expression.stills import read_stills
from ..motions.portrait_pairs import read_portrait_pairs
from ..motions.tracked_motions import recorded_motions
from ..synthesis.tracked_picture import PictureTracker

FARTHEST_TURN_DEG, LEAST_EYE_DISTANCE_PX = 20.0, 30.0
"""Stills of heads turned farther, or with eyes closer together, are left out."""
MOST_OF_A_FACE = 40
"""Frames that are taken of each face of a recording, evenly spaced."""
KINDS = {
    "stills": "labelled stills (docs/evaluation.md) with neutral and other pictures of the same people",
    "portraits": "folder of NAME_neutral.jpg and NAME_smiling.jpg",
    "recording": "video, folder of images or ROS 2 bag",
}
_BORDER = 0.3  # of the longer side: the detector loses faces that fill a tight crop
_Pictures = list[tuple[bool, Callable[[], ImageArray]]]  # whether at rest, and what reads it
_AT_REST = EXPRESSION_LABELS.index("neutral")


def real_motions(spec: str) -> Motions:
    """Of KIND:PATH, see KINDS. Raises MotionError saying what is wrong."""
    kind, _, where = spec.partition(":")
    path = Path(where).expanduser()
    if kind not in KINDS or not where or not path.exists():
        listed = "; ".join(f"{name}:PATH, {about}" for name, about in KINDS.items())
        raise MotionError(f"{spec}: an existing one of these is expected: {listed}")
    if kind != "recording":
        return (still_motions if kind == "stills" else portrait_motions)(path)
    try:
        found = recorded_motions(path)
    except SourceError as error:
        raise MotionError(str(error)) from None
    rows = [np.flatnonzero(found.person == one) for one in np.unique(found.person)]
    return found.take(
        np.concatenate([own[np.linspace(0, len(own) - 1, min(len(own), MOST_OF_A_FACE)).astype(int)] for own in rows])
    )


def still_motions(folder: Path) -> Motions:
    """Of labelled stills (learning.expression.stills): each person's other pictures against the mean of their neutral
    ones. Raises MotionError when there is no person with both."""
    try:
        stills = read_stills(folder)
    except UserError as error:
        raise MotionError(str(error)) from None
    people: dict[str, _Pictures] = {}
    for still in stills:
        people.setdefault(still.person, []).append((still.label == _AT_REST, still.image))
    both = {name: own for name, own in people.items() if len({resting for resting, _ in own}) == 2}
    register, tracker = Registration(), PictureTracker()
    kpm, person = [], []
    try:
        for name, own in both.items():
            seen: dict[bool, list[FloatArray]] = {True: [], False: []}
            for resting, mesh in _followed(tracker, own):
                if mesh is not None:
                    seen[resting].append(register.register(mesh[None])[0].sparse)
            if seen[True] and seen[False]:
                kpm.append(kpm_of(np.stack(seen[False]), np.mean(seen[True], 0)))
                person += [f"{folder.name}:{name}"] * len(seen[False])
    finally:
        tracker.close()
    if not kpm:
        raise MotionError(
            f"{folder}: no person has a picture at rest and another one, near to frontal and large enough"
        )
    rows = np.concatenate(kpm)
    return Motions(
        rows, np.array(person), np.full(len(rows), np.nan, np.float32), f"stills {folder.name}, {len(kpm)} people"
    )


def portrait_motions(folder: Path) -> Motions:
    """Of NAME_neutral.jpg and NAME_smiling.jpg. Raises MotionError when there is no person with both."""
    try:
        pairs = read_portrait_pairs(folder)
    except UserError as error:
        raise MotionError(str(error)) from None
    resting, smiling = (
        np.stack([face.sparse for face in Registration().register(meshes)]) for meshes in (pairs.resting, pairs.smiling)
    )
    return Motions(
        kpm_of(smiling, resting),
        np.array([f"{folder.name}:{name}" for name in pairs.names]),
        np.full(len(resting), np.nan, np.float32),
        f"portraits {folder.name}, {len(resting)} people",
    )


def _followed(tracker: PictureTracker, pictures: _Pictures) -> Iterator[tuple[bool, FloatArray | None]]:
    """Of each picture whether it is at rest, and its mesh (478, 3); None where it is not seen well enough."""
    for resting, read in pictures:
        image = read()
        border = round(_BORDER * max(image.shape))
        framed = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
        seen = tracker(np.asarray(framed, np.uint8))
        yield resting, None if seen is None or not _well_seen(seen.followed) else seen.followed


def _well_seen(mesh: FloatArray) -> bool:
    eyes = mesh[[33, 133, 362, 263]].reshape(2, 2, 3).mean(1)
    towards = Rotation().matrices(mesh[None, :468].transpose(0, 2, 1))[0, 2, 2]
    turn_deg = np.degrees(np.arccos(np.clip(towards, -1, 1)))
    return bool(turn_deg <= FARTHEST_TURN_DEG and np.linalg.norm(eyes[0] - eyes[1]) >= LEAST_EYE_DISTANCE_PX)
