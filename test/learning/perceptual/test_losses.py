# SPDX-License-Identifier: Apache-2.0
"""Equations 5, 10, 11 and 13 against values worked out by hand and finite differences; triplet rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the losses are torch's; the robot does not need them")

from facial_coding_ros.learning.perceptual.losses import (  # noqa: E402
    Faces,
    TripletFaces,
    batch_loss,
    distance,
    divergence,
    elbo,
    log_normaliser,
    reconstruction,
    triplet_term,
)
from facial_coding_ros.learning.perceptual.networks import PerceptualVae, sample  # noqa: E402
from facial_coding_ros.learning.perceptual.settings import TrainingSettings, widths  # noqa: E402

SMALL = {"latent": 2, "encoder": "6", "decoder": "5", "dropout": 1.0, "samples": 1, "triplet_samples": 2}


def test_divergence_by_hand():
    mu = torch.tensor([[1.0, -2.0]])
    log_variance = torch.log(torch.tensor([[0.25, 4.0]]))
    # 1/2 (mu^2 + s^2 - 1 - ln s^2) for each dimension
    expected = 0.5 * (1 + 0.25 - 1 - math.log(0.25)) + 0.5 * (4 + 4 - 1 - math.log(4))
    assert divergence(mu, log_variance).item() == pytest.approx(expected, rel=1e-6)
    normal = torch.distributions.Normal
    reference = torch.distributions.kl_divergence(normal(mu, torch.exp(log_variance / 2)), normal(0.0, 1.0)).sum()
    assert divergence(mu, log_variance).item() == pytest.approx(reference.item(), rel=1e-6)


def test_reconstruction_by_hand_and_as_a_likelihood():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    decoded = torch.tensor([[[1.1, 2.0, 2.8]], [[1.0, 2.3, 3.0]]])  # L = 2
    expected = ((0.01 + 0.04) + 0.09) / 2 / (2 * 0.001)
    assert reconstruction(x, decoded, 0.001).item() == pytest.approx(expected, rel=1e-5)
    assert reconstruction(x, decoded, 0.001, "mean").item() == pytest.approx(expected / 3, rel=1e-5)
    likelihood = torch.distributions.Normal(decoded, math.sqrt(0.001)).log_prob(x).sum(-1).mean()
    assert -expected - log_normaliser(3, 0.001) == pytest.approx(likelihood.item(), rel=1e-5)


def test_triplet_term_by_hand():
    # Two triplets, one sample each. References at 0; closer and farther faces on the axes.
    z = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])
    weight = torch.tensor([1.0, 5.0])
    expected = (1.0 * math.log1p(math.exp(5 - 1)) + 5.0 * math.log1p(math.exp(1 - 2))) / 0.04
    assert triplet_term(z, weight, 0.04, epsilon=0).item() == pytest.approx(expected, rel=1e-6)
    squared = (1.0 * math.log1p(math.exp(25 - 1)) + 5.0 * math.log1p(math.exp(1 - 4))) / 0.04
    assert triplet_term(z, weight, 0.04, "squared").item() == pytest.approx(squared, rel=1e-6)
    # The mean over M samples, the sum over triplets.
    assert triplet_term(z.repeat(3, 1, 1), weight, 0.04, epsilon=0).item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_the_triplet_term_pulls_and_pushes():
    z = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]]], requires_grad=True)
    triplet_term(z, torch.ones(1), 1.0, epsilon=0).backward()
    slope = 1 / (1 + math.exp(-(2 - 1)))  # softplus' = sigmoid
    assert z.grad[0, 1].tolist() == pytest.approx([slope, 0])  # descending moves the closer face in
    assert z.grad[0, 2].tolist() == pytest.approx([-slope, 0])  # and the farther one away
    assert z.grad.sum().item() == pytest.approx(0, abs=1e-6)
    double = z.detach().double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: triplet_term(v, torch.ones(1).double(), 0.04), (double,))


def test_equal_latents_have_a_finite_gradient():
    z = torch.zeros(1, 3, 2, requires_grad=True)
    triplet_term(z, torch.ones(1), 0.04).backward()
    assert torch.isfinite(z.grad).all()
    assert distance(torch.zeros(2), torch.zeros(2)).item() < 1e-3


@pytest.fixture
def small():
    torch.manual_seed(0)
    settings = TrainingSettings(**SMALL)
    model = PerceptualVae(3, settings).double()
    faces = Faces(torch.randn(4, 3).double(), torch.randn(4, 3).double())
    triplets = TripletFaces(torch.randn(6, 3).double(), torch.randn(6, 3).double(), torch.tensor([1.0, 3.0]).double())
    return settings, model, faces, triplets


@pytest.mark.parametrize("annealing", ["kl", "prior", "none"])
def test_batch_loss_is_equation_11_with_13(small, annealing):
    _, model, faces, triplets = small
    settings = TrainingSettings(annealing=annealing, **SMALL)
    total_faces, total_triplets, beta = 40, 20, 0.25
    generator = torch.Generator().manual_seed(5)
    loss = batch_loss(model, faces, triplets, settings, total_faces, total_triplets, beta, generator)

    # The same, written out.
    generator = torch.Generator().manual_seed(5)
    mu, log_variance = model.encode(torch.cat([faces.x, triplets.x]), torch.cat([faces.y, triplets.y]))
    z = sample(mu[:4], log_variance[:4], 1, generator)[0]
    data = sum(((faces.x[i] - model.decode(z, faces.y)[i]) ** 2).sum() / (2 * 0.001) for i in range(4))
    kl = sum(
        0.5 * (mu[i, k] ** 2 + log_variance[i, k].exp() - 1 - log_variance[i, k]) for i in range(4) for k in range(2)
    )
    zt = sample(mu[4:], log_variance[4:], 2, generator)
    topological = 0.0
    for t, w in enumerate(triplets.weight):
        for m in range(2):
            near, far = ((zt[m, t] - zt[m, t + k]).norm() for k in (2, 4))
            topological = topological + w * torch.log(1 + torch.exp(near - far)) / (0.04 * 2)
    data, kl, topological = 40 / 4 * data, 40 / 4 * kl, 20 / 2 * topological
    weights = {"kl": (beta, 1.0), "prior": (beta, beta), "none": (beta, 1.0)}[annealing]
    assert loss.data.item() == pytest.approx(data.item(), rel=1e-9)
    assert loss.divergence.item() == pytest.approx(kl.item(), rel=1e-9)
    assert loss.triplets.item() == pytest.approx(topological.item(), rel=1e-6)
    assert loss.total.item() == pytest.approx((data + weights[0] * kl + weights[1] * topological).item(), rel=1e-6)


def test_without_triplets_it_is_equation_5_and_the_elbo_has_its_constant(small):
    settings, model, faces, _ = small
    generator = torch.Generator().manual_seed(3)
    loss = batch_loss(model, faces, None, settings, 4, 0, 1.0, generator)
    assert loss.total.item() == pytest.approx((loss.data + loss.divergence).item())
    bound = elbo(model, faces, None, settings, seed=3)
    assert bound == pytest.approx(-loss.total.item() / 4 - log_normaliser(3, 0.001), rel=1e-6)


def test_triplet_gradient_reaches_the_encoder_and_not_the_decoder(small):
    settings, model, faces, triplets = small
    batch_loss(model, faces, triplets, settings, 4, 2).triplets.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    assert model.mu.weight.grad.abs().sum() > 0
    assert model.log_variance.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in [*model.decoder.parameters(), *model.output.parameters()])


def test_annealing_is_linear_and_readings_differ():
    settings = TrainingSettings(anneal_iterations=100)
    assert [settings.beta(i) for i in (0, 50, 100, 500)] == [0, 0.5, 1, 1]
    assert TrainingSettings(annealing="none").beta(0) == 1
    assert TrainingSettings().drop_probability == pytest.approx(0.1)
    assert TrainingSettings(dropout_is="dropped").drop_probability == pytest.approx(0.9)
    assert TrainingSettings(variance_is="deviation").sigma2 == pytest.approx(1e-6)
    with pytest.raises(ValueError, match="model is 'm3'"):
        TrainingSettings(model="m3")
    with pytest.raises(ValueError, match="480;240"):
        widths("480;240")


def test_the_papers_architecture():
    model = PerceptualVae(249, TrainingSettings())
    shapes = [m.weight.shape for m in model.encoder if isinstance(m, torch.nn.Linear)]
    assert [tuple(s)[::-1] for s in shapes] == [(498, 480), (480, 240), (240, 120), (120, 60)]
    assert tuple(model.mu.weight.shape) == (30, 60)
    shapes = [m.weight.shape for m in [*model.decoder, model.output] if isinstance(m, torch.nn.Linear)]
    assert [tuple(s)[::-1] for s in shapes] == [(279, 300), (300, 400), (400, 300), (300, 249)]
    vae = PerceptualVae(249, TrainingSettings(model="vae"))
    shapes = [tuple(m.weight.shape)[::-1] for m in [*vae.encoder, *vae.decoder] if isinstance(m, torch.nn.Linear)]
    assert shapes == [(249, 480), (480, 240), (240, 120), (120, 60), (30, 60), (60, 120), (120, 240), (240, 480)]
    x = torch.randn(2, 249)
    assert torch.equal(vae.eval().encode(x, x)[0], vae.encode(x, x + 1)[0])  # a VAE sees no neutral
    assert not torch.equal(model.eval().encode(x, x)[0], model.encode(x, x + 1)[0])
    isotropic = PerceptualVae(249, TrainingSettings(posterior="isotropic")).eval()
    assert np.ptp(isotropic.encode(x, x)[1].detach().numpy(), axis=1).max() == 0
