# SPDX-License-Identifier: Apache-2.0
"""The views of a training: stills as they are and disturbed, portraits resting, smiling, talking and posing.

Kept in parts on the disk, so that a reading that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...npz import open_npz
from ...types import FloatArray, ImageArray
from ..motions.posed import PosedSettings, draw_poses
from ..synthesis.portrait import AnimatedPortrait, Turn
from .face_features import FaceReader, FeatureRows, View
from .picture_disturbances import PictureDisturbances, mirrored
from .portrait_scenes import POSING, RESTING, SMILING, TALKING
from .stills import Still

PART = 2000
RARE, OF_RARE, OF_COMMON = 1000, 12, 1
"""A label with fewer pictures than RARE is disturbed OF_RARE times and mirrored once; others OF_COMMON times."""
PORTRAIT_PX = 420


@dataclass(frozen=True)
class ViewSet:
    """Rows of features with what each view shows.

    picture: (n,), a number for each picture. which: (n,), the number of the view of its picture, 0 as it is. label,
    person: (n,), of what is shown. kind: (n,), RESTING to TALKING of portraits, -1 of stills. sides: (n, 2, units),
    action units of portraits, right first; of stills nothing is known, (n, 0, 0).
    """

    rows: FeatureRows
    picture: NDArray[np.int64]
    which: NDArray[np.int64]
    label: NDArray[np.int64]
    person: NDArray[np.str_]
    kind: NDArray[np.int64]
    sides: FloatArray

    def where(self, kept: NDArray[np.bool_]) -> ViewSet:
        """Some of them."""
        own: list[NDArray[Any]] = [self.picture, self.which, self.label, self.person, self.kind, self.sides]
        return ViewSet(self.rows.where(kept), *(values[kept] for values in own))

    def beside(self, other: ViewSet) -> ViewSet:
        """Both, this one first; of action units nothing is kept."""
        shift = int(self.picture.max()) + 1
        none = np.zeros((len(self.which) + len(other.which), 0, 0), np.float32)
        return ViewSet(
            FeatureRows.joined([self.rows, other.rows]),
            np.concatenate([self.picture, other.picture + shift]),
            np.concatenate([self.which, other.which]),
            np.concatenate([self.label, other.label]),
            np.concatenate([self.person, other.person]),
            np.concatenate([self.kind, other.kind]),
            none,
        )


def undisturbed_stills(stills: Sequence[Still], folder: Path) -> ViewSet:
    """Views of `still_views` that it has read already, of pictures as they are.

    Raises FileNotFoundError when it has not read them, or not all.
    """
    with open_npz(folder / "squares.npz") as file:
        found = file["still"].tolist()
    parts = []
    for path in sorted(folder.glob("stills_*.npz")):
        parts.append(FeatureRows.load(path))
        if sum(map(len, parts)) >= len(found):
            break
    if sum(map(len, parts)) < len(found):
        raise FileNotFoundError(f"{folder} lacks some of the stills; facial_coding train expression reads them")
    rows = FeatureRows.joined(parts)
    rows = rows.where(rows.shown < len(found))
    of = np.array(found)[rows.shown]
    return ViewSet(
        rows,
        of,
        np.zeros(len(of), np.int64),
        np.array([stills[i].label for i in of]),
        np.array([stills[i].person for i in of]),
        np.full(len(of), -1),
        np.zeros((len(of), 0, 0), np.float32),
    )


def still_views(stills: Sequence[Still], reader: FaceReader, folder: Path, say: Callable[[str], None]) -> ViewSet:
    """Of all pictures in which a face is found. Raises OSError."""
    squares = _squares(stills, reader, folder, say)
    number = np.bincount([still.label for still in stills], minlength=8)
    plan = [(i, 0) for i in range(len(stills)) if i in squares]
    for i, still in enumerate(stills):
        if i in squares:
            further = OF_RARE + 1 if number[still.label] < RARE else OF_COMMON
            plan += [(i, which) for which in range(1, further + 1)]

    def view(place: int) -> View:
        i, which = plan[place]
        image, square = stills[i].image(), squares[i]
        if which == 1 and number[stills[i].label] < RARE:
            image, square = mirrored(image, square)
        elif which:
            image, square = _disturbed(f"{stills[i].name} {which}", image, square, which)
        return place, image, square

    rows = _in_parts(reader, view, len(plan), folder / "stills", say)
    shown = [plan[place] for place in rows.shown]
    return ViewSet(
        rows,
        np.array([i for i, _ in shown]),
        np.array([which for _, which in shown]),
        np.array([stills[i].label for i, _ in shown]),
        np.array([stills[i].person for i, _ in shown]),
        np.full(len(shown), -1),
        np.zeros((len(shown), 0, 0), np.float32),
    )


def _disturbed(name: str, image: ImageArray, square: FloatArray, which: int) -> tuple[ImageArray, FloatArray]:
    """The same for the same name."""
    return PictureDisturbances(seed=zlib.crc32(name.encode()))(image, square, mirror=bool(which % 2))


def _squares(
    stills: Sequence[Still], reader: FaceReader, folder: Path, say: Callable[[str], None]
) -> dict[int, FloatArray]:
    path = folder / "squares.npz"
    if path.is_file():
        with open_npz(path) as file:
            return dict(zip(file["still"].tolist(), file["square"], strict=True))
    found = {}
    for i, still in enumerate(stills):
        square = reader.find(still.image())
        if square is not None:
            found[i] = square
        if (i + 1) % PART == 0:
            say(f"faces sought in {i + 1} of {len(stills)} pictures; {len(found)} found")
    np.savez(path, still=np.array(list(found)), square=np.stack(list(found.values())))
    return found


def _in_parts(
    reader: FaceReader, view: Callable[[int], View], count: int, stem: Path, say: Callable[[str], None]
) -> FeatureRows:
    parts = []
    for start in range(0, count, PART):
        path = stem.with_name(f"{stem.name}_{start:06d}.npz")
        if not path.is_file():
            reader.read(view(place) for place in range(start, min(start + PART, count))).save(path)
            say(f"{stem.name}: {min(start + PART, count)} of {count} views read")
        parts.append(FeatureRows.load(path))
    return FeatureRows.joined(parts)


def portrait_views(folder: Path, reader: FaceReader, cache: Path, say: Callable[[str], None], seed: int = 0) -> ViewSet:
    """Of portraits NAME_neutral.jpg, and NAME_smiling.jpg where it is there, posing and talking too.

    Raises OSError.
    """
    neutrals = sorted(folder.glob("*_neutral.jpg"))
    for number, path in enumerate(neutrals):
        part = cache / f"portrait_{number:04d}.npz"
        if not part.is_file():
            _write_person(part, list(_frames(path, number, seed)), reader)
            say(f"portraits: {number + 1} of {len(neutrals)} animated")
    return read_portraits(cache, [path.name.removesuffix("_neutral.jpg") for path in neutrals])


def read_portraits(cache: Path, names: Sequence[str] = ()) -> ViewSet:
    """Views of `portrait_views` that it has read already; names: of the people, else numbers. Raises OSError."""
    sets = []
    for number, part in enumerate(sorted(cache.glob("portrait_[0-9][0-9][0-9][0-9].npz"))):
        with open_npz(part) as file:
            facts = {key: file[key] for key in ("which", "label", "kind", "sides")}
        if len(facts["which"]):
            rows = FeatureRows.load(part.with_name(f"{part.stem}_rows.npz"))
            sets.append((number, rows, facts, names[number] if names else str(number)))
    joined = {
        key: np.concatenate([facts[key] for _, _, facts, _ in sets]) for key in ("which", "label", "kind", "sides")
    }
    person = np.concatenate([np.repeat(name, len(rows)) for _, rows, _, name in sets])
    picture = np.concatenate([1000 * number + rows.shown for number, rows, _, _ in sets])
    return ViewSet(FeatureRows.joined([rows for _, rows, _, _ in sets]), picture, person=person, **joined)


@dataclass(frozen=True)
class _Shown:
    image: ImageArray
    label: int
    kind: int
    right: dict[int, float]
    left: dict[int, float]


def _frames(path: Path, number: int, seed: int) -> Iterator[_Shown]:
    rng = np.random.default_rng([seed, number])
    image = portrait_picture(path)
    yield _Shown(image, 0, RESTING, {}, {})
    smiling = path.with_name(path.name.replace("_neutral", "_smiling"))
    if smiling.is_file():
        yield _Shown(portrait_picture(smiling), 1, SMILING, {}, {})
    try:
        portrait = AnimatedPortrait(image)
    except ValueError:  # no face is found in it
        return
    poses = draw_poses(PosedSettings(people=1, contempt=True, unrelated_aus=0.4, unit_spread=0.2), rng)
    shown = [(pose.label, POSING, pose.right, pose.left) for pose in poses if pose.degree >= 3]
    for _ in range(3):
        units = {
            code: float(rng.uniform(0, most))
            for code, most in ((25, 0.9), (26, 0.7), (18, 0.4), (22, 0.4), (16, 0.3), (20, 0.3), (1, 0.2), (2, 0.2))
            if rng.random() < 0.6
        }
        shown.append((0, TALKING, units, units))
    for label, kind, right, left in shown:
        yaw, pitch, roll = rng.normal(0, (9, 5, 4)).tolist()
        turn = Turn(yaw, pitch, roll, scale=float(np.exp(rng.normal(0, 0.05))))
        yield _Shown(portrait.frame(right, left, turn).image, label, kind, right, left)


def portrait_picture(path: Path) -> ImageArray:
    """As RGB, PORTRAIT_PX wide."""
    picture = cv2.imread(str(path))
    share = PORTRAIT_PX / picture.shape[1]
    return np.ascontiguousarray(cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)[..., ::-1])


def _write_person(part: Path, frames: Sequence[_Shown], reader: FaceReader) -> None:
    views: list[View] = []
    which, sides = [], []
    for i, frame in enumerate(frames):
        square = reader.find(frame.image)
        if square is None:
            continue
        for number in range(1 + (3 if frame.kind in (RESTING, SMILING) else 1)):
            image, place, both = frame.image, square, (frame.right, frame.left)
            if number:
                image, place = _disturbed(f"{part.stem} {i} {number}", image, square, number)
                both = both[::-1] if number % 2 else both
            views.append((i, image, place))
            which.append(number)
            sides.append([[side.get(code, 0.0) for code in CODES] for side in both])
    if views:
        rows = reader.read(islice(views, len(views)))
        rows.save(part.with_name(f"{part.stem}_rows.npz"))
    shown = [frames[i] for i, _, _ in views]
    np.savez(
        part,
        which=np.array(which, np.int64),
        label=np.array([frame.label for frame in shown], np.int64),
        kind=np.array([frame.kind for frame in shown], np.int64),
        sides=np.array(sides, np.float32).reshape(-1, 2, len(CODES)),
    )
