# SPDX-License-Identifier: Apache-2.0
"""Plainly rendered ICT heads, seen through MediaPipe: what the tracker makes of a known face in a known pose.

Flat skin, painted brows and lips, discs for eyes; enough for MediaPipe to track. The shipped models/registration and
models/neutral_prior and the figures in docs/keypoints.md and docs/neutral.md were made with these heads,
so they are kept as they are beside the richer renderer of learning/synthesis, which renders the sets that action units
are learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError
from ...types import FloatArray, ImageArray
from ..neutral.seen_faces import SeenFaces

_FACE_VERTICES = 9409
_EYEBALLS = (slice(21451, 23021), slice(23021, 24591))  # left, right
_SIZE = 480  # pixels of the square image


@dataclass(frozen=True, eq=False)
class PlainHead:
    """ICT-FaceKit at full resolution; cm, x to the person's left, y up, z out of the face."""

    neutral: FloatArray
    identity: FloatArray
    expression: Mapping[str, FloatArray]
    triangles: np.ndarray
    eyeballs: FloatArray
    landmarks: np.ndarray
    mesh468: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> PlainHead:
        """From a folder with ict_all_raw.npz, ict_face_tris.npz, ict_landmarks.npz, ict_mediapipe468.npz."""
        try:
            raw = np.load(folder / "ict_all_raw.npz")
            triangles = np.load(folder / "ict_face_tris.npz")["tri"]
            landmarks = np.load(folder / "ict_landmarks.npz")["landmark_vertex_ids"]
            mesh468 = np.load(folder / "ict_mediapipe468.npz")["ict_vertex_of_mp"]
        except FileNotFoundError as error:
            raise UserError(f"{error.filename} is missing; the study needs ICT-FaceKit's arrays there") from error
        return cls(
            neutral=raw["neutral"][:_FACE_VERTICES],
            identity=raw["identity"][:, :_FACE_VERTICES],
            expression={str(n): e[:_FACE_VERTICES] for n, e in zip(raw["names"], raw["expression"], strict=True)},
            triangles=triangles,
            eyeballs=np.stack([raw["neutral"][part].mean(0) for part in _EYEBALLS]),
            landmarks=landmarks,
            mesh468=mesh468,
        )

    def vertices(self, person: FloatArray, shapes: Mapping[str, float]) -> FloatArray:
        """Vertices (9409, 3) of identity weights (100,) and expression shape weights."""
        points = self.neutral + np.tensordot(person, self.identity, 1)
        for name, weight in shapes.items():
            if weight:
                points = points + weight * self.expression[name]
        return points


