# SPDX-License-Identifier: Apache-2.0
"""What each FACS action unit looks like, drawn from the face model that comes with the package: a picture for the docs.

python -m facial_coding_ros.learning.studies.au_pictures --out docs/images/action_units.jpg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...command_line import run_command
from ...drawing.overlay import AU_NAMES
from ...drawing.surface import motion_colours, vertex_normals
from ...errors import UserError
from ...face_model.ict import AU_SHAPES, IctFaces, turned
from ...types import FloatArray, ImageArray
from ..synthesis.topology import mesh_triangles, subdivide

TILE_PX, CAPTION_PX, COLUMNS = 176, 46, 7
_OVER = 2  # drawn larger, then made smaller: smooth edges
_YAW_DEG, _PITCH_DEG = 16.0, 4.0
_SCALE = 52.0  # pixels of an inter-ocular distance
_LIGHT = np.array([-0.35, -0.45, -0.82])
_PAPER, _INK, _GREY = (255, 255, 255), (32, 36, 42), (90, 98, 110)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_face(model: IctFaces, offsets: FloatArray) -> ImageArray:
    """A square picture of the mean face moved by `offsets` (468, 3); coloured by how far each point moves."""
    triangles = mesh_triangles()
    points, tints = model.neutral + offsets, motion_colours(offsets, len(offsets)).astype(np.float32)
    for _ in range(2):
        triangles, edges = subdivide(triangles, len(points))
        points = np.concatenate([points, points[edges].mean(1)])
        tints = np.concatenate([tints, tints[edges].mean(1)])
    points = turned(points, _YAW_DEG, _PITCH_DEG, 0.0)
    normals = vertex_normals(points, triangles)
    lit = tints * (0.45 + 0.6 * np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1))[:, None]
    side = TILE_PX * _OVER
    pixels = points[:, :2] * _SCALE * _OVER + (side / 2, side * 0.4)
    canvas = np.full((side, side, 3), _PAPER, np.uint8)
    for triangle in triangles[np.argsort(-points[triangles, 2].mean(1))]:  # from the back to the front
        corners = np.rint(pixels[triangle] * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, corners, lit[triangle].mean(0).clip(0, 255).tolist(), cv2.LINE_AA, 4)
    return cv2.resize(canvas, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def gallery(model: IctFaces) -> ImageArray:
    """All action units of the face model at full intensity, the neutral face first."""
    entries: list[tuple[str, str, FloatArray]] = [("neutral", "mean face", np.zeros_like(model.neutral))]
    entries += [(f"AU{au}", AU_NAMES.get(au, ""), model.au_offsets({au: 1.0})) for au in sorted(AU_SHAPES)]
    tiles = []
    for name, about, offsets in entries:
        caption = np.full((CAPTION_PX, TILE_PX, 3), _PAPER, np.uint8)
        for text, row, size, tint in ((name, 16, 0.5, _INK), (about, 36, 0.4, _GREY)):
            width = cv2.getTextSize(text, _FONT, size, 1)[0][0]
            cv2.putText(caption, text, ((TILE_PX - width) // 2, row), _FONT, size, tint, 1, cv2.LINE_AA)
        tiles.append(np.concatenate([draw_face(model, offsets), caption]))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("action_units.jpg"), help="the picture; default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    picture = gallery(IctFaces.load())
    try:
        written = cv2.imwrite(str(arguments.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except cv2.error:  # raised for an unknown ending
        written = False
    if not written:
        raise UserError(f"--out {arguments.out} cannot be written: a file such as action_units.jpg is expected")
    print(arguments.out)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    return run_command("au_pictures", __doc__ or "", add_arguments, run, words)


if __name__ == "__main__":
    sys.exit(main())
