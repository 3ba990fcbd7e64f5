# SPDX-License-Identifier: Apache-2.0
"""Expressions at random: which action units, how strongly, and how this person's face does them.

No two faces perform an action unit alike, and ICT-FaceKit has one shape for each. So each person gets an own version:
another gain, a turned and sheared field of displacements, and shares of neighbouring shapes. What moves along without
being scored (noise of the label) is drawn as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...action_units import ACTION_UNITS, CODES
from ...face_model.ict import AU_SHAPES
from ...types import FloatArray

KINDS = (
    "neutral",
    "single",
    "smile",
    "disgust",
    "surprise",
    "anger",
    "sadness",
    "fear",
    "contempt",
    "talk",
    "blink",
    "mixed",
)
_KIND_SHARES = (0.0, 0.30, 0.16, 0.06, 0.05, 0.05, 0.05, 0.03, 0.04, 0.08, 0.03, 0.15)

# Action unit -> shapes of the right and of the left side, as datasets.ict.AU_SHAPES; with what has none there: AU43 is
# AU45's shape, AU26 and AU27 share jawOpen, AU23 is put together.
_LIP_TIGHTENER = {
    "mouthPucker": 0.3,
    "mouthRollUpper": 0.35,
    "mouthRollLower": 0.35,
    "mouthPress_R": 0.25,
    "mouthPress_L": 0.25,
}

# Shapes that may take part in an action unit, with the largest share drawn for a person. Sided names get _R or _L.
_ALONG: Mapping[int, Mapping[str, float]] = {
    1: {"browOuterUp": 0.3},
    2: {"browInnerUp": 0.25},
    4: {"eyeSquint": 0.15, "noseSneer": 0.12},
    6: {"eyeSquint": 0.4, "cheekRaiser": 0.6},
    7: {"cheekSquint": 0.2, "eyeBlink": 0.12},
    9: {"browDown": 0.2, "mouthUpperUp": 0.25, "cheekSquint": 0.3},
    10: {"noseSneer": 0.25, "cheekSquint": 0.15},
    12: {
        "mouthDimple": 0.45,
        "mouthStretch": 0.35,
        "cheekSquint": 0.4,
        "mouthUpperUp": 0.2,
        "eyeSquint": 0.15,
        "cheekRaiser": 0.4,
        "noseSneer": 0.15,
    },
    14: {"mouthStretch": 0.2, "mouthPress": 0.3},
    15: {"mouthShrugLower": 0.25, "mouthLowerDown": 0.15, "mouthStretch": 0.15},
    16: {"mouthStretch": 0.15},
    17: {"mouthFrown": 0.15, "mouthRollLower": 0.15},
    18: {"mouthFunnel": 0.2},
    20: {"mouthLowerDown": 0.3, "mouthFrown": 0.15, "mouthDimple": 0.15},
    22: {"mouthPucker": 0.25, "jawOpen": 0.15},
    24: {"mouthRollLower": 0.25, "mouthRollUpper": 0.25, "mouthShrugLower": 0.15},
    27: {"mouthLowerDown": 0.1, "jawForward": 0.1},
    28: {"mouthPress": 0.25, "mouthShrugLower": 0.15},
    45: {"eyeSquint": 0.3, "browDown": 0.06},
}
# What a real smile brings along without being scored: lips thin, nostrils widen, the jaw shifts, brows stir.
_WITH_SMILE = {
    "mouthRollUpper": 0.25, "mouthRollLower": 0.25, "mouthPress_R": 0.2, "mouthPress_L": 0.2, "noseSneer_R": 0.15,
    "noseSneer_L": 0.15, "mouthLowerDown_R": 0.2, "mouthLowerDown_L": 0.2, "browOuterUp_R": 0.1, "browOuterUp_L": 0.1,
    "browInnerUp_R": 0.1, "browInnerUp_L": 0.1, "browDown_R": 0.12, "browDown_L": 0.12, "mouthShrugLower": 0.12,
    "jawForward": 0.15, "mouthShrugUpper": 0.12,
}  # fmt: skip
_IDLE = 0.06
"""Largest weight of a shape in a resting face that is not scored."""


@dataclass(frozen=True)
class Manner:
    """How one person performs the action units. gain: by code. field: code -> (3, 3) for the left side's offsets (its
    mirror for the right). along: code -> share of each further shape. one_sided: share of the weaker side, mean."""

    gain: Mapping[int, float]
    field: Mapping[int, FloatArray]
    along: Mapping[int, Mapping[str, float]]

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Manner:
        codes = [code for code in CODES if code in AU_SHAPES]
        return cls(
            gain={code: float(np.clip(np.exp(rng.normal(-0.05, 0.2)), 0.6, 1.5)) for code in (*codes, 23)},
            field={code: (np.eye(3) + rng.normal(0, 0.13, (3, 3))).astype(np.float32) for code in (*codes, 23)},
            along={
                code: {name: float(rng.beta(1, 1.5) * most) for name, most in shapes.items()}
                for code, shapes in _ALONG.items()
            },
        )


@dataclass(frozen=True)
class ExpressionSample:
    """right, left: (24,) intensities in the order of CODES; AU25 is filled in from the lips' gap. idle: unscored shape
    weights. gaze_deg: to the person's left and up."""

    kind: str
    right: FloatArray
    left: FloatArray
    idle: Mapping[str, float]
    gaze_deg: tuple[float, float]


