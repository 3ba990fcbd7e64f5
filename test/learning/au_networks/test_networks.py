# SPDX-License-Identifier: Apache-2.0
"""The image networks' structure: names and shapes against the published checkpoints, operations against small cases."""

import json

import numpy as np
import pytest
import torch

from facial_coding_ros.au_networks import attention as att
from facial_coding_ros.au_networks.specs import BP4D_AUS, DISFA_AUS, NetworkSpec, opengraphau
from facial_coding_ros.learning.au_networks.backbones import load_imagenet, resnet
from facial_coding_ros.learning.au_networks.eac_net import (
    EacNet,
    EacNetConfig,
    crop_patches,
    load_vgg19,
    normalise_response,
)
from facial_coding_ros.learning.au_networks.jaa_net import PARTS, JaaNet, JaaNetConfig, PatchConvolution
from facial_coding_ros.learning.au_networks.me_graphau import (
    EdgeExtractor,
    GatedGnn,
    LinearBlock,
    facial_graph,
)
from facial_coding_ros.learning.au_networks.networks import build

from ...conftest import REPOSITORY

LISTINGS = REPOSITORY.parent / "shared" / "facts" / "checkpoints"
ME_GRAPHAU = {
    "megraphau_resnet50_bp4d_stage1": NetworkSpec("me_graphau", BP4D_AUS),
    "megraphau_resnet50_bp4d_stage2": NetworkSpec("me_graphau", BP4D_AUS, stage=2),
    "megraphau_resnet50_disfa_stage1": NetworkSpec("me_graphau", DISFA_AUS),
    "megraphau_resnet50_disfa_stage2": NetworkSpec("me_graphau", DISFA_AUS, stage=2),
    "opengraphau_resnet50_stage1": opengraphau("resnet50"),
    "opengraphau_resnet18_stage1": opengraphau("resnet18"),
}


def listing(name: str) -> dict:
    path = LISTINGS / f"{name}.json"
    if not path.is_file():
        pytest.skip("needs the listings of the published checkpoints, shared/facts/checkpoints, beside the project")
    return json.loads(path.read_text())


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("name", ME_GRAPHAU)
def test_me_graphau_has_the_published_tensors(name):
    published = listing(name)
    with torch.device("meta"):
        net = build(ME_GRAPHAU[name]).net
    assert shapes(net) == {key: value["shape"] for key, value in published["state_dict"].items()}
    assert parameters(net) == published["params"]


@pytest.mark.parametrize("aus", [BP4D_AUS, DISFA_AUS])
def test_jaa_net_has_the_published_tensors(aus):
    published = listing(f"jaanet_v2_au{len(aus)}")
    with torch.device("meta"):
        net = JaaNet(JaaNetConfig(aus))
    for part in PARTS:
        expected = {key: value["shape"] for key, value in published["state_dict"][part].items()}
        assert shapes(net.get_submodule(part)) == expected, part
    assert parameters(net) == published["total_params"]


def test_jaa_net_gives_the_published_shapes():
    outputs = JaaNet(JaaNetConfig(DISFA_AUS, unit=1)).eval()(torch.zeros(2, 3, 176, 176))
    assert outputs.log_probability.shape == outputs.local.shape == (2, 2, 8)
    assert outputs.initial.shape == (2, 8, 52, 52) and outputs.attention.shape == (2, 8, 44, 44)
    assert torch.allclose(outputs.log_probability.exp().sum(1), torch.ones(2, 8))


def test_eac_net_has_the_published_size():
    with torch.device("meta"):
        enhancing, cropping = (EacNet(EacNetConfig(12, stage)) for stage in (1, 2))
    assert parameters(enhancing) / 1e6 == pytest.approx(131, abs=0.5)
    assert parameters(cropping.head) / 1e6 == pytest.approx(78, abs=0.5)


def test_facial_graph_of_three_nodes_by_hand():
    nodes = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
    # Products: rows (1, 2, 0), (2, 4, 0), (0, 0, 1). Two nearest: {0, 1}, {0, 1}; the third node has itself, and the
    # other two tie at 0, so that both are in.
    adjacency = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1.0]])
    scale = adjacency.sum(1) ** -0.5
    expected = np.diag(scale) @ adjacency @ np.diag(scale)
    np.testing.assert_allclose(facial_graph(nodes, 2)[0], expected, rtol=1e-6)


def test_linear_block_folds_its_batch_norm():
    torch.manual_seed(0)
    block = LinearBlock(6, 4)
    for _ in range(5):
        block(torch.randn(8, 3, 6) * 2 + 1)
    block.eval()
    x = torch.randn(5, 3, 6)
    expected = torch.relu(block.bn(block.fc(x).flatten(0, 1))).view(5, 3, 4)
    torch.testing.assert_close(block(x), expected)


