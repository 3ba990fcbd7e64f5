# SPDX-License-Identifier: Apache-2.0
"""Labels over time: how often they flicker and how late they come, with and without a filter on the latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...coding.perceptual.latent_filter import MAX_SUBJECTS, OneEuro
from ...types import FloatArray
from ..motions.posed import PosedSettings, draw_poses
from ..motions.rendered import TrackerResponse

FRAME_NS = 33_333_333
REST_S, ONSET_S, APEX_S = 1.5, 0.4, 2.0


@dataclass(frozen=True)
class Sequences:
    """points, neutral: (n, frames, k, 3). label: (n,) of the apex. moving: (frames,) 0..1, share of the expression."""

    points: FloatArray
    neutral: FloatArray
    label: NDArray[np.int64]
    moving: FloatArray


def made_sequences(
    response: TrackerResponse, count: int, seed: int, jitter: float = 0.006, drift: float = 0.5, drift_s: float = 0.4
) -> Sequences:
    """Faces that rest, show an expression (degree 3 or 4) and rest again, 30 frames a second.

    What the tracker leaves over differs from frame to frame: white noise of `jitter` eye distances, and a residual of
    the response times `drift` that wanders with the time constant `drift_s`, growing with the expression.
    """
    rng = np.random.default_rng(seed)
    settings = PosedSettings(people=-(-count // 12), contempt=True)
    poses = [pose for pose in draw_poses(settings, rng) if pose.degree >= 3][:count]
    frames = np.arange(0, 2 * (REST_S + ONSET_S) + APEX_S, FRAME_NS * 1e-9)
    times = [0, REST_S, REST_S + ONSET_S, REST_S + ONSET_S + APEX_S, REST_S + 2 * ONSET_S + APEX_S, 1e9]
    linear = np.interp(frames, times, [0, 0, 1, 1, 0, 0])
    moving = (linear**2 * (3 - 2 * linear)).astype(np.float32)
    faces, neutrals = response.seen(poses, settings.people, rng)
    neutral = neutrals[[pose.person for pose in poses]]
    k = np.exp(-FRAME_NS * 1e-9 / drift_s)
    size = response.residual.reshape(len(response.residual), -1)
    quiet = size[np.argsort(response.strength)[: len(size) // 5]]
    loud = size[np.argsort(response.strength)[len(size) // 2 :]]
    points = np.empty((len(poses), len(frames), *neutral.shape[1:]), np.float32)
    state = quiet[rng.integers(len(quiet), size=len(poses))]
    for t, share in enumerate(moving):
        pick = np.where((rng.random(len(poses)) < share)[:, None], 1, 0).astype(bool)
        new = np.where(
            pick, loud[rng.integers(len(loud), size=len(poses))], quiet[rng.integers(len(quiet), size=len(poses))]
        )
        state = k * state + np.sqrt(1 - k * k) * new
        wander = (drift * state).reshape(len(poses), *neutral.shape[1:])
        noise = jitter * rng.standard_normal(wander.shape)
        points[:, t] = neutral + share * (faces - neutral) + wander + noise
    return Sequences(points, np.repeat(neutral[:, None], len(frames), 1), np.array([p.label for p in poses]), moving)


def filtered(latents: FloatArray, make: Callable[[], OneEuro] | None) -> FloatArray:
    """Latents (n, frames, d) through a filter each, or as they are."""
    if make is None:
        return latents
    parts = []
    for start in range(0, len(latents), MAX_SUBJECTS):
        part, filters = latents[start : start + MAX_SUBJECTS], make()
        subject_keys = [str(i) for i in range(len(part))]
        steps = [filters.update(subject_keys, part[:, t], t * FRAME_NS) for t in range(part.shape[1])]
        parts.append(np.stack(steps, 1))
    return np.concatenate(parts)


def onsets(label: NDArray[np.int64], truth: NDArray[np.int64], moving: FloatArray) -> NDArray[np.float64]:
    """(n,) seconds from the middle of the onset to the first of three frames in a row with the right label; NaN where
    that does not come before the expression goes. label: (n, frames), -1 unsure. truth: (n,)."""
    start = int(np.argmax(moving >= 0.5))
    hit = label == truth[:, None]
    three = hit[:, :-2] & hit[:, 1:-1] & hit[:, 2:]
    three[:, :start] = False
    three[:, np.flatnonzero(moving == 1)[-1] :] = False
    return np.where(three.any(1), (three.argmax(1) - start) * FRAME_NS * 1e-9, np.nan)


def course_measures(label: NDArray[np.int64], truth: NDArray[np.int64], moving: FloatArray) -> dict[str, float]:
    """flicker: changes of the label a minute while the face does not move. came: share of sequences whose label comes.
    right: share of apex frames with the right label."""
    still = (moving[1:] == moving[:-1]) & ((moving[1:] == 0) | (moving[1:] == 1))
    changes = (label[:, 1:] != label[:, :-1])[:, still].mean() * 60 / (FRAME_NS * 1e-9)
    return {
        "flicker, changes a minute": float(changes),
        "came": float(np.isfinite(onsets(label, truth, moving)).mean()),
        "right at the apex": float((label == truth[:, None])[:, moving == 1].mean()),
    }
