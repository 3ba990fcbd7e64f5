# SPDX-License-Identifier: Apache-2.0
"""Networks as ONNX files with a card, checked against PyTorch before they are left on the disk."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml

from ...au_networks.attention import EAC_CENTRES
from ...au_networks.specs import NetworkSpec
from ...inference.node_names import name_nodes
from ...types import FloatArray
from .networks import AuModel

OPSET = 17
TOLERANCE = 1e-4
FORBIDDEN = frozenset({"EyeLike", "Einsum"})
"""Operations that TensorRT does not have, or has with limits."""


class ExportError(ValueError):
    """A network whose exported form does not answer as it should; the text says how."""


def example_inputs(spec: NetworkSpec, count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Faces (count, 3, crop, crop), 0..255, of smooth noise, and landmarks (count, 68, 2) scattered over the crop."""
    rng = np.random.default_rng(seed)
    side = spec.alignment.crop
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 16, 16)).astype(np.float32))
    faces = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").numpy()
    landmarks = rng.uniform(0.2, 0.8, (count, 68, 2)) * side
    landmarks[:, 39], landmarks[:, 42] = (0.42 * side, 0.4 * side), (0.58 * side, 0.4 * side)
    return faces, landmarks.astype(np.float32)


def export(model: AuModel, path: Path | str, card: Mapping[str, Any]) -> float:
    """Writes path (ONNX, opset 17, any batch) and its card beside it; returns the largest difference to PyTorch.

    Inputs: faces (batch, 3, crop, crop) float32, RGB, 0..255, aligned; EAC-Net also landmarks (batch, 68, 2) in the
    crop's pixels. Output: probability (batch, outputs), 0..1, present from 0.5 on.
    card: what the network is, what it was trained on, its licence and metrics.
    Raises ExportError when the file holds an operation that TensorRT lacks or differs by more than 1e-4; then nothing
    is left.
    """
    path = Path(path)
    spec = model.spec
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _write(model, part)
        _check_operations(part)
        difference = _difference(model, part)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"ONNX Runtime's outputs differ from PyTorch's by {difference:.2g}; {TOLERANCE:g} is allowed."
            )
        card_path = path.with_suffix(".yaml")
        full = {
            "name": path.stem,
            **card,
            "network": spec.to_mapping(),
            "inputs": input_shapes(spec),
            "outputs": {"probability": f"(batch, {len(spec.outputs)}), 0..1, present from 0.5 on"},
            "output_names": list(spec.outputs),
            "largest_difference_to_torch": float(difference),
            "sha256": hashlib.sha256(part.read_bytes()).hexdigest(),
        }
        card_path.write_text(yaml.safe_dump(full, sort_keys=False, default_flow_style=None, width=110))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return difference


def input_shapes(spec: NetworkSpec) -> dict[str, str]:
    """Inputs and their meaning, for the card."""
    side = spec.alignment.crop
    shapes = {"faces": f"(batch, 3, {side}, {side}), RGB, 0..255, aligned as {spec.network}"}
    if spec.takes_landmarks:
        shapes["landmarks"] = f"(batch, 68, 2), pixels of the crop; the {2 * len(EAC_CENTRES)} centres follow from them"
    return shapes


def _write(model: AuModel, path: Path) -> None:
    faces, landmarks = (torch.from_numpy(array) for array in example_inputs(model.spec, 2, seed=0))
    names = list(input_shapes(model.spec))
    model = model.cpu().eval()
    with warnings.catch_warnings():
        # The exporter that traces needs nothing beyond torch and yields plain graphs; it warns of its age, and of
        # Python numbers that are constants here indeed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (faces, landmarks),
            str(path),
            input_names=names if len(names) == 2 else ["faces", "landmarks"],
            output_names=["probability"],
            dynamic_axes={name: {0: "batch"} for name in (*names, "probability")},
            opset_version=OPSET,
            dynamo=False,
        )


def _check_operations(path: Path) -> None:
    graph = onnx.load(str(path))
    name_nodes(graph)
    onnx.save(graph, str(path))
    onnx.checker.check_model(graph)
    domains = sorted({node.domain for node in graph.graph.node} - {"", "ai.onnx"})
    operations = {node.op_type for node in graph.graph.node}
    if domains or operations & FORBIDDEN:
        raise ExportError(f"The graph holds {', '.join(domains) or ', '.join(sorted(operations & FORBIDDEN))}.")


def _difference(model: AuModel, path: Path) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    largest = 0.0
    for count in (1, 3):
        faces, landmarks = example_inputs(model.spec, count, seed=count)
        inputs = {"faces": faces, "landmarks": landmarks}
        (output,) = session.run(None, {name: inputs[name] for name in names})
        with torch.no_grad():
            expected = model(torch.from_numpy(faces), torch.from_numpy(landmarks)).numpy()
        if output.shape != expected.shape:
            raise ExportError(f"A batch of {count} gives {output.shape}; expected {expected.shape}.")
        largest = max(largest, float(np.abs(output - expected).max()))
    return largest
