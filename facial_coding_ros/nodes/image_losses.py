# SPDX-License-Identifier: Apache-2.0
"""How many of a camera's images arrive: told from the stamps of those that do, and from what the transport lost."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

WINDOW_S = 5.0
FEWEST_IMAGES = 5
LEAST_SHARE = 0.7
"""Of the images sent, the share below which too many are lost."""
_SHORTEST = 0.1  # the quantile of the intervals between stamps that is the camera's own interval


class ImageLosses:
    """Of the last seconds. Times are those of a steady clock, in seconds."""

    def __init__(self) -> None:
        self.total = 0
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=600)
        self._lost: deque[tuple[float, int]] = deque(maxlen=600)
        self._infos: deque[float] = deque(maxlen=600)

    def arrived(self, now_s: float, stamp_ns: int) -> None:
        self._arrivals.append((now_s, stamp_ns))

    def info_arrived(self, now_s: float) -> None:
        self._infos.append(now_s)

    def lost(self, now_s: float, count: int) -> None:
        """What the middleware says it lost."""
        self.total += count
        self._lost.append((now_s, count))

    def forget(self) -> None:
        """After the way of the images has changed."""
        self._arrivals.clear()
        self._lost.clear()

    def rate_hz(self, now_s: float) -> float:
        """Images a second that arrive."""
        return sum(now_s - at < WINDOW_S for at, _ in self._arrivals) / WINDOW_S

    def infos_s(self, now_s: float) -> int:
        """Messages of camera_info within the last seconds."""
        return sum(now_s - at < WINDOW_S for at in self._infos)

    def share(self, now_s: float) -> float:
        """Of the images sent the share that arrives, 0..1; 1 where too few arrive to say."""
        recent = [stamp for at, stamp in self._arrivals if now_s - at < WINDOW_S]
        if len(recent) < FEWEST_IMAGES:
            return 1.0
        lost = sum(count for at, count in self._lost if now_s - at < WINDOW_S)
        share = len(recent) / (len(recent) + lost)
        intervals = sorted(later - earlier for earlier, later in pairwise(recent))
        if intervals[0] <= 0:  # stamps that jump say nothing of the rate
            return share
        own = intervals[int(_SHORTEST * len(intervals))]
        return min(share, own * len(intervals) / (recent[-1] - recent[0]))

    def words(self, now_s: float) -> str:
        """What a person should know; empty while enough arrives."""
        share = self.share(now_s)
        if share >= LEAST_SHARE:
            return ""
        rate = self.rate_hz(now_s)
        return (
            f"{rate:.1f} of about {rate / share:.0f} images a second arrive, the others are lost on the way "
            f"({self.total} so far by the middleware's count): give the camera's process the profile "
            "config/fastdds_shm.xml (FASTDDS_DEFAULT_PROFILES_FILE; FASTRTPS_DEFAULT_PROFILES_FILE up to Jazzy); or "
            "let sockets hold whole images (sudo sysctl -w net.core.rmem_max=4194304) and start this node again; or "
            "set image_reliability to reliable where the camera's QoS is. Where nothing helps, the machine is too busy"
        )
