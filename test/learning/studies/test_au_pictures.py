# SPDX-License-Identifier: Apache-2.0
"""The picture of the action units."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.face_model.ict import AU_SHAPES, IctFaces
from facial_coding_ros.learning.studies.au_pictures import TILE_PX, draw_face, main


def test_a_face_is_grey_at_rest_and_red_where_it_moves() -> None:
    model = IctFaces.load()
    rest = draw_face(model, np.zeros_like(model.neutral)).astype(int)
    smile = draw_face(model, model.au_offsets({12: 1.0})).astype(int)
    inked = rest.min(2) < 250
    assert 0.2 < inked.mean() < 0.8
    red = [(picture[..., 0] - picture[..., 1] > 60) for picture in (rest, smile)]
    assert not red[0].any()
    rows = np.flatnonzero(red[1].any(1))
    assert red[1].sum() > 300 and rows.min() > 0.35 * TILE_PX, "the lower face alone"


def test_the_command_draws_every_unit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "units.png")]) == 0
    picture = cv2.imread(str(tmp_path / "units.png"))
    assert picture.shape[1] == 7 * TILE_PX and picture.shape[0] // TILE_PX == -(-(1 + len(AU_SHAPES)) // 7)
    assert main(["--out", str(tmp_path / "none" / "units.png")]) == 1
    assert "cannot be written" in capfd.readouterr().err
