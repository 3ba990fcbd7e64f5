# SPDX-License-Identifier: Apache-2.0
"""Expressions from appearance, and from all witnesses together, as the coding stage asks for them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...inference import InferenceSettings
from ...types import Expression, FloatArray
from ..frame_faces import FrameFaces
from ..perceptual.coder import PerceptualCoder
from ..perceptual.latent_filter import OneEuro
from ..protocols import ExpressionEvidence
from ..registries import EXPRESSION_SOURCES
from ..rows import scatter
from ..settings import CodingSettings
from .appearance import GEOMETRY_MODEL, AppearanceHead
from .au_rules import AuExpression
from .labels import CIRCUMPLEX, EXPRESSION_LABELS
from .published_appearance import PublishedAppearance
from .resting import RestingAppearance
from .witness_fusion import ExpressionFusion, Witnesses, log_softmax, told_of

CLASSIFIER = "perceptual_expression"
"""In the outputs of the coding graph, where latents are not filtered."""


class AppearanceFilter(OneEuro):
    """Log-probabilities of the head over time: steady while the face is at rest."""

    def __init__(self) -> None:
        super().__init__(rest_hz=1.5, gain=0.15)


def face_sizes_px(faces: FrameFaces) -> list[float]:
    """Mean of width and height of each face in the image."""
    height, width = faces.frame.image.shape[:2]
    boxes = [face.region for face in faces.faces]
    return [((box.xmax - box.xmin) * width + (box.ymax - box.ymin) * height) / 2 for box in boxes]


def motion_sizes(faces: FrameFaces) -> list[float]:
    """Root mean square of the dense motion of each face, eye distances; NaN without a neutral."""
    sizes = [math.nan] * len(faces)
    for i, motion in zip(faces.known, faces.motions, strict=True):
        flat = motion.dense.ravel()
        sizes[i] = math.sqrt(float(flat @ flat) / len(motion.dense))
    return sizes


def latent_shares(perceptual: PerceptualCoder, evidence: ExpressionEvidence) -> FloatArray:
    """(n, 8) probabilities by the latent; 0 without a neutral."""
    given = evidence.faces
    if not given.known:
        return np.zeros((len(given), len(EXPRESSION_LABELS)), np.float32)
    classified = None if perceptual.filters else evidence.outputs.get(CLASSIFIER)
    if classified is None:
        classified = perceptual.classifier.run(evidence.latents[list(given.known)])
    return scatter(classified["probability"], given.known, len(given), 0.0)


@EXPRESSION_SOURCES.register("appearance")
class AppearanceExpressions:
    """protocols.ExpressionSource by appearance alone: everybody is a stranger."""

    uses_neutral = False

    def __init__(self, settings: CodingSettings, perceptual: PerceptualCoder, inference: InferenceSettings) -> None:
        self._settings = settings.expression
        self._perceptual = perceptual
        self._rules = AuExpression(settings.expression)
        self._head = AppearanceHead.load(registration=settings.registration, inference=inference)
        self._geometry = AppearanceHead.load(GEOMETRY_MODEL, settings.registration, inference)
        for head in (self._head, self._geometry):
            head.warm_up(*range(1, inference.max_batch + 1))
        named = settings.expression.appearance_model
        self._published = PublishedAppearance(Path(named)) if named else None
        self._fusion = ExpressionFusion.load()
        self._filter = AppearanceFilter()
        self._resting = RestingAppearance()
        self._labels: dict[str, str] = {}

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network whose features its head takes."""
        return self._head.landmark_network

    def estimate(self, evidence: ExpressionEvidence) -> list[Expression]:
        """Of all faces of a frame, each with or without a neutral."""
        given = evidence.faces
        faces, stamp_ns = given.faces, given.frame.stamp_ns
        head = self._geometry if any(face.features is None for face in faces) else self._head
        told_now, affect = head.tell(faces, given.registered)
        if self._published is not None:
            told_now = log_softmax(self._published.tell(given.frame.image, faces))
            affect = np.exp(told_now) @ CIRCUMPLEX
        subject_keys = [face.subject_key for face in faces]
        appearance = self._filter.update(subject_keys, told_now, stamp_ns)
        visible = [face.visibility for face in faces]
        sizes = face_sizes_px(given)
        if not self.uses_neutral:
            return self._told(self._fusion.stranger(appearance, visible, sizes), evidence, affect)
        rests = [
            self._resting.update(key, own, moved, neutral, seen.face, stamp_ns)
            for key, own, moved, neutral, seen in zip(
                subject_keys, appearance, motion_sizes(given), given.neutrals, visible, strict=True
            )
        ]
        told = Witnesses(
            appearance,
            np.array([own for own, _ in rests], np.float32),
            np.array([seconds for _, seconds in rests], np.float32),
            latent_shares(self._perceptual, evidence),
            self._rules.shares(evidence.action_units),
            given.neutrals,
            visible,
            sizes,
        )
        return self._told(self._fusion.probability(told), evidence, affect)

    def _told(self, probability: FloatArray, evidence: ExpressionEvidence, affect: FloatArray) -> list[Expression]:
        """Labels of the frame before are those of faces that were in it."""
        faces = evidence.faces.faces
        keys = [face.subject_key for face in faces]
        before = [self._labels.get(key, "") for key in keys]
        told = told_of(probability, [face.visibility for face in faces], self._settings, affect, before)
        self._labels = dict(zip(keys, (one.label for one in told), strict=True))
        return told

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person."""
        self._resting.adopt(face_id, person_id)

    def configure(self, settings: CodingSettings) -> None:
        self._settings = settings.expression
        self._rules.settings = settings.expression

    def close(self) -> None:
        self._head.close()
        self._geometry.close()
        if self._published is not None:
            self._published.close()


@EXPRESSION_SOURCES.register("fused")
class FusedExpressions(AppearanceExpressions):
    """protocols.ExpressionSource by appearance, latent and action units; see ExpressionFusion."""

    uses_neutral = True
