# SPDX-License-Identifier: Apache-2.0
"""The posed set made from ICT-FaceKit, and the loaders of BU-3DFE and BP4D on written samples."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.coding.expression.labels import BASIC_LABELS
from facial_coding_ros.datasets.bp4d_3d import load_bp4d_3d, medoid, neutral_frames
from facial_coding_ros.datasets.bu3dfe import load_bu3dfe, read_points
from facial_coding_ros.datasets.expression_set import centred_and_scaled, laid_on, lower_lids
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.keypoints import BP4D83, BU3DFE83, SPARSE
from facial_coding_ros.learning.motions.posed import (
    COMBINATIONS,
    PosedSettings,
    draw_poses,
    posed_set,
)


def test_form_of_the_posed_set():
    faces = posed_set(PosedSettings(people=10), seed=0)
    assert len(faces) == 250 and faces.points.shape == (250, 68, 3) and faces.neutrals.shape == (10, 68, 3)
    for person in range(10):
        own = faces.person == person
        assert (faces.label[own] == 0).sum() == 1
        for label in range(1, 7):
            assert sorted(faces.degree[own & (faces.label == label)]) == [1, 2, 3, 4]
    assert len(set(faces.ids)) == 250
    again, other = posed_set(PosedSettings(people=10), seed=0), posed_set(PosedSettings(people=10), seed=1)
    assert np.array_equal(faces.points, again.points) and not np.allclose(faces.points, other.points)


def test_posed_faces_are_preprocessed_and_grow_with_the_degree():
    faces = posed_set(PosedSettings(people=20), seed=2)
    lids = lower_lids(faces.neutrals, SPARSE)
    right, left = (faces.points[:, lid].mean(1) for lid in lids)
    assert np.allclose(right + left, 0, atol=1e-5)
    assert np.allclose(np.linalg.norm(left - right, axis=1), 1, atol=1e-5)
    motion = np.linalg.norm(faces.x - faces.y, axis=1)
    means = [motion[faces.degree == d].mean() for d in range(5)]
    assert means == sorted(means) and means[4] > 2 * means[0]
    # Mouth corners go up (y down) in happy faces and down in sad ones.
    corners = (faces.points - faces.neutrals[faces.person])[:, [48, 54], 1].mean(1)
    full = faces.degree == 4
    assert corners[full & (faces.label == BASIC_LABELS.index("happy"))].mean() < -0.03
    assert corners[full & (faces.label == BASIC_LABELS.index("sad"))].mean() > 0.01


def test_variety_within_a_class_and_one_sided_contempt():
    poses = draw_poses(PosedSettings(people=60, contempt=True, unrelated_aus=0.0), np.random.default_rng(0))
    happy = [p for p in poses if p.label == 1 and p.degree == 4]
    assert len({tuple(sorted(p.right)) for p in happy}) == len(COMBINATIONS["happy"])
    assert any(abs(p.right[12] - p.left[12]) > 0.05 for p in happy)
    contempt = [p for p in poses if p.label == 7 and p.degree == 4]
    weaker = [min(sum(p.right.values()), sum(p.left.values())) for p in contempt]
    stronger = [max(sum(p.right.values()), sum(p.left.values())) for p in contempt]
    assert np.mean(weaker) < 0.3 * np.mean(stronger)


def test_split_is_by_person():
    parts = posed_set(PosedSettings(people=20), seed=0).split(seed=4)
    people = [set(part.person) for part in parts]
    assert [len(p) for p in people] == [16, 2, 2] and not set.intersection(*people)
    with pytest.raises(ValueError, match="at least 10"):
        posed_set(PosedSettings(people=3), seed=0).split(0)


def test_preprocessing_takes_out_turn_place_and_size():
    face = SPARSE.from_mesh(IctFaces.load().neutral)
    lids = lower_lids(face[None], SPARSE)
    assert lids == ((40, 41), (46, 47))
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = (35 * face @ turn.T + [4, -3, 60]).astype(np.float32)
    back = centred_and_scaled(laid_on(moved[None], face, tuple(range(27, 48)))[0], lids)
    assert np.allclose(back, centred_and_scaled(face, lids), atol=1e-4)


def write_bu3dfe(root, people=2):
    """A BU-3DFE folder of ICT faces in millimetres, y up, z towards the viewer, people turned a little."""
    ict, rng = IctFaces.load(), np.random.default_rng(0)
    truth = {}
    for i, neutral in enumerate(ict.people(people, rng)):
        name = f"F{i + 1:04d}"
        (root / name).mkdir(parents=True)
        smile = ict.au_offsets({12: 1.0, 6: 0.6})
        for code, degree, offsets in [("NE", 0, 0), *(("HA", d, smile * d / 4) for d in range(1, 5))]:
            points = BU3DFE83.from_mesh(neutral + offsets)
            truth[f"{name}_{code}{degree:02d}WH"] = points
            angle = np.radians(rng.uniform(-5, 5))
            turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
            raw = (points * [60, -60, -60]) @ turn.T + [1, 2, 80]
            rows = [f"{k * 7}\t\t{x:.6f} {y:.6f} {z:.6f}" for k, (x, y, z) in enumerate(raw)]
            (root / name / f"{name}_{code}{degree:02d}WH_F3D.bnd").write_text("\n".join(rows) + "\n")
    return truth


def test_bu3dfe(tmp_path):
    truth = write_bu3dfe(tmp_path)
    faces = load_bu3dfe(tmp_path)
    assert len(faces) == 10 and faces.keypoints == "bu3dfe83" and faces.neutrals.shape == (2, 83, 3)
    happy = faces.label == BASIC_LABELS.index("happy")
    assert sorted(faces.degree[happy]) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert set(faces.ids) == set(truth)
    lids = lower_lids(faces.neutrals, BU3DFE83)
    truth = {name: centred_and_scaled(points, lids) for name, points in truth.items()}
    for name, got in zip(faces.ids, faces.points, strict=True):
        expected = truth[name]
        # What is left: people's faces are laid on the mean face by the middles of their parts.
        assert np.linalg.norm(got - expected, axis=1).mean() < 0.12, name
    motion = faces.points - faces.neutrals[faces.person]
    expected = np.stack([truth[n] - truth[n[:6] + "NE00WH"] for n in faces.ids])
    full = faces.degree == 4
    assert np.corrcoef(motion[full].ravel(), expected[full].ravel())[0, 1] > 0.95


def test_bu3dfe_says_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="No BU-3DFE points under"):
        load_bu3dfe(tmp_path)
    write_bu3dfe(tmp_path)
    damaged = tmp_path / "F0001" / "F0001_HA02WH_F3D.bnd"
    damaged.write_text("\n".join(damaged.read_text().splitlines()[:80]))
    with pytest.raises(ValueError, match=r"F0001_HA02WH_F3D.bnd holds \(80, 4\)"):
        load_bu3dfe(tmp_path)
    damaged.write_text("Shape: 1 2 3\n")
    with pytest.raises(ValueError, match="no list of points"):
        read_points(damaged)
    (tmp_path / "F0002" / "F0002_NE00WH_F3D.bnd").unlink()
    with pytest.raises(ValueError, match=r"no neutral face .* of F0002"):
        load_bu3dfe(tmp_path)


def write_bp4d(root, flat=True):
    """Two people, one task, six frames: 3 to 5 without action units, 4 the least noisy of them."""
    ict, rng = IctFaces.load(), np.random.default_rng(0)
    codes = {1: (1, 0), 2: (1, 9), 3: (0, 9), 4: (0, 9), 5: (0, 9), 6: (9, 9)}
    (root / "AUCoding" / "AU_OCC").mkdir(parents=True)
    neutrals = {}
    for name, neutral in zip(("F001", "M002"), ict.people(2, rng), strict=True):
        rows = ["0,1,12"] + [f"{frame},{a},{b}" for frame, (a, b) in codes.items()]
        (root / "AUCoding" / "AU_OCC" / f"{name}_T1.csv").write_text("\n".join(rows) + "\n")
        neutrals[name] = BP4D83.from_mesh(neutral)
        for frame in codes:
            noise = {3: 0.01, 4: 0.0, 5: -0.01}.get(frame, 0.0)
            smile = ict.au_offsets({12: 1.0}) if frame in (1, 2) else 0
            points = (BP4D83.from_mesh(neutral + smile) + noise * rng.standard_normal((83, 3))) * [60, -60, -60]
            text = "\n".join(" ".join(f"{v:.5f}" for v in row) for row in points)
            path = root / (f"{name}_T1_{frame:04d}.bndplus" if flat else f"3D/{name}/T1/{frame:04d}.bndplus")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return neutrals


@pytest.mark.parametrize("flat", [True, False])
def test_bp4d_neutral_is_the_medoid_of_frames_without_action_units(tmp_path, flat):
    write_bp4d(tmp_path, flat)
    valence = tmp_path / "valence.csv"
    valence.write_text("face,neutral,positive,negative\nF001_T1_0001,1,4,0\nF001_T1_0003,2,2,1\nM002_T1_0006,0,1,4\n")
    faces = load_bp4d_3d(tmp_path, valence)
    assert len(faces) == 12 and faces.keypoints == "bp4d83"
    assert neutral_frames(tmp_path / "AUCoding" / "AU_OCC" / "F001_T1.csv") == {3, 4, 5}  # 6: nothing is coded
    for person, name in enumerate(("F001", "M002")):
        at = faces.ids.index(f"{name}_T1_0004")
        assert np.allclose(faces.neutrals[person], faces.points[at], atol=1e-4)
    labels = dict(zip(faces.ids, faces.label, strict=True))
    assert (labels["F001_T1_0001"], labels["F001_T1_0003"], labels["M002_T1_0006"]) == (1, -1, 0)
    motion = faces.points - faces.neutrals[faces.person]
    assert np.abs(motion[faces.ids.index("F001_T1_0001")]).max() > 0.1
    assert len(load_bp4d_3d(tmp_path, every=2)) == 6


def test_bp4d_says_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="No BP4D points under"):
        load_bp4d_3d(tmp_path)
    write_bp4d(tmp_path)
    table = tmp_path / "AUCoding" / "AU_OCC" / "M002_T1.csv"
    table.write_text("0,1,12\n1,1,0\n2,0,1\n")
    with pytest.raises(ValueError, match=r"person M002 has no frame .* M002_T1"):
        load_bp4d_3d(tmp_path)
    table.write_text("0,1,12\n1,yes,0\n")
    with pytest.raises(ValueError, match="line 2: '1,yes,0'"):
        load_bp4d_3d(tmp_path)


def test_medoid_against_brute_force():
    points = np.random.default_rng(0).standard_normal((40, 5, 3)).astype(np.float32)
    flat = points.reshape(40, -1)
    table = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert medoid(points) == table.sum(1).argmin()
