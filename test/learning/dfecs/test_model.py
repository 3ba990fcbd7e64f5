# SPDX-License-Identifier: Apache-2.0
"""DFECS: learning, codes, the live graph, files; against scikit-learn and planted action units."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import yaml

pytest.importorskip("sklearn", reason="training needs scikit-learn")
from sklearn.base import clone
from sklearn.decomposition import sparse_encode

from facial_coding_ros.cli import main
from facial_coding_ros.coding.dfecs import DfecsEncoder, DfecsSettings, ModelError
from facial_coding_ros.coding.dfecs.layout import LAYOUT_68, Layout
from facial_coding_ros.coding.dfecs.sparse_codes import UnrolledAdmm, encode, unit_rows
from facial_coding_ros.datasets.motions import Motions
from facial_coding_ros.learning.dfecs.measures import (
    active_units,
    sparsity_of,
    variance_explained,
    variance_explained_by_length,
)
from facial_coding_ros.learning.dfecs.model import DFECS
from facial_coding_ros.types import Motion

from ...conftest import REPOSITORY

ATOMS = dict.fromkeys(LAYOUT_68.parts, 2)


def planted(count=1500, units=6, seed=0, noise=0.3):
    """Motions of known AUs: each moves one part, or two parts together."""
    rng = np.random.default_rng(seed)
    parts = list(LAYOUT_68.parts)
    truth = np.zeros((units, 136))
    for i in range(units):
        for part in {parts[i % 5], parts[(i * 2 + 1) % 5] if i >= 5 else parts[i % 5]}:
            truth[i, LAYOUT_68.columns(part)] = rng.standard_normal(2 * len(LAYOUT_68.parts[part]))
    truth *= 100 / np.linalg.norm(truth, axis=1, keepdims=True)
    codes = rng.gamma(2.0, 0.4, (count, units)) * (rng.random((count, units)) < 0.3)
    return codes @ truth + noise * rng.standard_normal((count, 136)), truth, codes


@pytest.fixture(scope="module")
def data():
    return planted()


@pytest.fixture(scope="module")
def model(data):
    return DFECS(6, n_part_components=ATOMS, sparsity=0.01).fit(data[0])


@pytest.fixture
def saved(model, data, tmp_path):
    model.save(tmp_path / "own", [f"unit {i}" for i in range(6)], {"what": "test"}, data[0][:100])
    return tmp_path / "own.yaml"


def test_planted_units_are_found(data, model):
    found, truth = unit_rows(model.components_)[0], unit_rows(data[1])[0]
    assert (found @ truth.T).max(0).min() > 0.97
    assert model.variance_explained_ > 97
    assert (model.mixing_ >= 0).all() and (model.transform(data[0]) >= 0).all()
    np.testing.assert_allclose(model.components_, model.mixing_ @ model.dictionary_)


def test_an_atom_moves_its_part_alone(model):
    for atom, part in zip(model.dictionary_, model.atom_part_, strict=True):
        outside = np.ones(136, bool)
        outside[LAYOUT_68.columns(part)] = False
        assert not atom[outside].any() and atom.any()


def test_learning_is_repeatable(data, model):
    again = clone(model).fit(data[0])
    np.testing.assert_array_equal(again.components_, model.components_)


def test_codes_are_those_of_scikit_learn(data, model):
    rows, lengths = unit_rows(model.components_)
    expected = sparse_encode(
        data[0][:300], rows, algorithm="lasso_cd", alpha=model.alpha_, positive=True, max_iter=100000
    )
    got = model.transform(data[0][:300]) * lengths
    assert np.abs(got - expected).max() < 1e-5 * expected.max()


def test_codes_of_likeable_units_converge():
    """Two rows all but the same, and more rows than columns: still a minimum."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((7, 5))
    rows[1] = rows[0] + 1e-9
    x = rng.standard_normal((20, 5))
    codes = encode(x, rows, 0.1)
    assert (codes >= 0).all()
    unit, lengths = unit_rows(rows)
    gradient = (codes * lengths @ unit - x) @ unit.T + 0.1
    assert gradient.min() > -1e-4
    assert np.abs(gradient[codes * lengths > 1e-6]).max() < 1e-4


def test_doubling_a_unit_halves_its_code(data, model):
    longer = model.components_ * np.array([2, 1, 1, 1, 1, 1])[:, None]
    codes, changed = (encode(data[0][:50], u, model.alpha_) for u in (model.components_, longer))
    np.testing.assert_allclose(changed[:, 0], codes[:, 0] / 2, atol=1e-7)
    np.testing.assert_allclose(changed[:, 1:], codes[:, 1:], atol=1e-7)


