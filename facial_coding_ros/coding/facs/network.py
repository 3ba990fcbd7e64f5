"""The small network: trained with torch, kept as an ONNX graph that is its own mirror image."""

from __future__ import annotations

from collections.abc import Callable
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
class NetworkOptions:
    """How the network is built and trained."""

    directions: int = 140
    hidden: tuple[int, ...] = (512, 256)
    dropout: float = 0.25
    steps: int = 10000
    batch: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    invariance: float = 0.05
    seed: int = 0


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

    `calibrate` sets how its numbers become intensities and probabilities.
    """

    def __init__(self, projection: Projection, layers: list[tuple[FloatArray, FloatArray]], direct: FloatArray) -> None:
        """layers: weights (in, out) and biases; SiLU between them. direct: (k, 4 units), past the layers."""
        self.projection, self.layers, self.direct = projection, layers, direct
        self.start = np.zeros(_UNITS, np.float32)
        self.gain = np.ones(_UNITS, np.float32)
        self.slope = np.ones(_UNITS, np.float32)
        self.offset = np.zeros(_UNITS, np.float32)

    def raw(self, motion: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sides (n, 2, units) and logits of presence (n, 2, units), not calibrated."""
        z = self.projection(motion)

        def once(x: FloatArray) -> FloatArray:
            h = x
            for number, (weights, bias) in enumerate(self.layers):
                h = h @ weights + bias
                if number < len(self.layers) - 1:
                    h = h / (1 + np.exp(-h))
            return (h + x @ self.direct).reshape(-1, 2, 2, _UNITS)

        out = (once(z) + once(z * self.projection.parity)[:, :, ::-1]) / 2
        return out[:, 0], out[:, 1]

    def sides(self, data: MotionSet) -> FloatArray:
        """Intensities (n, 2, units), 0..1, right first; what resting faces of as much doubt show is not reported."""
        return np.clip((self.raw(data.motion)[0] - self.start * data.doubt[:, None, None]) * self.gain, 0, 1)

    def presence(self, motion: FloatArray) -> FloatArray:
        """Probability (n, units) that a unit is there, A or more."""
        logit = self.raw(motion)[1].max(1) * self.slope + self.offset
        return np.asarray(1 / (1 + np.exp(-logit)), np.float32)


