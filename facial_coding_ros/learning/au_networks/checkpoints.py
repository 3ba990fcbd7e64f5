# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: our own, and the published ones of ME-GraphAU, OpenGraphAU and JAA-Net, read without running anything
that lies in them.
"""

from __future__ import annotations

import os
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...au_networks.specs import BP4D_AUS, DISFA_AUS, OPENGRAPHAU_AUS, OPENGRAPHAU_SIDED, NetworkSpec
from .jaa_net import PARTS
from .me_graphau import MeGraphAu
from .networks import AuModel, build

FORMAT = "facial_coding_ros.au_network/1"
# What torch.load lets through for bytes that are no checkpoint.
_UNREADABLE = (
    RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError,
    MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
LISTED = 12
"""Names shown of those that do not fit."""

Tensors = dict[str, Tensor]


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the text says which file, what is wrong with it and what was expected."""


def load_file(path: Path | str) -> Any:
    """Whatever plain values and tensors a checkpoint holds, on the CPU. Raises CheckpointError when it is missing, cut
    off, no checkpoint, or wants to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"No checkpoint {path}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        objects = sorted(set(re.findall(r"(?:GLOBAL|global) ([\w.]+)", str(error))))
        if objects:
            raise CheckpointError(
                f"{path} holds objects beside tensors ({', '.join(objects)}) and is not opened, for they could run "
                "code. Have it saved again with its state_dict alone."
            ) from None
        raise CheckpointError(f"{path} is cut off or no PyTorch checkpoint.") from None
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is cut off or no PyTorch checkpoint ({reason}).") from None


def tensors_of(value: Any, path: Path | str) -> Tensors:
    """The state_dict in what a checkpoint holds, however deep, without the `module.` of parallel training.

    Raises CheckpointError when there is none, or more than one.
    """
    found = _state_dicts(value, "")
    if len(found) != 1:
        names = ", ".join(name or "the file itself" for name, _ in found) or "none"
        raise CheckpointError(f"{path}: one table of tensors is expected; found: {names}.")
    tensors = {}
    for name, tensor in found[0][1].items():
        while name.startswith("module."):
            name = name.removeprefix("module.")
        tensors[name] = tensor
    return tensors


def _state_dicts(value: Any, name: str) -> list[tuple[str, Mapping[str, Tensor]]]:
    if not isinstance(value, Mapping) or not value:
        return []
    if all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items()):
        return [(name, value)]
    # An optimizer's state is keyed by numbers and is no table of a network's tensors.
    found = []
    for key, item in value.items():
        if isinstance(key, str) and "optim" not in key.lower():
            found += _state_dicts(item, f"{name}.{key}".lstrip("."))
    return found


def fill(net: nn.Module, tensors: Tensors, source: Path | str) -> None:
    """Puts tensors into a network: every tensor must be used and every parameter filled.

    Batch norm's counters of batches may be missing, as in old checkpoints; they do not enter the outputs.
    Raises CheckpointError with the list of what does not fit.
    """
    own = net.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    surplus = [name for name in tensors if name not in own]
    shapes = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:LISTED])}{' ...' if len(names) > LISTED else ''}"
        for what, names in (("missing", missing), ("not used", surplus), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(f"{source} does not fit the network. Tensors " + "; ".join(problems) + ".")
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(f"{source}: {', '.join(bad[:LISTED])} hold values that are not finite.")
    net.load_state_dict({**own, **tensors})


def spec_of(tensors: Tensors, aus: tuple[int, ...] = ()) -> NetworkSpec:
    """Which published network has these tensors. aus: its action units, where they are not BP4D's, DISFA's or
    OpenGraphAU's. Raises CheckpointError when none fits or `aus` has another length.
    """
    if any(name.startswith("region_learning.") for name in tensors):
        first, last = (
            tensors.get("au_net.au_output.1.weight"),
            tensors.get("region_learning.multiscale_feat.2.conv.bias"),
        )
        if first is None or last is None:
            raise CheckpointError(
                "The tensors of JAA-Net's parts are incomplete: au_net.au_output.1.weight is missing."
            )
        return NetworkSpec("jaa_net", _aus_of(len(first) // 2, aus), width=len(last))
    if "backbone.conv1.weight" not in tensors:
        raise CheckpointError(
            f"These are not the tensors of ME-GraphAU, OpenGraphAU or JAA-Net: {', '.join(sorted(tensors)[:4])} ..."
        )
    backbone = "resnet50" if "backbone.layer1.0.conv3.weight" in tensors else "resnet18"
    width = len(tensors["backbone.conv1.weight"])
    if "head.main_sc" in tensors:
        if aus not in ((), OPENGRAPHAU_AUS):
            raise CheckpointError(f"OpenGraphAU's action units are {OPENGRAPHAU_AUS}, not {aus}.")
        return NetworkSpec("me_graphau", OPENGRAPHAU_AUS, 1, backbone, sided=OPENGRAPHAU_SIDED, width=width)
    if "head.sc" not in tensors:
        raise CheckpointError("The tensors are of a ResNet, but head.sc is missing: not of ME-GraphAU.")
    stage = 2 if any(name.startswith("head.edge_extractor.") for name in tensors) else 1
    return NetworkSpec("me_graphau", _aus_of(len(tensors["head.sc"]), aus), stage, backbone, width=width)


def _aus_of(count: int, aus: tuple[int, ...]) -> tuple[int, ...]:
    if aus:
        if len(aus) != count:
            raise CheckpointError(f"The network has {count} outputs, but {len(aus)} action units were named: {aus}.")
        return aus
    published = {len(BP4D_AUS): BP4D_AUS, len(DISFA_AUS): DISFA_AUS}
    if count not in published:
        raise CheckpointError(
            f"The network has {count} outputs, neither BP4D's 12 nor DISFA's 8: name them with --aus."
        )
    return published[count]


def read_published(path: Path | str, epoch: int | None = None) -> Tensors:
    """Tensors of a published checkpoint: one file, or the folder with JAA-Net's six (or any one of the six).

    epoch: which, when the folder has the files of several. Raises CheckpointError.
    """
    path = Path(path)
    match = re.fullmatch(rf"({'|'.join(PARTS)})_(\d+)\.pth", path.name)
    if path.is_dir() or match:
        folder = path if path.is_dir() else path.parent
        return _read_six(folder, int(match[2]) if match and epoch is None else epoch)
    return tensors_of(load_file(path), path)


def _read_six(folder: Path, epoch: int | None) -> Tensors:
    epochs = {part: {int(p.stem.rsplit("_", 1)[1]) for p in folder.glob(f"{part}_[0-9]*.pth")} for part in PARTS}
    if epoch is None:
        complete = set.intersection(*epochs.values())
        if len(complete) != 1:
            shown = "; ".join(f"{part}: {sorted(numbers) or 'none'}" for part, numbers in epochs.items())
            raise CheckpointError(
                f"{folder}: JAA-Net has six files PART_EPOCH.pth of one epoch; epochs found: {shown}."
                + (" Name one with --epoch." if len(complete) > 1 else "")
            )
        epoch = complete.pop()
    tensors: Tensors = {}
    for part in PARTS:
        path = folder / f"{part}_{epoch}.pth"
        tensors |= {f"{part}.{name}": tensor for name, tensor in tensors_of(load_file(path), path).items()}
    return tensors


def import_published(path: Path | str, aus: tuple[int, ...] = (), epoch: int | None = None) -> AuModel:
    """The network of a published checkpoint, not training. Raises CheckpointError."""
    tensors = read_published(path, epoch)
    model = build(spec_of(tensors, aus))
    fill(model.net, tensors, path)
    return model.eval()


def save(path: Path | str, model: AuModel, **more: Any) -> None:
    """Our own form: the spec, the tensors, and plain values or tensors beside them. Never leaves half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    values = {"format": FORMAT, "spec": model.spec.to_mapping(), "state_dict": model.net.state_dict(), **more}
    torch.save(values, part)
    os.replace(part, path)


