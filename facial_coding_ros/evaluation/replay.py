# SPDX-License-Identifier: Apache-2.0
"""Replay of one recording: a job in, files out. The same job leaves the same codes wherever and whenever it runs.

In the job's folder: face_codes.csv (a row per face and frame), events.csv (a row per word about an event), frames.csv
(a row per frame), recording.json (what was read, with which settings and models; written last), and as asked for
face_codes.parquet, bag/ and overlay.webm.
"""

from __future__ import annotations

import contextlib
import csv
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from tqdm import tqdm

from ..drawing.overlay import draw
from ..drawing.video import VideoWriter
from ..events import standard_detectors
from ..face_codes.bag import BagWriter
from ..face_codes.events_table import EventTableWriter
from ..face_codes.parquet import ParquetWriter
from ..face_codes.rep155_landmarks import landmarks_70
from ..face_codes.table import TableWriter
from ..image.prefetch import prefetch
from ..image.sources import WHOLE, Source, SourceError, open_source
from ..image.stamps import SAME_TIME_S
from ..neutral import fit_neutral, read_neutral
from ..pipeline import Pipeline, PipelineSettings
from ..still_coder import StillCoder, pictures_of, still_settings, too_few_to_follow
from ..types import FaceCode, Frame, Registered
from .replay_folder import (
    BAG,
    CODES,
    EVENTS,
    FRAMES,
    OUTPUTS,
    OVERLAY,
    PARQUET,
    RECORDING,
    WORK,
    Outcome,
    ReplayJob,
    move_into,
    sole_writer,
    write_recording,
)
from .timing import Durations

_TOLD = 20
Coded = Generator[tuple[Frame, tuple[FaceCode, ...], float], None, None]


