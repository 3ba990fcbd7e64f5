# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's blendshapes -> intensities of FACS action units, instead of FacsEstimator.

The blendshape model is Google's, trained on people, and only comes with the Tasks backend. Its cheekSquint and
noseSneer hardly ever move, so AU6 and AU9 are said with little confidence; there is nothing for AU23.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...action_units import CODES
from ...types import ActionUnits, Face
from .confidence import Views
from .outputs import assemble, unknown
from .settings import FacsSettings

BLENDSHAPES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""MediaPipe's order; "Left" is the person's own."""

# Action unit -> blendshape without its side, and how far it is trusted, 0..1. Our judgement: nobody has published the
# agreement of these blendshapes with FACS coders.
_SHAPE_OF: dict[int, tuple[str, float]] = {
    1: ("browInnerUp", 0.6), 2: ("browOuterUp", 0.6), 4: ("browDown", 0.5), 5: ("eyeWide", 0.5),
    6: ("cheekSquint", 0.1), 7: ("eyeSquint", 0.4), 9: ("noseSneer", 0.1), 10: ("mouthUpperUp", 0.5),
    12: ("mouthSmile", 0.8), 14: ("mouthDimple", 0.3), 15: ("mouthFrown", 0.4), 16: ("mouthLowerDown", 0.4),
    17: ("mouthShrugLower", 0.4), 18: ("mouthPucker", 0.6), 20: ("mouthStretch", 0.4), 22: ("mouthFunnel", 0.5),
    24: ("mouthPress", 0.3), 28: ("mouthRoll", 0.5), 43: ("eyeBlink", 0.7), 45: ("eyeBlink", 0.7),
}  # fmt: skip
_JAW_TRUST = 0.7


class BlendshapeFacs:
    """A fixed table from blendshapes to action units; AU25 to AU27 from jawOpen, mouthClose and the lips' shapes."""

    def __init__(self, settings: FacsSettings | None = None) -> None:
        self.codes = CODES
        self.settings = settings or FacsSettings()
        sides = np.zeros((2, len(BLENDSHAPES), len(CODES)), np.float32)
        trust = np.zeros(len(CODES), np.float32)
        for column, code in enumerate(CODES):
            shape, trust[column] = _SHAPE_OF.get(code, ("", _JAW_TRUST if code in (25, 26, 27) else 0.0))
            for side, ending in enumerate(("Right", "Left")):
                rows = [BLENDSHAPES.index(n) for n in _names(shape, ending)]
                sides[side, rows, column] = 1 / max(len(rows), 1)
        self._sides, self._trust = sides, trust

    def estimate(self, faces: Sequence[Face]) -> list[ActionUnits]:
        """Action units of each face; no neutral is needed. A face without blendshapes is unknown."""
        return [self._one(face) if face.blendshapes is not None else self.unknown(1)[0] for face in faces]

    def _one(self, face: Face) -> ActionUnits:
        shapes = np.asarray(face.blendshapes, np.float32)
        if shapes.shape != (len(BLENDSHAPES),):
            raise ValueError(f"blendshapes have shape {shapes.shape}; ({len(BLENDSHAPES)},) is expected")
        value = dict(zip(BLENDSHAPES, shapes.tolist(), strict=True))
        both = np.einsum("b,sbk->sk", shapes, self._sides)
        jaw = value["jawOpen"]
        lips = max(value[name] for name in ("mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft",
                                            "mouthLowerDownRight", "mouthFunnel"))  # fmt: skip
        parted = max(jaw - value["mouthClose"], 0.3 * lips)
        for code, amount in ((25, 1.5 * parted), (26, 2 * jaw), (27, 2 * jaw - 1)):
            both[:, CODES.index(code)] = amount
        return assemble(np.clip(both, 0, 1)[None], Views.of([face]).factors(self.settings) * self._trust)[0]

    def unknown(self, count: int) -> list[ActionUnits]:
        """Of faces without blendshapes: intensity 0 and confidence 0."""
        return unknown(count)


def _names(shape: str, side: str) -> list[str]:
    if shape == "mouthRoll":
        return ["mouthRollLower", "mouthRollUpper"]
    return [name for name in (shape, shape + side) if name in BLENDSHAPES]
