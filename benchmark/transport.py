# SPDX-License-Identifier: Apache-2.0
"""Camera to face codes between processes: the clip is published here, the node runs as it does on a robot."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from itertools import cycle

import numpy as np

SECONDS = 20.0
RATE_HZ = 30.0


def main() -> None:
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ["ROS_DOMAIN_ID"] = str(101 - os.getpid() % 50)
    import rclpy
    from facial_coding_msgs.msg import FaceCodeArray
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from facial_coding_ros.image.conversion import fill_image
    from facial_coding_ros.nodes.messages import header_of, stamp_ns_of

    from .pipeline import one_face_640x480

    images = one_face_640x480()
    command = [sys.executable, "-m", "facial_coding_ros.nodes.facial_coding"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rclpy.init()
    node = rclpy.create_node("benchmark")
    sent: dict[int, float] = {}
    latencies: list[float] = []
    inside: list[float] = []

    def on_codes(message: FaceCodeArray) -> None:
        stamp_ns = stamp_ns_of(message.header)
        if stamp_ns in sent:
            latencies.append(time.perf_counter() - sent.pop(stamp_ns))
            inside.append(message.processing_latency_s)

    qos = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(Image, "image", qos)
    node.create_subscription(FaceCodeArray, "/facial_coding/face_codes", on_codes, 10)
    try:
        while publisher.get_subscription_count() == 0:
            rclpy.spin_once(node, timeout_sec=0.1)
        walk = cycle(images + images[::-1])
        start, count = time.perf_counter(), 0
        while (now := time.perf_counter()) - start < SECONDS:
            if now - start >= count / RATE_HZ:
                stamp_ns = round(count / RATE_HZ * 1e9)
                message = Image(header=header_of(stamp_ns, "camera"))
                fill_image(message, next(walk))
                sent[stamp_ns] = time.perf_counter()
                publisher.publish(message)
                count += 1
            rclpy.spin_once(node, timeout_sec=0.001)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        node.destroy_node()
        rclpy.shutdown()
    used = latencies[30:]
    print(f"camera to face codes, between processes, 640x480 at {RATE_HZ:.0f} Hz, {len(latencies)} of {count} images")
    if used:
        print(f"  median {statistics.median(used) * 1e3:6.2f} ms  p99 {np.quantile(used, 0.99) * 1e3:6.2f} ms")
        print(f"  of which in the node: median {statistics.median(inside[30:]) * 1e3:6.2f} ms")


if __name__ == "__main__":
    main()
