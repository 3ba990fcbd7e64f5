# SPDX-License-Identifier: Apache-2.0
"""What the node takes of a processor while a camera of 640x480 runs beside it, in percent of one core.

standalone/env python -m benchmark processor [--seconds 15]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

ROWS = (
    # faces, camera in Hz, image.max_rate_hz
    (1, 30.0, 0.0),
    (1, 30.0, 10.0),
    (4, 15.0, 0.0),
    (0, 30.0, 0.0),
)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measure(faces: int, rate_hz: float, max_rate_hz: float, images: list[np.ndarray], seconds: float) -> str:
    """One row of the table, for a node with a subscriber of its face codes and one of its faces."""
    import rclpy
    from facial_coding_msgs.msg import FaceCodeArray
    from hri_msgs.msg import IdsList
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from facial_coding_ros.image.conversion import fill_image
    from facial_coding_ros.nodes.messages import header_of

    command = [sys.executable, "-m", "facial_coding_ros.nodes.facial_coding", "--ros-args"]
    command += ["-p", f"image.max_rate_hz:={max_rate_hz}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rclpy.init()
    node = rclpy.create_node("benchmark")
    heard: list[int] = []
    node.create_subscription(FaceCodeArray, "/facial_coding/face_codes", lambda m: heard.append(len(m.faces)), 10)
    node.create_subscription(IdsList, "/humans/faces/tracked", lambda _: None, 10)
    camera = node.create_publisher(Image, "image", QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE))
    try:
        walk, number, begun_s, sent = cycle([*images, *images[::-1]]), 0, 0.0, 0
        while not camera.get_subscription_count():
            rclpy.spin_once(node, timeout_sec=0.1)
        start = due = time.monotonic()
        while time.monotonic() - start < seconds + 3:  # the first three seconds do not count
            if not begun_s and time.monotonic() - start >= 3:
                begun_s, sent, begin = processor_s(process.pid), number, time.monotonic()
                heard.clear()
            message = Image(header=header_of(round(number * 1e9 / rate_hz) + 10**12, "camera"))
            fill_image(message, next(walk))
            camera.publish(message)
            number, due = number + 1, due + 1 / rate_hz
            while time.monotonic() < due:
                rclpy.spin_once(node, timeout_sec=max(due - time.monotonic(), 0.0))
        elapsed = time.monotonic() - begin
        share = (processor_s(process.pid) - begun_s) / elapsed
        return (
            f"| {faces} | {rate_hz:g} | {max_rate_hz or 'all':>4} | {(number - sent) / elapsed:.0f} | "
            f"{len(heard) / elapsed:.1f} | {100 * share:.0f} % |"
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        node.destroy_node()
        rclpy.shutdown()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark processor", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each row")
    arguments = parser.parse_args(words)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ["ROS_DOMAIN_ID"] = str(101 - os.getpid() % 50)
    from .pipeline import scenes

    images = scenes() | {0: [np.full((480, 640, 3), value, np.uint8) for value in (90, 100, 110)]}
    print("| faces | camera (Hz) | image.max_rate_hz | sent (Hz) | coded (Hz) | of one core |")
    print("|---|---|---|---|---|---|")
    for faces, rate_hz, max_rate_hz in ROWS:
        print(measure(faces, rate_hz, max_rate_hz, images[faces], arguments.seconds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