@dataclass(frozen=True)
class Look:
    """What a rendered person looks like apart from shape."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    lips: tuple[float, float, float]
    background: tuple[float, float, float]
    light: tuple[float, float, float]
    brow_width: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Look:
        tone = rng.uniform(0.35, 1.0)
        skin = np.array([235, 190, 160]) * tone
        hair = np.array([60, 45, 35]) * rng.uniform(0.2, 1.6)
        lips = skin * [0.8, 0.55, 0.55]
        light = rng.normal([0, 0.4, 1.0], [0.4, 0.3, 0.1])
        return cls(
            tuple(skin), tuple(hair), tuple(lips), tuple(rng.uniform(40, 220, 3)),
            tuple(light / np.linalg.norm(light)), rng.uniform(0.25, 0.4),
        )  # fmt: skip


def _paint(head: PlainHead, look: Look) -> FloatArray:
    """Colour (9409, 3) of each vertex."""
    n = head.neutral
    colour = np.tile(np.array(look.skin, np.float32), (len(n), 1))
    points = n[head.landmarks]
    front = n[:, 2] > 0

    def along(first: int, last: int, width: float) -> np.ndarray:
        line = np.concatenate([np.linspace(points[i, :2], points[i + 1, :2], 8) for i in range(first, last)])
        near = np.linalg.norm(n[:, None, :2] - line[None], axis=2).min(1)
        return (near < width) & front

    colour[(n[:, 1] > points[19, 1] + 4.0) | (n[:, 2] < -4)] = look.hair
    for first, last in ((17, 21), (22, 26)):
        colour[along(first, last, look.brow_width)] = look.hair
    for first, last in ((36, 39), (42, 45)):
        colour[along(first, last, 0.14)] *= 0.45
    outer, inner = points[48:60, :2].astype(np.float32), points[60:68, :2].astype(np.float32)
    for i in np.flatnonzero(front & (np.abs(n[:, 0]) < 4)):
        spot = (float(n[i, 0]), float(n[i, 1]))
        if cv2.pointPolygonTest(outer, spot, True) > -0.1 and cv2.pointPolygonTest(inner, spot, True) < 0.15:
            colour[i] = look.lips
    for i in (32, 34):
        colour[np.linalg.norm(n - points[i], axis=1) < 0.35] *= 0.5
    return colour


class Renderer:
    """Draws one person's head in any expression and pose."""

    def __init__(self, head: PlainHead, person: FloatArray, look: Look) -> None:
        self._head, self._person, self._look = head, person, look
        colour = _paint(head, look)
        self._colour = colour[head.triangles].mean(1)
        # Eyeballs move with the face around them.
        rim = head.landmarks[[[36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47]]]
        shift = (np.tensordot(person, head.identity, 1))[rim].mean(1)
        self._eyes = head.eyeballs + shift[::-1]
        # The neck's lower end and the back of the head are left out.
        self._drawn = (head.neutral[head.triangles] > np.array([-99, -16, -11], np.float32)).all((1, 2))

    def draw(
        self,
        shapes: Mapping[str, float],
        pose_deg: tuple[float, float, float] = (0, 0, 0),
        eye_px: float = 80.0,
        distance_cm: float = 70.0,
        offset_px: tuple[float, float] = (0, 0),
        gaze: tuple[float, float] = (0, 0),
    ) -> tuple[ImageArray, FloatArray]:
        """RGB image and the true mesh (468, 3) in pixels. Pose: yaw, pitch, roll as types.HeadPose."""
        head = self._head
        vertices = head.vertices(self._person, shapes)
        rotation = _rotation(*pose_deg)
        pivot = np.array([0, 0, -6], np.float32)

        def placed(points: FloatArray) -> FloatArray:
            turned = (points - pivot) @ rotation.T + pivot
            depth = distance_cm - turned[:, 2]
            focal = eye_px * distance_cm / 6.2
            return np.stack([
                _SIZE / 2 + offset_px[0] + focal * turned[:, 0] / depth,
                _SIZE / 2 + offset_px[1] - focal * turned[:, 1] / depth,
                -turned[:, 2] * eye_px / 6.2,
            ], 1).astype(np.float32)  # fmt: skip

        points = placed(vertices)
        normals = np.cross(
            vertices[head.triangles[:, 1]] - vertices[head.triangles[:, 0]],
            vertices[head.triangles[:, 2]] - vertices[head.triangles[:, 0]],
        )
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        shade = 0.45 + 0.6 * np.clip((normals @ rotation.T) @ np.array(self._look.light, np.float32), 0, 1)
        colours = np.clip(self._colour * shade[:, None], 0, 255)
        scale = 2
        image: ImageArray = np.full((_SIZE * scale, _SIZE * scale, 3), self._look.background, np.uint8)
        corners = points[head.triangles]
        area = np.cross(corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2])
        # y points down in the image, so that triangles that face the camera turn clockwise.
        depth = corners[:, :, 2].mean(1)
        order = np.argsort(-depth)
        order = order[(area[order] < 0) & self._drawn[order]]
        fixed = np.round(corners[:, :, :2] * scale * 16).astype(np.int32)
        self._inside(image, points, placed, rotation, eye_px, gaze, scale)
        for triangle, rgb in zip(fixed[order], colours[order].tolist(), strict=True):
            cv2.fillConvexPoly(image, triangle, rgb, shift=4)
        small = cv2.resize(image, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), points[head.mesh468]

    def _inside(self, image, points, placed, rotation, eye_px, gaze, scale) -> None:  # type: ignore[no-untyped-def]
        """Mouth and eyes, seen through the openings of the face."""
        mouth = points[self._head.landmarks[48:60], :2]
        cv2.fillPoly(image, [np.round(mouth * scale).astype(np.int32)], (60, 25, 25))
        unit = eye_px / 6.2 * scale
        for eye in self._eyes:
            centre = placed(eye[None])[0, :2] * scale
            cv2.circle(image, tuple(int(v) for v in centre), int(1.35 * unit), (225, 222, 218), -1)
            direction = _rotation(gaze[0], gaze[1], 0.0) @ np.array([0, 0, 1], np.float32)
            iris = placed((eye + 1.25 * direction)[None])[0, :2] * scale
            cv2.circle(image, tuple(int(v) for v in iris), int(0.6 * unit), (90, 70, 50), -1)
            cv2.circle(image, tuple(int(v) for v in iris), int(0.27 * unit), (15, 12, 10), -1)


