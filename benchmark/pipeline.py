# SPDX-License-Identifier: Apache-2.0
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

FRAMES = 1200
WARM_UP = 100
BLOCK = 10
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
    coded, indices = 0, iter(range(10**9))

    def ours(image: np.ndarray) -> int:
        index = next(indices)
        return len(pipeline.process(Frame(image, index * STEP_NS, index)))

    def theirs(image: np.ndarray) -> int:
        return len(mesh.process(image).multi_face_landmarks or ())

    wall: dict[str, list[float]] = {"pipeline": [], "FaceMesh": []}
    cpu: dict[str, list[float]] = {"pipeline": [], "FaceMesh": []}
    for start in range(0, FRAMES, BLOCK):
        block = list(islice(walk, BLOCK))
        if start == WARM_UP:
            pipeline.times.take()
            coded = 0
            for times in (*wall.values(), *cpu.values()):
                times.clear()
        # Blocks of frames: neither works with the caches as the other leaves them. Both get images that were just
        # written, as a camera's are; else whoever comes first would fetch them for the other.
        for name, run in (("pipeline", ours), ("FaceMesh", theirs)):
            written = [image.copy() for image in block]
            cpu_begin = time.process_time()
            for image in written:
                begin = time.perf_counter()
                faces = run(image)
                wall[name].append(time.perf_counter() - begin)
                coded += name == "pipeline" and faces == 1
            cpu[name].append((time.process_time() - cpu_begin) / BLOCK)
    print(f"image to face code, one face, 640x480, {FRAMES - WARM_UP} frames, {coded} with the face coded")
    for name, times in wall.items():
        middle, late = statistics.median(times) * 1e3, np.quantile(times, 0.99) * 1e3
        processor = statistics.mean(cpu[name]) * 1e3
        print(f"  {name}   median {middle:6.2f} ms  p99 {late:6.2f} ms  processor time {processor:6.2f} ms")
    print(f"  ratio of medians {statistics.median(wall['pipeline']) / statistics.median(wall['FaceMesh']):.2f}")
    print("  stages: " + ", ".join(f"{k} {v * 1e3:.2f} ms" for k, v in pipeline.times.take().items()))
    print(f"  {pipeline.backend}")
    mesh.close()
    pipeline.close()


if __name__ == "__main__":
    main()