def train(
    data: MotionSet,
    noise: FloatArray,
    options: NetworkOptions,
    drawn: tuple[FloatArray, FloatArray],
    progress: Callable[[str], None] = lambda line: None,
) -> FacsNetwork:
    """Trains on tracked motions, half as many of `drawn`, and the mirror images of both.

    drawn: motions (m, 468, 3) as a tracker may report them, without noise, and sides (m, 2, units); they keep the
    network from trusting what only this tracker does. noise: (n, 468, 3), motions of resting faces, added to both.
    invariance asks for the same answers with two draws of noise. Squared error; an answer beyond 0 or 1 on the right
    side of it counts a tenth.
    """
    import torch
    from torch import nn

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    projection = Projection.fit(data.motion, noise, options.directions)
    width = options.directions
    sources = [
        (np.concatenate([z, z * projection.parity]), np.concatenate([y, y[:, ::-1]]).reshape(2 * len(y), -1))
        for z, y in ((projection(data.motion), data.sides), (projection(drawn[0]), drawn[1]))
    ]
    disturbance = projection(noise)
    disturbance = np.concatenate([disturbance, disturbance * projection.parity])

    modules: list[nn.Module] = []
    for size in options.hidden:
        modules += [nn.Linear(width, size), nn.SiLU(), nn.Dropout(options.dropout)]
        width = size
    modules.append(nn.Linear(width, 4 * _UNITS))
    body, direct = nn.Sequential(*modules), nn.Linear(options.directions, 4 * _UNITS, bias=False)
    nn.init.zeros_(direct.weight)
    parameters = [*body.parameters(), *direct.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)

    def disturbed(z: FloatArray, low: float, high: float, chance: float) -> FloatArray:
        amount = rng.uniform(low, high, (len(z), 1)) * (rng.random((len(z), 1)) < chance)
        return np.asarray(z + amount * disturbance[rng.integers(0, len(disturbance), len(z))], np.float32)

    sizes = options.batch, options.batch // 2
    amounts = (0.0, 0.7, 0.5), (0.3, 1.0, 1.0)  # tracked motions have noise of their own
    body.train()
    for step in range(options.steps):
        rows = [rng.integers(0, len(z), size) for (z, _), size in zip(sources, sizes, strict=True)]
        target = torch.tensor(np.concatenate([y[at] for (_, y), at in zip(sources, rows, strict=True)]))
        answers = []
        for _ in range(2 if options.invariance else 1):
            parts = [disturbed(z[at], *how) for (z, _), at, how in zip(sources, rows, amounts, strict=True)]
            batch = torch.tensor(np.concatenate(parts))
            answers.append(body(batch) + direct(batch))
        intensity, logit = answers[0][:, : 2 * _UNITS], answers[0][:, 2 * _UNITS :]
        error = intensity - target
        beyond = ((target <= 0) & (intensity < 0)) | ((target >= 1) & (intensity > 1))
        error = torch.where(beyond, 0.1 * error, error)
        loss = 10 * (error**2).mean()
        loss = loss + 0.1 * nn.functional.binary_cross_entropy_with_logits(logit, (target >= 0.2).float())
        if options.invariance:
            apart = answers[0][:, : 2 * _UNITS].clamp(0, 1) - answers[1][:, : 2 * _UNITS].clamp(0, 1)
            loss = loss + options.invariance * 10 * (apart**2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            progress(f"step {step} of {options.steps}: loss {float(loss.detach()):.4f}")

    layers = [
        (module.weight.detach().numpy().T.copy(), module.bias.detach().numpy().copy())
        for module in body
        if isinstance(module, nn.Linear)
    ]
    return FacsNetwork(projection, layers, direct.weight.detach().numpy().T.copy())


_NOT_RAISED = tuple(CODES.index(code) for code in (6, 7, 10, 12, 14, 25, 26))
_MOST_GAIN = 1.5


def calibrate(network: FacsNetwork, data: MotionSet) -> None:
    """Sets start and gain of each intensity, slope and offset of each probability, from people not trained on.

    The gain gives estimates the spread that the true intensities have (a squared error shrinks what it is unsure of, by
    as much as it explains); between 1 and 1.5, and 1 for AU12, what comes with it, and AU14, which a beginning smile
    resembles: these would overtake it.
    The start, times the doubt, keeps the same share of resting faces, turned or not, below 0.3 in each unit: so many
    that no more than 35 in 1000 of them show any unit above 0.3.
    """
    # Without those that blink. People trained on would be of no use here: the network knows their resting faces.
    resting = data.take((data.resting | data.turned) & (data.sides.max((1, 2)) == 0))
    raw, logit = network.raw(data.motion)
    quiet, usual = network.raw(resting.motion)[0].max(1), float(np.median(resting.doubt))
    relative = quiet / resting.doubt[:, None] * usual
    both, strongest = data.sides.max(1), logit.max(1)
    spread = both.std(0)
    for k in range(_UNITS):
        network.slope[k], network.offset[k] = platt(strongest[:, k], both[:, k] >= 0.2)
    for share in (0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 1.0):
        highest = np.quantile(relative, share, axis=0)
        for k in range(_UNITS):
            for _ in range(3):
                if k not in _NOT_RAISED and spread[k] > 0:
                    above = np.clip(raw[:, :, k] - network.start[k] * data.doubt[:, None], 0, 1).max(1)
                    network.gain[k] = float(np.clip(spread[k] / max(above.std(), 1e-6), 1.0, _MOST_GAIN))
                network.start[k] = float(np.clip((highest[k] - 0.3 / network.gain[k]) / usual, 0.015, 0.095))
        shown = (quiet - network.start * resting.doubt[:, None]) * network.gain
        if (shown > 0.3).any(1).mean() <= 0.035:
            break


def platt(logit: FloatArray, present: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of a logistic regression of `present` on `logit`, with Platt's soft targets."""
    from scipy.optimize import minimize

    positive, negative = present.sum(), (~present).sum()
    target = np.where(present, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(solution: NDArray[np.float64]) -> float:
        z = solution[0] * logit + solution[1]
        return float((np.logaddexp(0, z) - target * z).mean() + 1e-4 * ((solution - [1, 0]) ** 2).sum())

    slope, offset = minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
    return float(max(slope, 0.05)), float(offset)


def from_onnx(graph: bytes) -> FacsNetwork:
    """The network that `to_onnx` wrote."""
    import onnx
    from onnx import numpy_helper

    values = {c.name: numpy_helper.to_array(c).copy() for c in onnx.load_from_string(graph).graph.initializer}
    count = sum(name.startswith("weights") for name in values)
    layers = [(values[f"weights{i}"], values[f"bias{i}"]) for i in range(count)]
    network = FacsNetwork(Projection(values["projection"], values["parity"]), layers, values["direct"])
    network.start, network.gain = values["start"].reshape(-1), values["gain"]
    network.slope, network.offset = values["slope"], values["offset"]
    return network


def to_onnx(network: FacsNetwork) -> bytes:
    """One graph: `motion` (n, 468, 3), `doubt` (n, 1) -> `sides` (n, 2, units), `presence` (n, units)."""
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
    z = node("MatMul", [flat, constant("projection", network.projection.weights)], "z")
    other = node("Mul", [z, constant("parity", network.projection.parity)], "z_mirrored")
    both = node("Concat", [z, other], "both", axis=0)
    h = both
    for number, (weights, bias) in enumerate(network.layers):
        names = [constant(f"weights{number}", weights), constant(f"bias{number}", bias)]
        h = node("Gemm", [h, *names], f"layer{number}")
        if number < len(network.layers) - 1:
            h = node("Mul", [h, node("Sigmoid", [h], f"gate{number}")], f"silu{number}")
    h = node("Add", [h, node("MatMul", [both, constant("direct", network.direct)], "past")], "answer")
    h = node("Reshape", [h, constant("as_sides", np.array([2, -1, 2, 2, _UNITS], np.int64))], "answers")
    first = node("Gather", [h, constant("first", np.array(0, np.int64))], "as_seen", axis=0)
    second = node("Gather", [h, constant("second", np.array(1, np.int64))], "in_mirror", axis=0)
    turned = node("Gather", [second, constant("swapped", np.array([1, 0], np.int64))], "turned_back", axis=2)
    mean = node("Mul", [node("Add", [first, turned], "sum"), constant("half", np.array(0.5, np.float32))], "mean")
    raw = node("Gather", [mean, "first"], "raw", axis=1)
    logit = node("Gather", [mean, "second"], "logit", axis=1)
    wide = node("Reshape", ["doubt", constant("as_factor", np.array([-1, 1, 1], np.int64))], "wide_doubt")
    silent = node("Mul", [wide, constant("start", network.start.reshape(1, 1, -1))], "silent")
    moved = node("Sub", [raw, silent], "moved")
    scaled = node("Mul", [moved, constant("gain", network.gain)], "scaled")
    limits = [constant("low", np.array(0, np.float32)), constant("high", np.array(1, np.float32))]
    node("Clip", [scaled, *limits], "sides")
    strongest = node("ReduceMax", [logit], "strongest", axes=[1], keepdims=0)
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
