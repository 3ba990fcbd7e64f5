# SPDX-License-Identifier: Apache-2.0
"""Makes models/dfecs_noise.npz: the error of MediaPipe's face mesh on a resting face, for the ICT motions.

    standalone/env python -m facial_coding_ros.learning.studies.tracker_noise RENDERED VIDEO

RENDERED is a set of `facial_coding synthesize`, VIDEO a recording that starts with a person at rest. The set gives the
form of the error, the recording its size.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
from pathlib import Path

import numpy as np

from ...command_line import run_command
from ...datasets.motions import MotionError
from ...errors import UserError
from ...image.sources import SourceError, open_source
from ...keypoints import Registration, RegistrationSettings
from ...tracking import TrackingSettings, make_tracker
from ..motions.ict_motions import MeshNoise
from ..synthesis.dataset import NEUTRALS, load_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rendered", type=Path, help="folder that `facial_coding synthesize` made")
    parser.add_argument("video", type=Path, help="recording that starts with a person at rest")
    parser.add_argument("--out", type=Path, default=Path("dfecs_noise.npz"), help="file to write; default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    try:
        form, size = rendered_error(arguments.rendered), still_error(arguments.video)
    except (FileNotFoundError, MotionError, SourceError) as error:
        raise UserError(str(error)) from None
    out = arguments.out
    np.savez_compressed(out, field=form.scaled(size).field.astype(np.float16))
    print(
        f"A point is off by {form.size:.4f} eye distances in the pictures and wanders by {size:.4f} in the recording."
    )
    print(f"{out}, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}: put it into the card")
    return 0


def rendered_error(folder: Path, modes: int = 60) -> MeshNoise:
    """The tracker's error from one picture of a resting face to another: light, camera, size and small turns differ.

    From the resting pictures of each person; the strongest `modes` directions, scaled to carry the whole.
    """
    found = load_set(folder)
    tracked = found["tracked"]
    number, people = found["number"][tracked], found["person"][tracked]
    rest = np.flatnonzero(number < NEUTRALS)
    registered = Registration(RegistrationSettings()).register(found["mesh"][tracked][rest])
    dense = np.stack([r.dense for r in registered])
    spread = []
    for one in np.unique(people[rest]):
        own = dense[people[rest] == one]
        if len(own) > 1:
            spread.append((own - own.mean(0)) * np.sqrt(len(own) / (len(own) - 1)))
    flat = np.concatenate(spread).reshape(-1, dense[0].size).astype(np.float64)
    _, s, vt = np.linalg.svd(flat, full_matrices=False)
    kept = s[:modes] * np.sqrt((s**2).sum() / (s[:modes] ** 2).sum()) / np.sqrt(len(flat))
    return MeshNoise((kept[:, None] * vt[:modes]).reshape(-1, *dense.shape[1:]).astype(np.float32))


def still_error(path: Path, seconds: float = 1.5) -> float:
    """Root mean square wander of a point in the first `seconds` of a recording that starts at rest, eye distances."""
    registering = Registration(RegistrationSettings())
    seen = []
    with contextlib.closing(make_tracker(TrackingSettings())) as tracker:
        start = None
        for frame in open_source(path).frames():
            start = frame.stamp_ns if start is None else start
            if frame.stamp_ns - start > seconds * 1e9:
                break
            seen += [r.dense for f in tracker.track(frame) for r in registering.register([f.mesh])][:1]
    if len(seen) < 5:
        raise MotionError(f"{path}: {len(seen)} frames with a face in the first {seconds:g} s; 5 or more are needed")
    points = np.stack(seen)
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(2).mean() * len(seen) / (len(seen) - 1)))


if __name__ == "__main__":
    sys.exit(run_command("tracker_noise", __doc__ or "", add_arguments, run))
