# SPDX-License-Identifier: Apache-2.0
"""Views of faces with things painted before them, as the landmark network sees them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...npz import open_npz
from ...tracking.regions import Landmarks
from ...tracking.visibility_head import REGIONS
from ...types import FloatArray, ImageArray
from ..expression.face_features import FaceReader, FeatureRows
from ..expression.picture_disturbances import PictureDisturbances, PictureDisturbanceSettings, framed
from ..expression.stills import Still
from ..synthesis.coverings import COVERINGS, HARMLESS, cover

PART = 500
OPEN = "open"
"""Kind of a face with nothing before it."""
_DISTURBANCES = PictureDisturbanceSettings(hidden=0.0, turned=0.2, grey=0.35)


@dataclass(frozen=True)
class CoveredViews:
    """n views. rows: what the network makes of them. hidden: (n, regions) share of each of REGIONS that is hidden.
    kind, person: (n,). disturbed: (n,), whether the picture was made smaller, darker and so on."""

    rows: FeatureRows
    hidden: FloatArray
    kind: NDArray[np.str_]
    person: NDArray[np.str_]
    disturbed: NDArray[np.bool_]

    def where(self, kept: NDArray[np.bool_]) -> CoveredViews:
        """Some of them."""
        return CoveredViews(
            self.rows.where(kept), self.hidden[kept], self.kind[kept], self.person[kept], self.disturbed[kept]
        )

    @classmethod
    def joined(cls, parts: Sequence[CoveredViews]) -> CoveredViews:
        """One after the other."""
        own = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)[1:]]
        return cls(FeatureRows.joined([part.rows for part in parts]), *own)


def covered_views(
    stills: Sequence[Still], reader: FaceReader, folder: Path, say: Callable[[str], None], each: int = 4
) -> CoveredViews:
    """Of each picture in which a face is found `each` views: open, covered, or with something harmless.

    folder: keeps what is done, so that a run goes on where one ended. Raises OSError.
    """
    parts = []
    for start in range(0, len(stills), PART):
        path = folder / f"covered_{start:06d}.npz"
        if not path.is_file():
            _write(path, stills[start : start + PART], reader, each)
            say(f"{min(start + PART, len(stills))} of {len(stills)} pictures covered and read")
        parts.append(_read(path))
    return CoveredViews.joined(parts)


def _write(path: Path, stills: Sequence[Still], reader: FaceReader, each: int) -> None:
    facts: list[tuple[dict[str, float], str, str, bool]] = []

    def views() -> Iterator[tuple[int, ImageArray, FloatArray]]:
        for still in stills:
            rng = np.random.default_rng(zlib.crc32(still.name.encode()))
            image = still.image()
            square = reader.find(image)
            if square is None:
                continue
            image, square = framed(image, square)
            mesh = reader.mesh(image, square)
            for number in range(each):
                kind, seen, hidden = OPEN, image, dict.fromkeys(REGIONS, 0.0)
                if number:
                    kinds = COVERINGS if number % 2 else HARMLESS
                    kind = str(rng.choice(list(kinds)))
                    covered = cover(image, mesh, kind, rng)
                    seen, hidden = covered.image, dict(covered.hidden)
                place, disturbed = square, bool(rng.random() < 0.6)
                if disturbed:
                    seen, place = PictureDisturbances(_DISTURBANCES, int(rng.integers(1 << 30)))(seen, square)
                # As a tracker that follows the face: the region of interest comes from the landmarks before.
                place = np.array(Landmarks(reader.mesh(seen, place), 1.0).square.row, np.float32)
                facts.append((hidden, kind, still.person, disturbed))
                yield len(facts) - 1, seen, place

    rows = reader.read(views())
    rows.save(path.with_name(f"{path.stem}_rows.npz"))
    np.savez(
        path,
        hidden=np.array([[one[0][name] for name in REGIONS] for one in facts], np.float32),
        kind=np.array([one[1] for one in facts]),
        person=np.array([one[2] for one in facts]),
        disturbed=np.array([one[3] for one in facts]),
    )


def _read(path: Path) -> CoveredViews:
    rows = FeatureRows.load(path.with_name(f"{path.stem}_rows.npz"))
    with open_npz(path) as file:
        return CoveredViews(rows, *(file[field.name] for field in fields(CoveredViews)[1:]))
