# SPDX-License-Identifier: Apache-2.0
"""Rendered faces of known shape and pose, with what MediaPipe saw: the form in which they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...types import FloatArray

SMILE = {"mouthSmile_L": 1.0, "mouthSmile_R": 1.0, "cheekSquint_L": 0.6, "cheekSquint_R": 0.6}
"""A full smile: AU12 and AU6."""


@dataclass(frozen=True, eq=False)
class SeenFaces:
    """Rendered faces and what MediaPipe saw; n images in which it found the face.

    person: (n,) number. pose: (n, 3) yaw, pitch, roll in degrees. shapes: (n, 55) weights by shape_names. eye_px: (n,).
    mesh: (n, 478, 3) MediaPipe's answer, pixels; true: (n, 468, 3).
    """

    person: np.ndarray
    pose: FloatArray
    shapes: FloatArray
    eye_px: FloatArray
    mesh: FloatArray
    true: FloatArray
    shape_names: tuple[str, ...]

    def save(self, path: Path) -> None:
        np.savez(path, **{f: np.asarray(getattr(self, f)) for f in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> SeenFaces:
        with np.load(path) as arrays:
            names = tuple(str(n) for n in arrays["shape_names"])
            return cls(**{f: arrays[f] for f in cls.__dataclass_fields__ if f != "shape_names"}, shape_names=names)
