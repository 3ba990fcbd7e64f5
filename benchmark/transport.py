# SPDX-License-Identifier: Apache-2.0
"""Camera to face codes between processes: the clip is published here, the node runs as it does on a robot.

standalone/env python -m benchmark transport [--seconds 20]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np

from ._node import Camera, isolate, node_process

RATE_HZ = 30.0
_SETTLING_S = 1.0


def measure(seconds: float) -> dict[str, float]:
    """Milliseconds from the publishing of an image to its face codes here, for one face of 640x480 at 30 Hz."""
    isolate()
    from facial_coding_msgs.msg import FaceCodeArray

    from facial_coding_ros.nodes.messages import stamp_ns_of

    from .pipeline import one_face_640x480

    sent: dict[int, float] = {}
    latencies: list[float] = []
    inside: list[float] = []

    def on_codes(message: FaceCodeArray) -> None:
        begun = sent.pop(stamp_ns_of(message.header), None)
        if begun is not None:
            latencies.append(time.perf_counter() - begun)
            inside.append(message.processing_latency_s)

    images = one_face_640x480()
    with node_process():
        camera = Camera(images, RATE_HZ)
        try:
            camera.hear(FaceCodeArray, "/facial_coding/face_codes", on_codes)
            camera.wait_for_node()
            camera.run(_SETTLING_S)
            latencies.clear(), inside.clear(), sent.clear()
            published = camera.run(seconds, lambda stamp_ns: sent.__setitem__(stamp_ns, time.perf_counter()))
        finally:
            camera.close()
    if not latencies:
        raise RuntimeError(f"no face codes came for {published} images")
    return {
        "images": published,
        "coded": len(latencies),
        "median_ms": round(statistics.median(latencies) * 1e3, 2),
        "p99_ms": round(float(np.quantile(latencies, 0.99)) * 1e3, 2),
        "in_the_node_ms": round(statistics.median(inside) * 1e3, 2),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark transport", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    found = measure(parser.parse_args(words).seconds)
    print(
        f"camera to face codes, between processes, 640x480 at {RATE_HZ:.0f} Hz, "
        f"{found['coded']:.0f} of {found['images']:.0f} images"
    )
    print(f"  median {found['median_ms']:6.2f} ms  p99 {found['p99_ms']:6.2f} ms")
    print(f"  of which in the node: median {found['in_the_node_ms']:6.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
