# SPDX-License-Identifier: Apache-2.0
"""Coded action units of recordings, in the formats that are read."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.commands import evaluate_facs
from facial_coding_ros.errors import UserError
from facial_coding_ros.learning.facs.au_labels import FacsLabelError, matched, read_labels


def test_an_own_csv_in_either_scale(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("frame,AU12,au_04,notes\n0,5,0,x\n1,,2,y\n")
    labels = read_labels(path)
    assert labels.codes == (4, 12) and labels.frames.tolist() == [0, 1]
    np.testing.assert_allclose(labels.intensity, [[0, 1], [0.4, np.nan]], atol=1e-6)
    path.write_text("frame,au12\n0,0.8\n")
    assert read_labels(path).intensity[0, 0] == pytest.approx(0.8)


def test_disfa(tmp_path):
    folder = tmp_path / "SN001"
    folder.mkdir()
    for au, values in ((12, (0, 3)), (4, (1, 5))):
        (folder / f"SN001_au{au}.txt").write_text("".join(f"{i + 1},{v}\n" for i, v in enumerate(values)))
    labels = read_labels(folder)
    assert labels.codes == (4, 12) and labels.frames.tolist() == [0, 1] and not labels.occurrence
    np.testing.assert_allclose(labels.intensity, [[0.2, 0], [1, 0.6]], atol=1e-6)


def test_bp4d(tmp_path):
    path = tmp_path / "F001_T1.csv"
    path.write_text("0,1,12\n1,0,1\n2,9,0\n")
    labels = read_labels(path)
    assert labels.occurrence and labels.codes == (1, 12) and labels.frames.tolist() == [0, 1]
    np.testing.assert_allclose(labels.intensity, [[0, 1], [np.nan, 0]])


def test_labels_meet_the_codes_of_replay(tmp_path):
    (tmp_path / "labels.csv").write_text("frame,AU12,AU4\n10,1,0\n11,0.5,0\n12,0,0\n")
    codes = tmp_path / "face_codes.csv"
    codes.write_text("frame,face_id,person_id,au12,au12_confidence\n1,a,,0.4,1\n2,a,,0.1,1\n2,b,,0.7,1\n")
    labels = read_labels(tmp_path / "labels.csv", first_frame=10)
    with pytest.raises(FacsLabelError, match="several faces"):
        matched(labels, codes)
    truth, estimate, units = matched(labels, codes, "a")
    assert units == (12,) and truth[:, 0].tolist() == [0.5, 0.0]
    np.testing.assert_allclose(estimate[:, 0], [0.4, 0.1], atol=1e-6)
    with pytest.raises(FacsLabelError, match="no rows of c"):
        matched(labels, codes, "c")


def test_what_is_wrong_is_said(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("time,AU12\n0,1\n")
    with pytest.raises(FacsLabelError, match="no column frame among time, AU12"):
        read_labels(path)
    path.write_text("frame,AU12\n0,strong\n")
    with pytest.raises(FacsLabelError, match="numbers are expected"):
        read_labels(path)
    with pytest.raises(FacsLabelError, match=r"SN009_au1\.txt"):
        (tmp_path / "SN009").mkdir()
        read_labels(tmp_path / "SN009")


def test_the_command_writes_a_table(tmp_path, capsys):
    rng = np.random.default_rng(0)
    truth = rng.random(300)
    (tmp_path / "labels.csv").write_text("frame,AU12\n" + "".join(f"{i},{v:.3f}\n" for i, v in enumerate(truth)))
    rows = "".join(f"{i},a,{v:.3f}\n" for i, v in enumerate(np.clip(truth + rng.normal(0, 0.1, 300), 0, 1)))
    (tmp_path / "face_codes.csv").write_text("frame,face_id,au12\n" + rows)
    import argparse

    parser = argparse.ArgumentParser()
    evaluate_facs.add_arguments(parser)
    out = tmp_path / "table.md"
    words = ["codes", str(tmp_path / "face_codes.csv"), str(tmp_path / "labels.csv"), "--out", str(out)]
    assert evaluate_facs.run(parser.parse_args(words)) == 0
    line = next(line for line in out.read_text().splitlines() if line.startswith("| AU12"))
    assert 0.85 < float(line.split("|")[3].split()[0]) < 1.0 and line in capsys.readouterr().out
    with pytest.raises(UserError, match=r"labels\.csv"):
        evaluate_facs.run(parser.parse_args(["codes", str(tmp_path / "none.csv"), str(tmp_path / "nolabels.csv")]))
