# SPDX-License-Identifier: Apache-2.0
"""What a face may express: a distribution over labels, valence and arousal, and a steady label for the robot."""

from .au_rules import AuExpression
from .dwell import LISTED, ExpressionDwell
from .labels import EXPRESSION_LABELS, ExpressionSettings, expression_of, expressions_of

__all__ = [
    "EXPRESSION_LABELS",
    "LISTED",
    "AuExpression",
    "ExpressionDwell",
    "ExpressionSettings",
    "expression_of",
    "expressions_of",
]
