# SPDX-License-Identifier: Apache-2.0
"""What tracking's constants rest on: smoothing and head pose. (learning/studies/shape.py: the shape of a face.)

    standalone/env python -m benchmark.tracking_studies smoothing
    standalone/env python -m benchmark.tracking_studies pose RENDERED

RENDERED: a folder that `facial_coding synthesize` made: people whose pose is known, seen through MediaPipe.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.learning.synthesis.dataset import load_set
from facial_coding_ros.learning.tracking.scenes import FacePlace, background, paste
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.tracking.pose import PoseEstimator, angles
from facial_coding_ros.tracking.smoothing import OneEuroFilter
from facial_coding_ros.types import FloatArray, Frame

FPS, FACE_PX = 30, 90.0
CUTOFFS = ((0.0, 0.0), (1.0, 5.0), (3.0, 20.0), (1.5, 40.0), (1.5, 60.0), (2.0, 80.0))
Row = dict[str, float]


def raw_meshes(sway_px: float, seconds: float = 6.0, noise: float = 4.0) -> list[FloatArray]:
    """Unsmoothed meshes of a face that sways once a second, or stays, in images with noise of their own."""
    rng, tracker = np.random.default_rng(0), make_tracker(TrackingSettings(id_seed=1, smoothing=False))
    meshes = []
    for index in range(round(seconds * FPS)):
        image = background(640, 480).copy()
        paste(image, "collins", FacePlace(320 + sway_px * np.sin(2 * np.pi * index / FPS), 240, FACE_PX))
        noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        faces = tracker.track(Frame(noisy, round(index * 1e9 / FPS), index))
        meshes += [face.mesh for face in faces]
    tracker.close()
    return meshes


def smoothing() -> list[Row]:
    """jitter: of a still face from frame to frame, RMS over points, in face widths. lag_ms and furthest_px: of a
    swaying face against what was not smoothed."""
    still, swaying = raw_meshes(0.0), raw_meshes(75.0)
    rows = []
    for cutoff_hz, beta in CUTOFFS:
        ours = [_smoothed(meshes, cutoff_hz, beta) for meshes in (still, swaying)]
        steps = np.diff(np.stack(ours[0])[FPS:, :, :2], axis=0)
        path, raw = (np.stack(meshes)[FPS:, :, 0].mean(1) for meshes in (ours[1], swaying))
        speed = np.gradient(raw) * FPS
        # The shift in time that explains the difference best.
        lag_s = float((speed @ (raw - path)) / (speed @ speed))
        apart = np.linalg.norm((np.stack(ours[1]) - np.stack(swaying))[FPS:, :, :2], axis=2).mean(1)
        rows.append({
            "min_cutoff_hz": cutoff_hz,
            "beta": beta,
            "jitter": float(f"{np.sqrt((steps**2).sum(2).mean()) / FACE_PX:.2g}"),
            "lag_ms": round(lag_s * 1e3, 2),
            "furthest_px": round(float(apart.max()), 2),
            "fastest_px_per_s": round(float(np.abs(speed).max())),
        })  # fmt: skip
    return rows


def _smoothed(meshes: Sequence[FloatArray], cutoff_hz: float, beta: float) -> list[FloatArray]:
    if not cutoff_hz:
        return list(meshes)
    one = OneEuroFilter(cutoff_hz, beta)
    return [one(mesh, round(index * 1e9 / FPS), FACE_PX) for index, mesh in enumerate(meshes)]


def pose(folder: Path) -> list[Row]:
    """Measured against true angles: the line through them, and the error about that line and as it is."""
    raw = _tracked(folder)
    estimator = PoseEstimator(IctFaces.load())
    measured = np.array([angles(estimator.fit(mesh)[0].tolist()) for mesh in raw["mesh"]])
    rows = []
    for column, name in enumerate(("yaw", "pitch", "roll")):
        true, found = raw["pose_deg"][:, column], measured[:, column]
        slope, offset = np.polyfit(true, found, 1)
        error = np.abs(found - true)
        rows.append({
            "angle": name,  # type: ignore[dict-item]
            "pictures": len(true),
            "largest_true_deg": round(float(np.abs(true).max()), 1),
            "slope": round(float(slope), 3),
            "offset_deg": round(float(offset), 2),
            "median_error_deg": round(float(np.median(error)), 2),
            "p95_error_deg": round(float(np.quantile(error, 0.95)), 2),
        })  # fmt: skip
    return rows


def _tracked(folder: Path) -> dict[str, NDArray[np.generic]]:
    raw = load_set(folder)
    return {name: values[raw["tracked"]] for name, values in raw.items()}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.tracking_studies", description=__doc__)
    parser.add_argument("what", choices=("smoothing", "pose"))
    parser.add_argument("rendered", type=Path, nargs="?", help="for pose")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args(words)
    if arguments.what == "pose" and arguments.rendered is None:
        parser.error("pose needs the folder of a rendered set")
    rows = smoothing() if arguments.what == "smoothing" else pose(arguments.rendered)
    for row in rows:
        print(row)
    if arguments.out:
        command = "python -m benchmark.tracking_studies " + arguments.what + (" RENDERED" if arguments.rendered else "")
        arguments.out.write_text(json.dumps({"command": command, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
