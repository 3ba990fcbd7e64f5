# SPDX-License-Identifier: Apache-2.0
"""A portrait whose face moves: known action units and head turns, seen in a photograph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray

from ...face_model.ict import IctFaces, turned
from ...types import MESH_POINTS, SURFACE_POINTS, FloatArray, ImageArray
from . import topology
from .matte import clean_plate, person_matte
from .mouth import MouthInterior, Sprite
from .warp import Seam, WarpMesh, backward_map, lip_seam

_NECK = np.array([0, 1.15, 0], np.float32)
"""The head turns about a point this far below the eyes, and one eye distance behind them."""
_LEAST_LIP_GAP = 0.01
_EDGE_SAMPLES = 4
"""Lips and lids are drawn that much larger, then reduced."""
_SEAMS = (
    (topology.RIGHT_UPPER_LID, topology.RIGHT_LOWER_LID),
    (topology.LEFT_UPPER_LID, topology.LEFT_LOWER_LID),
    (topology.UPPER_LIP, topology.LOWER_LIP),
)
_PARTED = 0.13
"""Gap between the lips at AU25 of 1, in eye distances, unless the portrait shows its own."""


@dataclass(frozen=True)
class Turn:
    """Head motion against the portrait: angles as in types.HeadPose, shifts in eye distances (right, down), scale."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0

    def apply(self, points: FloatArray) -> FloatArray:
        """Points (..., 3) in eye distances, moved with the head."""
        moved = turned(points - _NECK, self.yaw_deg, self.pitch_deg, self.roll_deg) + _NECK
        return np.asarray((moved - _NECK) * self.scale + _NECK + np.array([self.right, self.down, 0]), np.float32)


@dataclass(frozen=True)
class PortraitFrame:
    """image: (height, width, 3) uint8 RGB. mesh: (478, 3), where the mesh's points truly are, in pixels."""

    image: ImageArray
    mesh: FloatArray


