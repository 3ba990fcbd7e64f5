# SPDX-License-Identifier: Apache-2.0
"""The paper's two measures, its baselines, and its Table II with several seeds (Mikheeva et al., section V-B)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from ...datasets.expression_set import ExpressionSet, Split
from ..motions.posed import PosedSettings, posed_set
from .settings import TrainingSettings
from .training import Training, TrainingData, encode
from .triplets import Triplets, artificial_triplets, satisfied

Representation = Callable[[ExpressionSet], NDArray[np.floating]]

TRIPLETS = (8000, 1000, 1000)
"""Artificial triplets for training, validation and test, as in the paper."""

SVM_COSTS = (0.01, 0.1, 1.0, 10.0, 100.0)

ROWS = ("None", "PCA", "VAE", "M1", "M2", "None, minus neutral", "PCA, minus neutral")
"""The paper's rows, and what subtracting the neutral does to its baselines."""


def linear_svm(split: Split, representation: Representation) -> LinearSVC:
    """One-vs-rest linear SVM on the training faces; its cost is the one that is best on the validation faces."""
    train, validation = representation(split.training), representation(split.validation)
    best: tuple[float, LinearSVC] | None = None
    for cost in SVM_COSTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            svm = LinearSVC(C=cost, dual=False, max_iter=300, random_state=0).fit(train, split.training.label)
        score = svm.score(validation, split.validation.label)
        if best is None or score > best[0]:
            best = score, svm
    assert best is not None
    return best[1]


def accuracy(split: Split, representation: Representation) -> float:
    """Of `linear_svm`, on the test faces."""
    return float(linear_svm(split, representation).score(representation(split.test), split.test.label))


def split_triplets(split: Split, seed: int, counts: Sequence[int] = TRIPLETS) -> tuple[Triplets, Triplets, Triplets]:
    """Artificial triplets of the three parts."""
    first, second, third = (
        artificial_triplets(p, n, 3 * seed + i) for i, (p, n) in enumerate(zip(split, counts, strict=True))
    )
    return first, second, third


def baselines(split: Split, dimensions: int) -> dict[str, Representation]:
    """Raw keypoints and PCA, and the same after the neutral is subtracted."""
    plain = PCA(dimensions).fit(split.training.x)
    motion = PCA(dimensions).fit(split.training.x - split.training.y)
    return {
        "None": lambda faces: faces.x,
        "PCA": lambda faces: plain.transform(faces.x),
        "None, minus neutral": lambda faces: faces.x - faces.y,
        "PCA, minus neutral": lambda faces: motion.transform(faces.x - faces.y),
    }


def table_row(split: Split, triplets: Triplets, representation: Representation) -> dict[str, float]:
    """Dimensions, accuracy and satisfied triplets on the test faces."""
    latents = representation(split.test)
    return {
        "dimensions": latents.shape[1],
        "accuracy": accuracy(split, representation),
        "triplets": float(satisfied(latents, triplets).mean()),
    }


def table_of_seed(
    settings: TrainingSettings, posed: PosedSettings, seed: int, progress: Callable[[str], None] = lambda text: None
) -> dict[str, dict[str, float]]:
    """All rows for one seed: its people, poses, split, triplets and weights are drawn anew."""
    return table_of_set(posed_set(posed, seed), settings, seed, progress)


def table_of_set(
    faces: ExpressionSet,
    settings: TrainingSettings,
    seed: int,
    progress: Callable[[str], None] = lambda text: None,
    counts: Sequence[int] = TRIPLETS,
) -> dict[str, dict[str, float]]:
    """All rows for one seed on a set: split, triplets and weights are drawn anew."""
    split = faces.split(seed)
    triplets = split_triplets(split, seed, counts)
    rows = {name: table_row(split, triplets[2], r) for name, r in baselines(split, settings.latent).items()}
    for model in ("vae", "m1", "m2"):
        data = TrainingData(split.training, split.validation, *triplets[:2])
        training = Training(data, replace(settings, model=model, seed=seed))
        network = training.run(progress=lambda i, last, m=model: progress(f"seed {seed}, {m}: {i} {last}"))  # type: ignore[misc]
        rows[model.upper()] = table_row(split, triplets[2], lambda faces, n=network: encode(n, faces))  # type: ignore[misc]
        rows[model.upper()]["validation_elbo"] = training.best_elbo
        rows[model.upper()]["iteration"] = max(training.history, key=lambda h: h["validation_elbo"])["iteration"]
    return rows


def table(
    settings: TrainingSettings,
    posed: PosedSettings,
    seeds: Sequence[int],
    path: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Rows of every seed, by str(seed), kept in the JSON file `path`: seeds that are there are not computed again.

    Raises ValueError when the file was made with other settings.
    """
    about = {"settings": json.loads(json.dumps(vars(settings))), "posed": vars(posed)}
    results: dict[str, dict[str, dict[str, float]]] = {}
    if path.is_file():
        there = json.loads(path.read_text())
        if {key: there[key] for key in about} != about:
            raise ValueError(f"{path} was made with other settings; remove it or give another file")
        results = there["seeds"]
    for seed in seeds:
        if str(seed) not in results:
            results[str(seed)] = table_of_seed(settings, posed, seed, progress)
            path.write_text(json.dumps({**about, "seeds": results}, indent=1))
    return {str(seed): results[str(seed)] for seed in seeds}


def summary(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Row -> measure -> mean over the seeds, and half the 95 % interval of that mean (Student's t)."""
    from scipy.stats import t

    rows: dict[str, dict[str, tuple[float, float]]] = {}
    for name in ROWS:
        rows[name] = {}
        for measure in ("dimensions", "accuracy", "triplets"):
            values = np.array([seed[name][measure] for seed in results.values()])
            half = (
                t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            )
            rows[name][measure] = float(values.mean()), float(half)
    return rows


def markdown(rows: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """The table as Markdown."""
    lines = ["| Dimensionality reduction | Dim | Accuracy | Triplets |", "|---|---|---|---|"]
    for name, row in rows.items():
        dimensions = f"{row['dimensions'][0]:.0f}"
        cells = [f"{row[m][0]:.3f} ± {row[m][1]:.3f}" for m in ("accuracy", "triplets")]
        lines.append(f"| {name} | {dimensions} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)
