# SPDX-License-Identifier: Apache-2.0
"""The studies behind `facial_coding evaluate dfecs`: each returns rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import Ridge

from ...coding.dfecs.layout import LAYOUT_68, PARTS_68, Layout
from ...coding.dfecs.sparse_codes import Array
from ...datasets.motions import EYE_DISTANCE
from ...face_model.ict import IctFaces
from ...keypoints import MESH_TO_68, RegistrationSettings
from ..motions.ict_motions import EXACT, SETTINGS, IctSample, MeshNoise, synthesise
from . import baselines
from .measures import variance_explained
from .model import DFECS
from .muscles import INTERPRETABLE_SCORE, read, read_either_way

Rows = list[list[str]]
UNITS = 16


@dataclass(frozen=True)
class Plan:
    """seeds: of learning and of people. people: in training and in test, 100 motions each. atoms: of the parts."""

    seeds: int
    people: int
    atoms: Mapping[str, int]
    sparsity: float = 0.02
    each: int = 100

    def model(self, seed: int, units: int = UNITS, **changed: object) -> DFECS:
        base = DFECS(units, n_part_components=dict(self.atoms), sparsity=self.sparsity, random_state=seed)
        model: DFECS = base.set_params(**changed)
        return model

    def sample(
        self, setting: str, seed: int, dense: bool = False, registration: RegistrationSettings | None = None
    ) -> IctSample:
        """Training people have seeds from 1000 on, test people from 2000 on: none is in both."""
        noise = MeshNoise.measured()
        return synthesise(SETTINGS[setting], self.people, self.each, seed, noise, registration, dense)


def score(value: Sequence[float]) -> str:
    """Mean and spread (standard deviation over seeds)."""
    spread = f" ± {np.std(value, ddof=1):.1f}" if len(value) > 1 else ""
    return f"{np.mean(value):.1f}{spread}"


def interpretable_count(units: ArrayLike, signed: bool = True) -> int:
    reading = read if signed else read_either_way
    return sum(reading(unit).score >= INTERPRETABLE_SCORE for unit in np.asarray(units))


def by_number(plan: Plan, numbers: Sequence[int] = (4, 8, 12, 16, 20, 24)) -> Rows:
    """DFECS and PCA with more and fewer AUs: talking to posed."""
    x, test = plan.sample("talking", 1000).motions.kpm, plan.sample("posed", 2000).motions.kpm
    rows = []
    for number in numbers:
        model, axes = plan.model(0, number).fit(x), baselines.pca_units(x, number)
        rows.append([
            str(number),
            f"{variance_explained(test, baselines.reconstruct(test, model.components_)):.1f}",
            f"{variance_explained(test, baselines.project(test, axes)):.1f}",
            f"{interpretable_count(model.components_)} of {number}",
            f"{interpretable_count(axes, signed=False)} of {number}",
        ])  # fmt: skip
    return rows


ABLATIONS = {
    "all steps": EXACT,
    "no frontalisation": replace(EXACT, frontalisation="none"),
    "linear frontalisation (W)": replace(EXACT, frontalisation="linear"),
    "the tracker's pose correction, where there is none to make": RegistrationSettings(),
    "no affine": replace(EXACT, affine=False),
    "no part similarity": replace(EXACT, part_similarity=False),
}


def ablations(plan: Plan) -> Rows:
    """Registration without one of its steps, in training and test alike: talking (turned heads) to talking.

    au: how well a ridge reads the true AU intensities of new people from the codes (mean correlation); that figure
    compares across frames, variance explained does not.
    """
    rows = []
    for name, settings in ABLATIONS.items():
        train = plan.sample("talking", 1000, registration=settings)
        test = plan.sample("talking", 2000, registration=settings)
        model = plan.model(0).fit(train.motions.kpm)
        axes = baselines.pca_units(train.motions.kpm, UNITS)
        x = test.motions.kpm
        rows.append([
            name,
            f"{variance_explained(x, baselines.reconstruct(x, model.components_)):.1f}",
            f"{variance_explained(x, baselines.project(x, axes)):.1f}",
            str(interpretable_count(model.components_)),
            f"{_reads_aus(model.transform(train.motions.kpm), train, model.transform(x), test):.2f}",
        ])  # fmt: skip
    rows.append(_one_level(plan))
    return rows


def _one_level(plan: Plan) -> list[str]:
    """Without the Partial-Face Model: NMF cannot take motions, so one dictionary of the whole face."""
    train, test = plan.sample("talking", 1000), plan.sample("talking", 2000)
    whole = Layout("68", 68, {"face": tuple(range(68))})
    model = plan.model(0, layout=whole, n_part_components={"face": UNITS}).fit(train.motions.kpm)
    x = test.motions.kpm
    return [
        "all steps; one level, no parts",
        f"{variance_explained(x, baselines.reconstruct(x, model.components_)):.1f}",
        "as above",
        str(interpretable_count(model.components_)),
        f"{_reads_aus(model.transform(train.motions.kpm), train, model.transform(x), test):.2f}",
    ]


def _reads_aus(codes: Array, train: IctSample, test_codes: Array, test: IctSample) -> float:
    wanted, truth = np.maximum(train.right, train.left), np.maximum(test.right, test.left)
    read_out = Ridge(1e-3).fit(codes, wanted).predict(test_codes)
    return float(np.mean([np.corrcoef(read_out[:, i], truth[:, i])[0, 1] for i in range(truth.shape[1])]))


def dense_layout() -> Layout:
    """468 points of the mesh, each in the part of the nearest of the 68 keypoints on the mean face."""
    mesh = IctFaces.load().neutral[:, :2]
    nearest = np.linalg.norm(mesh[:, None] - (MESH_TO_68 @ mesh)[None], axis=2).argmin(1)
    parts = {name: tuple(np.flatnonzero(np.isin(nearest, points)).tolist()) for name, points in PARTS_68.items()}
    return Layout("mesh468", len(mesh), parts)


def denser_keypoints(plan: Plan) -> Rows:
    """Open question 1: the same motions by 68 registered points, by 68 of the frontal mesh, and by all 468."""
    train, test = plan.sample("talking", 1000, dense=True), plan.sample("talking", 2000, dense=True)

    def flat(points: ArrayLike) -> Array:
        points = np.asarray(points, np.float64) * EYE_DISTANCE
        return points.transpose(0, 2, 1).reshape(len(points), -1)

    sets: dict[str, tuple[Layout, ArrayLike, ArrayLike]] = {
        "68, registered by part": (LAYOUT_68, train.motions.kpm, test.motions.kpm),
        "68 of the frontal mesh": (LAYOUT_68, flat(MESH_TO_68 @ train.dense), flat(MESH_TO_68 @ test.dense)),
        "468, frontal mesh": (dense_layout(), flat(train.dense), flat(test.dense)),
    }
    rows = []
    for name, (layout, x, unseen) in sets.items():
        model = plan.model(0, layout=layout).fit(x)
        axes = baselines.pca_units(x, UNITS)
        units = model.components_
        if layout.count != LAYOUT_68.count:
            units = np.concatenate([(MESH_TO_68 @ units.reshape(UNITS, 2, -1)[:, axis].T).T for axis in (0, 1)], 1)
        rows.append([
            name,
            f"{variance_explained(unseen, baselines.reconstruct(unseen, model.components_)):.1f}",
            f"{variance_explained(unseen, baselines.project(unseen, axes)):.1f}",
            str(interpretable_count(units)),
            f"{_reads_aus(model.transform(x), train, model.transform(unseen), test):.2f}",
        ])  # fmt: skip
    return rows


def facs_of_many_subjects(plan: Plan, tracked: ArrayLike | None) -> Rows:
    """Open question 2: KPM-FACS AUs from the shapes of one or more subjects, optimal codes; five draws of subjects."""
    sets = {name: plan.sample(name, 2000).motions.kpm[::4] for name in SETTINGS}
    if tracked is not None:
        sets["seen by the tracker"] = np.asarray(tracked)
    rows = []
    for subjects in (1, 3, 10, 100):
        units = [baselines.facs_units(subjects, seed, EXACT)[1] for seed in range(5)]
        rows.append(
            [
                str(subjects),
                *(score([variance_explained(x, baselines.reconstruct(x, u)) for u in units]) for x in sets.values()),
            ]
        )
    return rows


def how_often_passes(plan: Plan) -> Rows:
    """What the muscle score says of motions at random (in PCA's space) and of FACS units themselves."""
    axes = baselines.pca_units(plan.sample("talking", 1000).motions.kpm, UNITS)
    rng = np.random.default_rng(0)
    chance = [read(unit).score for unit in rng.standard_normal((400, UNITS)) @ axes]
    facs = [read(unit).score for unit in baselines.facs_units(1)[1]]
    reverse = [read(-unit).score for unit in baselines.facs_units(1)[1]]
    return [
        [name, f"{100 * np.mean(np.array(s) >= INTERPRETABLE_SCORE):.0f} %", f"{np.median(s):.2f}"]
        for name, s in (("motions at random", chance), ("FACS units", facs), ("FACS units reversed", reverse))
    ]
