# SPDX-License-Identifier: Apache-2.0
"""Motion -> action units, DFECS code, latent and expression.

Importing it registers the action-unit estimators and expression sources that come with the package.
"""

from .expression import au_source, fused_source
from .facs import blendshape_estimator, keypoint_estimator, network_estimator
from .perceptual import expression_source

__all__ = [
    "au_source",
    "blendshape_estimator",
    "expression_source",
    "fused_source",
    "keypoint_estimator",
    "network_estimator",
]
