# SPDX-License-Identifier: Apache-2.0
"""Keypoint motions of recordings and of rendered people, as the tracker reports them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...datasets.motions import MotionError, Motions, kpm_of
from ...image.sources import open_source
from ...keypoints import Registration, RegistrationSettings
from ...neutral import NeutralKeeper, NeutralSettings
from ...tracking import TrackingSettings, make_tracker
from ...types import FloatArray, NeutralState
from ..synthesis.dataset import NEUTRALS, load_set

FARTHEST_TURN_DEG = 35.0
"""Frames with the head turned farther are left out."""


def recorded_motions(
    path: Path,
    topic: str = "",
    registration: RegistrationSettings | None = None,
    on_frame: Callable[[int, int], None] = lambda done, expected: None,
    on_damage: Callable[[str], None] | None = None,
) -> Motions:
    """Of a video, a folder of images or a ROS 2 bag: tracker, registration and neutral as in the pipeline.

    A face's motions are all against its neutral at the end of the recording, when most is known about it; faces whose
    neutral does not become ready are left out. on_frame: called with the number of frames done and expected (0: not
    known). Raises SourceError when it cannot be read, MotionError when no face gave a motion.
    """
    source = open_source(path, topic)
    registering, keeper = Registration(registration or RegistrationSettings()), NeutralKeeper(NeutralSettings())
    tracks: dict[str, tuple[list[FloatArray], list[float]]] = {}
    ready: set[str] = set()
    with contextlib.closing(make_tracker(TrackingSettings())) as tracker:
        start, last = None, 0
        for done, frame in enumerate(source.frames(on_damage), start=1):
            start, last = (frame.stamp_ns if start is None else start), frame.stamp_ns
            faces = tracker.track(frame)
            for face, points in zip(faces, registering.register([f.mesh for f in faces]) if faces else (), strict=True):
                neutral = keeper.update(face.subject_key, points, face, frame.stamp_ns)
                ready |= {face.subject_key} if neutral.state is NeutralState.READY else set()
                if max(abs(face.pose.yaw_deg), abs(face.pose.pitch_deg)) <= FARTHEST_TURN_DEG:
                    seen, times = tracks.setdefault(face.subject_key, ([], []))
                    seen.append(points.sparse)
                    times.append((frame.stamp_ns - start) / 1e9)
            on_frame(done, source.count)
    kpm, person, time_s = [], [], []
    for subject_key in sorted(ready & set(tracks)):
        rest = keeper.neutral(subject_key, last).registered
        if rest is not None:
            seen, times = tracks[subject_key]
            kpm.append(kpm_of(np.stack(seen), rest.sparse))
            person += [f"{path.name}:{subject_key}"] * len(seen)
            time_s += times
    if not kpm:
        raise MotionError(f"{path}: no face was in sight long enough for its neutral to become ready")
    return Motions(
        np.concatenate(kpm), np.array(person), np.array(time_s, np.float32), f"recording {path.name}, {len(kpm)} faces"
    )


def rendered_motions(folder: Path, registration: RegistrationSettings | None = None) -> Motions:
    """Of a set of `facial_coding synthesize`: every tracked picture that is not at rest, against the mean of that
    person's resting pictures. Raises MotionError when the folder is no such set."""
    try:
        found = load_set(folder)
    except FileNotFoundError as error:
        raise MotionError(str(error)) from None
    tracked = found["tracked"]
    number, people = found["number"][tracked], found["person"][tracked]
    registered = Registration(registration or RegistrationSettings()).register(found["mesh"][tracked])
    sparse = np.stack([r.sparse for r in registered])
    kpm, person = [], []
    for one in np.unique(people):
        rest, shown = (people == one) & (number < NEUTRALS), (people == one) & (number > NEUTRALS)
        if rest.any() and shown.any():
            kpm.append(kpm_of(sparse[shown], sparse[rest].mean(0)))
            person += [f"{folder.name}-{one:04d}"] * int(shown.sum())
    if not kpm:
        raise MotionError(f"{folder}: no person has a tracked resting picture and a tracked expression")
    rows = np.concatenate(kpm)
    source = f"{len(kpm)} rendered people seen through MediaPipe (facial_coding synthesize)"
    return Motions(rows, np.array(person), np.full(len(rows), np.nan, np.float32), source)


def rendered_intensities(folder: Path) -> FloatArray:
    """True AU intensities (n, 24) of `rendered_motions`, row by row; the stronger side."""
    found = load_set(folder)
    tracked = found["tracked"]
    number, people = found["number"][tracked], found["person"][tracked]
    strength = np.maximum(found["right"], found["left"])[tracked]
    rows = []
    for one in np.unique(people):
        own = people == one
        if (own & (number < NEUTRALS)).any() and (own & (number > NEUTRALS)).any():
            rows.append(strength[own & (number > NEUTRALS)])
    return np.concatenate(rows).astype(np.float32)
