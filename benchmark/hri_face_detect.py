# SPDX-License-Identifier: Apache-2.0
"""What ROS4HRI's hri_face_detect computes for each image, beside `benchmark processor`: percent of a core.

That is OpenCV's face detector YuNet on every image, and MediaPipe's FaceMesh. Neither ROS nor the node's Python around
it is in the figures.

standalone/env python -m benchmark hri_face_detect face_detection_yunet_2023mar.onnx [--images 300]

The file is OpenCV Zoo's (MIT licence): https://github.com/opencv/opencv_zoo, models/face_detection_yunet.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np

SCALES = (0.5, 1.0)
"""Of the image that the detector sees; the node's default is the first."""
RATES_HZ = {1: 30.0, 4: 15.0}


def milliseconds(network: Path, images: Sequence[np.ndarray], faces: int, scale: float, count: int) -> float:
    """Processor time for an image (480, 640, 3) uint8, with as many faces."""
    height, width = images[0].shape[:2]
    size = round(width * scale), round(height * scale)
    detector = cv2.FaceDetectorYN.create(str(network), "", size, 0.75)
    with mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=faces) as mesh:

        def look(image: np.ndarray) -> int:
            found = detector.detect(cv2.resize(image, size, interpolation=cv2.INTER_AREA))[1]
            mesh.process(image)
            return 0 if found is None else len(found)

        if look(images[0]) != faces:
            raise SystemExit(f"{network}: finds other than {faces} faces in the benchmark's image; is it YuNet's?")
        for image in images[:20]:
            look(image)
        begun_s = time.process_time()
        for index in range(count):
            look(images[index % len(images)])
        return 1e3 * (time.process_time() - begun_s) / count


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark hri_face_detect", description=__doc__)
    parser.add_argument("network", type=Path, help="YuNet as ONNX, 2023mar")
    parser.add_argument("--images", type=int, default=300, help="of each row; default: %(default)s")
    arguments = parser.parse_args(words)
    if not arguments.network.is_file():
        parser.error(f"{arguments.network}: no such file")
    from .pipeline import scenes

    cv2.setNumThreads(1)
    images = scenes()
    print("| faces | camera (Hz) | the detector sees | processor time an image (ms) | of one core |")
    print("|---|---|---|---|---|")
    for faces, rate_hz in RATES_HZ.items():
        for scale in SCALES:
            ms = milliseconds(arguments.network, images[faces], faces, scale, arguments.images)
            sees = f"{640 * scale:.0f} x {480 * scale:.0f}"
            print(f"| {faces} | {rate_hz:g} | {sees} | {ms:.1f} | {ms * rate_hz / 10:.0f} % |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
