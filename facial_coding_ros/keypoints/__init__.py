# SPDX-License-Identifier: Apache-2.0
"""Keypoint schemes, registration and motion: from a tracked mesh to numbers that only the expression moves."""

from .registration import Registration, RegistrationSettings, motion
from .schemes import (
    BP4D83,
    BU3DFE83,
    DISFA66,
    INNER49,
    IRISES,
    LEFT_EYE_CORNERS,
    MESH,
    MESH_TO_68,
    PUPILS,
    RIGHT_EYE_CORNERS,
    SCHEMES,
    SPARSE,
    Conversion,
    Scheme,
    conversion,
)

__all__ = [
    "BP4D83",
    "BU3DFE83",
    "DISFA66",
    "INNER49",
    "IRISES",
    "LEFT_EYE_CORNERS",
    "MESH",
    "MESH_TO_68",
    "PUPILS",
    "RIGHT_EYE_CORNERS",
    "SCHEMES",
    "SPARSE",
    "Conversion",
    "Registration",
    "RegistrationSettings",
    "Scheme",
    "conversion",
    "motion",
]
