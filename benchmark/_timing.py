# SPDX-License-Identifier: Apache-2.0
"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def best_and_median_ms(call: Callable[[], object], repeats: int, warm_up: int) -> tuple[float, float]:
    """Milliseconds of the fastest of the repeats and of the middle one, after calls that do not count."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3, float(np.median(times)) * 1e3
