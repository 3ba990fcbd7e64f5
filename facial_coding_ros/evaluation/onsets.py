# SPDX-License-Identifier: Apache-2.0
"""How long after its onset an action unit is said to be there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .align import Aligned

EARLIEST_S, LATEST_S = -0.5, 1.0
"""An answer within this time of a labelled onset belongs to it."""


def onset_delays(one: Aligned, au: int, said_from: float) -> NDArray[np.float64]:
    """(onsets,) seconds from each labelled onset to the frame that first says so, NaN where none does in time.

    An onset is a step from labelled absent to labelled present between neighbouring labels. The frames are all of the
    face that the label is about, not only the labelled ones.
    """
    present = one.labels.present[:, one.labels.aus.index(au)]
    steps = np.flatnonzero((present[:-1] == 0) & (present[1:] == 1)) + 1
    recording = one.recording
    ids, values = recording.words("face_id"), recording.number(f"au{au:02d}")
    delays = []
    for step in steps:
        if one.row[step] < 0:
            continue
        own = np.flatnonzero(ids == ids[one.row[step]])
        said = values[own] >= said_from
        seconds = recording.seconds[recording.at[own]] - recording.seconds[one.frame[step]]
        begins = np.flatnonzero(said & ~np.concatenate([[False], said[:-1]]))
        near = seconds[begins][(seconds[begins] >= EARLIEST_S) & (seconds[begins] <= LATEST_S)]
        delays.append(float(near[np.abs(near).argmin()]) if len(near) else np.nan)
    return np.array(delays, np.float64)
