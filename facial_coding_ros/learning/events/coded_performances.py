# SPDX-License-Identifier: Apache-2.0
"""Face codes of scripted people through the node's pipeline, kept in files to judge rules without tracking anew.

Each picture is rendered once and coded by every camera that looks at it. What is kept are the faces that were followed
and their expressions: resting faces, action units, speech, gaze and events are then made within minutes.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from ...coding.facs import FacsEstimator
from ...coding.temporal import TemporalStage
from ...events import Event, standard_detectors
from ...keypoints import Registration, motion
from ...neutral import NeutralKeeper
from ...pipeline import Pipeline, PipelineSettings
from ...tracking import TrackingSettings
from ...types import FaceCode, Frame, ImageArray
from .performances import FPS, SIDE, performed, portrait
from .scripts import Script

ZERO_NS = 10**12
"""Stamp of the first picture."""
Coded = list[tuple[int, tuple[FaceCode, ...]]]
"""Stamp, and the face codes of that frame before the temporal stage."""
ALONE = ("30", "15", "60px")
TOGETHER = "two"
CONDITIONS = (*ALONE, TOGETHER)


class PerformanceCoder:
    """Codes pictures one after another as the node does, but for the temporal stage. Ends with its context."""

    def __init__(self, fps: float) -> None:
        self._fps, self._found = fps, Coded()
        self._pipeline = Pipeline(PipelineSettings(tracking=TrackingSettings(id_seed=1)))
        self._pipeline.temporal.update = lambda codes, stamp_ns: tuple(codes)  # type: ignore[method-assign]

    def add(self, image: ImageArray) -> None:
        index = len(self._found)
        stamp_ns = ZERO_NS + round(index * 1e9 / self._fps)
        codes = self._pipeline.process(Frame(np.ascontiguousarray(image), stamp_ns, index))
        # Without the landmark network's features, nine tenths of a face code.
        self._found.append((stamp_ns, tuple(replace(code, face=replace(code.face, features=None)) for code in codes)))

    def __enter__(self) -> PerformanceCoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.close()

    def write(self, path: Path) -> None:
        """To a file that is whole or not there."""
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps(self._found))
        part.replace(path)


def read(path: Path) -> Coded:
    """A file that this module wrote (never of another origin: it is a pickle).

    Resting faces and action units are learnt and coded anew from the faces that were followed, so that a change of
    these is judged within minutes, too; expressions are as they were.
    """
    found: Coded = pickle.loads(path.read_bytes())
    registration, keeper, estimator = Registration(), NeutralKeeper(), _estimator()
    coded = Coded()
    for stamp_ns, codes in found:
        faces = [code.face for code in codes]
        registered = registration.register([face.mesh for face in faces]) if faces else ()
        neutrals = [
            keeper.update(face.subject_key, points, face, stamp_ns)
            for face, points in zip(faces, registered, strict=True)
        ]
        motions = [
            motion(points, neutral.registered)
            for points, neutral in zip(registered, neutrals, strict=True)
            if neutral.registered is not None
        ]
        units = estimator.estimate(motions, faces, neutrals)
        again = [
            FaceCode(code.face, neutral.state, neutral.uncertainty, own, code.expression, code.dfecs, code.latent)
            for code, neutral, own in zip(codes, neutrals, units, strict=True)
        ]
        coded.append((stamp_ns, tuple(again)))
    return coded


@cache
def _estimator() -> FacsEstimator:
    return FacsEstimator.load()


def small(image: ImageArray) -> ImageArray:
    """The picture at half the size in a larger one, so that a face of 120 px is 60 px wide."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    canvas = np.full((240, 320, 3), 110, np.uint8)
    canvas[30 : 30 + half.shape[0], 70 : 70 + half.shape[1]] = half
    return canvas


def pair_paths(work: Path, pair: tuple[str, str], seconds: float) -> Mapping[tuple[str, str], Path]:
    """Files of two people, by name and condition; both together are under ("", "two")."""
    paths = {(name, condition): work / f"{name}@{condition}_{seconds:g}s.pkl" for name in pair for condition in ALONE}
    return paths | {("", TOGETHER): work / f"{pair[0]}+{pair[1]}@two_{seconds:g}s.pkl"}


def record_pair(portraits: Path, paths: Mapping[tuple[str, str], Path], scripts: Mapping[str, Script]) -> None:
    """Two people, each before three cameras, and side by side before a fourth. Does nothing when all is kept."""
    if all(path.exists() for path in paths.values()):
        return
    streams = [pictures(portraits, name, script) for name, script in scripts.items()]
    with contextlib.ExitStack() as stack:
        coders = {key: stack.enter_context(PerformanceCoder(FPS / 2 if key[1] == "15" else FPS)) for key in paths}
        for index, images in enumerate(zip(*streams, strict=True)):
            for name, image in zip(scripts, images, strict=True):
                coders[name, "30"].add(image)
                coders[name, "60px"].add(small(image))
                if index % 2 == 0:
                    coders[name, "15"].add(image)
            coders["", TOGETHER].add(np.hstack(images))
        for key, path in paths.items():
            coders[key].write(path)


def record(path: Path, images: Iterable[ImageArray], fps: float) -> None:
    """Codes pictures before one camera. Does nothing, and takes no picture, when they are kept."""
    record_views({path: lambda image: image}, images, fps)


def record_views(
    views: Mapping[Path, Callable[[ImageArray], ImageArray]], images: Iterable[ImageArray], fps: float
) -> None:
    """Codes pictures before several cameras, each with what it makes of a picture; those that are kept look away."""
    views = {path: view for path, view in views.items() if not path.exists()}
    if not views:
        return
    with contextlib.ExitStack() as stack:
        coders = {path: stack.enter_context(PerformanceCoder(fps)) for path in views}
        for image in images:
            for path, view in views.items():
                coders[path].add(view(image))
        for path, coder in coders.items():
            coder.write(path)


def pictures(portraits: Path, name: str, script: Script, fps: float = FPS, side: int = SIDE) -> Iterator[ImageArray]:
    """What a camera sees of a person who performs a script. Raises ValueError without a picture or face."""
    person = portrait(portraits / f"{name}_neutral.jpg", side)
    for image, _ in performed(person, script, fps):
        yield image


def events_of(recording: Coded) -> list[Event]:
    """What the temporal stage and the detectors make of it."""
    temporal, detectors, events = TemporalStage(), standard_detectors(), list[Event]()
    for stamp_ns, codes in recording:
        events += detectors.update(temporal.update(codes, stamp_ns), stamp_ns)
    return events


def by_side(events: list[Event], recording: Coded) -> tuple[list[Event], list[Event]]:
    """Events of the person on the left of the picture, and of the one on the right."""
    left = {c.face.face_id for _, codes in recording for c in codes if c.face.region.xmax < 0.55}
    return [e for e in events if e.face_id in left], [e for e in events if e.face_id not in left]