def sample_expression(rng: np.random.Generator, kind: str | None = None) -> ExpressionSample:
    """One expression; `kind` of KINDS, None: by the usual shares."""
    kind = kind or str(rng.choice(KINDS, p=_KIND_SHARES))
    right, left = np.zeros(len(CODES), np.float32), np.zeros(len(CODES), np.float32)

    def put(code: int, low: float, high: float, chance: float = 1.0, uneven: float = 0.12) -> None:
        if rng.random() >= chance:
            return
        value = rng.uniform(low, high)
        sided = ACTION_UNITS[CODES.index(code)].sided
        sides = np.clip(value * (1 + rng.normal(0, uneven, 2)), 0, 1) if sided else (value, value)
        right[CODES.index(code)], left[CODES.index(code)] = sides

    def one_sided(code: int) -> None:
        at = CODES.index(code)
        weaker = rng.uniform(0, 0.25) if rng.random() < 0.5 else 0.0
        (right if rng.random() < 0.5 else left)[at] *= weaker

    if kind == "single":
        code = int(rng.choice([c for c in CODES if c not in (25, 26, 45)]))
        put(code, 0.15, 1.0)
        if ACTION_UNITS[CODES.index(code)].sided and rng.random() < 0.25:
            one_sided(code)
    elif kind == "smile":
        put(12, 0.25, 1.0)
        strength = right[CODES.index(12)]
        put(6, 0.1, 1.0, 0.3 + 0.6 * strength)
        put(7, 0.1, 0.5, 0.25)
        put(16, 0.1, 0.6, 0.08)
        put(10, 0.1, 0.4, 0.12)
        put(27, 0.03, 0.35, 0.45)
        put(1, 0.1, 0.5, 0.06)
        put(2, 0.1, 0.5, 0.06)
        if rng.random() < 0.08:
            one_sided(12)
    elif kind == "disgust":
        put(9, 0.2, 1.0, 0.8)
        put(10, 0.2, 1.0, 0.7)
        put(4, 0.2, 1.0, 0.8)
        put(7, 0.1, 0.8, 0.5)
        put(6, 0.1, 0.6, 0.3)
        put(17, 0.1, 0.8, 0.4)
        put(15, 0.1, 0.6, 0.25)
        put(27, 0.05, 0.4, 0.25)
    elif kind == "surprise":
        put(1, 0.3, 1.0)
        put(2, 0.3, 1.0)
        put(5, 0.2, 1.0, 0.8)
        put(27, 0.1, 1.0, 0.85)
    elif kind == "anger":
        put(4, 0.3, 1.0)
        put(5, 0.1, 0.7, 0.3)
        put(7, 0.2, 1.0, 0.6)
        put(int(rng.choice([23, 24, 17, 10])), 0.2, 1.0, 0.9)
        put(15, 0.1, 0.5, 0.15)
    elif kind == "sadness":
        put(1, 0.2, 1.0, 0.8)
        put(4, 0.1, 0.8, 0.6)
        put(15, 0.2, 1.0, 0.8)
        put(17, 0.1, 1.0, 0.5)
        put(43, 0.1, 0.5, 0.2)
    elif kind == "fear":
        put(1, 0.3, 1.0)
        put(2, 0.2, 1.0, 0.8)
        put(4, 0.2, 0.8, 0.6)
        put(5, 0.3, 1.0, 0.8)
        put(20, 0.2, 1.0, 0.8)
        put(27, 0.05, 0.7, 0.7)
    elif kind == "contempt":
        code = int(rng.choice([12, 14]))
        put(code, 0.2, 0.9)
        one_sided(code)
    elif kind == "talk":
        put(27, 0.0, 0.55, 0.8)
        for code in (16, 17, 18, 20, 22, 24, 10, 28):
            put(code, 0.1, 0.7, 0.16)
        put(1, 0.1, 0.6, 0.15)
        put(2, 0.1, 0.6, 0.15)
        put(12, 0.1, 0.6, 0.15)
    elif kind == "blink":
        put(45, 0.3, 1.0, uneven=0.03)
        if rng.random() < 0.15:
            one_sided(45)
        put(12, 0.2, 0.8, 0.2)
    elif kind == "mixed":
        for code in rng.choice([c for c in CODES if c not in (25, 26, 43)], int(rng.integers(2, 6)), replace=False):
            put(int(code), 0.1, 1.0)
            if ACTION_UNITS[CODES.index(code)].sided and rng.random() < 0.2:
                one_sided(int(code))
    if kind != "blink":
        put(45, 0.2, 1.0, 0.04)
    _settle(right, left)
    idle = {name: float(_IDLE * rng.beta(1, 3)) for name in _WITH_SMILE}
    smile = float(max(right[CODES.index(12)], left[CODES.index(12)]))
    for name, most in _WITH_SMILE.items():
        idle[name] += float(most * smile * rng.beta(0.8, 2.0))
    if kind == "smile" and rng.random() < 0.6:
        # Teeth are bared: lips apart (AU25), which is not scored as AU10 or AU16.
        above, below = rng.uniform(0, 0.5), rng.uniform(0.05, 0.6)
        for side in "RL":
            idle[f"mouthUpperUp_{side}"] = idle.get(f"mouthUpperUp_{side}", 0.0) + float(smile * above)
            idle[f"mouthLowerDown_{side}"] += float(smile * below)
    gaze = (float(rng.normal(0, 9)), float(rng.normal(-2, 6)))
    return ExpressionSample(kind, right, left, idle, gaze)