class Problems:
    """Collects what was left out, in bounded memory."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def __call__(self, problem: str) -> None:
        self.count += 1
        if len(self.first) < _TOLD:
            self.first.append(problem)


def replay_file(job: ReplayJob, progress: bool = False, one_thread: bool = False) -> Outcome:
    """Does the job; files appear in its folder only when all of them are whole. Never raises for what is wrong with
    the recording or the settings: `Outcome.error` says it.

    one_thread: frame by frame, for where other replays want the other cores; with the same results.
    """
    folder = Path(job.folder)
    work = folder / f"{WORK}{uuid.uuid4().hex[:8]}"
    try:
        settings = still_settings(job.settings) if job.stills else job.settings
        source = open_source(job.input, job.topic, job.fps, job.span, settings.image)
        if any(Path(job.input).resolve().is_relative_to((folder / name).resolve()) for name in OUTPUTS):
            raise ValueError(f"{job.input} lies where results of {folder} would be; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        with sole_writer(folder):
            for left in folder.glob(f"{WORK}*"):  # of a run that was ended
                shutil.rmtree(left, ignore_errors=True)
            work.mkdir()
            if not job.stills and (why := too_few_to_follow(source, job.settings)):
                raise SourceError(why)
            if job.stills:
                pictures_of(source)
                with contextlib.closing(StillCoder(job.settings, job.neutral_from)) as coder:
                    outcome = _replay(source, coder.pipeline, job, work, progress, coder)
                move_into(folder, work)
                return outcome
            with contextlib.closing(Pipeline(job.settings)) as pipeline:
                if job.neutral_from:
                    pipeline.give_neutrals(everyone=read_neutral(Path(job.neutral_from)))
                elif job.neutral:
                    pipeline.give_neutrals(neutrals_of(source, job.settings, *job.neutral, progress))
                outcome = _replay(source, pipeline, job, work, progress, None, one_thread)
            move_into(folder, work)
        return outcome
    except (OSError, SourceError, ValueError) as error:
        return Outcome(job.name, job.folder, error=str(error))
    except ModuleNotFoundError as error:
        return Outcome(job.name, job.folder, error=f"{error.name} is not installed; leave its format out of --formats")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _coded_stills(coder: StillCoder, source: Source, frames: Iterable[Frame]) -> Coded:
    pictures = pictures_of(source)
    for frame in frames:
        begin = time.perf_counter()
        codes = coder.code(frame, pictures[frame.index])
        yield frame, codes, time.perf_counter() - begin


def _frame_by_frame(pipeline: Pipeline, frames: Iterable[Frame]) -> Coded:
    for frame in frames:
        begin = time.perf_counter()
        codes = pipeline.process(frame)
        yield frame, codes, time.perf_counter() - begin


def _replay(
    source: Source,
    pipeline: Pipeline,
    job: ReplayJob,
    folder: Path,
    progress: bool,
    stills: StillCoder | None = None,
    one_thread: bool = False,
) -> Outcome:
    faces: set[str] = set()
    problems = Problems()
    durations = Durations()
    detectors = standard_detectors(job.settings.events)
    frames, first_ns, last_ns, seconds = 0, 0, 0, 0.0
    begin = time.perf_counter()
    with contextlib.ExitStack() as files:
        table = files.enter_context(TableWriter(folder / CODES, pipeline.form))
        event_table = files.enter_context(EventTableWriter(folder / EVENTS))
        listing = csv.writer(files.enter_context((folder / FRAMES).open("w", newline="")))
        listing.writerow(("frame", "stamp_ns", "recorded_ns", "faces", *(["picture"] if stills else [])))
        parquet = bag = video = None
        if "parquet" in job.formats:
            parquet = files.enter_context(ParquetWriter(folder / PARQUET, pipeline.form))
        if "bag" in job.formats:
            bag = files.enter_context(BagWriter(folder / BAG))
        if job.overlay:
            video = files.enter_context(VideoWriter(folder / OVERLAY, source.fps))
        read = source.frames(problems)
        if not one_thread:
            read = files.enter_context(prefetch(read))
        # Progress counts frames as they are read, at most six before their codes.
        frames_read = _with_progress(source, read, progress, "replay")
        if stills:
            followed = _coded_stills(stills, source, frames_read)
        else:
            followed = _frame_by_frame(pipeline, frames_read) if one_thread else pipeline.process_all(frames_read)
        coded = files.enter_context(contextlib.closing(followed))
        for frame, codes, took in coded:
            durations.add(took)
            table.write(frame.index, frame.stamp_ns, codes)
            picture = [source.pictures[frame.index]] if stills else []
            listing.writerow((frame.index, frame.stamp_ns, frame.recorded_ns, len(codes), *picture))
            # Events are of one stream of time.
            events = detectors.update(() if stills else codes, frame.stamp_ns)
            event_table.write(events)
            if parquet is not None:
                parquet.write(frame.index, frame.stamp_ns, codes)
            if bag is not None:
                bag.write(frame, codes)
                bag.write_events(frame, events)
            if video is not None:
                drawn = draw(frame.image, [(code, landmarks_70(code.face)) for code in codes])
                video.write(drawn, frame.stamp_ns)
            first_ns = frame.stamp_ns if not frames else first_ns
            step_s = (frame.stamp_ns - last_ns) / 1e9
            seconds += step_s if frames and 0 < step_s <= SAME_TIME_S else 0  # a recording may hold several times
            last_ns = frame.stamp_ns
            frames += 1
            faces.update(code.face.face_id for code in codes)
        if not frames:
            because = f": {problems.first[0]}" if problems.first else ""
            part = "" if job.span == WHOLE else " in the range asked for"
            raise SourceError(f"{source.name} has no frame that can be used{part}{because}")
    took_s = time.perf_counter() - begin
    notes = source.notes
    if source.pictures and not faces and not stills:
        notes += (f"{source.name}: no face in {frames} pictures; if they are no recording, add --stills",)
    outcome = Outcome(
        job.name, job.folder, frames, len(faces), table.rows, seconds, took_s, tuple(problems.first), problems.count,
        notes=notes,
    )  # fmt: skip
    timing = {
        "took_s": took_s,
        "times_real_time": seconds / took_s if took_s else None,
        "processing_ms": durations.summary_ms(),
        "stages_ms": {stage: 1000 * seconds for stage, seconds in pipeline.times.take().items()},
    }
    write_recording(folder / RECORDING, job, outcome, (first_ns, last_ns), timing, pipeline.backend)
    return outcome


def _with_progress(source: Source, frames: Iterable[Frame], progress: bool, what: str) -> Iterable[Frame]:
    disable = None if progress else True  # None: where nobody watches
    return tqdm(frames, what, total=source.count or None, unit="frame", leave=False, disable=disable)


def neutrals_of(
    source: Source, settings: PipelineSettings, start: int, end: int, progress: bool = False
) -> dict[str, Registered]:
    """Neutral of every face seen in the frames start..end-1, by face id. Raises ValueError when there are none."""
    seen: dict[str, list[Registered]] = {}
    first = last = -1
    ignore: Callable[[str], None] = lambda _: None  # noqa: E731  the replay itself will tell
    with contextlib.closing(Pipeline(settings)) as pipeline:
        for frame in _with_progress(source, source.frames(ignore), progress, "neutral"):
            first, last = frame.index if first < 0 else first, frame.index
            if frame.index >= end:
                break
            faces = pipeline.tracker.track(frame)
            if frame.index < start or not faces:
                continue
            for face, registered in zip(faces, pipeline.registration.register([f.mesh for f in faces]), strict=True):
                seen.setdefault(face.face_id, []).append(registered)
    if first < 0:
        return {}  # the replay itself will tell
    if first >= end or last < start:
        what = f"begins with frame {first}" if first >= end else f"ends with frame {last}"
        raise ValueError(f"--neutral {start}:{end}: the part of {source.name} that is replayed {what}")
    if not seen:
        raise ValueError(f"--neutral {start}:{end}: no face was found in these frames of {source.name}")
    return {face_id: fit_neutral(frames) for face_id, frames in seen.items()}
