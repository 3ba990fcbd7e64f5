# SPDX-License-Identifier: Apache-2.0
"""Composed scenes with known places of known people: public-domain portraits pasted, scaled, turned and moved.

The two portraits come inside scikit-image (Eileen Collins) and matplotlib (Grace Hopper).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import matplotlib.cbook
import numpy as np
from scipy.optimize import linear_sum_assignment
from skimage import data

from ...types import Face, Frame

# Centre of the face mesh and its size (mean of width and height), in pixels of the portrait; measured once.
_PORTRAITS = {"collins": ((224.0, 122.9), 102.1), "hopper": ((265.7, 233.0), 198.0)}


@lru_cache(maxsize=2)
def portrait(name: str) -> np.ndarray:
    """RGB image of a person."""
    if name == "collins":
        return data.astronaut()
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class FacePlace:
    """Where a person's face is: centre and size in pixels, tilt in degrees (clockwise), nearer ones hide others."""

    x: float
    y: float
    size: float
    tilt_deg: float = 0.0
    nearness: float = 0.0


@dataclass(frozen=True)
class Block:
    """A grey bar that hides what is behind it, in pixels."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True)
class Shot:
    """One frame with the truth about it: who is where; None for one who is there but hidden."""

    frame: Frame
    truth: Mapping[str, FacePlace]


@lru_cache(maxsize=4)
def background(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A soft random pattern; nothing in it looks like a face."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 40 + 2, width // 40 + 2, 3)).astype(np.uint8)
    return cv2.GaussianBlur(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 9)


def paste(canvas: np.ndarray, person: str, place: FacePlace) -> None:
    """A person's head with soft edges onto an image, in place."""
    image: np.ndarray = portrait(person)
    (cx, cy), size = _PORTRAITS[person]
    scale: float = place.size / size
    if scale < 0.5:  # a plain warp would alias
        shrunk = cv2.resize(image, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        image, cx, cy, scale = shrunk, 2 * scale * cx, 2 * scale * cy, 0.5
    reach = round(1.6 * place.size)
    x, y = round(place.x), round(place.y)
    height, width = canvas.shape[:2]
    box = [max(x - reach, 0), max(y - reach, 0), min(x + reach, width), min(y + reach, height)]
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    to = (box[2] - box[0], box[3] - box[1])
    move: np.ndarray = cv2.getRotationMatrix2D((cx, cy), -place.tilt_deg, scale)
    move[:, 2] += (place.x - cx - box[0], place.y - cy - box[1])
    moved = cv2.warpAffine(image, move, to, flags=cv2.INTER_LINEAR)
    mask: np.ndarray = np.zeros(image.shape[:2], np.float32)
    size = place.size / scale
    cv2.ellipse(mask, ((cx, cy - 0.12 * size), (1.35 * size, 1.85 * size), 0.0), (1.0,), -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.05 * size)
    alpha = cv2.warpAffine(mask, move, to, flags=cv2.INTER_LINEAR)[..., None]
    part = canvas[box[1] : box[3], box[0] : box[2]]
    part[:] = (alpha * moved + (1 - alpha) * part).astype(np.uint8)


@lru_cache(maxsize=2)
def _grain(width: int, height: int, noise: float) -> np.ndarray:
    return np.random.default_rng(7).normal(0, noise, (height + 64, width + 64, 3)).round().astype(np.int16)


def shoot(
    seconds: float,
    fps: float,
    where: Callable[[float], Mapping[str, FacePlace]],
    blocks: Callable[[float], Sequence[Block]] = lambda _: (),
    *,
    width: int = 640,
    height: int = 480,
    noise: float = 2.0,
    keep: Callable[[int], bool] = lambda _: True,
    start_ns: int = 1_000_000_000,
) -> Iterator[Shot]:
    """A scene. where, blocks: what is there at a time in seconds. keep: which frames arrive."""
    for index in range(round(seconds * fps)):
        time = index / fps
        places = where(time)
        image = background(width, height).copy()
        for person, place in sorted(places.items(), key=lambda item: item[1].nearness):
            paste(image, person.split("#")[0], place)
        for block in blocks(time):
            cv2.rectangle(image, (int(block.xmin), int(block.ymin)), (int(block.xmax), int(block.ymax)), (90,) * 3, -1)
        if noise:
            dx, dy = (index * 37) % 64, (index * 23) % 64
            image = np.clip(image + _grain(width, height, noise)[dy:, dx:][:height, :width], 0, 255).astype(np.uint8)
        if keep(index):
            yield Shot(Frame(image, start_ns + round(time * 1e9), index), places)


@dataclass(frozen=True)
class TrackingScore:
    """How a tracker did.

    ids: of each person, in the order of appearance. switches: times a person's id changed. shared: ids that more than
    one person had. seen: share of frames in which a person was found. false_faces: faces where nobody is. duplicates:
    frames with two faces on one head.
    """

    ids: Mapping[str, tuple[str, ...]]
    switches: int
    shared: int
    seen: Mapping[str, float]
    false_faces: int
    duplicates: int


ON_HEAD, HIDDEN = 0.6, 0.12


def _distance(face: Face, truth: Mapping[str, FacePlace], person: str) -> float:
    """From a person's true place to a face, in face sizes; a little more for one who is behind another."""
    place = truth[person]
    x, y = face.mesh[:, :2].mean(axis=0)
    behind = any(
        other.nearness > place.nearness and np.hypot(other.x - place.x, other.y - place.y) < ON_HEAD * place.size
        for other in truth.values()
    )
    return float(np.hypot(x - place.x, y - place.y)) / place.size + HIDDEN * behind


def judge(shots: Iterable[Shot], track: Callable[[Frame], Sequence[Face]], *, skip_s: float = 0.0) -> TrackingScore:
    """Runs a tracker over a scene and compares with the truth. skip_s: not counted for `seen` at the start."""
    ids: dict[str, list[str]] = {}
    seen: dict[str, list[bool]] = {}
    switches = false_faces = duplicates = 0
    first = None
    for shot in shots:
        faces = track(shot.frame)
        first = shot.frame.stamp_ns if first is None else first
        people = sorted(shot.truth)
        cost = np.array([[_distance(face, shot.truth, person) for person in people] for face in faces])
        cost = cost.reshape(len(faces), len(people))
        taken: dict[str, int] = {}
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < ON_HEAD + HIDDEN:
                person, face = people[column], faces[row]
                taken[person] = 1
                known = ids.setdefault(person, [])
                if not known or known[-1] != face.face_id:
                    switches += bool(known)
                    known.append(face.face_id)
        on_heads = int((cost.min(axis=1, initial=np.inf) < ON_HEAD + HIDDEN).sum())
        false_faces += len(faces) - on_heads
        duplicates += on_heads > len(taken)
        if shot.frame.stamp_ns - first >= skip_s * 1e9:
            for person in shot.truth:
                seen.setdefault(person, []).append(person in taken)
    ids_of_people = [set(known) for known in ids.values()]
    shared = len({one for i, a in enumerate(ids_of_people) for b in ids_of_people[i + 1 :] for one in a & b})
    return TrackingScore(
        {person: tuple(known) for person, known in ids.items()},
        switches,
        shared,
        {person: float(np.mean(found)) for person, found in seen.items()},
        false_faces,
        duplicates,
    )


def between(time: float, start_s: float, end_s: float, start: float, end: float) -> float:
    """Straight from start to end, at rest before and after."""
    return float(np.interp(time, [start_s, end_s], [start, end]))


def crossing(
    seconds: float, *, size: float = 90.0, dy: float = 0.0, ratio: float = 1.0, width: int = 640, height: int = 480
) -> Callable[[float], Mapping[str, FacePlace]]:
    """Two people walk past each other, one in front; it takes `seconds` from side to side."""

    def where(time: float) -> Mapping[str, FacePlace]:
        right, left = width - 1.2 * size, 1.2 * size
        return {
            "collins": FacePlace(between(time, 0.5, 0.5 + seconds, left, right), height / 2, size, 0, 0),
            "hopper": FacePlace(between(time, 0.5, 0.5 + seconds, right, left), height / 2 + dy, size * ratio, 0, 1),
        }

    return where


def meeting(*, size: float = 90.0, width: int = 640, height: int = 480) -> Callable[[float], Mapping[str, FacePlace]]:
    """Two people come together until one half hides the other, wait, and go back the way they came."""

    def where(time: float) -> Mapping[str, FacePlace]:
        apart = float(np.interp(time, [0.5, 1.5, 2.5, 3.5], [2.5, 0.45, 0.45, 2.5])) * size / 2
        return {
            "collins": FacePlace(width / 2 - apart, height / 2, size, 0, 0),
            "hopper": FacePlace(width / 2 + apart, height / 2, size, 0, 1),
        }

    return where