def test_edges_are_the_same_with_and_without_the_short_cut():
    torch.manual_seed(0)
    extractor = EdgeExtractor(8, 3).double()
    nodes, face = torch.rand(4, 3, 5, 8).double(), torch.rand(4, 5, 8).double()
    extractor.bn.momentum = 1.0
    extractor(nodes, face)  # statistics of this very batch, up to n / (n - 1)
    n = 4 * 5 * 8
    extractor.bn.running_var.mul_((n - 1) / n)
    trained = extractor(nodes, face)
    extractor.bn.running_var.mul_((n - 1) / n)
    torch.testing.assert_close(extractor.eval()(nodes, face), trained, rtol=1e-6, atol=1e-8)


def test_edge_of_a_pair_asks_from_the_second_and_answers_from_the_first():
    torch.manual_seed(0)
    extractor = EdgeExtractor(8, 3).eval()
    nodes, face = torch.rand(1, 3, 5, 8), torch.rand(1, 5, 8)
    edges = extractor(nodes, face)[0]
    fam, arm = extractor.FAM, extractor.ARM

    def attend(attn, queries, given):
        weights = torch.softmax(attn.linear_q(queries) @ attn.linear_k(given).T / 2.0, -1)  # sqrt(8 / 2)
        return weights @ attn.linear_v(given)

    seen = [attend(fam, nodes[0, i], face[0]) for i in range(3)]
    pair = extractor.edge_proj(attend(arm, seen[2], seen[0])).mean(0) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(edges[0 * 3 + 2], pair, rtol=1e-4, atol=1e-5)


def test_gated_layer_of_two_nodes_by_hand():
    torch.manual_seed(0)
    gnn = GatedGnn(2, 2).eval()
    nodes, edges = torch.rand(1, 2, 2), torch.rand(1, 4, 2)
    got_nodes, got_edges = gnn._layer("1", nodes, edges)
    x, e = nodes[0], edges[0].view(2, 2, 2)
    w = {name: getattr(gnn, name + "1").weight for name in "UVABE"}
    damp = (1 + 1e-5) ** -0.5  # batch norm at rest
    new = torch.stack([
        torch.stack([e[j, k] + torch.relu(damp * (w["A"] @ x[j] + w["B"] @ x[k] + w["E"] @ e[j, k])) for k in (0, 1)])
        for j in (0, 1)
    ])  # fmt: skip
    torch.testing.assert_close(got_edges[0].view(2, 2, 2), new)
    gates = torch.softmax(torch.sigmoid(new), dim=1)
    message = sum(gates[:, k] * (w["V"] @ x[k]) for k in (0, 1)) / 2
    torch.testing.assert_close(got_nodes[0], torch.relu(x + damp * (x @ w["U"].T + message)))