def load(path: Path | str) -> tuple[AuModel, dict[str, Any]]:
    """A network saved in our own form, and all that was saved with it. Raises CheckpointError."""
    values = load_file(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint of this package; `facial_coding import-checkpoint` reads published ones."
        )
    try:
        spec = NetworkSpec.from_mapping(values["spec"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: its description of the network is damaged: {error}") from None
    model = build(spec)
    fill(model.net, values["state_dict"], path)
    return model.eval(), values


def initialize_from(model: AuModel, other: AuModel) -> list[str]:
    """Fills what two networks have in common, and names what stayed as it was.

    ME-GraphAU and EAC-Net: stage 2 starts from stage 1 of the same action units. JAA-Net: another set of action units
    starts from what was learnt on the first; layers of one action unit go to the same one.
    Raises CheckpointError when the two have nothing to share.
    """
    mine, theirs = model.spec, other.spec
    if (mine.network, mine.backbone, mine.width) != (theirs.network, theirs.backbone, theirs.width):
        raise CheckpointError(
            f"{mine.network} cannot be initialized from {theirs.network} of another backbone or width."
        )
    if mine.aus != theirs.aus and mine.network != "jaa_net":
        raise CheckpointError(f"The networks have other action units: {mine.aus} and {theirs.aus}.")
    own, tensors = model.net.state_dict(), other.net.state_dict()
    if mine.aus != theirs.aus:
        tensors = _by_action_unit(tensors, theirs.aus, mine.aus)
    if isinstance(model.net, MeGraphAu) and mine.stage != theirs.stage:
        tensors = {name: t for name, t in tensors.items() if not name.startswith("head.gnn.")}
    shared = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
    if not shared:
        raise CheckpointError("The networks have no tensor in common.")
    model.net.load_state_dict({**own, **shared})
    return sorted(set(own) - set(shared))


def _by_action_unit(tensors: Tensors, theirs: tuple[int, ...], mine: tuple[int, ...]) -> Tensors:
    moved = {}
    pattern = re.compile(r"(.*\.(?:local_aus_attention|local_aus_branch|local_aus_output)\.)(\d+)(\..*)")
    for name, tensor in tensors.items():
        if name.startswith("au_net."):
            continue
        match = pattern.fullmatch(name)
        if match is None:
            moved[name] = tensor
        elif (au := theirs[int(match[2])]) in mine:
            moved[f"{match[1]}{mine.index(au)}{match[3]}"] = tensor
    return moved
