# SPDX-License-Identifier: Apache-2.0
"""Several models, and the formulas between them, as one graph: one call for a frame's faces instead of one each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..inference.half import SINGLE
from ..inference.model_files import ModelError, ModelFile, write_model
from ..inference.node_names import name_nodes
from ..inference.onnx_runtime import OnnxRuntimeSession
from ..types import FloatArray
from .formula import Formula

OPSET, IR_VERSION = 17, 8
EXACTNESS = 1e-6
"""Largest difference to the single models, in proportion to the largest output where that is above 1."""
CHECK_BATCH = 8
MODEL = "coding.onnx"


@dataclass(frozen=True)
class Part:
    """A model or a formula of a fused graph.

    inputs: where each of its inputs comes from: the name of an input of the fused graph, which several parts may
    share, or "PART.OUTPUT" of an earlier part. Its outputs are named "PART.OUTPUT" in the fused graph. single: it stays
    in single precision in a half-precision graph, as formulas do.
    """

    model: ModelFile
    inputs: Mapping[str, str] = field(default_factory=dict)
    single: bool = False

    @classmethod
    def of(cls, formula: Formula, inputs: Mapping[str, str]) -> Part:
        """A formula as a part. Raises ImportError where onnx is missing."""
        card = {"tolerance": dict(formula.tolerance)}
        return cls(ModelFile(Path(f"{formula.name}.onnx"), card, formula.graph(), formula.sha256), inputs, True)


_COURSES = ("before", "speed", "fresh", "slowed", "gained", "at_rest", "moving")

CODING: dict[str, dict[str, str]] = {
    "motion": {
        "dense": "dense", "sparse": "sparse", "neutral_dense": "neutral_dense", "neutral_sparse": "neutral_sparse",
    },
    "dfecs": {"motion": "motion.kpm"},
    "facs": {"motion": "motion.dense_motion", "noise_scale": "noise_scale"},
    "units": {"sides": "facs.sides", "factors": "factors"},
    "perceptual_m2": {"points": "motion.points", "neutral": "motion.neutral_points"},
    "latent_filter": {
        "values": "perceptual_m2.latent",
        **{name: f"latent_{name}" for name in _COURSES},
    },
    "perceptual_expression": {"latent": "latent_filter.filtered"},
    "appearance": {"features": "features", "points": "dense"},
    "appearance_filter": {
        "values": "appearance.logits",
        **{name: f"appearance_{name}" for name in _COURSES},
    },
    "resting": {
        "logits": "appearance_filter.filtered", "motion": "motion.size", "rest": "rest", "rest_s": "rest_s",
        "seen_s": "seen_s",
    },
    "au_rules": {"intensity": "units.intensity", "confidence": "units.confidence", "sides": "facs.sides"},
    "witness_fusion": {
        "appearance": "appearance_filter.filtered", "rest": "resting.new_rest", "rest_s": "resting.new_rest_s",
        "latent": "perceptual_expression.probability", "aus": "au_rules.shares", "trust": "trust", "hidden": "hidden",
    },
}  # fmt: skip
"""Models and formulas of the joined graph in their order, and what feeds each input: an input of the graph, or an
output of an earlier part.

dense, sparse, neutral_dense, neutral_sparse: types.Registered of face and neutral. noise_scale:
coding.facs.confidence.noise_scale. factors: Confidence.factors there. latent_*, appearance_*: FilterInputs of
coding.perceptual.latent_filter. features: types.Face.features. rest, rest_s, seen_s: coding.expression.resting. trust,
hidden: coding.expression.witness_fusion.
"""


INPUTS: tuple[str, ...] = tuple(
    dict.fromkeys(source for wires in CODING.values() for source in wires.values() if "." not in source)
)
"""Of the joined graph."""


OUTPUTS = (
    "motion.size", "dfecs.codes", "facs.sides", "facs.presence", "units.intensity", "units.confidence",
    "latent_filter.filtered", "latent_filter.new_speed", "perceptual_expression.probability",
    "perceptual_expression.affect", "appearance.affect", "appearance_filter.filtered", "appearance_filter.new_speed",
    "resting.new_rest", "resting.new_rest_s", "witness_fusion.probability",
)  # fmt: skip
"""Of the joined graph: what stages ask for."""


def fuse(
    parts: Sequence[Part],
    path: Path | str,
    check: Mapping[str, FloatArray] | None = None,
    kept: Sequence[str] = (),
) -> float:
    """Writes one graph of all parts with its card; returns the largest difference to the parts run by themselves.

    check: inputs of the fused graph on which backends are compared; what is missing is taken from the parts' own.
    kept: the outputs that it has; empty: all of its parts.

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
    single: list[int] = []
    for part in parts:
        session = sessions[part.model.name]
        names = _wires(part, session, inputs, outputs)
        graph = onnx.version_converter.convert_version(onnx.load_from_string(part.model.graph), OPSET).graph
        prefixed = onnx.compose.add_prefix_graph(graph, part.model.name + ".")
        single += [len(nodes) + i for i in range(len(prefixed.node))] if part.single else []
        for node in prefixed.node:
            for i, name in enumerate(node.input):
                node.input[i] = names.get(name, name)
        nodes += prefixed.node
        constants += prefixed.initializer
        outputs.update({f"{part.model.name}.{t.name}": t.shape for t in session.outputs})
    outputs = {name: outputs[name] for name in kept or outputs}
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
    for index in single:
        model.graph.node[index].name = SINGLE + model.graph.node[index].name
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
        "tolerance": {name: value for name, value in _tolerances(parts, sessions).items() if name in outputs},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    given = {name: np.resize(value, (CHECK_BATCH, *value.shape[1:])) for name, value in (check or {}).items()}
    values = _check_inputs(parts, sessions, inputs) | {name: given[name] for name in inputs if name in given}
    joined = ModelFile(path, card, content, str(card["sha256"]))
    difference = _difference(joined, parts, sessions, values)
    if not difference <= EXACTNESS:
        raise ModelError(f"{path} gives other outputs than its parts, by {difference:.2g}; {EXACTNESS:g} is allowed.")
    card["largest_difference_to_parts"] = difference
    write_model(joined, values)
    return difference


def is_current(fused: ModelFile, made_from: Mapping[str, str]) -> bool:
    """Whether a fused graph holds these very parts, sha256 by name, and takes the inputs of CODING."""
    parts = fused.card.get("parts")
    if not isinstance(parts, dict) or set(fused.names("inputs") or ()) != set(INPUTS):
        return False
    return all(parts.get(name) == sha256 for name, sha256 in made_from.items())


@cache
def with_sources(parts: frozenset[str]) -> frozenset[str]:
    """Parts of CODING, and all that feed them."""
    sources = {source.partition(".")[0] for part in parts for source in CODING[part].values() if "." in source}
    return parts if sources <= parts else with_sources(parts | sources)


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
                values[f"{part.model.name}.{name}"] = expected
                if (found := outputs.get(f"{part.model.name}.{name}")) is not None:
                    size = max(1.0, float(np.abs(expected).max()))
                    largest = max(largest, float(np.abs(found - expected).max()) / size)
    return largest
