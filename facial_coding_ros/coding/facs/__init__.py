# SPDX-License-Identifier: Apache-2.0
"""FACS action units of a face from its keypoint motion, or from MediaPipe's blendshapes."""

from .blendshapes import BlendshapeFacs
from .confidence import Views
from .estimator import FacsEstimator
from .settings import FacsSettings

__all__ = ["BlendshapeFacs", "FacsEstimator", "FacsSettings", "Views"]
