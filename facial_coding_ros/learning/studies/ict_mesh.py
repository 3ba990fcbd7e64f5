# SPDX-License-Identifier: Apache-2.0
"""Makes models/ict_mesh.npz from ICT-FaceKit's shapes at MediaPipe's mesh points.

    standalone/env python -m facial_coding_ros.learning.studies.ict_mesh ict_mediapipe468.npz models/ict_mesh.npz

The input holds neutral (468, 3), identity (100, 468, 3), expression (57, 468, 3) and expression_names, in cm, x to the
person's left, y up, z out of the face.
"""

import sys
from pathlib import Path

import numpy as np

RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(f"usage: {sys.argv[0]} INPUT.npz OUTPUT.npz")
    source = np.load(sys.argv[1])
    to_ours = np.array([1, -1, -1], np.float32)
    neutral = source["neutral"] * to_ours
    eyes = [neutral[list(eye)].mean(0) for eye in (RIGHT_EYE, LEFT_EYE)]
    unit = np.linalg.norm(eyes[1] - eyes[0])
    names = [str(name) for name in source["expression_names"]]
    keep = [i for i, name in enumerate(names) if not name.startswith("PupilDilate")]
    target = Path(sys.argv[2])
    np.savez_compressed(
        target,
        neutral=((neutral - (eyes[0] + eyes[1]) / 2) / unit).astype(np.float32),
        identity=(source["identity"] * to_ours / unit).astype(np.float16),
        expression=(source["expression"][keep] * to_ours / unit).astype(np.float16),
        expression_names=np.array([names[i] for i in keep]),
        eye_distance_cm=np.float32(unit),
    )
    print(target, target.stat().st_size, "bytes; eye distance", unit, "cm")


if __name__ == "__main__":
    main()
