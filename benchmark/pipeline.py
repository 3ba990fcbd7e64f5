# SPDX-License-Identifier: Apache-2.0
"""Image to face code for one, two and four faces at 640x480, against plain MediaPipe FaceMesh on the same frames.

standalone/env python -m benchmark pipeline [--frames 1200] [--out FILE.json]

Both run by turns in blocks of ten frames. FILE.json holds each block's ratio, for `benchmark compare`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np

from facial_coding_ros.image.sources import open_source
from facial_coding_ros.models import share_folder
from facial_coding_ros.pipeline import Pipeline
from facial_coding_ros.types import Frame

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


def scenes() -> dict[int, list[np.ndarray]]:
    """Images by the number of faces in them; each person moves and speaks as in the demo clip."""
    one = one_face_640x480()
    beside = [cv2.resize(image[:, 60:380], (320, 480)) for image in one]
    two = [np.hstack([left, right]) for left, right in zip(beside, beside[::-1], strict=True)]
    half = [cv2.resize(image, (320, 240)) for image in one]
    four = [np.vstack([np.hstack([a, b]), np.hstack([b, a])]) for a, b in zip(half, half[::-1], strict=True)]
    return {1: one, 2: two, 4: four}


@dataclass(frozen=True)
class Cost:
    """Of a frame, in milliseconds, ours and FaceMesh's. ratio: of the medians; ratios: of blocks. stages_ms: means."""

    median_ms: float
    p99_ms: float
    processor_ms: float
    facemesh_median_ms: float
    facemesh_p99_ms: float
    facemesh_processor_ms: float
    ratio: float
    ratios: list[float]
    stages_ms: dict[str, float]


def measure(faces: int, images: Sequence[np.ndarray], frames: int) -> Cost:
    """What a frame with so many faces costs; printed too."""
    walk = cycle([*images, *images[::-1]])
    pipeline = Pipeline()
    mesh = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=faces)
    coded, indices = 0, iter(range(10**9))

    def ours(image: np.ndarray) -> int:
        index = next(indices)
        return len(pipeline.process(Frame(image, index * STEP_NS, index)))

    def theirs(image: np.ndarray) -> int:
        return len(mesh.process(image).multi_face_landmarks or ())

    wall: dict[str, list[float]] = {"pipeline": [], "FaceMesh": []}
    cpu: dict[str, list[float]] = {"pipeline": [], "FaceMesh": []}
    for start in range(0, frames, BLOCK):
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
                found = run(image)
                wall[name].append(time.perf_counter() - begin)
                coded += name == "pipeline" and found == faces
            cpu[name].append((time.process_time() - cpu_begin) / BLOCK)
    print(f"image to face code, {_words(faces)}, 640x480, {frames - WARM_UP} frames, {coded} with all of them coded")
    for name, times in wall.items():
        middle, late = statistics.median(times) * 1e3, np.quantile(times, 0.99) * 1e3
        processor = statistics.mean(cpu[name]) * 1e3
        print(f"  {name}   median {middle:6.2f} ms  p99 {late:6.2f} ms  processor time {processor:6.2f} ms")
    print(f"  ratio of medians {statistics.median(wall['pipeline']) / statistics.median(wall['FaceMesh']):.2f}")
    stages_ms = {stage: round(seconds * 1e3, 3) for stage, seconds in pipeline.times.take().items()}
    print("  stages: " + ", ".join(f"{stage} {ms:.2f} ms" for stage, ms in stages_ms.items()))
    print(f"  {pipeline.backend}", flush=True)
    mesh.close()
    pipeline.close()
    blocks = {name: np.reshape(times, (-1, BLOCK)).mean(axis=1) for name, times in wall.items()}
    figures = {
        name: (statistics.median(times), float(np.quantile(times, 0.99)), statistics.mean(cpu[name]))
        for name, times in wall.items()
    }
    ours_ms, theirs_ms = ([round(1e3 * value, 3) for value in figures[name]] for name in ("pipeline", "FaceMesh"))
    ratios = [float(one) for one in blocks["pipeline"] / blocks["FaceMesh"]]
    return Cost(*ours_ms, *theirs_ms, round(ours_ms[0] / theirs_ms[0], 3), ratios, stages_ms)


def samples(costs: Mapping[int, Cost]) -> dict[str, list[float]]:
    """By name, for `benchmark compare`."""
    return {f"{_words(faces)}, times FaceMesh": cost.ratios for faces, cost in costs.items()}


def _words(faces: int) -> str:
    return f"{faces} face{'s' if faces > 1 else ''}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark pipeline", description=__doc__)
    parser.add_argument("--frames", type=int, default=1200, help=f"of each scene, with {WARM_UP} that do not count")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args(words)
    costs = {faces: measure(faces, images, arguments.frames) for faces, images in scenes().items()}
    if arguments.out:
        machine = f"{os.cpu_count()}-core {platform.machine()}"
        arguments.out.write_text(json.dumps({"machine": machine, "samples": samples(costs)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
