# SPDX-License-Identifier: Apache-2.0
"""Start and memory of the node: seconds from its process to active, and MiB with one face while everything is heard.

standalone/env python -m benchmark start [--starts 5] [--seconds 10]

The first start does not count: after it the files lie in memory, as on a robot that starts its nodes anew. Resident
memory counts libraries and DDS's shared memory in full; the proportional one shares out what other processes have as
well; the unique one is what would be free without the node.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ._node import Camera, isolate, node_process, wait_until_active
from .processor import processor_s

RATE_HZ = 30.0
_KINDS = {
    "resident": ("Rss",),
    "proportional": ("Pss",),
    "unique": ("Private_Clean", "Private_Dirty"),
    "DDS's shared": ("Pss_Shmem",),
}


def memory_mib(pid: int) -> dict[str, float]:
    """MiB of a process, by how it is counted; DDS's shared memory is part of the first two."""
    kib = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        kib[name.rstrip(":")] = int(value)
    return {kind: round(sum(kib.get(name, 0) for name in names) / 1024, 1) for kind, names in _KINDS.items()}


def start_s() -> tuple[float, float]:
    """Seconds to active, and of processor time."""
    begin = time.monotonic()
    with node_process() as process:
        wait_until_active(process)
        return time.monotonic() - begin, processor_s(process.pid)


def memory_at_work(images: Sequence[np.ndarray], seconds: float) -> tuple[dict[str, float], int]:
    """MiB with one face and a subscriber of every topic of the node, and how many topics there are."""
    with node_process() as process:
        wait_until_active(process)
        camera, heard = Camera(images, RATE_HZ), set[str]()
        try:
            camera.wait_for_node()
            for _ in range(4):  # topics of a face come with the face
                camera.run(seconds / 4)
                for topic, kinds in camera.node.get_topic_names_and_types():
                    if topic not in heard and topic.startswith(("/humans/", "/facial_coding/", "/diagnostics")):
                        package, _, name = kinds[0].split("/")
                        camera.hear(getattr(importlib.import_module(f"{package}.msg"), name), topic, lambda _: None)
                        heard.add(topic)
            return memory_mib(process.pid), len(heard)
        finally:
            camera.close()


def measure(starts: int, seconds: float) -> dict[str, object]:
    """All of it, for one face of 640x480 at 30 Hz."""
    from .pipeline import one_face_640x480

    isolate()
    took = [start_s() for _ in range(starts + 1)][1:]
    memory, topics = memory_at_work(one_face_640x480(), seconds)
    return {
        "start_s": round(statistics.median(wall for wall, _ in took), 2),
        "start_fastest_s": round(min(wall for wall, _ in took), 2),
        "start_processor_s": round(statistics.median(used for _, used in took), 2),
        "memory_mib": memory,
        "topics": topics,
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark start", description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="that count; default %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of images before memory is read")
    arguments = parser.parse_args(words)
    for name, value in measure(arguments.starts, arguments.seconds).items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
