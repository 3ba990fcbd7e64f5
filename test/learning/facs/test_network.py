# SPDX-License-Identifier: Apache-2.0
"""The network's graph, calibration and training, on motions small enough to be quick."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import onnxruntime as ort
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from facial_coding_ros.action_units import CODES
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.learning.facs.disturbances import NEUTRAL_ERROR, Disturbances, neutral_errors
from facial_coding_ros.learning.facs.linear import ideal_shapes, ridge, sparse_code
from facial_coding_ros.learning.facs.motion_sets import MotionSet, joined, mirrored
from facial_coding_ros.learning.facs.network import FURTHEST, Projection, from_onnx, to_onnx
from facial_coding_ros.learning.facs.output_calibration import calibrate, platt
from facial_coding_ros.learning.facs.training import NetworkOptions, concordance, overtaken, train

USED = (1, 12, 27)


def motions(count, seed, noise=0.004):
    """Ideal motions of three units, each side by itself, with noise; every fourth face rests."""
    rng, faces = np.random.default_rng(seed), IctFaces.load()
    sides = np.zeros((count, 2, len(CODES)), np.float32)
    motion = np.empty((count, 468, 3), np.float32)
    for row in range(count):
        right, left = ({c: rng.uniform(0, 1) * (row % 4 > 0) for c in USED} for _ in range(2))
        left[27] = right[27]
        motion[row] = faces.au_offsets(right, left)
        for side, amounts in enumerate((right, left)):
            for code, amount in amounts.items():
                sides[row, side, CODES.index(code)] = amount
    motion += rng.normal(0, noise, motion.shape).astype(np.float32)
    rest = np.arange(count) % 4 == 0
    numbers = {"person": np.arange(count) // 8, "number": np.where(rest, 0, 9), "group": np.arange(count)}
    numbers |= {"kind": np.zeros(count, int), "style": np.zeros(count, int)}
    numbers["just_found"] = np.zeros(count, bool)
    return MotionSet(motion, sides, turn_deg=np.zeros(count), eye_distance_px=np.full(count, 60.0), **numbers)


def disturbances(data):
    return Disturbances(data.motion[data.resting], 0.1 * data.motion, neutral_errors(40, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def trained():
    data = motions(600, 0)
    options = NetworkOptions(directions=24, hidden=(24,), dropout=0.0, steps=250, batch=128)
    simulated = motions(300, 9)
    network = train(data, disturbances(data), options, (simulated.motion, simulated.sides))
    calibrate(network, motions(200, 1))
    return network


def test_it_learns_and_knows_the_sides(trained):
    test = motions(120, 2)
    sides = trained.sides(test)
    for code in (1, 12):
        at = CODES.index(code)
        for side in (0, 1):
            assert np.corrcoef(sides[:, side, at], test.sides[:, side, at])[0, 1] > 0.95
    assert trained.presence(test.motion)[test.resting, CODES.index(12)].max() < 0.5


def test_the_graph_gives_the_same_and_is_its_own_mirror_image(trained):
    test = motions(16, 3)
    graph = to_onnx(trained)
    read = from_onnx(graph)
    assert to_onnx(read) == graph
    order = np.argsort(-trained.projection.parity, kind="stable")
    np.testing.assert_array_equal(read.projection.weights, trained.projection.weights[:, order])
    np.testing.assert_array_equal(read.projection.parity, trained.projection.parity[order])
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def run(motion, noise_scale=1.3):
        inputs = {"motion": motion, "noise_scale": np.full((len(motion), 1), noise_scale, np.float32)}
        return session.run(["sides", "presence"], inputs)

    sides, presence = run(test.motion)
    noisier = replace(test, turn_deg=np.full(16, 12 * np.sqrt(0.3 - (20 / 60) ** 2)))
    np.testing.assert_allclose(noisier.noise_scale, 1.3, atol=1e-5)
    np.testing.assert_allclose(sides, trained.sides(noisier), atol=2e-4)
    np.testing.assert_allclose(presence, trained.presence(test.motion), atol=2e-4)
    np.testing.assert_allclose(run(mirrored(test.motion))[0], sides[:, ::-1], atol=2e-4)
    assert (run(test.motion, 4.0)[0] <= sides + 1e-6).all()  # more noise never raises an intensity


def test_no_motion_is_read_as_further_than_the_furthest(trained):
    motion = motions(4, 8).motion
    assert (np.abs(trained.projection(1e5 * motion)) > FURTHEST).all()
    bounded = trained.raw(1e5 * motion)
    np.testing.assert_allclose(trained.raw(1e6 * motion), bounded, atol=1e-5)
    session = ort.InferenceSession(to_onnx(trained), providers=["CPUExecutionProvider"])
    inputs = {"motion": (1e6 * motion).astype(np.float32), "noise_scale": np.ones((4, 1), np.float32)}
    expected = np.clip((bounded - trained.threshold) * trained.scale, 0, 1)
    np.testing.assert_allclose(session.run(["sides"], inputs)[0], expected, atol=2e-4)


def test_calibration_leaves_few_resting_faces_with_a_unit(trained):
    data = motions(200, 1)  # what `trained` was calibrated on
    resting = data.take(data.resting)
    assert (trained.sides(resting) > 0.3).any((1, 2)).mean() <= 0.035
    assert (trained.threshold >= 0.0149).all() and (trained.scale >= 1).all() and (trained.scale <= 1.5).all()
    assert trained.scale[CODES.index(12)] == 1


def test_concordance_by_hand():
    rng = np.random.default_rng(10)
    truth = np.zeros((50, 2, len(CODES)), np.float32)
    truth[:] = rng.uniform(0, 1, truth.shape)
    estimate = (0.5 * truth + 0.2 + rng.normal(0, 0.02, truth.shape)).astype(np.float32)
    expected = []
    for k in range(len(CODES)):
        a, b = estimate[:, :, k].ravel().astype(float), truth[:, :, k].ravel().astype(float)
        expected.append(2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))
    found = concordance(*(torch.tensor(values.reshape(50, -1)) for values in (estimate, truth)))
    assert float(found) == pytest.approx(np.mean(expected), abs=1e-3)
    assert float(concordance(*[torch.tensor(truth.reshape(50, -1))] * 2)) == pytest.approx(1, abs=1e-3)


def test_only_smiles_that_are_overtaken_cost():
    truth, estimate = (torch.zeros(3, 2, len(CODES)) for _ in range(2))
    smile, brow = CODES.index(12), CODES.index(4)
    truth[0, 1, smile], truth[1, :, smile], truth[2, :, brow] = 0.6, 0.6, 0.8
    estimate[0, 1, smile], estimate[1, :, smile], estimate[1, 0, brow] = 0.5, 0.4, 0.55
    estimate[2, :, smile] = 0.9  # no smile leads there
    # The second smile alone: 0.55 - 0.4 and the margin of 0.05, the mean of two smiles.
    assert float(overtaken(estimate.reshape(3, -1), truth.reshape(3, -1))) == pytest.approx(0.2 / 2, abs=1e-6)


def test_projection_keeps_the_signal_and_parts_the_sides():
    data = motions(200, 4)
    projection = Projection.fit(data.motion, disturbances(data), 12)
    assert set(projection.parity.tolist()) == {-1.0, 1.0}
    z, other = projection(data.motion), projection(mirrored(data.motion))
    np.testing.assert_allclose(other, z * projection.parity, atol=1e-3)
    x = np.concatenate([data.motion.reshape(200, -1) @ projection.weights, np.ones((200, 1))], 1)
    y = data.sides[:, 0, CODES.index(12)]
    assert np.corrcoef(x @ np.linalg.lstsq(x, y, rcond=None)[0], y)[0, 1] > 0.98


def test_directions_avoid_what_disturbs():
    data, none = motions(200, 4), np.zeros((2, 468, 3), np.float32)
    noise = data.motion[data.resting]
    # Along the strongest motion of all, the jaw's, another tracker differs, or neutrals are off.
    jaw = IctFaces.load().au_offsets({27: 1.0}, {27: 1.0})[None].astype(np.float32)

    def seen(mismatch, neutral):
        first = Projection.fit(data.motion, Disturbances(noise, mismatch, neutral), 1)
        return float(np.abs(first(jaw)).max())

    plain = seen(none, none)
    assert plain > 1 and seen(jaw, none) < 0.2 * plain and seen(none, jaw) < 0.2 * plain


def test_both_sides_count_alike_when_directions_are_chosen():
    data, none = motions(80, 12), np.zeros((2, 468, 3), np.float32)
    right = data.take(data.sides[:, 0].max(1) > data.sides[:, 1].max(1))
    twice = right.with_mirror_images()
    noise = data.motion[data.resting]
    once, both = (Projection.fit(one.motion, Disturbances(noise, none, none), 6) for one in (right, twice))
    np.testing.assert_allclose(np.abs(once(data.motion)), np.abs(both(data.motion)), atol=0.02)
    np.testing.assert_array_equal(once.parity, both.parity)


def test_training_with_errors_of_the_neutral_makes_robust_against_them():
    data, simulated, test = motions(600, 0), motions(300, 9), motions(200, 13)
    errors = 10 * neutral_errors(400, np.random.default_rng(14))
    # So many directions that none of the errors is left out.
    options = NetworkOptions(directions=300, hidden=(24,), dropout=0.0, steps=250, batch=128)
    used = [CODES.index(code) for code in USED]

    def error(trained_with):
        prepared = replace(disturbances(data), neutral=trained_with)
        network = train(data, prepared, options, (simulated.motion, simulated.sides))
        return np.abs(network.raw(test.motion + errors[200:]) - test.sides)[:, :, used].mean()

    assert error(errors[:200]) < 0.5 * error(0 * errors[:200])


def test_errors_of_neutrals_are_differences_of_faces_taken_to_the_front():
    errors = neutral_errors(60, np.random.default_rng(11))
    assert errors.shape == (60, 468, 3)
    assert np.sqrt((errors**2).mean()) == pytest.approx(NEUTRAL_ERROR, rel=1e-3)
    faces = IctFaces.load()
    flat, shape = errors.reshape(60, -1).T, faces.identity.reshape(100, -1).T
    left = flat - shape @ np.linalg.lstsq(shape, flat, rcond=None)[0]
    assert 0.001 < (left**2).mean() / (flat**2).mean() < 0.2  # not quite a sum of shapes: registration took a part


def test_platt_as_scikit_learn():
    rng = np.random.default_rng(5)
    logit = rng.normal(0, 2, 4000)
    present = rng.random(4000) < 1 / (1 + np.exp(-(0.7 * logit - 1)))
    expected = LogisticRegression(C=1e6).fit(logit[:, None], present)
    slope, offset = platt(logit, present)
    assert slope == pytest.approx(expected.coef_[0, 0], rel=0.02)
    assert offset == pytest.approx(expected.intercept_[0], abs=0.03)


@pytest.mark.parametrize("rare", [0.0, 3.0, 6.0])
def test_platt_of_units_that_are_mostly_absent(rare):
    rng = np.random.default_rng(5)
    # As `calibrate` gives them: most near 0, some up to 10.
    logit = np.where(rng.random(20000) < 0.9, rng.normal(0, 0.3, 20000), rng.uniform(0, 10, 20000)).astype(np.float32)
    present = rng.random(20000) < 1 / (1 + np.exp(-(1.2 * logit - rare)))
    expected = LogisticRegression(C=1e6).fit(logit[:, None].astype(float), present)
    slope, offset = platt(logit, present)
    assert slope == pytest.approx(expected.coef_[0, 0], rel=0.02)
    assert offset == pytest.approx(expected.intercept_[0], abs=0.03)


def test_linear_estimators_find_the_unit():
    data, test = motions(300, 6), motions(60, 7)
    noise = data.motion[data.resting]
    for predict in (ideal_shapes(), sparse_code(data, noise), ridge(data, 1e-3)):
        found = predict(test)[:, 0, CODES.index(12)]
        assert np.corrcoef(found, test.sides[:, 0, CODES.index(12)])[0, 1] > 0.9


def test_sets_join_and_mirror():
    data = motions(8, 8)
    both = joined([data, data.with_mirror_images()])
    assert all(len(getattr(both, field.name)) == 24 for field in fields(MotionSet))
    np.testing.assert_array_equal(both.sides[16:, 0], data.sides[:, 1])
