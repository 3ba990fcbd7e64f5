"""Image to face code for one face at 640x480, against plain MediaPipe FaceMesh on the same frames, interleaved."""

from __future__ import annotations

import statistics
import time
from itertools import cycle, islice

import cv2
import mediapipe as mp
import numpy as np

from facial_coding_ros.image.sources import open_source
from facial_coding_ros.models import share_folder
from facial_coding_ros.pipeline import Pipeline
from facial_coding_ros.types import Frame

FRAMES = 600
WARM_UP = 60
STEP_NS = 33_333_333


def one_face_640x480() -> list[np.ndarray]:
    """The left half of the demo clip, one person, as 640x480."""
    source = open_source(share_folder("demo") / "two_people.mp4")
    images = []
    for frame in islice(source.frames(), 150):
        height = frame.image.shape[0]
        half = frame.image[:, : frame.image.shape[1] // 2]
        canvas = np.zeros((480, 640, 3), np.uint8)
        scaled = cv2.resize(half, (round(half.shape[1] * 480 / height), 480))
        canvas[:, : scaled.shape[1]] = scaled[:, :640]
        images.append(canvas)
    return images


def main() -> None:
    images = one_face_640x480()
    walk = cycle(images + images[::-1])
    pipeline = Pipeline()
    mesh = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1)
    ours, theirs, coded = [], [], 0
    for index in range(FRAMES):
        image = next(walk)
        start = time.perf_counter()
        codes = pipeline.process(Frame(image, index * STEP_NS, index))
        middle = time.perf_counter()
        mesh.process(image)
        end = time.perf_counter()
        if index == WARM_UP:
            pipeline.times.take()
        if index >= WARM_UP:
            ours.append(middle - start)
            theirs.append(end - middle)
            coded += len(codes) == 1
    print(f"image to face code, one face, 640x480, {len(ours)} frames, {coded} with the face coded")
    for name, times in (("pipeline", ours), ("FaceMesh", theirs)):
        middle, late = statistics.median(times) * 1e3, np.quantile(times, 0.99) * 1e3
        print(f"  {name}   median {middle:6.2f} ms  p99 {late:6.2f} ms")
    print(f"  ratio of medians {statistics.median(ours) / statistics.median(theirs):.2f}")
    print("  stages: " + ", ".join(f"{k} {v * 1e3:.2f} ms" for k, v in pipeline.times.take().items()))
    pipeline.close()


if __name__ == "__main__":
    main()
