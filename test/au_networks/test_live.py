# SPDX-License-Identifier: Apache-2.0
"""Exported networks: parity, plain operations, any batch, live use without torch, damaged and foreign files."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
import torch
import yaml

from facial_coding_ros.au_networks.live import NetworkAus
from facial_coding_ros.au_networks.specs import BP4D_AUS, DISFA_AUS, NetworkSpec, opengraphau
from facial_coding_ros.inference import InferenceSettings, ModelError
from facial_coding_ros.learning.au_networks.cost import count_gmac
from facial_coding_ros.learning.au_networks.export import FORBIDDEN, ExportError, example_inputs, export
from facial_coding_ros.learning.au_networks.networks import AuModel, MeGraphAuModel, build
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.types import Face, Frame

from ..conftest import REPOSITORY

SPECS = {
    "eac_net_1": NetworkSpec("eac_net", BP4D_AUS, 1, width=8),
    "eac_net_2": NetworkSpec("eac_net", DISFA_AUS, 2, width=8),
    "jaa_net": NetworkSpec("jaa_net", (1, 9, 12), width=8),
    "me_graphau_1": NetworkSpec("me_graphau", BP4D_AUS, 1, "resnet18", width=8),
    "me_graphau_2": NetworkSpec("me_graphau", DISFA_AUS, 2, "resnet50", width=8),
    "opengraphau": dataclasses.replace(opengraphau("resnet18"), width=8),
}


def random_model(spec: NetworkSpec) -> AuModel:
    torch.manual_seed(0)
    return build(spec).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported")
    for name, spec in SPECS.items():
        export(random_model(spec), path / f"{name}.onnx", {"what": "random weights", "licence": "none"})
    return path


@pytest.mark.parametrize("name", SPECS)
def test_parity_and_plain_operations(name, folder):
    network = NetworkAus(folder / f"{name}.onnx")
    model = random_model(SPECS[name])
    for count in (1, 2, 5):
        faces, landmarks = example_inputs(model.spec, count, seed=10 + count)
        with torch.no_grad():
            expected = model(torch.from_numpy(faces), torch.from_numpy(landmarks)).numpy()
        got = network.probability(faces, landmarks)
        assert got.shape == (count, len(model.spec.outputs))
        np.testing.assert_allclose(got, expected, atol=1e-4)
    graph = onnx.load(str(folder / f"{name}.onnx"))
    assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx"}
    assert not {node.op_type for node in graph.graph.node} & FORBIDDEN
    assert graph.opset_import[0].version >= 17
    assert network.card["output_names"][0] == "AU1" and network.card["licence"] == "none"


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, list[Face]]:
    """One portrait twice in a picture, the second smaller and mirrored; the tracker's faces."""
    portrait = skimage.data.astronaut()[:300, 80:380]
    image = np.full((340, 600, 3), 90, np.uint8)
    image[20:320, :300] = portrait
    image[60:300, 340:580] = cv2.resize(portrait, (240, 240))[:, ::-1]
    tracker = make_tracker(TrackingSettings(smoothing=False, confirm_hits=1, workers=1))
    faces: tuple[Face, ...] = ()
    for index in range(4):
        faces = tracker.track(Frame(image, index * 100_000_000))
    tracker.close()
    assert len(faces) == 2
    return image, sorted(faces, key=lambda face: float(face.mesh[0, 0]))


@pytest.mark.parametrize("name", SPECS)
def test_all_faces_in_one_batch_as_one_by_one(name, folder, scene):
    network = NetworkAus(folder / f"{name}.onnx", InferenceSettings(threads=1))
    image, faces = scene
    together = network.estimate(image, faces)
    assert [units.codes for units in together] == [network.codes] * 2
    for face, units in zip(faces, together, strict=True):
        (alone,) = network.estimate(image, [face])
        np.testing.assert_allclose(units.intensity, alone.intensity, atol=1e-4)
        assert (units.intensity >= 0).all() and (units.intensity <= 1).all()
        assert (units.confidence >= 0).all() and (units.confidence <= 1).all()
    assert network.estimate(image, []) == []


