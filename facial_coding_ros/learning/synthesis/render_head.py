# SPDX-License-Identifier: Apache-2.0
"""The head that is rendered: ICT-FaceKit's fine mesh, read from a checkout of it, and where its parts lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...types import FloatArray

FACE_VERTICES = 9409
"""Vertices of ICT-FaceKit's first geometry, "Face": face, ears, neck."""
_FACE_QUADS = 9230
_TEETH = slice(17039, 21451)
_EYEBALLS = (slice(23021, 24591), slice(21451, 23021))  # right, left
IDENTITIES = 100
# The model's 68 landmarks (vertex_indices.json of ICT-FaceKit), iBUG order.
LANDMARKS = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509),
    *(978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),
    *(1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732),
    *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)


class HeadError(Exception):
    """The folder does not hold what ICT-FaceKit's checkout would; the text says what is missing."""


@dataclass(frozen=True)
class HeadModel:
    """Vertices in cm; x to the person's left, y up, z towards the viewer.

    neutral: (9409, 3). identity: (100, 9409, 3), offsets of unit variance. expression: name -> (9409, 3) at full
    strength. triangles: (18460, 3), outward side counter-clockwise. eyes: centre (2, 3) right and left; eye_radius.
    teeth: (n, 3).
    """

    neutral: FloatArray
    identity: FloatArray
    expression: Mapping[str, FloatArray]
    triangles: NDArray[np.int64]
    eyes: FloatArray
    eye_radius: float
    teeth: FloatArray

    @classmethod
    def load(cls, folder: Path) -> HeadModel:
        """From a checkout of ICT-FaceKit, or a folder with the same arrays (ict_all_raw.npz, ict_face_tris.npz).

        Raises HeadError when the folder is neither.
        """
        if (folder / "ict_all_raw.npz").is_file():
            return cls._of_arrays(folder)
        models = folder if folder.name == "FaceXModel" else folder / "FaceXModel"
        generic = models / "generic_neutral_mesh.obj"
        if not generic.is_file():
            raise HeadError(f"{folder} is no checkout of ICT-FaceKit: there is no {generic}.")
        neutral, quads = _read_vertices(generic), _read_quads(generic)
        identity = (
            np.stack([_read_vertices(models / f"identity{i:03d}.obj")[:FACE_VERTICES] for i in range(IDENTITIES)])
            - neutral[:FACE_VERTICES]
        )
        others = sorted(
            path for path in models.glob("*.obj") if not path.stem.startswith("identity") and path != generic
        )
        expression = {path.stem: _read_vertices(path)[:FACE_VERTICES] - neutral[:FACE_VERTICES] for path in others}
        face = quads[:_FACE_QUADS]
        triangles = np.concatenate([face[:, [0, 1, 2]], face[:, [0, 2, 3]]])
        return cls._assemble(neutral, identity, expression, triangles)

    @classmethod
    def _of_arrays(cls, folder: Path) -> HeadModel:
        with np.load(folder / "ict_all_raw.npz") as raw, np.load(folder / "ict_face_tris.npz") as faces:
            shapes = raw["expression"][:, :FACE_VERTICES]
            expression = {str(name): shape for name, shape in zip(raw["names"], shapes, strict=True)}
            return cls._assemble(raw["neutral"], raw["identity"][:, :FACE_VERTICES], expression, faces["tri"])

    @classmethod
    def _assemble(
        cls, neutral: FloatArray, identity: FloatArray, expression: dict[str, FloatArray], triangles: NDArray[np.int64]
    ) -> HeadModel:
        eyes = np.stack([(neutral[part].min(0) + neutral[part].max(0)) / 2 for part in _EYEBALLS])
        heights = np.ptp(neutral[_EYEBALLS[0], 1])
        return cls(
            neutral=neutral[:FACE_VERTICES].astype(np.float32),
            identity=identity.astype(np.float32),
            expression={name: shape.astype(np.float32) for name, shape in expression.items()},
            triangles=triangles.astype(np.int64),
            eyes=eyes.astype(np.float32),
            eye_radius=float(heights) / 2,
            teeth=neutral[_TEETH].astype(np.float32),
        )


def _read_vertices(path: Path) -> FloatArray:
    """Vertices (n, 3) of a Wavefront file. Raises HeadError when it cannot be read."""
    try:
        # The vertices are one block; reading it in one go is ten times as fast as line by line.
        text = path.read_text()
        start = text.index("\nv ") + 1
        end = min(found for found in (text.find("\nvt ", start), text.find("\nf ", start), len(text)) if found > 0)
        return np.array(text[start:end].replace("v", " ").split(), np.float32).reshape(-1, 3)
    except (OSError, ValueError) as error:
        raise HeadError(f"{path} cannot be read as a Wavefront mesh: {error}") from error


def _read_quads(path: Path) -> NDArray[np.int64]:
    """Quads (m, 4) of a Wavefront file, vertices counted from 0."""
    corners = [line[2:].split() for line in path.read_text().splitlines() if line.startswith("f ")]
    return np.array([[int(corner.split("/")[0]) - 1 for corner in quad] for quad in corners if len(quad) == 4])


def boundary_loops(triangles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Closed loops of vertices along the holes of a mesh, each in order."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    unique, count = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
    neighbours: dict[int, list[int]] = {}
    for a, b in unique[count == 1].tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    loops: list[NDArray[np.int64]] = []
    left = set(neighbours)
    while left:
        loop = [min(left)]
        while True:
            left.discard(loop[-1])
            following = [v for v in neighbours[loop[-1]] if v in left]
            if not following:
                break
            loop.append(following[0])
        loops.append(np.array(loop))
    return loops


def smoothing(triangles: NDArray[np.int64], count: int) -> sparse.csr_matrix:
    """Matrix (count, count) that replaces each vertex by the mean of its neighbours."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    links = sparse.csr_matrix((np.ones(len(edges), np.float32), edges.T), shape=(count, count))
    links.data[:] = 1
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(links.sum(1).A1, 1)) @ links).astype(np.float32)
