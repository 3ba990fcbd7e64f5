"""Runs the pipeline over a video, a folder of images or a ROS 2 bag, at full speed and without ROS, and writes
DIR/face_codes.csv: one row per face and frame. The same input gives the same output, to the last digit."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..cli import UserError
from ..codes.landmarks import landmarks_70
from ..codes.table import TableWriter
from ..drawing.overlay import draw
from ..drawing.video import VideoWriter
from ..image.sources import DEFAULT_FPS, Source, SourceError, open_source
from ..neutral import fit_neutral, read_neutral
from ..nodes import parameters
from ..pipeline import Pipeline, PipelineSettings
from ..types import Frame, Registered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT", help="video, folder of images, or ROS 2 bag (sqlite3 or mcap)")
    parser.add_argument("--out", metavar="DIR", default="replay_out", help="where the results go; default: %(default)s")
    parser.add_argument("--topic", default="", help="image topic of a bag that has several")
    parser.add_argument("--fps", type=float, default=DEFAULT_FPS, help="of a folder of images; default %(default)s")
    parser.add_argument("--overlay", action="store_true", help="also DIR/overlay.webm: the codes on the images")
    parser.add_argument("--params-file", metavar="YAML", help="parameters, as the node takes them")
    neutral = parser.add_mutually_exclusive_group()
    neutral.add_argument("--neutral", metavar="START:END", help="frames in which every face is at rest, without END")
    neutral.add_argument("--neutral-from", metavar="FILE", help="neutral of a file, for every face")


def run(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.out)
    problems: list[str] = []
    try:
        source = open_source(arguments.input, arguments.topic, arguments.fps)
        folder.mkdir(parents=True, exist_ok=True)
        settings = _settings(arguments.params_file)
        with contextlib.closing(Pipeline(settings)) as pipeline:
            if arguments.neutral_from:
                pipeline.give_neutrals(everyone=read_neutral(Path(arguments.neutral_from)))
            elif arguments.neutral:
                pipeline.give_neutrals(neutrals_of(source, settings, *_interval(arguments.neutral)))
            summary = replay(source, pipeline, folder, arguments.overlay, problems.append)
    except (OSError, SourceError, ValueError) as error:
        raise UserError(str(error)) from None
    for problem in problems[:10]:
        print(f"left out: {problem}", file=sys.stderr)
    if problems:
        print(f"{len(problems)} frames could not be used", file=sys.stderr)
    faces = "1 face" if summary.faces == 1 else f"{summary.faces} faces"
    print(f"{summary.frames} frames, {faces}, {summary.rows} face codes: {folder / 'face_codes.csv'}")
    return 0


@dataclass(frozen=True)
class Summary:
    """Frames read, different faces, rows written."""

    frames: int
    faces: int
    rows: int


def replay(
    source: Source, pipeline: Pipeline, folder: Path, overlay: bool, on_damage: Callable[[str], None]
) -> Summary:
    """Writes face_codes.csv, and overlay.webm when asked for, into the folder; nothing is left half-written.

    Raises SourceError and OSError.
    """
    frames = 0
    faces: set[str] = set()
    with contextlib.ExitStack() as files:
        table = files.enter_context(TableWriter(folder / "face_codes.csv", pipeline.form))
        video = files.enter_context(VideoWriter(folder / "overlay.webm", source.fps)) if overlay else None
        for frame in _with_progress(source, source.frames(on_damage), "replay"):
            codes = pipeline.process(frame)
            table.write(frame.index, frame.stamp_ns, codes)
            if video is not None:
                video.write(draw(frame.image, [(code, landmarks_70(code.face)) for code in codes]))
            frames += 1
            faces.update(code.face.face_id for code in codes)
        if not frames:
            raise SourceError(f"{source.name} has no frame that can be used")
    return Summary(frames, len(faces), table.rows)


def _with_progress(source: Source, frames: Iterator[Frame], what: str) -> Iterable[Frame]:
    return tqdm(frames, what, total=source.count or None, unit="frame", leave=False, disable=None)


def neutrals_of(source: Source, settings: PipelineSettings, start: int, end: int) -> dict[str, Registered]:
    """Neutral of every face seen in the frames start..end-1, by face id. Raises ValueError when there is none."""
    seen: dict[str, list[Registered]] = {}
    with contextlib.closing(Pipeline(settings)) as pipeline:
        for frame in _with_progress(source, source.frames(lambda _: None), "neutral"):
            if frame.index >= end:
                break
            faces = pipeline.tracker.track(frame)
            if frame.index < start or not faces:
                continue
            for face, registered in zip(faces, pipeline.registration.register([f.mesh for f in faces]), strict=True):
                seen.setdefault(face.face_id, []).append(registered)
    if not seen:
        raise ValueError(f"--neutral {start}:{end}: no face was found in these frames of {source.name}")
    return {face_id: fit_neutral(frames) for face_id, frames in seen.items()}


def _settings(params_file: str | None) -> PipelineSettings:
    """Those of the node, but with face ids that are the same every time."""
    values = parameters.read_yaml(Path(params_file)) if params_file else {}
    if not values.get("tracking.id_seed"):
        values["tracking.id_seed"] = 1
    return parameters.build(values).pipeline


def _interval(text: str) -> tuple[int, int]:
    start, _, end = text.partition(":")
    if not (start.isdigit() and end.isdigit() and int(start) < int(end)):
        raise ValueError(f"--neutral {text}: START:END in frames is expected, such as 0:30")
    return int(start), int(end)
