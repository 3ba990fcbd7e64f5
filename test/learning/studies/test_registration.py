# SPDX-License-Identifier: Apache-2.0
"""The learnt part of registration, on rendered heads seen through the real tracker."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.keypoints import Registration, RegistrationSettings
from facial_coding_ros.keypoints.learnt import load_arrays

from ...conftest import REPOSITORY

ICT = REPOSITORY.parent / "shared/data/ict_facekit"


@pytest.fixture(scope="module")
def seen():
    if not (ICT / "ict_all_raw.npz").is_file():
        pytest.skip(f"{ICT} is not there")
    pytest.importorskip("mediapipe")
    from facial_coding_ros.learning.neutral.seen_faces import SMILE
    from facial_coding_ros.learning.studies.plain_heads import PlainHead, see

    poses = [(30.0, 0.0, 0.0), (-30.0, 5.0, 0.0), (0.0, 18.0, 0.0), (0.0, -18.0, 5.0), (25.0, -12.0, 0.0)]
    plan = [({}, (0.0, 0.0, 0.0))] * 2 + [(SMILE, (0.0, 0.0, 0.0))] + [({}, pose) for pose in poses]
    return see(PlainHead.load(ICT), [plan] * 4, seed=99, one_size=True)


def _turn_over_smile(seen, settings: RegistrationSettings) -> float:
    dense = np.stack([r.dense for r in Registration(settings).register(seen.mesh)])
    still, front = (seen.shapes == 0).all(1), (seen.pose == 0).all(1)
    turns, smiles = [], []
    for person in np.unique(seen.person):
        own = seen.person == person
        rest = dense[own & still & front].mean(0)
        turns += list(np.sqrt(((dense[own & still & ~front] - rest) ** 2).sum(2).mean(1)))
        smiles += list(np.sqrt(((dense[own & ~still] - rest) ** 2).sum(2).mean(1)))
    return float(np.median(turns) / np.median(smiles))


def test_each_step_makes_head_turns_smaller(seen):
    nothing = _turn_over_smile(seen, RegistrationSettings(frontalisation="none"))
    rotated = _turn_over_smile(seen, RegistrationSettings(pose_correction=False))
    corrected = _turn_over_smile(seen, RegistrationSettings())
    assert corrected < rotated < nothing
    assert rotated < 0.6 * nothing
    assert corrected < 0.85 * rotated


def test_a_damaged_model_is_refused(tmp_path, monkeypatch):
    from facial_coding_ros.keypoints import learnt
    from facial_coding_ros.models import model_path

    for name in ("registration.npz", "registration.yaml"):
        (tmp_path / name).write_bytes(model_path(name).read_bytes())
    monkeypatch.setattr(learnt, "model_path", lambda name: tmp_path / name)
    shapes = {"linear": (137, 136), "pose": (5, 1404)}
    assert load_arrays("registration", shapes)["pose"].shape == (5, 1404)
    with pytest.raises(ValueError, match="shape"):
        load_arrays("registration", {"pose": (6, 1404)})
    whole = (tmp_path / "registration.npz").read_bytes()
    (tmp_path / "registration.npz").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="sha256"):
        load_arrays("registration", shapes)
