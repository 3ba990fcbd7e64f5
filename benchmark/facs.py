# SPDX-License-Identifier: Apache-2.0
"""Time of the FACS estimator for 1 to 16 faces, whole call and graph alone: python -m benchmark.facs"""

from __future__ import annotations

import numpy as np

from benchmark._timing import best_and_median_ms
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.types import (
    Face,
    HeadPose,
    Motion,
    Neutral,
    NeutralState,
    Region,
    Registered,
    Visibility,
)


def main() -> None:
    faces, rng = IctFaces.load(), np.random.default_rng(0)
    estimator = FacsEstimator.load()
    registered = Registered(np.zeros((68, 2), np.float32), faces.neutral)
    neutral = Neutral(NeutralState.READY, registered, 0.003)
    pose = HeadPose(5.0, 2.0, 0.0, np.eye(3, dtype=np.float32))
    mesh = np.concatenate([faces.neutral * 60, np.zeros((10, 3))]).astype(np.float32)
    print("| faces | whole call, best | median | graph, best | median | (ms, one thread)\n|---|---|---|---|---|")
    for count in (1, 2, 4, 8, 16):
        people = [Face(str(i), mesh, Region(0, 0, 1, 1), pose, Visibility(1, 1, 1, 1)) for i in range(count)]
        dense = rng.normal(0, 0.02, (count, 468, 3)).astype(np.float32)
        motions = [Motion(np.zeros(136, np.float32), one) for one in dense]
        neutrals, noise_scale = [neutral] * count, np.ones(count, np.float32)
        whole = best_and_median_ms(lambda m=motions, p=people, n=neutrals: estimator.estimate(m, p, n), 1000, 50)
        graph = best_and_median_ms(lambda d=dense, u=noise_scale: estimator.infer(d, u), 1000, 50)
        print(f"| {count} | {whole[0]:.3f} | {whole[1]:.3f} | {graph[0]:.3f} | {graph[1]:.3f} |")


if __name__ == "__main__":
    main()
