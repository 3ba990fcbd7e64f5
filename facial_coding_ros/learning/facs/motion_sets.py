# SPDX-License-Identifier: Apache-2.0
"""A rendered set (`facial_coding synthesize`) as motions with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...coding.facs.confidence import noise_scale
from ...keypoints import Registration
from ...keypoints.mesh_mirror import MESH_PAIRS
from ...types import SURFACE_POINTS, FloatArray
from ..synthesis.dataset import NEUTRALS, load_set

LIPS_APART_CM = 2.2
"""Gap between the inner lips that is AU25 at E."""
_UPPER, _LOWER = 62, 66  # of the 68 landmarks
_MIRROR = np.arange(SURFACE_POINTS)
for _a, _b in MESH_PAIRS:
    _MIRROR[_a], _MIRROR[_b] = _b, _a


def mirrored(motion: FloatArray) -> FloatArray:
    """Motions (..., 468, 3) of the mirror image."""
    return motion[..., _MIRROR, :] * np.array([-1, 1, 1], np.float32)


@dataclass(frozen=True)
class MotionSet:
    """Motions against the neutral of the same person, as the tracker reports both.

    motion: (n, 468, 3). sides: (n, 2, units) truth, right first. person, number, group, kind, style: (n,), see
    synthesis.dataset; person differs between sets. just_found: (n,), the face was just found and its neutral is young;
    else it was followed for a while. turn_deg, eye_distance_px: (n,).
    """

    motion: FloatArray
    sides: FloatArray
    person: NDArray[np.int64]
    number: NDArray[np.int64]
    group: NDArray[np.int64]
    kind: NDArray[np.int64]
    style: NDArray[np.int64]
    just_found: NDArray[np.bool_]
    turn_deg: FloatArray
    eye_distance_px: FloatArray

    @property
    def resting(self) -> NDArray[np.bool_]:
        return self.number < NEUTRALS

    @property
    def turned(self) -> NDArray[np.bool_]:
        """Resting, the head turned by 15 to 30 degrees."""
        return self.number == NEUTRALS

    @property
    def noise_scale(self) -> FloatArray:
        """(n,), see confidence.noise_scale."""
        return noise_scale(self.turn_deg, self.eye_distance_px)

    def take(self, rows: NDArray[Any]) -> MotionSet:
        return MotionSet(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def with_mirror_images(self) -> MotionSet:
        """Twice as many rows: the second half mirrored."""
        parts = {field.name: np.concatenate([getattr(self, field.name)] * 2) for field in fields(self)}
        parts["motion"] = np.concatenate([self.motion, mirrored(self.motion)])
        parts["sides"] = np.concatenate([self.sides, self.sides[:, ::-1]])
        return MotionSet(**parts)


def load_motions(folders: Sequence[Path], registration: Registration, seed: int = 0) -> MotionSet:
    """Motions of rendered sets; each picture twice.

    Once as the node sees a face it has followed for a while: against the mean of the person's other resting pictures.
    Once of a face just found: against the mean of some of them, drawn at random.
    Raises FileNotFoundError for a folder without a set, ValueError for one made by an older version.
    """
    rng = np.random.default_rng(seed)
    parts: list[dict[str, NDArray[Any]]] = []
    for number, folder in enumerate(folders):
        raw = load_set(folder)
        if "first_mesh" not in raw:
            raise ValueError(f"{folder} was made by an older version of facial_coding synthesize; make it anew")
        raw = {name: values[raw["tracked"]] for name, values in raw.items()}
        followed, first = (registered(registration, raw[name]) for name in ("mesh", "first_mesh"))
        sides = np.stack([raw["right"], raw["left"]], 1)
        gap = raw["landmarks_cm"][:, _UPPER, 1] - raw["landmarks_cm"][:, _LOWER, 1]
        for person in np.unique(raw["person"]):
            rows = np.flatnonzero(raw["person"] == person)
            rest = rows[raw["number"][rows] < NEUTRALS]
            if len(rest) < 2:
                continue
            opened = gap[rows] - gap[rest].mean()
            sides[rows, :, CODES.index(25)] = np.where(opened > 0.1, np.clip(opened / LIPS_APART_CM, 0, 1), 0)[:, None]
            others = [rest[rest != row] for row in rows]
            some = [rng.choice(one, int(rng.integers(1, 1 + len(one))), replace=False) for one in others]
            for points, neutrals, just_found in ((followed, others, False), (first, some, True)):
                neutral = np.stack([followed[one].mean(0) for one in neutrals])
                parts.append({
                    "motion": points[rows] - neutral,
                    "sides": sides[rows],
                    "person": raw["person"][rows].astype(np.int64) + 1_000_000 * number,
                    "number": raw["number"][rows],
                    "group": raw["group"][rows],
                    "kind": raw["kind"][rows],
                    "style": raw["style"][rows],
                    "just_found": np.full(len(rows), just_found),
                    "turn_deg": np.hypot(raw["pose_deg"][rows, 0], raw["pose_deg"][rows, 1]),
                    "eye_distance_px": raw["eye_distance_px"][rows],
                })  # fmt: skip
    return MotionSet(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def registered(registration: Registration, meshes: FloatArray) -> FloatArray:
    """Registered points (n, 468, 3) of meshes (n, 478, 3), in portions that fit the processor's cache."""
    portions = range(0, len(meshes), 500)
    return np.concatenate([
        np.stack([face.dense for face in registration.register(meshes[start : start + 500])]) for start in portions
    ])  # fmt: skip


def joined(parts: Sequence[MotionSet]) -> MotionSet:
    """All rows of several."""
    names = [field.name for field in fields(MotionSet)]
    return MotionSet(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
