# SPDX-License-Identifier: Apache-2.0
"""Whether images arrive, and the likely cause if they do not."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from rclpy.clock import Clock, ROSClock
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from ..image.stamps import Dropped, Odd
from .publishers import node_name


class InputWatch:
    """Arrival of images, by the steady clock: a stalled camera has no stamps to measure by. Those that cannot be used
    count for the rate only.

    Where time is simulated (`clock` follows /clock), an image is only as old as simulated time says: while that stands
    still or goes slowly, as in a bag that was paused, no image is due.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.arrivals = self.passed_over = 0
        self._last_usable = False
        self._arrivals: deque[float] = deque(maxlen=120)
        self._since = time.monotonic()
        self._simulated_since_ns = self._simulated_ns()

    def arrived(self) -> None:
        self.arrivals += 1
        self._arrivals.append(time.monotonic())

    def usable(self) -> None:
        self._since = time.monotonic()
        self._simulated_since_ns = self._simulated_ns()
        self._last_usable = True

    def refused(self) -> None:
        self._last_usable = False

    def waiting(self) -> None:
        """An image whose stamp is good: until it is looked at, if ever, it is held for one like the last. So a pipeline
        that takes long for an image is not taken for a camera that has stopped."""
        if self._last_usable:
            self.usable()

    def pass_over(self) -> None:
        """An image that is not looked at, for there are more than are wanted."""
        self.passed_over += 1

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


class DroppedImages:
    """Images that were dropped for their stamps within the last seconds, said with their rate and the likely cause."""

    RECENT_S = 10.0
    SAID_EVERY_S = 5.0

    def __init__(self, node: Node) -> None:
        self._node = node
        self._recent: deque[tuple[float, Odd]] = deque(maxlen=1200)
        self._since_s = time.monotonic()
        self._said_s = -self.SAID_EVERY_S

    def add(self, one: Dropped[Any], topic: str) -> None:
        """Counts it; the first at once, then every few seconds, the log has what was dropped."""
        now = time.monotonic()
        self._recent.append((now, one.odd))
        if now - self._said_s >= self.SAID_EVERY_S:
            self._said_s = now
            publishers = self._node.count_publishers(topic)
            cause = f"{publishers} nodes publish {topic}" if publishers > 1 else _CAUSES[one.odd]
            self._node.get_logger().warning(f"{self.summary()}; the last: {one}. Likely: {cause}")

    def summary(self) -> str:
        """What was dropped lately; empty when nothing was."""
        now = time.monotonic()
        while self._recent and now - self._recent[0][0] > self.RECENT_S:
            self._recent.popleft()
        if not self._recent:
            return ""
        counts = Counter(odd for _, odd in self._recent)
        seconds = min(max(now - self._since_s, 1.0), self.RECENT_S)
        parts = [f"{count} {odd.value} ({count / seconds:.1f} a second)" for odd, count in counts.items()]
        return f"images dropped for their stamps in the last {seconds:.0f} s: {', '.join(parts)}"


_CAUSES = {
    Odd.REPEATED: "the driver stamps images with a time that stands still (/clock?) or sends each twice",
    Odd.LATE: "best-effort transport that reorders (parameter image_reliability), or two cameras behind one publisher",
    Odd.OUTLIER: "the driver's clock; stamps must be the time at which the image was taken",
}


_RAW, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def _published_elsewhere(node: Node, kind: str) -> str:
    """Where images are, and the remapping or parameter that leads there."""
    published = {kind: [] for kind in (_RAW, _COMPRESSED)}  # type: dict[str, list[str]]
    for name, types in sorted(node.get_topic_names_and_types()):
        for one in published:
            if one in types and node.count_publishers(name):
                published[one].append(name)
    if there := published[kind]:
        first = there[0].removesuffix("/compressed")
        return f"Images are published on {', '.join(there)}: remap `image`, for example with -r image:={first}"
    transport, other = ("raw", _RAW) if kind == _COMPRESSED else ("compressed", _COMPRESSED)
    if there := published[other]:
        first = there[0].removesuffix("/compressed")
        return (
            f"Images are published on {', '.join(there)}, which are {transport}: set image_transport to {transport} "
            f"and remap `image`, for example with -p image_transport:={transport} -r image:={first}"
        )
    return "Nobody publishes images."


def why_no_images(node: Node, topic: str, kind: str, qos: QoSProfile, lost: int = 0) -> str:
    """What is seen on the topic, for the person who wonders why no image arrives."""
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f"No image on {topic}: it has no publisher. {_published_elsewhere(node, kind)}"
    parts = []
    for info in publishers:
        name = node_name(info) or "a publisher"
        if info.topic_type != kind:
            parts.append(f"{name} publishes {info.topic_type}, {kind} is expected (parameter image_transport)")
            continue
        fits, reason = qos_check_compatible(info.qos_profile, qos)
        if fits == QoSCompatibility.ERROR:
            parts.append(f"QoS of {name} does not match ours: {reason.strip()} (parameter image_reliability)")
        else:
            found = f"of which {lost} were lost on the way" if lost else "but sends nothing, or nothing arrives"
            parts.append(f"{name} publishes it with matching QoS {found}")
    return f"No image on {topic}: {'; '.join(parts)}."
