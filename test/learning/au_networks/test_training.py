# SPDX-License-Identifier: Apache-2.0
"""Each network learns on drawn faces, CPU alone: the loss falls, F1 on people it never saw is above chance."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from facial_coding_ros.au_networks.specs import BP4D_AUS, DISFA_AUS, NetworkSpec
from facial_coding_ros.cli import main
from facial_coding_ros.learning.au_networks import checkpoints
from facial_coding_ros.learning.au_networks.evaluation import predict
from facial_coding_ros.learning.au_networks.folds import split
from facial_coding_ros.learning.au_networks.heatmaps import attention, sheet
from facial_coding_ros.learning.au_networks.initialization import initialize
from facial_coding_ros.learning.au_networks.metrics import counts, f1_of, landmark_errors, score
from facial_coding_ros.learning.au_networks.networks import Batch, build
from facial_coding_ros.learning.au_networks.prepared import PreparedFaces
from facial_coding_ros.learning.au_networks.recipes import Recipe, RecipeError, read_recipe, recipe_names
from facial_coding_ros.learning.au_networks.samples import FaceSamples, collate
from facial_coding_ros.learning.au_networks.training import HISTORY, LAST, AuTrainingSettings, ComputePlace, Trainer
from facial_coding_ros.learning.studies.drawn_faces import prepared_faces

from ...conftest import REPOSITORY

AUS = (12, 26)
CPU = ComputePlace(torch.device("cpu"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> PreparedFaces:
    return prepared_faces(tmp_path_factory.mktemp("drawn") / "faces", people=36, pictures=5, aus=AUS)


def recipe(network: str, epochs: int, stage: int = 1, **changes) -> Recipe:
    spec = NetworkSpec(network, AUS, stage, backbone="resnet18", width=8)
    settings = {"epochs": epochs, "batch": 8, "learning_rate": 2e-3, "workers": 0, **changes}
    return Recipe(spec, AuTrainingSettings(**settings))


def train(faces: PreparedFaces, chosen: Recipe, out: Path, start: Path | None = None) -> list[dict[str, float]]:
    trained, tested = split(faces, 1)
    model = initialize(chosen, faces, faces.rows(trained), start=start)
    return Trainer(model, faces, trained, tested, chosen.settings, out, CPU).run()


def chance(faces: PreparedFaces) -> float:
    """Mean F1 on the tested people of the better of the blind predictions: always present, never, or by lot."""
    labels = faces.labels[faces.rows(split(faces, 1)[1])]
    return float(f1_of(counts(np.ones(labels.shape), labels)).mean())


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trained")


RECIPES = {
    "me_graphau": recipe("me_graphau", 6),
    "jaa_net": recipe("jaa_net", 4),
    # Sixteen layers without batch norm: small steps, and many.
    "eac_net": recipe("eac_net", 7, learning_rate=2e-4, batch=4, schedule="constant"),
}


@pytest.mark.parametrize("network", RECIPES)
def test_each_network_learns(network, faces, out):
    history = train(faces, RECIPES[network], out / network)
    losses = [epoch["loss"] for epoch in history]
    assert losses[-1] < 0.8 * losses[0], losses
    last = history[-1]
    assert last["test_f1"] > chance(faces) + 0.05, (history, chance(faces))
    assert last["test_accuracy"] > 0.65, history
    if network == "jaa_net":
        assert last["test_landmark_error"] < 0.1


@pytest.mark.parametrize("network", ["me_graphau", "eac_net"])
def test_stage_two_goes_on_from_stage_one(network, faces, out):
    start = out / network / LAST
    if not start.is_file():
        pytest.skip("needs the network that test_each_network_learns trains")
    changes = {"frozen_groups": 4, "batch": 4} if network == "eac_net" else {}
    chosen = recipe(network, 5 if network == "eac_net" else 2, stage=2, learning_rate=1e-3, **changes)
    before, _ = checkpoints.load(start)
    history = train(faces, chosen, out / f"{network}_2", start)
    assert history[-1]["loss"] < history[0]["loss"], history
    assert history[-1]["test_f1"] > chance(faces), history
    if network == "eac_net":  # E-Net's features are fixed
        after, _ = checkpoints.load(out / f"{network}_2" / LAST)
        for (name, old), new in zip(before.net.trunk.named_parameters(), after.net.trunk.parameters(), strict=False):
            assert torch.equal(old, new), name


def test_resumed_training_ends_where_it_would_have_ended(tmp_path):
    faces = prepared_faces(tmp_path / "faces", 6, 4, AUS)
    trained, tested = split(faces, 2)
    chosen = recipe("me_graphau", 2)

    def trainer(folder: str) -> Trainer:
        model = initialize(chosen, faces, faces.rows(trained))
        return Trainer(model, faces, trained, tested, chosen.settings, tmp_path / folder, CPU)

    whole = trainer("whole").run()
    cut = trainer("cut")
    cut.history.append(cut._epoch(0) | cut._test())
    cut._save()  # as if ended after the first epoch
    again = trainer("cut")
    assert again.resume() and again.run() == whole
    assert json.loads((tmp_path / "cut" / HISTORY).read_text()) == whole
    one, two = (checkpoints.load(tmp_path / name / LAST)[0].net.state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = dataclasses.replace(chosen.settings, learning_rate=1e-5)
    model = initialize(chosen, faces, faces.rows(trained))
    with pytest.raises(checkpoints.CheckpointError, match="other settings"):
        Trainer(model, faces, trained, tested, other, tmp_path / "cut", CPU).resume()


def test_commands_from_training_to_a_page(tmp_path, capsys):
    faces = prepared_faces(tmp_path / "faces", 6, 2, AUS)
    words = ["train", "au", "--recipe", "me_graphau_bp4d_stage1", "--data", str(faces.root), "--backbone", "resnet18"]
    for change in ("aus=[12, 26]", "width=8", "epochs=1", "batch=4", "workers=0"):
        words += ["--set", change]
    for fold in (1, 3):
        assert main([*words, "--fold", str(fold), "--out", str(tmp_path / f"fold{fold}")]) == 0
    assert main([*words, "--fold", "1", "--out", str(tmp_path / "fold1")]) == 1
    assert "--resume" in capsys.readouterr().err
    found = [str(tmp_path / f"fold{fold}" / LAST) for fold in (1, 3)]
    test = ["evaluate", "au", "--data", str(faces.root), "--out", str(tmp_path / "result"), "--checkpoint"]
    assert main([*test, *found]) == 0
    page = (tmp_path / "result" / "page.html").read_text()
    assert "ME-GraphAU resnet18, stage 1" in page and "heatmaps.png" in page and "GMAC a face" in page
    assert main([*test, *found, "--no-cost", "--compare", str(tmp_path / "result" / "result.yaml")]) == 0
    page = (tmp_path / "result" / "page.html").read_text()
    assert page.count("<td>ME-GraphAU resnet18, stage 1") == 2 * (3 + 1 + 1)
    assert page.count("Where ME-GraphAU resnet18, stage 1 looks") == 2 and "heatmaps_1.png" in page
    assert (tmp_path / "result" / "heatmaps_1.png").is_file()
    assert main([*test, found[0], "--fold", "2"]) == 1  # trained on those people
    assert "was trained on" in capsys.readouterr().err


def test_a_training_goes_on_with_its_own_people_and_faces_alone(tmp_path, capsys):
    faces = prepared_faces(tmp_path / "faces", 6, 2, AUS)
    words = ["train", "au", "--recipe", "me_graphau_bp4d_stage1", "--backbone", "resnet18", "--resume"]
    for change in ("aus=[12, 26]", "width=8", "epochs=1", "batch=4", "workers=0"):
        words += ["--set", change]
    words += ["--out", str(tmp_path / "out"), "--data"]
    for _ in range(2):
        assert main([*words, str(faces.root), "--fold", "1"]) == 0
    capsys.readouterr()
    assert main([*words, str(faces.root), "--fold", "2"]) == 1
    message = capsys.readouterr().err
    assert "fold was 1, is 2; trained_on" in message and "tested_on" in message and "another folder" in message
    others = prepared_faces(tmp_path / "others", 6, 2, AUS, seed=1)  # people of the same names
    assert main([*words, str(others.root), "--fold", "1"]) == 1
    assert "index_sha256 differs" in capsys.readouterr().err
    words[words.index("--out") + 1] = "/proc/mine"
    assert main([*words, str(faces.root)]) == 1
    assert "/proc/mine cannot be written to" in capsys.readouterr().err


@pytest.mark.parametrize("people", [list, tuple])
def test_an_unfinished_training_does_not_go_on_with_another_fold(people, tmp_path):
    faces = prepared_faces(tmp_path / "faces", 6, 2, AUS)
    chosen = recipe("me_graphau", 2)

    def trainer(fold: int, kind: type) -> Trainer:
        trained, tested = split(faces, fold)
        about = {"fold": fold, "trained_on": kind(trained), "tested_on": kind(tested)}
        model = initialize(chosen, faces, faces.rows(trained))
        return Trainer(model, faces, trained, tested, chosen.settings, tmp_path / "out", CPU, about)

    cut = trainer(1, people)
    cut.history.append({"loss": 1.0})
    cut._save()
    assert trainer(1, list).resume()
    with pytest.raises(checkpoints.CheckpointError, match=r"last\.pth is of other faces .* fold was 1, is 2"):
        trainer(2, list).resume()


def test_two_processes_train_as_one_network(tmp_path):
    faces = prepared_faces(tmp_path / "faces", 6, 2, AUS)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "facial_coding_ros.cli"]
    words += ["train", "au", "--recipe", "me_graphau_bp4d_stage1", "--backbone", "resnet18", "--data", str(faces.root)]
    for change in ("aus=[12, 26]", "width=8", "epochs=2", "batch=4", "workers=0"):
        words += ["--set", change]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words, "--out", str(tmp_path / "out")], env=environment, capture_output=True, text=True,
        timeout=200, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("epoch 2 of 2") == 1  # the first process alone speaks and writes
    assert len(json.loads((tmp_path / "out" / HISTORY).read_text())) == 2


def test_published_recipes():
    names = recipe_names()
    assert {"eac_net_bp4d_stage2", "jaa_net_disfa_stage1", "me_graphau_disfa_stage2"} <= set(names)
    for name in names:
        chosen = read_recipe(name)
        assert chosen.spec.aus == (BP4D_AUS if "bp4d" in name else DISFA_AUS)
        assert name.startswith(chosen.spec.network) and name.endswith(str(chosen.spec.stage))
    jaa = read_recipe("jaa_net_bp4d_stage1").settings
    assert (jaa.epochs, jaa.learning_rate, jaa.step_epochs, jaa.step_factor) == (12, 0.01, 2, 0.3)
    assert read_recipe("me_graphau_bp4d_stage2").settings.edge_weight == 0.05


def test_changes_of_a_recipe():
    changed = read_recipe("me_graphau_bp4d_stage1").changed(["learning_rate=2e-3", "schedule=constant", "aus=[12, 26]"])
    assert changed.settings.learning_rate == 0.002 and changed.settings.schedule == "constant"
    assert changed.spec.aus == (12, 26)


@pytest.mark.parametrize(
    ("change", "message"),
    [("epochs=0", "epochs is 0"), ("colour=3", "NAME=VALUE"), ("aus=[1, 1]", "none twice"), ("width=7", "Width 7")],
)
def test_wrong_changes_of_a_recipe(change, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe("jaa_net_bp4d_stage1").changed([change])


def test_score_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(12), 30).astype(str)
    labels = rng.integers(0, 2, (360, 3))
    probability = np.clip(labels * 0.4 + rng.uniform(0, 0.7, labels.shape), 0, 1)
    labels[::7, 1] = -1
    result = score(probability, labels, people, (1, 2, 4))
    for column in range(3):
        known = labels[:, column] >= 0
        said, true = probability[known, column] >= 0.5, labels[known, column]
        assert result.f1[column] == pytest.approx(metrics.f1_score(true, said))
        assert result.accuracy[column] == pytest.approx(metrics.accuracy_score(true, said))
    assert (result.f1_low < result.f1).all() and (result.f1 < result.f1_high).all()
    alone = score(probability, labels, np.arange(360).astype(str), (1, 2, 4))
    assert alone.people == 360 and result.people == 12


def test_landmark_errors_by_hand():
    landmarks = np.zeros((1, 49, 2))
    landmarks[0, 25:31, 0] = 10.0
    predicted = landmarks + np.array([0.6, 0.8])
    np.testing.assert_allclose(landmark_errors(predicted, landmarks), [0.1])


@pytest.mark.parametrize("network", ["eac_net", "jaa_net", "me_graphau"])
def test_heat_maps(network, faces):
    spec = NetworkSpec(network, AUS, backbone="resnet18", width=8)
    model = build(spec).eval()
    samples = FaceSamples(faces, np.arange(2), spec, training=False)
    batch = collate([samples[0], samples[1]])
    maps = attention(model, batch.faces, batch.landmarks)
    assert maps.shape[:2] == (2, 2) and (maps >= 0).all() and maps.max() <= 1.0 + 1e-6
    if network == "eac_net":  # brightest at the mouth corners
        row, column = np.unravel_index(maps[0, 0].argmax(), maps[0, 0].shape)
        corners = batch.landmarks[0, [48, 54]].numpy() * 100 / 224
        assert np.abs(corners - (column, row)).max(1).min() < 1.5
    pictures = [face.numpy().astype(np.uint8).transpose(1, 2, 0) for face in batch.faces]
    side = spec.alignment.crop
    assert sheet(pictures, maps, np.zeros((2, 2)), AUS).shape == (2 * side, 3 * side, 3)


def test_answers_belong_to_their_rows(faces):
    model = build(NetworkSpec("jaa_net", AUS, width=8))
    rows = np.array([7, 3, 11])
    predictions = predict(model, faces, rows, torch.device("cpu"), batch=2, quiet=True)
    assert predictions.people.tolist() == faces.subjects[rows].tolist() and predictions.landmark_error.shape == (3,)
    np.testing.assert_array_equal(predictions.labels, faces.labels[rows])
    alone = predict(model, faces, rows[1:2], torch.device("cpu"), quiet=True)
    np.testing.assert_allclose(alone.probability[0], predictions.probability[1], atol=1e-5)


def test_an_unknown_label_changes_nothing_learnt(faces):
    """What a network gets from a frame does not depend on the face when all its labels are unknown."""
    for network in ("eac_net", "jaa_net", "me_graphau"):
        model = build(NetworkSpec(network, AUS, backbone="resnet18", width=8)).eval()
        side = model.spec.alignment.crop
        landmarks = torch.rand(1, 68, 2) * side
        batch = Batch(torch.rand(1, 3, side, side) * 255, landmarks, torch.full((1, 2), -1))
        terms = model.loss(batch, torch.ones(2))
        assert all(terms[name].item() == 0 for name in terms if name not in ("landmarks", "whole_dice", "local_dice"))
