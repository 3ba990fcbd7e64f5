# SPDX-License-Identifier: Apache-2.0
"""What a source of action units, and a source of expressions, must offer to the coding stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..types import ActionUnits, Expression, FloatArray
from .coding_graph import Arrays, Coder
from .formula import Formula
from .frame_faces import FrameFaces
from .settings import CodingSettings

BLENDSHAPES = "blendshapes"
"""In `ActionUnitEstimator.needs`: Face.blendshapes, which only the landmark backend 'tasks' gives."""


@dataclass(frozen=True)
class ActionUnitEstimates:
    """Action units of the faces of a frame, in their order.

    units: of each face. ages_s: how much earlier the frame is that they belong to, seconds. current: units
    of this very frame, from which expressions may be read; the same as `units` unless those come late.
    """

    units: Sequence[ActionUnits]
    ages_s: Sequence[float]
    current: Sequence[ActionUnits]

    @classmethod
    def of_this_frame(cls, units: Sequence[ActionUnits]) -> ActionUnitEstimates:
        """Units that belong to the frame itself."""
        return cls(units, [0.0] * len(units), units)


class ActionUnitEstimator(Protocol):
    """A source of FACS action units for all faces of a frame.

    It registers a factory in registries.ACTION_UNIT_ESTIMATORS; the parameter `facs.source` chooses it by name.
    """

    @property
    def codes(self) -> tuple[int, ...]:
        """FACS codes of the units it gives, in their order."""

    @property
    def needs(self) -> frozenset[str]:
        """What it needs of a face beside the mesh: BLENDSHAPES or nothing."""

    @property
    def coders(self) -> Mapping[str, Coder | Formula]:
        """What of it runs in the coding graph, by the names in fusion.CODING; empty when nothing does."""

    @property
    def backend(self) -> str:
        """What computes that part of it which runs outside the coding graph, in words; empty when nothing does."""

    def inputs(self, faces: FrameFaces) -> Arrays:
        """Those of fusion.INPUTS that `coders` take, but for faces and neutrals; empty when there are none."""

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        """Units of all faces. outputs: of the coding graph, by part; rows of faces without a neutral mean nothing where
        one is needed. The graph's next run overwrites them.
        """

    def configure(self, settings: CodingSettings) -> None:
        """Applies the settings that may change while running."""

    def close(self) -> None:
        """Frees what runs outside the coding graph; a second call does nothing."""


@dataclass(frozen=True)
class ExpressionEvidence:
    """What expressions can be read from, for all faces of a frame.

    latents: (n, dimensions), NaN in the rows of faces without a neutral. action_units: of this frame, (n,). outputs: of
    the coding graph, as `ActionUnitEstimator.estimate` gets them.
    """

    faces: FrameFaces
    latents: FloatArray
    action_units: Sequence[ActionUnits]
    outputs: Mapping[str, Arrays]


class ExpressionSource(Protocol):
    """A source of expressions for all faces of a frame.

    It registers a factory in registries.EXPRESSION_SOURCES; the parameter `expression.source` chooses it by name.
    """

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network's file whose features it takes where there are any; empty: it takes none."""

    @property
    def coders(self) -> Mapping[str, Coder | Formula]:
        """What of it runs in the coding graph, by the names in fusion.CODING; empty when nothing does."""

    def inputs(self, faces: FrameFaces) -> Arrays:
        """Those of fusion.INPUTS that `coders` take and that are there, but for faces and neutrals."""

    def estimate(self, evidence: ExpressionEvidence) -> list[Expression]:
        """Expressions of all faces, in their order."""

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person: what was learnt of the face is the person's from now on."""

    def forget(self, subject_key: str) -> None:
        """Drops what was learnt of a face or person; nothing when there is none."""

    def configure(self, settings: CodingSettings) -> None:
        """Applies the settings that may change while running."""

    def close(self) -> None:
        """Frees what runs outside the coding graph; a second call does nothing."""
