# SPDX-License-Identifier: Apache-2.0
"""Runs the pipeline over videos, folders of images or ROS 2 bags, at full speed and without ROS. The same input gives
the same output, to the last digit. One recording lands in DIR, several in DIR/NAME each; face_codes.csv holds one row
per face and frame, frames.csv one per frame, recording.json what was read and with which settings.

Exit code: 0 all was read whole; 1 at least one recording gave no result; 3 all gave one, but parts were left out.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from ..coding.output_settings import OUTPUTS, OutputSettings
from ..errors import UserError
from ..evaluation.replay import replay_file
from ..evaluation.replay_folder import FORMATS, Outcome, ReplayJob, finished
from ..evaluation.workers import on_cluster, on_this_machine
from ..image.bags import is_bag
from ..image.sources import DEFAULT_FPS, WHOLE, SourceError, Span, image_topics
from ..nodes import parameters
from ..pipeline import PipelineSettings

PARTLY = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("inputs", metavar="INPUT", nargs="+", help="video, folder of images, or ROS 2 bag (sqlite3 or mcap)")
    add("--out", metavar="DIR", default="replay_out", help="where the results go; default: %(default)s")
    topic = "image topic of bags that have several; may be given again, or be 'all'"
    add("--topic", metavar="TOPIC", action="append", default=[], help=topic)
    add("--range", metavar="START:END", default="", help="seconds since the first frame; either may be left out")
    add("--fps", type=float, default=DEFAULT_FPS, help="of a folder of images; default %(default)s")
    formats = "of csv, parquet (the table) and bag (MCAP of messages); default csv, and parquet where pyarrow is"
    add("--formats", default="csv,parquet" if find_spec("pyarrow") else "csv", help=formats)
    columns = (
        "what is coded, of facs, dfecs, latent and expression; the rest takes no time and has no columns; default all"
    )
    add("--columns", metavar="LIST", default="", help=columns)
    add("--overlay", action="store_true", help="also overlay.webm: the codes on the images")
    add("--resume", action="store_true", help="keep results of the same input, settings, models and code")
    processors = os.cpu_count() or 1
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--processes", type=int, default=processors, help="recordings at once; default %(default)s")
    cluster = "Dask scheduler, tcp://... or its .json file; its workers must see the same files"
    where.add_argument("--cluster", metavar="ADDRESS", help=cluster)
    turned = "degrees by which heads are turned in the images, clockwise; the parameter tracking.image_rotation"
    add("--image-rotation", type=int, choices=(0, 90, 180, 270), help=turned)
    add("--params-file", metavar="YAML", help="parameters, as the node takes them")
    neutral = parser.add_mutually_exclusive_group()
    neutral.add_argument("--neutral", metavar="START:END", help="frames in which every face is at rest, without END")
    neutral.add_argument(
        "--neutral-from",
        metavar="FILE",
        help="neutral for every face: a file of one; of stills also a picture, or a table person,neutral (.csv)",
    )
    add("--stills", action="store_true", help="pictures that have nothing to do with each other: each is coded alone")


def run(arguments: argparse.Namespace) -> int:
    try:
        jobs, failed = _jobs(arguments)
    except (OSError, SourceError, ValueError) as error:
        raise UserError(str(error)) from None
    begin = time.perf_counter()
    outcomes = list(failed)
    for outcome in _done(jobs, arguments):
        if outcome.error and len(jobs) + len(failed) == 1:
            raise UserError(outcome.error)
        _tell(outcome)
        outcomes.append(outcome)
    return _summary(outcomes, time.perf_counter() - begin)


def _done(jobs: Sequence[ReplayJob], arguments: argparse.Namespace) -> Iterator[Outcome]:
    left = []
    for job in jobs:
        kept = finished(job) if arguments.resume else None
        if kept is None:
            left.append(job)
        else:
            yield kept
    if arguments.cluster:
        try:
            yield from _bar(on_cluster(left, arguments.cluster), len(left))
        except ModuleNotFoundError:
            raise UserError("--cluster needs dask.distributed: pip install distributed") from None
        except OSError as error:
            raise UserError(f"--cluster {arguments.cluster}: {error}") from None
    elif len(jobs) == 1:
        yield from (replay_file(job, progress=True) for job in left)
    elif left:
        yield from _bar(on_this_machine(left, max(arguments.processes, 1)), len(left))


def _bar(outcomes: Iterator[Outcome], count: int) -> Iterator[Outcome]:
    yield from tqdm(outcomes, "replay", total=count, unit="recording", leave=False, disable=None)


def _tell(outcome: Outcome) -> None:
    with tqdm.external_write_mode(sys.stderr):
        if outcome.error:
            print(f"no result: {outcome.error}", file=sys.stderr)
        for note in outcome.notes:
            print(f"note: {note}", file=sys.stderr)
        for problem in outcome.problems[:10]:
            print(f"left out: {problem}", file=sys.stderr)
        if outcome.problem_count:
            print(f"{outcome.name}: {outcome.problem_count} times something could not be used", file=sys.stderr)
    if not outcome.error:
        faces = "1 face" if outcome.faces == 1 else f"{outcome.faces} faces"
        kept = "; it was there already" if outcome.kept else ""
        where = Path(outcome.folder) / "face_codes.csv"
        print(f"{outcome.frames} frames, {faces}, {outcome.rows} face codes: {where}{kept}")


def _summary(outcomes: Sequence[Outcome], took_s: float) -> int:
    lost = [outcome for outcome in outcomes if outcome.error]
    partly = [outcome for outcome in outcomes if outcome.problem_count and not outcome.error]
    if len(outcomes) > 1:
        frames = sum(outcome.frames for outcome in outcomes)
        rows = sum(outcome.rows for outcome in outcomes)
        fresh_s = sum(outcome.seconds for outcome in outcomes if not outcome.kept)
        speed = f", {fresh_s / took_s:.1f} times real time" if fresh_s else ""
        print(
            f"{len(outcomes)} recordings: {len(outcomes) - len(lost) - len(partly)} whole, {len(partly)} in part, "
            f"{len(lost)} without a result; {frames} frames, {rows} face codes in {took_s:.1f} s{speed}"
        )
    return 1 if lost else PARTLY if partly else 0


def _jobs(arguments: argparse.Namespace) -> tuple[list[ReplayJob], list[Outcome]]:
    """The jobs, and what came of inputs whose topics cannot even be listed. Raises ValueError and OSError."""
    formats = tuple(arguments.formats.split(","))
    if unknown := set(formats) - set(FORMATS):
        raise ValueError(f"--formats {arguments.formats}: {sorted(unknown)[0]!r} is none of {', '.join(FORMATS)}")
    if not 0 < arguments.fps < 1000:
        raise ValueError(f"--fps {arguments.fps:g}: images a second are expected, above 0 and below 1000")
    settings = _settings(arguments.params_file, arguments.image_rotation)
    if arguments.columns:
        settings = replace(settings, outputs=_outputs(arguments.columns))
    span = _span(arguments.range)
    if arguments.stills and arguments.neutral:
        raise ValueError("--neutral names frames of a recording; with --stills: --neutral-from PICTURE")
    neutral = _interval(arguments.neutral) if arguments.neutral else None
    paths = [Path(text) for text in arguments.inputs]
    if arguments.topic and all(path.exists() and not is_bag(path) for path in paths):
        raise ValueError(f"--topic {arguments.topic[0]} is of bags, and no input is one")
    entries, failed = [], []
    for text in dict.fromkeys(arguments.inputs):
        try:
            topics = _topics(Path(text), arguments.topic)
        except SourceError as error:
            failed.append(Outcome(text, "", error=str(error)))
            continue
        entries += [(text, topic, len(topics) > 1) for topic in topics]
    if not entries and len(failed) == 1:
        raise SourceError(failed[0].error)
    folder = Path(arguments.out)
    several = len(entries) + len(failed) > 1
    names = _names(entries)
    return [
        ReplayJob(
            input=text,
            folder=str(folder / name if several else folder),
            topic=topic,
            fps=arguments.fps,
            span=span,
            formats=formats,
            overlay=arguments.overlay,
            settings=settings,
            neutral=neutral,
            neutral_from=arguments.neutral_from or "",
            stills=arguments.stills,
        )
        for (text, topic, _), name in zip(entries, names, strict=True)
    ], failed


def _topics(path: Path, wanted: Sequence[str]) -> list[str]:
    """Topics of a bag to replay; one empty name where there is nothing to choose."""
    if not wanted or not path.exists() or not is_bag(path):
        return [""]
    if wanted == ["all"]:
        return image_topics(path) or [""]
    return list(wanted)


def _names(entries: Sequence[tuple[str, str, bool]]) -> list[str]:
    """Folder names: the input's, with the topic where there are several; numbered where two would be the same."""
    names: list[str] = []
    for text, topic, with_topic in entries:
        path = Path(text).resolve()
        name = path.name if path.is_dir() else path.stem
        name += "-" + re.sub(r"\W+", "-", topic).strip("-") if with_topic else ""
        number = 1
        unique = name
        while unique in names:
            number += 1
            unique = f"{name}-{number}"
        names.append(unique)
    return names


