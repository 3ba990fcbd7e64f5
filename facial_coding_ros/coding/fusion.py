# SPDX-License-Identifier: Apache-2.0
"""Several models as one graph: one call for a frame's faces instead of one for each model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..inference.model_files import ModelError, ModelFile, write_model
from ..inference.node_names import name_nodes
from ..inference.onnx_runtime import OnnxRuntimeSession
from ..models import share_folder
from ..types import FloatArray

OPSET, IR_VERSION = 17, 8
EXACTNESS = 1e-6
"""Largest difference to the single models, in proportion to the largest output where that is above 1."""
CHECK_BATCH = 8
MODEL = "coding.onnx"


@dataclass(frozen=True)
class Part:
    """A model of a fused graph.

    inputs: where each of its inputs comes from: the name of an input of the fused graph, which several models may
    share, or "PART.OUTPUT" of an earlier part. Its outputs are named "PART.OUTPUT" in the fused graph.
    """

    model: ModelFile
    inputs: Mapping[str, str] = field(default_factory=dict)


CODING: dict[str, dict[str, str]] = {
    "dfecs": {"motion": "kpm"},
    "facs": {"motion": "dense", "noise_scale": "noise_scale"},
    "perceptual_m2": {"points": "points", "neutral": "neutral"},
    "perceptual_expression": {"latent": "perceptual_m2.latent"},
}
"""The coding models and what feeds them. kpm: types.Motion.kpm; dense: types.Motion.dense; noise_scale:
coding.facs.confidence.noise_scale; points and neutral: keypoints of the face and of its neutral.
"""


def coding_parts(folder: Path | None = None) -> list[Part]:
    """The coding models that are in models/ (or another folder) as ONNX files."""
    folder = folder or share_folder("models")
    there = {name: folder / f"{name}.onnx" for name in CODING}
    return [Part(ModelFile.read(path), CODING[name]) for name, path in there.items() if path.is_file()]


def fuse(parts: Sequence[Part], path: Path | str) -> float:
    """Writes one graph of all parts with its card; returns the largest difference to the parts run by themselves.

    Raises ModelError when the parts do not fit together, or the fused graph's outputs differ by more than 1e-6 of
    theirs; then nothing is left.
    """
    import onnx

    path = Path(path)
    # Parts of one model: their inputs and outputs as sessions see them.
    sessions = {part.model.name: OnnxRuntimeSession(part.model) for part in parts}
    inputs: dict[str, tuple[int, ...]] = {}
    outputs: dict[str, tuple[int, ...]] = {}
    nodes: list[Any] = []
    constants: list[Any] = []
    for part in parts:
        session = sessions[part.model.name]
        names = _wires(part, session, inputs, outputs)
        graph = onnx.version_converter.convert_version(onnx.load_from_string(part.model.graph), OPSET).graph
        prefixed = onnx.compose.add_prefix_graph(graph, part.model.name + ".")
        for node in prefixed.node:
            for i, name in enumerate(node.input):
                node.input[i] = names.get(name, name)
        nodes += prefixed.node
        constants += prefixed.initializer
        outputs.update({f"{part.model.name}.{t.name}": t.shape for t in session.outputs})
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    fused = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, kind, ["faces", *shape]) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, ["faces", *shape]) for name, shape in outputs.items()],
        constants,
    )
    model = helper.make_model(fused, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="facial_coding_ros")
    model.ir_version = IR_VERSION
    name_nodes(model)
    onnx.checker.check_model(model, full_check=True)
    content = bytes(model.SerializeToString(deterministic=True))
    card: dict[str, Any] = {
        "name": path.stem,
        "kind": "fused coding",
        "what": f"{', '.join(sessions)} as one graph; inputs and outputs are theirs.",
        "licence": "that of its parts",
        "parts": {part.model.name: part.model.sha256 for part in parts},
        "inputs": {name: f"(faces, {', '.join(map(str, shape))}) float32" for name, shape in inputs.items()},
        "outputs": {name: f"(faces, {', '.join(map(str, shape))}) float32" for name, shape in outputs.items()},
        "tolerance": _tolerances(parts, sessions),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    values = _check_inputs(parts, sessions, inputs)
    joined = ModelFile(path, card, content, str(card["sha256"]))
    difference = _difference(joined, parts, sessions, values)
    if not difference <= EXACTNESS:
        raise ModelError(f"{path} gives other outputs than its parts, by {difference:.2g}; {EXACTNESS:g} is allowed.")
    card["largest_difference_to_parts"] = difference
    write_model(joined, values)
    return difference


def is_current(fused: ModelFile, parts: Sequence[Part]) -> bool:
    """Whether a fused graph was made from these very files, with these inputs."""
    wanted = {source for part in parts for source in part.inputs.values() if "." not in source}
    made_from = {part.model.name: part.model.sha256 for part in parts}
    return fused.card.get("parts") == made_from and set(fused.names("inputs") or ()) == wanted


def _wires(
    part: Part, session: OnnxRuntimeSession, inputs: dict[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Prefixed input name -> name in the fused graph; adds what is new to `inputs`."""
    names = {}
    for tensor in session.inputs:
        source = part.inputs.get(tensor.name, tensor.name)
        known = outputs.get(source) or inputs.get(source)
        if known is None and "." in source:
            raise ModelError(f"{part.model.path}: {tensor.name} comes from {source}, which no earlier part gives.")
        if known is not None and known != tensor.shape:
            # The same numbers under another shape: dense motion as points or as one row.
            raise ModelError(f"{part.model.path}: {tensor} does not fit {source}, which has shape {known}.")
        if known is None:
            inputs[source] = tensor.shape
        names[f"{part.model.name}.{tensor.name}"] = source
    return names


