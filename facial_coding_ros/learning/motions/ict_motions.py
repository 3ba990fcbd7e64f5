# SPDX-License-Identifier: Apache-2.0
"""Keypoint motions of ICT-FaceKit's faces: known people, known action units, three settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...datasets.motions import Motions, kpm_of
from ...face_model.ict import AU_SHAPES, IctFaces, au_to_shapes, turned
from ...keypoints import MESH, Registration, RegistrationSettings
from ...models import model_path
from ...npz import open_npz
from ...types import FloatArray

# Prototypes of the basic emotions as in the FACS investigator's guide and EMFACS; the numbers are the chance that the
# unit takes part. Jaw drop is 27 here because one shape serves 26 and 27.
PROTOTYPES: Mapping[str, Mapping[int, float]] = {
    "happiness": {12: 1.0, 6: 0.7, 27: 0.3, 7: 0.2},
    "surprise": {1: 1.0, 2: 1.0, 5: 0.8, 27: 0.9},
    "fear": {1: 1.0, 2: 0.7, 4: 0.7, 5: 0.8, 20: 0.7, 27: 0.5, 7: 0.3},
    "sadness": {1: 1.0, 4: 0.6, 15: 0.8, 17: 0.6},
    "anger": {4: 1.0, 5: 0.4, 7: 0.7, 24: 0.6, 17: 0.4, 10: 0.3},
    "disgust": {9: 0.8, 10: 0.8, 17: 0.4, 4: 0.4, 16: 0.3, 7: 0.3},
    "contempt": {14: 1.0, 12: 0.4},
}
ONE_SIDED = (2, 10, 12, 14, 15, 16, 20, 45)
"""Units that people often show on one side alone."""
EXACT = RegistrationSettings(pose_correction=False)
"""Registration of meshes that were turned exactly. The live one also takes out what the tracker adds to turned heads;
there is none of it here, so taking it out would put it in."""
SPEECH = (27, 22, 18, 16, 10, 24, 28, 17, 20)

Codes = tuple[int, ...]
ALL_AUS: Codes = tuple(AU_SHAPES)


@dataclass(frozen=True)
class IctSetting:
    """How people behave in one recorded situation.

    prototypes: emotion -> share of the motions. single_rate: further units a motion, at random (Poisson mean).
    speech, blink: shares of motions. intensity: (a, b) of the beta distribution of intensities.
    one_sided: chance that a unit of ONE_SIDED is on one side. sides: spread of log left / right.
    pose_deg: spread (yaw, pitch, roll). gain: spread of log strength by person and unit. shape: spread of a person's
    own form of each unit (smooth field over the face, share of the motion).
    """

    name: str
    prototypes: Mapping[str, float]
    single_rate: float
    speech: float
    blink: float
    intensity: tuple[float, float]
    one_sided: float
    sides: float
    pose_deg: tuple[float, float, float]
    gain: float = 0.25
    shape: float = 0.15


SETTINGS: Mapping[str, IctSetting] = {
    setting.name: setting
    for setting in (
        # Like CK+: asked for, strong, near frontal, the last frame.
        IctSetting(
            "posed",
            dict.fromkeys(PROTOTYPES, 0.11),
            1.0, 0.0, 0.05, (3.0, 1.5), 0.1, 0.1, (4.0, 4.0, 3.0),
        ),
        # Like DISFA: people watch films; mostly weak, smiles most often, alone.
        IctSetting(
            "watching",
            {"happiness": 0.30, "surprise": 0.08, "disgust": 0.08, "sadness": 0.05, "fear": 0.03, "anger": 0.04},
            1.2, 0.02, 0.15, (1.5, 3.0), 0.2, 0.2, (8.0, 6.0, 4.0),
        ),
        # Like BP4D: people talk and are moved to emotions, with freely turning heads.
        IctSetting(
            "talking",
            {"happiness": 0.25, "surprise": 0.08, "disgust": 0.08, "sadness": 0.06, "fear": 0.05, "anger": 0.05,
             "contempt": 0.05},
            0.8, 0.45, 0.15, (2.0, 2.5), 0.2, 0.2, (15.0, 10.0, 6.0),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class MeshNoise:
    """A tracker's error on a frontal mesh: independent directions `field` (modes, 468, 3), in eye distances."""

    field: FloatArray

    @classmethod
    def none(cls) -> MeshNoise:
        return cls(np.zeros((1, MESH.count, 3), np.float32))

    @classmethod
    def measured(cls) -> MeshNoise:
        """What was measured, see models/dfecs_noise.yaml. Raises FileNotFoundError without it."""
        with open_npz(model_path("dfecs_noise.npz")) as arrays:
            return cls(arrays["field"].astype(np.float32))

    def scaled(self, size: float) -> MeshNoise:
        """The same form with a root mean square displacement of `size` eye distances."""
        return MeshNoise((self.field * (size / self.size)).astype(np.float32))

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """(count, 468, 3)."""
        weights = rng.standard_normal((count, len(self.field))).astype(np.float32)
        return np.tensordot(weights, self.field, 1)

    @property
    def size(self) -> float:
        """Root mean square displacement of a point, eye distances."""
        return float(np.sqrt((self.field**2).sum((0, 2)).mean()))


@dataclass(frozen=True)
class IctSample:
    """Motions with what made them: `right` and `left` intensities (n, units) in the order of `codes`."""

    motions: Motions
    dense: FloatArray
    codes: Codes
    right: FloatArray
    left: FloatArray


