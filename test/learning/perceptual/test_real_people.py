# SPDX-License-Identifier: Apache-2.0
"""Real people beside made ones: whose neutral is made of what, and that nobody is in two parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch; the robot does not")

from facial_coding_ros.cli import main
from facial_coding_ros.coding.expression import EXPRESSION_LABELS
from facial_coding_ros.datasets.expression_set import Split, centred_and_scaled, lower_lids
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.keypoints import SCHEMES
from facial_coding_ros.learning.expression.face_features import FeatureRows
from facial_coding_ros.learning.expression.head_training import folds_of
from facial_coding_ros.learning.expression.views import ViewSet
from facial_coding_ros.learning.perceptual.real_people import (
    DEGREE,
    live_people,
    real_set,
    triplets_with_people,
    with_people,
)
from facial_coding_ros.learning.perceptual.triplets import artificial_triplets

PEOPLE, LABELS = 60, (0, 0, 0, 1, 1, 4)


@pytest.fixture(scope="module")
def views() -> ViewSet:
    """Of each person three neutral pictures, two smiles and a surprise; of the last only a neutral one."""
    ict, rng = IctFaces.load(), np.random.default_rng(0)
    offsets = {
        0: np.zeros_like(ict.au_offsets({12: 0.0})),
        1: ict.au_offsets({12: 0.8}),
        4: ict.au_offsets({1: 0.8, 2: 0.8}),
    }
    points, label, person = [], [], []
    for i, neutral in enumerate(ict.people(PEOPLE, rng)):
        for k in LABELS if i < PEOPLE - 1 else (0,):
            points.append((neutral + offsets[k])[:468] + rng.normal(0, 0.003, (468, 3)))
            label.append(k)
            person.append(f"person {i}")
    n = len(label)
    rows = FeatureRows(
        np.zeros((n, 1), np.float16),
        np.array(points, np.float16).reshape(n, -1),
        np.arange(n),
        np.ones((n, 3), np.float32),
        np.full(n, 90, np.float32),
        np.ones(n, np.float32),
    )
    zeros = np.zeros(n, np.int64)
    return ViewSet(rows, np.arange(n), zeros, np.array(label), np.array(person), zeros - 1, np.zeros((n, 0, 0)))


def test_half_of_the_neutral_pictures_make_the_neutral(views: ViewSet) -> None:
    faces = real_set(views, seed=3)
    assert len(np.unique(faces.person)) == PEOPLE - 1  # of one there is nothing but the neutral
    assert np.bincount(faces.label, minlength=8).tolist() == [PEOPLE - 1, 2 * (PEOPLE - 1), 0, 0, PEOPLE - 1, 0, 0, 0]
    assert set(faces.degree[faces.label > 0]) == {DEGREE} and set(faces.degree[faces.label == 0]) == {0}
    scheme = SCHEMES["68"]
    points = scheme.from_mesh(views.rows.points.astype(np.float32).reshape(len(views.rows), -1, 3))
    points = centred_and_scaled(points, lower_lids(points, scheme))
    first = faces.ids.index("0") if "0" in faces.ids else None
    used = {int(i) for i in faces.ids}
    reference = [row for row in range(3) if row not in used]
    assert len(reference) == 2
    of = faces.person[[faces.ids.index(str(i)) for i in (3, 4, 5)]]
    assert len(set(of.tolist())) == 1 and (first is None or faces.person[first] == of[0])
    np.testing.assert_allclose(faces.neutrals[of[0]], points[reference].mean(0), atol=1e-6)
    assert len(real_set(views, most=20)) == 60
    few = real_set(views, classes=EXPRESSION_LABELS[:2])
    assert set(few.label) == {0, 1} and few.classes == EXPRESSION_LABELS[:2]
    with pytest.raises(ValueError, match="nobody with a neutral picture"):
        real_set(views.where(views.label == 1))


def test_people_kept_aside_are_those_of_train_expression(views: ViewSet) -> None:
    parts = live_people(views)
    names = [{str(views.person[int(i)]) for i in part.ids} for part in parts]
    assert all(names) and not (names[0] & names[1] | names[0] & names[2] | names[1] & names[2])
    fold = dict(zip(views.person.tolist(), folds_of(views.person.tolist(), 5, 0.2, 0).tolist(), strict=True))
    assert {fold[name] for name in names[2]} == {-1} and {fold[name] for name in names[1]} == {0}
    both = with_people(Split(parts.test, parts.test, parts.test), parts)
    assert len(both.training) == len(parts.test) + len(parts.training) and both.test is parts.test
    assert len(np.unique(both.training.person)) == len(names[2]) + len(names[0])
    faces = real_set(views)
    three = replace(faces, label=np.searchsorted([0, 1, 4], faces.label), classes=("neutral", "happy", "surprised"))
    few = artificial_triplets(three, 400)
    triplets = triplets_with_people(Split(parts.test, parts.test, parts.test), (few, few, few), parts)
    for part, told in zip(both[:2], triplets, strict=False):
        own = told.faces[400:]
        assert own.min() >= len(parts.test) and own.max() < len(part) and (told.faces[:400] == few.faces).all()
        assert (part.label[own] < 5).all()
    assert triplets[2] is few


def test_stills_need_the_live_data_and_a_folder(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "perceptual", "--out", str(tmp_path / "run"), "--stills", str(tmp_path)]
    assert main(words) == 1
    assert main([*words, "--data", "live", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("--stills needs --data live, and --work") == 2
