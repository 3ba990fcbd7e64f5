# SPDX-License-Identifier: Apache-2.0
"""Where the processor time of the node's process goes, and what messages cost, beside a camera of 640x480 at 30 Hz.

standalone/env python -m benchmark node_profile [--seconds 15]

By thread: the executor (callbacks, images as Python messages), the worker (pipeline and publishing, and of it each
stage), and the threads of DDS (images out of shared memory, discovery). Then the messages of five faces, in memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from ._node import Camera, isolate, node_process
from ._timing import best_and_median_ms

RATE_HZ = 30.0
FACES = 5
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def threads_s(pid: int) -> Counter[str]:
    """Processor time of a process by what its threads are for."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
        ticks = sum(map(int, fields.split()[11:13]))
        kind = "executor" if int(task.name) == pid else "DDS" if name.startswith("dds.") else "worker and search"
        found[kind] += ticks * _TICK_S
    return found


def measure(seconds: float) -> dict[str, float]:
    """Milliseconds of processor time an image by kind of thread, one face; and mean milliseconds of each stage."""
    from diagnostic_msgs.msg import DiagnosticArray
    from facial_coding_msgs.msg import FaceCodeArray

    from .pipeline import scenes

    stages: list[dict[str, float]] = []

    def heard(message: DiagnosticArray) -> None:
        values = {one.key: one.value for one in message.status[0].values}
        stages.append({key: float(value) for key, value in values.items() if key.endswith("(ms)")})

    with node_process() as process:
        camera = Camera(scenes()[1], RATE_HZ)
        try:
            camera.hear(FaceCodeArray, "/facial_coding/face_codes", lambda _: None)
            camera.hear(DiagnosticArray, "/diagnostics", heard)
            camera.wait_for_node()
            camera.run(3.0)
            stages.clear()
            before = threads_s(process.pid)
            sent = camera.run(seconds)
            taken = threads_s(process.pid)
        finally:
            camera.close()
    by_thread = {kind: 1e3 * (taken[kind] - before[kind]) / sent for kind in taken}
    names = sorted({name for one in stages for name in one})
    return by_thread | {name: sum(one.get(name, 0.0) for one in stages) / len(stages) for name in names}


def messages_ms() -> dict[str, float]:
    """Median milliseconds to build the messages of FACES faces, and to serialize them."""
    from rclpy.serialization import serialize_message

    from facial_coding_ros.nodes import messages
    from facial_coding_ros.pipeline import Pipeline
    from facial_coding_ros.types import Frame

    from .pipeline import STEP_NS, scenes

    pipeline = Pipeline()
    for index, image in zip(range(30), cycle(scenes()[2]), strict=False):
        frame = Frame(image, index * STEP_NS, index)
        codes = pipeline.process(frame)
    pipeline.close()
    five, header, image = (codes * FACES)[:FACES], messages.header_of(0, "camera"), frame.image
    height, width = image.shape[:2]
    held = messages.landmarks(header, five[0].face, height, width)
    built: dict[str, Callable[[], list[Any]]] = {
        "face_codes": lambda: [messages.face_codes(frame, five, 0.0)],
        "landmarks": lambda: [messages.landmarks(header, one.face, height, width, held) for one in five],
        "facs": lambda: [messages.facs(header, one) for one in five],
        "expression": lambda: [messages.expression(header, one, "happy") for one in five],
        "roi": lambda: [messages.roi(header, one.face) for one in five],
        "cropped": lambda: [messages.cropped(header, image, one.face.region) for one in five],
        "aligned": lambda: [messages.aligned(header, image, one.face) for one in five],
        "frontalized": lambda: [messages.frontalized(header, image, one.face) for one in five],
    }
    found = {}
    for name, build in built.items():
        ready = build()
        found[name] = best_and_median_ms(build, 50, 5)[1]
        found[f"{name}, serialized"] = best_and_median_ms(
            lambda ready=ready: [serialize_message(one) for one in ready],  # type: ignore[misc]
            50,
            5,
        )[1]
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark node_profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    seconds = parser.parse_args(words).seconds
    isolate()
    print(f"one face, 640x480 at {RATE_HZ:g} Hz, milliseconds an image")
    for name, value in measure(seconds).items():
        print(f"  {name:24} {value:6.2f}")
    print(f"messages of {FACES} faces, milliseconds")
    for name, value in messages_ms().items():
        print(f"  {name:24} {value:6.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
