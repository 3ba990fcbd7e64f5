# SPDX-License-Identifier: Apache-2.0
"""A posed set of the form of BU-3DFE made from ICT-FaceKit: known people, stereotypical expressions in four degrees.

Poses are made of action units: several combinations for each emotion, as people show them, with their own strength,
their own asymmetry and a little of what does not belong. The points go the way of a live face: the mesh is turned,
blurred by a tracker's noise and registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...coding.expression.labels import BASIC_LABELS, EXPRESSION_LABELS
from ...datasets.expression_set import ExpressionSet, centred_and_scaled, lower_lids
from ...face_model.ict import AU_SHAPES, IctFaces, turned
from ...keypoints import SCHEMES
from ...keypoints.registration import Rotation
from ...options import Settings, option
from ...types import FloatArray

# Emotion -> combinations of action units at full degree. After EMFACS and its common variants (Ekman, Friesen & Hager
# 2002, table 10-1). AU26 is half of jawOpen, AU27 all of it; AU25 is a little of it with the lower lip.
COMBINATIONS: dict[str, tuple[dict[int, float], ...]] = {
    "happy": (
        {6: 0.8, 12: 0.9},
        {12: 0.9},
        {6: 0.9, 12: 1.0, 27: 0.25},
        {6: 0.5, 7: 0.4, 12: 0.8, 10: 0.3, 27: 0.15},
        {12: 0.8, 14: 0.4},
    ),
    "sad": (
        {1: 0.8, 4: 0.6, 15: 0.7},
        {1: 0.7, 4: 0.5, 15: 0.6, 17: 0.6},
        {1: 0.8, 15: 0.8},
        {1: 0.6, 4: 0.7, 7: 0.3, 24: 0.2},
        {6: 0.3, 15: 0.9, 17: 0.5},
    ),
    "angry": (
        {4: 0.9, 5: 0.4, 7: 0.7, 24: 0.7},
        {4: 0.9, 7: 0.6, 17: 0.5, 24: 0.5},
        {4: 0.8, 5: 0.6, 7: 0.5, 10: 0.5, 27: 0.4},
        {4: 0.9, 7: 0.5},
        {4: 0.7, 5: 0.3, 24: 0.9},
    ),
    "surprised": (
        {1: 0.9, 2: 0.9, 5: 0.8, 27: 0.7},
        {1: 0.9, 2: 0.9, 27: 0.5},
        {1: 0.8, 2: 0.8, 5: 0.8},
        {5: 0.7, 27: 0.8},
        {1: 0.7, 2: 0.9, 5: 0.4, 22: 0.4, 27: 0.3},
    ),
    "disgusted": (
        {9: 0.9, 17: 0.4},
        {9: 0.8, 4: 0.4, 7: 0.4},
        {10: 0.9, 15: 0.4},
        {9: 0.7, 10: 0.7, 16: 0.5, 27: 0.2},
        {10: 0.8, 17: 0.6},
    ),
    "scared": (
        {1: 0.8, 2: 0.6, 4: 0.5, 5: 0.9, 20: 0.8, 27: 0.3},
        {1: 0.8, 2: 0.5, 4: 0.6, 5: 0.8},
        {1: 0.7, 4: 0.5, 5: 0.8, 7: 0.4, 20: 0.7},
        {5: 0.8, 20: 0.9, 27: 0.4},
        {1: 0.9, 2: 0.8, 4: 0.4, 5: 0.8, 16: 0.4, 27: 0.4},
    ),
    "contempt": ({14: 0.9}, {12: 0.7}, {14: 0.7, 24: 0.3}, {12: 0.5, 14: 0.6}, {10: 0.5, 14: 0.6}),
}
ONE_SIDED = frozenset({"contempt"})


@dataclass(frozen=True)
class PosedSettings(Settings):
    people: int = option(100, "people in the set", low=1)
    repeats: int = option(1, "times each person poses each degree of each expression", low=1)
    contempt: bool = option(False, "with contempt as an eighth class")
    keypoints: str = option("68", "scheme of the points", choices=("68", "mesh468", "bu3dfe83", "bp4d83"))
    degree_spread: float = option(0.08, "spread of the strength of a degree, 1 being the full expression", low=0.0)
    unit_spread: float = option(0.3, "spread of each action unit's own strength, as a share of it", low=0.0)
    person_spread: float = option(0.15, "spread of how expressive a person is, as a share", low=0.0)
    asymmetry: float = option(0.15, "spread of the difference between the sides, as a share", low=0.0)
    unrelated_aus: float = option(0.6, "mean number of action units that do not belong to the expression", low=0.0)
    unrelated_strength: float = option(0.25, "strongest unrelated action unit", low=0.0, high=1.0)
    neutral_error: float = option(
        0.0, "mean strength of action units that a person's neutral wrongly lacks; most people have less", low=0.0
    )
    noise: float = option(0.006, "standard deviation of each point's noise, eye distances", low=0.0)
    turn_deg: float = option(8.0, "spread of the head's yaw and pitch before registration, degrees", low=0.0)


@dataclass(frozen=True)
class Pose:
    """Action unit intensities of one face, the right and the left side."""

    person: int
    label: int
    degree: int
    right: dict[int, float]
    left: dict[int, float]


def draw_poses(settings: PosedSettings, rng: np.random.Generator) -> list[Pose]:
    """One neutral and, for each emotion, four degrees a person, times `repeats`."""
    classes = EXPRESSION_LABELS if settings.contempt else BASIC_LABELS
    poses: list[Pose] = []
    for person in range(settings.people):
        expressive = max(0.5, 1 + settings.person_spread * rng.standard_normal())
        first = len(poses)
        for _ in range(settings.repeats):
            poses.append(_with_unrelated_aus(Pose(person, 0, 0, {}, {}), settings, rng))
            for label, emotion in enumerate(classes[1:], 1):
                # A person shows an emotion in one way; the degrees are of that way.
                options = COMBINATIONS[emotion]
                combination = options[rng.integers(len(options))]
                own = {c: v * (1 + settings.unit_spread * rng.standard_normal()) for c, v in combination.items()}
                lean = settings.asymmetry * rng.standard_normal()
                if emotion in ONE_SIDED:
                    lean = rng.choice((-1.0, 1.0)) * rng.uniform(0.7, 1.0)
                for degree in range(1, 5):
                    strength = expressive * max(0.05, degree / 4 + settings.degree_spread * rng.standard_normal())
                    sides = []
                    for side in (1.0, -1.0):
                        factor = strength * min(1.0, 1 + side * lean)
                        sides.append({code: float(np.clip(factor * v, 0, 1.1)) for code, v in own.items()})
                    poses.append(_with_unrelated_aus(Pose(person, label, degree, sides[0], sides[1]), settings, rng))
        if settings.neutral_error > 0:
            poses[first:] = _with_neutral_error(poses[first:], settings, rng)
    return poses


def _with_neutral_error(poses: list[Pose], settings: PosedSettings, rng: np.random.Generator) -> list[Pose]:
    """The same action units added to all poses of a person: what an estimated neutral took for an expression."""
    units = [code for code in AU_SHAPES if code not in (45, 27)]
    strength = settings.neutral_error * 2 * rng.random()
    lacking = {units[rng.integers(len(units))]: float(rng.exponential(strength)) for _ in range(rng.poisson(2.5))}
    shifted = []
    for pose in poses:
        right, left = (
            {code: min(1.1, side.get(code, 0.0) + lacking.get(code, 0.0)) for code in {**side, **lacking}}
            for side in (pose.right, pose.left)
        )
        shifted.append(Pose(pose.person, pose.label, pose.degree, right, left))
    return shifted


def _with_unrelated_aus(pose: Pose, settings: PosedSettings, rng: np.random.Generator) -> Pose:
    """With a few action units added that mean nothing."""
    right, left = dict(pose.right), dict(pose.left)
    units = [code for code in AU_SHAPES if code not in (45, 27)]
    for _ in range(rng.poisson(settings.unrelated_aus)):
        code = units[rng.integers(len(units))]
        amount = rng.uniform(0, settings.unrelated_strength)
        for side in (right, left):
            side[code] = min(1.1, side.get(code, 0.0) + amount)
    return Pose(pose.person, pose.label, pose.degree, right, left)


def posed_set(settings: PosedSettings | None = None, seed: int = 0, faces: IctFaces | None = None) -> ExpressionSet:
    """100 people x (6 expressions x 4 degrees + neutral) with the default settings; the same for the same seed."""
    settings = settings or PosedSettings()
    faces = faces or IctFaces.load()
    rng = np.random.default_rng(seed)
    people = faces.people(settings.people, rng)
    poses = draw_poses(settings, rng)
    meshes = np.stack([people[pose.person] + faces.au_offsets(pose.right, pose.left) for pose in poses])
    points = as_tracked(meshes, settings, rng)
    # The robot's neutral is a mean over time: its noise is smaller than a frame's.
    neutrals = as_tracked(people, settings, rng, noise=settings.noise / 3)
    classes = EXPRESSION_LABELS if settings.contempt else BASIC_LABELS
    return set_of_poses(f"posed-{seed}", settings.keypoints, points, neutrals, poses, "P", classes)


def set_of_poses(
    name: str,
    keypoints: str,
    points: FloatArray,
    neutrals: FloatArray,
    poses: Sequence[Pose],
    prefix: str,
    classes: tuple[str, ...],
) -> ExpressionSet:
    """Faces (n, k, 3) of these poses as a set; `prefix` begins the faces' ids."""
    return ExpressionSet(
        name=name,
        keypoints=keypoints,
        points=points,
        neutrals=neutrals,
        person=np.array([pose.person for pose in poses]),
        ids=tuple(f"{prefix}{pose.person:04d}_{i:06d}" for i, pose in enumerate(poses)),
        label=np.array([pose.label for pose in poses]),
        degree=np.array([pose.degree for pose in poses]),
        classes=classes,
    )


def as_tracked(
    meshes: FloatArray, settings: PosedSettings, rng: np.random.Generator, noise: float | None = None
) -> FloatArray:
    """Meshes (n, 468, 3) of frontal faces -> preprocessed points (n, k, 3) as a tracker and the registration give."""
    noise = settings.noise if noise is None else noise
    angles = settings.turn_deg * rng.standard_normal((len(meshes), 3))
    posed = np.stack([turned(m, *a) for m, a in zip(meshes, angles, strict=True)])
    posed += (noise * rng.standard_normal(posed.shape)).astype(np.float32)
    # No pose correction: that is for what the tracker adds.
    frontal = posed @ Rotation().matrices(posed.transpose(0, 2, 1))
    scheme = SCHEMES[settings.keypoints]
    points = scheme.from_mesh(frontal)
    return centred_and_scaled(points, lower_lids(points, scheme))
