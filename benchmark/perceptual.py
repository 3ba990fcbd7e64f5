# SPDX-License-Identifier: Apache-2.0
"""Time of the perceptual latent and expression for 1 to 16 faces: python -m benchmark.perceptual"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark._timing import best_and_median_ms
from facial_coding_ros.coding.expression import AuExpression
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.types import Neutral, NeutralState, Registered


def median_ms(call: Callable[[], object]) -> float:
    return best_and_median_ms(call, 400, 20)[1]


def main() -> None:
    ict, rng = IctFaces.load(), np.random.default_rng(0)
    coder, rules = PerceptualCoder(), AuExpression()
    codes = FacsEstimator.load().codes
    smile = ict.au_offsets({12: 0.8, 6: 0.5})
    print("faces   latent and expression, ms   action unit rules alone, ms")
    for count in (1, 2, 4, 8, 16):
        people = ict.people(count, rng)
        sparse = np.zeros((68, 2), np.float32)
        faces = [Registered(sparse, face + smile) for face in people]
        neutrals = [Neutral(NeutralState.READY, Registered(sparse, face), 0.005) for face in people]
        subject_keys = [f"f{i}" for i in range(count)]
        stamp = iter(range(0, 10**18, 33_000_000))
        latent = median_ms(lambda f=faces, n=neutrals, o=subject_keys, s=stamp: coder.estimate(f, n, o, next(s)))  # type: ignore[misc]
        units = FacsEstimator.load().unknown(count)
        print(f"{count:5}   {latent:26.3f}   {median_ms(lambda u=units: rules.estimate(u)):27.3f}")  # type: ignore[misc]
    print(f"{len(codes)} action units; MediaPipe's mesh, one thread of ONNX Runtime")


if __name__ == "__main__":
    main()
