# SPDX-License-Identifier: Apache-2.0
"""Time and exactness of the live DFECS encoder: python benchmark/dfecs.py [CARD]."""

from __future__ import annotations

import sys
import time

import numpy as np

from facial_coding_ros.coding.dfecs import DfecsEncoder, DfecsSettings
from facial_coding_ros.learning.motions.ict_motions import SETTINGS, MeshNoise, synthesise
from facial_coding_ros.types import Motion


def main() -> None:
    encoder = DfecsEncoder.load(DfecsSettings(model=sys.argv[1]) if len(sys.argv) > 1 else None)
    kpm = synthesise(SETTINGS["talking"], 10, 20, 4000, MeshNoise.measured()).motions.kpm
    motions = [Motion(row, np.zeros((468, 3), np.float32)) for row in kpm]
    times: dict[int, list[float]] = {faces: [] for faces in (1, 2, 4, 8, 16)}
    for start in range(180):
        for faces, found in times.items():
            some = motions[start : start + faces]
            before = time.perf_counter()
            encoder.encode(some)
            found.append((time.perf_counter() - before) * 1e3)
    for faces, found in times.items():
        print(f"{faces:2d} faces: median {np.median(found):.3f} ms, fastest tenth {np.percentile(found, 10):.3f} ms")
    try:
        from sklearn.decomposition import sparse_encode

        from facial_coding_ros.coding.dfecs.sparse_codes import unit_rows
        from facial_coding_ros.learning.dfecs.model import DFECS
    except ImportError:
        return
    model = DFECS.load(encoder.card.path)
    rows, lengths = unit_rows(model.components_)
    started = time.perf_counter()
    x = kpm.astype(np.float64)
    exact = sparse_encode(x, rows, algorithm="lasso_cd", alpha=model.alpha_, positive=True, max_iter=200000) / lengths
    each = (time.perf_counter() - started) / len(kpm) * 1e3
    error = np.abs(encoder.encode(motions) - exact).max() / exact.max()
    print(f"largest difference to scikit-learn's lasso_cd: {error:.1e} of the largest code; {each:.2f} ms a face there")


if __name__ == "__main__":
    main()
