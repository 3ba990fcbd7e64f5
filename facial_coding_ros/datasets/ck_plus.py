# SPDX-License-Identifier: Apache-2.0
"""CK+: landmarks of posed expressions, from rest to the peak.

<root>/Landmarks/S005/001/S005_001_00000011_landmarks.txt      68 lines "x y"
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .landmark_files import motions_of_points, read_points
from .motions import MotionError, Motions, joined


def read_motions(root: Path, peak_only: bool = False) -> Motions:
    """Every frame against its sequence's first one, which is the neutral. peak_only: only the last frame.

    Raises MotionError when the folder is not CK+'s, or for a file of another form.
    """
    folders = sorted(f for f in (root / "Landmarks").glob("S[0-9]*/[0-9]*") if f.is_dir())
    sets = []
    for folder in folders:
        files = sorted(folder.glob("*_landmarks.txt"))
        if len(files) > 1:
            points = np.stack([read_points(file, 68) for file in files])
            shown = points[-1:] if peak_only else points[1:]
            sets.append(motions_of_points(shown, points[:1], folder.parent.name, "CK+"))
    if not sets:
        raise MotionError(
            f"No {root}/Landmarks/S005/001/S005_001_00000001_landmarks.txt or the like; {root} is expected to be CK+'s "
            "folder, with at least two frames a sequence"
        )
    return joined(sets)
