# SPDX-License-Identifier: Apache-2.0
"""What latent and action units tell of real people whose neutral is known from other pictures, and of portraits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...coding.expression.au_rules import AuExpression
from ...coding.expression.witness_fusion import Witnesses
from ...coding.facs import FacsEstimator, Views
from ...coding.facs.confidence import noise_scale
from ...coding.perceptual.coder import PerceptualCoder
from ...inference import InferenceSettings
from ...types import FloatArray, Neutral, NeutralState, Registered, Visibility
from .views import RESTING, ViewSet

MOST_NEUTRALS = 12
PICTURE_ERROR = 0.05
"""How far neutral stills of one person lie from their mean, eye distances, root mean square over the points."""
_TURN_DEG, _EYE_PX, _REST_S = 5.0, 60.0, 0.05
_CHUNK = 64


@dataclass(frozen=True)
class KnownNeutrals:
    """Views of people with their neutral: row (n,) in a ViewSet; neutral (n, 468, 3), registered; resting: the rows of
    the pictures it was made of, without the view itself.
    """

    row: NDArray[np.int64]
    neutral: FloatArray
    resting: tuple[NDArray[np.int64], ...]

    def within(self, rows: NDArray[np.bool_]) -> KnownNeutrals:
        """Those of the views that are chosen among all of the set, (views,)."""
        return self.within_rows(rows[self.row])

    def within_rows(self, chosen: NDArray[np.bool_]) -> KnownNeutrals:
        """Some of them, (n,)."""
        resting = tuple(one for one, kept in zip(self.resting, chosen, strict=True) if kept)
        return KnownNeutrals(self.row[chosen], self.neutral[chosen], resting)


def known_neutrals(views: ViewSet, seed: int = 0) -> KnownNeutrals:
    """Of undisturbed stills whose person has another neutral picture, and of all views of portraits."""
    rng = np.random.default_rng(seed)
    points = views.rows.points.astype(np.float32).reshape(len(views.rows), -1, 3)
    neutral = (views.label == 0) & (views.which == 0) & np.isin(views.kind, (-1, RESTING))
    of_person: dict[str, list[int]] = {}
    for row in np.flatnonzero(neutral):
        of_person.setdefault(str(views.person[row]), []).append(int(row))
    rows, neutrals, resting = [], [], []
    for row in np.flatnonzero((views.which == 0) | (views.kind >= 0)):
        others = [other for other in of_person.get(str(views.person[row]), []) if other != row or views.kind[row] >= 0]
        if others:
            if len(others) > MOST_NEUTRALS:
                others = rng.choice(others, MOST_NEUTRALS, replace=False).tolist()
            rows.append(row)
            neutrals.append(points[others].mean(0))
            resting.append(np.array(others))
    return KnownNeutrals(np.array(rows), np.stack(neutrals).astype(np.float32), tuple(resting))


def smile_strengths(views: ViewSet, known: KnownNeutrals) -> FloatArray:
    """(n,) 0..1: intensity of AU12 against the neutral, the mean of both sides."""
    estimator = FacsEstimator.load(inference=InferenceSettings(backend="onnxruntime"))
    motion = views.rows.points[known.row].astype(np.float32).reshape(known.neutral.shape) - known.neutral
    noise = noise_scale(np.full(len(motion), _TURN_DEG), np.full(len(motion), _EYE_PX))
    starts = range(0, len(motion), _CHUNK)
    sides = [estimator.infer(motion[i : i + _CHUNK], noise[i : i + _CHUNK])[0].copy() for i in starts]
    return np.asarray(np.concatenate(sides)[:, :, CODES.index(12)].mean(1), np.float32)


def witnesses(views: ViewSet, known: KnownNeutrals, appearance: FloatArray, error: float = PICTURE_ERROR) -> Witnesses:
    """What the three witnesses tell of those views; appearance: (views, 8) log-probabilities of all of the set.

    error: of a neutral of one picture, eye distances, as it is between pictures of other cameras and days.
    """
    encoder = PerceptualCoder(inference=InferenceSettings(backend="onnxruntime"))
    estimator = FacsEstimator.load(inference=InferenceSettings(backend="onnxruntime"))
    rules = AuExpression()
    points = views.rows.points.astype(np.float32).reshape(len(views.rows), -1, 3)
    seen, sparse = Visibility(1.0, 1.0, 1.0, 1.0), np.zeros((68, 2), np.float32)
    latent, aus, neutrals = [], [], []
    for start in range(0, len(known.row), _CHUNK):
        faces = points[known.row[start : start + _CHUNK]]
        rests = [Registered(sparse, rest) for rest in known.neutral[start : start + _CHUNK]]
        told = [
            Neutral(NeutralState.READY, rest, error * math.sqrt(1 + 1 / len(others)))
            for rest, others in zip(rests, known.resting[start : start + _CHUNK], strict=True)
        ]
        given = encoder.inputs([Registered(sparse, face) for face in faces], rests)
        latent.append(encoder.classifier.run(encoder.session.run(given)["latent"])["probability"].copy())
        count = len(faces)
        noise = noise_scale(np.full(count, _TURN_DEG), np.full(count, _EYE_PX))
        motions = faces - known.neutral[start : start + _CHUNK]
        answers = estimator.session.run({"motion": motions, "noise_scale": noise[:, None]})
        view = Views((_TURN_DEG,) * count, (_EYE_PX,) * count, (seen,) * count)
        aus.append(rules.shares(estimator.units(answers, view, told)))
        neutrals += told
    visible = [Visibility(float(v.mean()), *map(float, v)) for v in views.rows.visible[known.row]]
    return Witnesses(
        appearance[known.row],
        np.stack([appearance[rows].mean(0) for rows in known.resting]),
        np.array([_REST_S * len(rows) for rows in known.resting], np.float32),
        np.concatenate(latent),
        np.concatenate(aus),
        neutrals,
        visible,
        views.rows.size_px[known.row].tolist(),
    )


def joined(first: Witnesses, second: Witnesses) -> Witnesses:
    """What is told of both, the first before the second."""
    return Witnesses(
        np.concatenate([first.appearance, second.appearance]),
        np.concatenate([first.rest, second.rest]),
        np.concatenate([first.rest_s, second.rest_s]),
        np.concatenate([first.latent, second.latent]),
        np.concatenate([first.aus, second.aus]),
        [*first.neutrals, *second.neutrals],
        [*first.visible, *second.visible],
        [*first.size_px, *second.size_px],
    )
