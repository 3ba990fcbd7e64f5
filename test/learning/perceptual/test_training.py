# SPDX-License-Identifier: Apache-2.0
"""Training, taking it up again, and the way from a trained M2 to the files the robot runs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the robot does not")

from facial_coding_ros.cli import main  # noqa: E402
from facial_coding_ros.coding.expression import EXPRESSION_LABELS, ExpressionSettings  # noqa: E402
from facial_coding_ros.coding.perceptual.card import write_card  # noqa: E402
from facial_coding_ros.coding.perceptual.classifier import calibrated, fit_classifier, reliability, softmax  # noqa: E402
from facial_coding_ros.coding.perceptual.coder import CLASSIFIER, ENCODER, PerceptualCoder, lead  # noqa: E402
from facial_coding_ros.face_model.ict import IctFaces  # noqa: E402
from facial_coding_ros.inference import ModelFile  # noqa: E402
from facial_coding_ros.keypoints import RegistrationSettings  # noqa: E402
from facial_coding_ros.learning.motions.posed import PosedSettings, posed_set  # noqa: E402
from facial_coding_ros.learning.perceptual.evaluation import baselines, linear_svm, markdown, summary, table  # noqa: E402
from facial_coding_ros.learning.perceptual.live_models import fit_live_classifier, write_live_models  # noqa: E402
from facial_coding_ros.learning.perceptual.settings import TrainingSettings  # noqa: E402
from facial_coding_ros.learning.perceptual.training import Training, TrainingData, encode  # noqa: E402
from facial_coding_ros.learning.perceptual.training_runs import load_run, save_run  # noqa: E402
from facial_coding_ros.learning.perceptual.triplets import artificial_triplets, satisfied  # noqa: E402
from facial_coding_ros.types import Neutral, NeutralState, Registered  # noqa: E402

SMALL = TrainingSettings(
    iterations=60, anneal_iterations=60, evaluate_every=20, learning_rate=2e-3, encoder="64,32", decoder="64", latent=8,
    batch=64, samples=1, triplet_batch=32, triplet_samples=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    split = posed_set(PosedSettings(people=20, contempt=True), seed=0).split(0)
    triplets = [artificial_triplets(part, 600, i) for i, part in enumerate(split)]
    return split, triplets


def training(data, **changes):
    split, triplets = data
    settings = dataclasses.replace(SMALL, **changes)
    return Training(TrainingData(split.training, split.validation, triplets[0], triplets[1]), settings)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    trained = training(data, iterations=300, anneal_iterations=300, evaluate_every=100)
    trained.run()
    save_run(folder, trained, "68", {"data": "posed", "set_seed": 0})
    return load_run(folder)


@pytest.fixture(scope="module")
def live(run, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_live_models(run, data[0], folder, "facial_coding train perceptual")
    return folder


def test_training_improves_the_bound_and_the_triplets(run, data):
    split, triplets = data
    fresh = training(data)
    before = satisfied(encode(fresh.model, split.test), triplets[2]).mean()
    after = satisfied(encode(run.model, split.test), triplets[2]).mean()
    assert after > before + 0.05
    assert run.validation_elbo > 0


def test_same_seed_same_model_other_seed_other_model(data):
    one, two, other = (training(data, iterations=15, seed=s).run() for s in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.mu.weight, other.mu.weight)


def test_a_stopped_run_goes_on_as_if_it_had_not_been(data, tmp_path):
    whole = training(data).run()
    checkpoint = tmp_path / "checkpoint.npz"

    class StoppedError(Exception):
        pass

    def stop(iteration, _):
        if iteration == 45:  # the last evaluation was at 40
            raise StoppedError

    with pytest.raises(StoppedError):
        training(data).run(checkpoint, stop)
    resumed = training(data)
    resumed.load(checkpoint)
    assert resumed.iteration == 40
    resumed = training(data)
    model = resumed.run(checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), model.parameters(), strict=True))
    assert [h["iteration"] for h in resumed.history] == [20, 40, 60]
    with pytest.raises(ValueError, match=r"gamma was 0\.04, is 0\.1"):
        training(data, gamma=0.1).run(checkpoint)


def test_a_checkpoint_of_other_data_is_refused(data, tmp_path):
    split, triplets = data
    small = {"iterations": 2, "evaluate_every": 2}
    checkpoint = tmp_path / "checkpoint.npz"
    training(data, **small).run(checkpoint)
    others = posed_set(PosedSettings(people=20, contempt=True), seed=1).split(0)
    for other in (
        (others, triplets),
        (split._replace(validation=others.validation), triplets),
        (split, [artificial_triplets(part, 600, 9) for part in split]),
    ):
        with pytest.raises(ValueError, match="on other faces or triplets"):
            training(other, **small).run(checkpoint)
    training(data, **small).run(checkpoint)
    with np.load(checkpoint) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    del about["data_sha256"]  # as written before there was such an entry
    np.savez(checkpoint, **{**arrays, "about": np.array(json.dumps(about))})
    with pytest.raises(ValueError, match="on other faces or triplets"):
        training(data, **small).run(checkpoint)


def test_the_model_is_the_one_with_the_best_bound(data):
    trained = training(data, iterations=40, learning_rate=0.05)  # jumps about
    trained.run()
    assert trained.best_elbo == max(h["validation_elbo"] for h in trained.history)


def test_m2_without_triplets_is_refused(data):
    with pytest.raises(ValueError, match="M2 learns from triplets"):
        Training(TrainingData(data[0].training, data[0].validation), SMALL)


def registered(points):
    return Registered(np.zeros((68, 2), np.float32), points.astype(np.float32))


def pairs(count, seed=0):
    """Registered faces and ready neutrals of ICT people who smile more and more."""
    ict, rng = IctFaces.load(), np.random.default_rng(seed)
    people = ict.people(count, rng)
    faces = [p + ict.au_offsets({12: i / count, 6: 0.5 * i / count}) for i, p in enumerate(people)]
    return [registered(f) for f in faces], [Neutral(NeutralState.READY, registered(p), 0.005) for p in people]


def test_onnx_equals_torch(run, live, data):
    """Encoder and classifier to 1e-5, preprocessing included: place and size of the face do not matter."""
    import onnxruntime as ort

    split, _ = data
    faces = split.test
    latents = encode(run.model, faces)
    session = ort.InferenceSession((live / ENCODER).read_bytes(), providers=["CPUExecutionProvider"])
    moved = (37 * faces.points + [3, -2, 5]).astype(np.float32)
    neutral = faces.neutrals[faces.person]
    for points in (faces.points, moved):
        got = session.run(None, {"points": points, "neutral": (0.5 * neutral - 1).astype(np.float32)})[0]
        assert np.abs(got - latents).max() < 1e-5 * max(1, np.abs(latents).max())
    classifier = fit_live_classifier(run, split)
    session = ort.InferenceSession((live / CLASSIFIER).read_bytes(), providers=["CPUExecutionProvider"])
    probability, affect = session.run(["probability", "affect"], {"latent": latents})
    assert np.abs(probability - classifier.probability(latents)).max() < 1e-5
    assert np.abs(affect - classifier.affect(latents)).max() < 1e-5
    assert np.allclose(probability.sum(1), 1, atol=1e-5)


def test_coder_in_one_batch_equals_one_by_one(live):
    coder = PerceptualCoder(encoder=live / ENCODER, classifier=live / CLASSIFIER)
    faces, neutrals = pairs(5)
    latents, expressions = coder.estimate(faces, neutrals)
    assert latents.shape == (5, 8) and len(expressions) == 5
    for i in range(5):
        one, expression = coder.estimate(faces[i : i + 1], neutrals[i : i + 1])
        assert np.allclose(one[0], latents[i], atol=1e-5)
        assert np.allclose(expression[0].probability, expressions[i].probability, atol=1e-5)
    for expression in expressions:
        assert expression.labels == EXPRESSION_LABELS
        assert expression.probability.sum() + expression.unsure == pytest.approx(1, abs=1e-5)
        assert -1 <= expression.valence <= 1 and -1 <= expression.arousal <= 1
    assert coder.estimate([], []) == (pytest.approx(np.empty((0, 8))), [])


def test_without_a_neutral_nothing_is_made_up(live):
    coder = PerceptualCoder(encoder=live / ENCODER, classifier=live / CLASSIFIER)
    faces, neutrals = pairs(3)
    neutrals[1] = Neutral(NeutralState.NONE, None, float("nan"))
    latents, expressions = coder.estimate(faces, neutrals, ["a", "b", "c"], 10)
    assert np.isnan(latents[1]).all() and np.isfinite(latents[[0, 2]]).all()
    assert expressions[1].unsure == 1 and expressions[1].label == "unsure"
    assert np.isfinite([expressions[1].valence, expressions[1].arousal]).all()
    distrusted = coder.estimate(faces[:1], neutrals[:1], trust=[0.2])[1][0]
    assert distrusted.unsure > 0.79 and distrusted.label == "unsure"


def test_one_euro_or_none_over_time(live):
    faces, neutrals = pairs(2)
    by = {}
    for name in ("one_euro", "none"):
        settings = ExpressionSettings(latent_filter=name)
        coder = PerceptualCoder(settings, live / ENCODER, live / CLASSIFIER)
        coder.estimate(faces[:1], neutrals[:1], ["a"], 0)
        by[name] = coder.estimate(faces[1:], neutrals[:1], ["a"], 33_000_000)[0][0]
    raw = PerceptualCoder(encoder=live / ENCODER, classifier=live / CLASSIFIER).estimate(faces, neutrals[:1] * 2)[0]
    assert np.allclose(by["none"], raw[1], atol=1e-5)
    assert 0 < np.linalg.norm(by["one_euro"] - raw[0]) < np.linalg.norm(raw[1] - raw[0])


def edited(live, tmp_path, name, **changes):
    """Copies of the live files with the card of one changed."""
    for file in (ENCODER, CLASSIFIER):
        (tmp_path / file).write_bytes((live / file).read_bytes())
        write_card(tmp_path / file, ModelFile.read(live / file).card | (changes if file == name else {}))
    return {"encoder": tmp_path / ENCODER, "classifier": tmp_path / CLASSIFIER}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (ENCODER, {"keypoints": "bnd83"}, "for keypoints 'bnd83'"),
        (ENCODER, {"keypoint_order": "0" * 64}, "another order or choice of the 68 keypoints"),
        (ENCODER, {"neutral": "mean face"}, "expects as neutral 'mean face'"),
        (ENCODER, {"dense_points": "levelled"}, "dense points 'levelled'"),
        (ENCODER, {"kind": "facs"}, "expected a 'perceptual encoder'"),
        (CLASSIFIER, {"latent_model_sha256": "0"}, "latents of another model"),
        (CLASSIFIER, {"labels": ["happy", "sad"]}, "this pipeline's expressions are neutral, happy"),
    ],
)
def test_unfit_models_are_refused_by_name(live, tmp_path, name, changes, message):
    files = edited(live, tmp_path, name, **changes)
    with pytest.raises(ValueError, match=message) as refused:
        PerceptualCoder(**files)
    assert name in str(refused.value)


def test_damaged_and_missing_files_are_refused(live, tmp_path):
    files = edited(live, tmp_path, "")
    with pytest.raises(ValueError, match="dense points 'rotated, pose corrected'; here: 'levelled'"):
        PerceptualCoder(**files, registration=RegistrationSettings(frontalisation="none"))
    (tmp_path / ENCODER).write_bytes((live / ENCODER).read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged or not the file that"):
        PerceptualCoder(**files)
    (tmp_path / ENCODER).with_suffix(".yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"perceptual_m2\.yaml"):
        PerceptualCoder(**files)


def test_the_coder_needs_no_torch(live):
    code = (
        "import sys, pathlib; from facial_coding_ros.coding.perceptual.coder import PerceptualCoder as C;"
        f"f = pathlib.Path({str(live)!r}); C(encoder=f / {ENCODER!r}, classifier=f / {CLASSIFIER!r});"
        "bad = {'torch', 'sklearn', 'onnx', 'matplotlib'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_calibration_undoes_overconfidence():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 8, 4000)
    latents = np.eye(8, dtype=np.float32)[label] + 0.7 * rng.standard_normal((4000, 8)).astype(np.float32)
    degree = np.where(label == 0, 0, 4)
    first, second, third = slice(0, 1500), slice(1500, 3000), slice(3000, 4000)
    plain = fit_classifier(latents[first], label[first], degree[first])
    loud = dataclasses.replace(plain, scale=20.0)
    better = calibrated(loud, latents[second], label[second])
    errors = [reliability(c.probability(latents[third]), label[third])[1] for c in (loud, better)]
    assert errors[1] < 0.05 < errors[0]
    before, after = (c.probability(latents[third]).argmax(1) == label[third] for c in (plain, better))
    assert after.mean() > before.mean() - 0.03


def test_reliability_by_hand():
    probability = np.array([[0.9, 0.1], [0.95, 0.05], [0.45, 0.55]], np.float32)
    rows, error = reliability(probability, np.array([0, 1, 1]))
    assert rows == pytest.approx(np.array([[0.55, 1, 1], [0.925, 0.5, 2]]))
    assert error == pytest.approx((0.45 * 1 + 0.425 * 2) / 3)
    assert softmax(np.array([[0.0, np.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))


def test_lead_of_the_likeliest_label():
    shares = np.array([[0.5, 0.5, 0], [0.6, 0.4, 0], [0.1, 0.0, 0.9]], np.float32)
    assert lead(shares, 0.4) == pytest.approx([0, 0.5, 1])


def test_table_keeps_what_it_has(tmp_path, data):
    path = tmp_path / "table.json"
    settings = dataclasses.replace(SMALL, iterations=5, evaluate_every=5)
    posed = PosedSettings(people=20)
    rows = table(settings, posed, [0], path)
    assert set(rows["0"]) == {"None", "PCA", "VAE", "M1", "M2", "None, minus neutral", "PCA, minus neutral"}
    again = table(settings, posed, [0], path, progress=lambda text: pytest.fail("computed again"))
    assert again == rows
    with pytest.raises(ValueError, match="other settings"):
        table(dataclasses.replace(settings, gamma=1.0), posed, [0], path)
    two = summary({"0": rows["0"], "1": {k: {**v, "accuracy": v["accuracy"] + 0.1} for k, v in rows["0"].items()}})
    # Two values 0.1 apart: standard error 0.05, t(1 degree) 12.706.
    assert two["PCA"]["accuracy"] == pytest.approx((rows["0"]["PCA"]["accuracy"] + 0.05, 12.706 * 0.05), abs=1e-3)
    assert "| PCA | 8 |" in markdown(two)


def test_baselines_match_their_definitions(data):
    split, _ = data
    representation = baselines(split, 5)
    assert np.array_equal(representation["None"](split.test), split.test.x)
    centred = split.training.x - split.training.x.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    ours = np.abs(representation["PCA"](split.test))
    assert ours == pytest.approx(np.abs((split.test.x - split.training.x.mean(0)) @ axes[:5].T), abs=2e-3)
    svm = linear_svm(split, representation["None, minus neutral"])
    assert svm.coef_.shape == (8, 204)  # one against the rest, for each class


def test_commands_train_evaluate_and_report(tmp_path, capsys):
    small = {"people": 20, "iterations": 20, "evaluate-every": 10, "encoder": 32, "decoder": 32, "latent": 4}
    words = [word for name, value in small.items() for word in (f"--{name}", str(value))]
    runs = []
    for model in ("m1", "m2"):
        runs.append(str(tmp_path / model))
        assert main(["train", "perceptual", "--model", model, "--out", runs[-1], *words]) == 0
    assert main(["evaluate", "perceptual", *runs, "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "http" not in page
    assert main(["train", "perceptual", "--out", runs[0], "--model", "m9", *words]) == 1
    assert "model is 'm9'; allowed: one of 'vae', 'm1', 'm2'" in capsys.readouterr().err
    assert main(["train", "perceptual", "--out", runs[0], "--data", "bu3dfe", *words]) == 1
    assert "needs --root" in capsys.readouterr().err
    again = ["train", "perceptual", "--model", "m1", "--out", runs[0], *words]
    before = (tmp_path / "m1" / "model.npz").read_bytes()
    assert main([*again, "--set-seed", "1"]) == 1
    assert "checkpoint.npz is a checkpoint of a run on other faces" in capsys.readouterr().err
    assert (tmp_path / "m1" / "model.npz").read_bytes() == before
    assert main(again) == 0
    checkpoint = tmp_path / "m1" / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    capsys.readouterr()
    assert main(again) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert "checkpoint.npz is damaged" in message and "delete it to begin anew" in message
    for where in ("--out", "--live"):
        model = ["--model", "m2", "--data", "live", "--root", str(tmp_path / "no_such_data"), "--out", runs[1]]
        assert main(["train", "perceptual", *words, *model, where, "/proc/mine"]) == 1
        assert "/proc/mine cannot be written to" in capsys.readouterr().err  # before the data are looked at
    assert main(["evaluate", "perceptual", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "No model.npz" in capsys.readouterr().err