def measured_mesh(image: ImageArray) -> FloatArray:
    """MediaPipe's mesh (478, 3), pixels, of the only face. Raises ValueError when there is none."""
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1) as tracker:
        faces = tracker.process(image).multi_face_landmarks
    if not faces:
        raise ValueError(f"no face found in the portrait of {image.shape[1]} x {image.shape[0]} pixels")
    height, width = image.shape[:2]
    return np.array([[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark], np.float32)


class AnimatedPortrait:
    """A portrait that shows any action units and head turn; pictures have the portrait's own size.

    image: (height, width, 3) uint8 RGB, one face, roughly frontal. shown: action units that the portrait shows; they
    are taken away first. rigid: mask (height, width) of what moves with the skull and never with the skin, as a cap.
    glasses: mask of spectacles, which stay rigid in front of moving skin.
    """

    def __init__(
        self,
        image: ImageArray,
        shown: Mapping[int, float] | None = None,
        rigid: np.ndarray | None = None,
        glasses: np.ndarray | None = None,
        faces: IctFaces | None = None,
    ) -> None:
        self._ict = faces or IctFaces.load()
        self._size = (image.shape[0], image.shape[1])
        mesh = measured_mesh(image)
        eyes = mesh[[33, 133, 362, 263]]
        self._unit = float(np.linalg.norm(eyes[:2].mean(axis=0) - eyes[2:].mean(axis=0)))
        self._origin = eyes.mean(axis=0)
        units = (mesh - self._origin) / self._unit
        self._portrait = units[:SURFACE_POINTS]
        self._irises = units[SURFACE_POINTS:]
        self._pose, size = similarity(self._ict.neutral, self._portrait)
        self._to_portrait = size * self._pose  # ICT offsets (row vectors times its transpose) to those of this face
        self._down = self._pose[:, 1]

        opened = self._portrait + self._ict.offsets({"jawOpen": 0.6}) @ self._to_portrait.T
        self._lips = lip_seam(opened)
        self._eyes = (
            Seam(topology.RIGHT_UPPER_LID, topology.RIGHT_LOWER_LID, opened, 0.16),
            Seam(topology.LEFT_UPPER_LID, topology.LEFT_LOWER_LID, opened, 0.16),
        )
        self._mesh = WarpMesh(self._portrait, opened)
        self._skin_moves = self._mesh.spread * self._free(rigid)[:, None]
        self._own_gap = self._lips.gap(self._portrait)
        self._rest = self._portrait + self._taken_away(shown or {})
        self._layers(image, glasses)

    def _free(self, rigid: np.ndarray | None) -> FloatArray:
        """1 for vertices of skin, 0 for those that stay with the skull."""
        if rigid is None:
            return np.ones(len(self._mesh.source), np.float32)
        soft = cv2.GaussianBlur((np.asarray(rigid) > 0).astype(np.float32), (0, 0), 0.05 * self._unit)
        at = self._mesh.source[:, :2] * self._unit + self._origin[:2]
        x = np.clip(np.round(at[:, 0]), 0, self._size[1] - 1).astype(int)
        y = np.clip(np.round(at[:, 1]), 0, self._size[0] - 1).astype(int)
        return np.asarray(1 - soft[y, x], np.float32)

    def _offsets(self, right: Mapping[int, float], left: Mapping[int, float]) -> FloatArray:
        """What the action units do to the surface, (468, 3), before the seams are closed."""
        plain = [{27: 0.0} | {c: v for c, v in side.items() if c not in (25, 26, 45)} for side in (right, left)]
        for side, intensities in zip(plain, (right, left), strict=True):
            side[27] += 0.45 * intensities.get(26, 0.0)
        return self._of_this_face(self._ict.au_offsets(plain[0], plain[1]))

    def _of_this_face(self, ideal: FloatArray) -> FloatArray:
        """Offsets (468, 3) of the ICT model as those of this portrait."""
        offsets = ideal @ self._to_portrait.T
        for contour in map(list, (topology.UPPER_LIP, topology.LOWER_LIP)):
            # The shapes come from the nearest of other points, which shows as notches in a thin edge.
            for _ in range(4):
                along = offsets[contour]
                offsets[contour[1:-1]] = (along[:-2] + 2 * along[1:-1] + along[2:]) / 4
        return np.asarray(offsets, np.float32)

    def _taken_away(self, shown: Mapping[int, float]) -> FloatArray:
        """Offsets from the portrait to its resting face: no action units, lips closed."""
        offsets = -self._offsets(shown, shown)
        gap = self._lips.gap(self._portrait + offsets)
        close = gap - np.clip(gap @ self._down, 0, _LEAST_LIP_GAP)[:, None] * self._down
        return np.asarray(offsets + self._lips.moved(0.4 * close, -0.6 * close), np.float32)

    def _expressed(self, right: Mapping[int, float], left: Mapping[int, float]) -> FloatArray:
        """The surface (468, 3) of the face with these action units, not turned."""
        parted = (right.get(25, 0.0) + left.get(25, 0.0)) / 2
        return self._settled(self._offsets(right, left), parted, (right.get(45, 0.0), left.get(45, 0.0)))

    def _settled(self, offsets: FloatArray, parted: float, shut: tuple[float, float]) -> FloatArray:
        """The surface (468, 3) with offsets (468, 3), the lips parted by a share of AU25, and the right and left lids
        shut so far; lips and lids do not cross."""
        mesh = self._rest + offsets
        if parted:
            rounded = np.sin(np.linspace(0, np.pi, len(self._lips.upper) + 2)[1:-1]) ** 0.7
            own = np.maximum(self._own_gap @ self._down, 0)
            gap = parted * np.maximum(own, _PARTED * rounded)[:, None] * self._down
            mesh = mesh + self._lips.moved(-0.3 * gap, 0.7 * gap)
        for seam, closed in zip(self._eyes, shut, strict=True):
            if closed:
                gap = seam.gap(mesh)
                mesh = mesh + seam.moved(0.92 * closed * gap, -0.08 * closed * gap)
            mesh = mesh + seam.kept_apart(mesh, self._down, 0.0)
        return np.asarray(mesh + self._lips.kept_apart(mesh, self._down, _LEAST_LIP_GAP), np.float32)

    @property
    def eye_distance_px(self) -> float:
        """Distance between the eyes in the portrait."""
        return self._unit

    def _pixels(self, points: FloatArray) -> FloatArray:
        return np.asarray(points * self._unit + self._origin, np.float32)

    def _layers(self, image: ImageArray, glasses: np.ndarray | None) -> None:
        matte = person_matte(image)
        self._background = clean_plate(image, matte, round(0.5 * self._unit)).astype(np.float32) / 255
        self._in_front: FloatArray | None = None
        skin = image
        if glasses is not None:
            mask = (np.asarray(glasses) > 0).astype(np.uint8)
            soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.008 * self._unit)[..., None]
            self._in_front = np.concatenate([image.astype(np.float32) / 255 * soft, soft], axis=2)
            skin = self._behind_glasses(image, mask)
        share = matte[..., None]
        self._person = np.round(np.concatenate([skin * share, 255 * share], axis=2)).astype(np.uint8)  # premultiplied
        self._still = skin * share / 255 + self._background * (1 - share)
        # What can move: the person above the shoulders, and some room for the turning head.
        lowest = float(self._pixels(self._mesh.source)[self._mesh.head > 0, 1].clip(0, self._size[0]).max())
        columns = np.flatnonzero(matte[: int(lowest) + 1].max(axis=0) > 0.01)
        room = round(0.4 * self._unit)
        x0, x1 = max(int(columns[0]) - room, 0), min(int(columns[-1]) + room, self._size[1])
        self._moving = ((0, x0), (min(int(lowest) + room, self._size[0]), x1 - x0))

        texture = self._portrait.copy()  # where the skin's colours are taken
        for inner, outer in (
            (topology.UPPER_LIP, topology.OUTER_UPPER_LIP),
            (topology.LOWER_LIP, topology.OUTER_LOWER_LIP),
        ):
            # A little inside the lips, so that no teeth stick to their edges.
            points = list(inner[1:-1])
            texture[points] += 0.12 * (self._portrait[list(outer[1:-1])] - self._portrait[points])
        spread = texture - self._portrait
        source = self._mesh.source + self._mesh.spread @ spread
        self._texture = self._pixels(source)[:, :2]

        eyeballs = skin
        for upper, lower in _SEAMS[:2]:
            eyeballs = self._without_lids(eyeballs, [*upper, *lower[-2:0:-1]])
        self._eyeballs = eyeballs.astype(np.float32) / 255
        cheeks = self._pixels(self._portrait[[50, 280, 101, 330]])[:, :2].round().astype(int)
        brightness = float(np.mean([image[y - 2 : y + 3, x - 2 : x + 3].max(axis=2).mean() for x, y in cheeks])) / 255
        gap = float(np.max(self._own_gap @ self._down))
        own = self._own_teeth(image) if gap > 0.07 else None
        upper_edge = self._rest[13, :2] + self._down[:2] * 0.05
        lower_edge = self._rest[14, :2] + self._down[:2] * 0.02
        if own is not None:
            upper_edge = self._portrait[13, :2]
        self._mouth = MouthInterior(upper_edge, lower_edge, own, brightness)

    def _behind_glasses(self, image: ImageArray, mask: NDArray[np.uint8]) -> ImageArray:
        """Skin where the spectacles' frame was: from around and from the cheeks' colour, with the grain of skin."""
        wide = cv2.dilate(mask, np.ones((5, 5), np.uint8))
        filled = cv2.inpaint(image, wide, 0.06 * self._unit, cv2.INPAINT_TELEA).astype(np.float32)
        cheeks = self._pixels(self._portrait[[50, 280, 101, 330, 9, 151]])[:, :2].round().astype(int)
        radius = max(2, round(0.06 * self._unit))
        patches = [image[y - radius : y + radius, x - radius : x + radius].reshape(-1, 3) for x, y in cheeks]
        colour = np.median(np.concatenate(patches), axis=0)
        grain = np.median([patch.mean(axis=1).std() for patch in patches])
        noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=self._size), (0, 0), 0.8)
        filled = 0.5 * filled + 0.5 * colour + (noise * (0.6 * grain / noise.std()))[..., None]
        share = cv2.GaussianBlur(wide.astype(np.float32), (0, 0), 1.5)[..., None]
        return np.clip(image + share * (filled - image) + 0.5, 0, 255).astype(np.uint8)

    def _without_lids(self, image: ImageArray, outline: list[int]) -> ImageArray:
        """The eye continued behind its lids."""
        points = self._pixels(self._portrait[outline])[:, :2]
        inside = np.zeros(self._size, np.uint8)
        cv2.fillPoly(inside, [np.round(points * 16).astype(np.int32)], (1,), cv2.LINE_8, 4)
        inside = np.asarray(cv2.erode(inside, np.ones((3, 3), np.uint8)), np.uint8)
        margin = round(0.12 * self._unit)
        x0, y0 = np.floor(points.min(axis=0)).astype(int) - margin
        x1, y1 = np.ceil(points.max(axis=0)).astype(int) + margin
        box = (slice(max(y0, 0), y1), slice(max(x0, 0), x1))
        result = image.copy()
        result[box] = cv2.inpaint(image[box], 1 - inside[box], 3, cv2.INPAINT_TELEA)
        return result

    def _own_teeth(self, image: ImageArray) -> Sprite:
        """What the portrait shows between its lips."""
        outline = self._pixels(self._portrait[[*topology.UPPER_LIP, *topology.LOWER_LIP[-2:0:-1]]])[:, :2]
        mask = np.zeros(self._size, np.float32)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (1,), cv2.LINE_8, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), 0.01 * self._unit)[..., None]
        filled = cv2.inpaint(image, (mask < 0.5).astype(np.uint8) * self._near(outline), 3, cv2.INPAINT_TELEA)
        x, y = self._pixels(self._portrait[13])[:2]
        rgba = np.concatenate([filled.astype(np.float32) / 255 * soft, soft], axis=2)
        return Sprite(rgba, (float(x), float(y)), self._unit)

    def _near(self, points: FloatArray) -> np.ndarray:
        near = np.zeros(self._size, np.uint8)
        (x0, y0), (x1, y1) = points.min(axis=0).astype(int) - 6, points.max(axis=0).astype(int) + 7
        near[max(y0, 0) : y1, max(x0, 0) : x1] = 1
        return near

    def frame(
        self, right: Mapping[int, float], left: Mapping[int, float] | None = None, turn: Turn | None = None
    ) -> PortraitFrame:
        """The portrait with action units `right` and `left` (None: the same), 0..1, and the head turned.

        Codes: those of datasets.ict.AU_SHAPES, 25 (lips part) and 26 (jaw drop). Raises KeyError for others.
        """
        return self.show(self._expressed(right, right if left is None else left), turn or Turn())

    def surface(self, ideal: FloatArray, parted: float = 0.0, shut: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
        """The face (468, 3) before its turn, in eye distances (x right, y down, z away), for `show`.

        ideal: offsets (468, 3) of the ICT model against its neutral, in eye distances. parted: the lips besides, as a
        share of AU25. shut: the right and the left lids.
        """
        return self._settled(self._of_this_face(ideal), parted, shut)

    def show(self, surface: FloatArray, turn: Turn) -> PortraitFrame:
        """The picture of a `surface`, with the head turned."""
        moved = self._moved(surface, turn)
        head = self._head_in_pixels(turn)
        jaw = (surface - self._rest)[[topology.CHIN, 175, 199], :2].mean(axis=0)

        picture = self._still.copy()
        (top, first), (height, width) = self._moving
        picture[top : top + height, first : first + width] = self._painted(moved, *self._moving, 1)[0]
        for upper, lower in _SEAMS:
            corners = self._pixels(moved[[*upper, *lower]])[:, :2]
            x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 3, 0)
            x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 4, self._size[::-1])
            if x0 >= x1 or y0 >= y1:
                continue
            large, covered = self._painted(moved, (y0, x0), (y1 - y0, x1 - x0), _EDGE_SAMPLES)
            hole = ~covered
            if not hole.any():
                continue
            if upper is topology.UPPER_LIP:
                linear, at = head(0.05)
                at = (at + 0.5 - (x0, y0)) * _EDGE_SAMPLES - 0.5
                inside = self._mouth.draw(hole, linear * _EDGE_SAMPLES, at, jaw)
            else:
                matrix = self._flat(*head(0.1), (y0, x0), _EDGE_SAMPLES)
                eyeball = cv2.warpAffine(self._eyeballs, matrix, hole.shape[::-1], flags=cv2.INTER_CUBIC)
                inside = np.asarray(eyeball, np.float32)
            large[hole] = inside[hole]
            size = (x1 - x0, y1 - y0)
            share = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            # One more pixel all round: there the whole picture may not have been covered either.
            touched = cv2.dilate(share, np.ones((3, 3), np.uint8)) > 0
            picture[y0:y1, x0:x1][touched] = cv2.resize(large, size, interpolation=cv2.INTER_AREA)[touched]
        if self._in_front is not None:
            matrix = self._flat(*head(-0.15), (0, 0), 1)
            drawn = np.clip(cv2.warpAffine(self._in_front, matrix, self._size[::-1], flags=cv2.INTER_CUBIC), 0, 1)
            picture = drawn[..., :3] + picture * (1 - drawn[..., 3:])
        image = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        return PortraitFrame(image, self._true_mesh(moved, turn))

    def mesh(
        self, right: Mapping[int, float], left: Mapping[int, float] | None = None, turn: Turn | None = None
    ) -> FloatArray:
        """The mesh (478, 3) of `frame` without its picture."""
        turn = turn or Turn()
        return self._true_mesh(self._moved(self._expressed(right, right if left is None else left), turn), turn)

    def _moved(self, surface: FloatArray, turn: Turn) -> FloatArray:
        """All vertices (v, 3), in eye distances, for a surface (468, 3) before the turn."""
        moved = self._mesh.source + self._skin_moves @ (surface - self._portrait)
        return np.asarray(moved + self._mesh.head[:, None] * (turn.apply(moved) - moved), np.float32)

    def _true_mesh(self, moved: FloatArray, turn: Turn) -> FloatArray:
        mesh = np.empty((MESH_POINTS, 3), np.float32)
        mesh[:SURFACE_POINTS] = self._pixels(moved[:SURFACE_POINTS])
        mesh[SURFACE_POINTS:] = self._pixels(turn.apply(self._irises))
        return mesh

    def _head_in_pixels(self, turn: Turn) -> Callable[[float], tuple[FloatArray, FloatArray]]:
        """A function of depth: linear (2, 2) and origin (2,) from the skull's eye distances to pixels at that depth."""

        def at_depth(z: float) -> tuple[FloatArray, FloatArray]:
            origin, x, y = self._pixels(turn.apply(np.array([[0, 0, z], [1, 0, z], [0, 1, z]], np.float32)))[:, :2]
            return np.stack([x - origin, y - origin], axis=1), origin

        return at_depth

    def _flat(self, linear: FloatArray, at: FloatArray, start: tuple[int, int], scale: int) -> NDArray[np.float64]:
        """Affine map (2, 3) of the portrait's pixels to those of a part that begins at `start`, enlarged."""
        matrix = np.empty((2, 3))
        matrix[:, :2] = linear / self._unit * scale
        matrix[:, 2] = (at + 0.5 - (start[1], start[0])) * scale - 0.5 - matrix[:, :2] @ self._origin[:2]
        return matrix

    def _painted(
        self, moved: FloatArray, start: tuple[int, int], size: tuple[int, int], scale: int
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The person over background in a part of the picture, RGB 0..1, and which pixels skin or background covers."""
        target = (self._pixels(moved)[:, :2] + 0.5 - (start[1], start[0])) * scale - 0.5
        large = (size[0] * scale, size[1] * scale)
        where, covered = backward_map(self._texture, target, moved[:, 2], self._mesh.triangles, large)
        person = cv2.remap(self._person, where, where[:0], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        part = self._background[start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
        background = cv2.resize(part, large[::-1], interpolation=cv2.INTER_LINEAR) if scale > 1 else part
        seen = person.astype(np.float32) / 255
        return seen[..., :3] + background * (1 - seen[..., 3:]), covered


def similarity(source: FloatArray, target: FloatArray) -> tuple[FloatArray, float]:
    """Rotation (3, 3) and scale that bring centred `source` (n, 3) onto centred `target` (Umeyama 1991)."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return np.asarray((u * sign) @ vt, np.float32), float((s * sign).sum() / (a**2).sum())
