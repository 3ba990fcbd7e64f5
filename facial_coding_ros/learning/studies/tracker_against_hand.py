# SPDX-License-Identifier: Apache-2.0
"""How far the tracker reports by how much faces differ: its points against landmarks that were set by hand.

    python -m facial_coding_ros.learning.studies.tracker_against_hand PORTRAITS

PORTRAITS holds the pictures and landmarks189.npz: names (n,) of the pictures, points (n, 189, 2) in pixels. The nearest
of the 189 points, on average, stands for each point of the mesh.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from ...npz import open_npz
from ...types import FloatArray
from ..facs.scoring import correlation
from ..synthesis.tracked_picture import PictureTracker

_EYES = ((33, 133), (362, 263))  # right, left
LENGTHS = {
    "width of the mouth": (61, 291),
    "height of the lips": (0, 17),
    "opening of the right lids": (159, 145),
    "opening of the left lids": (386, 374),
}
HEIGHTS = {
    "right lip corner": 61,
    "left lip corner": 291,
    "right brow, middle": 105,
    "left brow, middle": 334,
    "right brow, inner end": 107,
    "chin": 152,
}
"""Below the middle between the eyes."""


def pairs(folder: Path) -> tuple[FloatArray, FloatArray]:
    """Points of the tracker (n, 468, 2) and by hand (n, 189, 2): upright, in inter-ocular distances from the eyes."""
    tracker, tracked, by_hand = PictureTracker(), [], []
    with open_npz(folder / "landmarks189.npz") as file:
        names, points = [str(name) for name in file["names"]], file["points"]
    for name, landmarks in zip(names, points, strict=True):
        seen = tracker(np.ascontiguousarray(cv2.imread(str(folder / name))[..., ::-1]))
        if seen is None:
            continue
        mesh = seen.followed[:468, :2]
        eyes = np.stack([mesh[list(eye)].mean(0) for eye in _EYES])
        across = eyes[1] - eyes[0]
        size = float(np.linalg.norm(across))
        turn = np.array([[across[0], -across[1]], [across[1], across[0]]]) / size**2
        tracked.append((mesh - eyes.mean(0)) @ turn)
        by_hand.append((landmarks - eyes.mean(0)) @ turn)
    tracker.close()
    return np.array(tracked), np.array(by_hand)


def main(folder: Path) -> None:
    tracked, by_hand = pairs(folder)
    apart = np.linalg.norm(tracked.mean(0)[:, None] - by_hand.mean(0), axis=2)
    same = apart.argmin(1)  # of each point of the mesh
    print(f"{len(tracked)} people\n| | by hand: mean, spread | tracker: mean, spread | share reported | correlation |")
    print("|---|---|---|---|---|")
    for name, (first, second) in LENGTHS.items():
        hand = by_hand[:, same[first]] - by_hand[:, same[second]]
        seen = tracked[:, first] - tracked[:, second]
        print(_line(name, np.linalg.norm(hand, axis=1), np.linalg.norm(seen, axis=1)))
    for name, point in HEIGHTS.items():
        print(_line(f"height of the {name}", by_hand[:, same[point], 1], tracked[:, point, 1]))


def _line(name: str, hand: FloatArray, seen: FloatArray) -> str:
    share = np.cov(hand, seen)[0, 1] / np.var(hand, ddof=1)
    return (
        f"| {name} | {hand.mean():.3f}, {hand.std():.3f} | {seen.mean():.3f}, {seen.std():.3f} | {share:.2f} | "
        f"{correlation(hand, seen):.2f} |"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
