# SPDX-License-Identifier: Apache-2.0
"""What can be shown of one image, wherever it comes from: a recording, a camera, a finished run or a running node."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..evaluation.runs import RunError, RunRecording, read_run
from ..events import Event, standard_detectors
from ..face_codes.from_table import TableCodes
from ..face_codes.rep155_landmarks import landmarks_70
from ..image.sources import Source, SourceError, open_source
from ..pipeline import Pipeline, PipelineSettings
from ..types import FaceCode, FloatArray, ImageArray

NO_POINTS = np.empty((0, 2), np.float32)


@dataclass(frozen=True)
class SeenFace:
    """One face of an image.

    landmarks: (70, 2) in pixels; (0, 2) where they are not known. surface: (468, 3), the registered mesh, as in
    types.Registered; None where only messages or a table are at hand. motion: (468, 3), the surface minus the person's
    neutral, in inter-ocular distances; None while no neutral is known.
    """

    code: FaceCode
    landmarks: FloatArray = dataclasses.field(default_factory=lambda: NO_POINTS)
    surface: FloatArray | None = None
    motion: FloatArray | None = None


@dataclass(frozen=True)
class Sight:
    """One image with everybody in it. image: None where only its codes are known."""

    index: int
    stamp_ns: int
    image: ImageArray | None
    faces: tuple[SeenFace, ...]
    events: tuple[Event, ...] = ()


def sights_of_source(source: Source, settings: PipelineSettings) -> Generator[Sight, None, None]:
    """Codes a recording or a camera. Raises SourceError where it cannot be read."""
    detectors = standard_detectors(settings.events)
    with contextlib.closing(Pipeline(settings)) as pipeline:
        for frame in source.frames():
            codes = pipeline.process(frame)
            registered = pipeline.registration.register([code.face.mesh for code in codes]) if codes else []
            faces = []
            for code, points in zip(codes, registered, strict=True):
                neutral = pipeline.neutral.neutral(code.face.subject_key, frame.stamp_ns).registered
                motion = None if neutral is None else points.dense - neutral.dense
                faces.append(SeenFace(code, landmarks_70(code.face), points.dense, motion))
            events = detectors.update(codes, frame.stamp_ns)
            yield Sight(frame.index, frame.stamp_ns, frame.image, tuple(faces), tuple(events))


def is_run(path: Path) -> bool:
    """Whether a path is what `facial_coding replay` leaves, for one recording."""
    return (path / "recording.json").is_file()


def sights_of_run(path: Path) -> Generator[Sight, None, None]:
    """A finished run, with the images of its recording while that lies where it was.

    A table holds boxes and numbers, no landmarks and no mesh. Raises UserError.
    """
    try:
        (run,) = read_run(path)
    except (RunError, ValueError) as error:
        raise UserError(str(error)) from None
    images = _images(run)
    by_stamp: dict[int, list[Event]] = {}
    for event in run.events:
        by_stamp.setdefault(event.stamp_ns, []).append(event)
    frames = TableCodes(run.columns).frames(run.at, len(run.stamp_ns))
    for index, stamp_ns, codes in zip(run.frame.tolist(), run.stamp_ns.tolist(), frames, strict=True):
        image = next(images, None)
        while image is not None and image[0] < stamp_ns:
            image = next(images, None)
        shown = image[1] if image is not None and image[0] == stamp_ns else None
        faces = tuple(SeenFace(code) for code in codes)
        yield Sight(index, stamp_ns, shown, faces, tuple(by_stamp.get(stamp_ns, ())))


def _images(run: RunRecording) -> Iterator[tuple[int, ImageArray]]:
    """Stamps and images of the run's recording; none when it has gone."""
    path = str(run.metadata.get("input", ""))
    if not path or not Path(path).exists():
        return
    try:
        source = open_source(path, str(run.metadata.get("topic", "")))
        for frame in source.frames(lambda _problem: None):
            yield frame.stamp_ns, frame.image
    except (SourceError, OSError):
        return