def _rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> FloatArray:
    """x to the person's left, y up, z out of the face; signs as types.HeadPose."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    tilt = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return (tilt @ turn @ nod).astype(np.float32)


class PlainHeadTracker:
    """MediaPipe's face mesh on single images, or as a video."""

    def __init__(self, video: bool = False) -> None:
        import mediapipe as mp

        self._mesh = mp.solutions.face_mesh.FaceMesh(
            static_image_mode=not video, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.3
        )

    def mesh(self, image: ImageArray) -> FloatArray | None:
        """(478, 3) in pixels; None when no face is found."""
        found = self._mesh.process(image).multi_face_landmarks
        if not found:
            return None
        height, width = image.shape[:2]
        points = np.array([[p.x, p.y, p.z] for p in found[0].landmark], np.float32)
        return points * np.array([width, height, width], np.float32)

    def close(self) -> None:
        self._mesh.close()


Pose = tuple[float, float, float]


Plan = list[tuple[dict[str, float], Pose]]


class _SeenRows:
    """What was seen so far, column by column."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._columns: dict[str, list] = {f: [] for f in ("person", "pose", "shapes", "eye_px", "mesh", "true")}

    def add(
        self, person: int, pose: Pose, shapes: Mapping[str, float], eye_px: float, mesh: FloatArray, true: FloatArray
    ) -> None:
        values = (person, pose, [shapes.get(n, 0.0) for n in self._names], eye_px, mesh, true)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def seen(self) -> SeenFaces:
        arrays = {n: np.asarray(v, int if n == "person" else np.float32) for n, v in self._columns.items()}
        return SeenFaces(**arrays, shape_names=self._names)


def see(head: PlainHead, plans: list[Plan], seed: int, one_size: bool = False) -> SeenFaces:
    """One random person per plan, drawn and tracked image by image.

    one_size: the same camera for all images of a person; else face size and distance vary from image to image.
    """
    rng = np.random.default_rng(seed)
    tracker = PlainHeadTracker()
    rows = _SeenRows(tuple(head.expression))
    for number, plan in enumerate(plans):
        renderer = Renderer(head, rng.standard_normal(100).astype(np.float32), Look.random(rng))
        camera = {"eye_px": rng.uniform(50, 100), "distance_cm": rng.uniform(45, 150)}
        for shapes, pose in plan:
            if not one_size:
                camera = {"eye_px": rng.uniform(45, 100), "distance_cm": rng.uniform(45, 150)}
            shift = tuple(rng.uniform(-20, 20, 2))
            image, true = renderer.draw(shapes, pose, offset_px=shift, gaze=tuple(rng.normal(0, 5, 2)), **camera)
            mesh = tracker.mesh(_grainy(image, rng))
            if mesh is not None:
                rows.add(number, pose, shapes, camera["eye_px"], mesh, true)
    tracker.close()
    return rows.seen()


def see_turning(head: PlainHead, people: int, seed: int, images: int = 90) -> SeenFaces:
    """Resting people who turn the head before one camera, tracked as a video: yaw to 35, pitch to 20 degrees."""
    rows = _SeenRows(tuple(head.expression))
    time = np.linspace(0, 2 * np.pi, images, endpoint=False)
    for number in range(people):
        rng = np.random.default_rng((seed, number))
        renderer = Renderer(head, rng.standard_normal(100).astype(np.float32), Look.random(rng))
        camera = {"eye_px": rng.uniform(50, 100), "distance_cm": rng.uniform(45, 150)}
        place, (first, second, third) = rng.uniform(-20, 20, 2), rng.uniform(0, 2 * np.pi, 3)
        yaw = 35 * np.sin(3 * time + first) * np.abs(np.sin(1.5 * time + third))
        pitch = 20 * np.sin(4 * time + second) * np.abs(np.cos(1.5 * time + third))
        tracker = PlainHeadTracker(video=True)
        for at in range(-3, images):  # the first ones, ahead, let the tracker settle
            turn = (0.0, 0.0) if at < 0 else (float(yaw[at]), float(pitch[at]))
            pose = (*turn, float(rng.normal(0, 1.5)))
            shift = tuple(place + rng.normal(0, 1, 2))
            image, true = renderer.draw({}, pose, offset_px=shift, gaze=tuple(rng.normal(0, 5, 2)), **camera)
            mesh = tracker.mesh(_grainy(image, rng))
            if at >= 0 and mesh is not None:
                rows.add(number, pose, {}, camera["eye_px"], mesh, true)
        tracker.close()
    return rows.seen()


def _grainy(image: ImageArray, rng: np.random.Generator) -> ImageArray:
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
