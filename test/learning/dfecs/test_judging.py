# SPDX-License-Identifier: Apache-2.0
"""How DFECS is judged: muscle readings, raters, baselines, pages; and the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

pytest.importorskip("sklearn", reason="training needs scikit-learn")

from facial_coding_ros.cli import main
from facial_coding_ros.coding.dfecs import DfecsEncoder, DfecsSettings
from facial_coding_ros.learning.dfecs import baselines
from facial_coding_ros.learning.dfecs.measures import variance_explained
from facial_coding_ros.learning.dfecs.muscles import (
    ACTIONS,
    INTERPRETABLE_SCORE,
    names_of,
    read,
    read_either_way,
)
from facial_coding_ros.learning.dfecs.raters import fleiss_kappa, read_ratings, write_sheet
from facial_coding_ros.learning.motions.ict_motions import SETTINGS, MeshNoise, synthesise

RIGHT_BROW, LEFT_BROW = range(17, 22), range(22, 27)


def unit(moves):
    """An AU of {points: (dx, dy)}."""
    field = np.zeros((68, 2))
    for points, vector in moves.items():
        field[list(points)] = vector
    return field.T.ravel()


def test_muscle_readings_of_drawn_motions():
    brows = read(unit({RIGHT_BROW: (0, -10), LEFT_BROW: (0, -10)}))
    assert {a.aus for a, _ in brows.actions} == {(1,), (2,)} and brows.score > 0.99
    right = read(unit({RIGHT_BROW: (0, -10)}))
    assert {side for _, side in right.actions} == {"right"} and "right" in right.name
    smile = read(unit({(48, 60): (-8, -6), (54, 64): (8, -6), (49, 59): (-4, -3), (53, 55): (4, -3)}))
    assert smile.actions[0][0].aus == (12,) and smile.score >= INTERPRETABLE_SCORE
    # No muscle pulls one lip corner up and in while the chin goes sideways.
    nonsense = read(unit({(48,): (10, -10), range(6, 11): (10, 0), (30, 33): (10, 0), (37, 38): (10, 0)}))
    assert nonsense.score < INTERPRETABLE_SCORE


def test_a_reading_needs_its_direction():
    down = unit({(37, 38, 43, 44): (0, 10)})
    assert read(down).actions[0][0].aus == (43, 45)
    assert read(-down).actions[0][0].aus == (5,)
    jaw = unit({range(3, 14): (0, 10), range(55, 60): (0, 10), (65, 66, 67): (0, 10)})
    assert read(jaw).score > read(-jaw).score
    assert read_either_way(-jaw).score == pytest.approx(read(jaw).score)
    with pytest.raises(ValueError, match="moves nothing"):
        read(np.zeros(136))
    with pytest.raises(ValueError, match=r"\(136,\)"):
        read(np.zeros(68))


def test_most_facs_units_pass_and_motions_at_random_do_not():
    facs = [read(u).score for u in baselines.facs_units(1)[1]]
    assert np.mean(np.array(facs) >= INTERPRETABLE_SCORE) > 0.7
    axes = baselines.pca_units(synthesise(SETTINGS["talking"], 20, 50, 3, MeshNoise.measured()).motions.kpm, 16)
    chance = [read(u).score for u in np.random.default_rng(0).standard_normal((100, 16)) @ axes]
    assert np.mean(np.array(chance) >= INTERPRETABLE_SCORE) < 0.25


def test_names_are_different():
    brows = unit({RIGHT_BROW: (0, -10), LEFT_BROW: (0, -10)})
    names = names_of([brows, 2 * brows, unit({(37, 38, 43, 44): (0, 10)})])
    assert len(set(names)) == 3 and "AU43/45" in names[2]
    assert all(action.muscle for action in ACTIONS)


def test_fleiss_kappa_by_his_example():
    """Fleiss 1971 as worked out in the literature: 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    counts = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    answers = [[kind for kind, n in zip("abcde", row, strict=True) for _ in range(n)] for row in counts]
    assert fleiss_kappa(answers) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa([["yes", "yes"], ["no", "no"]]) == 1.0
    with pytest.raises(ValueError, match="two or more raters"):
        fleiss_kappa([["yes"], ["no"]])


def test_ratings_and_sheet(tmp_path, capsys):
    order = write_sheet(tmp_path / "sheet.html", baselines.facs_units(1)[1][:3])
    assert sorted(order) == [0, 1, 2] and (tmp_path / "sheet.html").read_text().count("<img") == 3
    path = tmp_path / "ratings.csv"
    path.write_text("a,b,c\nyes,yes,no\nno,no,no\nyes,yes,yes\n")
    assert read_ratings(path)[0] == ["yes", "yes", "no"]
    assert main(["evaluate", "dfecs", "--ratings", str(path)]) == 0
    assert "kappa 0.550" in capsys.readouterr().out
    path.write_text("a,b\nyes\nno,no\n")
    assert main(["evaluate", "dfecs", "--ratings", str(path)]) == 1
    assert "line 2: 2 answers are expected" in capsys.readouterr().err


def test_baselines_on_motions_of_known_units():
    codes, units = baselines.facs_units(1)
    rng = np.random.default_rng(0)
    strength = rng.random((300, len(codes))) * (rng.random((300, len(codes))) < 0.2)
    x = strength @ units
    assert variance_explained(x, baselines.reconstruct(x, units)) > 99.9
    assert variance_explained(x, baselines.project(x, baselines.pca_units(x, len(codes)))) > 99.9
    np.testing.assert_allclose(baselines.tracked_facs_units(x, strength), units, atol=0.1 * np.abs(units).max())
    one, many = (variance_explained(x, baselines.lars(x, units, k, positive=True)) for k in (1, 6))
    assert one < many <= 100
    best = baselines.best_units(x, units, 4)
    assert variance_explained(x, baselines.reconstruct(x, best)) >= variance_explained(
        x, baselines.reconstruct(x, units[:4])
    )


def test_learning_and_judging_by_command(tmp_path, capsys):
    out = tmp_path / "own"
    words = ["train", "dfecs", "--data", "ict-posed", "--people", "8", "--out", str(out), "--units", "8"]
    atoms = "jaw=2,right_eye_brow=3,left_eye_brow=3,nose=2,mouth=5"
    assert main([*words, "--part-atoms", atoms]) == 0
    encoder = DfecsEncoder.load(DfecsSettings(model=str(out.with_suffix(".yaml"))))
    card = yaml.safe_load(out.with_suffix(".yaml").read_text())
    assert len(encoder.names) == 8 and "--part-atoms" in card["command"]
    assert card["metrics"]["held_out_variance_explained"] > 75
    report = (tmp_path / "own_report.html").read_text()
    assert "the shipped one" in report and "data:image/png;base64" in report and "--units 8" in report
    folder = tmp_path / "judged"
    judged = main(
        ["evaluate", "dfecs", "--studies", "--model", str(out.with_suffix(".yaml")), "--out", str(folder),
         "--data", "ict-posed"]
    )  # fmt: skip
    assert judged == 0 and (folder / "rating_sheet.html").is_file() and (folder / "gallery.png").stat().st_size > 10000
    first_form, by_length = json.loads((folder / "results.json").read_text())["model"]["rows"][1][2].split(" / ")
    assert float(first_form) > 75 and 30 < float(by_length) < float(first_form)
    capsys.readouterr()
    assert main(["train", "dfecs", "--data", "bags:x"]) == 1 and "there are ict" in capsys.readouterr().err
    assert main(["train", "dfecs"]) == 1 and "nothing to learn from" in capsys.readouterr().err
