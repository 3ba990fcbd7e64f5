# SPDX-License-Identifier: Apache-2.0
"""The published losses against cases computed by hand, and against PyTorch where it has the same."""

import math

import numpy as np
import pytest
import torch

from facial_coding_ros.learning.au_networks import losses


def test_class_weights_by_hand():
    labels = np.array([[1, 0], [1, 1], [0, -1], [1, 0]])
    rates = losses.occurrence_rates(labels)
    np.testing.assert_allclose(rates, [3 / 4, 1 / 3])  # the unknown one is not counted
    # N r_i^-1 / sum: 2 * (4/3) / (4/3 + 3) and 2 * 3 / (4/3 + 3)
    np.testing.assert_allclose(losses.class_weights(rates), [8 / 13, 18 / 13], rtol=1e-6)


def test_published_class_weights_of_bp4d():
    """ME-GraphAU's weights for its first fold follow from rates that are proportional to their inverses."""
    published = np.array([1.342985, 1.689665, 1.248091, 0.561356, 0.433044, 0.435894, 0.457287, 0.541004, 1.408054,
                          0.722762, 1.493145, 1.666711])  # fmt: skip
    np.testing.assert_allclose(losses.class_weights(0.25 / published), published, atol=2e-6)


def test_an_action_unit_that_never_occurs_has_no_weight():
    with pytest.raises(ValueError, match=r"\[1\]"):
        losses.occurrence_rates([[1, 0], [0, -1]])


def test_eac_cross_entropy_by_hand():
    p = torch.tensor([[0.9, 0.2], [0.5, 0.0]])
    labels = torch.tensor([[1, 0], [-1, 1]])
    expected = -(math.log(0.95 / 1.05) + math.log(0.85 / 1.05) + math.log(0.05 / 1.05)) / 3
    assert losses.eac_cross_entropy(p, labels).item() == pytest.approx(expected, rel=1e-5)
    perfect = losses.eac_cross_entropy(torch.tensor([[1.0, 0.0]]), torch.tensor([[1, 0]]))
    assert perfect.item() == pytest.approx(0.0, abs=1e-6)


def test_weighted_asymmetric_by_hand_with_its_factor_detached():
    p = torch.tensor([[0.8, 0.3]], requires_grad=True)
    labels, weights = torch.tensor([[1, 0]]), torch.tensor([0.5, 1.5])
    loss = losses.weighted_asymmetric(p, labels, weights)
    assert loss.item() == pytest.approx(-(0.5 * math.log(0.8) + 1.5 * 0.3 * math.log(0.7)) / 2, rel=1e-5)
    loss.backward()
    # d/dp of 0.3 log(1 - p) with the 0.3 fixed: -0.3 / (1 - p)
    np.testing.assert_allclose(p.grad, [[-0.5 / 0.8 / 2, 1.5 * 0.3 / 0.7 / 2]], rtol=1e-5)


def test_weighted_asymmetric_leaves_out_the_unknown():
    p, weights = torch.tensor([[0.8, 0.3]]), torch.ones(2)
    got = losses.weighted_asymmetric(p, torch.tensor([[1, -1]]), weights)
    assert got.item() == pytest.approx(-math.log(0.8), rel=1e-5)


def test_pair_classes_by_hand():
    classes = losses.pair_classes(torch.tensor([[1, 0, -1]]))
    assert classes.tolist() == [[3, 2, -1, 1, 0, -1, -1, -1, -1]]  # row j N + k, class 2 y_j + y_k


def test_edge_cross_entropy_against_torch_on_known_pairs():
    torch.manual_seed(0)
    scores, labels = torch.randn(2, 4, 4), torch.tensor([[1, 0], [1, -1]])
    known = torch.cat([scores[0], scores[1, :1]])
    expected = torch.nn.functional.cross_entropy(known, torch.tensor([3, 2, 1, 0, 3]))
    torch.testing.assert_close(losses.edge_cross_entropy(scores, labels), expected)


def log_probability(present: list[list[float]]) -> torch.Tensor:
    p = torch.tensor(present)
    return torch.stack([1 - p, p], 1).log()


def test_weighted_nll_by_hand():
    said = log_probability([[0.8, 0.4], [0.5, 0.9]])
    labels, weights = torch.tensor([[1, 0], [0, -1]]), torch.tensor([0.5, 1.5])
    first = -(math.log(0.8) + math.log(0.5)) / 2
    assert losses.weighted_nll(said, labels, weights).item() == pytest.approx(
        (0.5 * first - 1.5 * math.log(0.6)) / 2, rel=1e-5
    )


def test_weighted_dice_by_hand():
    said = log_probability([[0.8, 0.4], [0.5, 0.9]])
    labels, weights = torch.tensor([[1, 0], [0, -1]]), torch.tensor([0.5, 1.5])
    first = 1 - (2 * 0.8 + 1) / (1 + 0.64 + 0.25 + 1)
    second = 1 - 1 / (0.16 + 1)
    expected = (0.5 * first + 1.5 * second) / 2
    assert losses.weighted_dice(said, labels, weights).item() == pytest.approx(expected, rel=1e-5)


def test_landmark_loss_by_hand():
    landmarks = torch.zeros(1, 49, 2)
    landmarks[0, 25:31, 0] = 10.0  # the left eye, 10 pixels from the right one
    predicted = landmarks.clone()
    predicted[0, 0] += torch.tensor([3.0, 4.0])
    assert losses.landmark_loss(predicted, landmarks).item() == pytest.approx(25 / 200)
