# SPDX-License-Identifier: Apache-2.0
"""DFECS: action units learnt from keypoint motion without labels (arXiv 2406.05434).

Live: DfecsEncoder. Training, which needs scikit-learn: `facial_coding_ros.learning.dfecs.model.DFECS`.
"""

from .card import ModelError
from .encoder import DfecsEncoder
from .settings import DfecsSettings

__all__ = ["DfecsEncoder", "DfecsSettings", "ModelError"]
