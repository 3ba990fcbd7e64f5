# SPDX-License-Identifier: Apache-2.0
"""The list of detectors: what it finds, and that a table's rows say the same as the faces they were written from."""

from __future__ import annotations

import numpy as np

from facial_coding_ros.events import Phase, standard_detectors
from facial_coding_ros.face_codes.from_table import TableCodes
from facial_coding_ros.types import NeutralState

from .simulated import FRAME_NS, face_code


def test_a_neutral_becomes_ready_once() -> None:
    detectors = standard_detectors()
    states = (NeutralState.LEARNING, NeutralState.READY, NeutralState.READY, NeutralState.STALE, NeutralState.READY)
    found = [detectors.update([face_code(state=state)], FRAME_NS * n) for n, state in enumerate(states)]
    ready = [[event for event in events if event.kind == "neutral_ready"] for events in found]
    assert [len(events) for events in ready] == [0, 1, 0, 0, 1]
    (event,) = ready[1]
    assert (event.face_id, event.stamp_ns, event.phase) == ("abcde", FRAME_NS, Phase.MOMENT)
    assert event.kind in detectors.kinds
    assert ready[1][0].event_id != ready[4][0].event_id


def test_codes_of_a_table() -> None:
    columns = {
        "face_id": np.array(["a", "b", "a"]),
        "neutral_state": np.array(["ready", "none", "stale"]),
        "yaw_deg": np.array([1, 2, 3], np.float32),
        "au12": np.array([0.1, 0.2, 0.3], np.float32),
        "au12_confidence": np.array([0.5, 0.6, 0.7], np.float32),
        "p_happy": np.array([0.2, 0.4, 0.6], np.float32),
    }
    frames = list(TableCodes(columns).frames(np.array([0, 0, 2]), 4))
    assert [[code.face.face_id for code in codes] for codes in frames] == [["a", "b"], [], ["a"], []]
    last = frames[2][0]
    assert last.aus[12] == np.float32(0.3) and np.isnan(last.aus.left[0])
    assert last.neutral_state is NeutralState.STALE and last.face.pose.yaw_deg == 3
    assert last.expression.unsure == 1 - np.float32(0.6) and np.isnan(last.expression.valence)
    assert list(TableCodes({}).frames(np.empty(0, np.int64), 2)) == [[], []]
