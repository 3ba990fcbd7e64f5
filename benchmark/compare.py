# SPDX-License-Identifier: Apache-2.0
"""Whether a change made it slower: two results of `benchmark table` or `benchmark pipeline`, as they wrote with --out.

standalone/env python -m benchmark compare BEFORE.json AFTER.json

Each result holds the ratio to FaceMesh of many short blocks that ran by turns in one process, so that what else the
machine did fell on both. Compared are the medians of these ratios; the interval is the noise of both runs (bootstrap
over blocks, 95 %). Exit code 1: something became slower.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DRAWS = 2000


@dataclass(frozen=True)
class Change:
    """Of one quantity, in its unit. low, high: 95 % interval of the difference of the medians."""

    before: float
    after: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Slower or faster only where the interval leaves no doubt."""
        return "slower" if self.low > 0 else "faster" if self.high < 0 else "no difference beyond the noise"


def change(before: Sequence[float], after: Sequence[float]) -> Change:
    """From the samples of two runs. Raises ValueError with fewer than ten of a run."""
    if min(len(before), len(after)) < 10:
        raise ValueError(f"{len(before)} and {len(after)} blocks; at least 10 of each run are needed")
    noise = np.random.default_rng(0)
    medians = [
        np.median(noise.choice(np.asarray(samples), (DRAWS, len(samples))), axis=1) for samples in (after, before)
    ]
    low, high = np.quantile(medians[0] - medians[1], (0.025, 0.975))
    return Change(float(np.median(before)), float(np.median(after)), float(low), float(high))


def read(path: Path) -> dict[str, list[float]]:
    """Samples by name. Raises ValueError when the file is no result."""
    try:
        content = json.loads(path.read_text())
        return {name: [float(one) for one in samples] for name, samples in content["samples"].items()}
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no result of `benchmark table` or `benchmark pipeline --out`: {error!r}") from None


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args(words)
    try:
        before, after = read(arguments.before), read(arguments.after)
        changes = {name: change(before[name], after[name]) for name in before if name in after}
    except (OSError, ValueError) as error:
        print(f"benchmark compare: {error}", file=sys.stderr)
        return 2
    if not changes:
        print("benchmark compare: the two results have nothing in common", file=sys.stderr)
        return 2
    for name, one in changes.items():
        interval = f"{one.low:+.3f} to {one.high:+.3f}"
        print(f"{name}: {one.before:.3f} -> {one.after:.3f} ({interval}): {one.verdict}")
    return int(any(one.verdict == "slower" for one in changes.values()))


if __name__ == "__main__":
    sys.exit(main())