def _settings(params_file: str | None, image_rotation: int | None) -> PipelineSettings:
    """Those of the node, but with face ids that are the same every time."""
    values = parameters.read_yaml(Path(params_file)) if params_file else {}
    if image_rotation is not None:
        values["tracking.image_rotation"] = image_rotation
    if not values.get("tracking.id_seed"):
        values["tracking.id_seed"] = 1
    return parameters.build(values).pipeline


def _outputs(text: str) -> OutputSettings:
    """Only those that are named are on."""
    named = set(text.split(","))
    if unknown := named - OUTPUTS:
        raise ValueError(f"--columns {text}: {min(unknown)!r} is none of {', '.join(sorted(OUTPUTS))}")
    return OutputSettings(**{name: name in named for name in OUTPUTS})


def _interval(text: str) -> tuple[int, int]:
    start, _, end = text.partition(":")
    if not (start.isdigit() and end.isdigit() and int(start) < int(end)):
        raise ValueError(f"--neutral {text}: START:END in frames is expected, such as 0:30")
    return int(start), int(end)


def _span(text: str) -> Span:
    if not text:
        return WHOLE
    start, colon, end = text.partition(":")
    try:
        if not colon:
            raise ValueError("no colon")
        return Span(float(start or 0), float(end or math.inf))
    except ValueError as error:
        raise ValueError(f"--range {text}: START:END in seconds is expected, such as 10:25.5 ({error})") from None
