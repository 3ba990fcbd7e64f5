# SPDX-License-Identifier: Apache-2.0
"""The models and formulas of models/coding.onnx, as they are joined."""

from __future__ import annotations

from pathlib import Path

from ..action_units import CODES
from ..inference.model_files import ModelFile
from ..models import share_folder
from .expression.appearance import AppearanceHead
from .expression.au_rules import AuExpression
from .expression.fused_source import AppearanceFilter
from .expression.resting import resting_formula
from .expression.witness_fusion import LABELS, ExpressionFusion
from .facs import FacsEstimator
from .formula import Formula
from .fusion import CODING, Part
from .motion_formula import motion_formula
from .perceptual.coder import PerceptualCoder

MODELS = ("dfecs", "facs", "perceptual_m2", "perceptual_expression", "appearance")
"""The parts of fusion.CODING that are files."""

_SINGLE = ("facs",)
"""Half precision would move its presence by 0.0065 on faces of the demo clip, more than its card allows."""


def coding_parts(folder: Path | None = None) -> list[Part]:
    """Of the models in models/ or another folder.

    Raises FileNotFoundError or ModelError naming a file that is missing or cannot be used; ImportError without onnx.
    """
    folder = folder or share_folder("models")
    models = {name: ModelFile.read(folder / f"{name}.onnx") for name in MODELS}
    facs = FacsEstimator(models["facs"])
    perceptual = PerceptualCoder(encoder=models["perceptual_m2"].path, classifier=models["perceptual_expression"].path)
    AppearanceHead(models["appearance"])
    formulas: dict[str, Formula] = {
        formula.name: formula
        for formula in (
            motion_formula(perceptual.gather),
            facs.formula(),
            perceptual.filter_formula(),
            AppearanceFilter().formula("appearance_filter", LABELS),
            resting_formula(LABELS),
            AuExpression().formula(CODES),
            ExpressionFusion.load().formula(),
        )
    }
    return [
        Part(models[name], wires, single=name in _SINGLE) if name in models else Part.of(formulas[name], wires)
        for name, wires in CODING.items()
    ]
