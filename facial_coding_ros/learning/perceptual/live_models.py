# SPDX-License-Identifier: Apache-2.0
"""From a trained M2 to the two files the robot runs, with their cards."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...coding.perceptual.card import (
    INPUTS,
    LATENT,
    NEUTRAL,
    OUTPUTS,
    dense_form,
    order_of,
    write_card,
)
from ...coding.perceptual.classifier import LinearExpressionClassifier, calibrated, fit_classifier, reliability
from ...coding.perceptual.coder import CLASSIFIER, ENCODER
from ...datasets.expression_set import ExpressionSet, Split, lower_lids
from ...keypoints import SCHEMES, RegistrationSettings
from ...types import FloatArray
from .export import export_classifier, export_encoder
from .training import encode
from .training_runs import Run

SVM_COSTS = (0.001, 0.01, 0.1, 1.0)
PRIOR = {
    "neutral": 0.4,
    "happy": 0.25,
    "sad": 0.07,
    "angry": 0.07,
    "surprised": 0.07,
    "disgusted": 0.05,
    "scared": 0.05,
    "contempt": 0.04,
}
"""How often a robot is taken to see each expression, for the probabilities: mostly none, then smiles. Our guess."""


@dataclass(frozen=True)
class RealPeople:
    """Real people beside the made ones. licence: of their pictures."""

    split: Split
    licence: str


LEAST_DEGREE = 2
"""Expressions of degree 1 are traces that a neutral face shows as well: the classifier is not fitted to them."""

_LICENCE = (
    "as the package; trained on faces made with ICT-FaceKit (MIT, (c) 2020 USC Institute for Creative Technologies)"
)


def labelled(faces: ExpressionSet, least_degree: int = 1) -> ExpressionSet:
    """The faces that have a label, their expressions of this degree at least."""
    return faces.chosen((faces.label >= 0) & ((faces.label == 0) | (faces.degree >= least_degree)))


def prior_weights(label: NDArray[np.int64]) -> FloatArray:
    """Weights (n,) under which each label has its share of PRIOR."""
    counts = np.maximum(np.bincount(label, minlength=len(EXPRESSION_LABELS)), 1)
    prior = np.array([PRIOR[name] for name in EXPRESSION_LABELS])
    return (prior / counts)[label].astype(np.float32) * len(label)


def fit_live_classifier(run: Run, split: Split) -> LinearExpressionClassifier:
    """Linear SVMs of the training people's latents; cost and calibration from the validation people."""
    training, validation = labelled(split.training, LEAST_DEGREE), labelled(split.validation, LEAST_DEGREE)
    latents, held_out = encode(run.model, training), encode(run.model, validation)
    weights = prior_weights(validation.label)
    best: tuple[float, LinearExpressionClassifier] | None = None
    for cost in SVM_COSTS:
        one = calibrated(
            fit_classifier(latents, training.label, training.degree, cost, prior_weights(training.label)),
            held_out,
            validation.label,
            weights,
        )
        p = one.probability(held_out)[np.arange(len(validation)), validation.label]
        likelihood = float((weights * np.log(p + 1e-12)).mean())
        if best is None or likelihood > best[0]:
            best = likelihood, one
    assert best is not None
    return best[1]


def classifier_measures(run: Run, classifier: LinearExpressionClassifier, faces: ExpressionSet) -> dict[str, float]:
    """Accuracy, mean recall of the classes, and calibration error on faces of people nothing was fitted to."""
    known = labelled(faces, LEAST_DEGREE)
    probability = classifier.probability(encode(run.model, known))
    chosen = probability.argmax(1)
    recall = [(chosen == i)[known.label == i].mean() for i in np.unique(known.label)]
    return {
        "faces": len(known),
        "people": len(np.unique(known.person)),
        "accuracy": float((chosen == known.label).mean()),
        "neutral_recall": float((chosen == 0)[known.label == 0].mean()),
        "mean_recall": float(np.mean(recall)),
        "expected_calibration_error": reliability(probability, known.label, prior_weights(known.label))[1],
    }


