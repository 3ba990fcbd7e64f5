# SPDX-License-Identifier: Apache-2.0
"""DFECS against PCA and keypoint-based FACS AUs, at the same number of AUs and the same sparsity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...coding.dfecs.layout import LAYOUT_68, PARTS_68
from ...coding.dfecs.sparse_codes import Array, encode
from ...datasets.motions import Motions
from ..motions.ict_motions import EXACT, SETTINGS
from . import baselines
from .measures import active_units, sparsity_of, variance_explained, variance_explained_by_length
from .model import DFECS
from .studies import UNITS, Plan, Rows, interpretable_count, score

FORMS = {"first form": variance_explained, "by length": variance_explained_by_length}
ACTIVE = (2, 4, 6)
"""Numbers of active AUs at which sparsity is the same for all."""
CHOSEN_FROM = 500
"""Motions of training by which 16 of the 20 keypoint-based FACS AUs are chosen."""
LARS_MOTIONS = 500

CROSS = ("trained on", "tested on", "DFECS, own codes", "DFECS", "PCA", "DFECS - PCA", "KPM-FACS", "DFECS - KPM-FACS")
HEADERS: Mapping[str, tuple[str, ...]] = {
    "settings": CROSS,
    "length": CROSS,
    "training": ("setting", "form", "DFECS, own codes", "DFECS", "PCA", "KPM-FACS"),
    "parts": ("setting", "motions", "form", "AUs", *PARTS_68),
    "sparsity": (
        "setting", "AUs", "active of 16", "zero codes, %", *(f"{k} active" for k in ACTIVE),
        *(f"{k} active, by length" for k in ACTIVE),
    ),
    "counts": (
        "setting", "DFECS, by seed", "PCA, the better sign, by seed", "KPM-FACS, by seed", "with labels, by seed",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Units:
    """AUs (k, d) by any method. positive: codes must not be negative; else the AUs are orthonormal."""

    rows: Array
    positive: bool = True

    def reconstruct(self, x: ArrayLike) -> Array:
        """Motions (n, d) by the best codes there are."""
        return baselines.reconstruct(x, self.rows) if self.positive else baselines.project(x, self.rows)

    def paths(self, x: ArrayLike) -> list[float]:
        """Both forms, in percent, with ACTIVE AUs: first form for each of them, then by length."""
        x = np.asarray(x)[:: max(1, len(np.asarray(x)) // LARS_MOTIONS)]
        made = [baselines.lars(x, self.rows, k, self.positive) for k in ACTIVE]
        return [form(x, found) for form in FORMS.values() for found in made]

    def count(self) -> int:
        return interpretable_count(self.rows, self.positive)


class AcrossSettings:
    """Every setting to every other, on people who were not in training; `rows` by the names of HEADERS."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._found: dict[str, dict[tuple[str, ...], list[list[float]]]] = {name: {} for name in HEADERS}
        self._facs = baselines.facs_units(1, registration=EXACT)[1]

    def run(self) -> dict[str, Rows]:
        for seed in range(self._plan.seeds):
            tests = {n: self._plan.sample(n, 2000 + seed).motions.kpm.astype(np.float64) for n in SETTINGS}
            mixed, mixed_labels = [], []
            for name in SETTINGS:
                sample = self._plan.sample(name, 1000 + seed)
                x, labels = sample.motions.kpm.astype(np.float64), np.maximum(sample.right, sample.left)
                mixed.append(x[: len(x) // len(SETTINGS)])
                mixed_labels.append(labels[: len(x) // len(SETTINGS)])
                self._one(name, self._plan.model(seed).fit(x), x, labels, tests)
            # As much of each as makes one training set, the way the shipped model is learnt.
            x = np.concatenate(mixed)
            methods = self._methods(self._plan.model(seed).fit(x), x)
            self._count("all three together", methods, x, np.concatenate(mixed_labels))
        return {name: self._rows(name) for name in HEADERS}

    def _add(self, table: str, key: tuple[str, ...], figures: list[float]) -> None:
        self._found[table].setdefault(key, []).append(figures)

    def _methods(self, model: DFECS, x: Array) -> dict[str, Units]:
        return {
            "DFECS": Units(model.components_),
            "PCA": Units(baselines.pca_units(x, UNITS), positive=False),
            "KPM-FACS": Units(baselines.best_units(_some(x), self._facs, UNITS)),
        }

    def _count(self, name: str, methods: Mapping[str, Units], x: Array, labels: Array) -> None:
        """How many pass; also of AUs learnt from the same motions with their true intensities, which DFECS has not."""
        read = Units(baselines.best_units(_some(x), baselines.tracked_facs_units(x, labels), UNITS))
        self._add("counts", (name,), [*(units.count() for units in methods.values()), read.count()])

    def _one(self, name: str, model: DFECS, x: Array, labels: Array, tests: Mapping[str, Array]) -> None:
        methods = self._methods(model, x)
        self._count(name, methods, x, labels)
        for kind, sets in (("training", {name: x}), ("test", tests)):
            for other, motions in sets.items():
                sparse = model.inverse_transform(model.transform(motions))
                made = {method: units.reconstruct(motions) for method, units in methods.items()}
                for form, measure in FORMS.items():
                    own, dfecs, pca, facs = (measure(motions, m) for m in (sparse, *made.values()))
                    if kind == "training":
                        self._add("training", (name, form), [own, dfecs, pca, facs])
                    else:
                        table = "settings" if form == "first form" else "length"
                        self._add(table, (name, other), [own, dfecs, pca, dfecs - pca, facs, dfecs - facs])
                    for method in methods if other == name else ():
                        by_part = [
                            measure(motions[:, columns], made[method][:, columns])
                            for columns in map(LAYOUT_68.columns, PARTS_68)
                        ]
                        self._add("parts", (name, kind, form, method), by_part)
        test = tests[name]
        for method, units in methods.items():
            codes = model.transform(test) if method == "DFECS" else self._codes(test, units, model.alpha_)
            sparsity = [active_units(codes), 100 * sparsity_of(codes)]
            self._add("sparsity", (name, method), [*sparsity, *units.paths(test)])

    @staticmethod
    def _codes(x: Array, units: Units, alpha: float) -> Array:
        """PCA's own codes; others with the same weight on their L1 norm as DFECS's."""
        return encode(x, units.rows, alpha, tolerance=1e-6) if units.positive else x @ units.rows.T

    def _rows(self, table: str) -> Rows:
        found = self._found[table]
        if table == "counts":
            return [
                [*key, *(", ".join(f"{v:.0f}" for v in c) for c in zip(*rows, strict=True))]
                for key, rows in found.items()
            ]
        return [[*key, *(score(column) for column in zip(*rows, strict=True))] for key, rows in found.items()]


TRACKED_HEADER = (
    "AUs", "learnt from", "test", "by length", "training", *(f"{k} active" for k in ACTIVE),
    *(f"{k} active, by length" for k in ACTIVE), "pass, by fit",
)  # fmt: skip


def equal_terms(motions: Motions, intensities: ArrayLike | None, plan: Plan, fixed: Mapping[str, Units]) -> Rows:
    """Motions as the tracker reports them: for each seed, people are dealt into halves and each half is judged by what
    was learnt from the other.

    intensities: true ones (n, units), for KPM-FACS AUs as the tracker shows them, which need labels; None: without
    these. fixed: AUs that are learnt from no tracked motion.
    """
    x, labels = motions.kpm.astype(np.float64), None if intensities is None else np.asarray(intensities)
    people = np.unique(motions.person)
    found: dict[tuple[str, str], list[tuple[list[float], int]]] = {}
    for seed in range(plan.seeds):
        first = np.isin(motions.person, np.random.default_rng(seed).permutation(people)[: len(people) // 2])
        for part in (first, ~first):
            for name, units in _learnt(x[part], None if labels is None else labels[part], plan, seed, fixed).items():
                test = x[~part]
                made = units.reconstruct(test)
                some = x[part][:: max(1, int(part.sum()) // 2000)]
                figures = [measure(test, made) for measure in FORMS.values()]
                figures += [variance_explained(some, units.reconstruct(some)), *units.paths(test)]
                found.setdefault(name, []).append((figures, units.count()))
    return [
        [*key, *(score(c) for c in zip(*(f for f, _ in rows), strict=True)), _counts([c for _, c in rows])]
        for key, rows in found.items()
    ]


def _learnt(
    x: Array, labels: ArrayLike | None, plan: Plan, seed: int, fixed: Mapping[str, Units]
) -> dict[tuple[str, str], Units]:
    some = _some(x)
    units = {
        ("DFECS", "tracked motions"): Units(plan.model(seed).fit(x).components_),
        ("PCA", "tracked motions"): Units(baselines.pca_units(x, UNITS), positive=False),
    }
    if labels is not None:
        units["KPM-FACS through the tracker", "tracked motions and labels"] = Units(
            baselines.best_units(some, baselines.tracked_facs_units(x, labels), UNITS)
        )
    for subjects in (1, 100):
        facs = baselines.facs_units(subjects, seed)[1]
        name = f"KPM-FACS, {subjects} subject{'s' if subjects > 1 else ''}"
        units[name, "face model; which 16: tracked motions"] = Units(baselines.best_units(some, facs, UNITS))
    return units | {(name, "face model"): one for name, one in fixed.items()}


def _some(x: Array) -> Array:
    return x[:: max(1, len(x) // CHOSEN_FROM)]


def _counts(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else ", ".join(map(str, values))
