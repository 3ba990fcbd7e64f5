# SPDX-License-Identifier: Apache-2.0
"""Whether the tracker's networks see what is on the stored pictures; takes less than 0.3 s."""

from __future__ import annotations

from ..tracking.interface import LandmarkSource
from ..tracking.reference_answers import ReferenceAnswers, check_detector, check_landmarks
from .finding import Finding, Level

COMPARABLE = ("onnx", "mediapipe")
"""Landmark backends with the networks whose answers are stored."""
ADVICE = (
    "It would miss people or misread faces. Set tracking.landmark_backend to 'onnx' and inference.backend to "
    "'onnxruntime'; if they are, delete ~/.cache/facial_coding/models or make tracking.networks anew"
)


def check_sight(networks: LandmarkSource, *, detector: bool = True) -> list[Finding]:
    """Compares detector and landmarks with MediaPipe's stored answers.

    networks: of a tracker with one of the COMPARABLE backends. detector: False where another node finds
    the faces. Raises FileNotFoundError or ValueError when the stored answers cannot be read.
    """
    answers = ReferenceAnswers.load()
    agreements = {"landmarks": check_landmarks(networks, answers)}
    if detector:
        agreements = {"detector": check_detector(networks, answers), **agreements}
    return [
        Finding(what, Level.OK if one.good else Level.ERROR, one.text if one.good else f"{one.text}. {ADVICE}")
        for what, one in agreements.items()
    ]
