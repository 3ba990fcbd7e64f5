# SPDX-License-Identifier: Apache-2.0
"""Where action-unit estimators and expression sources register, by the names that the settings use.

The protocols they follow are in `protocols.py`; `coding/__init__.py` imports those that come with the package.
"""

from __future__ import annotations

from typing import Any

from ..registry import Registry

ACTION_UNIT_ESTIMATORS: Registry[Any] = Registry("action-unit estimator")
"""Called with (CodingSettings, InferenceSettings, background); gives a protocols.ActionUnitEstimator."""

EXPRESSION_SOURCES: Registry[Any] = Registry("expression source")
"""Called with (CodingSettings, PerceptualCoder, InferenceSettings); gives a protocols.ExpressionSource."""
