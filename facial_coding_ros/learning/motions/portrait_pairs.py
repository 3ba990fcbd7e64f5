# SPDX-License-Identifier: Apache-2.0
"""People of whom one picture shows them at rest and one smiling, as the tracker sees both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import UserError
from ...types import FloatArray
from ..synthesis.tracked_picture import PictureTracker


@dataclass(frozen=True)
class PortraitPairs:
    """names: of n people. resting, smiling: (n, 478, 3) meshes in pixels."""

    names: tuple[str, ...]
    resting: FloatArray
    smiling: FloatArray


def read_portrait_pairs(folder: Path) -> PortraitPairs:
    """Of NAME_neutral.jpg and NAME_smiling.jpg in which a face is found. Raises UserError when there is none."""
    tracker, found = PictureTracker(), {}
    try:
        for path in sorted(folder.glob("*_neutral.jpg")):
            other = path.with_name(path.name.replace("_neutral", "_smiling"))
            if other.is_file():
                seen = [tracker(np.ascontiguousarray(cv2.imread(str(one))[..., ::-1])) for one in (path, other)]
                meshes = [one.followed for one in seen if one is not None]
                if len(meshes) == 2:
                    found[path.name.removesuffix("_neutral.jpg")] = meshes
    finally:
        tracker.close()
    if not found:
        raise UserError(f"{folder} holds no person with NAME_neutral.jpg and NAME_smiling.jpg in which a face is found")
    resting, smiling = zip(*found.values(), strict=True)
    return PortraitPairs(tuple(found), np.stack(resting), np.stack(smiling))