def _settle(right: FloatArray, left: FloatArray) -> None:
    """What excludes what: one jaw, one eye closure, no wide eye that is closed, no rolled lips in an open mouth."""
    at = {code: CODES.index(code) for code in CODES}
    for side in (right, left):
        side[at[43]] = side[at[45]] = max(side[at[43]], side[at[45]])
        if side[at[45]] > 0.2:
            side[at[5]] = 0
        if side[at[27]] > 0.3:
            side[[at[23], at[24], at[28], at[17]]] = 0
    for code in (23, 24, 28, 17):
        right[at[code]] = left[at[code]] = min(right[at[code]], left[at[code]])


def shape_weights(sample: ExpressionSample, manner: Manner) -> list[tuple[FloatArray | None, dict[str, float]]]:
    """Groups of shape weights, each with the (3, 3) that its offsets are multiplied by from the right (None: none)."""
    groups: list[tuple[FloatArray | None, dict[str, float]]] = [(None, _gaze(sample) | dict(sample.idle))]
    flip = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)
    for at, code in enumerate(CODES):
        if code in (25, 26, 43):
            continue
        if code == 23:
            share = float(sample.right[at])
            groups.append(
                (_level(manner.field[23]), {n: w * share * manner.gain[23] for n, w in _LIP_TIGHTENER.items()})
            )
            continue
        both = AU_SHAPES[code][0] == AU_SHAPES[code][1]
        for side, intensity in enumerate((float(sample.right[at]), float(sample.left[at]))):
            if not intensity:
                continue
            if both and side == 1:
                break
            gain = 1.0 if code in (27, 45) else manner.gain[code]
            weights = dict.fromkeys(AU_SHAPES[code][side], intensity * gain)
            for name, share in manner.along.get(code, {}).items():
                names = [name] if name in _MIDDLE else [f"{name}_{'RL'[side]}"]
                if both and name not in _MIDDLE:
                    names = [f"{name}_R", f"{name}_L"]
                for each in names:
                    weights[each] = weights.get(each, 0.0) + share * intensity * (
                        0.5 if not both and name in _MIDDLE else 1.0
                    )
            field = manner.field[code]
            if both:
                groups.append((_level(field), weights))
            else:
                groups.append((field if side == 1 else flip @ field @ flip, weights))
    return groups


_MIDDLE = ("mouthShrugLower", "mouthRollLower", "mouthRollUpper", "mouthFunnel", "mouthPucker", "jawOpen", "jawForward")


def _level(field: FloatArray) -> FloatArray:
    """The part of a field that keeps both sides alike."""
    level = field.copy()
    level[0, 1:] = level[1:, 0] = 0
    return level


def _gaze(sample: ExpressionSample) -> dict[str, float]:
    across, up = sample.gaze_deg[0] / 30, sample.gaze_deg[1] / 25
    vertical = {f"eyeLook{'Up' if up > 0 else 'Down'}_{side}": abs(up) for side in "RL"}
    sides = ("eyeLookOut_L", "eyeLookIn_R") if across > 0 else ("eyeLookIn_L", "eyeLookOut_R")
    return vertical | {name: abs(across) for name in sides}


def offsets(sample: ExpressionSample, manner: Manner, shapes: Mapping[str, FloatArray]) -> FloatArray:
    """Offsets (points, 3) of an expression; axes x to the person's left, then any two of its plane of symmetry."""
    total = np.zeros_like(next(iter(shapes.values())))
    for field, weights in shape_weights(sample, manner):
        part = np.zeros_like(total)
        for name, weight in weights.items():
            if weight:
                part += np.float32(weight) * shapes[name]
        total += part if field is None else part @ field
    return total


def with_lips(sample: ExpressionSample, gap_cm: float) -> tuple[FloatArray, FloatArray]:
    """The intensities (24,) of both sides with AU25, 26 and 27 from what the mouth does.

    AU25 is E at a gap of 1.2 cm between the inner lips; AU26 is the first half of the jaw's way, AU27 the second.
    """
    out = []
    for side in (sample.right, sample.left):
        side = side.copy()
        jaw = side[CODES.index(27)]
        side[CODES.index(26)], side[CODES.index(27)] = min(2 * jaw, 1.0), max(2 * jaw - 1, 0.0)
        side[CODES.index(25)] = np.clip(gap_cm / 1.2, 0, 1) if gap_cm > 0.1 else 0.0
        out.append(side)
    return out[0], out[1]