def test_patch_convolution_is_one_convolution_for_each_patch():
    torch.manual_seed(0)
    layer = PatchConvolution(2, 3, 5)
    x = torch.randn(4, 3, 8, 8)
    reference = PatchConvolution(2, 3, 5)
    reference.load_state_dict(layer.state_dict())

    def by_hand(layer, x):
        rows = []
        for i in range(2):
            patches = [x[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] for j in range(2)]
            out = [layer.convs[2 * i + j](torch.relu(layer.bns[2 * i + j](p))) for j, p in enumerate(patches)]
            rows.append(torch.cat(out, 3))
        return torch.cat(rows, 2)

    torch.testing.assert_close(layer(x), by_hand(reference, x), rtol=1e-4, atol=1e-5)
    for name, tensor in reference.state_dict().items():  # running statistics and counters too
        torch.testing.assert_close(layer.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(layer.eval()(x), by_hand(reference.eval(), x), rtol=1e-4, atol=1e-5)


def face_points(side: float) -> torch.Tensor:
    """All landmarks in the middle, but the inner eye corners 0.2 sides apart and the mouth corners lower."""
    points = torch.full((1, 68, 2), side / 2)
    points[0, 39], points[0, 42] = torch.tensor([0.4, 0.4]) * side, torch.tensor([0.6, 0.4]) * side
    points[0, 48], points[0, 54] = torch.tensor([0.25, 0.75]) * side, torch.tensor([0.75, 0.75]) * side
    return points


def test_jaa_attention_at_the_mouth_corners():
    maps = att.jaa_attention(face_points(176), (12, 1), 176)
    assert maps.shape == (1, 2, 52, 52)
    corner = maps[0, 0]
    assert corner[39, 13] == corner[39, 39] == 1.0
    slope = 0.56 / (52 * 0.14)
    assert corner[39 + 2, 13 - 1].item() == pytest.approx(1 - 3 * slope)
    assert corner[39 + 4, 13].item() == pytest.approx(1 - 4 * slope) and corner[39 + 5, 13] == 0
    assert maps[0, 1, 26 - 5, 26] == 1.0  # AU1: half the eye corners' distance (10.4) above


def test_eac_attention_at_the_mouth_corners():
    attention = att.eac_attention(face_points(224), 224)
    assert attention.shape == (1, 1, 100, 100)
    assert attention[0, 0, 75, 25] == 1.0
    assert attention[0, 0, 78, 27].item() == pytest.approx(1 - 5 * 0.095)
    assert attention[0, 0, 80, 30].item() == pytest.approx(1 - 10 * 0.095)
    assert attention[0, 0, 81, 25] == 0 and attention[0, 0, 20, 10] == 0


def test_attention_leaves_out_what_it_does_not_know():
    with pytest.raises(ValueError, match="45"):
        att.centres_of((1, 45))


def test_patches_are_those_around_the_centres():
    features = torch.arange(2 * 28 * 28, dtype=torch.float32).view(1, 2, 28, 28)
    patches = crop_patches(features, face_points(224)).view(20, 2, 6, 6)
    expected = features[0, :, 20:23, 6:9].repeat_interleave(2, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(patches[12], expected)  # AU12's first centre: the mouth corner at (7, 21)
    far = face_points(224)
    far[0, 48] = torch.tensor([-50.0, 500.0])
    moved = crop_patches(features, far).view(20, 2, 6, 6)[12]
    torch.testing.assert_close(moved[:, ::2, ::2], features[0, :, 25:28, 0:3])


def test_response_normalisation_against_torch():
    x = torch.rand(2, 7, 3, 3) * 30
    reference = torch.nn.LocalResponseNorm(5, alpha=0.002 * 5, beta=0.75, k=2.0)
    torch.testing.assert_close(normalise_response(x), reference(x))


def test_enhancement_adds_the_groups_first_convolution():
    torch.manual_seed(0)
    net = EacNet(EacNetConfig(2, 2, width=8)).eval()
    images = torch.rand(1, 3, 224, 224) * 255
    nowhere = torch.full((1, 68, 2), -1000.0)
    x = images
    for layer in net.trunk.layers[:-1]:
        x = layer(x)
    torch.testing.assert_close(net.trunk(images, nowhere), x, rtol=1e-4, atol=1e-5)  # an empty map: plain VGG
    assert not torch.allclose(net.trunk(images, face_points(224)), x)


def test_imagenet_weights_load_by_their_published_names():
    source = resnet("resnet18")
    tensors = {**source.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    net = build(NetworkSpec("me_graphau", DISFA_AUS, backbone="resnet18")).net
    load_imagenet(net.backbone, tensors, unused=("fc.",))
    torch.testing.assert_close(net.backbone.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    del tensors["layer3.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"layer3\.0\.conv1\.weight"):
        load_imagenet(net.backbone, tensors, unused=("fc.",))


def test_vgg_weights_for_normalised_rgb_serve_raw_bgr():
    torch.manual_seed(0)
    net = EacNet(EacNetConfig(2, 2, width=8))
    tensors = {name: torch.randn_like(t) for name, t in net.trunk.state_dict().items()}
    tensors |= {"features.34.weight": torch.zeros(1), "classifier.0.weight": torch.zeros(1)}  # beyond group 4: left out
    load_vgg19(net, tensors, normalised_rgb=True)
    rgb = torch.rand(1, 3, 9, 9)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    first = {part: tensors[f"features.0.{part}"] for part in ("weight", "bias")}
    expected = torch.nn.functional.conv2d((rgb - mean) / std, first["weight"], first["bias"])
    own = net.trunk.layers[0]
    got = torch.nn.functional.conv2d(rgb.flip(1) * 255, own.weight, own.bias)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match=r"features\.2\.weight"):
        load_vgg19(net, {k: v for k, v in tensors.items() if k != "features.2.weight"}, normalised_rgb=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "vgg"}, "eac_net, jaa_net, me_graphau"),
        ({"stage": 3}, "Stage 3"),
        ({"aus": (1, 1)}, "none twice"),
        ({"sided": (1,)}, "OpenGraphAU"),
        ({"backbone": "swin"}, "resnet18"),
    ],
)
def test_a_network_that_does_not_exist_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        NetworkSpec(**{"network": "me_graphau", "aus": (1, 2, 4), **changes})
