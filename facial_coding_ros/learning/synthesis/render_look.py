# SPDX-License-Identifier: Apache-2.0
"""What one rendered person and one rendered picture look like, at random: skin, hair, light, camera, its faults."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

STYLES = ("studio", "room", "harsh", "webcam", "flat")
"""Families of settings; models are judged on a style they were not trained on.

studio: even light, sharp. room: mixed light, mild faults. harsh: one strong light, shadows, deep wrinkles. webcam:
small, noisy, blurred, strong JPEG. flat: hardly any shading, no strokes, like a drawing.
"""


@dataclass(frozen=True)
class PersonLook:
    """Colours 0..1 RGB; lengths in cm."""

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    brow_strength: float
    brow_thickness_cm: float
    brow_height_cm: float
    beard: float
    moustache: float
    age: float  # 0..1: depth of wrinkles
    blemishes: float
    hair_height_cm: float  # how far the hairline is above the model's; -1.5 fringe, 3 bald
    long_hair: bool
    glasses: float  # 0 none, else the rim's thickness in cm
    lashes: float
    redness: float
    seed: int

    @property
    def brow_colour(self) -> np.ndarray:
        """As the hair, but darker than the skin."""
        return np.minimum(0.85 * self.hair, 0.4 * self.skin)

    @classmethod
    def sample(cls, rng: np.random.Generator, style: str) -> PersonLook:
        """A person; Fitzpatrick types I to VI about equally often."""
        lightness = rng.uniform(0.0, 1.0)
        skin = _mix(lightness, [(0.22, 0.13, 0.09), (0.45, 0.29, 0.20), (0.68, 0.48, 0.36), (0.86, 0.69, 0.58)])
        skin = np.clip(skin * rng.normal(1, [0.04, 0.05, 0.06]), 0.05, 0.95)
        hairs = [
            (0.05, 0.04, 0.04),
            (0.15, 0.09, 0.06),
            (0.32, 0.2, 0.12),
            (0.62, 0.48, 0.3),
            (0.6, 0.6, 0.6),
            (0.4, 0.16, 0.08),
        ]
        dark = lightness < 0.5
        hair = np.array(
            hairs[rng.choice(6, p=[0.7, 0.2, 0, 0, 0.1, 0] if dark else [0.2, 0.25, 0.25, 0.15, 0.1, 0.05])]
        )
        irises = [(0.2, 0.11, 0.06), (0.35, 0.22, 0.12), (0.3, 0.38, 0.25), (0.3, 0.42, 0.55)]
        iris = np.array(irises[rng.choice(4, p=[0.8, 0.2, 0, 0] if dark else [0.25, 0.25, 0.2, 0.3])])
        bearded = rng.random() < 0.3
        flat = style == "flat"
        return cls(
            skin=skin,
            lips=np.clip(skin * rng.uniform([0.85, 0.5, 0.5], [1.1, 0.85, 0.9]), 0, 1),
            hair=hair * rng.uniform(0.8, 1.2),
            iris=iris,
            brow_strength=float(rng.uniform(0.5, 1.0)),
            brow_thickness_cm=float(rng.uniform(0.4, 0.95)),
            brow_height_cm=float(rng.normal(-0.55, 0.15)),
            beard=float(rng.uniform(0.2, 1.0)) if bearded and not flat else 0.0,
            moustache=float(rng.uniform(0.2, 1.0)) if bearded and not flat and rng.random() < 0.7 else 0.0,
            age=0.0 if flat else float(rng.beta(1.2, 1.6)),
            blemishes=0.0 if flat else float(rng.uniform(0, 1) ** 2),
            hair_height_cm=float(rng.choice([-1.5, -0.5, 0.0, 0.5, 1.0, 3.0])),
            long_hair=bool(rng.random() < 0.45),
            glasses=float(rng.uniform(0.08, 0.25)) if rng.random() < 0.15 else 0.0,
            lashes=float(rng.uniform(0.1, 1.0)),
            redness=float(rng.uniform(0.0, 0.08)),
            seed=int(rng.integers(2**31)),
        )


def _mix(at: float, colours: list[tuple[float, float, float]]) -> np.ndarray:
    place = at * (len(colours) - 1)
    first = min(int(place), len(colours) - 2)
    return (1 - place + first) * np.array(colours[first]) + (place - first) * np.array(colours[first + 1])


@dataclass(frozen=True)
class Light:
    """direction: (3,), towards the light. colour: RGB times strength."""

    direction: np.ndarray
    colour: np.ndarray


@dataclass(frozen=True)
class PictureLook:
    """Light, camera and faults of one picture. Signs of the head's turn as types.HeadPose."""

    ambient: np.ndarray
    lights: tuple[Light, ...]
    gloss: float
    shadow: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    distance_cm: float
    eye_distance_px: float
    blur_px: float
    motion_blur_px: float
    noise: float
    jpeg_quality: int
    gamma: float
    exposure: float
    tint: np.ndarray
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, style: str, pose_deg: float = 8.0) -> PictureLook:
        """One picture. pose_deg: standard deviation of yaw; pitch three quarters, roll half of it."""
        low, high = {
            "studio": (0.45, 0.75),
            "room": (0.3, 0.7),
            "harsh": (0.12, 0.35),
            "webcam": (0.25, 0.6),
            "flat": (0.75, 0.95),
        }[style]
        ambient = rng.uniform(low, high)
        lights = []
        for number in range(1 if style in ("harsh", "flat") else int(rng.integers(1, 4))):
            azimuth, height = rng.normal(0, 40 if style != "harsh" else 60), rng.uniform(-10, 60)
            a, h = np.radians([azimuth, height])
            strength = (1.05 - ambient) * (1.0 if number == 0 else rng.uniform(0.1, 0.6))
            warmth = np.array([1 + rng.normal(0, 0.06), 1.0, 1 + rng.normal(0, 0.08)])
            lights.append(Light(np.array([np.sin(a) * np.cos(h), np.sin(h), np.cos(a) * np.cos(h)]), strength * warmth))
        faulty = style == "webcam"
        return cls(
            ambient=ambient * np.array([1 + rng.normal(0, 0.03), 1.0, 1 + rng.normal(0, 0.04)]),
            lights=tuple(lights),
            gloss=float(rng.uniform(0.0, 0.25)) if style != "flat" else 0.0,
            shadow=float(rng.uniform(0.2, 0.6) if style != "harsh" else rng.uniform(0.6, 0.95))
            if style != "flat"
            else 0.0,
            yaw_deg=float(rng.normal(0, pose_deg)),
            pitch_deg=float(rng.normal(0, 0.75 * pose_deg)),
            roll_deg=float(rng.normal(0, 0.5 * pose_deg)),
            distance_cm=float(np.exp(rng.uniform(np.log(40), np.log(250)))),
            eye_distance_px=float(rng.uniform(18, 45) if faulty else np.exp(rng.uniform(np.log(32), np.log(95)))),
            blur_px=float(rng.uniform(0.5, 1.6) if faulty else rng.uniform(0.3, 0.9)),
            motion_blur_px=float(rng.uniform(0, 5)) if rng.random() < (0.3 if faulty else 0.1) else 0.0,
            noise=float(rng.uniform(0.01, 0.05) if faulty else rng.uniform(0, 0.015)),
            jpeg_quality=int(rng.integers(30, 75) if faulty else rng.integers(60, 97)),
            gamma=float(np.exp(rng.normal(0, 0.15))),
            exposure=float(rng.uniform(0.3, 0.65)),
            tint=np.exp(rng.normal(0, 0.05, 3)),
            seed=int(rng.integers(2**31)),
        )

    def next_picture(self, rng: np.random.Generator, pose_deg: float = 8.0) -> PictureLook:
        """Another picture of the same sitting: the head turns and comes nearer or goes, the light changes a little."""
        nearer = float(np.exp(rng.normal(0, 0.07)))
        turned = []
        for light in self.lights:
            direction = light.direction + rng.normal(0, 0.12, 3)
            turned.append(Light(direction / np.linalg.norm(direction), light.colour * np.exp(rng.normal(0, 0.1))))
        return replace(
            self,
            ambient=self.ambient * np.exp(rng.normal(0, 0.06)),
            lights=tuple(turned),
            yaw_deg=float(rng.normal(0, pose_deg)),
            pitch_deg=float(rng.normal(0, 0.75 * pose_deg)),
            roll_deg=float(rng.normal(0, 0.5 * pose_deg)),
            distance_cm=self.distance_cm / nearer,
            eye_distance_px=self.eye_distance_px * nearer,
            motion_blur_px=float(rng.uniform(0, 4)) if rng.random() < 0.1 else 0.0,
            exposure=self.exposure * float(np.exp(rng.normal(0, 0.05))),
            seed=int(rng.integers(2**31)),
        )
