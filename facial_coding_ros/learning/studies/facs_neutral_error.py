# SPDX-License-Identifier: Apache-2.0
"""What an inexact neutral costs the FACS estimator.

    standalone/env python -m facial_coding_ros.learning.studies.facs_neutral_error SET[,SET...] [models/facs.onnx ...]

Every person of the rendered sets (facial_coding synthesize) gets one error of the neutral, as faces differ, of growing
size; a full smile is 0.053 eye distances in the same measure (root mean square over all coordinates).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ...action_units import CODES
from ...coding.facs import FacsEstimator
from ...keypoints import Registration
from ...models import model_path
from ...types import FloatArray
from ..facs.disturbances import NEUTRAL_ERROR, neutral_errors
from ..facs.motion_sets import MotionSet, load_motions
from ..facs.study import figures

SIZES = (0.0, 0.0015, 0.003, 0.006, 0.012)
HEAD = "| model | error | ICC, mean | ICC, AU12 | neutral > 0.3, % | turned > 0.25, % |\n|---|---|---|---|---|---|"


def _intensities(estimator: FacsEstimator, seen: MotionSet) -> FloatArray:
    return estimator.infer(seen.motion, seen.noise_scale)[0]


def main(folders: list[Path], models: list[Path]) -> None:
    data = load_motions(folders, Registration())
    data = data.take(~data.just_found)
    people, of = np.unique(data.person, return_inverse=True)
    errors = neutral_errors(len(people), np.random.default_rng(0))[of] / NEUTRAL_ERROR
    print(f"{len(people)} people\n\n{HEAD}")
    for path in models:
        estimator = FacsEstimator.load(path)
        for size in SIZES:
            found = figures(
                partial(_intensities, estimator),
                replace(data, motion=data.motion + np.float32(size) * errors),
            )
            print(
                f"| {path.stem} | {size:g} | {found.mean_icc:.3f} | {found.icc[CODES.index(12)]:.3f} | "
                f"{100 * found.neutral_false:.1f} | {100 * found.turn_false:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(
        [Path(name) for name in sys.argv[1].split(",")],
        [Path(name) for name in sys.argv[2:]] or [model_path("facs.onnx")],
    )