def _tolerances(parts: Sequence[Part], sessions: Mapping[str, OnnxRuntimeSession]) -> dict[str, float]:
    """Of each output: its own model's, or that of what it is made from where this is larger."""
    allowed: dict[str, float] = {}
    for part in parts:
        session = sessions[part.model.name]
        sources = [part.inputs.get(tensor.name, tensor.name) for tensor in session.inputs]
        inherited = max((allowed[source] for source in sources if source in allowed), default=0.0)
        for tensor in session.outputs:
            allowed[f"{part.model.name}.{tensor.name}"] = max(part.model.tolerance(tensor.name), inherited)
    return allowed


def _check_inputs(
    parts: Sequence[Part], sessions: Mapping[str, OnnxRuntimeSession], inputs: Mapping[str, tuple[int, ...]]
) -> dict[str, FloatArray]:
    """The parts' own check inputs, by the name they have in the fused graph."""
    values: dict[str, FloatArray] = {}
    for part in parts:
        shapes = {tensor.name: tensor.shape for tensor in sessions[part.model.name].inputs}
        for name, value in part.model.check_inputs(shapes, CHECK_BATCH).items():
            if (source := part.inputs.get(name, name)) in inputs:
                values.setdefault(source, value)
    return values


def _difference(
    fused: ModelFile,
    parts: Sequence[Part],
    sessions: Mapping[str, OnnxRuntimeSession],
    inputs: Mapping[str, FloatArray],
) -> float:
    session = OnnxRuntimeSession(fused)
    largest = 0.0
    for batch in (1, CHECK_BATCH):
        values = {name: value[:batch] for name, value in inputs.items()}
        outputs = session.run(values)
        for part in parts:
            alone = sessions[part.model.name]
            own = {t.name: values[part.inputs.get(t.name, t.name)] for t in alone.inputs}
            for name, expected in alone.run(own).items():
                size = max(1.0, float(np.abs(expected).max()))
                found = outputs[f"{part.model.name}.{name}"]
                largest = max(largest, float(np.abs(found - expected).max()) / size)
                values[f"{part.model.name}.{name}"] = expected
    return largest
