# SPDX-License-Identifier: Apache-2.0
"""Motions that people made themselves: of stills, portraits and recordings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

pytest.importorskip("sklearn", reason="training needs scikit-learn")

from facial_coding_ros.datasets.motions import MotionError, Motions
from facial_coding_ros.learning.dfecs.method_comparison import Units, equal_terms
from facial_coding_ros.learning.dfecs.real_motions import real_motions
from facial_coding_ros.learning.dfecs.studies import Plan
from facial_coding_ros.learning.motions.ict_motions import SETTINGS, MeshNoise, synthesise


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A smiling photograph and its mirror image, as a neutral and another picture of a, and one of b alone."""
    photograph = skimage.data.astronaut()[5:305, 90:357, ::-1]
    for name, image in (("a_neutral", photograph), ("a_smiling", photograph[:, ::-1]), ("b_neutral", photograph)):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), image)
    rows = ["a_neutral.jpg,neutral,a", "a_smiling.jpg,happy,a", "b_neutral.jpg,neutral,b"]
    (tmp_path / "labels.csv").write_text("\n".join(["image,expression,person", *rows]) + "\n")
    return tmp_path


def test_people_with_a_picture_at_rest_and_another_one(pictures: Path) -> None:
    for kind in ("stills", "portraits"):
        found = real_motions(f"{kind}:{pictures}")
        assert len(found) == found.people == 1 and found.kpm.shape == (1, 136)
        size = float(np.sqrt((found.kpm**2).mean()))
        assert 0.5 < size < 20  # a face is not quite its mirror image; 400 to an inter-ocular distance


def test_what_is_no_motion_is_told(pictures: Path) -> None:
    (pictures / "a_smiling.jpg").unlink()
    (pictures / "labels.csv").write_text("image,expression,person\na_neutral.jpg,neutral,a\n")
    with pytest.raises(MotionError, match="no person has a picture at rest"):
        real_motions(f"stills:{pictures}")
    with pytest.raises(MotionError, match="no person"):
        real_motions(f"portraits:{pictures}")
    with pytest.raises(MotionError, match="portraits:PATH"):
        real_motions(f"smiles:{pictures}")


def test_without_labels_there_are_no_units_that_need_them() -> None:
    sample = synthesise(SETTINGS["posed"], 8, 20, 3, MeshNoise.measured())
    units = np.linalg.qr(np.random.default_rng(0).normal(size=(136, 16)))[0].T
    motions = Motions(sample.motions.kpm, sample.motions.person, sample.motions.time_s, "posed")
    atoms = {"jaw": 2, "right_eye_brow": 4, "left_eye_brow": 4, "nose": 2, "mouth": 6}
    rows = equal_terms(motions, None, Plan(1, 8, atoms), {"fixed": Units(units, positive=False)})
    assert [row[0] for row in rows] == ["DFECS", "PCA", "KPM-FACS, 1 subject", "KPM-FACS, 100 subjects", "fixed"]
    assert float(rows[1][2].split()[0]) > float(rows[-1][2].split()[0])
