# SPDX-License-Identifier: Apache-2.0
"""Expression sources: by the appearance head alone, and by appearance, latent and action units fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...action_units import CODES
from ...inference import InferenceSettings
from ...types import Expression, Face, FloatArray
from ..coding_graph import Coder
from ..formula import Formula
from ..frame_faces import FrameFaces
from ..perceptual.coder import PerceptualCoder
from ..perceptual.latent_filter import OneEuro
from ..protocols import ExpressionEvidence
from ..registries import EXPRESSION_SOURCES
from ..settings import CodingSettings
from .appearance import GEOMETRY_MODEL, AppearanceHead
from .au_rules import AuExpression
from .labels import CIRCUMPLEX
from .published_appearance import PublishedAppearance
from .resting import RestingAppearance, rested, resting_formula
from .witness_fusion import LABELS, ExpressionFusion, Witnesses, hidden_and_small, log_softmax, told_of

MOTION, HEAD, FILTER, RESTING = "motion", "appearance", "appearance_filter", "resting"
RULES, FUSION, CLASSIFIER = "au_rules", "witness_fusion", "perceptual_expression"
"""Parts of the coding graph."""


class AppearanceFilter(OneEuro):
    """Log-probabilities of the head over time: steady while the face is at rest."""

    def __init__(self) -> None:
        super().__init__(rest_hz=1.5, gain=0.15)


def face_sizes_px(faces: FrameFaces) -> list[float]:
    """Mean of width and height of each face in the image."""
    height, width = faces.frame.image.shape[:2]
    boxes = [face.region for face in faces.faces]
    return [((box.xmax - box.xmin) * width + (box.ymax - box.ymin) * height) / 2 for box in boxes]


def latent_shares(evidence: ExpressionEvidence) -> FloatArray:
    """(n, 8) probabilities by the latent; 0 without a neutral."""
    given = evidence.faces
    shares = evidence.outputs[CLASSIFIER]["probability"]
    return np.where([[neutral.registered is not None] for neutral in given.neutrals], shares, 0)


@EXPRESSION_SOURCES.register("appearance")
class AppearanceExpressions:
    """protocols.ExpressionSource by appearance alone: everybody is a stranger."""

    uses_neutral = False

    def __init__(self, settings: CodingSettings, perceptual: PerceptualCoder, inference: InferenceSettings) -> None:
        self._settings = settings.expression
        self._rules = AuExpression(settings.expression)
        self._head = AppearanceHead.load(registration=settings.registration, inference=inference)
        self._geometry = AppearanceHead.load(GEOMETRY_MODEL, settings.registration, inference)
        named = settings.expression.appearance_model
        self._published = PublishedAppearance(Path(named)) if named else None
        self._fusion = ExpressionFusion.load()
        self._filter = AppearanceFilter()
        self._resting = RestingAppearance()
        self._labels: dict[str, str] = {}
        self.coders: Mapping[str, Coder | Formula] = {} if named else self._parts()

    def _parts(self) -> dict[str, Coder | Formula]:
        parts: dict[str, Coder | Formula] = {HEAD: self._head, FILTER: self._filter.formula(FILTER, LABELS)}
        if self.uses_neutral:
            parts |= {RESTING: resting_formula(LABELS), RULES: self._rules.formula(CODES)}
            parts |= {FUSION: self._fusion.formula()}
        return parts

    @property
    def landmark_network(self) -> str:
        """sha256 of the landmark network whose features its head takes."""
        return self._head.landmark_network

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """Features and what is held of each face; nothing where the head does not run in the graph."""
        features = [face.features for face in faces.faces if face.features is not None]
        if not self.coders or len(features) < len(faces):
            return {}
        keys, stamp_ns = [face.subject_key for face in faces.faces], faces.frame.stamp_ns
        so_far = self._filter.so_far(keys, LABELS, stamp_ns)
        given = {"features": np.array(features, np.float32)}
        given |= {f"appearance_{name}": values for name, values in vars(so_far).items()}
        if self.uses_neutral:
            rests = self._rests(faces)
            seconds = np.array([(rest_s, seen_s) for _, rest_s, seen_s in rests], np.float32)
            given |= {"rest": np.array([rest for rest, _, _ in rests]), "rest_s": seconds[:, :1]}
            given |= {"seen_s": seconds[:, 1:], "trust": self._fusion.trusts(faces.neutrals)}
            given |= {"hidden": hidden_and_small([face.visibility for face in faces.faces], face_sizes_px(faces))}
        return given

    def _rests(self, faces: FrameFaces) -> list[tuple[FloatArray, float, float]]:
        """See RestingAppearance.so_far."""
        return [
            self._resting.so_far(face.subject_key, LABELS, neutral, face.visibility.face, faces.frame.stamp_ns)
            for face, neutral in zip(faces.faces, faces.neutrals, strict=True)
        ]

    def estimate(self, evidence: ExpressionEvidence) -> list[Expression]:
        """Of all faces of a frame, each with or without a neutral; what the graph did not tell is worked out here."""
        given, outputs = evidence.faces, evidence.outputs
        visible, sizes = [face.visibility for face in given.faces], face_sizes_px(given)
        appearance, affect = self._appearance(evidence)
        if not self.uses_neutral:
            return self._told(self._fusion.stranger(appearance, visible, sizes), given.faces, affect)
        rest, rest_s = self._rest(evidence, appearance)
        if FUSION in outputs:
            return self._told(outputs[FUSION]["probability"], given.faces, affect)
        shares = self._rules.shares(evidence.action_units)
        latent = latent_shares(evidence)
        witnesses = Witnesses(appearance, rest, rest_s, latent, shares, given.neutrals, visible, sizes)
        return self._told(self._fusion.probability(witnesses), given.faces, affect)

    def _appearance(self, evidence: ExpressionEvidence) -> tuple[FloatArray, FloatArray]:
        """Filtered log-probabilities (n, 8), and valence and arousal (n, 2)."""
        given, outputs = evidence.faces, evidence.outputs
        keys, stamp_ns = [face.subject_key for face in given.faces], given.frame.stamp_ns
        if FILTER in outputs:
            appearance, speed = outputs[FILTER]["filtered"].copy(), outputs[FILTER]["new_speed"].copy()
            self._filter.keep(keys, appearance, speed, stamp_ns)
            return appearance, outputs[HEAD]["affect"]
        if self._published is not None:
            told = log_softmax(self._published.tell(given.frame.image, given.faces))
            affect = np.exp(told) @ CIRCUMPLEX
        else:
            head = self._geometry if any(face.features is None for face in given.faces) else self._head
            told, affect = head.tell(given.faces, given.registered)
        return self._filter.update(keys, told, stamp_ns), affect

    def _rest(self, evidence: ExpressionEvidence, appearance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each person's own appearance at rest (n, 8), and the seconds behind it (n,), with this frame."""
        given, outputs = evidence.faces, evidence.outputs
        keys = [face.subject_key for face in given.faces]
        if RESTING in outputs:
            rest, rest_s = outputs[RESTING]["new_rest"].copy(), outputs[RESTING]["new_rest_s"][:, 0].copy()
        else:
            motion = outputs[MOTION]["size"]
            so_far = self._rests(given)
            seconds = np.array([(one_s, seen_s) for _, one_s, seen_s in so_far], np.float32)
            known = np.array([one for one, _, _ in so_far])
            rest, support = rested(appearance, motion, known, seconds[:, :1], seconds[:, 1:])
            rest_s = support[:, 0]
        for key, own, own_s in zip(keys, rest, rest_s.tolist(), strict=True):
            self._resting.keep(key, own, own_s)
        return rest, rest_s

    def _told(self, probability: FloatArray, faces: Sequence[Face], affect: FloatArray) -> list[Expression]:
        """Labels of the frame before are those of faces that were in it."""
        keys = [face.subject_key for face in faces]
        before = [self._labels.get(key, "") for key in keys]
        told = told_of(probability, [face.visibility for face in faces], self._settings, affect, before)
        self._labels = dict(zip(keys, (one.label for one in told), strict=True))
        return told

    def adopt(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person."""
        self._resting.adopt(face_id, person_id)

    def forget(self, subject_key: str) -> None:
        """Drops what was learnt of a face or person."""
        self._resting.forget(subject_key)
        self._filter.forget(subject_key)
        self._labels.pop(subject_key, None)

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
