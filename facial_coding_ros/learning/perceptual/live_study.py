# SPDX-License-Identifier: Apache-2.0
"""The robot's models on rendered people they were not trained on: calibration, the rules beside them, filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...action_units import ACTION_UNITS, CODES
from ...coding.expression.au_rules import AuExpression, shares_of
from ...coding.expression.labels import EXPRESSION_LABELS, ExpressionSettings, expressions_of
from ...coding.facs import FacsEstimator
from ...coding.perceptual.classifier import LinearExpressionClassifier, fit_classifier, reliability
from ...coding.perceptual.coder import lead
from ...coding.perceptual.latent_filter import OneEuro
from ...datasets.expression_set import ExpressionSet, Split
from ...keypoints import Registration, motion
from ...types import (
    ActionUnits,
    Face,
    FloatArray,
    HeadPose,
    Neutral,
    NeutralState,
    Region,
    Registered,
    Visibility,
)
from ..motions.rendered import NEUTRAL_PICTURES, LiveParts, TrackerResponse
from ..synthesis.dataset import load_set
from ..synthesis.expressions import KINDS
from .drawing import draw_confusion, draw_courses, draw_reliability
from .live_models import LEAST_DEGREE, labelled, prior_weights
from .sequences import FRAME_NS, course_measures, filtered, made_sequences, onsets
from .training import encode
from .training_runs import Run

FILTERS: dict[str, Callable[[], OneEuro] | None] = {
    "none": None,
    "one_euro (shipped)": OneEuro,
    "one_euro, gain 0.3": lambda: OneEuro(gain=0.3),
    "one_euro, rest 0.5 Hz": lambda: OneEuro(rest_hz=0.5),
    "low-pass 1 Hz": lambda: OneEuro(rest_hz=1.0, gain=0.0),
    "low-pass 2 Hz": lambda: OneEuro(rest_hz=2.0, gain=0.0),
    "low-pass 3 Hz": lambda: OneEuro(rest_hz=3.0, gain=0.0),
}


def said(shares: FloatArray) -> NDArray[np.int64]:
    """Labels (n,) of latent shares (n, 8), as the live coder says them: -1 for unsure."""
    settings = ExpressionSettings()
    shares = shares * np.array(lead(shares, settings.unsure_margin), np.float32)[:, None]
    expressions = expressions_of(shares, 1 - shares.sum(1), settings.unsure_below)
    return np.array([e.labels.index(e.label) if e.label in e.labels else -1 for e in expressions])


def calibration_study(
    run: Run, classifier: LinearExpressionClassifier, parts: LiveParts, out: Path
) -> dict[str, float]:
    """Calibration error of the decision values as they are and calibrated, on people nothing was fitted to; draws
    reliability.png."""
    training = labelled(parts.split.training, LEAST_DEGREE)
    plain = fit_classifier(encode(run.model, training), training.label, training.degree)
    tables = {}
    for name, faces in (("posed as seen", parts.posed_test), ("pictures", parts.split.test)):
        test = labelled(faces, LEAST_DEGREE)
        latents = encode(run.model, test)
        for kind, one in (("as they are", plain), ("calibrated", classifier)):
            tables[f"{name}, {kind}"] = reliability(one.probability(latents), test.label, prior_weights(test.label))
    draw_reliability(tables, out / "reliability.png")
    return {name: error for name, (_, error) in tables.items()}


def opinions_study(
    run: Run, classifier: LinearExpressionClassifier, split: Split, root: Path, out: Path
) -> dict[str, dict[str, float]]:
    """The latent's labels, and the rules' from true and from estimated action units, on the same pictures of the test
    people; draws opinions.png."""
    test = labelled(split.test, LEAST_DEGREE)
    true_units, seen_units = rendered_action_units(root, test)
    rules = AuExpression()
    by_rules = {
        "rules, true action units": shares_of(rules.estimate(true_units)),
        "rules, estimated action units": shares_of(rules.estimate(seen_units)),
    }
    labels = {"latent": said(classifier.probability(encode(run.model, test)))}
    for name, shares in by_rules.items():
        best = shares[:, :-1].argmax(1)
        most = shares[:, :-1].max(1)
        sure = most >= np.maximum(shares[:, -1], ExpressionSettings().unsure_below)
        labels[name] = np.where(sure, best, -1)
    tables, measures = {}, {}
    for name, chosen in labels.items():
        table = np.zeros((len(EXPRESSION_LABELS), len(EXPRESSION_LABELS) + 1), np.int64)
        np.add.at(table, (test.label, chosen), 1)  # -1: the last column
        tables[name] = table
        sure = chosen >= 0
        recall = [(chosen == i)[test.label == i].mean() for i in np.unique(test.label)]
        measures[name] = {
            "unsure": float((~sure).mean()),
            "right, of all": float((chosen == test.label).mean()),
            "right, of those sure": float((chosen == test.label)[sure].mean()),
            "mean recall": float(np.mean(recall)),
        }
    both = (labels["latent"] >= 0) & (labels["rules, estimated action units"] >= 0)
    same = labels["latent"] == labels["rules, estimated action units"]
    measures["latent and rules agree"] = {
        "of faces both are sure of": float(same[both].mean()),
        "right where they agree": float((labels["latent"] == test.label)[both & same].mean()),
        "right (latent) where they differ": float((labels["latent"] == test.label)[both & ~same].mean()),
    }
    draw_confusion(tables, EXPRESSION_LABELS, (*EXPRESSION_LABELS, "unsure"), out / "opinions.png")
    return measures


def filter_study(
    run: Run,
    classifier: LinearExpressionClassifier,
    response: TrackerResponse,
    out: Path,
    count: int = 240,
    seed: int = 1,
) -> dict[str, dict[str, float]]:
    """Flicker and delay of each filter; draws courses.png."""
    sequences = made_sequences(response, count, seed)
    n, frames = sequences.points.shape[:2]
    flat = ExpressionSet(
        name="sequences",
        keypoints=run.keypoints,
        points=sequences.points.reshape(n * frames, -1, 3),
        neutrals=sequences.neutral[:, 0],
        person=np.repeat(np.arange(n), frames),
        ids=("",) * (n * frames),
        label=np.repeat(sequences.label, frames),
        degree=np.zeros(n * frames, np.int64),
        classes=EXPRESSION_LABELS,
    )
    latents = encode(run.model, flat).reshape(n, frames, -1)
    measures, courses, came = {}, {}, {}
    shown = int(np.flatnonzero(sequences.label == EXPRESSION_LABELS.index("surprised"))[0])
    for name, make in FILTERS.items():
        shares = classifier.probability(filtered(latents, make))
        chosen = said(shares.reshape(n * frames, -1)).reshape(n, frames)
        measures[name] = course_measures(chosen, sequences.label, sequences.moving)
        came[name] = onsets(chosen, sequences.label, sequences.moving)
        added = came[name] - came["none"]  # of the same sequences
        measures[name]["added delay, mean s"] = float(np.nanmean(added))
        measures[name]["added delay, median s"] = float(np.nanmedian(added))
        courses[name] = shares[shown]
    draw_courses(np.arange(frames) * FRAME_NS * 1e-9, courses, EXPRESSION_LABELS, out / "courses.png")
    return measures


def rendered_action_units(root: Path, faces: ExpressionSet) -> tuple[list[ActionUnits], list[ActionUnits]]:
    """True action units, and those the FACS estimator sees, of the pictures whose ids are those of `faces`."""
    data = load_set(root)
    tracked = data["tracked"].astype(bool)
    data = {name: values[tracked] for name, values in data.items()}
    registered = Registration().register(data["mesh"])
    resting = (data["kind"] == KINDS.index("neutral")) & (data["number"] < NEUTRAL_PICTURES)
    neutrals: dict[int, Neutral] = {}
    for person in np.unique(data["person"][resting]):
        own = [registered[i] for i in np.flatnonzero(resting & (data["person"] == person))]
        mean = Registered(np.mean([r.sparse for r in own], axis=0), np.mean([r.dense for r in own], axis=0))
        neutrals[int(person)] = Neutral(NeutralState.READY, mean, 0.01)
    place = {f"R{p:04d}_{n:02d}": i for i, (p, n) in enumerate(zip(data["person"], data["number"], strict=True))}
    rows = [place[name] for name in faces.ids]
    own_neutrals = [neutrals[int(data["person"][i])] for i in rows]
    motions = [motion(registered[i], n.registered) for i, n in zip(rows, own_neutrals, strict=True) if n.registered]
    pictures = [_face(data["mesh"][i], data["pose_deg"][i]) for i in rows]
    sided = np.array([unit.sided for unit in ACTION_UNITS])
    true = []
    for i in rows:
        right, left = (data[side][i].astype(np.float32) for side in ("right", "left"))
        confidence = np.ones(len(CODES), np.float32)
        intensity = np.where(sided, np.maximum(right, left), (right + left) / 2)
        true.append(
            ActionUnits(CODES, intensity, confidence, np.where(sided, left, np.nan), np.where(sided, right, np.nan))
        )
    return true, FacsEstimator.load().estimate(motions, pictures, own_neutrals)


def _face(mesh: FloatArray, pose_deg: FloatArray) -> Face:
    yaw, pitch, roll = (float(v) for v in pose_deg)
    pose = HeadPose(yaw, pitch, roll, np.eye(3, dtype=np.float32))
    return Face("face", mesh, Region(0, 0, 1, 1), pose, Visibility(1, 1, 1, 1))