def test_sided_outputs_are_left_and_right(folder, scene):
    network = NetworkAus(folder / "opengraphau.onnx")
    (units,) = network.estimate(scene[0], scene[1][:1])
    sided = [au for au, left in zip(units.codes, units.left, strict=True) if np.isfinite(left)]
    assert sided == [1, 2, 4, 6, 10, 12, 14] and np.isnan(units.right[units.codes.index(25)])


def test_confidence_falls_with_size_and_visibility(folder, scene):
    network = NetworkAus(folder / "me_graphau_1.onnx")
    image, faces = scene
    face = faces[0]
    mean = float(network.estimate(image, [face])[0].confidence.mean())
    turned = dataclasses.replace(face, pose=dataclasses.replace(face.pose, yaw_deg=45.0))
    hidden = dataclasses.replace(face, visibility=dataclasses.replace(face.visibility, lower_face=0.0))
    assert 0 < float(network.estimate(image, [turned])[0].confidence.mean()) < mean
    units = network.estimate(image, [hidden])[0]
    assert units.confidence[units.codes.index(12)] == 0 and units.confidence[units.codes.index(1)] > 0


@pytest.mark.parametrize("name", ["eac_net_2", "me_graphau_1"])
def test_a_face_without_landmarks_is_unknown_and_harms_no_other(name, folder, scene):
    network = NetworkAus(folder / f"{name}.onnx")
    image, faces = scene
    lost = dataclasses.replace(faces[1], mesh=np.full_like(faces[1].mesh, np.nan))
    units = network.estimate(image, [faces[0], lost])
    assert (units[1].confidence == 0).all() and (units[1].intensity == 0).all()
    np.testing.assert_allclose(units[0].intensity, network.estimate(image, faces[:1])[0].intensity, atol=1e-4)


def test_live_use_needs_no_torch(folder):
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['onnx'] = None\n"
        "from facial_coding_ros.au_networks.live import NetworkAus\n"
        f"print(NetworkAus({str(folder / 'jaa_net.onnx')!r}).codes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100,
                          cwd=REPOSITORY)  # fmt: skip
    assert done.returncode == 0 and done.stdout.strip() == "(1, 9, 12)", done.stderr


def copied(folder: Path, name: str, to: Path) -> Path:
    for suffix in (".onnx", ".yaml"):
        (to / f"model{suffix}").write_bytes((folder / f"{name}{suffix}").read_bytes())
    return to / "model.onnx"


def test_damaged_and_foreign_models_are_refused(folder, tmp_path):
    path = copied(folder, "me_graphau_1", tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="damaged or not the file"):
        NetworkAus(path)
    path.write_bytes(whole)
    card_path = path.with_suffix(".yaml")
    card = yaml.safe_load(card_path.read_text())
    for change, message in (
        ({"output_names": ["AU1"]}, "output_names"),
        ({"network": {**card["network"], "aus": [1, 1]}}, "none twice"),
        ({"network": {**card["network"], "aus": [1, 2]}, "output_names": ["AU1", "AU2"]}, "expected: "),
        ({"network": {**card["network"], "network": "jaa_net"}}, "expected: "),
    ):
        card_path.write_text(yaml.safe_dump({**card, **change}))
        with pytest.raises(ModelError, match=message):
            NetworkAus(path)
    card_path.write_text("kind: something else\n")
    with pytest.raises(ModelError, match="sha256"):
        NetworkAus(path)
    card_path.write_text(yaml.safe_dump({"kind": "something else", "sha256": card["sha256"]}))
    with pytest.raises(ModelError, match="not the card"):
        NetworkAus(path)
    card_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.yaml"):
        NetworkAus(path)


def test_an_export_that_answers_otherwise_leaves_nothing(tmp_path):
    class Restless(MeGraphAuModel):
        def forward(self, faces, landmarks):
            self.calls = getattr(self, "calls", 0.0) + 0.01
            return super().forward(faces, landmarks) + self.calls

    with pytest.raises(ExportError, match="differ"):
        export(Restless(SPECS["me_graphau_1"]).eval(), tmp_path / "m.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_multiply_adds_of_a_known_network(tmp_path):
    """OpenGraphAU's published 1.84 GMAC (ResNet-18) are counted from the exported graph."""
    export(random_model(opengraphau("resnet18")), tmp_path / "m.onnx", {})
    assert count_gmac(tmp_path / "m.onnx") == pytest.approx(1.839, rel=0.01)
