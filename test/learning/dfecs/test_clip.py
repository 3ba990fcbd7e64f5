# SPDX-License-Identifier: Apache-2.0
"""DFECS on a real recording: the live AUs move with a smile, and a model is learnt from a bag."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs scikit-learn")

from facial_coding_ros.cli import main
from facial_coding_ros.coding.dfecs import DfecsEncoder, DfecsSettings
from facial_coding_ros.learning.studies.recorded_bags import write_bag

from ...conftest import REPOSITORY

CLIP = REPOSITORY.parent / "shared" / "data" / "clips" / "smile.mov"
pytestmark = pytest.mark.skipif(not CLIP.is_file(), reason="the shared clip smile.mov is not there")


def mean_codes(folder: Path, *options: str) -> list[np.ndarray]:
    """Mean DFECS code before, during and after the first smile of the clip."""
    assert main(["replay", str(CLIP), "--out", str(folder), *options]) == 0
    with (folder / "face_codes.csv").open() as file:
        rows = list(csv.DictReader(file))
    count = len(DfecsEncoder.load().names)
    codes = np.array([[float(row[f"dfecs_{i:02d}"]) for i in range(count)] for row in rows])
    frame = np.array([int(row["frame"]) for row in rows])
    return [codes[(frame >= start) & (frame < end)].mean(0) for start, end in ((15, 33), (42, 58), (145, 164))]


def test_the_live_units_move_with_a_smile(tmp_path):
    """The AU of the lip corners: near zero before and after the smile, far up during it, as with a neutral by hand."""
    before, smiling, after = mean_codes(tmp_path / "learnt")
    corners = [i for i, name in enumerate(DfecsEncoder.load().names) if "lip corner up and out" in name]
    assert smiling[corners].max() > 0.2 > 2 * max(before[corners].max(), after[corners].max())
    _, by_hand, _ = mean_codes(tmp_path / "by_hand", "--neutral", "15:33")
    # The nose, which widens, is as strong here; that is the clip, not the neutral that was learnt.
    assert set(np.argsort(by_hand)[-2:]) & set(corners)
    np.testing.assert_allclose(smiling, by_hand, atol=0.1)


def test_a_model_is_learnt_from_a_bag(tmp_path, capsys):
    capture = cv2.VideoCapture(str(CLIP))
    images = []
    while (found := capture.read())[0]:
        images.append(cv2.resize(found[1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    bag, out = write_bag(tmp_path / "bag", images), tmp_path / "own"
    atoms = "jaw=2,right_eye_brow=3,left_eye_brow=3,nose=2,mouth=4"
    assert main(["train", "dfecs", "--bag", str(bag), "--out", str(out), "--units", "6", "--part-atoms", atoms]) == 0
    assert len(DfecsEncoder.load(DfecsSettings(model=str(out.with_suffix(".yaml")))).names) == 6
    page = (tmp_path / "own_report.html").read_text()
    assert "On the held-out motions this model is" in page and "the shipped one" in page
    assert "held_out_variance_explained_of_shipped" in capsys.readouterr().out
