"""The small network on directions of motion; kept as an ONNX graph that is its own mirror image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import SURFACE_POINTS, FloatArray
from .action_units import CODES
from .rendered import MotionSet, mirrored

_UNITS = len(CODES)
_VALUES = SURFACE_POINTS * 3


@dataclass(frozen=True)
class Projection:
    """Directions of motion, strongest against the tracker's noise first.

    weights: (1404, k); each column is its own mirror image, with the sign `parity` (k,).
    """

    weights: FloatArray
    parity: FloatArray

    @classmethod
    def fit(cls, signal: FloatArray, noise: FloatArray, directions: int, floor: float = 0.0055) -> Projection:
        """Generalised eigenvectors of the covariance of `signal` against that of `noise`, both (n, 468, 3).

        floor: noise of every coordinate by itself, in eye distances.
        """
        from scipy.linalg import eigh

        def covariance(motion: FloatArray) -> NDArray[np.float64]:
            both = np.concatenate([motion, mirrored(motion)]).reshape(2 * len(motion), -1)
            return np.asarray(both.T @ both / len(both), np.float64)

        inner = covariance(noise) + floor**2 * np.eye(_VALUES)
        _, vectors = eigh(covariance(signal), inner, subset_by_index=(_VALUES - directions, _VALUES - 1))
        vectors = vectors[:, ::-1].T.astype(np.float32)
        flipped = mirrored(vectors.reshape(directions, SURFACE_POINTS, 3)).reshape(directions, -1)
        parity = np.sign((flipped * vectors).sum(1))
        vectors = (vectors + parity[:, None] * flipped) / 2
        scale = np.sqrt(np.einsum("kv,vw,kw->k", vectors, covariance(signal), vectors))
        return cls((vectors / scale[:, None]).T.astype(np.float32), parity.astype(np.float32))

    def __call__(self, motion: FloatArray) -> FloatArray:
        return np.asarray(motion.reshape(len(motion), -1) @ self.weights, np.float32)


class FacsNetwork:
    """A perceptron on the projection; answers are the mean over the motion and its mirror image.

    For each side and unit it gives a value and the logit of a gate, 0..1. The raw intensity is the value times the
    gate: most units are absent in most faces, so the best guess is far from linear in the motion.
    `calibrate` sets how this becomes an intensity and a probability of presence.
    """

    def __init__(self, projection: Projection, layers: list[tuple[FloatArray, FloatArray]], direct: FloatArray) -> None:
        """layers: weights (in, out) and biases; SiLU between them. direct: (k, 4 units), past the layers."""
        self.projection, self.layers, self.direct = projection, layers, direct
        self.start = np.zeros(_UNITS, np.float32)
        self.gain = np.ones(_UNITS, np.float32)
        self.slope = np.ones(_UNITS, np.float32)
        self.offset = np.zeros(_UNITS, np.float32)

    def raw(self, motion: FloatArray) -> FloatArray:
        """Intensities (n, 2, units), not calibrated."""
        z = self.projection(motion)

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
        """Intensities (n, 2, units), 0..1, right first; what resting faces of as much doubt show is not reported."""
        return np.clip((self.raw(data.motion) - self.start * data.doubt[:, None, None]) * self.gain, 0, 1)

    def presence(self, motion: FloatArray) -> FloatArray:
        """Probability (n, units) that a unit is there, A or more."""
        return _sigmoid(self.raw(motion).max(1) * self.slope + self.offset)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)


def _mirror_pairs() -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """One point of each mirrored pair, the other, and the share of its weight: half where both are the same point."""
    numbers = np.arange(SURFACE_POINTS)
    other = np.rint(mirrored(np.repeat(numbers, 3).reshape(-1, 3).astype(np.float32))[:, 1]).astype(np.int64)
    one = np.flatnonzero(numbers <= other)
    return one, other[one], np.where(one == other[one], 0.5, 1).astype(np.float32)


def to_onnx(network: FacsNetwork) -> bytes:
    """One graph: `motion` (n, 468, 3), `doubt` (n, 1) -> `sides` (n, 2, units), `presence` (n, units).

    Even directions see only what both sides of the face do together, odd ones what they do apart, and in the mirror
    only the odd ones change their sign. So each half is projected by itself and passed through the first layer once,
    then added for the face as seen and subtracted for its mirror image: half the work of these two.
    """
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

    even = network.projection.parity > 0
    one, other, share = _mirror_pairs()
    projection = network.projection.weights.reshape(SURFACE_POINTS, 3, -1)[one] * share[:, None, None]
    projection = projection.reshape(3 * len(one), -1)
    bias = network.layers[0][1]
    weights = np.concatenate([network.layers[0][0], network.direct], 1)

    here = node("Gather", ["motion", constant("one_side", one)], "here", axis=1)
    there = node("Gather", ["motion", constant("other_side", other)], "there", axis=1)
    there = node("Mul", [there, constant("sign", np.array([-1, 1, 1], np.float32))], "there_mirrored")
    row = constant("as_row", np.array([-1, 3 * len(one)], np.int64))
    together = node("Reshape", [node("Add", [here, there], "together"), row], "together_row")
    apart = node("Reshape", [node("Sub", [here, there], "apart"), row], "apart_row")
    together = node("MatMul", [together, constant("even", projection[:, even])], "z_even")
    apart = node("MatMul", [apart, constant("odd", projection[:, ~even])], "z_odd")
    together = node("MatMul", [together, constant("weights0_even", weights[even])], "from_even")
    apart = node("MatMul", [apart, constant("weights0_odd", weights[~even])], "from_odd")
    seen, mirror = node("Add", [together, apart], "as_seen"), node("Sub", [together, apart], "in_mirror")
    both = node("Concat", [seen, mirror], "both", axis=0)
    widths = constant("widths", np.array([len(bias), 4 * _UNITS], np.int64))
    nodes.append(helper.make_node("Split", [both, widths], ["hidden", "past"], axis=1))
    h = node("Add", ["hidden", constant("bias0", bias)], "layer0")
    for number, (weights, bias) in enumerate(network.layers[1:], 1):
        h = node("Mul", [h, node("Sigmoid", [h], f"gate{number}")], f"silu{number}")
        names = [constant(f"weights{number}", weights), constant(f"bias{number}", bias)]
        h = node("Gemm", [h, *names], f"layer{number}")
    h = node("Add", [h, "past"], "answer")
    h = node("Reshape", [h, constant("as_sides", np.array([2, -1, 2, 2, _UNITS], np.int64))], "answers")
    first = node("Gather", [h, constant("first", np.array(0, np.int64))], "answer_as_seen", axis=0)
    second = node("Gather", [h, constant("second", np.array(1, np.int64))], "answer_in_mirror", axis=0)
    turned = node("Gather", [second, constant("swapped", np.array([1, 0], np.int64))], "turned_back", axis=2)
    mean = node("Mul", [node("Add", [first, turned], "sum"), constant("half", np.array(0.5, np.float32))], "mean")
    value = node("Gather", [mean, "first"], "value", axis=1)
    logit = node("Gather", [mean, "second"], "logit", axis=1)
    raw = node("Mul", [value, node("Sigmoid", [logit], "open")], "raw")
    wide = node("Reshape", ["doubt", constant("as_factor", np.array([-1, 1, 1], np.int64))], "wide_doubt")
    silent = node("Mul", [wide, constant("start", network.start.reshape(1, 1, -1))], "silent")
    moved = node("Sub", [raw, silent], "moved")
    scaled = node("Mul", [moved, constant("gain", network.gain)], "scaled")
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
            helper.make_tensor_value_info("doubt", TensorProto.FLOAT, ["faces", 1]),
        ],
        [
            helper.make_tensor_value_info("sides", TensorProto.FLOAT, ["faces", 2, _UNITS]),
            helper.make_tensor_value_info("presence", TensorProto.FLOAT, ["faces", _UNITS]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="facial_coding_ros")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
