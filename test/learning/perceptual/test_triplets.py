# SPDX-License-Identifier: Apache-2.0
"""Rules of artificial triplets, triplets judged by people, and the share that is satisfied."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.learning.motions.posed import PosedSettings, posed_set
from facial_coding_ros.learning.perceptual.triplets import (
    Triplets,
    artificial_triplets,
    read_triplets,
    satisfied,
    satisfied_by_level,
)


@pytest.fixture(scope="module")
def faces():
    return posed_set(PosedSettings(people=4), seed=1)


def test_rules_hold_for_every_triplet(faces):
    triplets = artificial_triplets(faces, 800, seed=3)
    neutral = faces.classes.index("neutral")
    kinds = set()
    for reference, closer, farther in triplets.faces:
        labels = faces.label[[reference, closer, farther]]
        degrees = faces.degree[[reference, closer, farther]].astype(int)
        assert len({reference, closer, farther}) == 3
        if labels[0] == labels[1] == labels[2]:
            assert abs(degrees[1] - degrees[0]) < abs(degrees[2] - degrees[0])
            kinds.add("degree")
        elif labels[0] == labels[1]:
            kinds.add("class")
        else:
            assert labels[1] == neutral and labels[2] not in (neutral, labels[0]) and labels[0] != neutral
            kinds.add("neutral")
    assert kinds == {"degree", "class", "neutral"}
    assert set(triplets.faces[:, 0]) == set(range(len(faces)))  # every face is in one at least
    assert (triplets.weight == 1).all()
    assert np.array_equal(triplets.faces, artificial_triplets(faces, 800, seed=3).faces)
    assert not np.array_equal(triplets.faces, artificial_triplets(faces, 800, seed=4).faces)


def test_too_few_triplets_or_classes_are_refused(faces):
    with pytest.raises(ValueError, match="10 triplets cannot hold every one of 100 faces"):
        artificial_triplets(faces, 10)
    with pytest.raises(ValueError, match="fewer of: scared"):
        artificial_triplets(faces.chosen(faces.label != 6), 200)
    one_degree = faces.chosen(faces.degree % 3 == 0)  # neutral and degree 3: nothing to say about degrees
    labels = one_degree.label[artificial_triplets(one_degree, 200).faces]
    assert not (labels[:, 0] == labels[:, 2]).any()


def test_human_triplets_from_csv(faces, tmp_path):
    path = tmp_path / "triplets.csv"
    a, b, c, d = faces.ids[:4]
    path.write_text(f"reference,closer,farther,votes\n{a},{b},{c},5\n{b},{c},{d},1\nF999_T1_0001,{a},{b},3\n")
    triplets = read_triplets(path, faces)
    assert triplets.faces.tolist() == [[0, 1, 2], [1, 2, 3]]  # the one with an unknown face is another part's
    assert triplets.weight.tolist() == [5, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reference,closer,votes\n", "no column farther"),
        ("reference,closer,farther,votes\na,b,c,4\n", "line 2: votes is '4'"),
        ("reference,closer,farther,votes\na,b,c,many\n", "votes is 'many'"),
        ("reference,closer,farther,votes\na,a,c,5\n", "must differ"),
        ("reference,closer,farther,votes\nx,y,z,5\n", "none of its triplets"),
    ],
)
def test_wrong_files_say_what_is_wrong(faces, tmp_path, text, message):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_triplets(path, faces)


def test_satisfied_is_equation_12():
    latents = np.array([[0.0, 0], [1, 0], [0, 2], [-1, 0]])
    triplets = Triplets(np.array([[0, 1, 2], [0, 2, 1], [0, 1, 3]]), np.array([5, 3, 3], np.float32))
    assert satisfied(latents, triplets).tolist() == [True, False, True]  # equal distances count
    assert satisfied_by_level(latents, triplets) == {5: 1.0, 3: 0.5}
