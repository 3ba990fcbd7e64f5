# SPDX-License-Identifier: Apache-2.0
"""The smiles of a recording, from a table in Python: python examples/python_table.py interview.mp4"""

import sys

import numpy as np

from facial_coding_ros import code_recording

BEGINS, ENDS = 0.3, 0.15  # intensity of AU12, lip corner puller
LEAST_CONFIDENCE = 0.3


def smiles(seconds: np.ndarray, intensity: np.ndarray) -> list[tuple[float, float]]:
    """Begin and end of each stretch that rises above BEGINS, until it falls below ENDS."""
    found, begin = [], None
    for now, value in zip(seconds, intensity, strict=True):
        if begin is None and value >= BEGINS:
            begin = now
        elif begin is not None and value < ENDS:
            found.append((begin, now))
            begin = None
    return found if begin is None else [*found, (begin, seconds[-1])]


def main() -> int:
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} VIDEO", file=sys.stderr)
        return 2
    table = code_recording(sys.argv[1]).columns()
    for face_id in np.unique(table["face_id"]):
        rows = table["face_id"] == face_id
        trusted = table["au12_confidence"][rows] >= LEAST_CONFIDENCE
        intensity = np.where(trusted, table["au12"][rows], 0.0)
        for begin, end in smiles(table["stamp_ns"][rows] / 1e9, intensity):
            print(f"{face_id} smiles from {begin:.2f} to {end:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
