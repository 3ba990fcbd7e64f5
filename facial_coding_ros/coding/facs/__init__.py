"""FACS action units of a face from its keypoint motion."""

from .estimator import FacsEstimator
from .settings import FacsSettings

__all__ = ["FacsEstimator", "FacsSettings"]
