# SPDX-License-Identifier: Apache-2.0
"""Processor time of learning a resting face, per frame of one face: python -m benchmark neutral"""

from __future__ import annotations

import math
import time

import numpy as np

from facial_coding_ros.neutral import NeutralKeeper
from facial_coding_ros.neutral.prior import FacePrior
from facial_coding_ros.neutral.vectors import from_vector
from facial_coding_ros.types import Face, HeadPose, Region, Visibility

FPS, FRAMES, NOISE = 30, 3000, 0.006


def main() -> None:
    prior, rng = FacePrior.load(), np.random.default_rng(10)
    person = prior.mean + (rng.normal(size=len(prior.spread)) * np.sqrt(prior.spread)).astype(np.float32) @ prior.faces
    smile = (prior.expressions @ prior.faces)[0]
    shown = [
        from_vector(person + abs(math.sin(i / 20)) * smile + NOISE * rng.normal(size=person.shape).astype(np.float32))
        for i in range(FRAMES)
    ]
    pose = HeadPose(0.0, 0.0, 0.0, np.eye(3, dtype=np.float32))
    face = Face("f", np.zeros((478, 3), np.float32), Region(0.2, 0.2, 0.8, 0.8), pose, Visibility(1, 1, 1, 1))
    keeper = NeutralKeeper()
    took = []
    for i, registered in enumerate(shown):
        start = time.thread_time()
        keeper.update("f", registered, face, round(i / FPS * 1e9))
        took.append(time.thread_time() - start)
    microseconds = 1e6 * np.array(took[FPS:])
    print(f"{microseconds.mean():.0f} us a frame, 99th percentile {np.percentile(microseconds, 99):.0f} us")


if __name__ == "__main__":
    main()