def write_live_models(
    run: Run, split: Split, folder: Path, command: str, people: RealPeople | None = None
) -> LinearExpressionClassifier:
    """ENCODER and CLASSIFIER in `folder`.

    people: those beside whom the run was trained, who are part of `split` but for its test. Raises ValueError when the
    run's keypoints are not of the tracker's mesh.
    """
    if run.keypoints not in ("68", "mesh468"):
        raise ValueError(
            f"A live model needs keypoints of the tracker's mesh, 68 or mesh468; this run has {run.keypoints}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    scheme = SCHEMES[run.keypoints]
    encoder, path = folder / ENCODER, folder / CLASSIFIER
    export_encoder(run.model, lower_lids(split.training.neutrals, scheme), encoder)
    licence = _LICENCE if people is None else f"{_LICENCE}, and on pictures of real people: {people.licence}"
    common = {"trained_on": _trained_on(split, people), "data": run.data, "made_by": command, "licence": licence}
    shape = f"(n, {scheme.count}, 3) float32"
    write_card(
        encoder,
        {
            "kind": "perceptual encoder",
            "what": "Latent of an expression beside the same person's neutral face: M2 of Mikheeva, Ek and Kjellström, "
            "Perceptual Facial Expression Representation (2018); mean of q(z | x, y), preprocessing included.",
            **common,
            "settings": asdict(run.settings),
            "keypoints": run.keypoints,
            "keypoint_order": order_of(scheme),
            "dense_points": dense_form(RegistrationSettings()),
            "neutral": NEUTRAL,
            "latent_dimensions": run.settings.latent,
            "inputs": {
                INPUTS[0]: f"{shape}, frontal, x to the person's left, y down, z away; place and size do not matter",
                INPUTS[1]: f"{shape}, the person's neutral face in the same form",
            },
            "outputs": {LATENT: f"(n, {run.settings.latent}) float32, about unit variance"},
            "tolerance": 5e-3,
            "tolerance_why": "half precision differs by 0.001 to 0.003 of the largest value on the check inputs",
            "metrics": {"validation_elbo": run.validation_elbo},
        },
    )
    classifier = fit_live_classifier(run, split)
    export_classifier(classifier, path)
    metrics = {"test people": classifier_measures(run, classifier, split.test)}
    if people is not None:
        metrics["real people kept aside"] = classifier_measures(run, classifier, people.split.test)
    write_card(
        path,
        {
            "kind": "expression classifier",
            "what": "Linear one-vs-rest classifier of the latent with calibrated probabilities (scale and shift, then "
            "softmax), and a linear reading of valence and arousal.",
            **common,
            "latent_model": encoder.name,
            "latent_model_sha256": hashlib.sha256(encoder.read_bytes()).hexdigest(),
            "labels": list(EXPRESSION_LABELS),
            "prior": PRIOR,
            "inputs": {LATENT: f"(n, {run.settings.latent}) float32"},
            "outputs": {
                OUTPUTS[0]: f"(n, {len(EXPRESSION_LABELS)}) float32, sums to 1",
                OUTPUTS[1]: "(n, 2) float32: valence, arousal, -1..1",
            },
            "metrics": metrics,
        },
    )
    return classifier


def _trained_on(split: Split, people: RealPeople | None) -> str:
    def size(faces: ExpressionSet, real: ExpressionSet | None) -> tuple[int, int]:
        less, fewer = (0, 0) if real is None else (len(real), len(np.unique(real.person)))
        return len(faces) - less, len(np.unique(faces.person)) - fewer

    own = None if people is None else people.split
    training = size(split.training, own and own.training)
    validation = size(split.validation, own and own.validation)
    made = f"{training[0]} faces of {training[1]} made people; validation {validation[0]} of {validation[1]}"
    if own is None:
        return f"{made}; no recording of anyone"
    real = [f"{len(part)} of {len(np.unique(part.person))}" for part in own]
    return f"{made}; pictures of real people: {real[0]}, validation {real[1]}, kept aside {real[2]}"
