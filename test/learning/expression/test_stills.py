# SPDX-License-Identifier: Apache-2.0
"""Labelled stills in the forms in which sets come, people kept aside, disturbances and scores."""

from __future__ import annotations

import zipfile

import cv2
import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.errors import UserError
from facial_coding_ros.learning.expression.expression_scores import calibration, confusion, figures_of, mean_recall
from facial_coding_ros.learning.expression.head_training import folds_of
from facial_coding_ros.learning.expression.picture_disturbances import (
    PictureDisturbances,
    framed,
    mirrored,
    mouth_covered,
    smaller,
)
from facial_coding_ros.learning.expression.stills import AFFECTNET, RAF_DB, counts, read_stills

PICTURE = cv2.imencode(".jpg", np.full((20, 16, 3), 120, np.uint8))[1].tobytes()


def test_labels_beside_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("a.jpg", PICTURE)
    (tmp_path / "b.jpg").write_bytes(PICTURE)
    (tmp_path / "labels.csv").write_text("image,expression,person\na.jpg,happiness,7\nb.jpg,Fear,8\n")
    stills = read_stills(tmp_path)
    assert [(still.label, still.person) for still in stills] == [(1, "7"), (6, "8")]
    assert all(still.image().shape == (20, 16, 3) for still in stills)
    assert counts(stills)["happy"] == 1


def test_folders_for_each_expression(tmp_path):
    for name in ("happy", "surprise"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes())
    stills = read_stills(tmp_path)
    assert [still.label for still in stills] == [1, 4]
    assert stills[0].image().shape == (48, 48, 3)


def test_raf_db_and_affectnet(tmp_path):
    raf, affect = tmp_path / "raf", tmp_path / "affect"
    (raf / "EmoLabel").mkdir(parents=True)
    (raf / "Image/aligned").mkdir(parents=True)
    (raf / "EmoLabel/list_patition_label.txt").write_text("train_1.jpg 5\ntest_1.jpg 7\n")
    (raf / "Image/aligned/train_1_aligned.jpg").write_bytes(PICTURE)
    stills = read_stills(raf)
    assert [still.label for still in stills] == [2, 0]  # sadness, neutral
    assert stills[0].image().shape == (20, 16, 3)
    (affect / "annotations").mkdir(parents=True)
    (affect / "images").mkdir()
    for number, label in enumerate((6, 9)):
        np.save(affect / f"annotations/{number}_exp.npy", str(label) if number else label)
    np.save(affect / "annotations/1_exp.npy", 9)
    (affect / "images/0.jpg").write_bytes(PICTURE)
    assert [still.label for still in read_stills(affect)] == [3]  # anger; 9 is none
    assert sorted(RAF_DB) == list(range(7)) and sorted(AFFECTNET) == list(range(8))


@pytest.mark.parametrize(
    ("labels", "said"),
    [("image,emotion\n", "image, expression are expected"), ("image,expression\na.jpg,bored\n", "'bored'")],
)
def test_what_is_wrong_is_said(tmp_path, labels, said):
    (tmp_path / "labels.csv").write_text(labels)
    with pytest.raises(UserError, match=said):
        read_stills(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        read_stills(tmp_path / "nowhere")


def test_people_are_kept_aside_by_their_name_alone():
    names = [f"p{i}" for i in range(3000)]
    fold = folds_of(names, 5, 0.2)
    assert 0.17 < (fold < 0).mean() < 0.23
    assert set(fold.tolist()) == {-1, 0, 1, 2, 3, 4}
    np.testing.assert_array_equal(folds_of(names[::-1][:100], 5, 0.2), fold[::-1][:100])
    assert (folds_of(names, 5, 0.2, seed=1) != fold).any()


def test_disturbances_are_repeatable_and_keep_the_face_in_the_square():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 180, 3)).astype(np.uint8)
    square = np.array([90, 100, 150, 0.1], np.float32)
    for seed in range(20):
        first, where = PictureDisturbances(seed=seed)(image, square, mirror=bool(seed % 2))
        again, there = PictureDisturbances(seed=seed)(image, square, mirror=bool(seed % 2))
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(where, there)
        assert first.dtype == np.uint8 and first.ndim == 3
        assert (where[:2] > 0.3 * first.shape[0]).all() and (where[:2] < 0.7 * first.shape[0]).all()


def test_a_mark_stays_where_the_square_says():
    image = np.zeros((200, 180, 3), np.uint8)
    image[98:103, 68:73] = 255
    square = np.array([70, 100, 120, 0.0], np.float32)

    def mark(picture, place):
        ys, xs = np.nonzero(picture[..., 0] > 60)
        return (xs.mean() - place[0]) / place[2], (ys.mean() - place[1]) / place[2]

    for change in (framed, mirrored, lambda i, s: smaller(i, s, 40.0)):
        np.testing.assert_allclose(mark(*change(image, square)), (0.004, 0.004), atol=0.015)
    assert (mouth_covered(image, square)[130] != image[130]).any()


def test_scores_by_hand():
    label = np.array([0, 0, 1, 1, 2])
    probability = np.full((5, 8), 0.01, np.float32)
    for row, (told, share) in enumerate(((0, 0.93), (3, 0.6), (1, 0.93), (1, 0.4), (7, 0.5))):
        probability[row, told] = share
    assert mean_recall(probability, label, 5) == pytest.approx((0.5 + 1 + 0) / 3)
    assert figures_of(probability, label, 0.44).given == 1  # happy is asked 0.05 less
    figures = figures_of(probability, label, 0.46)
    assert figures.neutral_wrong == pytest.approx(0.5)
    assert figures.given == pytest.approx(0.8) and figures.right == pytest.approx(0.5)
    table = confusion(probability, label)
    assert table[0, 3] == pytest.approx(0.5) and table[1, 1] == 1 and np.isnan(table[3]).all()
    rows, error = calibration(probability, label)
    assert rows[:, 2].sum() == pytest.approx(1)
    assert error == pytest.approx((2 * abs(0.93 - 1) + 0.6 + abs(0.4 - 1) + 0.5) / 5, abs=1e-4)


def test_a_file_that_is_no_fusion_is_refused_by_name(tmp_path, capsys):
    (tmp_path / "fusion.npz").write_bytes(b"nothing")
    words = [
        "train",
        "expression",
        str(tmp_path),
        "--portraits",
        str(tmp_path),
        "--fusion",
        str(tmp_path / "fusion.npz"),
    ]
    folders = [word for name in ("work", "out", "tables") for word in (f"--{name}", str(tmp_path / name))]
    assert main([*words, *folders]) == 1
    assert "fusion.npz is no expression_fusion.npz" in capsys.readouterr().err
