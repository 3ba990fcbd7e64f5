# SPDX-License-Identifier: Apache-2.0
"""The small network on directions of motion; kept as an ONNX graph that is its own mirror image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...inference.node_names import name_nodes
from ...keypoints.mesh_mirror import MESH_PAIRS
from ...types import SURFACE_POINTS, FloatArray
from .disturbances import Disturbances
from .motion_sets import MotionSet, mirrored

FURTHEST = 4.0
"""Along no direction is a motion read as more than this, see `Projection`: what was never seen is not extrapolated."""
_UNITS = len(CODES)
_VALUES = SURFACE_POINTS * 3
_MIDDLE = np.setdiff1d(np.arange(SURFACE_POINTS), MESH_PAIRS)
_ON_THE_RIGHT, _ON_THE_LEFT = (np.concatenate([side, _MIDDLE]) for side in np.transpose(MESH_PAIRS))
_RIGHT, _LEFT = (np.ravel(3 * points[:, None] + np.arange(3)) for points in (_ON_THE_RIGHT, _ON_THE_LEFT))
"""(744,) places of coordinates in a row of 1404, and of what stands there in the mirror; points in the middle are their
own other side."""
_FLIP = np.tile(np.array([-1, 1, 1], np.float32), len(_ON_THE_RIGHT))
"""Sign of these coordinates in the mirror."""
_SHARE = np.where(np.isin(_RIGHT, _LEFT), np.float32(0.5), np.float32(1))[:, None]
"""Of their weights for sums of both sides: in the middle a sum is twice the point."""


@dataclass(frozen=True)
class Projection:
    """Directions of motion, strongest against the tracker's noise first.

    weights: (1404, k); each column is its own mirror image, with the sign `parity` (k,), and scaled so that motions it
    was fitted to have a mean square of 1.
    """

    weights: FloatArray
    parity: FloatArray

    @classmethod
    def fit(cls, signal: FloatArray, against: Disturbances, directions: int, floor: float = 0.0055) -> Projection:
        """Generalised eigenvectors of the covariance of `signal` (n, 468, 3) against that of what disturbs it.

        Of the mismatch a tenth counts. floor: noise of every coordinate by itself, in eye distances.
        """
        from scipy.linalg import eigh

        spread = _covariance(signal)
        inner = _covariance(against.noise) + 0.1 * _covariance(against.mismatch) + _covariance(against.neutral)
        inner += floor**2 * np.eye(_VALUES)
        _, vectors = eigh(spread, inner, subset_by_index=(_VALUES - directions, _VALUES - 1))
        vectors = vectors[:, ::-1].T.astype(np.float32)
        flipped = mirrored(vectors.reshape(directions, SURFACE_POINTS, 3)).reshape(directions, -1)
        parity = np.sign((flipped * vectors).sum(1))
        vectors = (vectors + parity[:, None] * flipped) / 2
        scale = np.sqrt(np.einsum("kv,vw,kw->k", vectors, spread, vectors))
        return cls((vectors / scale[:, None]).T.astype(np.float32), parity.astype(np.float32))

    def halves(self) -> tuple[FloatArray, FloatArray]:
        """Weights (744, s) and (744, a) of the directions of parity 1 and of parity -1, in their order: the first for
        sums of both sides, the second for differences. Half as many numbers give the same projection."""
        right = self.weights[_RIGHT] * _SHARE
        return right[:, self.parity > 0], right[:, self.parity < 0]

    @classmethod
    def from_halves(cls, symmetric: FloatArray, antisymmetric: FloatArray) -> Projection:
        """The projection of these `halves`, symmetric directions first."""
        parity = np.repeat(np.array([1, -1], np.float32), [symmetric.shape[1], antisymmetric.shape[1]])
        right = np.hstack([symmetric, antisymmetric]) / _SHARE
        weights = np.zeros((_VALUES, len(parity)), np.float32)
        weights[_LEFT], weights[_RIGHT] = right * _FLIP[:, None] * parity, right
        return cls(weights, parity)

    def __call__(self, motion: FloatArray) -> FloatArray:
        return np.asarray(motion.reshape(len(motion), -1) @ self.weights, np.float32)

    def of_both_sides(self, motion: FloatArray) -> FloatArray:
        """(2 n, k): of motions (n, 468, 3), and then of their mirror images."""
        z = self(motion)
        return np.concatenate([z, z * self.parity])


def _covariance(motion: FloatArray) -> NDArray[np.float64]:
    """(1404, 1404) about zero, of motions and their mirror images."""
    flat = motion.reshape(len(motion), -1)
    seen = np.asarray(flat.T @ flat / len(flat), np.float32)
    half = mirrored(seen.reshape(_VALUES, SURFACE_POINTS, 3)).reshape(_VALUES, _VALUES)
    both = mirrored(half.T.reshape(_VALUES, SURFACE_POINTS, 3)).reshape(_VALUES, _VALUES)
    return np.asarray((seen + both) / 2, np.float64)


class FacsNetwork:
    """A perceptron on the projection; outputs are the mean over the motion and its mirror image.

    For each side and unit it gives a value and the logit of a gate, 0..1. The raw intensity is the value times the
    gate: most units are absent in most faces, so the best guess is far from linear in the motion.
    `calibrate` sets how this becomes an intensity and a probability of presence.
    """

    def __init__(self, projection: Projection, layers: list[tuple[FloatArray, FloatArray]], direct: FloatArray) -> None:
        """layers: weights (in, out) and biases; SiLU between them. direct: (k, 4 units), past the layers."""
        self.projection, self.layers, self.direct = projection, layers, direct
        self.threshold = np.zeros(_UNITS, np.float32)
        self.scale = np.ones(_UNITS, np.float32)
        self.slope = np.ones(_UNITS, np.float32)
        self.offset = np.zeros(_UNITS, np.float32)

    def with_weights(self, layers: list[tuple[FloatArray, FloatArray]], direct: FloatArray) -> FacsNetwork:
        """Another network with the same projection and calibration."""
        network = FacsNetwork(self.projection, layers, direct)
        network.threshold, network.scale = self.threshold.copy(), self.scale.copy()
        network.slope, network.offset = self.slope.copy(), self.offset.copy()
        return network

    def raw(self, motion: FloatArray) -> FloatArray:
        """Intensities (n, 2, units), not calibrated."""
        z = np.clip(self.projection(motion), -FURTHEST, FURTHEST)

        def once(x: FloatArray) -> FloatArray:
            h = x
            for number, (weights, bias) in enumerate(self.layers):
                h = h @ weights + bias
                if number < len(self.layers) - 1:
                    h = h * _sigmoid(h)
            return (h + x @ self.direct).reshape(-1, 2, 2, _UNITS)

        out = (once(z) + once(z * self.projection.parity)[:, :, ::-1]) / 2
        return np.asarray(out[:, 0] * _sigmoid(out[:, 1]), np.float32)

    def sides(self, data: MotionSet) -> FloatArray:
        """Intensities (n, 2, units), 0..1, right first; what resting faces show at that noise scale is not reported."""
        return np.clip((self.raw(data.motion) - self.threshold * data.noise_scale[:, None, None]) * self.scale, 0, 1)

    def presence(self, motion: FloatArray) -> FloatArray:
        """Probability (n, units) that a unit is there, A or more."""
        return _sigmoid(self.raw(motion).max(1) * self.slope + self.offset)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)


def from_onnx(graph: bytes) -> FacsNetwork:
    """The network that `to_onnx` wrote; symmetric directions come first."""
    import onnx
    from onnx import numpy_helper

    values = {c.name: numpy_helper.to_array(c).copy() for c in onnx.load_from_string(graph).graph.initializer}
    count = sum(name.startswith("weights") for name in values)
    layers = [(values[f"weights{i}"], values[f"bias{i}"]) for i in range(count)]
    projection = Projection.from_halves(values["symmetric"], values["antisymmetric"])
    network = FacsNetwork(projection, layers, values["direct"])
    network.threshold, network.scale = values["threshold"].reshape(-1), values["scale"]
    network.slope, network.offset = values["slope"], values["offset"]
    return network


def to_onnx(network: FacsNetwork) -> bytes:
    """One graph: `motion` (n, 468, 3), `noise_scale` (n, 1) -> `sides` (n, 2, units), `presence` (n, units)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    flat = node("Reshape", ["motion", constant("as_row", np.array([-1, _VALUES], np.int64))], "flat")
    right = node("Gather", [flat, constant("places_right", _RIGHT)], "right", axis=1)
    left = node("Gather", [flat, constant("places_left", _LEFT)], "left", axis=1)
    flipped = node("Mul", [left, constant("flip", _FLIP)], "flipped")
    halves = dict(zip(("symmetric", "antisymmetric"), network.projection.halves(), strict=True))
    along = [
        node("MatMul", [node(kind, [right, flipped], f"{name}_motion"), constant(name, halves[name])], f"along_{name}")
        for name, kind in (("symmetric", "Add"), ("antisymmetric", "Sub"))
    ]
    order = np.argsort(-network.projection.parity, kind="stable")
    layers = [(network.layers[0][0][order], network.layers[0][1]), *network.layers[1:]]
    bounds = [constant(f"furthest{sign}", np.array(sign * FURTHEST, np.float32)) for sign in (-1, 1)]
    z = node("Clip", [node("Concat", along, "along", axis=1), *bounds], "z")
    other = node("Mul", [z, constant("parity", network.projection.parity[order])], "z_mirrored")
    both = node("Concat", [z, other], "both", axis=0)
    h = both
    for number, (weights, bias) in enumerate(layers):
        names = [constant(f"weights{number}", weights), constant(f"bias{number}", bias)]
        h = node("Gemm", [h, *names], f"layer{number}")
        if number < len(layers) - 1:
            h = node("Mul", [h, node("Sigmoid", [h], f"gate{number}")], f"silu{number}")
    h = node("Add", [h, node("MatMul", [both, constant("direct", network.direct[order])], "past")], "output")
    h = node("Reshape", [h, constant("as_sides", np.array([2, -1, 2, 2, _UNITS], np.int64))], "outputs")
    first = node("Gather", [h, constant("first", np.array(0, np.int64))], "as_seen", axis=0)
    second = node("Gather", [h, constant("second", np.array(1, np.int64))], "in_mirror", axis=0)
    turned = node("Gather", [second, constant("swapped", np.array([1, 0], np.int64))], "turned_back", axis=2)
    mean = node("Mul", [node("Add", [first, turned], "sum"), constant("half", np.array(0.5, np.float32))], "mean")
    value = node("Gather", [mean, "first"], "value", axis=1)
    logit = node("Gather", [mean, "second"], "logit", axis=1)
    raw = node("Mul", [value, node("Sigmoid", [logit], "open")], "raw")
    wide = node("Reshape", ["noise_scale", constant("as_factor", np.array([-1, 1, 1], np.int64))], "wide_noise_scale")
    silent = node("Mul", [wide, constant("threshold", network.threshold.reshape(1, 1, -1))], "silent")
    moved = node("Sub", [raw, silent], "moved")
    scaled = node("Mul", [moved, constant("scale", network.scale)], "scaled")
    limits = [constant("low", np.array(0, np.float32)), constant("high", np.array(1, np.float32))]
    node("Clip", [scaled, *limits], "sides")
    strongest = node("ReduceMax", [raw], "strongest", axes=[1], keepdims=0)
    sloped = node("Mul", [strongest, constant("slope", network.slope)], "sloped")
    node("Sigmoid", [node("Add", [sloped, constant("offset", network.offset)], "calibrated")], "presence")
    graph = helper.make_graph(
        nodes,
        "facs",
        [
            helper.make_tensor_value_info("motion", TensorProto.FLOAT, ["faces", SURFACE_POINTS, 3]),
            helper.make_tensor_value_info("noise_scale", TensorProto.FLOAT, ["faces", 1]),
        ],
        [
            helper.make_tensor_value_info("sides", TensorProto.FLOAT, ["faces", 2, _UNITS]),
            helper.make_tensor_value_info("presence", TensorProto.FLOAT, ["faces", _UNITS]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="facial_coding_ros")
    model.ir_version = 8
    name_nodes(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