def synthesise(
    setting: IctSetting,
    people: int,
    per_person: int,
    seed: int,
    noise: MeshNoise,
    registration: RegistrationSettings | None = None,
    keep_dense: bool = False,
) -> IctSample:
    """`people` x `per_person` motions, registered from turned and noisy meshes.

    The neutral is the mean of 30 noisy frontal frames of the same person. keep_dense: also the dense motions
    (n, 468, 2), else (0, 468, 2).
    """
    rng = np.random.default_rng([seed, list(SETTINGS).index(setting.name) if setting.name in SETTINGS else 99])
    faces = IctFaces.load()
    neutral = faces.people(people, rng)
    register = Registration(registration or EXACT)
    shapes = list(dict.fromkeys(name for sides in AU_SHAPES.values() for side in sides for name in side))
    basis = np.stack([faces.shape(name) for name in shapes])
    kpm, dense, right_all, left_all = [], [], [], []
    for person in range(people):
        own = basis * _personal(basis, faces.neutral, setting, rng)
        gains = np.exp(setting.gain * rng.standard_normal(len(ALL_AUS)))
        right, left = _intensities(setting, per_person, rng)
        weights = np.zeros((per_person, len(shapes)), np.float32)
        for row in range(per_person):
            sides = (dict(zip(ALL_AUS, side[row] * gains, strict=True)) for side in (right, left))
            for name, weight in au_to_shapes(*sides).items():
                weights[row, shapes.index(name)] = weight
        meshes = neutral[person] + np.tensordot(weights, own, 1)
        meshes = _turned(meshes, setting, rng) + noise.draw(per_person, rng)
        rest = (_turned(np.repeat(neutral[person][None], 30, 0), setting, rng) + noise.draw(30, rng)).astype(np.float32)
        done = register.register(np.concatenate([meshes.astype(np.float32), rest]))
        sparse = np.stack([r.sparse for r in done])
        kpm.append(kpm_of(sparse[:per_person], sparse[per_person:].mean(0)))
        if keep_dense:
            frontal = np.stack([r.dense[:, :2] for r in done])
            dense.append(frontal[:per_person] - frontal[per_person:].mean(0))
        right_all.append(right)
        left_all.append(left)
    motions = Motions(
        np.concatenate(kpm),
        np.repeat([f"{setting.name}-{seed}-{i:03d}" for i in range(people)], per_person),
        np.full(people * per_person, np.nan, np.float32),
        f"ICT-FaceKit faces, setting {setting.name}, {people} people x {per_person}, seed {seed}, tracker noise "
        f"{noise.size:.4f} eye distances",
    )
    return IctSample(
        motions,
        np.concatenate(dense) if dense else np.empty((0, MESH.count, 2), np.float32),
        ALL_AUS,
        np.concatenate(right_all),
        np.concatenate(left_all),
    )


def _personal(basis: FloatArray, mean: FloatArray, setting: IctSetting, rng: np.random.Generator) -> FloatArray:
    """(shapes, 468, 3): a person's own form of each unit: a smooth factor over the face, by unit and axis."""
    centre = mean[:, :2] - mean[:, :2].mean(0)
    scale = np.abs(centre).max(0)
    u, v = (centre / scale * np.pi / 2).T
    waves = np.stack([np.sin(u), np.cos(u), np.sin(v), np.cos(v), np.sin(u + v), np.sin(v - u)])
    weights = rng.standard_normal((len(basis), 3, len(waves))) * setting.shape / np.sqrt(3)
    return (1 + np.einsum("scw,wp->spc", weights, waves)).astype(np.float32)


def _intensities(setting: IctSetting, count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Right and left intensities (count, units)."""
    on = np.zeros((count, len(ALL_AUS)), bool)
    names = list(setting.prototypes)
    shares = np.array([setting.prototypes[n] for n in names])
    kind = rng.choice(len(names) + 1, size=count, p=[*shares, 1 - shares.sum()])
    for i, name in enumerate(names):
        rows = np.flatnonzero(kind == i)
        for code, chance in PROTOTYPES[name].items():
            on[rows, ALL_AUS.index(code)] |= rng.random(len(rows)) < chance
    extra = rng.poisson(setting.single_rate, count)
    for row in np.flatnonzero(extra):
        on[row, rng.choice(len(ALL_AUS), size=min(extra[row], len(ALL_AUS)), replace=False)] = True
    talks = rng.random(count) < setting.speech
    for code in SPEECH:
        on[:, ALL_AUS.index(code)] |= talks & (rng.random(count) < (0.6 if code == 27 else 0.25))
    on[:, ALL_AUS.index(45)] |= rng.random(count) < setting.blink
    strength = np.where(on, rng.beta(*setting.intensity, on.shape), 0.0)
    tilt = np.exp(setting.sides * rng.standard_normal(on.shape) / 2)
    right, left = np.minimum(strength * tilt, 1.0), np.minimum(strength / tilt, 1.0)
    for code in ONE_SIDED:
        at = ALL_AUS.index(code)
        share = setting.one_sided * (0.5 if code == 45 else 1.0)
        alone = rng.random(count) < share
        side = rng.random(count) < 0.5
        right[alone & side, at] = 0.0
        left[alone & ~side, at] = 0.0
    return right.astype(np.float32), left.astype(np.float32)


def _turned(meshes: FloatArray, setting: IctSetting, rng: np.random.Generator) -> FloatArray:
    poses = rng.standard_normal((len(meshes), 3)) * setting.pose_deg
    return np.stack([turned(mesh, *pose) for mesh, pose in zip(meshes, poses, strict=True)])
