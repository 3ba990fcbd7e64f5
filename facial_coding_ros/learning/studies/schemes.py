# SPDX-License-Identifier: Apache-2.0
"""Draws the keypoint schemes on MediaPipe's canonical mesh, and lists what the maps between them cost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from ...command_line import run_command
from ...errors import UserError
from ...keypoints import SCHEMES, Scheme, conversion
from ...types import FloatArray, ImageArray

_PANEL, _MARGIN = 900, 40
_COLOURS = (
    (200, 60, 40), (40, 120, 200), (30, 140, 60), (150, 60, 170),
    (200, 130, 0), (0, 140, 150), (120, 80, 40), (90, 90, 90),
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("canonical", type=Path, help="MediaPipe's canonical_face_model.obj")
    parser.add_argument("--out", type=Path, default=Path("registration_study"), help="folder for the results")


def run(arguments: argparse.Namespace) -> int:
    mesh = _read_obj(arguments.canonical)
    shown = [scheme for scheme in SCHEMES.values() if scheme.name != "mesh468"]
    panels = [_panel(scheme, mesh) for scheme in shown]
    panels.append(np.full_like(panels[0], 255))
    rows = [np.hstack(panels[i : i + 2]) for i in range(0, len(panels), 2)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out / "schemes.png"), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    lines = [
        "# Maps between the schemes",
        "",
        "`python -m facial_coding_ros.learning.studies.schemes CANONICAL_FACE_MODEL.obj`",
        "",
    ]
    lines += [
        "Error of points that the source lacks, in eye distances, over people and expressions of the ICT model.",
        "",
    ]
    lines += ["| from | to | points copied | points fitted | their error, mean | worst |", "|---|---|---|---|---|---|"]
    for source in shown:
        for target in shown:
            if source is target:
                continue
            error = conversion(source.name, target.name).error
            fitted = error[error > 0]
            cost = f"{fitted.mean():.3f} | {fitted.max():.3f}" if len(fitted) else "0 | 0"
            lines.append(f"| {source.name} | {target.name} | {(error == 0).sum()} | {len(fitted)} | {cost} |")
    (arguments.out / "schemes.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def _read_obj(path: Path) -> FloatArray:
    try:
        rows = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")]
        mesh = np.array(rows, np.float32)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a Wavefront mesh: {error}") from error
    if mesh.shape != (468, 3):
        raise UserError(f"{path} holds {len(mesh)} vertices; MediaPipe's canonical face has 468")
    return mesh


def _panel(scheme: Scheme, mesh: FloatArray) -> ImageArray:
    """One scheme, numbered and coloured by part, on the mesh's points; the person's right is on the left."""
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    scale = (_PANEL - 2 * _MARGIN) / (high - low).max()

    def place(points: FloatArray) -> np.ndarray:
        flat = (points[:, :2] - (low + high) / 2) * [scale, -scale] + _PANEL / 2
        return np.asarray(np.round(flat), int)

    image = np.full((_PANEL, _PANEL, 3), 255, np.uint8)
    for x, y in place(mesh):
        cv2.circle(image, (int(x), int(y)), 2, (205, 205, 205), -1, cv2.LINE_AA)
    spots = place(scheme.from_mesh(mesh))
    for colour, (name, part) in zip(_COLOURS, scheme.parts.items(), strict=False):
        for i in part:
            x, y = (int(v) for v in spots[i])
            cv2.circle(image, (x, y), 4, colour, -1, cv2.LINE_AA)
            cv2.putText(image, str(i), (x + 4, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
        row = 24 + 18 * list(scheme.parts).index(name)
        cv2.putText(image, name, (_PANEL - 130, row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    cv2.putText(image, scheme.name, (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
    return image


if __name__ == "__main__":
    sys.exit(run_command("schemes", __doc__ or "", add_arguments, run))
