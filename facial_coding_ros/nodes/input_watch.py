"""Is the camera alive, and if not, what could be wrong."""

from __future__ import annotations

import time
from collections import deque

from rclpy.clock import Clock, ROSClock
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible


class InputWatch:
    """Arrival of images, by the steady clock: a stalled camera has no stamps to measure by. Those that cannot be used
    count for the rate only.

    Where time is simulated (`clock` follows /clock), an image is only as old as simulated time says: while that stands
    still or goes slowly, as in a bag that was paused, no image is due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: deque[float] = deque(maxlen=120)
        self._since = time.monotonic()
        self._simulated_since_ns = self._simulated_ns()

    def arrived(self) -> None:
        self._arrivals.append(time.monotonic())

    def usable(self) -> None:
        self._since = time.monotonic()
        self._simulated_since_ns = self._simulated_ns()

    def age_s(self) -> float:
        """Seconds since the last image that could be used, or since the start when there was none."""
        age_s = time.monotonic() - self._since
        now_ns = self._simulated_ns()
        if not now_ns:
            return age_s
        # A bag that starts again sets the clock back.
        self._simulated_since_ns = min(self._simulated_since_ns, now_ns)
        return min(age_s, (now_ns - self._simulated_since_ns) / 1e9)

    def _simulated_ns(self) -> int:
        """0 where time is not simulated, or nobody has said yet what time it is."""
        simulated = isinstance(self._clock, ROSClock) and self._clock.ros_time_is_active
        return int(self._clock.now().nanoseconds) if simulated else 0

    def rate_hz(self) -> float:
        """Images per second over the last two seconds."""
        now = time.monotonic()
        return sum(now - arrival < 2.0 for arrival in self._arrivals) / 2.0


def why_no_images(node: Node, topic: str, kind: str, qos: QoSProfile) -> str:
    """What is seen on the topic, for the person who wonders why no image arrives."""
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        others = sorted(
            name for name, types in node.get_topic_names_and_types() if kind in types and node.count_publishers(name)
        )
        seen = f"Images are published on {', '.join(others)}: remap `image`." if others else "Nobody publishes images."
        return f"No image on {topic}: it has no publisher. {seen}"
    parts = []
    for info in publishers:
        name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        if "UNKNOWN" in info.node_name:  # discovery has not come that far
            name = "a publisher"
        if info.topic_type != kind:
            parts.append(f"{name} publishes {info.topic_type}, {kind} is expected (parameter image_transport)")
            continue
        fits, reason = qos_check_compatible(info.qos_profile, qos)
        if fits == QoSCompatibility.ERROR:
            parts.append(f"QoS of {name} does not match ours: {reason.strip()} (parameter image_reliability)")
        else:
            parts.append(f"{name} publishes it with matching QoS but sends nothing")
    return f"No image on {topic}: {'; '.join(parts)}."