def test_steps_bring_the_unrolled_codes_to_the_converged_ones():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((8, 20)) + 1.0
    x = rng.random((50, 8)) @ rows
    exact = encode(x, rows, 0.2)
    errors = [np.abs(UnrolledAdmm.of(rows, 0.2, steps).encode(x) - exact).max() for steps in (2, 10, 80)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-5 * exact.max()


def test_number_of_units_by_the_rule(data):
    model = DFECS(None, n_part_components=ATOMS, sparsity=0.005).fit(data[0])
    assert model.variance_explained_ >= 95
    fewer = DFECS(len(model.components_) - 1, n_part_components=ATOMS, sparsity=0.005).fit(data[0])
    assert fewer.variance_explained_ < 95.5


def test_atoms_by_the_rule():
    x = planted(600)[0]
    model = DFECS(6, part_variance=0.9, sparsity=0.005, rounds=5).fit(x)
    assert 5 <= len(model.dictionary_) <= 40 and model.variance_explained_ > 85


def test_measures_by_hand():
    x, made = np.array([[3.0, 4.0], [0.0, 5.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert variance_explained(x, made) == pytest.approx(50.0)
    assert variance_explained_by_length(x, made) == pytest.approx(50.0)
    assert variance_explained(x, np.array([[3.0, 0.0], [0.0, 5.0]])) == pytest.approx(68.0)
    assert variance_explained_by_length(x, np.array([[3.0, 0.0], [0.0, 5.0]])) == pytest.approx(60.0)
    codes = np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 1e-9]])
    assert active_units(codes) == pytest.approx(1.0) and sparsity_of(codes) == pytest.approx(4 / 6)


def test_saved_and_loaded_is_the_same(data, model, saved):
    loaded = DFECS.load(saved)
    np.testing.assert_array_equal(loaded.transform(data[0][:20]), model.transform(data[0][:20]))
    np.testing.assert_array_equal(loaded.decode(loaded.encode(data[0][:5])), model.inverse_transform(
        model.transform(data[0][:5])
    ))  # fmt: skip
    assert loaded.get_params()["sparsity"] == 0.01


@pytest.mark.parametrize("given", ["face.v1", "face.v1.yaml", "face.v1.onnx", "face.v1.npz"])
def test_a_dot_in_a_name_belongs_to_it(data, model, tmp_path, given):
    card = model.save(tmp_path / given, [f"unit {i}" for i in range(6)], {"what": "test"}, data[0][:100])
    assert card.path == tmp_path / "face.v1.yaml" and card.content["name"] == "face.v1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.v1.npz", "face.v1.onnx", "face.v1.yaml"]


def test_two_versions_are_two_models(data, tmp_path):
    still = np.array([36, 39, 42, 45, 0, 16, 27])
    kpm = data[0][:200].astype(np.float32)
    kpm[:, [*still, *still + 68]] = 0
    person = np.repeat(["a", "b", "c", "d"], 50)
    motions = Motions(kpm / 10, person, np.full(200, np.nan, np.float32), "planted")
    motions.save(tmp_path / "planted.npz")
    atoms = ",".join(f"{part}=1" for part in ATOMS)
    words = ["train", "dfecs", "--data", f"motions:{tmp_path / 'planted.npz'}", "--units", "2", "--part-atoms", atoms]
    for version in ("face.v1", "face.v2"):
        assert main([*words, "--out", str(tmp_path / "out" / version)]) == 0
    made = [f"face.v{i}{ending}" for i in (1, 2) for ending in (".npz", ".onnx", ".yaml", "_report.html")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(made)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sparsity", "-1"], "--sparsity is -1; a number of at least 0 is expected"),
        (["--sparsity", "nan"], "--sparsity is nan; a number of at least 0 is expected"),
        (["--units", "-3"], "--units is -3; at least 1 is expected, or 0 for the 95 % rule"),
        (["--part-atoms", "jaw=0"], "--part-atoms has jaw=0; at least 1 is expected"),
        (["--part-atoms", "ears=2"], "--part-atoms has ears=2; at least 1 is expected for a part of jaw, "),
        (["--seed", "-1"], "--seed is -1"),
        (["--people", "2"], "--people is 2; at least 6 are expected for ict"),
        (["--people", "5"], "--people is 5; at least 6 are expected for ict"),
        (["--people", "2", "--data", "recording:none"], "--people is 2; at least 3 are expected for ict, recording"),
        (["--people", "1", "--data", "ict-posed"], "--people is 1; at least 3 are expected for ict, ict-posed"),
        (["--out", "."], "--out is '.'; the name of a model is expected"),
        (["--out", "/proc/mine"], "/proc cannot be written to"),
        (["--keep-motions", "/proc/mine"], "/proc cannot be written to"),
    ],
)
def test_wrong_options_are_told_before_the_data_are_read(options, words, monkeypatch, capsys, tmp_path):
    def read(*_, **__):
        raise AssertionError("the data were read")

    monkeypatch.setattr("facial_coding_ros.commands.train_dfecs.open_data", read)
    assert main(["train", "dfecs", "--data", "ict", "--out", str(tmp_path / "own"), *options]) == 1
    assert words in capsys.readouterr().err


