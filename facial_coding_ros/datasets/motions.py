# SPDX-License-Identifier: Apache-2.0
"""Sets of keypoint motions: what DFECS learns from and is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..npz import open_npz
from ..types import FloatArray

KPM_SIZE = 136
EYE_DISTANCE = 400.0
"""Distance between the eye centres in DFECS's registered frame: the unit of a KPM is 1 / 400 of it."""

HELD_POINTS = (36, 39, 42, 45, 0, 16, 27)
"""Keypoints that the per-part similarity puts on fixed places: a registered motion does not move them."""

FORMAT = "facial_coding_ros motions 1"


class MotionError(ValueError):
    """Numbers that are not keypoint motions; says what was found and what was expected."""


@dataclass(frozen=True)
class Motions:
    """Keypoint motions of many people.

    kpm: (n, 136), as types.Motion.kpm. person: (n,) str, whose. time_s: (n,) seconds since the start of that person's
    recording, NaN for motions that are no recording. source: what they are, for cards and reports.
    """

    kpm: FloatArray
    person: NDArray[np.str_]
    time_s: FloatArray
    source: str

    def __len__(self) -> int:
        return len(self.kpm)

    @property
    def people(self) -> int:
        return len(np.unique(self.person))

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Motions:
        """Some of them, by index or mask."""
        return Motions(self.kpm[chosen], self.person[chosen], self.time_s[chosen], self.source)

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path, format=FORMAT, kpm=self.kpm, person=self.person, time_s=self.time_s, source=self.source
        )

    @classmethod
    def load(cls, path: Path) -> Motions:
        """Of a file that `save` wrote. Raises MotionError for another file."""
        try:
            with open_npz(path) as arrays:
                if str(arrays["format"]) != FORMAT:
                    raise MotionError(f"{path} has format {arrays['format']}; {FORMAT!r} is expected")
                found = cls(arrays["kpm"], arrays["person"], arrays["time_s"], str(arrays["source"]))
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, MotionError):
                raise
            raise MotionError(f"{path} is not a file of keypoint motions ({FORMAT!r}): {error}") from None
        shapes = found.kpm.shape, found.person.shape, found.time_s.shape
        if len(shapes[0]) != 2 or not shapes[0][:1] == shapes[1] == shapes[2]:
            raise MotionError(
                f"{path}: kpm, person and time_s have shapes {', '.join(map(str, shapes))}; (n, 136), (n,) and (n,) "
                "are expected"
            )
        return found


def joined(sets: Sequence[Motions]) -> Motions:
    """One set of several. Raises MotionError when there is none."""
    if not sets:
        raise MotionError("there are no motions")
    return Motions(
        np.concatenate([s.kpm for s in sets]),
        np.concatenate([s.person for s in sets]),
        np.concatenate([s.time_s for s in sets]),
        "; ".join(dict.fromkeys(s.source for s in sets)),
    )


def kpm_of(registered: FloatArray, neutral: FloatArray) -> FloatArray:
    """(n, 136) from registered keypoints (n, 68, 2) and the neutral's, (68, 2) or (n, 68, 2)."""
    return (registered - neutral).transpose(0, 2, 1).reshape(len(registered), -1).astype(np.float32)


def check_kpm(kpm: FloatArray) -> None:
    """Raises MotionError unless these look like keypoint motions in the registered frame, x0..x67 then y0..y67."""
    if kpm.ndim != 2 or kpm.shape[1] != KPM_SIZE:
        raise MotionError(f"the motions have shape {kpm.shape}; (n, 136) is expected: x0..x67, then y0..y67")
    bad = ~np.isfinite(kpm).all(1)
    if bad.any():
        raise MotionError(
            f"{int(bad.sum())} of {len(kpm)} motions hold numbers that are not finite, the first in row "
            f"{int(np.argmax(bad))}; leave them out"
        )
    points = kpm.reshape(-1, 2, 68)
    size = np.sqrt((points**2).sum(1))
    typical = float(np.sqrt((size**2).mean())) if size.size else 0.0
    if not 0.2 <= typical <= 200.0:
        raise MotionError(
            f"the keypoints move by {typical:.3g} units (root mean square); 0.2 to 200 is expected: the registered "
            f"frame has {EYE_DISTANCE:g} units between the eye centres"
        )
    held = float(np.sqrt((size[:, HELD_POINTS] ** 2).mean()))
    if held > 0.05 * typical:
        order = " (they fit the order x0 y0 x1 y1 ...)" if _interleaved(kpm, typical) else ""
        raise MotionError(
            f"the points {', '.join(map(str, HELD_POINTS))} move by {held:.3g} units, but registration holds them in "
            f"place: motions of registered keypoints in the order x0..x67, y0..y67 are expected{order}"
        )


def _interleaved(kpm: FloatArray, typical: float) -> bool:
    size = np.sqrt((kpm.reshape(-1, 68, 2) ** 2).sum(2))
    return bool(np.sqrt((size[:, HELD_POINTS] ** 2).mean()) <= 0.05 * typical)
