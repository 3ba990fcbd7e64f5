# SPDX-License-Identifier: Apache-2.0
"""What the node takes of a processor while a camera of 640x480 runs beside it, in percent of one core.

standalone/env python -m benchmark processor [--seconds 15]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ._node import Camera, isolate, node_process

ROWS = (
    # faces, camera in Hz, image.max_rate_hz
    (1, 30.0, 0.0),
    (1, 30.0, 10.0),
    (4, 15.0, 0.0),
    (0, 30.0, 0.0),
)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SETTLING_S = 3.0


def processor_s(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measure(
    faces: int, rate_hz: float, max_rate_hz: float, images: Sequence[np.ndarray], seconds: float
) -> dict[str, float]:
    """One row of the table, for a node with a subscriber of its face codes and one of its faces."""
    from facial_coding_msgs.msg import FaceCodeArray
    from hri_msgs.msg import IdsList

    heard: list[int] = []
    with node_process(image__max_rate_hz=max_rate_hz) as process:
        camera = Camera(images, rate_hz)
        try:
            camera.hear(FaceCodeArray, "/facial_coding/face_codes", lambda message: heard.append(len(message.faces)))
            camera.hear(IdsList, "/humans/faces/tracked", lambda _: None)
            camera.wait_for_node()
            camera.run(_SETTLING_S)
            heard.clear()
            begun_s, begin = processor_s(process.pid), time.monotonic()
            sent = camera.run(seconds)
            elapsed = time.monotonic() - begin
            share = (processor_s(process.pid) - begun_s) / elapsed
        finally:
            camera.close()
    return {
        "faces": faces,
        "camera_hz": rate_hz,
        "max_rate_hz": max_rate_hz,
        "sent_hz": round(sent / elapsed, 1),
        "coded_hz": round(len(heard) / elapsed, 1),
        "core_percent": round(100 * share, 1),
    }


def rows(seconds: float) -> list[dict[str, float]]:
    """All rows, printed as they come."""
    from .pipeline import scenes

    isolate()
    images = scenes() | {0: [np.full((480, 640, 3), value, np.uint8) for value in (90, 100, 110)]}
    print("| faces | camera (Hz) | image.max_rate_hz | sent (Hz) | coded (Hz) | of one core |")
    print("|---|---|---|---|---|---|")
    found = []
    for faces, rate_hz, max_rate_hz in ROWS:
        found.append(measure(faces, rate_hz, max_rate_hz, images[faces], seconds))
        print(line(found[-1]), flush=True)
    return found


def line(row: Mapping[str, float]) -> str:
    """Of the table."""
    return (
        f"| {row['faces']} | {row['camera_hz']:g} | {row['max_rate_hz'] or 'all':>4} | {row['sent_hz']:.0f} | "
        f"{row['coded_hz']:.1f} | {row['core_percent']:.0f} % |"
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark processor", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each row")
    rows(parser.parse_args(words).seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
