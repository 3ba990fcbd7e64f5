# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: published forms, strictness, safety, starting one network from another."""

import pickle
from pathlib import Path

import pytest
import torch

from facial_coding_ros.au_networks.specs import BP4D_AUS, DISFA_AUS, NetworkSpec, opengraphau
from facial_coding_ros.cli import main
from facial_coding_ros.learning.au_networks import checkpoints
from facial_coding_ros.learning.au_networks.checkpoints import CheckpointError
from facial_coding_ros.learning.au_networks.jaa_net import PARTS
from facial_coding_ros.learning.au_networks.networks import AuModel, build

NARROW = {"backbone": "resnet18", "width": 8}


def spread(model: AuModel, seed: int = 0) -> AuModel:
    """Random values everywhere, running statistics too."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.net.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator) + 0.5
            tensor.copy_(noise if name.endswith("running_var") else tensor + 0.05 * (noise - 1))
    return model.eval()


def example(model: AuModel) -> torch.Tensor:
    side = model.spec.alignment.crop
    faces = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        return model(faces, torch.rand(2, 68, 2) * side)


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec("me_graphau", BP4D_AUS, **NARROW),
        NetworkSpec("me_graphau", DISFA_AUS, stage=2, **NARROW),
        NetworkSpec("me_graphau", BP4D_AUS, backbone="resnet50", width=8),
        opengraphau("resnet18"),
    ],
    ids=lambda spec: f"{len(spec.outputs)}-{spec.stage}-{spec.backbone}",
)
def test_published_form_comes_in_whole(spec, tmp_path, capsys):
    """Nested beside an optimizer, with the prefix of parallel training."""
    source = spread(build(spec))
    state = {f"module.{name}": tensor for name, tensor in source.net.state_dict().items()}
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    torch.save({"epoch": 7, "state_dict": state, "optimizer": optimizer}, tmp_path / "MEFARG_fold1.pth")
    assert main(["import-checkpoint", str(tmp_path / "MEFARG_fold1.pth"), "--out", str(tmp_path / "own.pth")]) == 0
    model, values = checkpoints.load(tmp_path / "own.pth")
    assert model.spec == spec and values["about"] == {"imported_from": "MEFARG_fold1.pth"}
    torch.testing.assert_close(example(model), example(source), rtol=0, atol=0)
    assert f"stage {spec.stage}" in capsys.readouterr().out


def six_files(folder, epoch: int = 5) -> AuModel:
    source = spread(build(NetworkSpec("jaa_net", DISFA_AUS, width=8)))
    for part in PARTS:
        torch.save(source.net.get_submodule(part).state_dict(), folder / f"{part}_{epoch}.pth")
    return source


def test_jaa_nets_six_files(tmp_path):
    source = six_files(tmp_path)
    for path in (tmp_path, tmp_path / "au_net_5.pth"):
        model = checkpoints.import_published(path)
        assert model.spec == source.spec
        torch.testing.assert_close(example(model), example(source), rtol=0, atol=0)


def test_jaa_nets_files_of_several_epochs_or_too_few(tmp_path):
    six_files(tmp_path)
    six_files(tmp_path, epoch=6)
    with pytest.raises(CheckpointError, match="--epoch"):
        checkpoints.import_published(tmp_path)
    assert checkpoints.import_published(tmp_path, epoch=6).spec.aus == DISFA_AUS
    (tmp_path / "align_net_6.pth").unlink()
    with pytest.raises(CheckpointError, match=r"align_net_6\.pth"):
        checkpoints.import_published(tmp_path, epoch=6)


def test_what_does_not_fit_is_listed(tmp_path):
    state = build(NetworkSpec("me_graphau", DISFA_AUS, **NARROW)).net.state_dict()
    state["head.gnn.W.weight"] = torch.zeros(2)
    del state["head.gnn.U.bias"]
    state["global_linear.fc.weight"] = torch.zeros(3, 4)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError) as error:
        checkpoints.import_published(tmp_path / "odd.pth")
    message = str(error.value)
    assert "1 missing: head.gnn.U.bias" in message and "1 not used: head.gnn.W.weight" in message
    assert "global_linear.fc.weight is (3, 4), expected (16, 64)" in message


def test_missing_counters_of_old_checkpoints_do_no_harm(tmp_path):
    source = spread(build(NetworkSpec("me_graphau", DISFA_AUS, **NARROW)))
    state = {k: v for k, v in source.net.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    torch.testing.assert_close(example(checkpoints.import_published(tmp_path / "old.pth")), example(source))


def test_a_checkpoint_never_runs_code(tmp_path):
    mark = tmp_path / "was_here"

    class Payload:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Payload()}, tmp_path / "bad.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"state_dict": Payload()}))
    with pytest.raises(CheckpointError, match=r"could run code"):
        checkpoints.load_file(tmp_path / "bad.pth")
    with pytest.raises(CheckpointError):
        checkpoints.load_file(tmp_path / "plain.pth")
    assert not mark.exists()


@pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.99])
def test_truncated_checkpoints_are_refused(kept, tmp_path, capsys):
    path = tmp_path / "cut.pth"
    torch.save(build(NetworkSpec("me_graphau", DISFA_AUS, **NARROW)).net.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    assert main(["import-checkpoint", str(path), "--out", str(tmp_path / "own.pth")]) == 1
    assert "cut off or no PyTorch checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "own.pth").exists()


def test_wrong_action_units_are_refused(tmp_path):
    path = tmp_path / "five.pth"
    torch.save(build(NetworkSpec("me_graphau", (1, 2, 4, 6, 12), **NARROW)).net.state_dict(), path)
    with pytest.raises(CheckpointError, match="5 outputs, neither BP4D's 12 nor DISFA's 8"):
        checkpoints.import_published(path)
    with pytest.raises(CheckpointError, match="5 outputs, but 2 action units"):
        checkpoints.import_published(path, aus=(1, 2))
    assert checkpoints.import_published(path, aus=(1, 2, 4, 6, 12)).spec.aus == (1, 2, 4, 6, 12)


def test_foreign_and_broken_values_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match="not the tensors of ME-GraphAU"):
        checkpoints.import_published(tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match="import-checkpoint"):
        checkpoints.load(tmp_path / "foreign.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="one table of tensors"):
        checkpoints.import_published(tmp_path / "empty.pth")
    state = build(NetworkSpec("me_graphau", DISFA_AUS, **NARROW)).net.state_dict()
    state["head.sc"][0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"head\.sc hold values that are not finite"):
        checkpoints.import_published(tmp_path / "nan.pth")


def test_stage_two_starts_from_stage_one():
    first = spread(build(NetworkSpec("me_graphau", DISFA_AUS, **NARROW)))
    second = build(NetworkSpec("me_graphau", DISFA_AUS, stage=2, **NARROW))
    untouched = checkpoints.initialize_from(second, first)
    assert all(name.startswith(("head.gnn.", "head.edge_extractor.", "head.edge_fc.")) for name in untouched)
    torch.testing.assert_close(second.net.state_dict()["head.sc"], first.net.state_dict()["head.sc"])
    with pytest.raises(CheckpointError, match="other action units"):
        checkpoints.initialize_from(build(NetworkSpec("me_graphau", BP4D_AUS, **NARROW)), first)


def test_jaa_net_starts_from_the_same_action_units_of_another_data_set():
    bp4d = spread(build(NetworkSpec("jaa_net", (1, 12, 24), width=8)))
    disfa = build(NetworkSpec("jaa_net", (12, 25), width=8))
    before = {name: tensor.clone() for name, tensor in disfa.net.state_dict().items()}
    checkpoints.initialize_from(disfa, bp4d)
    name = "local_au_net.local_aus_branch.{}.feat_extract.0.weight"
    own, given = disfa.net.state_dict(), bp4d.net.state_dict()
    torch.testing.assert_close(own[name.format(0)], given[name.format(1)])  # AU12
    torch.testing.assert_close(own[name.format(1)], before[name.format(1)])  # AU25 is new
    torch.testing.assert_close(own["region_learning.multiscale_feat.0.conv.weight"],
                               given["region_learning.multiscale_feat.0.conv.weight"])  # fmt: skip
    torch.testing.assert_close(own["au_net.au_output.0.weight"], before["au_net.au_output.0.weight"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        bytes(100),
        b"PK\x03\x04",
        b"i\n",
        b"\x80\x02K\x01.",
        b"\x80\x02}q\x00.",
        b"\x80\x04\x95" + bytes(30),
    ],
)
def test_any_file_that_is_no_checkpoint(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    assert main(["import-checkpoint", str(path), "--out", str(tmp_path / "out.pth")]) == 1
    said = capsys.readouterr().err
    assert str(path) in said and "Traceback" not in said
    assert not (tmp_path / "out.pth").exists()