def test_the_live_graph_is_exact(data, model, saved):
    encoder = DfecsEncoder.load(DfecsSettings(model=str(saved)))
    assert encoder.names == tuple(f"unit {i}" for i in range(6))
    motions = [Motion(row.astype(np.float32), np.zeros((468, 3), np.float32)) for row in data[0][:64]]
    codes = encoder.encode(motions)
    rows, lengths = unit_rows(model.components_)
    expected = (
        sparse_encode(data[0][:64], rows, algorithm="lasso_cd", alpha=model.alpha_, positive=True, max_iter=100000)
        / lengths
    )
    assert codes.dtype == np.float32 and codes.shape == (64, 6)
    assert np.abs(codes - expected).max() < 1e-4 * expected.max()
    assert np.abs(codes[:1] - encoder.encode(motions[:1])).max() < 1e-5
    assert encoder.encode([]).shape == (0, 6)


def test_the_shipped_model_is_exact_and_has_names():
    encoder = DfecsEncoder.load()
    assert len(encoder.names) == 16 == len(set(encoder.names))
    shipped = DFECS.load("dfecs.yaml")
    rng = np.random.default_rng(0)
    x = rng.random((40, 16)) * (rng.random((40, 16)) < 0.3) @ shipped.components_ + rng.standard_normal((40, 136))
    codes = encoder.encode([Motion(row.astype(np.float32), np.zeros((468, 3), np.float32)) for row in x])
    rows, lengths = unit_rows(shipped.components_)
    expected = sparse_encode(x, rows, algorithm="lasso_cd", alpha=shipped.alpha_, positive=True, max_iter=200000)
    assert np.abs(codes - expected / lengths).max() < 1e-4 * (expected / lengths).max()


def test_the_node_needs_no_training_library():
    program = (
        "import sys; from facial_coding_ros.coding.dfecs import DfecsEncoder; DfecsEncoder.load(); "
        "print(sorted({'sklearn', 'torch', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    root = REPOSITORY
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    assert "sklearn" not in done.stdout and "torch" not in done.stdout and "matplotlib" not in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:4], "4 motions are fewer than the 6 components"),
        (lambda x: np.where(np.arange(136) == 7, np.nan, x), "not finite"),
        (lambda x: x[:, :100], "(n, 136) is expected"),
        (lambda x: x * 0, "all motions are zero"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(data, change, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        DFECS(6, n_part_components=ATOMS).fit(change(data[0]))


def test_unknown_part_and_wrong_codes_are_refused(data, model):
    with pytest.raises(ValueError, match="ears"):
        DFECS(6, n_part_components={"ears": 2}).fit(data[0])
    with pytest.raises(ValueError, match=r"\(n, 6\) is expected"):
        model.inverse_transform(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="once"):
        Layout("3", 3, {"a": (0, 1), "b": (1, 2)})


def change_card(path, **entries):
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | entries))


def test_foreign_and_damaged_models_are_refused(saved):
    def refused(words):
        with pytest.raises(ModelError, match=words):
            _ = DfecsEncoder.load(DfecsSettings(model=str(saved))).session

    original = saved.read_text()
    change_card(saved, scheme="mesh468")
    refused("scheme 'mesh468'")
    saved.write_text(original)
    change_card(saved, kind="facs")
    refused("kind is 'facs'")
    saved.write_text(original)
    change_card(saved, names=["one"])
    refused("expected: codes .n, 1.")
    saved.write_text("a: [1")
    refused("not a readable model card")
    saved.write_text(original)
    graph = saved.with_suffix(".onnx")
    graph.write_bytes(graph.read_bytes()[:-7])
    refused("sha256 differs")
    graph.unlink()
    refused("is missing")
    with pytest.raises(FileNotFoundError, match="no_such_model"):
        DfecsEncoder.load(DfecsSettings(model="no_such_model.yaml"))
