# SPDX-License-Identifier: Apache-2.0
"""Simple drawn faces with known action units, from the ICT model: skin, brows, eyes and mouth as shaded polygons.

    standalone/env python -m facial_coding_ros.learning.studies.drawn_faces FOLDER

makes the 36 people with AU 12 and AU 26 of docs/design_notes/au_networks.md; tests learn from smaller sets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import Delaunay

from ...face_model.ict import IctFaces, turned
from ...keypoints.schemes import SPARSE
from ..au_networks.prepared import CARD, FACES, INDEX, PreparedFaces

SIDE = 200
EYE_DISTANCE_PX = 46.0
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
MOUTH = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)


class FaceDrawer:
    """Draws meshes (468, 3) of the ICT model."""

    def __init__(self) -> None:
        self.faces = IctFaces.load()
        self.triangles = Delaunay(self.faces.neutral[:, :2]).simplices

    def draw(self, mesh: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Picture (200, 200, 3), RGB, and landmarks (68, 2) in its pixels."""
        points = mesh * EYE_DISTANCE_PX + (SIDE / 2, SIDE * 0.44, 0)
        picture = np.full((SIDE, SIDE, 3), rng.integers(20, 200, 3), np.uint8)
        skin = np.array((224, 172, 138)) * rng.uniform(0.45, 1.1)
        light = rng.normal((0, -0.4, -1), (0.4, 0.3, 0.1))
        light /= np.linalg.norm(light)
        corners = mesh[self.triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        normals *= -np.sign(normals[:, 2:3])
        shade = 0.5 + 0.5 * np.clip(normals @ light, 0, 1)
        for index in np.argsort(-corners[:, :, 2].mean(1)):
            colour = np.clip(skin * shade[index], 0, 255).tolist()
            cv2.fillConvexPoly(picture, np.round(points[self.triangles[index], :2]).astype(np.int32), colour)
        self._fill(picture, points, LIPS, np.array((190, 90, 90)) * rng.uniform(0.6, 1.1))
        self._fill(picture, points, MOUTH, (60, 20, 25))
        for eye, brow in zip(EYES, BROWS, strict=True):
            self._fill(picture, points, eye, (235, 235, 235))
            centre = points[list(eye), :2].mean(0)
            cv2.circle(picture, tuple(int(v) for v in centre), 4, (60, 40, 30), -1, cv2.LINE_AA)
            self._fill(picture, points, brow, skin * 0.25)
        noisy = picture + rng.normal(0, 4, picture.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8), SPARSE.from_mesh(points.astype(np.float32))[:, :2]

    @staticmethod
    def _fill(picture: np.ndarray, points: np.ndarray, ring: tuple[int, ...], colour: Iterable[float]) -> None:
        polygon = np.round(points[list(ring), :2]).astype(np.int32)
        cv2.fillPoly(picture, [polygon], tuple(float(v) for v in colour), cv2.LINE_AA)


def prepared_faces(root: Path, people: int, pictures: int, aus: tuple[int, ...], seed: int = 0) -> PreparedFaces:
    """A prepared folder of drawn people S00, S01, ...: each action unit present with probability 0.4."""
    rng = np.random.default_rng(seed)
    drawer = FaceDrawer()
    shapes = {25: {"mouthLowerDown_R": 0.7, "mouthLowerDown_L": 0.7, "jawOpen": 0.15}, 26: {"jawOpen": 0.7}}
    neutrals = drawer.faces.people(people, rng)
    (root / FACES).mkdir(parents=True)
    rows = []
    for person, neutral in enumerate(neutrals):
        for number in range(pictures):
            present = rng.random(len(aus)) < 0.4
            mesh = neutral.copy()
            for au in np.array(aus)[present]:
                strength = rng.uniform(0.9, 1.3)
                offsets = drawer.faces.offsets(shapes[au]) if au in shapes else drawer.faces.au_offsets({au: 1.0})
                mesh = mesh + strength * offsets
            mesh = turned(mesh, *rng.normal(0, 3, 3))
            picture, landmarks = drawer.draw(mesh, rng)
            name = f"S{person:02d}_{number:03d}.jpg"
            cv2.imwrite(str(root / FACES / name), picture[:, :, ::-1])
            rows.append((name, f"S{person:02d}", number, present, landmarks))
    (root / CARD).write_text("what: drawn faces\ndataset: drawn\n")
    np.savez_compressed(
        root / INDEX,
        dataset=np.array("drawn"),
        aus=np.array(aus),
        files=np.array([row[0] for row in rows]),
        subjects=np.array([row[1] for row in rows]),
        sequences=np.array([row[1] for row in rows]),
        frames=np.array([row[2] for row in rows]),
        labels=np.array([row[3] for row in rows], np.int8),
        landmarks=np.array([row[4] for row in rows], np.float32),
    )
    return PreparedFaces.load(root)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    prepared_faces(Path(sys.argv[1]), people=36, pictures=5, aus=(12, 26))
